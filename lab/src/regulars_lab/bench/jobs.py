"""Measure whether scheduled jobs on AWS complete with many captures, and up to how many tenants.

    python -m regulars_lab.bench.jobs [--captures 5000] [--cameras 5] [--days 120] [--parts 20]
    [--json FILE]

A shop's day passes through the project's own services and stores, behind records of the days before
it, and each job of an hour, a night, a Sunday's night and the night on which that day's strangers
are due runs in a message of its own, as after a failure. No clock is read: a run takes what its
calls wait (storage/prices.py), and READ_MS for each item that it reads. Jobs see that time as what
is left of their 300 s, so they stop and go on as on AWS.

`--parts`: the same shop stands for one with so many times its captures, whose every second lasts so
many times as long.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib import bootstrap
from chalicelib.book.captures.captures import Offer
from chalicelib.domain.jobs import NIGHT_HOUR, STOPS_AT_S
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.tenant_settings import SIGHTING_DAYS, STRANGER_DAYS, TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Item, Page, Put, Storage, Table
from regulars_lab.bench.measuring import parser, write
from tests.support.bill.table import SWEEPS_AT_ONCE
from tests.support.book.book_with import book_with
from tests.support.book.tenants import CHOICE
from tests.support.fakes import FakeClock, FakeVision, Person, picture
from tests.support.storage.meter import MeteredItems, meter_storage
from tests.support.storage.prices import CORE_MB, waiting_ms

READ_MS = 0.4
"""Assumed: processor time of one item that is read, on a whole core: the AWS client takes 0.19 ms
here to parse a capture's, twice that on Lambda's processors."""

LIMIT_S = 300.0
WATCH_MB = 512
"""Of build_index and watch (.chalice/config.json): the time limit, and the memory, by which
processor time goes."""

SATURDAY = datetime(2026, 2, 28, 0, 5, tzinfo=UTC)
OPEN = range(9, 21)
NEW, AGAIN = 10, 5
"""One capture in so many shows somebody new, one in AGAIN somebody of that day who comes again; the
rest are there."""

WATCH, HOUR, NIGHT, SUNDAY, DUE = KINDS = (
    "watch",
    "hour",
    "night",
    "Sunday's night",
    "strangers due",
)


class Took(Struct, frozen=True):
    """One run: of which call of the schedule, what it did, the seconds that it took, and DynamoDB's
    units."""

    call: int
    when: str
    job: str
    seconds: float
    reads: int
    writes: int


class Counting(MeteredItems):
    """It also counts the items that are read."""

    found = 0

    def get(self, table: Table, key: tuple[str, str]) -> Item | None:
        self.found += 1
        return super().get(table, key)

    def get_many(self, table: Table, keys: Sequence[tuple[str, str]]) -> list[Item | None]:
        self.found += len(keys)
        return super().get_many(table, keys)

    def query(self, table: Table, partition: str, *, index: str | None = None, **how: Any) -> Page:
        page = super().query(table, partition, index=index, **how)
        self.found += len(page.items)
        return page


class Shop:
    """One tenant on metered stores. `parts`: what a second of it lasts."""

    def __init__(
        self, storage: Storage, clock: FakeClock, folder: Path, parts: int, cameras: int
    ) -> None:
        on_meter, self.meter = meter_storage(replace(storage, expires_items=True))
        self.items = Counting(storage.items, self.meter)
        self.storage = replace(on_meter, items=self.items)
        self.clock, self.parts = clock, parts
        settings = Settings(storage=folder)
        self.services = bootstrap.build(
            settings, clock=clock, vision=FakeVision, storage=self.storage
        )
        self.services.tenants.add("shop", Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC"))
        self.cameras = [f"door-{number}" for number in range(cameras)]
        for camera in self.cameras:
            self.services.cameras.add(self.tenant, camera, camera)
        self.took: list[Took] = []
        self.call = 0
        self.known: list[int] = []

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name("shop")

    def seconds(self, slower: float = 1.0) -> float:
        """Return what the calls since `begin` take on AWS."""
        return (
            self.parts * (waiting_ms(self.meter.waits) + READ_MS * slower * self.items.found) / 1000
        )

    def begin(self) -> None:
        self.meter.clear()
        self.items.found = 0

    def note(self, when: str, job: str, seconds: float) -> None:
        units = sum(self.meter.reads.values()), sum(self.meter.writes.values())
        self.took.append(Took(self.call, when, job, seconds, *(self.parts * one for one in units)))

    def capture(self, count: int) -> None:
        """Take in as many captures of the last hour, on all cameras in turn."""
        for number in range(count):
            seen = self.person(number)
            camera = self.cameras[number % len(self.cameras)]
            data = picture(Person(seen, quality=70.0 + number % 97 / 10)) + b" " * (number % 89)
            at = self.clock.now() - timedelta(hours=1) * (1 - number / count)
            offer = Offer(camera, hashlib.sha256(data).hexdigest(), len(data), "image/jpeg", at)
            [upload] = self.services.captures.offer_uploads(self.tenant, [offer])
            key = keys.capture_picture("shop", camera, upload.capture.id)
            self.storage.uploads.put_if_absent(key, data, "image/jpeg")
            self.services.sightings.ingest.resolve_capture("shop", camera, upload.capture.id)

    def person(self, number: int) -> int:
        """Return who is seen: somebody new, somebody of before, or whoever was seen last."""
        if number % NEW == 0 or not self.known:
            self.known.append(len(self.known) + 1)
        elif number % AGAIN == 0:
            self.known.append(self.known.pop(number % len(self.known)))
        return self.known[-1]

    def remember(self, a_day: int, days: int) -> None:
        """Put records of the days before, like one that was just taken in."""
        self.capture(1)
        partition = keys.captures("shop", self.cameras[0])
        (like,) = self.storage.items.query(keys.CAPTURES, partition, limit=1).items
        tail = like["capture"].partition("-")[2]
        apart = timedelta(days=days) / max(a_day * days, 1)
        begin = self.clock.now() - timedelta(days=days)
        puts: list[Put] = []
        for number in range(a_day * days):
            at_ms = int((begin + apart * number).timestamp() * 1000)
            of = keys.captures("shop", self.cameras[number % len(self.cameras)])
            puts.append(
                Put(keys.CAPTURES, {**like, "tenant_camera": of, "capture": f"{at_ms:013d}-{tail}"})
            )
            if len(puts) == 50:
                self.items._items.transact(puts)
                puts.clear()

    def sweep(self, when: str) -> None:
        """Send the sweep's messages of this hour, and do all that is asked for until nothing is
        left."""
        self.call += 1
        queue, hour = self.storage.index_queue, self.clock.now().replace(minute=0)
        self.services.sweep.request_sweeps(hour)
        while messages := queue.receive(10, 60):
            for message in messages:
                queue.delete(message.receipt)
                for asked in apart(json.loads(message.body)):
                    self.run(when, asked)

    def run(self, when: str, asked: dict[str, Any]) -> None:
        self.begin()
        self.services.sweep.handle_message(json.dumps(asked), 1, lambda: LIMIT_S - self.seconds())
        name = (
            asked["chores"][0] if "chores" in asked else next(iter({*asked} - {"tenant"}), "index")
        )
        self.note(when, name, self.seconds())

    def watch(self) -> None:
        self.begin()
        book_with(self.services, settings=replace(self.services.settings, storage=None)).watch.run()
        self.note(WATCH, WATCH, self.seconds(CORE_MB / WATCH_MB))


def apart(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message for each job."""
    for name in asked.get("chores", ()):
        yield {**asked, "chores": [name], "is_part": True}
    if "chores" not in asked:
        yield asked


def simulate_days(folder: Path, captures: int, cameras: int, days: int, parts: int) -> list[Took]:
    """Let a Saturday pass, a Sunday's night, and the night on which the strangers of that Saturday
    are due."""
    clock = FakeClock(SATURDAY)
    shop = Shop(open_storage(Settings(storage=folder), clock), clock, folder, parts, cameras)
    with closing(shop.services):
        shop.remember(captures, days)
        for hour in range(24 + NIGHT_HOUR + 1):
            if hour in OPEN:
                shop.capture(captures // len(OPEN))
                shop.watch()
            shop.sweep(HOUR if hour % 24 != NIGHT_HOUR else NIGHT if hour < 24 else SUNDAY)
            clock.advance(timedelta(hours=1))
        clock.advance(timedelta(days=STRANGER_DAYS))
        clock.advance(timedelta(hours=24 - 1))
        shop.sweep(DUE)
    return shop.took


def most(took: Sequence[Took]) -> dict[str, int]:
    """Return with how many such tenants each is still done in time: an hour's sweeps within it, a
    night's within three hours (the alarm SweepIsLate), and all tenants in one run of `watch`.
    """
    hours = Counter[int]()
    for one in took:
        hours[one.call] += one.seconds if one.when == HOUR else 0
    nights = {
        when: sum(one.seconds for one in took if one.when == when) for when in (NIGHT, SUNDAY, DUE)
    }
    at_once = 3600 * SWEEPS_AT_ONCE
    watch = max(one.seconds for one in took if one.job == WATCH)
    return {
        WATCH: int((LIMIT_S - STOPS_AT_S) / watch),
        HOUR: int(at_once / max(hours.values())),
        **{when: int(3 * at_once / seconds) for when, seconds in nights.items()},
    }


def table(took: Sequence[Took]) -> str:
    """Return a line for each job of each kind of hour that takes a second or more: runs, seconds,
    units."""
    lines = [
        f"{'':16}{'job':18}{'runs':>6}{'longest s':>11}{'all s':>9}{'reads':>11}{'writes':>10}"
    ]
    names = dict.fromkeys((one.when, one.job) for one in took)
    for when, job in sorted(names, key=lambda one: (KINDS.index(one[0]), one[1])):
        of = [one for one in took if (one.when, one.job) == (when, job)]
        spent, reads, writes = (
            sum(getattr(one, name) for one in of) for name in ("seconds", "reads", "writes")
        )
        longest = max(one.seconds for one in of)
        if longest >= 1:
            late = "  TOO LONG" if longest > LIMIT_S else ""
            lines.append(
                f"{when:16}{job:18}{len(of):6}{longest:11.1f}{spent:9.0f}{reads:11,}{writes:10,}{late}"
            )
    return "\n".join(lines)


def main() -> None:
    options = parser("jobs", __doc__)
    options.add_argument("--captures", type=int, default=5000, help="a day (default: %(default)s)")
    options.add_argument("--cameras", type=int, default=5, help="(default: %(default)s)")
    options.add_argument(
        "--days", type=int, default=SIGHTING_DAYS, help="of records before (default: %(default)s)"
    )
    options.add_argument(
        "--parts", type=int, nargs="+", default=[1, 20], help="(default: %(default)s)"
    )
    asked = options.parse_args()
    figures = {}
    for parts in asked.parts:
        with tempfile.TemporaryDirectory() as folder:
            took = simulate_days(Path(folder), asked.captures, asked.cameras, asked.days, parts)
        print(
            f"\n{asked.captures * parts:,} captures a day, {asked.days} days kept\n\n"
            f"{table(took)}\n"
        )
        print("tenants of this kind that are done in time:", json.dumps(most(took)))
        figures[parts] = {"took": [asdict(one) for one in took], "most": most(took)}
    write(figures, asked.json)
    if any(one["seconds"] > LIMIT_S for of in figures.values() for one in of["took"]):
        raise SystemExit("a job takes longer than a run may")


if __name__ == "__main__":
    main()
