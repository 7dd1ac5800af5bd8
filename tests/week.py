"""A week of a shop, always the same, and what came of it: each answer of four dialects, what hooks
heard, the visits.

    python -m tests.week            whether all is as committed; what differs lies in build/week
    python -m tests.week --write    commit it (week.json), with what the week read and wrote

Play it before and after you rearrange how a capture enters the book. Ids and signatures are drawn
by lot: they are numbered as they appear.
"""

import argparse
import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib.api.dialects import SERVICES
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.captures import Capture
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Storage
from chalicelib.storage.records.observations import read_visits
from tests.support.api.compreface.client import RECOGNITION, Client
from tests.support.api.gateway import Reply
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.fakes import Person, picture
from tests.support.hooks.receiver import Receiver, answers, receiving
from tests.support.storage.meter import Meter, meter_storage

FILE = Path(__file__).with_suffix(".json")
PARTS = ("answers", "hooks", "visits")

_DRAWN = re.compile(
    r"(?<![0-9A-Za-z.])(?:\d{15,20}|[0-9a-f]{12,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?"
    r"![0-9A-Za-z])"
)
_SIGNED = re.compile(
    r'(?<=[?&])(?:X-[\w-]+|expires|signature|token)=[^&"\\]*|"[A-Za-z0-9_=+/-]{60,}"|whsec_[\w-]+|'
    r"127.0.0.1:[0-9]+"
)
_FLOAT = re.compile(r"-?\d+\.\d{4,}(?:e-?\d+)?")
_HOURS = range(12)


class Week(Book):
    """The shop, and all that was heard of it, in order."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.meter = Meter()
        self.answers: list[Any] = []
        self.receiver = receiver
        super().__init__(folder, wrap=self._metered, cameras=("door", "till"))
        own = self.services.tenants.rotate_keys("shop")
        app = make_stage(self.services).app
        self.sunmi = CameraClient(app, own.app_id, own.app_key, self.clock)
        self.icredit = MarketClient(app, own.appcode)
        self.v1 = V1Client(app, own.api_key)
        self.services.groups.create(self.tenant, "family", None, "")
        group = self.services.groups.get_by_name(self.tenant, "family").id
        made = {
            one: add_service_key(
                self.services, self.tenant, one, one, group if one == "recognition" else ""
            )
            for one in SERVICES
        }
        self.family = Client(app, made["recognition"])
        self.hook = self.ask("POST", "/v1/hooks", {"url": receiver.url})
        self.hear()

    def _metered(self, storage: Storage) -> Storage:
        on_meter, self.meter = meter_storage(replace(storage, expires_items=True))
        return on_meter

    def note(self, what: str, answer: Any) -> Any:
        self.clock.advance(timedelta(seconds=1))
        self.answers.append([what, answer])
        return answer

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Ask v1."""
        reply = self.v1.send(method, path, body, query=query)
        read = (
            None
            if not reply.body
            else reply.body
            if reply.headers["content-type"][:5] == "text/"
            else reply.json
        )
        return self.note(f"{method} {path}", [reply.status, read])[1]

    def call(
        self, endpoint: str, fields: Mapping[str, str] | None = None, pic: bytes | None = None
    ) -> Any:
        """Ask as a SUNMI camera does."""
        return self.note(endpoint, self.sunmi.call(endpoint, fields, pic))

    def named(self, method: str, path: str, body: Any = None, **files: bytes) -> Any:
        """Ask as CompreFace's clients do."""
        place = f"{RECOGNITION}{path}"
        reply: Reply
        if files:
            reply = self.family.form(place, **files)
        else:
            reply = (
                self.family.send(method, place)
                if body is None
                else self.family.json(place, body, method)
            )
        return self.note(f"{method} {place}", [reply.status, json.loads(reply.body)])[1]

    def capture(
        self, at: timedelta, *people: Person, camera: str = "door", track: str = ""
    ) -> Capture:
        """Let a camera see people, and SQS say so."""
        put = self.put(Shot(MONDAY + at, people, camera, track))
        key = keys.capture_picture("shop", camera, put.id)
        self.services.sightings.ingest.take_message(
            json.dumps({"Records": [{"s3": {"object": {"key": key}}}]})
        )
        self.note("capture", [str(at), camera])
        self.ask("GET", f"/v1/captures/{put.id}", camera=camera)
        return put

    def hear(self) -> None:
        """Hand out all events that are due."""
        queue = self.storage.deliveries_queue
        while messages := queue.receive(10, 60):
            for message in messages:
                self.services.webhooks.deliveries.attempt_delivery(message.body)
                queue.delete(message.receipt)

    def visits(self) -> Iterator[Any]:
        for item in walk_items(self.storage.items, keys.FACES, "shop"):
            yield (
                item["faceid"],
                item["group"],
                repr(read_visits(self.storage.items, "shop", item["faceid"]).arrivals),
            )
        yield sorted(self.group_counts().items())
        for day in range(-1, 9):
            partition = keys.observations(
                "shop", int((MONDAY + timedelta(days=day)).timestamp()) // 86_400
            )
            for item in walk_items(self.storage.items, keys.OBSERVATIONS, partition):
                yield {name: str(value) for name, value in sorted(item.items()) if name != "box"}


def played(folder: Path) -> dict[str, Any]:
    """Play the week in an empty folder; return each part as text, and what was read and written."""
    with receiving(answers(200)) as receiver, closing(Week(folder, receiver)) as week:
        _monday(week)
        _tuesday(week)
        _other_days(week)
        _looked_up(week)
        week.hear()
        heard = [[one.path, json.loads(one.body)] for one in receiver.heard]
        numbers: dict[str, str] = {}
        texts = {
            part: [_numbered(numbers, json.dumps(one, default=str)) for one in said]
            for part, said in (
                ("answers", week.answers),
                ("hooks", heard),
                ("visits", list(week.visits())),
            )
        }
        meter = week.meter
        return {
            **texts,
            "reads": _sorted(meter.reads),
            "writes": _sorted(meter.writes),
            "calls": _sorted(meter.calls),
        }


def digest(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the SHA-256 of each part, with its length, and what was read and written."""
    parts = {part: hashlib.sha256("\n".join(found[part]).encode()).hexdigest() for part in PARTS}
    return {
        **{part: f"{len(found[part])} {parts[part]}" for part in PARTS},
        **{k: found[k] for k in _METERED},
    }


_METERED = ("reads", "writes", "calls")


def _sorted(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items()))


def _numbered(numbers: dict[str, str], text: str) -> str:
    text = _SIGNED.sub("signed", text)
    text = _DRAWN.sub(lambda one: numbers.setdefault(one[0], f"#{len(numbers)}"), text)
    return _FLOAT.sub(lambda one: f"{float(one[0]):.3g}", text)


ANN, BOB, EVA, FINN, GUS = (Person(seed) for seed in (1, 2, 11, 12, 13))


def seen(person: Person, number: int, **how: float) -> Person:
    """Return one of the looks of a person."""
    return replace(person, **{"side_px": 100.0 - number, **how})


def _monday(week: Week) -> None:
    """People are enrolled in each dialect, and the first strangers come."""
    week.call("createGroup", {"name": "vip", "capacity": "100", "description": "dear"})
    week.call("addFace", {"group_name": "vip", "faceid": "ann"}, picture(ANN))
    week.note("enrol", week.icredit.enrol("silver", picture(BOB), LABLE_A="north"))
    week.named("POST", "/faces?subject=Cid", file=picture(Person(3)))
    week.named("POST", "/faces?subject=Cid", file=picture(Person(3, side_px=99.0)))
    week.ask("PATCH", "/v1/settings", {"review_margin": 0.1})
    for hour in _HOURS:
        week.capture(timedelta(hours=hour), seen(ANN, hour))
        week.capture(timedelta(hours=hour, minutes=2), seen(EVA, hour), seen(BOB, hour + 1))
    week.capture(timedelta(minutes=3), seen(EVA, 1, likeness=0.42))
    week.capture(timedelta(minutes=4))
    week.capture(timedelta(minutes=5), seen(FINN, 0, quality=10.0))
    week.capture(timedelta(minutes=6), seen(FINN, 0, side_px=20.0), camera="till")
    week.capture(timedelta(minutes=7), seen(FINN, 0, liveness=0.1), track="7")
    week.hear()


def _tuesday(week: Week) -> None:
    """Somebody corrects the book."""
    day = timedelta(days=1)
    strangers = [
        week.capture(day + hour * timedelta(hours=1), seen(FINN, hour)) for hour in range(4)
    ]
    wrong = week.capture(day + timedelta(hours=5), seen(GUS, 0))
    more = week.capture(
        day + timedelta(hours=6), seen(FINN, 5, quality=90.0), seen(GUS, 3), camera="till"
    )
    finn, gus = (_face_of(week, one) for one in (strangers[0], wrong))
    week.ask("PATCH", f"/v1/faces/{finn}", {"name": "Finn"})
    path = f"/v1/faces/{finn}/sightings/{strangers[2].id}-0/reject"
    week.ask("POST", path)
    week.ask("POST", path)
    week.ask("GET", f"/v1/faces/{finn}/rejections")
    week.ask("POST", f"/v1/faces/{finn}/sightings/{strangers[3].id}-0/reject", {"other": gus})
    week.ask("POST", f"/v1/faces/{gus}/sightings/{more.id}-1/reject", {"instead": "stranger"})
    week.ask("POST", f"/v1/faces/{finn}/sightings/{more.id}-0/reject", {"instead": "nobody"})
    week.capture(day + timedelta(hours=7), seen(FINN, 6))
    week.capture(day + timedelta(hours=7, minutes=1), seen(FINN, 2))
    merge = week.ask("POST", f"/v1/faces/{finn}/merge", {"other": gus})
    week.capture(day + timedelta(hours=8), seen(GUS, 8))
    week.hear()
    week.ask("POST", f"/v1/merges/{merge['merge']}/undo")
    week.capture(day + timedelta(hours=9), seen(GUS, 9))
    week.hear()


def _other_days(week: Week) -> None:
    """Strangers become regulars, the group of strangers is full, and a late picture comes."""
    for day in range(2, 6):
        for number, person in enumerate((EVA, FINN, GUS, Person(20 + day))):
            at = timedelta(days=day, hours=number)
            week.capture(at, seen(person, 10 + day), camera="till" if number % 2 else "door")
    week.ask("GET", "/v1/groups")
    fields = {"old_name": "stranger", "name": "stranger", "capacity": "7", "description": "few"}
    week.call("updateGroup", fields)
    for number in range(5):
        week.capture(
            timedelta(days=6, hours=number), Person(40 + number), Person(50 + number, side_px=90.0)
        )
    week.capture(timedelta(days=1, hours=4, minutes=30), seen(EVA, 30))
    week.hear()


def _looked_up(week: Week) -> None:
    """Everything is asked in every dialect, and the shop is swept."""
    week.call("getGroupList")
    week.call("getFaceList", {"group_name": "vip", "page_num": "1", "page_size": "10"})
    for person in (ANN, BOB, EVA, Person(999)):
        photo = picture(seen(person, 40))
        week.call("getFaceByPicture", {}, photo)
        week.note("search", week.icredit.search("silver", photo))
        week.named("POST", "/recognize?prediction_count=3", file=photo)
        for name in ("identify", "detect"):
            reply = week.v1.send("POST", f"/v1/{name}", photo, content_type="image/jpeg")
            week.note(name, [reply.status, reply.json])
    week.note("query", week.icredit.query(PAGE_SIZE="20"))
    for how in ("0", "2", "3"):
        week.note("analysis", week.icredit.analysis(how))
    week.named("GET", "/subjects")
    since = {"from": "2026-02-28T00:00:00Z", "to": "2026-03-20T00:00:00Z"}
    for path in ("faces", "reviews", "merges"):
        week.ask("GET", f"/v1/{path}")
    week.note("audit", _entries(week.v1.done("GET", "/v1/audit", limit=500)))
    week.ask("GET", "/v1/arrivals", **since, limit=100, totals="true")
    week.ask("GET", "/v1/observations", **since, limit=100)
    for measure in ("arrivals", "observations", "persons"):
        week.ask("GET", "/v1/statistics", **since, by="day", measure=measure)
    for face in week.faces():
        week.ask("GET", f"/v1/faces/{face.faceid}")
        week.ask("GET", f"/v1/faces/{face.faceid}/sightings")
    week.services.sweep.sweep_tenant(week.tenant, week.clock.now())
    week.ask("GET", "/v1/statistics", **since, by="hour", split="group")


def _entries(page: Mapping[str, Any]) -> list[list[str]]:
    """Return the entries of the audit: those of one instant have any order, and so has what one
    shows."""
    said = [(one["at"], one["what"], {**one["details"], "after": 0}) for one in page["entries"]]
    texts = [[at, what, json.dumps(details, sort_keys=True)] for at, what, details in said]
    return sorted(texts, key=lambda one: [_DRAWN.sub("", text) for text in one])


def _face_of(week: Week, capture: Capture) -> str:
    found = week.ask("GET", f"/v1/captures/{capture.id}", camera=capture.camera_id)
    return str(found["sightings"][0]["face"])


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser("tests.week", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    parser.add_argument("--json", action="store_true", help="print what was found in its form")
    arguments = parser.parse_args()
    with _folder() as folder:
        found = played(folder)
    out = Path("build/week")
    out.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        (out / f"{part}.txt").write_text("\n".join(found[part]) + "\n")
    now = digest(found)
    if arguments.json:
        return print(json.dumps(now))
    if arguments.write:
        FILE.write_text(json.dumps(now, indent=2) + "\n")
    said = json.loads(FILE.read_text())
    print(
        "as committed"
        if now == said
        else f"NOT as committed: {[name for name in said if said[name] != now[name]]}"
    )
    for used in _METERED:
        changed = {
            what: n - said[used].get(what, 0)
            for what, n in now[used].items()
            if n != said[used].get(what, 0)
        }
        print(used, sum(now[used].values()), changed)
    return None


if __name__ == "__main__":
    main()
