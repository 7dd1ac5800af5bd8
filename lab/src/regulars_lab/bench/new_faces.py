"""New faces of one tenant, made by several functions at once: how many a second, and what each
costs in calls.

    python -m regulars_lab.bench.new_faces [--json FILE] [--workers 1,3,10,30] [--captures 200]

Simulated, since no machine has so many functions: the services are the real ones on the embedded
storage, each worker has services of its own, as a function has, and each call of storage or search
takes as long as prices.py assumes. Time is simulated, too, so the machine's load changes nothing:
one worker runs at a time, and waits only move a clock. A transaction is refused while another one
has one of its items, as in DynamoDB (TransactionConflict).
"""

from __future__ import annotations

import heapq
import json
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.captures.captures import Offer
from chalicelib.domain.captures import Capture
from chalicelib.domain.errors import Busy
from chalicelib.domain.model import Profile
from chalicelib.domain.rules.decision import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, ItemStore, Storage
from regulars_lab.bench.measuring import numbers, parser, write
from regulars_lab.rigs.operations import FIGURES
from regulars_lab.rigs.stand_ins import Eyes, draw_picture
from tests.support.book.tenants import KEEPING
from tests.support.storage.prices import INVOKE_MS, SEARCH_MS, SLOWDOWN, WAIT_MS

CAMERA = "door"
_BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
_LATE = timedelta(hours=3)


class Waits:
    """A clock that only waits move, for threads that run one at a time in the order of their waits'
    ends."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, int, threading.Event]] = []
        self._order = count()

    def now(self) -> datetime:
        return _BEGIN + timedelta(seconds=self.now_s)

    def wait(self, seconds: float) -> None:
        turn = self._turn(seconds)
        self._next()
        turn.wait()

    def about(self, seconds: float) -> None:
        """Wait for this long on average: alike waits would put the workers into step."""
        self.wait(random.uniform(0.5, 1.5) * seconds)

    def run(self, works: Sequence[Callable[[], object]]) -> None:
        """Run these side by side, each in a thread. Raises the first error of theirs."""
        errors: list[BaseException] = []

        def one(work: Callable[[], object], turn: threading.Event) -> None:
            turn.wait()
            try:
                work()
            except BaseException as error:
                errors.append(error)
            self._next()

        threads = [
            threading.Thread(target=one, args=(work, self._turn(0)), daemon=True) for work in works
        ]
        for thread in threads:
            thread.start()
        with self._instead_of_sleep():
            self._next()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    def _turn(self, seconds: float) -> threading.Event:
        turn = threading.Event()
        heapq.heappush(self._due, (self.now_s + seconds, next(self._order), turn))
        return turn

    def _next(self) -> None:
        if self._due:
            self.now_s, _, turn = heapq.heappop(self._due)
            turn.set()

    @contextmanager
    def _instead_of_sleep(self) -> Iterator[None]:
        """Let pauses between tries pass on this clock."""
        real, time.sleep = time.sleep, self.wait
        try:
            yield
        finally:
            time.sleep = real


@dataclass
class Network:
    """Network between functions and storage, which takes time and counts calls."""

    waits: Waits
    calls: Counter[str] = field(default_factory=Counter)
    held: set[tuple[str, tuple[str, str]]] = field(default_factory=set)
    """Items of transactions that are under way."""

    def call(self, name: str, wait_ms: float, work: Callable[[], Any]) -> Any:
        """Do the work in the middle of the wait."""
        self.calls[name] += 1
        self.waits.about(wait_ms / 2e3)
        try:
            return work()
        finally:
            self.waits.about(wait_ms / 2e3)

    def transact(self, items: ItemStore, actions: Sequence[Action]) -> None:
        mine = {(action.table.name, action.key) for action in actions}
        if mine & self.held:
            self.call("transaction", WAIT_MS["dynamodb"], lambda: None)
            raise Busy("another transaction has one of these items")
        self.held |= mine
        try:
            self.call("transaction", WAIT_MS["dynamodb"], lambda: items.transact(actions))
        finally:
            self.held -= mine


class Far:
    """A port whose calls go through the network; `waits_ms`: the name and the time of each method's
    call."""

    def __init__(self, port: Any, network: Network, waits_ms: dict[str, tuple[str, float]]) -> None:
        self._port, self._network, self._waits_ms = port, network, waits_ms

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._port, method)
        if method not in self._waits_ms:
            return call
        name, wait_ms = self._waits_ms[method]
        return lambda *given, **named: self._network.call(
            name, wait_ms, lambda: call(*given, **named)
        )


class FarItems(Far):
    def transact(self, actions: Sequence[Action]) -> None:
        self._network.transact(self._port, actions)


class FarSearch:
    """The search function, as one worker calls it. `answers_s`: the times of its answers."""

    def __init__(self, search: FaceSearch, network: Network) -> None:
        self._search, self._network = search, network
        self.answers_s: list[float] = []

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        found: SearchAnswer = self._network.call(
            "search", INVOKE_MS + SEARCH_MS, lambda: self._search.search(tenant, request)
        )
        self.answers_s.append(self._network.waits.now_s)
        return found


class SlowEyes(Eyes):
    """Eyes that take as long as the models."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits
        self._s = json.loads(FIGURES.read_text())["here_ms"]["capture_new"] * SLOWDOWN / 1e3

    def read_picture(self, picture: bytes, rules: Any) -> Any:
        self._waits.about(self._s)
        return super().read_picture(picture, rules)


def far(storage: Storage, network: Network) -> Storage:
    dynamodb, get, put, delete = (
        WAIT_MS[name] for name in ("dynamodb", "s3 get", "s3 put", "s3 delete")
    )
    blobs = {
        "get": ("s3 get", get),
        "put_if_absent": ("s3 put", put),
        "delete": ("s3 delete", delete),
    }
    queue = {"send": ("sqs", WAIT_MS["sqs"])}
    reads = dict.fromkeys(("get", "get_many", "get_each", "query"), ("read", dynamodb))
    return replace(
        storage,
        items=FarItems(storage.items, network, reads),
        blobs=Far(storage.blobs, network, blobs),
        uploads=Far(storage.uploads, network, blobs),
        index_queue=Far(storage.index_queue, network, queue),
        deliveries_queue=Far(storage.deliveries_queue, network, queue),
    )


@dataclass
class Shop:
    """A tenant with captures that wait to be resolved, and the workers that resolve them."""

    folder: Path
    workers: int
    waits: Waits = field(default_factory=Waits)

    def __post_init__(self) -> None:
        random.seed(1)
        self.network = Network(self.waits)
        self._settings = Settings(storage=self.folder)
        self.storage = open_storage(self._settings, self.waits)
        self.services = self._services(self.storage, Eyes())
        self.services.tenants.add("shop", Profile.CLOUD, KEEPING)
        self.services.cameras.add(self.services.tenants.get_by_name("shop"), CAMERA, CAMERA)
        self._committing_s = 0.0

    def put(self, pictures: Sequence[bytes], age: timedelta = timedelta(0)) -> list[Capture]:
        """Offer and upload these pictures, taken a minute after another."""
        tenant = self.services.tenants.get_by_name("shop")
        offers = [
            Offer(
                CAMERA,
                f"{number:064x}",
                len(data),
                "image/jpeg",
                self.waits.now() - age - timedelta(minutes=number),
            )
            for number, data in enumerate(pictures)
        ]
        captures = []
        for begin in range(0, len(offers), 100):
            captures += [
                one.capture
                for one in self.services.captures.offer_uploads(tenant, offers[begin : begin + 100])
            ]
        for capture, data in zip(captures, pictures, strict=True):
            self.storage.uploads.put_if_absent(
                keys.capture_picture("shop", CAMERA, capture.id), data, "image/jpeg"
            )
        return captures

    def resolve(self, captures: Sequence[Capture]) -> dict[str, float]:
        """Let the workers resolve these. Return captures a second, and calls a capture by name.

        `at_once`: how many workers had their first search's answer and no outcome yet, on average.
        """
        self.network.calls.clear()
        self._committing_s = 0.0
        queue, began_s = list(reversed(captures)), self.waits.now_s
        self.waits.run([lambda: self._work(queue) for _ in range(self.workers)])
        elapsed_s = self.waits.now_s - began_s
        each = {
            name: round(number / len(captures), 2)
            for name, number in sorted(self.network.calls.items())
        }
        at_once = round(self._committing_s / elapsed_s, 1)
        return {"a_second": round(len(captures) / elapsed_s, 1), "at_once": at_once, **each}

    def faces(self) -> int:
        groups = self.services.groups.list_all(self.services.tenants.get_by_name("shop"))
        return sum(group.count for group in groups)

    def close(self) -> None:
        self.services.close()

    def _work(self, queue: list[Capture]) -> None:
        """Do as one function does, until the queue is empty.

        A message that is given back comes last.
        """
        storage = far(self.storage, self.network)
        services = self._services(storage, SlowEyes(self.waits))
        services.ports.search = search = FarSearch(self.services.ports.search, self.network)
        while queue:
            capture = queue.pop()
            search.answers_s.clear()
            try:
                services.sightings.ingest.resolve_capture("shop", CAMERA, capture.id)
            except Busy:
                self.network.calls["given back"] += 1
                queue.insert(0, capture)
            self._committing_s += self.waits.now_s - search.answers_s[0]

    def _services(self, storage: Storage, eyes: Eyes) -> Services:
        return bootstrap.build(
            self._settings, clock=self.waits, vision=lambda: eyes, storage=storage
        )


def new_faces(folder: Path, workers: int, captures: int) -> dict[str, float]:
    shop = Shop(folder, workers)
    try:
        return shop.resolve(shop.put([draw_picture(person, 0) for person in range(captures)]))
    finally:
        shop.close()


def resolved_twice(folder: Path, workers: int, people: int) -> dict[str, int]:
    """Resolve two captures of each of these people, one right after the other.

    Return what is stored in the end.
    """
    shop = Shop(folder, workers)
    try:
        shop.resolve(
            shop.put([draw_picture(person, nth) for person in range(people) for nth in range(2)])
        )
        return {
            "faces": shop.faces(),
            "pictures": len(list(shop.storage.blobs.walk("shop/faces/"))),
        }
    finally:
        shop.close()


def backlog(folder: Path, workers: int, captures: int) -> dict[str, float]:
    """Resolve captures of known faces that come hours late."""
    shop = Shop(folder, workers)
    try:
        for capture in shop.put([draw_picture(person, 0) for person in range(captures)]):
            shop.services.sightings.ingest.resolve_capture("shop", CAMERA, capture.id)
        return shop.resolve(
            shop.put([draw_picture(person, 1) for person in range(captures)], age=_LATE)
        )
    finally:
        shop.close()


CASES = {"new faces": new_faces, "late captures of known faces": backlog}


def main() -> None:
    options = parser("new_faces", __doc__)
    options.add_argument(
        "--workers", default="1,3,10,30", help="functions at work (default: %(default)s)"
    )
    options.add_argument(
        "--captures", type=int, default=200, help="captures, one face each (default: %(default)s)"
    )
    arguments = options.parse_args()
    figures: dict[str, Any] = {}
    for name, case in CASES.items():
        print(f"{name}\n{'workers':>8} {'a second':>9} {'at once':>8}  calls each")
        for workers in numbers(arguments.workers):
            with tempfile.TemporaryDirectory() as folder:
                found = case(Path(folder), workers, arguments.captures)
            figures[f"{name}, {workers} workers"] = found
            calls = ", ".join(
                f"{found[what]} {what}"
                for what in sorted(found)
                if what not in ("a_second", "at_once")
            )
            print(f"{workers:>8} {found['a_second']:>9} {found['at_once']:>8}  {calls}", flush=True)
    write(figures, arguments.json)


if __name__ == "__main__":
    main()
