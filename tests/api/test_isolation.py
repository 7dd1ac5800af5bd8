"""Every route with another tenant's ids and with every kind of key: nothing of theirs is shown,
changed or let in.

The walk is made from the dialects' tables of routes, and its requests from
tests/support/api/samples.py.
"""

from __future__ import annotations

import hashlib
import http.client
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import Struct
from regulars_dialects.compreface import routes as compreface
from regulars_dialects.deepstack import routes as deepstack
from regulars_dialects.rekognition import requests as rekognition

import app as application
from chalicelib.api import console
from chalicelib.api.icredit import routes as icredit
from chalicelib.api.sunmi import routes as sunmi
from chalicelib.api.sunmi.request import ITEMS
from chalicelib.api.v1 import routes as v1
from chalicelib.domain.api_keys import digest
from chalicelib.storage.box.uploads import FolderUploadStore
from chalicelib.storage.ports import Upload
from tests.api.neighbours import (
    ALPHA,
    BETA,
    COMPREFACE,
    DEEPSTACK,
    REKOGNITION,
    WORDS,
    Shop,
    Street,
    Walk,
    access_key,
    appcode,
    bearer,
    key_of,
    service_key,
)
from tests.support.api.gateway import Reply
from tests.support.api.routes import ROUTES, samples_of
from tests.support.api.samples import SAMPLES, Sample
from tests.support.api.sunmi.client import md5_sign
from tests.support.api.v1.document import names_of
from tests.support.box.blob_server import opened, start
from tests.support.fakes import FakeClock

OF_CAMERAS = [
    (operation.method, operation.path) for operation in v1.OPERATIONS if operation.of_cameras
]

every_route = pytest.mark.parametrize(("method", "path"), ROUTES)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    return Street.made(tmp_path_factory.mktemp("street") / "data")


@pytest.fixture(scope="module")
def walk(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    walk = Walk(street, tmp_path_factory.mktemp("walk"))
    yield walk
    walk.close()


def test_the_walk_goes_past_every_route_of_the_app() -> None:
    of_everybody = {operation.path for operation in v1.OPERATIONS if operation.role is None}
    of_everybody |= {"/health", "/ready", "/", console.PATH, *console.FILES}
    of_everybody |= {
        one.path for one in compreface.OPERATIONS if not one.service or "{second}" in one.path
    }
    of_everybody |= {*deepstack.STATUS_PATHS}
    elsewhere = set(application.app.routes) - {path for _, path in ROUTES} - of_everybody
    assert not elsewhere, (
        f"{elsewhere} are in no table that the walk is made from: add their dialect's to ROUTES"
    )
    left = set(SAMPLES) - set(ROUTES)
    assert not left, (
        f"{left} are no routes any more: take their samples out of tests/support/api/samples.py"
    )


def declared() -> Iterator[tuple[tuple[str, str], Collection[str]]]:
    """The names that each route says can be sent."""
    for operation in v1.OPERATIONS:
        if operation.role is None:
            continue
        yield (
            (operation.method, operation.path),
            {*names_of(operation.body), *names_of(operation.query)},
        )
    for endpoint in sunmi.ENDPOINTS:
        yield ("POST", sunmi.PREFIX + endpoint.name), endpoint.parameters - ITEMS
    for operation, members in rekognition.REQUESTS.items():
        yield ("POST", REKOGNITION + operation), members.members
    yield (
        ("POST", f"{icredit.PREFIX}manage"),
        {f"CONTROL_TYPE={control}" for control in icredit._CONTROLS},
    )


def test_the_samples_send_all_that_can_be_sent() -> None:
    for route, names in declared():
        sent: set[str] = set()
        for sample in samples_of(*route):
            sent |= {*sample.query, *sample.fields, *({"pic"} if sample.pic else ())}
            sent |= {f"{name}={value}" for name, value in sample.fields.items()}
        unsent = set(names) - sent
        assert not unsent, (
            f"no sample of {route} sends {unsent}: add one to tests/support/api/samples.py"
        )


@every_route
def test_another_tenants_ids_are_answered_as_ids_that_nobody_has(
    walk: Walk, method: str, path: str
) -> None:
    alpha, beta = (walk.street.shops[name] for name in (ALPHA, BETA))
    for sample in samples_of(method, path):
        own = asked(walk, method, path, sample, beta, {})
        assert own.outcome == asked(walk, method, path, sample, alpha, {}).outcome, (
            "the shops are furnished alike"
        )
        for slots in combinations(sample.slots):
            theirs = asked(
                walk, method, path, sample, beta, {slot: alpha.ids[slot] for slot in slots}
            )
            nobodys = asked(
                walk, method, path, sample, beta, {slot: alpha.nobodys[slot] for slot in slots}
            )
            assert theirs.shown == nobodys.shown, slots
            assert nobodys.shown != own.shown or sample.free >= slots, (
                f"an own {slots} is answered like anything"
            )


OF_V1 = [
    route for route in ROUTES if route[1].startswith("/v1/") and not route[1].startswith(DEEPSTACK)
]


@pytest.mark.parametrize(("method", "path"), OF_V1)
def test_a_browser_in_two_shops_is_in_each_what_that_shops_key_is(
    walk: Walk, method: str, path: str
) -> None:
    alpha, beta = (walk.street.shops[name] for name in (ALPHA, BETA))
    book = beta.ids["book"]
    cookies = f"regulars-8080={alpha.session}; regulars-8080-{book}={beta.session}"
    browser = {"headers": {"Cookie": cookies, "Sec-Fetch-Site": "same-origin"}, "meant": book}
    sample = samples_of(method, path)[0]
    own = asked(walk, method, path, sample, beta, {}, browser)
    if sample.pic:
        assert own.outcome == (415, "UnsupportedMediaType"), (
            "a form of another site could send such a body"
        )
    else:
        assert own.outcome == asked(walk, method, path, sample, beta, {}).outcome
    asked(
        walk, method, path, sample, beta, {slot: alpha.ids[slot] for slot in sample.slots}, browser
    )


@pytest.mark.parametrize(("method", "path"), OF_V1)
def test_a_cameras_key_finds_another_cameras_ids_no_more_than_those_that_nobody_has(
    walk: Walk, method: str, path: str
) -> None:
    alpha, beta = (walk.street.shops[name] for name in (ALPHA, BETA))
    key = bearer(beta.camera_key)
    for sample in samples_of(method, path):
        own = asked(walk, method, path, sample, beta, {}, key)
        if (method, path) not in OF_CAMERAS:
            assert own.outcome == (403, "NotAllowed")
        # no camera has one
        for slots in combinations([slot for slot in sample.slots if slot != "book"]):
            nobodys = asked(
                walk, method, path, sample, beta, {slot: beta.nobodys[slot] for slot in slots}, key
            )
            for others in (alpha.ids, {**beta.ids, **beta.of_other_camera}):
                theirs = asked(
                    walk, method, path, sample, beta, {slot: others[slot] for slot in slots}, key
                )
                if others is alpha.ids or "camera" in slots or "capture" in slots:
                    assert theirs.shown == nobodys.shown, (slots, others is alpha.ids)


class Asked:
    """An answer, and what of it must be equal for ids that are equally unknown."""

    def __init__(self, reply: Reply, sent: Mapping[str, str]) -> None:
        self.reply = reply
        headers = {
            name: value for name, value in reply.headers.items() if name not in _OF_THE_MOMENT
        }
        # only what the browser's own cookies say
        body = re.sub(r'"books":\[[^]]*\]', "", reply.body)
        self.text = f"{sorted(headers.items())} {body}"
        for slot, id_ in sorted(sent.items(), key=lambda pair: -len(pair[1])):
            self.text = self.text.replace(id_, f"<{slot}>")

    @property
    def outcome(self) -> tuple[int, Any]:
        answer = self.reply.json if self.reply.body.startswith("{") else {}
        named = (
            answer.get("code") or answer.get("ERROR_CODE") or answer.get("error", {}).get("code")
        )
        return self.reply.status, named or answer.get("__type")

    @property
    def shown(self) -> tuple[int, str]:
        """Status, headers and body, without the ids that were sent and what was just made."""
        text = self.text
        for made in _MADE:
            text = re.sub(made, "<made>", text)
        return self.reply.status, text


_OF_THE_MOMENT = {"server-timing", "x-regulars-score"}
_MADE = (
    r"\b\d{13}-[0-9a-f]{24}\b",
    r"signature=[0-9a-f]{64}",
    r"(?<=/)[0-9a-f]{1,16}(?=\.jpg)",
    r'"x-amz-checksum-sha256":"[^"]+"',
    r"\b[cr]k_[0-9a-f]{32}\b",
    r"\bwhsec_[\w-]+",
    r"\b\d{17,19}\b",
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    r'(?<="picture":")[0-9a-f]{32}',
    r"(?<=/)[0-9a-f]{16}(?=\.(?:jpg|160))",
    r"-?\b0\.\d{4,}\b",
    r'(?<=Ms":)\d+',
)
"""What an answer may hold because the request made it: ids, keys, times, and scores of the picture
that was sent."""


def asked(
    walk: Walk,
    method: str,
    path: str,
    sample: Sample,
    shop: Shop,
    others: Mapping[str, str],
    key: Mapping[str, Any] | None = None,
) -> Asked:
    """A shop's answer to a sample with its own ids but for `others`.

    Fails if it shows or touches its neighbour.
    """
    ids = {**shop.ids, **others}
    reply = walk.send(method, path, sample.filled(ids), **(key or key_of(shop, path)))
    answer = Asked(reply, {slot: ids[slot] for slot in sample.slots})
    neighbour = BETA if shop.credentials.tenant == ALPHA else ALPHA
    assert not [row for row in walk.changed() if neighbour in repr(row)], (
        f"it changed what {neighbour} has"
    )
    assert names_nothing_of(walk.street.shops[neighbour], answer.text), answer.text
    return answer


def names_nothing_of(shop: Shop, text: str) -> bool:
    tenant = shop.credentials.tenant
    return not [
        told for told in (tenant, WORDS[tenant], *shop.ids.values(), *shop.secrets) if told in text
    ]


def combinations(slots: list[str]) -> list[frozenset[str]]:
    """Each one alone, and all together."""
    return [*(frozenset({slot}) for slot in slots), *([frozenset(slots)] if len(slots) > 1 else [])]


def wrong_keys(street: Street, path: str) -> Iterator[tuple[str, dict[str, Any], tuple[int, Any]]]:
    """Keys that do not open a route: what they are, how they are sent, and the status and code of
    the refusal."""
    alpha, beta = (street.shops[name] for name in (ALPHA, BETA))
    own, disabled, rotated = alpha.credentials, street.disabled, street.rotated
    zeros = "0" * 32
    public = [
        ("app_id", own.app_id),
        ("random", "1000000"),
        ("timestamp", str(int(FakeClock().now().timestamp()))),
    ]
    signed = {**dict(public), "sign": md5_sign(public, own.app_key)}
    if path.startswith(DEEPSTACK):
        for key in (
            "",
            own.api_key,
            beta.services["detection"],
            "11111111-2222-4333-8444-555555555555",
        ):
            yield key, {"key": key}, (401, 401)
    elif path.startswith("/v1/"):
        unknown = (401, "WrongCredentials")
        yield "none", {}, unknown
        for code in (
            zeros,
            own.appcode,
            own.app_key,
            own.app_id,
            digest(own.api_key),
            own.api_key[3:],
        ):
            for mark in ("", "rk_", "ck_"):
                if mark + code != own.api_key:
                    yield f"{mark}{code}", bearer(mark + code), unknown
        yield "the key as an app code", appcode(own.api_key), unknown
        yield "an app code", appcode(own.appcode), unknown
        yield "a key in the query", {"query": {"api_key": own.api_key}}, unknown
        yield "a camera's signature", {"query": signed}, unknown
        yield "before the rotation", bearer(rotated.api_key), unknown
        yield "disabled", bearer(disabled.api_key), (403, "TenantDisabled")
        yield "disabled camera", bearer(street.disabled_camera_key), (403, "TenantDisabled")
    elif path.startswith(REKOGNITION):
        refused = {
            name: (400, f"{name}Exception") for name in ("UnrecognizedClient", "InvalidSignature")
        }
        yield "none", {}, (400, "MissingAuthenticationTokenException")
        yield "a bearer key", bearer(own.api_key), (400, "IncompleteSignatureException")
        pair = access_key(own)
        for secret in (zeros, own.app_key, own.api_key, beta.credentials.secret_access_key):
            yield f"signed with {secret}", {**pair, "secret": secret}, refused["InvalidSignature"]
        for id_ in (zeros, own.app_id, own.appcode, ALPHA):
            yield f"as {id_}", {**pair, "access_key_id": id_}, refused["UnrecognizedClient"]
        theirs = {**pair, "access_key_id": beta.credentials.access_key_id}
        yield "the neighbour's id", theirs, refused["InvalidSignature"]
        yield "before the rotation", access_key(rotated), refused["UnrecognizedClient"]
        yield "disabled", access_key(disabled), (400, "AccessDeniedException")
    elif path.startswith(COMPREFACE):
        yield "none", {}, (400, 20)
        yield "a bearer key", bearer(own.api_key), (400, 20)
        yield "the key of v1", service_key(own.api_key), (400, 26)
        kind = path.split("/")[3]
        others = [key for name, key in beta.services.items() if name != kind]
        for key in (*others, "11111111-2222-4333-8444-555555555555"):
            yield key, service_key(key), (404, 10)
    elif path.startswith("/openapi/"):
        for headers in (None, bearer(own.api_key)["headers"], appcode(own.appcode)["headers"]):
            as_alpha = {"app_id": own.app_id, "headers": headers}
            yield f"unsigned, {headers}", {"headers": headers}, (200, 2)
            yield f"unsigned with an app_id, {headers}", as_alpha, (200, 2)
            for key in (
                zeros,
                beta.credentials.app_key,
                own.appcode,
                own.api_key,
                alpha.camera_key,
                own.app_id,
            ):
                yield f"signed with {key}, {headers}", {**as_alpha, "app_key": key}, (200, 5)
        for app_id in (zeros[:16], ALPHA, own.api_key, beta.credentials.app_id):
            yield f"as {app_id}", {"app_id": app_id, "app_key": own.app_key}, (200, 5)
        yield (
            "before the rotation",
            {"app_id": rotated.app_id, "app_key": rotated.app_key},
            (200, 5),
        )
        yield "disabled", {"app_id": disabled.app_id, "app_key": disabled.app_key}, (200, 7)
    else:
        unknown = (400, None)
        yield "none", {}, unknown
        for code in (
            zeros,
            own.api_key,
            own.app_key,
            own.app_id,
            alpha.camera_key,
            digest(own.appcode),
        ):
            yield code, appcode(code), unknown
        yield "the app code as a key", bearer(own.appcode), unknown
        yield "the api key", bearer(own.api_key), unknown
        yield "the app code in the form", {"AppCode": own.appcode}, unknown
        yield "a camera's signature", signed, unknown
        yield "before the rotation", appcode(rotated.appcode), unknown
        yield "disabled", appcode(disabled.appcode), (403, None)


@every_route
def test_a_wrong_key_opens_no_route_and_changes_nothing(walk: Walk, method: str, path: str) -> None:
    alpha = walk.street.shops[ALPHA]
    sample = samples_of(method, path)[0].filled(alpha.ids)
    for what, key, refusal in wrong_keys(walk.street, path):
        answer = Asked(walk.send(method, path, sample, **key), {})
        assert answer.outcome == refusal, what
        assert names_nothing_of(alpha, answer.text), what
    assert not walk.changed()


OTHER_BOOK = "is for another one|was restored or copied"


@every_route
def test_a_request_that_means_another_book_is_refused_and_changes_nothing(
    walk: Walk, method: str, path: str
) -> None:
    alpha = walk.street.shops[ALPHA]
    book, neighbours = (walk.services.tenants.get_by_name(name).book for name in (ALPHA, BETA))
    sample = samples_of(method, path)[0].filled(alpha.ids)
    for meant in (
        neighbours,
        neighbours.partition(".")[0],
        f"{book}0",
        f"{book}, {neighbours}",
        "-",
    ):
        refused = walk.send(method, path, sample, meant=meant, **key_of(alpha, path))
        changed = [row for row in walk.changed() if b"key" not in row]  # but that the key was used
        assert re.search(OTHER_BOOK, refused.body), refused.body
        assert not changed
        assert refused.headers["x-regulars-book"] == book
        if path.startswith("/v1/") and not path.startswith(DEEPSTACK):
            assert (refused.status, refused.json["code"]) == (412, "OtherBook")
    for meant in (book, book.partition(".")[0]):
        answer = walk.send(method, path, sample, meant=meant, **key_of(alpha, path))
        walk.changed()
        assert answer.headers["x-regulars-book"] == book
        assert not re.search(OTHER_BOOK, answer.body)


PICTURE = b"a picture of kestrel's"
UPLOAD = Upload(hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), "image/jpeg")


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    data = tmp_path_factory.mktemp("uploads")
    process, port = start(data)
    store, queue = opened(data)
    for shop in (ALPHA, BETA):
        store.put_if_absent(f"{shop}/door/there", PICTURE, "image/jpeg")
    yield Uploads(data, store, port)
    queue.close()
    process.kill()
    process.wait(10)


class Uploads(Struct, frozen=True):
    """The signed URLs of a box, on which both shops have the object `door/there`."""

    data: Path
    store: FolderUploadStore
    port: int

    def urls(self, shop: str, name: str) -> dict[str, str]:
        """The shop's URLs for an object, by method."""
        key = f"{shop}/door/{name}"
        return {
            "GET": self.store.signed_get(key),
            "PUT": self.store.presigned_put(key, UPLOAD, 900).url,
        }

    def send(self, method: str, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            connection.request(method, url, PICTURE, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()


def foreign_queries(uploads: Uploads, method: str, name: str) -> Iterator[str]:
    """The queries of signed URLs that do not sign this method for alpha's object of this name."""
    yield ""
    signed = uploads.urls(ALPHA, name)
    yield from (urlsplit(url).query for signs, url in signed.items() if signs != method)
    for shop, other in ((ALPHA, "other"), (BETA, "there"), (BETA, "missing")):
        yield from (urlsplit(url).query for url in uploads.urls(shop, other).values())
    for url in signed.values():
        query = urlsplit(url).query
        yield re.sub(r"signature=\w{64}", f"signature={'0' * 64}", query)
        yield re.sub(r"expires=\d+", "expires=9999999999", query)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"])
def test_a_signed_url_is_good_for_its_own_method_and_object_only(
    uploads: Uploads, walk: Walk, method: str
) -> None:
    before = {path: path.read_bytes() for path in uploads.data.rglob("*/door/*")}
    to_store = uploads.store.presigned_put("x", UPLOAD, 9).headers
    keys = walk.street.shops[BETA].credentials
    for name in ("there", "missing"):
        paths = [f"/_blobs/{ALPHA}/door/{name}"]
        paths += [
            f"/_blobs/{BETA}/door/{up}{up}{ALPHA}/door/{name}"
            for up in ("../", "%2e%2e/", "..%2f", "..%5c")
        ]
        for query in foreign_queries(uploads, method, name):
            # an x-amz header that is not signed is refused
            headers = to_store if "checksum" in query else {}
            for path in paths:
                for key in ({}, bearer(keys.api_key)["headers"], appcode(keys.appcode)["headers"]):
                    status, body = uploads.send(method, f"{path}?{query}", {**headers, **key})
                    assert 400 <= status < 500, (path, query)
                    assert PICTURE not in body
    assert {path: path.read_bytes() for path in uploads.data.rglob("*/door/*")} == before


def test_the_signed_urls_that_are_foreign_to_others_are_good_themselves(uploads: Uploads) -> None:
    assert uploads.send("GET", uploads.urls(ALPHA, "there")["GET"], {}) == (200, PICTURE)
    request = uploads.store.presigned_put(f"{ALPHA}/door/new", UPLOAD, 900)
    assert uploads.send("PUT", request.url, request.headers)[0] == 200
