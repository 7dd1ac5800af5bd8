"""The cost of erasing a regular on a box: bytes written, and how long the slowest writer waits.

    python -m regulars_lab.bench.erasing [--visits 101000] [--faces 30000] [--regular 500]
    [--shops 1] [--years 1] [--folder DIR] [--json FILE]

Fills shops with years of drawn visits each, without pictures, in one database. Then erases the
regular of the first shop, and a stranger of each shop as retention does, while a thread writes
fifty times a second. The clock of the service goes ahead, so nothing waits for its time.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib import bootstrap
from chalicelib.domain.errors import Busy
from chalicelib.domain.hooks import UNSEEN
from chalicelib.domain.model import Profile
from chalicelib.open_storage import DATABASE
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.generation import find_file
from chalicelib.storage.ports import ItemStore, Put
from regulars_lab.bench.measuring import memory_bytes, parser, write
from regulars_lab.rigs.stand_ins import SteppedClock
from tests.support.book.tenants import KEEPING
from tests.support.book.years import Filled, Year, fill_year
from tests.support.fakes import FakeVision

PAUSE_S = 0.02
STEP = timedelta(minutes=1)


class Cost(Struct, frozen=True):
    """Bytes, times and memory of one act. `refused`: how many writes were given up."""

    what: str
    seconds: float
    processor_s: float
    written_mb: float
    longest_wait_s: float
    refused: int
    database_mb: float
    memory_mb: float


class Writer:
    """A thread that writes all the while, as captures do; `waits` are those of one measurement."""

    def __init__(self, items: ItemStore) -> None:
        self.waits: list[float] = []
        self.refused = 0

        self._items = items
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._ends.set()
            self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._ends.wait(PAUSE_S):
            item = {"tenant": "bench", "item": f"{number % 50:02}", "text": "x" * 500}
            number += 1
            began = time.monotonic()
            try:
                self._items.transact([Put(keys.DIRECTORY, item)])
            except Busy:
                self.refused += 1
            self.waits.append(time.monotonic() - began)


def main() -> int:
    options = parser("erasing", __doc__)
    options.add_argument("--visits", type=int, default=101_000, help="of a shop's year")
    options.add_argument("--faces", type=int, default=30_000, help="of a shop's year")
    options.add_argument("--regular", type=int, default=500, help="visits of the one who is erased")
    options.add_argument("--shops", type=int, default=1, help="shops of the box")
    options.add_argument("--years", type=int, default=1, help="that are kept of each shop")
    options.add_argument("--folder", type=Path, help="on the disk that is to be measured")
    arguments = options.parse_args()
    year = Year(
        arguments.visits * arguments.years,
        arguments.faces * arguments.years,
        arguments.regular,
        days=365 * arguments.years,
        has_pictures=False,
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        costs = measure(Path(folder), year, arguments.shops)
    write([asdict(cost) for cost in costs], arguments.json)
    return 0


def measure(folder: Path, year: Year, shops: int) -> list[Cost]:
    clock = SteppedClock(datetime(2026, 11, 2, 12, tzinfo=UTC))
    settings = Settings(storage=folder)
    with closing(bootstrap.build(settings, clock=clock, vision=FakeVision)) as services:
        filled = {}
        for name in (f"shop-{number}" for number in range(shops)):
            services.tenants.add(name, Profile.CLOUD, KEEPING)
            tenant = services.tenants.get_by_name(name)
            filled[name] = fill_year(services, tenant, year, clock.at)
            services.index.build(name)
            services.index.purge_before(name, services.writer.read_seq(name))  # as years do
            services.statistics.sealing.seal_tenant(tenant)
        writer = Writer(services.items)

        def cost(what: str, do: Callable[[], None]) -> Cost:
            made = _measure_one(what, do, writer, folder)
            print(*(f"{name} {value}" for name, value in asdict(made).items()), sep=", ")
            return made

        with writer.running():
            return [
                cost("nothing", lambda: time.sleep(10)),
                cost("a regular", lambda: _erase_regular(services, clock, filled)),
                cost("a night's strangers", lambda: _erase_strangers(services, clock, filled)),
            ]


def _measure_one(what: str, do: Callable[[], None], writer: Writer, folder: Path) -> Cost:
    writer.waits, writer.refused = [], 0
    before_bytes, began, processor = _count_written(), time.monotonic(), time.process_time()
    do()
    return Cost(
        what,
        round(time.monotonic() - began, 1),
        round(time.process_time() - processor, 1),
        round((_count_written() - before_bytes) / 1e6),
        round(max(writer.waits), 2),
        writer.refused,
        round(find_file(folder / DATABASE).stat().st_size / 1e6),
        round(memory_bytes()["VmHWM"] / 1e6),
    )


def _count_written() -> int:
    """Return how many bytes this process has written to files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _erase_regular(services: Services, clock: SteppedClock, filled: dict[str, Filled]) -> None:
    name, year = next(iter(filled.items()))
    tenant = services.tenants.get_by_name(name)
    services.deletion.delete_faces(tenant, [year.faceids[0]], by="bench", erase=True)
    _go_on(services, clock, filled, STEP)


def _erase_strangers(services: Services, clock: SteppedClock, filled: dict[str, Filled]) -> None:
    """Erase a stranger of each shop in each of three hours, and end the night."""
    for hour in range(3):
        for name, year in filled.items():
            tenant = services.tenants.get_by_name(name)
            stranger = year.faceids[3 + 10 * hour]
            services.deletion.delete_faces(tenant, [stranger], by=UNSEEN, erase=True)
    _go_on(services, clock, filled, timedelta(hours=1))


def _go_on(
    services: Services, clock: SteppedClock, filled: dict[str, Filled], step: timedelta
) -> None:
    """Let the clock go on until nothing is left of any erasure."""
    while True:
        clock.at += step
        for name in filled:
            services.erasure.steps.continue_all(services.tenants.get_by_name(name))
        if not any(True for name in filled for _ in services.erasure.records.list_unfinished(name)):
            return


if __name__ == "__main__":
    sys.exit(main())
