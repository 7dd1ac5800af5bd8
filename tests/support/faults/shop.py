"""Shops in which everything that Regulars does can be done once, each prepared in a folder of its
own."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

import app
from chalicelib import search_function
from chalicelib.api.dialects import SERVICES
from chalicelib.api.service_keys import add_service_key
from chalicelib.auth.roles import Role
from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.captures import Capture, CaptureState
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.model import (
    Credentials,
    Decision,
    Profile,
    PromotionSettings,
    SharedKey,
)
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.domain.webhooks import EventKind
from chalicelib.open_storage import open_storage
from chalicelib.privacy.erasure_progress import SETTLED
from chalicelib.privacy.makers import Maker, make_maker_put
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import (
    SENT_AGAIN,
    Clock,
    Storage,
    Update,
    exists,
    picture_event,
)
from chalicelib.storage.records.captures import USUAL
from chalicelib.storage.records.merges import Duplicate, two_people_put
from chalicelib.storage.values import milliseconds
from regulars.serve.gateway import Context
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.devices import device, with_passkey
from tests.support.api.icredit.client import MarketClient, tokens
from tests.support.api.rekognition import signed
from tests.support.api.stage import Stage, make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import furnish
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.films import make_stored_film
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, ViewedShot, shot
from tests.support.book.book_with import book_with
from tests.support.book.people import two_strangers, with_good_picture
from tests.support.book.several_faces import several_faces
from tests.support.book.tenants import CHOICE, KEEPING
from tests.support.fakes import RULES, FakeClock, Person, picture
from tests.support.faults.stored import stored
from tests.support.hooks.receiver import Receiver, answers, receiving
from tests.support.storage.failing import KILLED, Calls, Killed

Kept = Callable[[Settings, Clock], Storage]

HOUR, DAY = 60, 24 * 60
DEVICE, PASSWORD = 7, "four words that fit"
"""How the member Maria signs in."""

FILMED_AT = "2026-03-15T23:58:00Z"
"""The minute of the camera `door` of which a film waits for an answer."""

VOID = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
"""Of the camera `door`."""

EVA, FINN, GUS = 11, 12, 13
"""Seen by the cameras, and in no group that somebody chose."""


_ALIKE = Decision(0.4, 0.5, 9, 0.02)
"""How much two are alike of whom nobody knows whether they are one."""


def lookalike(at: float, seed: int) -> Shot:
    """Somebody who is taken for this person."""
    return Shot(MONDAY + at * MINUTE, (Person(seed, side_px=90.0),))


def another_photo(at: float, seed: int) -> Shot:
    """Somebody known, from whom there is something to learn."""
    return Shot(MONDAY + at * MINUTE, (Person(seed, side_px=110.0, quality=85.0),))


def poorly_seen(at: float, seed: int) -> Shot:
    """Somebody who is too little like the face to be found, but for a better picture of the same
    visit."""
    return Shot(MONDAY + at * MINUTE, (Person(seed, side_px=99.0, likeness=0.42),))


def seen_by_views(at: float, seed: int) -> ViewedShot:
    """Somebody who is too little like the face to be found, but for a further view."""
    views = (picture(Person(seed, side_px=90.0, likeness=0.97)),)
    best = Person(seed, side_px=110.0, likeness=0.55)
    return ViewedShot(MONDAY + at * MINUTE, (best,), views=views)


class Shop(Struct, frozen=True):
    """A prepared folder, the tenant's credentials in it, and the ids and the templates (by face) of
    what it holds."""

    folder: Path
    credentials: Credentials
    ids: dict[str, str]
    receiver: Receiver
    templates: dict[str, list[bytes]] = field(default_factory=dict)

    def opened(self, folder: Path) -> Box:
        """A process on this copy of it."""
        return Box(folder, self)

    def texts(self) -> frozenset[str]:
        """All that is stored, as texts."""
        return stored(self.folder)

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Box]:
        """A process on a copy in that folder."""
        self.receiver.heard.clear()
        copy = Path(shutil.copytree(self.folder, folder / "copy"))
        with closing(self.opened(copy)) as box:
            yield box
        shutil.rmtree(copy)


_STAGES: list[Stage] = []
"""Applications that no box uses now: to make one takes as long as to open a box."""


class Box(Book):
    """A process on a copy of a shop, with its clients; `calls` are those of the process to storage.

    A client signs its first request as it signed it in the process before: it is the same request.
    """

    def __init__(self, folder: Path, shop: Shop) -> None:
        self._open(folder)
        self.ids = shop.ids
        self.templates = shop.templates
        self._receiver = shop.receiver
        self.credentials = shop.credentials
        self._stage = _STAGES.pop() if _STAGES else make_stage(self.services)
        self._stage.services = self.services
        self.app = self._stage.app

    def close(self) -> None:
        super().close()
        _STAGES.append(self._stage)

    def _open(self, folder: Path) -> None:
        self.calls = Calls()
        super().__init__(folder, wrap=self.calls.wrap)

    @property
    def camera(self) -> CameraClient:
        return CameraClient(
            self.app, self.credentials.app_id, self.credentials.app_key, self.clock, 500_000
        )

    @property
    def market(self) -> MarketClient:
        return MarketClient(self.app, self.credentials.appcode)

    def rekognition(self, operation: str, **members: Any) -> Any:
        """Answer a call that has the same id each time, as an SDK's attempts have."""
        own = self.credentials
        keys = own.access_key_id, own.secret_access_key
        reply = signed.call(self.app, *keys, operation, members, self.clock.now(), "the-same")
        return {"status": reply.status, **reply.json}

    @property
    def family(self) -> CompreFace:
        return CompreFace(self.app, self.ids["recognition"])

    @property
    def v1(self) -> V1Client:
        return V1Client(self.app, self.credentials.api_key)

    def hand(self, function: str, body: str) -> Any:
        """SQS hands a message to a function."""
        record = {
            "messageId": "m",
            "receiptHandle": "r",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
            "eventSource": "aws:sqs",
        }
        return self.call(function, {"Records": [record]})

    def tick(self, function: str) -> Any:
        """The scheduler calls."""
        event = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
        }
        more = {
            "account": "0",
            "time": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "box",
            "resources": [],
        }
        return self.call(function, {**event, **more})

    def call(self, function: str, event: dict[str, Any]) -> Any:
        """Call a function of app.py, in this process."""
        for provide in (app.provide, search_function.provide):
            provide.use(self.services)
        return getattr(app, function)(event, Context(function, deadline=time.monotonic() + 300))

    def sweep(self) -> None:
        """The scheduler calls, and all messages that it made are worked off."""
        self.tick("sweep")
        while messages := self.storage.index_queue.receive(10, 60):
            for message in messages:
                self.hand("build_index", message.body)
                self.storage.index_queue.delete(message.receipt)

    def settle(self) -> None:
        """Seven hours later, when all that is done by the clock was done."""
        self.clock.advance(timedelta(hours=7))
        self.tick("watch")
        self.sweep()

    def tell(self) -> None:
        """Send all events that are due."""
        while messages := self.storage.deliveries_queue.receive(10, 60):
            for message in messages:
                self.hand("deliver", message.body)
                self.storage.deliveries_queue.delete(message.receipt)

    def texts(self) -> frozenset[str]:
        """All that was stored and heard until now, as texts."""
        return stored(self.folder) | self.heard()

    def heard(self) -> frozenset[str]:
        """The events, and the time."""
        events = (
            f"{one.path} {one.headers['X-Regulars-Delivery']}" for one in self._receiver.heard
        )
        return frozenset([*events, str(self.clock.now())])

    def state(self) -> dict[str, Any]:
        """What must be the same, when all events were sent, however often the process failed on the
        way there."""
        self.tell()
        captures = [
            self.services.captures.read_page(self.tenant, camera, 100).rows
            for camera in self.cameras
        ]
        return {
            "faces": self.entries(),
            "names": sorted(face.name for face in self.faces()),
            "consents": sorted(str(face.consent) for face in self.faces()),
            "groups": {
                (g.name, g.capacity, g.count) for g in self.services.groups.list_all(self.tenant)
            },
            "captures": Counter(str(one.state) for page in captures for one in page),
            "pictures": sorted(len(face.pictures) for face in self.faces()),
            "merges": Counter(
                str(one.state) for one in self.services.merges.records.list_all("shop")
            ),
            "duplicates": Counter(
                bool(one.get("are_two"))
                for one in walk_items(self.storage.items, keys.DUPLICATES, "shop")
            ),
            "cameras": len(self.services.cameras.list_all(self.tenant)),
            "hooks": len(self.services.webhooks.hooks.list_all("shop")),
            "voids": self.services.counts.voids.list_all("shop"),
            "keys": [
                (one.name, one.role) for one in self.services.access.keys.list_all(self.tenant)
            ],
            "events": len({one.headers["X-Regulars-Delivery"] for one in self._receiver.heard}),
            "deliveries": len(self.storage.items.query(keys.OUTBOX, "shop").items),
            "tenants": [
                (one.name, one.disabled, one.model) for one in self.services.tenants.list_all()
            ],
            "observed": self.observed(),
        }


def event_of(capture: Capture) -> str:
    """What is sent when a capture is tried again, whose attempt is counted, too."""
    return picture_event(SENT_AGAIN, keys.capture_picture("shop", capture.camera_id, capture.id))


@contextmanager
def prepared(
    root: Path,
    make: Callable[..., Shop] = Shop,
    fill: Callable[[Box], object] = lambda box: None,
) -> Iterator[dict[str, Shop]]:
    """The shops by name, while somebody listens to their hook. `fill`: what is done in the first,
    of which all others are made."""
    with receiving(answers(200)) as receiver:
        first = furnished(root / "shop", receiver, make)
        with closing(first.opened(first.folder)) as box:
            fill(box)
        shops = {"shop": first}

        def after(name: str, base: str, do: Callable[[Box], object], cut: int = 0) -> None:
            """Another shop, in which this was done, or was cut off at that transaction."""
            known = shops[base]
            shutil.copytree(known.folder, root / name)
            with closing(Box(root / name, known)) as box:
                box.calls.fail(cut, KILLED, of="items.transact")
                with suppress(Killed):
                    do(box)
            with closing(Box(root / name, known)) as box:
                ids = (
                    {"merge": one.id}
                    if (one := next(iter(box.services.merges.records.list_all("shop")), None))
                    else {}
                )
                for act in box.services.done.list_all(box.tenant):
                    ids |= {"act": act.id} if "note" in act.after else {}
                found = {
                    face.faceid: [one.vector for one in face.templates] for face in box.faces()
                }
            templates = {**found, **known.templates}
            shops[name] = replace(
                known, folder=root / name, ids={**known.ids, **ids}, templates=templates
            )

        after("merged", "shop", _merged)
        after("merging", "shop", _merged, cut=2)
        after(
            "undoing",
            "merged",
            lambda box: box.services.merges.merging.undo(box.tenant, box.ids["merge"]),
            cut=2,
        )
        after("named", "shop", _named)
        after("rejected", "shop", _rejected)
        after("indexed", "shop", _indexed)
        after("subjects", "shop", _subjects)
        after("several", "subjects", _several)
        after("staffed", "subjects", _staffed)
        after("erasing", "shop", _erasing)
        after("erased", "erasing", _erased)
        after(
            "deleted",
            "shop",
            lambda box: box.services.deletion.delete_faces(box.tenant, [box.ids["eva"]]),
        )
        after("alike", "shop", _alike)
        after("full", "shop", _full)
        after("unwanted", "shop", _unwanted)
        after("learnt", "shop", _learnt)
        after("old", "shop", _kept_shortly)
        after(
            "held",
            "shop",
            lambda box: box.services.faces.holds.set(box.tenant, box.ids["eva"], "case 7"),
        )
        after(
            "unpictured",
            "merged",
            lambda box: box.services.tenants.change_settings("shop", {"keeps_pictures": False}),
        )
        after("consented", "merged", _consented)
        after("remembered", "consented", _remembered)
        after("stripping", "remembered", _stripping)
        after("stuck", "shop", _stuck)
        after("leaving", "shop", _leaving)
        after("beside", "shop", _beside)
        after("closed", "shop", lambda box: box.settle())
        after("dropping", "indexed", _drop_collection)
        after("forgetful", "shop", _forget_strangers)
        after("unnoted", "consented", _unnoted)
        after("known", "shop", _withdraw_like_finn)
        after("aged", "shop", _aged)
        after("ended", "shop", _close_month)
        receiver.answer_from_now_on(answers(410))
        after("parked", "shop", lambda box: box.hand("deliver", box.ids["delivery"]))
        receiver.answer_from_now_on(answers(200))
        yield shops


def _named(box: Box) -> None:
    box.v1.done("PATCH", f"/v1/faces/{box.ids['eva']}", {"name": "Eva Nyström", "note": "tea"})


def _merged(box: Box) -> None:
    box.services.merges.merging.merge(box.tenant, box.ids["eva"], box.ids["finn"])


def _rejected(box: Box) -> None:
    box.services.sightings.rejection.reject(box.tenant, box.ids["eva"], box.ids["sighting"])


def _indexed(box: Box) -> None:
    """A collection with tags, and people whose photos were indexed."""
    for collection in ("staff", "guests"):
        box.rekognition("CreateCollection", CollectionId=collection, Tags={"site": "north"})
    found: list[str] = []
    for seeds in ((41, 42), (43,)):
        photo = picture(*(Person(seed, side_px=120.0 - seed) for seed in seeds))
        answer = box.rekognition(
            "IndexFaces", CollectionId="staff", Image={"Bytes": photo}, ExternalImageId="team"
        )
        found += [one["Face"]["FaceId"] for one in answer["FaceRecords"]]
    box.ids.update({f"staff {number}": faceid for number, faceid in enumerate(found)})
    box.rekognition("CreateUser", CollectionId="staff", UserId="ann")
    box.rekognition("AssociateFaces", CollectionId="staff", UserId="ann", FaceIds=found[1:])


def _subjects(box: Box) -> None:
    """A group with keys of its own: Ann has three photos, of which one is of somebody else, and Bob
    has one."""
    box.services.groups.create(box.tenant, "family", None, "")
    group = box.services.groups.get_by_name(box.tenant, "family")
    for service in SERVICES:
        of = group.id if service in ("recognition", "deepstack") else ""
        box.ids[service] = add_service_key(box.services, box.tenant, service, service, of)
    for number, (name, person) in enumerate(
        (
            ("Ann", Person(51)),
            ("Ann", Person(51, side_px=101.0)),
            ("Ann", Person(52)),
            ("Bob", Person(53)),
        )
    ):
        box.ids[f"example {number}"] = box.family.add(name, picture(person))


def _several(box: Box) -> None:
    """A third subject, of two faces."""
    group = box.services.groups.get_by_name(box.tenant, "family")
    photos = [[picture(Person(54, side_px=100.0 + number))] for number in range(2)]
    several_faces(box.services, box.tenant, group, "Cy", photos)


def _staffed(box: Box) -> None:
    """The family turns out to be staff, while feelings are estimated."""
    box.services.tenants.change_settings("shop", {"feelings": True})
    box.enrol(Person(58), "family")
    group = box.services.groups.get_by_name(box.tenant, "family")
    box.services.groups.change_fields(box.tenant, group.id, {"staff": True})


def _erasing(box: Box) -> None:
    box.services.deletion.delete_faces(box.tenant, [box.ids["finn"]], erase=True)


def _erased(box: Box) -> None:
    """The erasure is done, as it is two minutes later."""
    later = FakeClock(box.services.clock.now() + SETTLED + timedelta(seconds=1))
    book_with(box.services, clock=later).erasure.steps.continue_all(box.tenant)


def _alike(box: Box) -> None:
    """Two strangers who are one person, and a pair of whom nobody knows."""
    _, second = two_strangers(box)
    with_good_picture(box, second)
    eva, finn = (box.services.faces.get(box.tenant, box.ids[name]) for name in ("eva", "finn"))
    box.services.merges.duplicates.suggest_pair(box.tenant, eva, finn, _ALIKE)


def _full(box: Box) -> None:
    """The next stranger takes the place of the one who was seen last longest ago."""
    strangers = next(
        group for group in box.services.groups.list_all(box.tenant) if group.name == "stranger"
    )
    fields = {
        "old_name": "stranger",
        "name": "stranger",
        "capacity": str(strangers.count),
        "description": "few",
    }
    assert box.camera.call("updateGroup", fields)["code"] == 0


def _unwanted(box: Box) -> None:
    """A picture whose face was never made, and a camera that has been silent."""
    box.storage.blobs.put_if_absent(keys.face_picture("shop", "nobody", "0"), b"x", "image/jpeg")
    box.v1.done("PATCH", "/v1/cameras/till", {"silent_after_s": 600})


def _learnt(box: Box) -> None:
    """Eva's face learnt something that the tenant keeps no longer."""
    box.see(another_photo(5 * DAY, EVA))
    box.services.tenants.change_settings("shop", {"learnt_days": 2})


def _consented(box: Box) -> None:
    """Eva's face has a record of consent, which expires in a day; then it is erased."""
    body = {
        "basis": "consent",
        "given_at": "2026-03-01T00:00:00Z",
        "expires_at": "2026-03-17T09:00:00Z",
    }
    box.v1.done("PUT", f"/v1/faces/{box.ids['eva']}/consent", body)
    box.services.tenants.change_settings("shop", {"ended_days": 0})


def _remembered(box: Box) -> None:
    """Eva takes her consent back, and asks to be remembered: all but the template is due."""
    wish = {"remember_basis": "consent", "remember_evidence": "letter 7"}
    reply = box.v1.send("DELETE", f"/v1/faces/{box.ids['eva']}/consent", query=wish)
    assert reply.status == 204
    box.clock.advance(timedelta(days=1))


def _stripping(box: Box) -> None:
    """All but her template is gone from her face, and not yet from other places."""
    box.services.erasure.stripping.strip(box.tenant, box.ids["eva"])
    box.clock.advance(SETTLED)


def _kept_shortly(box: Box) -> None:
    """Nothing is kept for long, but of Eva, whom nobody may delete."""
    box.services.faces.holds.set(box.tenant, box.ids["eva"], "case 7")
    days = {
        "capture_days": 3,
        "sighting_days": 4,
        "stranger_days": 10,
        "regular_days": 20,
        "observation_days": 150,
    }
    box.services.tenants.change_settings("shop", days)


def _stuck(box: Box) -> None:
    """A capture is parked."""
    key = keys.capture("shop", "door", box.ids["capture"])
    fields = {"state": CaptureState.PARKED, "reason": "it was tried too often"}
    box.storage.items.transact([Update(keys.CAPTURES, key, (exists("offered"),), set=fields)])


def _leaving(box: Box) -> None:
    """Beside the shop is another one, with somebody in it, that is about to leave."""
    box.services.tenants.add("leaves", Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC"))
    tenant = box.services.tenants.get_by_name("leaves")
    box.services.cameras.add(tenant, "door", "door", CameraSettings())
    box.services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(61)), RULES)
    box.services.audit.signing.read_public_keys("leaves")


def _beside(box: Box) -> None:
    """Beside the shop is another one, which is about to invite somebody."""
    box.services.tenants.add("beside", Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC"))
    tenant = box.services.tenants.get_by_name("beside")
    box.services.access.members.add(tenant, "Maria", Role.OPERATOR)
    box.services.audit.signing.read_public_keys("beside")


def _drop_collection(box: Box) -> None:
    box.rekognition("DeleteCollection", CollectionId="staff")


def _forget_strangers(box: Box) -> None:
    """The tenant keeps no strangers any more, of whom one is known by nothing else."""
    box.see(shot(13 * DAY, 71))
    box.services.tenants.change_settings("shop", {"strangers": "forget"})


def _withdraw_like_finn(box: Box) -> None:
    """Somebody withdraws who is like the stranger Finn: not enough to be joined with him."""
    look = Person(FINN, side_px=163.0, likeness=0.53)
    consent = Consent(Basis.CONSENT, MONDAY, "form 7")
    one = box.enrol(look, faceid="70", name="Lea Moe", consent=consent)
    box.services.consents.withdraw_consent(box.tenant, one.faceid)


def _unnoted(box: Box) -> None:
    """A version before noted wrongly that somebody's consent had ended."""
    key = ("shop", keys.TENANT_ITEM)
    update = Update(keys.DIRECTORY, key, (exists("there"),), set={"withdrawn": 1})
    box.storage.items.transact([update])


def _close_month(box: Box) -> None:
    april = datetime(2026, 4, 1, 2, tzinfo=UTC)
    box.clock.advance(april - box.clock.now())
    box.services.sweep.sweep_tenant(box.tenant, april, ["periods"], is_part=True)


def _aged(box: Box) -> None:
    """What the jobs of a night look for: a week that is to be told, a capture whose event was lost,
    an object that no seal names, a key that was renewed, a camera's usual hours that are not known
    any more, a pair of people who are gone, and the note of a newer version that was taken
    back."""
    services, items = box.services, box.storage.items
    services.webhooks.hooks.add("shop", None, kinds=frozenset({EventKind.WEEK_ENDED}))
    services.tenants.renew_key(box.tenant, "sunmi", SharedKey.APP_KEY)
    box.storage.blobs.put_if_absent(
        f"{keys.days_columns('shop', 'UTC')}20260302-0.columns", b"x", ""
    )
    box.put(shot(14 * DAY - 60, GUS))
    seen_ms = milliseconds(box.clock.now())
    usual = {"usual": USUAL.write((100,) * 24), "last_seen_at": seen_ms}
    there = (exists("there"),)
    tenant = {"format_due": [FORMAT + 1, seen_ms - 1]}
    items.transact(
        [
            Update(keys.CAMERAS, ("shop", "door"), there, set=usual),
            two_people_put("shop", Duplicate.make_ordered("gone", "left", box.clock.now(), _ALIKE)),
            Update(keys.TENANTS, keys.tenant_item("shop"), there, set=tenant),
        ]
    )


def furnished(
    folder: Path, receiver: Receiver, make: Callable[..., Shop] = Shop, kept: Kept = open_storage
) -> Shop:
    with closing(Book(folder, kept=kept, settings=KEEPING)) as book:
        book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
        credentials = book.services.tenants.rotate_keys("shop")
        # each has its key from its first entry, or backup, on
        book.services.audit.signing.read_public_keys("shop")
    shop = make(folder, credentials, {"merge": "none"}, receiver)
    with closing(shop.opened(folder)) as box:
        furnish(CameraClient(box.app, credentials.app_id, credentials.app_key, box.clock))
        shop.ids["empty"] = box.services.groups.get_by_name(box.tenant, "empty").id
        for seed in (21, 22):
            [shop.ids[f"token {seed}"]] = tokens(box.market.enrol("silver", picture(Person(seed))))
        eva, finn, _, late, *_ = box.see(
            shot(0, EVA),
            shot(DAY + 10, FINN),
            shot(DAY, EVA),
            lookalike(DAY + 20, EVA),
            shot(2 * DAY, EVA),
            lookalike(20, EVA),
            shot(DAY + 12 * HOUR, FINN),
        )
        shop.ids["eva"], shop.ids["finn"] = (
            eva.sightings[0].faceid or "",
            finn.sightings[0].faceid or "",
        )
        shop.ids["duplicate"] = keys.duplicate(shop.ids["eva"], shop.ids["finn"])
        shop.ids["sighting"], shop.ids["capture"] = f"{late.id}-0", late.id
        added = box.services.enrolment.pictures.add_photo(
            box.tenant, shop.ids["eva"], picture(Person(EVA, side_px=50.0)), RULES
        )
        shop.ids["picture"] = added.id
        shop.ids["till key"] = box.v1.add_camera("till", id="till")["api_key"]
        shop.ids["hook"] = box.v1.done("POST", "/v1/hooks", {"url": receiver.url})["id"]
        shop.ids["mailbox"] = box.v1.done(
            "POST", "/v1/hooks", {"url": None, "events": ["camera.silent"]}
        )["id"]
        place = {"name": "Hall", "doors": ["door"], "full_at": 5}
        shop.ids["place"] = box.v1.done("POST", "/v1/places", place)["id"]
        box.v1.done("DELETE", "/v1/cameras/door/counts", **VOID)
        filmed = {"at": FILMED_AT, "seconds": 60, "in": 0, "out": 0, "faces": 0}
        box.v1.done("PUT", "/v1/cameras/door/counts", {"minutes": [filmed]})
        box.services.counts.checks.ask(box.tenant, "door")
        box.services.counts.checks.store_film(box.tenant, "door", make_stored_film(FILMED_AT))
        shop.ids["key"] = box.v1.done("POST", "/v1/keys", {"name": "Ann"})["id"]
        shop.ids["member"], shop.ids["passkey"] = with_passkey(
            box.v1, "Maria", device(DEVICE), PASSWORD
        )
        hers = box.v1.done("POST", "/v1/keys", {"name": "Maria's"})["id"]
        shop.ids["made"], maria = f"key {hers}", f"member {shop.ids['member']}"
        maker = Maker(f"Maria (manager), {maria}", maria, box.services.clock.now())
        box.services.items.transact([make_maker_put("shop", shop.ids["made"], maker)])
        box.see(shot(3 * DAY, GUS))
        message, *_ = box.storage.deliveries_queue.receive(10, 1)
        shop.ids["delivery"] = message.body
        box.put(shot(4 * DAY, GUS))  # its event was lost
        for face in box.faces():
            box.v1.done("PATCH", f"/v1/faces/{face.faceid}", {"name": "Lee \u738b\u5c0f\u660e"})
        shop.templates.update(
            {face.faceid: [one.vector for one in face.templates] for face in box.faces()}
        )
    return shop
