"""Everything that Regulars does, a row each: the walk (test_every_call.py) fails each of them at
each of its calls.

A new route, function or job without a row fails `test_everything_has_a_row`.
"""

import base64
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fido2.utils import websafe_encode
from msgspec import Struct
from regulars_dialects.compreface import routes as compreface
from regulars_dialects.deepstack import routes as deepstack
from regulars_dialects.rekognition import requests as rekognition
from rich.console import Console

import app
from chalicelib.api import console
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.v1 import routes as v1
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.jobs import NIGHT_HOUR, TRUSTED
from chalicelib.domain.model import Profile
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy.signing import renewal_of
from chalicelib.privacy.tenant_erasure_progress import UNDER_WAY, TenantStep
from chalicelib.storage.aws.search import make_event as search_event
from regulars.tenants.command import describe_tenant, format_tenants
from regulars.tenants.command import tenants as tenants_command
from regulars.tenants.credentials import CredentialsFile
from regulars.today import print_today, read_today
from tests.support.api.deepstack.client import FACE
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.devices import BY_HTTPS, ask, device, sign_in
from tests.support.api.sunmi.samples import SAMPLES
from tests.support.api.v1.client import offer_of
from tests.support.api.v1.films import make_film
from tests.support.book.book import MINUTE, MONDAY, Shot, shot
from tests.support.book.erased_tenant import traces
from tests.support.fakes import FakeVision, OtherVision, Person, embedding_of, photo, picture
from tests.support.faults.shop import (
    DAY,
    DEVICE,
    EVA,
    FILMED_AT,
    FINN,
    HOUR,
    PASSWORD,
    VOID,
    Box,
    another_photo,
    event_of,
    lookalike,
    poorly_seen,
    seen_by_views,
)
from tests.support.hooks.receiver import a_good_stage, receiving

Do = Callable[[Box], Any]


class UseCase(Struct, frozen=True):
    """`do` returns the answer; done again after a failure it is the same request.

    `shop`: the prepared shop in which it succeeds. `or_says`: what a repeat may answer instead if
    the first call was carried out, in a dialect whose requests have no id; `counts_again`: the part
    of the shop's state that such a repeat adds to, by contract. `defect`: what is wrong with it
    still. `jobs`: those of the sweep that have something to write in it.
    """

    route: str
    do: Do
    name: str = ""
    shop: str = "shop"
    or_says: str = ""
    counts_again: str = ""
    defect: str = ""
    jobs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            filter(None, (self.route, self.name, "" if self.shop == "shop" else f"({self.shop})"))
        )


WITHOUT_STORAGE = {
    ("GET", "/v1/openapi.json"),
    ("GET", "/health"),
    ("GET", "/ready"),
    *(
        ("GET", path)
        for path in (
            "/api/v1/config",
            "/api/v1/consistence/status",
            "/core/healthcheck",
            "/core/status",
        )
    ),
    *(("GET", path) for path in (*console.PATHS, *deepstack.STATUS_PATHS)),
}
"""Routes that call no storage, or only to say whether it answers (tests/api/test_health.py)."""


def everything() -> list[str]:
    """What must have a row, from the route tables."""
    by_control = [f"POST {icredit.PREFIX}manage {control}" for control in icredit._CONTROLS]
    return [
        *(
            f"POST {sunmi.PREFIX}{name}"
            for name in (*(one.name for one in sunmi.ENDPOINTS), *sunmi.ALIASES)
        ),
        *(f"POST {icredit.PREFIX}{one.name}" for one in icredit.OPERATIONS if one.name != "manage"),
        *by_control,
        *(
            f"{one.method} {one.path}"
            for one in compreface.OPERATIONS
            if (one.method, one.path) not in WITHOUT_STORAGE
        ),
        *(f"POST {one.path}" for one in deepstack.OPERATIONS),
        *(f"POST / {operation}" for operation in rekognition.REQUESTS),
        *(
            f"{one.method} {one.path}"
            for one in v1.OPERATIONS
            if (one.method, one.path) not in WITHOUT_STORAGE
        ),
        *(source.name for source in app.app.event_sources),
        *(function.name for function in app.app.pure_lambda_functions),
        # one reads a file; the other, keys of a dialect, is in tests/support/faults/acts.py
        *(f"tenants {name}" for name in tenants_command.commands if name not in ("key", "keys")),
        "reembed",
        "today",
    ]


# --- SUNMI and iCREDIT
# ------------------------------------------------------------------------------------------------


def _camera(endpoint: str, box: Box) -> Any:
    # By either rule the same faces are regulars, so that the recount knows who should be one.
    changes = {"arrive_times": "3"} if endpoint == "updateMigration" else None
    return SAMPLES[endpoint].signed(box.camera, endpoint, changes).answer()


SUNMI = tuple(
    UseCase(
        f"POST {sunmi.PREFIX}{endpoint}",
        partial(_camera, endpoint),
        counts_again="observed" if endpoint == "getFaceByPicture" else "",
    )
    for endpoint in SAMPLES
)

_MANAGE = f"POST {icredit.PREFIX}manage"
_QUERY = f"POST {icredit.PREFIX}query"
_ANALYSIS = f"POST {icredit.PREFIX}analysis"


def _token(control: str, seed: int, group: str, box: Box) -> Any:
    token = {"IMAGE_TYPE": "3", "IMAGE": box.ids[f"token {seed}"]}
    return box.market.manage(CONTROL_TYPE=control, PERSON_GROUP_LABEL=group, **token)


TWO_NEW = picture(Person(31), Person(32, side_px=90.0))

ICREDIT = (
    *(
        UseCase(route, do, name, counts_again="observed")
        for route, do, name in (
            (f"{_MANAGE} 0", lambda box: box.market.enrol("silver", TWO_NEW), "two people"),
            (f"{_MANAGE} 0", lambda box: box.market.enrol("new", TWO_NEW), "a new group"),
            (f"{_MANAGE} 0", partial(_token, "0", 21, "vip"), "by token"),
            (
                f"{_MANAGE} 1",
                lambda box: box.market.search("silver", picture(Person(21))),
                "by picture",
            ),
            (f"{_MANAGE} 1", partial(_token, "1", 21, "silver"), "by token"),
        )
    ),
    UseCase(
        f"{_MANAGE} 3",
        lambda box: box.market.delete("silver", box.ids["token 21"]),
        or_says="there is no face",
    ),
    UseCase(_QUERY, lambda box: box.market.query(PAGE_SIZE="5")),
    UseCase(_ANALYSIS, lambda box: box.market.analysis("0"), "by month"),
    UseCase(_ANALYSIS, lambda box: box.market.analysis("2", DISTINCT="1"), "people by day"),
    UseCase(_ANALYSIS, lambda box: box.market.analysis("3", LABLE_A="door"), "by hour"),
)

# --- Rekognition
# --------------------------------------------------------------------------------------------------

_ARN = "arn:aws:rekognition:box:000000000000:collection/staff"
_KNOWN = {"Bytes": picture(Person(43))}
_NEW = {"Bytes": picture(Person(44), Person(45, side_px=90.0))}


def _of_amazon(operation: str, name: str = "", **members: Any) -> UseCase:
    """A call in the shop with a collection. In the members, the shop's ids stand for `{slots}`."""

    def filled(value: Any, box: Box) -> Any:
        if isinstance(value, list):
            return [filled(one, box) for one in value]
        return box.ids[value[1:-1]] if isinstance(value, str) and value.startswith("{") else value

    def do(box: Box) -> Any:
        return box.rekognition(
            operation, **{key: filled(value, box) for key, value in members.items()}
        )

    return UseCase(f"POST / {operation}", do, name, "indexed")


def _of_staff(operation: str, name: str = "", **members: Any) -> UseCase:
    return _of_amazon(operation, name, CollectionId="staff", **members)


def _dropped(box: Box) -> Any:
    """The collection is gone at once, and later all of its faces: nothing of them is in any
    file."""
    gone = [box.ids[name] for name in sorted(box.ids) if name.startswith("staff ")]
    answer = box.rekognition("DeleteCollection", CollectionId="staff")
    if answer["status"] != 200:
        return answer

    def left() -> list[str]:
        folders = [
            str(path)
            for faceid in gone
            for path in (box.folder / "blobs").rglob(faceid)
            if any(path.iterdir())
        ]
        return [*sorted(box.tenant.gone), *folders, *_traces(box, gone)]

    return _until_nothing_is_left(box, left, timedelta(minutes=3))


REKOGNITION = (
    _of_amazon("CreateCollection", CollectionId="new", Tags={"a": "b"}),
    _of_staff("DeleteCollection"),
    _of_amazon("DeleteCollection", "an empty one", CollectionId="guests"),
    UseCase("POST / DeleteCollection", _dropped, "until nothing is left", "indexed"),
    _of_amazon("ListCollections"),
    _of_staff("DescribeCollection"),
    _of_amazon("TagResource", ResourceArn=_ARN, Tags={"floor": "2"}),
    _of_amazon("UntagResource", ResourceArn=_ARN, TagKeys=["site"]),
    _of_amazon("ListTagsForResource", ResourceArn=_ARN),
    _of_staff("IndexFaces", Image=_NEW),
    _of_staff("ListFaces"),
    _of_staff("DeleteFaces", FaceIds=["{staff 0}", "nobody", "{staff 1}"]),
    _of_staff("SearchFaces", FaceId="{staff 0}"),
    _of_staff("CreateUser", UserId="bob", ClientRequestToken="1"),
    _of_staff("DeleteUser", UserId="ann", ClientRequestToken="1"),
    _of_staff("ListUsers"),
    _of_staff(
        "AssociateFaces",
        UserId="ann",
        FaceIds=["{staff 0}"],
        UserMatchThreshold=0,
        ClientRequestToken="1",
    ),
    _of_staff("DisassociateFaces", UserId="ann", FaceIds=["{staff 1}"], ClientRequestToken="1"),
    _of_staff("SearchUsers", FaceId="{staff 0}", UserMatchThreshold=0),
    _of_staff("SearchUsersByImage", Image=_KNOWN),
    _of_staff("SearchFacesByImage", Image=_KNOWN),
    _of_amazon("DetectFaces", Image=_NEW),
    _of_amazon("CompareFaces", SourceImage=_KNOWN, TargetImage=_NEW, SimilarityThreshold=0),
)

# --- CompreFace
# --------------------------------------------------------------------------------------------------


def _of_family(
    route: str, name: str = "", body: Any = None, path: str = "", or_says: str = "", **files: bytes
) -> UseCase:
    """A call in the shop with subjects, at the route's path or another.

    In them the shop's ids stand for `{slots}`.
    """
    method, pattern = route.split()

    def do(box: Box) -> Any:
        slots = {one.replace(" ", "_"): id_ for one, id_ in box.ids.items()}
        place = (path or pattern).format(**slots)
        service = "recognition" if "/api/v1/static" in place else place.split("/")[3]
        client = box.family.with_key(box.ids[service])
        if files:
            reply = client.form(place, **files)
        elif body is not None:
            sent = [slots.get(one, one) for one in body] if isinstance(body, list) else body
            reply = client.json(place, sent, method)
        else:
            reply = client.send(method, place)
        read = {} if reply.is_base64 else json.loads(reply.body)
        return {"status": reply.status, **(read if isinstance(read, dict) else {"list": read})}

    return UseCase(route, do, name, "subjects", or_says)


_FAMILY = "/api/v1/recognition"
_OF_NAME = tuple(
    f"{_FAMILY}/subjects/{{name}}{more}" for more in ("", "/{second}", "/{second}/{third}")
)
_ONE = f"{_FAMILY}/faces/{{id}}"
_ROW = [1.0] + [0.0] * 255

COMPREFACE = (
    _of_family(f"GET {_FAMILY}/subjects"),
    _of_family(
        f"POST {_FAMILY}/subjects", body={"subject": "Eva"}, or_says="Subject already exists"
    ),
    _of_family(f"DELETE {_FAMILY}/subjects", or_says="deleted"),
    *(
        _of_family(
            f"PUT {route}",
            body={"subject": "Bob"},
            path=f"{_FAMILY}/subjects/Ann",
            or_says="not found",
        )
        for route in _OF_NAME
    ),
    _of_family(f"PUT {_OF_NAME[0]}", "another case", {"subject": "ANN"}, f"{_FAMILY}/subjects/Ann"),
    *(
        _of_family(f"DELETE {route}", path=f"{_FAMILY}/subjects/Ann", or_says="not found")
        for route in _OF_NAME
    ),
    _of_family(f"GET {_FAMILY}/faces"),
    *(
        _of_family(
            f"POST {_FAMILY}/faces",
            name,
            path=f"{_FAMILY}/faces?subject={subject}",
            file=picture(person),
        )
        for name, subject, person in (
            ("of nobody yet", "Eva", Person(54)),
            ("a look's", "Ann", Person(51, side_px=102.0)),
            ("another look", "Bob", Person(55)),
            ("the same", "Bob", Person(53)),
        )
    ),
    _of_family(f"DELETE {_FAMILY}/faces", path=f"{_FAMILY}/faces?subject=Ann", or_says="deleted"),
    _of_family(f"POST {_FAMILY}/faces/delete", body=["example_0", "example_3"], or_says="list"),
    _of_family(
        f"DELETE {_ONE}", "of several", path=f"{_FAMILY}/faces/{{example_0}}", or_says="not found"
    ),
    _of_family(
        f"DELETE {_ONE}", "the last", path=f"{_FAMILY}/faces/{{example_3}}", or_says="not found"
    ),
    _of_family(f"GET {_ONE}/img", path=f"{_FAMILY}/faces/{{example_0}}/img"),
    _of_family(
        "GET /api/v1/static/{key}/images/{id}",
        path="/api/v1/static/{recognition}/images/{example_0}",
    ),
    _of_family(
        f"POST {_ONE}/verify",
        path=f"{_FAMILY}/faces/{{example_0}}/verify",
        file=picture(Person(51)),
    ),
    _of_family(f"POST {_FAMILY}/recognize", file=picture(Person(51), Person(53, side_px=90.0))),
    _of_family(f"POST {_FAMILY}/embeddings/recognize", body={"embeddings": [_ROW]}),
    _of_family(
        f"POST {_FAMILY}/embeddings/faces/{{id}}/verify",
        body={"embeddings": [_ROW]},
        path=f"{_FAMILY}/embeddings/faces/{{example_0}}/verify",
    ),
    _of_family(
        "POST /api/v1/verification/verify",
        source_image=picture(Person(51)),
        target_image=picture(Person(52)),
    ),
    _of_family(
        "POST /api/v1/verification/embeddings/verify", body={"source": _ROW, "targets": [_ROW]}
    ),
    _of_family("POST /api/v1/detection/detect", file=picture(Person(51))),
)

# --- DeepStack
# --------------------------------------------------------------------------------------------------


def _of_deepstack(
    path: str,
    name: str = "",
    files: Mapping[str, bytes] | None = None,
    or_says: str = "",
    **fields: str,
) -> UseCase:
    def do(box: Box) -> Any:
        reply = DeepStack(box.app, box.ids["deepstack"]).call(path, dict(files or {}), **fields)
        return {"status": reply.status, **reply.json}

    return UseCase(f"POST {FACE}{path}", do, name, "subjects", or_says)


DEEPSTACK = (
    _of_deepstack("", files={"image": picture(Person(51))}),
    _of_deepstack(
        "/register",
        "of nobody yet",
        {"image": picture(Person(54))},
        or_says="face updated",
        userid="Eva",
    ),
    _of_deepstack(
        "/register", "a look's", {"image": picture(Person(51, side_px=102.0))}, userid="Ann"
    ),
    _of_deepstack("/recognize", files={"image": picture(Person(51), Person(53, side_px=90.0))}),
    _of_deepstack("/list"),
    _of_deepstack("/delete", userid="Ann"),
    _of_deepstack("/match", files={"image1": picture(Person(51)), "image2": picture(Person(52))}),
)

# --- v1
# --------------------------------------------------------------------------------------------------


def _v1(
    route: str,
    body: Any = None,
    name: str = "",
    *,
    shop: str = "shop",
    or_says: str = "",
    counts_again: str = "",
    of: str = "",
    path: str | None = None,
    **query: str,
) -> UseCase:
    """`of`: the name of the path's `{id}`, or the id; `path`: another path, with names of ids in
    braces.

    `body`: its text may be such a name, too. A repeat has the same key.
    """
    method, pattern = route.split()
    headers = {} if method == "GET" else {"Idempotency-Key": "the-same"}

    def do(box: Box) -> Any:
        sent = (
            {key: box.ids.get(str(value), value) for key, value in body.items()} if body else body
        )
        place = (path or pattern).format(**box.ids | {"id": box.ids.get(of, of)})
        reply = box.v1.send(method, place, sent, query=query, headers=headers)
        return {"status": reply.status, **(reply.json if reply.body else {})}

    return UseCase(route, do, name, shop, or_says, counts_again)


def _photo(seed: int, side_px: float) -> str:
    return photo(seed, side_px=side_px)


def _taken(box: Box, at: str | None = "2026-03-07T09:00:00Z") -> Any:
    query = {"camera": "door"} if at is None else {"camera": "door", "captured_at": at}
    data = picture(Person(42))
    reply = box.v1.send("POST", "/v1/captures", data, query=query, content_type="image/jpeg")
    return {"status": reply.status, **reply.json}


def _code(box: Box) -> str:
    return box.services.access.sessions.make_code(
        box.tenant, box.services.access.keys.get(box.tenant, "first")
    )


BY_WORDS = {"password": PASSWORD}


def _invitation(box: Box) -> str:
    return box.services.access.members.invite(box.tenant, box.ids["member"])[1]


def _by_passkey(box: Box, **invited: str) -> Any:
    own = device(DEVICE)
    own.handle = websafe_encode(f"shop#{box.ids['member']}".encode())
    reply = ask(box.v1, **invited)
    if reply.status != 201:
        return {"status": reply.status, **reply.json}
    return _signed_in(box, {"passkey": own.sign(reply.json), **invited})


def _invited_beside(box: Box) -> Any:
    """Take the invitation of another shop by the passkey of this one."""
    tenant, members = box.services.tenants.get_by_name("beside"), box.services.access.members
    [maria] = members.list_all(tenant)
    return _by_passkey(box, invitation=members.invite(tenant, maria.id)[1])


def _challenged(box: Box, invitation: str | None = None) -> Any:
    """What is not drawn at random of a challenge."""
    reply = ask(box.v1, invitation)
    return {
        "status": reply.status,
        **{name: value for name, value in reply.json.items() if name != "challenge"},
    }


def _signed_in(box: Box, body: dict[str, Any]) -> Any:
    """A session that is begun, and stands for the key."""
    reply = sign_in(box.v1, body)
    if reply.status != 201:
        return {"status": reply.status, **reply.json}
    return _asked(box, "GET", reply.headers["set-cookie"].partition(";")[0], **BY_HTTPS)


def _view_given(box: Box) -> Any:
    """Whether the view of this morning is there, however often the box sent it."""
    place = "/v1/cameras/till/view"
    sent = box.v1.send("PUT", place, {"picture": base64.b64encode(b"\xff\xd8\xff").decode()})
    there = sent if sent.status == 429 or sent.status >= 500 else box.v1.send("GET", place)
    return {"status": there.status, "taken": there.status == 200 and len(there.json["views"]) == 1}


def _still_given(box: Box) -> Any:
    """Whether there is a still, however often the box sent it."""
    place = "/v1/cameras/till/still"
    there = box.v1.send("GET", place)
    if there.status == 200 and there.json["taken_at"] is None:
        box.services.cameras.ask_for_still(box.tenant, "till")
        sent = box.v1.send("PUT", place, {"picture": base64.b64encode(b"\xff\xd8\xff").decode()})
        there = sent if sent.status == 429 or sent.status >= 500 else box.v1.send("GET", place)
    return {
        "status": there.status,
        "taken": there.status == 200 and there.json["taken_at"] is not None,
    }


def _film_given(box: Box) -> Any:
    """Whether a film waits, however often the box sent it."""
    place = "/v1/cameras/till/checks"
    there = box.v1.send("GET", place)
    if there.status == 200 and there.json["waiting"] is None:
        box.services.counts.checks.ask(box.tenant, "till")
        till = box.v1.with_key(box.ids["till key"])
        sent = till.send("PUT", "/v1/cameras/till/film", make_film(at=FILMED_AT))
        there = sent if sent.status == 429 or sent.status >= 500 else box.v1.send("GET", place)
    is_there = there.status == 200 and there.json["waiting"] is not None
    return {"status": there.status, "waits": is_there}


def _claim_made(box: Box) -> Any:
    reply = box.v1.send("POST", "/v1/cameras/till/claim", headers={"Idempotency-Key": "the-same"})
    return {
        "status": reply.status,
        "is made": "claim_code" in reply.json,
        "says": reply.json.get("detail", ""),
    }


def _claimed(box: Box) -> Any:
    """The camera, and whether its new key is let in."""
    code, _ = box.services.cameras.make_claim_code(box.tenant, "till")
    reply = box.v1.with_key(None).send("POST", "/v1/claims", {"code": code})
    if reply.status != 201:
        return {"status": reply.status, **reply.json}
    seen = box.v1.with_key(reply.json["api_key"]).send("GET", "/v1/cameras/till")
    return {
        "status": seen.status,
        **(seen.json if seen.status != 200 else {"id": reply.json["id"]}),
    }


def _signed_out(box: Box) -> Any:
    token, _ = box.services.access.sessions.begin_by_key(box.credentials.api_key)
    done = _asked(box, "DELETE", f"regulars-8080={token}")
    return {**done, "is over": box.services.access.sessions.find(token) is None}


def _asked(box: Box, method: str, cookie: str, **more: str) -> Any:
    headers = {
        "Cookie": cookie,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
        **more,
    }
    reply = box.v1.with_key(None).send(method, "/v1/session", headers=headers)
    return {"status": reply.status, **(reply.json if reply.body else {})}


def _named(box: Box) -> Any:
    reply = box.v1.send("GET", "/v1/faces", query={"name": "lee"})
    return {"status": reply.status, **reply.json}


def _read_audit_of_face(box: Box) -> Any:
    """The answer, but for the entries: that this reads of somebody is one itself."""
    reply = box.v1.send("GET", "/v1/audit", query={"face": box.ids["eva"]})
    return {"status": reply.status, **({} if reply.status == 200 else reply.json)}


def _everything(box: Box) -> Any:
    """The answer, but for what is new each time."""
    reply = box.v1.send("GET", f"/v1/faces/{box.ids['eva']}/everything")
    return {"status": reply.status, **({} if reply.status == 200 else reply.json)}


def _read_receipt_page(box: Box) -> Any:
    [erasure] = box.services.erasure.records.read_page("shop", 1).rows
    reply = box.v1.send("GET", f"/v1/erasures/{erasure.id}/page")
    return {"status": reply.status, **reply.json}


def _read_erasure(box: Box) -> Any:
    [erasure] = box.services.erasure.records.read_page("shop", 1).rows
    reply = box.v1.send("GET", f"/v1/erasures/{erasure.id}")
    return {"status": reply.status, **reply.json}


def _many(name: str, **change: Any) -> UseCase:
    def do(box: Box) -> Any:
        body = {"ids": [box.ids["eva"], "nobody", box.ids["finn"]], **change}
        reply = box.v1.send(
            "POST", "/v1/face-changes", body, headers={"Idempotency-Key": "the-same"}
        )
        return {"status": reply.status, **reply.json}

    return UseCase("POST /v1/face-changes", do, name)


_CONSENT = {"basis": "employment", "given_at": "2026-03-02T00:00:00Z", "expires_at": None}
_NAMED = {"name": "Ann \u674e\u660e", "note": "new"}
_NEW_FACE = {"group": "regular", "picture": _photo(61, 100.0), **_NAMED, "consent": _CONSENT}

OFFER = offer_of(picture(Person(41)), MONDAY + 5 * DAY * MINUTE)

SINCE = {"from": "2026-02-01T00:00:00Z", "by": "day"}

_MINUTES = [
    {"at": at, "seconds": 60, "in": 7, "out": 1, "faces": 2}
    for at in ("2026-03-13T23:59:00Z", "2026-03-14T00:00:00Z")
]

_FILMED = f"/v1/cameras/door/checks/{FILMED_AT}"

_A_DAY = {"from": "2026-03-12T00:00:00Z", "to": "2026-03-13T00:00:00Z"}

_OF_V1 = (
    _v1("GET /v1/observations", limit="5"),
    _v1("GET /v1/observations", name="of a group", group="regular", camera="door"),
    _v1("GET /v1/arrivals", **{"from": "2026-01-01T00:00:00Z"}),
    _v1("GET /v1/arrivals", name="first ones", only="first", totals="true", staff="false"),
    _v1("GET /v1/statistics", **SINCE),
    _v1("GET /v1/statistics", name="by visit", split="visit", **SINCE),
    _v1("GET /v1/statistics", name="by age", split="age", measure="persons", **SINCE),
    _v1(
        "GET /v1/statistics",
        name="by camera",
        split="camera",
        measure="observations",
        format="json",
        **SINCE,
    ),
    _v1("POST /v1/captures/uploads", {"captures": [OFFER]}),
    UseCase("POST /v1/captures", _taken),
    UseCase("POST /v1/captures", partial(_taken, at=None), "at the time when it comes"),
    _v1("GET /v1/captures", camera="door"),
    _v1(
        "GET /v1/captures", name="of a time and a state", state="stored", to="2026-03-05T00:00:00Z"
    ),
    _v1("GET /v1/captures", name="of all cameras"),
    _v1("GET /v1/captures/{id}", of="capture", camera="door"),
    _v1("POST /v1/captures/{id}/redrive", {"camera": "door"}, shop="stuck", of="capture"),
    UseCase(
        "POST /v1/session",
        lambda box: _signed_in(box, {"api_key": box.credentials.api_key}),
        "with a key",
    ),
    UseCase("POST /v1/session", lambda box: _signed_in(box, {"code": _code(box)}), "with a code"),
    UseCase(
        "POST /v1/session",
        lambda box: _signed_in(box, {"invitation": _invitation(box), **BY_WORDS}),
        "invited",
    ),
    UseCase(
        "POST /v1/session",
        lambda box: _signed_in(box, {"name": "maria", **BY_WORDS}),
        "with a password",
    ),
    UseCase("POST /v1/session", lambda box: _by_passkey(box), "with a passkey"),
    UseCase("POST /v1/session", _invited_beside, "invited by another shop", shop="beside"),
    UseCase("POST /v1/session/challenge", _challenged),
    UseCase(
        "POST /v1/session/challenge", lambda box: _challenged(box, _invitation(box)), "invited"
    ),
    _v1("POST /v1/members", {"name": "Ben", "role": "admin"}, or_says="SecretNotKept"),
    _v1("PATCH /v1/members/{id}", {"name": "Mary", "role": "operator"}, of="member"),
    _v1("DELETE /v1/members/{id}", of="member"),
    _v1("DELETE /v1/members/{id}", name="and what she made", of="member", end="all"),
    _v1("GET /v1/members/{id}/made", of="member"),
    _v1("DELETE /v1/members/{id}/made/{access}", path="/v1/members/{member}/made/{made}"),
    _v1("POST /v1/members/{id}/invitation", of="member", or_says="SecretNotKept"),
    _v1("DELETE /v1/members/{id}/passkeys/{passkey}", of="member"),
    UseCase("DELETE /v1/session", lambda box: _signed_out(box)),
    _v1("POST /v1/keys", {"name": "Ben", "role": "admin"}, or_says="SecretNotKept"),
    _v1("PATCH /v1/keys/{id}", {"name": "Anna", "role": "operator"}, of="key"),
    _v1("DELETE /v1/keys/{id}", of="key"),
    _v1("POST /v1/keys/{id}/renew", of="key", or_says="SecretNotKept"),
    _v1("GET /v1/dialects"),
    _v1("POST /v1/dialects/{id}/key", of="icredit", or_says="SecretNotKept"),
    _v1("POST /v1/dialects/{id}/key", name="of the camera", of="sunmi", or_says="SecretNotKept"),
    _v1("GET /v1/captures/{id}/crops/{n}", path="/v1/captures/{capture}/crops/0", camera="door"),
    _v1("GET /v1/captures/{id}/picture", path="/v1/captures/{capture}/picture", camera="door"),
    _v1("GET /v1/captures/{id}/thumbnail", path="/v1/captures/{capture}/thumbnail", camera="door"),
    _v1("POST /v1/cameras", {"id": "back", "name": "Back door"}, or_says="SecretNotKept"),
    _v1("GET /v1/fleet"),
    _v1("GET /v1/usual"),
    _v1("PUT /v1/mute", {"until": "2026-03-20T00:00:00Z"}),
    _v1("PUT /v1/fleet", {"settings": {"kib_per_s": 100}}),
    _v1("GET /v1/cameras/{id}", of="door"),
    _v1("PATCH /v1/cameras/{id}", {"name": "The till"}, of="till"),
    _v1("DELETE /v1/cameras/{id}", of="till"),
    _v1("POST /v1/cameras/{id}/heartbeat", {"status": {"disk": 3}}, of="till"),
    _v1("POST /v1/cameras/{id}/key", of="till", or_says="SecretNotKept"),
    _v1("POST /v1/cameras/{id}/still", of="till"),
    _v1("POST /v1/cameras/{id}/view", of="till"),
    _v1("GET /v1/cameras/{id}/view", of="till"),
    UseCase("PUT /v1/cameras/{id}/view", lambda box: _view_given(box)),
    _v1("GET /v1/cameras/{id}/still", of="till"),
    UseCase("PUT /v1/cameras/{id}/still", lambda box: _still_given(box)),
    _v1("PUT /v1/cameras/{id}/counts", {"minutes": _MINUTES}, of="door"),
    _v1("DELETE /v1/cameras/{id}/counts", of="door", **_A_DAY),
    _v1("DELETE /v1/cameras/{id}/voids", of="door", **VOID),
    _v1("GET /v1/voids"),
    _v1("POST /v1/cameras/{id}/checks", of="till"),
    _v1("GET /v1/cameras/{id}/checks", of="door"),
    _v1("GET /v1/cameras/{id}/film", of="door"),
    UseCase("PUT /v1/cameras/{id}/film", lambda box: _film_given(box)),
    _v1("PUT /v1/cameras/{id}/checks/{at}", {"in": 1, "out": 0}, path=_FILMED),
    _v1("DELETE /v1/cameras/{id}/checks/{at}", path=_FILMED),
    _v1("GET /v1/statistics", name="with entries", entries="true", **SINCE),
    _v1("GET /v1/places", days="2"),
    _v1("GET /v1/places/{id}", of="place"),
    _v1("POST /v1/places", {"name": "Cellar", "doors": ["till"]}),
    _v1("PATCH /v1/places/{id}", {"name": "Hall", "full_at": 9, "inside": 10}, of="place"),
    _v1("PUT /v1/places/{id}/inside", {"inside": 3}, of="place"),
    _v1("DELETE /v1/places/{id}", of="place"),
    UseCase("POST /v1/cameras/{id}/claim", lambda box: _claim_made(box)),
    UseCase("POST /v1/claims", lambda box: _claimed(box)),
    _v1("POST /v1/groups", {"name": "new", "capacity": 5, "attributes": ["seat"]}),
    _v1("GET /v1/groups/{id}", of="stranger"),
    _v1("PATCH /v1/groups/{id}", {"capacity": 99, "description": "nobody we know"}, of="stranger"),
    _v1("DELETE /v1/groups/{id}", of="empty"),
    _v1("GET /v1/faces", order="arrived", limit="3"),
    UseCase("GET /v1/faces", _named, "by name"),
    _v1("POST /v1/faces", {**_NEW_FACE, "id": "61"}),
    _v1("POST /v1/faces", {**_NEW_FACE, "id": "61", "if_known": "refuse"}, "unless known"),
    _v1("PATCH /v1/faces/{id}", {"name": "Eva Novak", "group": "regular"}, of="finn"),
    _v1("PATCH /v1/faces/{id}", {"name": "", "labels": {"a": "x"}}, "its name away", of="eva"),
    _v1("PATCH /v1/faces/{id}", {"hidden": True}, "hidden from lists", of="eva"),
    _v1("PATCH /v1/faces/{id}", {"portrait": "picture"}, "another portrait", of="eva"),
    _v1(
        "PATCH /v1/faces/{id}",
        {"name": "Lea Moe"},
        "of somebody who withdrew",
        of="finn",
        shop="known",
        or_says="FaceNotFound",
    ),
    _v1("DELETE /v1/faces/{id}", of="eva"),
    _v1("DELETE /v1/faces/{id}", of="eva", shop="merged"),
    _v1("GET /v1/audit", or_says="GET /v1/audit"),  # which the first call has left an entry of
    UseCase("GET /v1/audit", _read_audit_of_face, "of a face"),
    _v1("GET /v1/faces/{id}/hold", of="eva"),
    _v1("GET /v1/faces/{id}/restriction", of="eva"),
    _v1("PUT /v1/faces/{id}/restriction", {"restricted": True, "reason": "letter 7"}, of="eva"),
    _v1("PUT /v1/faces/{id}/hold", {"held": True, "reason": "case 7"}, of="eva"),
    _v1("PUT /v1/faces/{id}/hold", {"held": False, "reason": "closed"}, of="eva", shop="held"),
    _v1("GET /v1/consents", shop="consented"),
    _v1("GET /v1/faces/{id}/consent", of="eva", shop="consented"),
    _v1("PUT /v1/faces/{id}/consent", _CONSENT, of="eva", shop="consented"),
    _v1("DELETE /v1/faces/{id}/consent", of="eva", shop="consented"),
    _many("moved", group="regular"),
    _many("labelled", labels={"b": "x"}),
    _many("hidden", hidden=True),
    _many("deleted", delete=True),
    _v1("GET /v1/faces/{id}/rejections", of="eva", shop="rejected"),
    _v1("DELETE /v1/faces/{id}/rejections/{sighting}", of="eva", shop="rejected"),
    _v1("GET /v1/faces/{id}", of="eva"),
    _v1("GET /v1/faces/{id}/sightings", of="eva"),
    UseCase("GET /v1/faces/{id}/everything", lambda box: _everything(box)),
    _v1("POST /v1/exports"),
    _v1("POST /v1/faces/{id}/sightings/{sighting}/reject", of="eva"),
    _v1(
        "POST /v1/faces/{id}/sightings/{sighting}/reject",
        {"other": "finn"},
        "for another",
        of="eva",
    ),
    _v1(
        "POST /v1/faces/{id}/sightings/{sighting}/reject",
        {"instead": "stranger"},
        "for a stranger",
        of="eva",
    ),
    _v1(
        "POST /v1/faces/{id}/sightings/{sighting}/reject",
        {"instead": "nobody"},
        "for nobody",
        of="eva",
    ),
    _v1(
        "POST /v1/faces/{id}/sightings/{sighting}/reject",
        {"instead": "new", "name": "Gail", "visit": True},
        "whole",
        of="eva",
    ),
    _v1("GET /v1/faces/{id}/pictures", of="eva"),
    _v1("POST /v1/faces/{id}/pictures", {"picture": _photo(EVA, 60.0)}, of="eva"),
    _v1(
        "POST /v1/faces/{id}/pictures",
        {"sighting": "sighting", "trust": True},
        "of a sighting",
        of="eva",
    ),
    _v1("DELETE /v1/faces/{id}/pictures/{picture}", of="eva"),
    _v1("POST /v1/identify", {"picture": _photo(EVA, 60.0), "k": 3}),
    _v1(
        "POST /v1/identify",
        {"picture": _photo(EVA, 60.0), "record": True},
        "recorded",
        counts_again="observed",
    ),
    _v1("POST /v1/verify", {"picture": _photo(EVA, 60.0), "face": "eva"}),
    _v1(
        "POST /v1/verify",
        {"picture": _photo(EVA, 60.0), "other": _photo(EVA, 50.0)},
        "of two pictures",
    ),
    _v1("POST /v1/detect", {"picture": _photo(EVA, 60.0)}),
    _v1("GET /v1/faces/{id}/similar", of="eva"),
    _v1("POST /v1/faces/{id}/merge", {"other": "finn"}, of="eva"),
    _v1("POST /v1/faces/{id}/merge", {"other": "eva"}, "the other way", of="finn"),
    _v1("POST /v1/faces/{id}/merge", {"other": "finn"}, of="eva", shop="merging"),
    _v1("GET /v1/merges", shop="merged"),
    _v1("GET /v1/duplicates", shop="alike"),
    _v1("POST /v1/duplicates/{id}/done", of="duplicate", shop="alike"),
    _v1("POST /v1/merges/{id}/undo", of="merge", shop="merged"),
    _v1("POST /v1/merges/{id}/undo", of="merge", shop="undoing"),
    _v1("GET /v1/done", shop="named"),
    _v1("POST /v1/done/{id}/undo", of="act", shop="named"),
    _v1("PATCH /v1/settings", {"enrol_quality": 25, "arrive_times": 3, "audit_days": 300}),
    _v1("GET /v1/notice", language="zh"),
    _v1("DELETE /v1/faces/{id}", name="erased", of="eva", erase="true"),
    _v1("DELETE /v1/faces/{id}", name="erased", of="eva", shop="merged", erase="true"),
    _v1("DELETE /v1/faces/{id}", name="erased", of="eva", shop="deleted", erase="true"),
    UseCase("GET /v1/erasures/{id}", _read_erasure, shop="erasing"),
    UseCase("GET /v1/erasures/{id}/page", _read_receipt_page, shop="erased"),
    _v1("POST /v1/reviews/{id}/done", path="/v1/reviews/promoted-{eva}/done"),
    _v1("POST /v1/hooks", {"url": "https://shop.example/"}, or_says="SecretNotKept"),
    _v1("GET /v1/hooks/{id}", of="hook"),
    _v1("PATCH /v1/hooks/{id}", {"enabled": False}, of="hook"),
    _v1("DELETE /v1/hooks/{id}", of="hook"),
    _v1("POST /v1/hooks/{id}/secret", of="hook", or_says="SecretNotKept"),
    _v1("POST /v1/hooks/{id}/test", of="hook"),
    _v1("POST /v1/hooks", {"url": None}, "a mailbox"),
    _v1(
        "POST /v1/hooks",
        {
            "url": None,
            "channel": {"way": "ntfy", "url": "https://ntfy.example/t"},
            "template": "{who}",
        },
        "what tells people",
    ),
    _v1("GET /v1/push-key"),
    _v1("POST /v1/hooks/{id}/ack", {"ids": ["test-1"]}, of="mailbox"),
    _v1("GET /v1/hooks/{id}/deliveries", of="hook", shop="parked"),
    _v1("POST /v1/hooks/{id}/redeliver", of="hook", shop="parked", or_says='"redelivered": 0'),
)

_NAMED_ABOVE = {case.route for case in _OF_V1} | {
    f"{method} {path}" for method, path in WITHOUT_STORAGE
}
V1 = (
    *_OF_V1,
    *(
        _v1(f"GET {one.path}")
        for one in v1.OPERATIONS
        if one.method == "GET" and "{" not in one.path and f"GET {one.path}" not in _NAMED_ABOVE
    ),
)
"""What is read whole needs no row."""

# --- the functions of app.py, and the operator's jobs
# ---------------------------------------------------------------


def _ingest(one: Shot, name: str, shop: str = "shop") -> UseCase:
    return UseCase("ingest", lambda box: box.hand("ingest", event_of(box.put(one))), name, shop)


def _search(box: Box) -> Any:
    return box.call("search", search_event("shop", SearchRequest("fake", embedding_of(EVA)[None])))


def _asked_by_the_canary(box: Box) -> Any:
    with receiving(a_good_stage) as api:
        return box.call("canary", {"url": api.origin, "cameras_url": api.origin, "tenant": "shop"})


def _swept_much_later(box: Box) -> None:
    box.clock.advance(timedelta(days=170))
    _swept_at_night(box)


def _swept_at_night(box: Box) -> None:
    """What a night misses, since the schedule's call failed, the next one does."""
    box.clock.advance(timedelta(hours=(NIGHT_HOUR - box.clock.now().hour) % 24))
    box.sweep()
    box.clock.advance(timedelta(days=1))
    box.sweep()


def _swept_in_two_days(box: Box) -> None:
    box.clock.advance(timedelta(days=2))
    box.sweep()


FUNCTIONS = (
    _ingest(shot(5 * DAY, 51), "somebody new"),
    _ingest(shot(5 * DAY, EVA), "somebody known"),
    _ingest(another_photo(5 * DAY, EVA), "somebody who is learnt"),
    _ingest(shot(12 * HOUR, EVA), "late, which moves a promotion"),
    _ingest(shot(3 * DAY + 6 * HOUR, FINN, 52), "who is promoted, and somebody new"),
    _ingest(lookalike(20, 53), "who was seen first"),
    _ingest(poorly_seen(2 * DAY + 0.5, EVA), "in a poor picture beside a good one"),
    _ingest(seen_by_views(5 * DAY, 58), "whom further views find", "staffed"),
    _ingest(Shot(MONDAY + 5 * DAY * MINUTE, ()), "nobody"),
    _ingest(shot(5 * DAY, 54), "who takes another one's place", "full"),
    _ingest(shot(14 * HOUR, FINN), "of a merged face", "merged"),
    _ingest(shot(14 * HOUR, FINN), "of a face that is being merged", "merging"),
    UseCase("deliver", lambda box: box.hand("deliver", box.ids["delivery"])),
    UseCase("build_index", lambda box: box.hand("build_index", '{"tenant": "shop"}')),
    UseCase("search", _search),
    UseCase("canary", _asked_by_the_canary),
    *(UseCase("watch", lambda box: box.tick("watch"), shop=shop) for shop in ("unwanted", "alike")),
    *(
        UseCase("sweep", lambda box: box.sweep(), shop=shop, jobs=jobs)
        for shop, jobs in (
            ("unwanted", ("seals", "usage", "joining", "snapshots")),
            ("merging", ("merges",)),
            ("undoing", ("merges",)),
            ("alike", ()),
        )
    ),
    UseCase(
        "sweep",
        lambda box: box.sweep(),
        "of pictures that are not kept any more",
        "unpictured",
        jobs=("pictures off",),
    ),
    _ingest(shot(5 * DAY, 51), "somebody new", "unpictured"),
    _ingest(another_photo(5 * DAY, EVA), "somebody known", "unpictured"),
    UseCase(
        "sweep",
        _swept_in_two_days,
        "of a consent that expired",
        "consented",
        jobs=("consents", "audit", "requests", "sessions"),
    ),
    UseCase(
        "sweep",
        _swept_in_two_days,
        "of somebody who is remembered",
        "remembered",
        jobs=("consents",),
    ),
    UseCase(
        "sweep",
        _swept_at_night,
        "of what was learnt too long ago",
        "learnt",
        jobs=("learnt pictures",),
    ),
    UseCase(
        "sweep",
        _swept_much_later,
        "of what is kept no longer",
        "old",
        jobs=("retention", "audit retention", "reviews"),
    ),
    UseCase(
        "sweep",
        _swept_much_later,
        "of what rejections remember",
        "rejected",
        jobs=("rejections",),
    ),
    UseCase(
        "sweep",
        _swept_at_night,
        "of feelings of staff",
        "staffed",
        jobs=("feelings of staff",),
    ),
    UseCase(
        "sweep",
        _swept_at_night,
        "of a subject of several faces",
        "several",
        jobs=("subjects",),
    ),
)


# --- the jobs of the sweep, each where it has something to write


def _swept_of_old_files(hours: float, box: Box) -> None:
    """Files have the machine's times, and the shop another clock."""
    box.clock.advance(timedelta(hours=(NIGHT_HOUR - box.clock.now().hour) % 24))
    old = (box.clock.now() - timedelta(hours=hours)).timestamp()
    for path in (box.folder / "blobs").rglob("*"):
        os.utime(path, (old, old))
    _swept_at_night(box)


def _swept_without_messages(box: Box) -> None:
    """The messages that would have done it are lost."""
    queue = box.storage.index_queue
    while messages := queue.receive(10, 60):
        for message in messages:
            queue.delete(message.receipt)
    _swept_at_night(box)


def _swept_after_two_months(box: Box) -> None:
    """Done again, it is no later: else another week had ended, of which an event tells."""
    for days in (75, 76):
        night = (MONDAY + timedelta(days=days)).replace(hour=NIGHT_HOUR)
        box.clock.advance(max(timedelta(), night - box.clock.now()))
        box.sweep()


SWEPT = (
    UseCase(
        "sweep",
        _swept_without_messages,
        "of a group that was deleted",
        "dropping",
        jobs=("groups",),
    ),
    UseCase(
        "sweep",
        _swept_without_messages,
        "of an erasure",
        "erasing",
        jobs=("erasures",),
    ),
    UseCase(
        "sweep",
        _swept_without_messages,
        "of all but the template of somebody",
        "stripping",
        jobs=("erasures",),
    ),
    UseCase(
        "sweep",
        _swept_without_messages,
        "of strangers who are kept no longer",
        "forgetful",
        jobs=("strangers",),
    ),
    UseCase(
        "sweep",
        partial(_swept_of_old_files, 9),
        "of pictures that nobody names",
        "unwanted",
        jobs=("pictures",),
    ),
    UseCase("sweep", _swept_after_two_months, "of old acts", "named", jobs=("acts",)),
    UseCase("sweep", _swept_at_night, "of a wrong note", "unnoted", jobs=("withdrawn",)),
    UseCase(
        "sweep",
        _swept_after_two_months,
        "of events that have expired",
        "parked",
        jobs=("events",),
    ),
    UseCase(
        "sweep", _swept_after_two_months, "of a month that has ended", jobs=("periods", "checks")
    ),
    UseCase(
        "sweep",
        partial(_swept_of_old_files, 30),
        "of all that has aged",
        "aged",
        jobs=(
            "duplicates",
            "seal objects",
            "usual",
            "lost captures",
            "absences",
            "format",
            "old keys",
        ),
    ),
    UseCase(
        "sweep",
        _swept_after_two_months,
        "of all that has aged, two months later",
        "aged",
        jobs=("periods",),
    ),
)
JOBS_WITHOUT = {
    "standing": "it tells the witness, which the box has not, and writes nothing here",
    "makers": "it ends what a removal left that was cut off (tests/api/test_made.py)",
    "files": "it lets SQLite and the file system take away what nobody names, by no port",
}
"""Jobs of the sweep that have no row, each with the reason."""


def _file(box: Box) -> CredentialsFile:
    return CredentialsFile(box.folder, box.services.tenants)


def _rotated(box: Box) -> Any:
    """Whom the new key lets in, and the old one."""
    new, known = _file(box).rotate_keys("shop"), box.services.tenants.find_by_api_key
    return [
        tenant and tenant.name for tenant in (known(new.api_key), known(box.credentials.api_key))
    ]


def _erased_whole(box: Box) -> Any:
    """As the command does it, which goes on with an erasure that was cut off."""
    erasures = box.services.erasure.of_tenants
    if erasures.find("leaves") is None:
        erasures.begin("leaves", "operator")
    while (one := erasures.go_on("leaves")).next_step is not None:
        if one.next_step is TenantStep.LATE:
            box.clock.advance(UNDER_WAY)
    return {"counts": dict(one.counts), "left": traces(box, "leaves")}


def _renewed_signing(box: Box) -> Any:
    """Whether the old key signed the new one.

    What verifies the audit afterwards asks for the entry.
    """
    box.services.audit.signing.read_public_keys("shop")  # makes the first
    with audit_events.begin_audit_event(
        AuditEvent("regulars tenants renew-signing", "operator", Kind.CHANGE, "shop")
    ):
        return renewal_of(box.services.audit.signing.renew_key("shop")).is_vouched


def _added(box: Box) -> Any:
    made = box.services.tenants.find_by_api_key(
        _file(box).add("shop-2", Profile.CAMERA, TenantSettings()).api_key
    )
    return made and made.name


def _changed(box: Box) -> Any:
    return box.services.tenants.change_settings("shop", {"requests_a_day": 10_000, "faces": 20_000})


def _reembedded(box: Box) -> Any:
    box.services.reembedding.change_model("shop", FakeVision(), OtherVision())
    return box.services.reembedding.read_model("shop")


# --- erasure, as a whole
# ----------------------------------------------------------------------------------------------


def _traces(box: Box, faceids: Iterable[str]) -> list[str]:
    """The files that hold a template of these faces."""
    vectors = [vector for faceid in faceids for vector in box.templates[faceid]]
    needles = [*vectors, *map(base64.b64encode, vectors)]
    files = [
        path for path in box.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    ]
    return [path.name for path in files if any(needle in path.read_bytes() for needle in needles)]


def _until_nothing_is_left(box: Box, left: Callable[[], list[str]], every: timedelta) -> Any:
    """Let time pass, at most six times, and the sweep do its jobs."""
    for _ in range(6):
        if not left():
            break
        box.clock.advance(every)
        box.sweep()
        if every > TRUSTED:  # a sweep doubts a clock that jumped, so the operator says yes
            box.services.erasure.retention.sweep_tenant(
                box.tenant, lambda: float("inf"), is_confirmed=True
            )
    return {"status": 500, "left": left()} if left() else {"status": 200}


def _erased(box: Box) -> Any:
    """Eva, and who was merged into her: her template is in no file any more, though the process
    still runs."""
    fields = {"group_name": "regular", "num": "1", "faceid_list": f'["{box.ids["eva"]}"]'}
    answer = box.camera.call("deleteFace", fields)
    gone = [box.ids["eva"], *([box.ids["finn"]] if box.ids["merge"] != "none" else [])]
    return {
        "code": answer["code"],
        **_until_nothing_is_left(box, lambda: _traces(box, gone), timedelta(minutes=61)),
    }


def _forgotten(box: Box) -> Any:
    """Eva, by an erasure that is done to its end: no file has her id or a template any more, and
    there is a receipt."""
    headers = {"Idempotency-Key": "the-same"}
    reply = box.v1.send(
        "DELETE", f"/v1/faces/{box.ids['eva']}", query={"erase": "true"}, headers=headers
    )
    if reply.status != 202:
        return {"status": reply.status, **reply.json}

    def left() -> list[str]:
        erasure = box.services.erasure.records.get("shop", reply.json["id"])
        files = [
            path
            for path in box.folder.rglob("*")
            if path.is_file() and not path.name.endswith("-shm")
        ]
        named = [path.name for path in files if box.ids["eva"].encode() in path.read_bytes()]
        return [
            *named,
            *_traces(box, [box.ids["eva"]]),
            *([] if erasure.receipt else ["there is no receipt"]),
        ]

    return _until_nothing_is_left(box, left, timedelta(minutes=3))


def _all_erased(box: Box) -> Any:
    """All faces, and the pictures that the cameras sent: nothing is left that shows somebody."""
    for group in box.services.groups.list_all(box.tenant):
        page = box.services.faces.read_page(box.tenant, group.name, 1, 100)
        if faceids := [face.faceid for face in page.faces]:
            box.services.deletion.delete_faces_of_group(box.tenant, group.name, faceids)
    now = box.clock.now().timestamp()

    def pictures() -> list[Path]:
        return [
            *(box.folder / "blobs").rglob("*.jpg"),
            *(box.folder / "captures/shop").rglob("*-*"),
        ]

    for file in pictures():
        os.utime(file, (now, now))  # stored by this clock, not by the machine's
    return _until_nothing_is_left(
        box, lambda: [*map(str, pictures()), *_traces(box, box.templates)], timedelta(days=8)
    )


ERASURE = (
    UseCase(f"POST {sunmi.PREFIX}deleteFace", _erased, "until no template is left"),
    UseCase(f"POST {sunmi.PREFIX}deleteFace", _erased, "until no template is left", "merged"),
    UseCase("DELETE /v1/faces/{id}", _forgotten, "erased until nothing is left"),
    UseCase("DELETE /v1/faces/{id}", _forgotten, "erased until nothing is left", "merged"),
    UseCase(f"POST {sunmi.PREFIX}deleteFace", _all_erased, "until nothing shows anybody"),
)


def _printed(box: Box) -> str:
    out = io.StringIO()
    print_today(read_today(box.services, box.tenant, MONDAY + DAY * MINUTE), Console(file=out))
    return out.getvalue()


JOBS = (
    UseCase("today", _printed),
    UseCase("tenants add", _added, or_says="TenantExists"),
    UseCase("tenants list", lambda box: format_tenants(box.services.tenants.list_all())),
    UseCase(
        "tenants list", lambda box: describe_tenant(box.services.tenants.get_by_name("shop")), "one"
    ),
    UseCase("tenants set", _changed),
    UseCase("tenants rotate", _rotated),
    UseCase("tenants renew-signing", _renewed_signing),
    UseCase("tenants set", lambda box: box.services.tenants.disable("shop"), "disabled"),
    UseCase("tenants erase", _erased_whole, shop="leaving"),
    UseCase("tenants set", lambda box: box.services.tenants.enable("shop"), "enabled"),
    UseCase("reembed", _reembedded),
)

USE_CASES = (
    *SUNMI,
    *ICREDIT,
    *REKOGNITION,
    *COMPREFACE,
    *DEEPSTACK,
    *V1,
    *FUNCTIONS,
    *SWEPT,
    *ERASURE,
    *JOBS,
)
