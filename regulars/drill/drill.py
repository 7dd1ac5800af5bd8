"""The rights drill: what is promised to people is asked for by drawn ones, and looked for."""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.api import console, dialects
from chalicelib.api.application import Application
from chalicelib.api.v1 import blueprint as v1
from chalicelib.domain.errors import FaceNotFound, InvalidInput
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.domain.model import Credentials
from chalicelib.domain.tenant_settings import count_ended_days, count_remembered_days
from chalicelib.privacy.erasure_progress import RECEIPT
from chalicelib.privacy.retention import PATIENCE, say_missed
from chalicelib.privacy.signing import verify_statement
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.version import VERSION
from regulars.demo.shop import PastClock
from regulars.drill.looking import Left, find_left, list_unpromised
from regulars.drill.ways import (
    CAMERA,
    GROUP,
    NOT_TRIED,
    WAYS,
    House,
    Refused,
    Somebody,
    make_record,
    see,
)
from regulars.serve.server import Front, make_site, open_listener

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_FIRST_NUMBER = 70_004
"""Of the drawn people: their numbers stand in no other text, and each is grown up."""
EVERY = tuple(WAYS)
_ERASED = "erased"
_SEARCHES = 5
"""Searches and lists by which somebody is looked for: each must have found the person before."""
_WISH = "?remember_basis=consent&remember_evidence=letter"


class State(StrEnum):
    """The kinds of lines. `RED`: it is not as promised."""

    PROMISED = "as promised"
    RED = "red"
    KEPT = "kept"
    TRIED = "tried"
    NOT_TRIED = "not tried"


class Line(Struct, frozen=True):
    """A line of the page. `subject`: the way in, or the place."""

    step: str
    subject: str
    state: State
    says: str


class Backups(Struct, frozen=True):
    """The backup of the drill's book, and its restore into another folder with what the box knows
    by then; a stage has none here."""

    write: Callable[[], object]
    restore: Callable[[], Services]


@contextmanager
def serve_house(services: Services, clock: PastClock, credentials: Credentials) -> Iterator[House]:
    """Serve a book over HTTP, at a free port of this machine, while the block lasts."""
    app, page = Application("drill"), console.Console(lambda: services)
    app.register_dialects(lambda: services, at_once=True)
    app.register_blueprint(v1.make_blueprint(lambda: services))
    root_answer = dialects.find_root_answer(lambda: services)
    app.register_blueprint(console.make_blueprint(page, root_answer))
    stop = threading.Event()
    with open_listener("127.0.0.1", 0) as sock:
        front = Front(make_site(app, services), sock)
        thread = threading.Thread(target=front.run, args=(stop, 1.0))
        thread.start()
        try:
            yield House(services, clock, credentials, front.url)
        finally:
            stop.set()
            thread.join()


def run_drill(
    services: Services,
    clock: PastClock,
    credentials: Credentials,
    backups: Backups | None = None,
    ways: Collection[str] = EVERY,
) -> list[Line]:
    """Play the drill in an empty book; return the lines of its page.

    `services`: they read `clock`, and see drawn people alone. `ways`: those that are tried.
    """
    with serve_house(services, clock, credentials) as house:
        drill = Drill(house, ways)
        drill.say_what_is_tried()
        drill.enrol_people()
        if backups is not None:
            backups.write()
        drill.withdraw()
        drill.send_old_records(house, "old record")
        drill.come_again()
        drill.erase_one()
        drill.wait_until_ended()
        drill.send_old_records(house, "old record, days later")
        if backups is not None:
            drill.restore(backups.restore)
        else:
            drill.add("restore", "backup", State.NOT_TRIED, "a stage is restored into a new stage")
        drill.wait_until_forgotten(house)
        drill.send_old_records(house, "old record, at last")
        drill.say_what_is_kept()
        return drill.lines


class Drill:
    """One run. `people`: those whom a way has brought in, and who have a record of consent."""

    def __init__(self, house: House, ways: Collection[str]) -> None:
        """Open the shop: a group and a camera."""
        self.house, self.ways = house, ways
        self.lines: list[Line] = []
        self.people: list[Somebody] = []
        self.erased = Somebody(_ERASED, _FIRST_NUMBER)
        self.withdrawn_at = house.clock.at
        house.rekognition("CreateCollection", CollectionId=GROUP)
        house.v1("POST", "/v1/cameras", {"name": CAMERA, "id": CAMERA})

    def add(self, step: str, subject: str, state: State, says: str) -> None:
        self.lines.append(Line(step, subject, state, says))

    def promise(self, step: str, subject: str, promise: str, faults: Sequence[str]) -> None:
        """Add a line: the promise, or in red what is not so."""
        state, says = (State.RED, "; ".join(faults)) if faults else (State.PROMISED, promise)
        self.add(step, subject, state, says)

    def say_what_is_tried(self) -> None:
        """Say first with what the promises are tried, and what is not."""
        tenant = self.house.tenant
        days = f"ended_days {tenant.ended_days}, remembered_days {tenant.remembered_days}"
        erases = f"expired_consent_erases {str(tenant.expired_consent_erases).lower()}"
        for subject, says in {
            "version": f"Regulars {VERSION}, {tenant.model}",
            "settings": f"strangers {tenant.strangers}, {days}, {erases}",
            "rights": "Articles 7(3), 15 and 17 of the GDPR, by each way in that brings somebody",
        }.items():
            self.add("tried", subject, State.TRIED, says)
        drawn = "drawn people are always recognised, so a camera's misses are not tried"
        self.add("tried", "recognition", State.NOT_TRIED, f"{drawn}. {say_missed()}")
        self.add("tried", "other shops", State.NOT_TRIED, "the drill has one shop")

    def enrol_people(self) -> None:
        """Bring a person in by each way, and one more who will be erased; write records and
        texts."""
        for way, why in NOT_TRIED.items():
            self.add("enrolled", way, State.NOT_TRIED, why)
        for number, way in enumerate(WAYS, start=1):
            one = Somebody(way, _FIRST_NUMBER + 10 * number, asks=number % 2 == 0)
            if why := self._find_obstacle(way):
                self.add("enrolled", way, State.NOT_TRIED, why)
            elif self._enrol(one):
                self.people.append(one)
        self._enrol(self.erased)

    def _find_obstacle(self, way: str) -> str:
        """Say why a way brings nobody into this book; "": it does."""
        if way not in self.ways:
            return "nobody asked for it"
        if WAYS[way].by_camera and self.house.tenant.forgets_strangers:
            return "strangers are forgotten: no camera brings anybody in"
        is_aws = self.house.services.ports.storage.expires_items
        return "the picture would go to S3" if way == "upload" and is_aws else ""

    def _enrol(self, one: Somebody) -> bool:
        house, way = self.house, WAYS[one.way if one.way != _ERASED else "v1"]
        house.clock.at += timedelta(minutes=1)
        try:
            one.faceid = way.go(house, one)
            house.v1("PUT", f"/v1/faces/{one.faceid}/consent", make_record(house, one))
            texts = {"name": one.name, "note": one.note, "group": GROUP}
            house.v1("PATCH", f"/v1/faces/{one.faceid}", texts)
        except Refused as refusal:
            is_asked = house.tenant.consent_required and not way.takes_record
            faults = [] if is_asked else [f"nobody came in: {refusal}"]
            self.promise("enrolled", one.way, "refused without a record of consent", faults)
            return False
        face = house.services.faces.get(house.tenant, one.faceid)
        one.template = next(iter(face.templates)).vector
        self.add("enrolled", one.way, State.PROMISED, f"in the book as {one.faceid}")
        return True

    def withdraw(self) -> None:
        """Withdraw for everybody, half of them with the wish to be remembered, and look at once."""
        house, links = self.house, {one.number: self._find_links(one) for one in self.people}
        closed = [link for own in links.values() for link in own if not self._opens(link)]
        shown = {one.number: len([*self._list_shown(house, one)]) for one in self.people}
        house.clock.at += HOUR
        self.withdrawn_at = house.clock.at
        for one in self.people:
            wish = _WISH if one.asks else ""
            reply = house.send("DELETE", f"/v1/faces/{one.faceid}/consent{wish}")
            faults = [] if reply.status == 204 else [f"not withdrawn: {reply.status} {reply.json}"]
            if shown[one.number] < _SEARCHES:
                faults.append(f"only {shown[one.number]} of {_SEARCHES} searches found the person")
            faults += self._list_shown(house, one)
            faults += [
                f"{link} did not open before" for link in links[one.number] if link in closed
            ]
            faults += [f"{link} still opens" for link in links[one.number] if self._opens(link)]
            says = "found by no search, in no list, and no link to a picture opens"
            self.promise("withdrawn", one.way, says, faults)

    def _find_links(self, one: Somebody) -> list[str]:
        """Return links to somebody's pictures; of a stage the keys of their objects."""
        if self.house.services.ports.storage.expires_items:
            face = self.house.services.faces.get(self.house.tenant, one.faceid)
            return [*face.picture_keys]
        pictures = self.house.v1("GET", f"/v1/faces/{one.faceid}/pictures")["pictures"]
        return [picture["url"] for picture in pictures if picture["url"]]

    def _opens(self, link: str) -> bool:
        if not link.startswith(self.house.url):
            return self.house.services.ports.storage.blobs.get(link) is not None
        return self.house.ask("GET", link.removeprefix(self.house.url)).status == 200

    def _list_shown(self, house: House, one: Somebody) -> Iterator[str]:
        """Yield where somebody is still found or listed."""
        photo = one.photo
        sent = {"picture": base64.b64encode(photo).decode()}
        answers: dict[str, Callable[[], Any]] = {
            "POST /v1/identify": lambda: house.send("POST", "/v1/identify", sent).json,
            "GET /v1/faces": lambda: house.v1("GET", "/v1/faces?limit=100"),
            "GET /v1/faces by name": lambda: house.v1("GET", f"/v1/faces?name={one.name}"),
            "SUNMI's search": lambda: house.sunmi("getFaceByPicture", {}, photo),
            "iCREDIT's search": lambda: house.icredit("1", photo),
        }
        for where, ask in answers.items():
            with suppress(Refused):
                text = str(ask())
                if one.faceid in text or one.name in text:
                    yield f"{where} still names the person"

    def send_old_records(self, house: House, step: str) -> None:
        """Send the old record again by each way that takes one, and the person by the way of
        before."""
        house.clock.at += HOUR
        for one in self.people:
            path = f"/v1/faces/{one.faceid}/consent"
            reply = house.send("PUT", path, make_record(house, one))
            refused = (404, 409)  # 404: the person is erased
            faults = [] if reply.status in refused else [f"PUT consent: {reply.status}"]
            for name in self.ways:
                way = WAYS[name]
                if way.takes_record or (name == one.way and not way.by_camera):
                    faults += self._try_again(house, one, name)
            faults += self._list_shown(house, one)
            says = "refused by PUT, by each way that takes a record, and by the way of before"
            self.promise(step, one.way, says, faults)

    def _try_again(self, house: House, one: Somebody, way: str) -> list[str]:
        house.clock.at += timedelta(minutes=1)
        try:
            WAYS[way].go(house, one)
        except Refused as refusal:
            is_as_said = refusal.status == 409 or not WAYS[way].takes_record
            return [] if is_as_said else [f"{way} does not answer 409: {refusal}"]
        return [f"{way} took the person in again"]

    def come_again(self) -> None:
        """Let the camera see everybody who withdrew: counted, and nothing is kept."""
        house = self.house
        for one in self.people:
            house.clock.at += timedelta(minutes=5)
            before = self._count_nobodies()
            capture, usage = see(house, one), self._count_nobodies()
            faults = [] if usage[0] == before[0] + 1 else ["nobody is counted"]
            faults += ["a face is made"] if usage[1] != before[1] else []
            faults += ["the capture names a face" for seen in capture.sightings if seen.faceid]
            key = keys.capture_picture(house.tenant.name, CAMERA, capture.id)
            if house.services.ports.storage.uploads.get(key) is not None:
                faults.append("the capture's picture is kept")
            self.promise("seen again", one.way, "counted as nobody, and nothing is kept", faults)

    def _count_nobodies(self) -> tuple[int, int]:
        """Return how many people were counted without a face, and how many faces there are."""
        usage = self.house.services.account.measure_usage(self.house.tenant)
        return sum(number for _, number in usage.nobodies), usage.faces

    def erase_one(self) -> None:
        """Ask for the archive of one person, erase the person, and check the receipt."""
        house, one = self.house, self.erased
        wanted = {what: one.needles[what] for what in ("name", "note", "id", "picture")}
        if not house.tenant.keeps_pictures:
            del wanted["picture"]
        archive = _read_archive(house, one)
        faults = [
            f"the archive lacks {what}" for what, text in wanted.items() if text not in archive
        ]
        self.promise("archive", one.way, "it has name, note, id and pictures", faults)
        id_ = house.v1("DELETE", f"/v1/faces/{one.faceid}?erase=true")["id"]
        self._do_jobs(house)
        receipt = house.v1("GET", f"/v1/erasures/{id_}")["receipt"]
        self.promise(
            "erased", one.way, "the receipt is signed with the key", _check(house, receipt)
        )
        self._promise_left("erased", house, [one], is_over=True)
        try:
            _read_archive(house, one)
            faults = ["the archive of an erased person was written"]
        except FaceNotFound:
            faults = []
        self.promise("archive", one.way, "refused after the erasure", faults)

    def wait_until_ended(self) -> None:
        """Let the days pass in which a mistake is taken back."""
        days = count_ended_days(self.house.tenant)
        self._let_pass(self.house, days)
        self._promise_left(f"after {days} days", self.house, self.people)

    def wait_until_forgotten(self, house: House) -> None:
        """Let the days pass for which somebody is remembered."""
        step = "the backup after" if house is not self.house else "after"
        days = count_remembered_days(house.tenant)
        self._let_pass(house, days)
        everybody = [*self.people, self.erased]
        self._promise_left(f"{step} {days} days", house, everybody, is_over=True)

    def restore(self, restore: Callable[[], Services]) -> None:
        """Restore the backup of before the withdrawals, and hold the same promises against it."""
        clock, begun_at = self.house.clock, self.house.clock.at
        with (
            closing(restore()) as services,
            serve_house(services, clock, self.house.credentials) as restored,
        ):
            for one in self.people:
                says = "found by no search and in no list, though the backup had the person"
                self.promise("restored", one.way, says, [*self._list_shown(restored, one)])
            self.send_old_records(restored, "old record, restored")
            # what goes of many at once waits for a week first, after a restore, too
            for _ in range(PATIENCE.days + 2):
                self._do_jobs(restored)
            self._promise_left("ten days later", restored, self.people)
            self._promise_left("ten days later", restored, [self.erased], is_over=True)
            self.wait_until_forgotten(restored)
        clock.at = begun_at

    def _promise_left(
        self, step: str, house: House, people: Sequence[Somebody], *, is_over: bool = False
    ) -> None:
        """Look for people everywhere. `is_over`: nothing may be left of anybody."""
        everybody = not house.tenant.expired_consent_erases
        until = self.withdrawn_at + count_remembered_days(house.tenant) * DAY
        for one, left in zip(people, find_left(house.services, people), strict=True):
            is_remembered = not is_over and (one.asks or everybody)
            faults = list_unpromised(left, is_remembered=is_remembered)
            if is_remembered and "id" not in left:
                faults.append("the face that was to be remembered is gone")
            says = f"{_describe(left)}, until {until:%Y-%m-%d}" if left else "nothing is left"
            self.promise(step, one.way, says, faults)

    def _let_pass(self, house: House, days: int) -> None:
        """Let days pass since the withdrawals, and the night with its hourly sweeps."""
        house.clock.at = max(house.clock.at, self.withdrawn_at + days * DAY)
        self._do_jobs(house)

    def _do_jobs(self, house: House) -> None:
        """Do what the clock does until the next night is over.

        A box doubts a clock that has jumped for the first hours.
        """
        doubted_hours = 0 if house.services.ports.storage.expires_items else 2
        begin = house.clock.at.replace(hour=NIGHT_HOUR - doubted_hours, minute=7)
        house.clock.at = begin if begin > house.clock.at else begin + DAY
        for _ in range(doubted_hours + 2):
            house.services.watch.run()
            house.services.sweep.request_sweeps(house.clock.at)
            _do_messages(house.services)
            house.clock.at += HOUR

    def say_what_is_kept(self) -> None:
        """Say what stays on purpose of all these people, and until when."""
        house, tenant = self.house, self.house.tenant
        receipts = sum(1 for _ in house.services.erasure.records.list_all(tenant.name))
        entries = sum(1 for _ in house.services.items.scan(keys.AUDIT, tenant.name))
        observed = sum(1 for _ in house.services.items.scan(keys.OBSERVATIONS, tenant.name))
        for place, says in {
            "erasures": f"{receipts} receipts with keyed hashes of ids, for ever",
            "audit": f"{entries} entries without these people, {_say_days(tenant.audit_days)}",
            "observations": f"{observed} under random names, {_say_days(tenant.observation_days)}",
            "usage": "how many were counted without a face, by the hour: numbers",
            "backups": "whole, with everybody who was in, until you delete the file",
        }.items():
            self.add("kept on purpose", place, State.KEPT, says)


def _do_messages(services: Services) -> None:
    """Do the work of all messages that wait."""
    queue: Any = services.ports.storage.index_queue  # of a box, or of a stage's tests: it receives
    while messages := queue.receive(10, 60):
        for message in messages:
            services.sweep.handle_message(message.body, 1, lambda: float("inf"))
            queue.delete(message.receipt)


def _check(house: House, receipt: Any) -> list[str]:
    """Say what is wrong with a receipt."""
    try:
        _, signer = verify_statement(receipt, RECEIPT)
    except InvalidInput as error:
        return [f"the receipt does not verify: {error}"]
    current = house.services.audit.signing.read_public_keys(house.tenant.name).current
    return [] if signer == current else ["the receipt is signed with another key"]


def _read_archive(house: House, one: Somebody) -> bytes:
    """Return all that somebody's archive has, unpacked. Raises FaceNotFound."""
    file = io.BytesIO()
    house.services.archives.write(house.tenant, one.faceid, file, "en")
    with zipfile.ZipFile(file) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


def _describe(left: Left) -> str:
    """Say what is where; the files of a box hold the places that are named beside them."""
    named = {
        what: sorted(place for place in places if not place.startswith("file "))
        for what, places in left.items()
    }
    return "; ".join(f"{what} in {', '.join(places)}" for what, places in named.items() if places)


def _say_days(days: int | None) -> str:
    return "for ever" if days is None else f"for {days} days"
