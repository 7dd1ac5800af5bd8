"""Two shops in one data folder that have all in common but their words: no word of alpha may be in
an answer to beta.

They have the group `vip`, the camera `door` and the face `7` with the same ids. All else of a shop
has its word in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalice.app import Chalice
from msgspec import Struct
from msgspec.structs import replace
from regulars_dialects.compreface.requests import RULES
from regulars_dialects.rekognition.operation import CONTENT_TYPE
from regulars_dialects.subjects import Subjects
from regulars_dialects.users import Users

from chalicelib import telemetry
from chalicelib.api.dialects import SERVICES
from chalicelib.api.http import BOOK_HEADER
from chalicelib.api.service_keys import add_service_key
from chalicelib.bootstrap import build
from chalicelib.domain.captures import captured_ms
from chalicelib.domain.events import GroupFull
from chalicelib.domain.model import Credentials, Decision, Profile
from chalicelib.domain.observations import Review, ReviewKind
from chalicelib.domain.webhooks import Event, Hindrance, Why
from chalicelib.open_storage import DATABASE
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.generation import find_file
from chalicelib.storage.items import PageTokens
from chalicelib.storage.ports import Put
from chalicelib.storage.records.observations import review_item
from chalicelib.storage.values import moment
from tests.support.api.deepstack.client import FACE
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.devices import Device, with_passkey
from tests.support.api.gateway import FORM, MULTIPART, Part, Reply, multipart, send
from tests.support.api.icredit.client import QUERY, MarketClient
from tests.support.api.rekognition import signed
from tests.support.api.samples import SINCE, Sample
from tests.support.api.stage import Stage, make_stage
from tests.support.api.sunmi.client import CameraClient, Pairs, md5_sign
from tests.support.api.sunmi.samples import jpeg
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import KEEPING
from tests.support.fakes import UNHURRIED, FakeClock, FakePictures, FakeVision, Person, picture

ALPHA, BETA = "alpha", "beta"
WORDS = {ALPHA: "kestrel", BETA: "plover"}
_NOBODYS_WORD = "godwit"
_NOBODY_SEEN = 999
_V1 = "/v1/"
_SUNMI = "/openapi/"
REKOGNITION = "/ "
COMPREFACE = "/api/v1/"
DEEPSTACK = "/v1/vision/"
"""What the paths of a dialect begin with. Rekognition's operations have one path, behind which
their names stand."""


class Shop(Struct, frozen=True):
    """A furnished tenant.

    `ids`: by the slots of support/api/samples.py; `camera_key`: the key of ids["camera"].
    """

    credentials: Credentials
    camera_key: str
    ids: Mapping[str, str]
    of_other_camera: Mapping[str, str]
    """Ids of the shop's camera `door`, by the same slots: they are not for the key of
    ids["camera"]."""
    secrets: frozenset[str]
    services: Mapping[str, str]
    """Its keys of CompreFace's services and DeepStack's."""
    session: str
    """Token of a browser's session that its admin's key began."""

    @property
    def nobodys(self) -> dict[str, str]:
        """Ids of the same form that nobody has."""
        return {
            slot: _nobodys(slot, id_, WORDS[self.credentials.tenant])
            for slot, id_ in self.ids.items()
        }


class Street(Struct, frozen=True):
    """The folder that is copied for each request that changes something, and what is known of its
    shops.

    Keys that are void: those of a `disabled` tenant and of its camera, and those that a tenant had
    until they were `rotated`.
    """

    folder: Path
    shops: Mapping[str, Shop]
    disabled: Credentials
    disabled_camera_key: str
    rotated: Credentials

    @classmethod
    def made(cls, folder: Path) -> Street:
        clock = FakeClock()
        services = build(Settings(storage=folder, **UNHURRIED), clock=clock, vision=FakeVision)
        app = make_stage(services).app
        shops = {
            name: _furnished(services, app, clock, name, 100 * n)
            for n, name in enumerate(WORDS, start=1)
        }
        disabled, rotated = (
            services.tenants.add(name, Profile.CAMERA, KEEPING) for name in ("disabled", "rotated")
        )
        camera_key = V1Client(app, disabled.api_key).add_camera("door")["api_key"]
        services.tenants.disable("disabled")
        services.tenants.rotate_keys("rotated")
        services.close()
        return cls(folder, shops, disabled, camera_key, rotated)


class _Meaning:
    """An app whose every request names the book that is meant."""

    def __init__(self, app: Chalice, book: str) -> None:
        self.api, self.routes, self._app, self._book = app.api, app.routes, app, book

    def __call__(self, event: dict[str, Any], context: object) -> Any:
        event["headers"][BOOK_HEADER] = self._book
        event["multiValueHeaders"][BOOK_HEADER] = [self._book]
        with telemetry.begin_invocation("box", ""):  # as the runner of the work does
            return self._app(event, context)


class Sender:
    """Sends filled samples as the clients of their dialects do."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._random = 10**6

    def send_to(
        self, app: Chalice | _Meaning, method: str, path: str, sample: Sample, **key: Any
    ) -> Reply:
        how = (
            _of_v1
            if path.startswith(_V1)
            else self._of_sunmi
            if path.startswith(_SUNMI)
            else _of_icredit
        )
        how = self._of_rekognition if path.startswith(REKOGNITION) else how
        how = _of_compreface if path.startswith(COMPREFACE) else how
        how = _of_deepstack if path.startswith(DEEPSTACK) else how
        return how(app, method, path, sample, **key)

    def _of_rekognition(
        self,
        app: Chalice,
        _method: str,
        path: str,
        sample: Sample,
        access_key_id: str = "",
        secret: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        operation = path.removeprefix(REKOGNITION)
        if access_key_id:
            return signed.call(
                app, access_key_id, secret, operation, sample.fields, self.clock.now()
            )
        target = {"X-Amz-Target": f"RekognitionService.{operation}"}
        body = json.dumps(dict(sample.fields)).encode()
        return send(
            app, "/", body, content_type=CONTENT_TYPE, headers={**target, **(headers or {})}
        )

    def _of_sunmi(
        self,
        app: Chalice,
        _method: str,
        path: str,
        sample: Sample,
        app_id: str = "",
        app_key: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        self._random += 1
        public = {
            "app_id": app_id,
            "random": self._random,
            "timestamp": int(self.clock.now().timestamp()),
        }
        pairs: Pairs = [
            (name, str(value))
            for name, value in {**(public if app_id else {}), **sample.fields}.items()
        ]
        pairs += [("sign", md5_sign(pairs, app_key))] if app_key else []
        if not sample.pic:
            return send(app, path, urlencode(pairs).encode(), content_type=FORM, headers=headers)
        parts = [
            *(Part(name, value.encode()) for name, value in pairs),
            jpeg(base64.b64decode(sample.pic)),
        ]
        return send(app, path, multipart(parts), content_type=MULTIPART, headers=headers)


class Walk(Sender):
    """Sends requests to the street as it was made, or to a copy of it that no request has
    changed."""

    def __init__(self, street: Street, folder: Path) -> None:
        super().__init__(FakeClock())
        self.street = street
        self._folder = folder
        self._copies = 0
        self._stage: Stage | None = None
        self._watch: sqlite3.Connection | None = None
        self._as_made = stored(street.folder)

    @property
    def app(self) -> Chalice:
        if self._watch is None:
            self._copies += 1
            self._here = shutil.copytree(
                self.street.folder, self._folder / str(self._copies), copy_function=_copy_or_link
            )
            vision = FakeVision()
            services = build(
                Settings(storage=self._here, **UNHURRIED), clock=self.clock, vision=lambda: vision
            )
            known = [ids for shop in self.street.shops.values() for ids in (shop.ids, shop.nobodys)]
            services.ports.pictures_by_url = FakePictures(
                {ids["photo_url"]: base64.b64decode(ids["photo"]) for ids in known}
            )
            if self._stage is None:
                self._stage = make_stage(services)
            self._stage.services = services
            self._watch = sqlite3.connect(find_file(self._here / DATABASE))
            self._known = self._written()
        return self._stage.app

    @property
    def services(self) -> Services:
        """Those of the copy that the next request goes to."""
        assert self.app
        assert self._stage is not None
        return self._stage.services

    def close(self) -> None:
        if self._watch is not None and self._stage is not None:
            self._watch.close()
            self._watch = None
            self._stage.services.close()

    def _written(self) -> object:
        """Return what changes when somebody writes: the database's version, its files with their
        sizes and times."""
        stats = [(file.path, file.stat()) for file in files(self._here)]
        version = self._watch.execute("PRAGMA data_version").fetchone()
        return version, sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)

    def send(self, method: str, path: str, sample: Sample, *, meant: str = "", **key: Any) -> Reply:
        """The answer to a filled sample. `meant`: the book that the request names; "": none."""
        app = _Meaning(self.app, meant) if meant else self.app
        return self.send_to(app, method, path, sample, **key)

    def changed(self) -> set[object]:
        """What was stored as the street was made, or is now, but not both.

        The next request goes to a new copy then.
        """
        if self._written() == self._known:
            return set()
        changed = stored(self._here) ^ self._as_made
        self._known = self._written()
        # that something was read alters no answer
        if any(row[0] != keys.AUDIT.name for row in changed):
            self.close()
        return changed


def _of_compreface(
    app: Chalice, method: str, path: str, sample: Sample, headers: Mapping[str, str] | None = None
) -> Reply:
    for name, value in sample.path.items():
        path = path.replace(f"{{{name}}}", value)
    query = {name: [value] for name, value in sample.query.items()}
    sent = sample.fields.get("list", sample.fields)
    body = json.dumps(sent).encode() if sent else b""
    return send(
        app,
        path,
        body,
        method=method,
        content_type="application/json",
        headers=headers,
        query=query,
    )


def _of_deepstack(app: Chalice, _method: str, path: str, sample: Sample, key: str = "") -> Reply:
    files = {
        name: base64.b64decode(value)
        for name, value in sample.fields.items()
        if name.startswith("image")
    }
    fields = {name: value for name, value in sample.fields.items() if name not in files}
    return DeepStack(app, key).call(path.removeprefix(FACE), files, **fields)


def _of_v1(
    app: Chalice,
    method: str,
    path: str,
    sample: Sample,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Reply:
    for name, value in sample.path.items():
        path = path.replace(f"{{{name}}}", value)
    asked = {**sample.query, **(query or {})}
    if sample.pic:
        data = base64.b64decode(sample.pic)
        return V1Client(app, None).send(
            method, path, data, query=asked, headers=headers, content_type="image/jpeg"
        )
    return V1Client(app, None).send(
        method, path, sample.fields or None, query=asked, headers=headers
    )


def _of_icredit(
    app: Chalice,
    _method: str,
    path: str,
    sample: Sample,
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> Reply:
    return send(app, path, urlencode({**sample.fields, **fields}).encode(), headers=headers)


def key_of(shop: Shop, path: str) -> dict[str, Any]:
    """The shop's own key for a route, as Walk.send takes it."""
    own = shop.credentials
    if path.startswith(DEEPSTACK):
        return {"key": shop.services["deepstack"]}
    if path.startswith(COMPREFACE):
        return service_key(shop.services[path.split("/")[3]])
    if path.startswith(REKOGNITION):
        return access_key(own)
    if path.startswith(_SUNMI):
        return {"app_id": own.app_id, "app_key": own.app_key}
    return bearer(own.api_key) if path.startswith(_V1) else appcode(own.appcode)


def access_key(credentials: Credentials) -> dict[str, Any]:
    return {"access_key_id": credentials.access_key_id, "secret": credentials.secret_access_key}


def service_key(key: str) -> dict[str, Any]:
    return {"headers": {"X-Api-Key": key}}


def bearer(key: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {key}"}}


def appcode(code: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"APPCODE {code}"}}


def _copy_or_link(file: str, place: str) -> None:
    """Copy the database, and give each other file a second name: none is written in place."""
    if Path(file).name.startswith(DATABASE):
        shutil.copy2(file, place)
    else:
        os.link(file, place)


def stored(folder: Path) -> set[object]:
    """Every row of the database and every file of a data folder."""
    with closing(sqlite3.connect(find_file(folder / DATABASE))) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        rows: set[object] = {
            (table, *row) for table in tables for row in database.execute(f"SELECT * FROM {table}")
        }
    return rows | {
        (os.path.relpath(file, folder), Path(file).read_bytes()) for file in files(folder)
    }


def files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield the files of a data folder beside its database."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from files(entry.path)
            elif not entry.name.startswith(DATABASE):
                yield entry


def _furnished(services: Services, app: Chalice, clock: FakeClock, tenant: str, seed: int) -> Shop:
    """Make a tenant whose people have the numbers from `seed` on."""
    word = WORDS[tenant]
    own = services.tenants.add(tenant, Profile.CAMERA, KEEPING)
    camera = CameraClient(app, own.app_id, own.app_key, clock)
    v1, market = V1Client(app, own.api_key), MarketClient(app, own.appcode)
    club, attribute, face, label = f"{word}-club", f"{word} size", f"{word}-1", f"{word} label"
    _groups_and_faces(camera, word, seed)
    labels = {f"LABLE_{letter}": label for letter in "ABCD"}
    market.enrol(club, _photo(seed + 7), **labels)
    for _ in range(2):
        market.search(club, _photo(seed), **labels)
    gate_key = v1.add_camera(f"{word}.Gate", id=f"{word}-gate", labels={"a": label})["api_key"]
    door_key = v1.add_camera(f"{word}.Door", id="door")["api_key"]
    v1.done("POST", f"/v1/cameras/{word}-gate/heartbeat", {"status": {"place": word}})
    seen = [
        v1.take(services, _photo(seed), minutes, f"{word}-gate", tenant).id for minutes in (60, 180)
    ]
    at_the_door = v1.take(services, _photo(seed + 1), 120, "door", tenant).id
    doubted = v1.take(services, _photo(seed + 1, side_px=90), 240, f"{word}-gate", tenant).id
    v1.done("POST", f"/v1/faces/{word}-2/sightings/{doubted}-0/reject")
    for n in (1, 2):
        v1.done("PATCH", f"/v1/faces/{word}-{n}", {"name": f"{word} Lee", "note": word})
    for n in (1, 2):
        v1.done(
            "PUT",
            f"/v1/faces/{word}-{n}/consent",
            {"basis": "consent", "given_at": 0, "evidence": f"{word} form"},
        )
    groups = {group["name"]: group["id"] for group in v1.done("GET", "/v1/groups")["groups"]}
    added = v1.done(
        "POST", f"/v1/faces/{face}/pictures", {"picture": _text(_photo(seed, side_px=90))}
    )
    merges = [
        v1.done("POST", f"/v1/faces/{word}-{n}/merge", {"other": f"{word}-{n + 1}"})["merge"]
        for n in (3, 5)
    ]
    hook, secret = _hook(services, v1, tenant, word)
    counted = {"at": clock.now().isoformat(), "seconds": 60, "in": seed, "out": 0, "faces": 0}
    v1.done("PUT", f"/v1/cameras/{word}-gate/counts", {"minutes": [counted]})
    place = v1.done("POST", "/v1/places", {"name": f"{word} hall", "doors": [f"{word}-gate"]})
    key = v1.done("POST", "/v1/keys", {"name": f"{word} key"})
    member, passkey = with_passkey(v1, f"{word} Maria", Device(), "four words that fit")
    gate = {"camera": f"{word}-gate"}
    reviews = [_uncertain(face, f"{word}-gate", capture) for capture in seen]
    services.items.transact([Put(keys.REVIEWS, review_item(tenant, one)) for one in reviews])
    customer = services.tenants.get_by_name(tenant)
    alike = services.faces.by_id(customer, [face, f"{word}-2", f"{word}-3"])
    for one, other in pairwise(alike.values()):
        services.merges.duplicates.suggest_pair(customer, one, other, Decision(0.4, 0.5, 9, 0.02))
    for n in (8, 9):
        v1.done(
            "POST",
            "/v1/faces",
            {"id": f"{word}-{n}", "group": club, "picture": _text(_photo(seed + n))},
        )
        erasure = v1.done("DELETE", f"/v1/faces/{word}-{n}", erase="true")["id"]
    members = services.groups.get_by_name(customer, club)
    for user in (f"{word}-one", f"{word}-two"):
        Users(services).create(customer, members, user)
    Users(services).associate_faces(customer, members, f"{word}-one", [face], 0)

    services.groups.create(customer, f"{word}-family", 20, "")
    family = services.groups.get_by_name(customer, f"{word}-family")
    kinds = {
        kind: add_service_key(
            services,
            customer,
            kind,
            kind,
            family.id if kind in ("recognition", "deepstack") else "",
        )
        for kind in SERVICES
    }
    kin = Subjects(services).enrol_photo(customer, family, f"{word} kin", _photo(seed), RULES, 0.0)

    def listed(operation: str, **members: Any) -> str:
        keys_ = own.access_key_id, own.secret_access_key
        return str(
            signed.call(app, *keys_, operation, {"MaxResults": 1, **members}, clock.now()).json[
                "NextToken"
            ]
        )

    ids = {
        "example": kin.id,
        "subject": f"{word} kin",
        "user": f"{word}-one",
        "collections_token": listed("ListCollections"),
        "collected_token": listed("ListFaces", CollectionId=club),
        "users_token": listed("ListUsers", CollectionId=club),
        "group": club,
        "empty_group": f"{word}-room",
        "group_id": groups[club],
        "empty_group_id": groups[f"{word}-room"],
        "attribute": attribute,
        "label": label,
        "face": face,
        "other_face": f"{word}-2",
        "consenting": f"{word}-2",
        "audit_token": v1.done("GET", "/v1/audit", limit=1)["next_token"],
        "restrictions_token": PageTokens(f"restricted faces of {tenant}").make_token(
            "restricted#0"
        ),
        "consents_token": v1.done("GET", "/v1/consents", limit=1)["next_token"],
        "face_name": f"{word} lee",
        "photo": _text(_photo(seed)),
        "photo_url": f"https://{word}.example/1.jpg",
        "picture": added["id"],
        "camera": f"{word}-gate",
        "camera_name": f"{word}.Gate",
        "other_camera_name": f"{word}.Door",
        "capture": seen[0],
        "sha256": hashlib.sha256(_photo(seed)).hexdigest(),
        "sighting": f"{seen[0]}-0",
        "rejected": f"{doubted}-0",
        "act": v1.done("GET", "/v1/done", face=face, limit=1)["acts"][0]["id"],
        "done_token": v1.done("GET", "/v1/done", limit=1)["next_token"],
        "merge": merges[0],
        "survivor": f"{word}-3",
        "duplicate": keys.duplicate(face, f"{word}-2"),
        "duplicates_token": v1.done("GET", "/v1/duplicates", limit=1)["next_token"],
        "hook": hook,
        "place": place["id"],
        "key": key["id"],
        "book": customer.book_id,
        "member": member,
        "passkey": passkey,
        "made": services.access.made.list_made(customer, f"member {member}")[0].access,
        "erasure": erasure,
        "erasures_token": v1.done("GET", "/v1/erasures", limit=1)["next_token"],
        "mailbox": v1.done("POST", "/v1/hooks", {"url": None})["id"],
        "everything_token": PageTokens(f"everything of {face} of {tenant}").make_token(
            f"{seen[0]}-0"
        ),
        "observations_token": v1.done("GET", "/v1/observations", limit=1)["next_token"],
        "arrivals_token": v1.done("GET", "/v1/arrivals", limit=1, **SINCE)["next_token"],
        "review": reviews[0].id,
        "reviews_token": v1.done("GET", "/v1/reviews", limit=1)["next_token"],
        "faces_token": v1.done("GET", "/v1/faces", limit=1)["next_token"],
        "names_token": v1.done("GET", "/v1/faces", name="lee", limit=1)["next_token"],
        "captures_token": v1.done("GET", "/v1/captures", **gate, limit=1)["next_token"],
        "all_captures_token": v1.done("GET", "/v1/captures", limit=1)["next_token"],
        "sightings_token": v1.done("GET", f"/v1/faces/{face}/sightings", limit=1)["next_token"],
        "merges_token": v1.done("GET", "/v1/merges", limit=1)["next_token"],
        "deliveries_token": v1.done("GET", f"/v1/hooks/{hook}/deliveries", limit=1)["next_token"],
        "query_token": market.call(
            QUERY, {"START_TIME": "0", "END_TIME": "9999999999", "PAGE_SIZE": "1"}
        )["NEXT_PAGE_TOKEN"],
    }
    assert all(ids.values()), ids
    secrets = {
        own.access_key_id,
        own.secret_access_key,
        own.app_id,
        own.app_key,
        own.appcode,
        own.api_key,
        gate_key,
        door_key,
        secret,
        key["api_key"],
        *kinds.values(),
    }
    of_door = {
        "camera": "door",
        "camera_name": f"{word}.Door",
        "capture": at_the_door,
        "sha256": hashlib.sha256(_photo(seed + 1)).hexdigest(),
    }
    session, _ = services.access.sessions.begin_by_key(own.api_key)
    return Shop(own, gate_key, ids, of_door, frozenset(secrets | {session}), kinds, session)


def _groups_and_faces(camera: CameraClient, word: str, seed: int) -> None:
    answers = [
        camera.create_group(name, 20, word) for name in ("vip", f"{word}-club", f"{word}-room")
    ]
    for group in ("vip", f"{word}-club"):
        fields = {"num": "1", "group_name": group, "name_list": f'["{word} size"]'}
        answers.append(camera.call("addFaceInfoItem", fields))
    answers += [
        camera.add_face(f"{word}-club", _photo(seed + n - 1), faceid=f"{word}-{n}", item1=word)
        for n in range(1, 7)
    ]
    answers.append(camera.add_face("vip", _photo(seed + 6), faceid="7", item1=word))
    assert [answer["code"] for answer in answers] == [0] * len(answers)


def _hook(services: Services, v1: V1Client, tenant: str, word: str) -> tuple[str, str]:
    """A hook that could not be told of two events, and its secret."""
    hook = v1.done(
        "POST", "/v1/hooks", {"url": f"https://8.8.8.8/{word}", "events": ["group.full"]}
    )
    outbox = services.webhooks.outbox
    events = [
        Event(f"group.full-{number}", GroupFull(capacity=7), services.clock.now(), f"{word}-club")
        for number in range(2)
    ]
    services.items.transact(outbox.make_delivery_puts(tenant, events))
    for one in services.webhooks.outbox.read_page(tenant, hook["id"], parked=False, limit=10).rows:
        outbox.park(replace(one, attempts=3), Why(Hindrance.ANSWERED, f"{word} answered 500"))
    return hook["id"], hook["secret"]


def _photo(seed: int, side_px: float = 100) -> bytes:
    return picture(Person(seed, side_px=side_px))


def _uncertain(faceid: str, camera: str, capture: str) -> Review:
    at = moment(captured_ms(capture))
    return Review(ReviewKind.UNCERTAIN, at, faceid, camera, f"{capture}-0", Decision(0.5, 0.49, 7))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _nobodys(slot: str, id_: str, word: str) -> str:
    if slot == "photo":
        return _text(_photo(_NOBODY_SEEN))
    if slot == "example":
        return id_[:-8] + "00000000"
    if slot == "made":
        return f"session {'0' * 16}"
    if slot == "passkey":
        return "A" * len(id_)
    if slot in ("hook", "key", "member", "mailbox", "group_id", "empty_group_id"):
        return str(int(id_) + 1)
    if slot.endswith("_token") and slot != "sightings_token":
        return ("A" if id_[0] != "A" else "B") + id_[1:]
    if slot in ("picture", "sha256", "book"):
        return "0" * len(id_)
    return re.sub(r"(?<=\d-)[0-9a-f]{24}", "0" * 24, id_.replace(word, _NOBODYS_WORD))
