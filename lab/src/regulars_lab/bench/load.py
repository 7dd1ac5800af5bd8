"""Mixed traffic of several shops at rising load, until the service refuses some of it; then the
first load again.

    python -m regulars_lab.bench.load [--minutes N] [--shops N] [--first RATE] [--requests N]
    [--memory-mb N]
        [--json FILE]

Against `regulars serve` with the real models, on 127.0.0.1 and a folder of its own. A step doubles
the rate of the one before it. Requests start on a random schedule (Poisson), whatever the answers
take, and their time counts from the schedule on; so a queue in the service, or in front of it,
shows in the times. A capture counts as one request, and is two: its offer, and its upload by the
signed URL. The run ends by itself: after the minutes, after the requests, or when the service takes
more memory than it may (it is killed then).
"""

from __future__ import annotations

import argparse
import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from chalicelib import bootstrap
from chalicelib.api.sunmi.probe import DONE, NO_MATCH
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.settings import Settings
from regulars.clients import Connection, Reply
from regulars.errors import WrongAnswer
from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.bench.measuring import memory_bytes, pack, parser, write
from regulars_lab.rigs.stand_ins import portraits
from regulars_lab.v1 import ALREADY_THERE, V1, Picture
from tests.support.api.over_http import Icredit, Sunmi
from tests.support.book.synthetic import write_faces

GROUP, CAMERA = "bench", "door"
STEPS, RECOVERY_STEPS = 8, 6
"""The most steps of rising load, and of the first load after them: these end when it is as fast as
it was."""
TIMEOUT_S = 10.0
PLACES = 400
"""The most requests that wait for answers at once. A request that finds no place is counted as not
sent."""
SHED, RECOVERED = 0.01, 2.0
"""The share of requests refused that ends the rise, and how many times the first step's p99 is fast
again."""
LOOK_S = 0.1

BUSY, UNAVAILABLE = 220, 211
DONE_CODES = (DONE, NO_MATCH)
REFUSED, NOT_SENT = "refused", "not sent"


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the service was as fast at the end as in the first step."""
    options = parser("load", __doc__)
    options.add_argument(
        "--minutes", type=float, default=10, help="the longest that it takes (default: %(default)s)"
    )
    options.add_argument(
        "--shops", type=int, default=4, help="tenants that send (default: %(default)s)"
    )
    options.add_argument(
        "--faces", type=int, default=300, help="faces of each of them (default: %(default)s)"
    )
    options.add_argument(
        "--first", type=float, default=2, help="requests a second at first (default: %(default)s)"
    )
    options.add_argument(
        "--requests",
        type=int,
        default=100_000,
        help="the most that are sent (default: %(default)s)",
    )
    options.add_argument(
        "--memory-mb",
        type=int,
        default=4096,
        help="the service's most memory (default: %(default)s)",
    )
    arguments = options.parse_args(argv)
    step_s = arguments.minutes * 60 / (STEPS + 2)
    with (
        tempfile.TemporaryDirectory() as folder,
        shops_served(Path(folder), arguments) as (running, shops),
    ):
        load = Load(running, shops, arguments.memory_mb, arguments.requests)
        print(
            f"{len(shops)} shops, steps of {step_s:.1f} s; times in ms from the scheduled start to "
            "the answer"
        )
        print(HEADER)
        rows = print_steps(load.steps(arguments.first, step_s))
    recovered = is_recovered(rows[0], rows[-1])
    print(verdict(rows, recovered=recovered))
    write({"rows": [asdict(row) for row in rows], "recovered": recovered}, arguments.json)
    return 0 if recovered else 1


class Shop(Struct, frozen=True):
    """A tenant that sends, and its pictures: of people that it knows, and of others."""

    credentials: Credentials
    known: Sequence[bytes]
    strangers: Sequence[bytes]


@contextmanager
def shops_served(
    data: Path, arguments: argparse.Namespace
) -> Iterator[tuple[service.Service, list[Shop]]]:
    """Serve a folder with so many shops, each of which knows half of the people at hand and has one
    camera."""
    vision, pictures = FacePipeline(pack()), portraits()
    half = max(1, len(pictures) // 2)
    shops = []
    with closing(bootstrap.build(Settings(storage=data), vision=lambda: vision)) as services:
        book = credentials.CredentialsFile(data, services.tenants)
        book.provide()
        for number in range(1, arguments.shops + 1):
            own = book.add(f"shop-{number}", Profile.CAMERA, TenantSettings())
            tenant = services.tenants.get_by_name(own.tenant)
            services.groups.create(tenant, GROUP, 10_000, "made by a benchmark")
            group = services.groups.get_by_name(tenant, GROUP)
            write_faces(services.ports.storage.items, tenant, group, arguments.faces, vision)
            shops.append(Shop(own, pictures[:half], pictures[half:] or pictures))
    with service.run_service(data) as running, Connection(running.url) as connection:
        for shop in shops:
            V1(connection, shop.credentials.api_key).add_camera(CAMERA)
            for number, picture in enumerate(shop.known):
                Sunmi(connection, shop.credentials).add_face(GROUP, f"known-{number}", picture)
        yield running, shops


class Noted:
    """A thread's connection, which remembers the last answer."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url, TIMEOUT_S)
        self.last: Reply | None = None

    def request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.last = None
        self.last = self._connection.request(method, path, body, headers)
        return self.last


def search(shop: Shop, connection: Noted, chance: random.Random) -> None:
    """Search with a picture of somebody known or not, by either of the dialects that can."""
    picture = chance.choice([*shop.known, *shop.strangers])
    if chance.random() < 0.5:
        Sunmi(connection, shop.credentials).search(picture)
    else:
        Icredit(connection, shop.credentials).search(GROUP, picture)


def enrol(shop: Shop, connection: Noted, chance: random.Random) -> None:
    Sunmi(connection, shop.credentials).add_face(
        GROUP, secrets.token_hex(8), chance.choice(shop.strangers)
    )


def read_list(shop: Shop, connection: Noted, chance: random.Random) -> None:
    sunmi, v1 = Sunmi(connection, shop.credentials), V1(connection, shop.credentials.api_key)
    chance.choice(
        (
            lambda: sunmi.call("getGroupList", {}),
            lambda: sunmi.call("getFaceList", {"group_name": GROUP, "page_size": 50}),
            lambda: v1.captures(CAMERA, limit=50),
        )
    )()


def capture(shop: Shop, connection: Noted, chance: random.Random) -> None:
    """Offer a picture of now, and upload it by the URL that is answered."""
    picture = Picture(CAMERA, datetime.now(UTC), chance.choice([*shop.known, *shop.strangers]))
    answer = V1(connection, shop.credentials.api_key).call(
        "POST", "/v1/captures/uploads", {"captures": [picture.offer]}
    )
    upload = answer["uploads"][0]
    if upload["url"]:
        url = urlsplit(upload["url"])
        connection.request(
            upload["method"], f"{url.path}?{url.query}", picture.data, upload["headers"]
        )


Kind = Callable[[Shop, Noted, random.Random], None]
KINDS: Mapping[Kind, int] = {capture: 45, read_list: 30, search: 20, enrol: 5}
"""Traffic of a shop, in percent: cameras look at all times, clerks search, now and then somebody is
enrolled."""


def outcome(reply: Reply | None, error: Exception | None) -> str:
    """Say in a word how a request ended: "" if it was done, REFUSED if the service had no room,
    else the fault."""
    if reply is None:
        return "timed out" if "timed out" in str(error) else "no answer"
    answer = reply.json if isinstance(reply.json, dict) else {}
    code = answer.get("code", DONE)
    failed = answer.get("ERROR_CODE") if answer.get("PERSON_TOKEN_STATUS") == "1" else None
    # of endpoints that do not list BUSY
    is_later = code == UNAVAILABLE and "retry-after" in reply.headers
    if reply.status in (429, 503) or code == BUSY or failed == "BUSY" or is_later:
        return REFUSED
    if reply.status >= 300 and reply.status != ALREADY_THERE:
        return f"HTTP {reply.status}"
    return failed or ("" if code in DONE_CODES else f"code {code}")


class Ended(Struct, frozen=True):
    """The end of a request.

    `ms`: from its scheduled start on; `at_s`: when it ended, by the monotonic clock.
    """

    outcome: str
    ms: float
    at_s: float
    has_retry_after: bool = False


@dataclass
class Step:
    """A step under way. `most_mb`: the most memory that was seen."""

    name: str
    seconds: float
    began_s: float
    most_mb: float = 0.0
    requests: list[Future[Ended]] = field(default_factory=list)
    not_sent: int = 0

    @property
    def due(self) -> int:
        return len(self.requests) + self.not_sent

    def is_over(self) -> bool:
        """Tell, at its end, whether it was more than the service takes: some were refused, or found
        no place here."""
        refused = sum(one.done() and one.result().outcome == REFUSED for one in self.requests)
        return refused + self.not_sent >= SHED * max(1, self.due)

    def is_answered(self) -> bool:
        return all(one.done() for one in self.requests)

    def row(self) -> Row:
        """Wait for the last answers and sum up.

        Answers count in `answered` if they came while the step lasted.

        If none was done at all, the times are the client's patience.
        """
        wait(self.requests)
        ended = [request.result() for request in self.requests]
        done = [one for one in ended if not one.outcome]
        refused = [one for one in ended if one.outcome == REFUSED]
        errors = Counter(one.outcome for one in ended if one.outcome not in ("", REFUSED))
        if self.not_sent:
            errors[NOT_SENT] = self.not_sent
        in_time = [one for one in done if one.at_s <= self.began_s + self.seconds]
        p50, p99 = np.percentile([one.ms for one in done] or [TIMEOUT_S * 1000], [50, 99])
        return Row(
            self.name,
            self.due / self.seconds,
            len(in_time) / self.seconds,
            float(p50),
            float(p99),
            len(refused),
            sum(one.has_retry_after for one in refused),
            errors,
            self.most_mb,
        )


HEADER = (
    f"{'step':<9}{'offered/s':>10}{'answered/s':>11}"
    f"{'p50':>7}{'p99':>7}{'refused':>9}{'MB':>6}  errors"
)


class Row(Struct, frozen=True):
    """The figures of a step.

    `has_retry_after`: refusals that said when to come again; `mb`: most resident memory.
    """

    step: str
    offered_a_second: float
    answered_a_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    has_retry_after: int
    errors: Mapping[str, int]
    mb: float

    def __str__(self) -> str:
        errors = (
            ", ".join(f"{count} {what}" for what, count in sorted(self.errors.items())) or "none"
        )
        return (
            f"{self.step:<9}{self.offered_a_second:>10.1f}{self.answered_a_second:>11.1f}{self.p50_ms:>7.0f}"
            f"{self.p99_ms:>7.0f}{self.refused:>9}{self.mb:>6.0f}  {errors}"
        )


class Load:
    """The requests of shops to a service, and the watch on its memory."""

    def __init__(
        self, running: service.Service, shops: Sequence[Shop], memory_mb: int, requests: int
    ) -> None:
        self._service = running
        self._shops = shops
        self._memory_mb = memory_mb
        self._left = requests
        self._chance = random.Random(7)
        self._places = threading.Semaphore(PLACES)
        self._of_thread = threading.local()
        self._mb = self._most_mb = 0.0
        self._ended = threading.Event()

    def steps(self, first: float, step_s: float) -> Iterator[Step]:
        """Double the rate until the service, or this client, has no room; then offer the first rate
        again, at once.

        The last goes on until it is as fast as at first: captures of the overload are worked off
        meanwhile. Yield each step at its end. Raises SystemExit if the service took more memory
        than it may.
        """
        watch = threading.Thread(target=self._watch)
        watch.start()
        alone: Step | None = None
        try:
            with ThreadPoolExecutor(PLACES) as threads:
                for number in range(STEPS):
                    rate = first * 2**number
                    if number and (rate + 2 * first) * step_s > self._left:
                        break
                    step = self._run_step(threads, f"step {number + 1}", rate, step_s)
                    alone = alone or step
                    yield step
                    if step.is_over():
                        break
                for number in range(RECOVERY_STEPS):
                    yield (step := self._run_step(threads, f"after {number + 1}", first, step_s))
                    if not self._left or (alone and is_recovered(alone.row(), step.row())):
                        break
        finally:
            self._ended.set()
            watch.join()

    def _run_step(self, threads: ThreadPoolExecutor, name: str, rate: float, step_s: float) -> Step:
        """Start the requests of one step when they are due, and return at the step's end."""
        self._most_mb = self._mb
        step = Step(name, step_s, began_s=time.monotonic())
        due_s = step.began_s + self._chance.expovariate(rate)
        while due_s < step.began_s + step_s and self._left:
            time.sleep(max(0.0, due_s - time.monotonic()))
            self._left -= 1
            if self._places.acquire(blocking=False):
                step.requests.append(threads.submit(self._one, due_s, self._chance.random()))
            else:
                step.not_sent += 1
            due_s += self._chance.expovariate(rate)
        time.sleep(max(0.0, step.began_s + step_s - time.monotonic()))
        step.most_mb = self._most_mb
        if self._most_mb > self._memory_mb:
            raise SystemExit(
                f"bench.load: the service took {self._most_mb:.0f} MB, more than --memory-mb, and "
                "was killed"
            )
        return step

    def _one(self, due_s: float, seed: float) -> Ended:
        chance = random.Random(seed)
        (kind,) = chance.choices([*KINDS], [*KINDS.values()])
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = Noted(self._service.url)
        connection: Noted = self._of_thread.connection
        error: Exception | None = None
        try:
            kind(chance.choice(self._shops), connection, chance)
        except (ConnectionError, WrongAnswer) as failed:
            error = failed
        finally:
            self._places.release()
        now_s, last = time.monotonic(), connection.last
        has_retry_after = last is not None and "retry-after" in last.headers
        return Ended(outcome(last, error), (now_s - due_s) * 1000, now_s, has_retry_after)

    def _watch(self) -> None:
        process = self._service.process
        while not self._ended.wait(LOOK_S) and process.poll() is None:
            # none of a process that has ended
            self._mb = memory_bytes(process.pid).get("VmRSS", 0) / 2**20
            self._most_mb = max(self._most_mb, self._mb)
            if self._mb > self._memory_mb:
                process.kill()


def print_steps(steps: Iterable[Step]) -> list[Row]:
    """Return the rows of the steps.

    Each is printed when the last answers to the step are there; none is awaited.
    """
    rows: list[Row] = []
    waiting: list[Step] = []

    def print_one() -> None:
        rows.append(waiting.pop(0).row())
        print(rows[-1], flush=True)

    for step in steps:
        waiting.append(step)
        while waiting and waiting[0].is_answered():
            print_one()
    while waiting:
        print_one()
    return rows


def is_recovered(first: Row, last: Row) -> bool:
    return not last.refused and not last.errors and last.p99_ms <= RECOVERED * first.p99_ms


def verdict(rows: Sequence[Row], *, recovered: bool) -> str:
    refused, retry = sum(row.refused for row in rows), sum(row.has_retry_after for row in rows)
    shed = (
        f"it refused {refused}, {retry} of them with Retry-After" if refused else "it refused none"
    )
    first, last = rows[0], rows[-1]
    again = sum(row.step.startswith("after") for row in rows)
    after = f"recovered in step {again} after it" if recovered else "NOT recovered"
    return (
        f"{shed}; {after}: p99 {first.p99_ms:.0f} ms at first, {last.p99_ms:.0f} ms at the "
        "same load afterwards"
    )


if __name__ == "__main__":
    raise SystemExit(main())
