"""Measure how long a small shop's capture waits while another tenant has many in the queue.

    python -m regulars_lab.bench.fairness [--backlog 100000] [--seconds 1200] [--json FILE]

The small shop sends a capture every ten seconds, which the project's own services resolve on its
own stores. The other tenant's captures only pass through Ingest: they were erased since, and take
the time of any. No clock is read: a capture takes CAPTURE_S, one that is sent again SEND_S. Without
`fair`, no message has a group, and nobody knows when it was sent.

SQS is played by Fair, as AWS's page "How Amazon SQS fair queues work" describes it: a message
without a group is a tenant of its own. A group with over a tenth of the messages in work and at
least 30 of them, or with over a tenth of the time of the last minutes, is noisy until it has none
left. Others' messages come first, oldest first.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import tempfile
from collections import Counter, deque
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib import bootstrap
from chalicelib.book.captures.captures import Offer
from chalicelib.domain.captures import captured_ms
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Message
from chalicelib.storage.values import moment
from regulars_lab.bench.measuring import parser, write
from tests.support.book.tenants import CHOICE
from tests.support.fakes import FakeClock, FakeVision, Person, picture
from tests.support.storage.prices import WAIT_MS

CAPTURE_S = 0.27
"""Assumed: ten runs resolve 37 captures a second."""

SEND_S = WAIT_MS["sqs"] / 1000
RUN_S = 0.02
"""Assumed: what a run takes besides its messages."""

RUNS = {"aws": (10, 5), "box": (2, 1)}
"""Runs at once, and messages of a run (IngestConcurrency and app.py; cores and
regulars/serve/events.py)."""

EVERY_S, IDLE_S = 10, 0.5
RECENT_S = 300
SMALL, LARGE = "small", "large"


class Case(Struct, frozen=True):
    """`backlog`: the large tenant's captures at first.

    `a_second`: as many more each second. `where`: of RUNS.
    """

    where: str
    backlog: int
    a_second: int
    seconds: int
    fair: bool


class Fair:
    """A queue that gives out quiet tenants' messages first."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._groups: dict[str, deque[tuple[datetime, str]]] = {"": deque()}
        self._noisy: set[str] = set()
        self._in_work: dict[str, tuple[str, datetime]] = {}
        self._spent = deque[tuple[datetime, str, float]]()
        self._of = dict.fromkeys(("", LARGE, SMALL), 0.0)
        self._received = self.sends = 0
        self.sent_at: dict[str, datetime] = {}
        """By receipt."""

    def send(self, body: str, _delay_s: int = 0, group: str = "") -> None:
        self.sends += 1
        self._groups.setdefault(group, deque()).append((self._clock.now(), body))

    def receive(self, limit: int, _visibility_s: int) -> list[Message]:
        self._listen()
        found: list[Message] = []
        while len(found) < limit and (
            waiting := [name for name, queue in self._groups.items() if queue]
        ):
            group = min(waiting, key=lambda name: (name in self._noisy, self._groups[name][0][0]))
            sent_at, body = self._groups[group].popleft()
            self._received += 1
            receipt = str(self._received)
            self._in_work[receipt], self.sent_at[receipt] = (group, self._clock.now()), sent_at
            found.append(Message(body, receipt, 1))
        return found

    def delete(self, receipt: str) -> None:
        group, since = self._in_work.pop(receipt)
        del self.sent_at[receipt]
        self._note(group, (self._clock.now() - since).total_seconds())

    def _note(self, group: str, seconds: float) -> None:
        now = self._clock.now()
        self._spent.append((now, group, seconds))
        self._of[group] += seconds
        while now - self._spent[0][0] > timedelta(seconds=RECENT_S):
            _, before, ago = self._spent.popleft()
            self._of[before] -= ago

    def _listen(self) -> None:
        in_work = Counter(group for group, _ in self._in_work.values())
        for name in {*self._groups} - {""}:
            has_many = in_work[name] >= 30 and in_work[name] > len(self._in_work) / 10
            if self._groups[name] and (has_many or self._of[name] > sum(self._of.values()) / 10):
                self._noisy.add(name)
            elif not self._groups[name]:
                self._noisy.discard(name)


class Stage:
    """Two tenants, and the runs that work off the captures of both."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.case, self.clock = case, FakeClock()
        settings = Settings(storage=folder)
        storage = open_storage(settings, self.clock)
        self.queue = storage.captures_queue if case.where == "box" else Fair(self.clock)
        self.storage = replace(storage, captures_queue=self.queue)
        self.services = bootstrap.build(
            settings, clock=self.clock, vision=FakeVision, storage=self.storage
        )
        self.services.tenants.add(SMALL, Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC"))
        self.tenant = self.services.tenants.get_by_name(SMALL)
        self.services.cameras.add(self.tenant, "door", "door")
        self.began = self.clock.now()
        self.put = {SMALL: 0, LARGE: 0}
        self.resolved, self.waited_s = Counter[str](), list[float]()

    def play(self) -> None:
        at_once, limit = RUNS[self.case.where]
        runs: list[tuple[float, int, list[Message]]] = [
            (0.0, number, []) for number in range(at_once)
        ]
        while runs[0][0] < self.case.seconds:
            at_s, number, done = heapq.heappop(runs)
            self.clock.advance(self.began + timedelta(seconds=at_s) - self.clock.now())
            for message in done:
                self.queue.delete(message.receipt)
            self._put_until(at_s)
            messages = self.queue.receive(limit, 720)
            takes_s = RUN_S
            for message in messages:
                takes_s += self._work(message, takes_s)
            heapq.heappush(runs, (at_s + (takes_s if messages else IDLE_S), number, messages))

    def _work(self, message: Message, begins_s: float) -> float:
        """Resolve it, or send it again; return how long that takes."""
        sent_at, before = None, 0
        if isinstance(self.queue, Fair):
            sent_at = self.queue.sent_at[message.receipt] if self.case.fair else None
            before = self.queue.sends
        self.services.sightings.ingest.take_message(message.body, 1, sent_at)
        if isinstance(self.queue, Fair) and self.queue.sends > before:
            return SEND_S
        tenant, _, id_ = keys.capture_of_picture(
            json.loads(message.body)["Records"][0]["s3"]["object"]["key"]
        )
        self.resolved[tenant] += 1
        if tenant == SMALL:
            begins_at = self.clock.now() + timedelta(seconds=begins_s + CAPTURE_S)
            self.waited_s.append((begins_at - moment(captured_ms(id_))).total_seconds())
        return CAPTURE_S

    def _put_until(self, at_s: float) -> None:
        for number in range(self.put[LARGE], self.case.backlog + int(at_s * self.case.a_second)):
            self._tell(LARGE, f"{number:013d}-{'0' * 24}")
            self.put[LARGE] += 1
        for number in range(self.put[SMALL], int(at_s / EVERY_S)):
            data = picture(Person(number))
            taken_at = self.began + timedelta(seconds=(number + 1) * EVERY_S)
            offer = Offer(
                "door", hashlib.sha256(data).hexdigest(), len(data), "image/jpeg", taken_at
            )
            [upload] = self.services.captures.offer_uploads(self.tenant, [offer])
            self.storage.uploads.put_if_absent(
                keys.capture_picture(SMALL, "door", upload.capture.id), data, "image/jpeg"
            )
            self._tell(SMALL, upload.capture.id)
            self.put[SMALL] += 1

    def _tell(self, tenant: str, id_: str) -> None:
        """Put in what S3 sends, or one box."""
        event = {
            "eventName": "ObjectCreated:Put",
            "s3": {"object": {"key": keys.capture_picture(tenant, "door", id_)}},
        }
        group = tenant if self.case.fair and self.case.where == "box" else ""
        self.queue.send(json.dumps({"Records": [event]}), group=group)


def play_case(folder: Path, case: Case) -> dict[str, float]:
    """Return how long the small shop's captures waited in seconds, and how many of either tenant
    are resolved."""
    stage = Stage(folder, case)
    with closing(stage.services):
        stage.play()
    waited = sorted(stage.waited_s) or [float("inf")]
    return {
        "put": stage.put[SMALL],
        "resolved": stage.resolved[SMALL],
        "median_s": round(waited[len(waited) // 2], 1),
        "longest_s": round(waited[-1], 1),
        "others_resolved": stage.resolved[LARGE],
    }


def main() -> None:
    options = parser("fairness", __doc__)
    options.add_argument("--backlog", type=int, default=100_000, help="(default: %(default)s)")
    options.add_argument(
        "--seconds", type=int, default=1200, help="that are played (default: %(default)s)"
    )
    asked = options.parse_args()
    at_once, over_time = (asked.backlog, 0), (0, asked.backlog // asked.seconds)
    figures = []
    for where, (backlog, a_second) in (("aws", over_time), ("aws", at_once), ("box", at_once)):
        for fair in (False, True):
            case = Case(where, backlog, a_second, asked.seconds, fair)
            with tempfile.TemporaryDirectory() as folder:
                figures.append({**asdict(case), **play_case(Path(folder), case)})
            print(json.dumps(figures[-1]))
    write(figures, asked.json)


if __name__ == "__main__":
    main()
