"""Requests of each dialect as clients write them, which one box and a stage on AWS answer alike.

`ROWS` is the table: a request, its recorded status, and a text of its recorded body. Where the two
cannot be the same, `apart` has the stage's status and text, and the page that says so.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from chalice.app import Chalice
from msgspec import Struct
from regulars_client import Regulars

from chalicelib.api import observability
from chalicelib.api.service_keys import add_service_key
from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.model import Profile
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.gateway import FORM, MULTIPART, Call, Part, multipart
from tests.support.api.icredit.client import EVER
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import md5_sign
from tests.support.book.tenants import KEEPING
from tests.support.box.box import Box, serving
from tests.support.fakes import Person, picture

FACE = picture(Person(1, side_px=120.0))
OTHER = picture(Person(13, side_px=130.0))
_SLOT = re.compile(r"\{(\w+)\}")
JSON = "application/json"


class Both(Struct, frozen=True):
    """A box that is served, its application for a stage, and what rows name by `{slots}`."""

    box: Box
    app: Chalice
    ids: Mapping[str, str]

    def filled(self, text: str) -> str:
        return _SLOT.sub(lambda slot: self.ids[slot[1]], text)


class Apart(Struct, frozen=True):
    """What a stage answers otherwise, and where that is said. `said`: words of the page."""

    status: int
    text: str
    page: str
    said: str


class Row(Struct, frozen=True):
    """A request and its answer.

    `url`: path and query as they are sent, with `{slots}`; so have headers and texts.
    """

    name: str
    method: str
    url: str
    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Callable[[Mapping[str, str]], bytes] = b""
    apart: Apart | None = None
    operation: str = ""
    """Of Rekognition: the request is signed as boto3 does."""

    def call(self, both: Both) -> Call:
        path, _, query = both.filled(self.url).partition("?")
        headers = tuple((name, both.filled(value)) for name, value in self.headers)
        body = self.body if isinstance(self.body, bytes) else self.body(both.ids)
        if self.operation:
            headers += _sign(both, path, self.operation, body)
        return Call(
            self.method, path, query, (("Host", urlsplit(both.box.url).netloc), *headers), body
        )


@contextmanager
def both_served(folder: Path) -> Iterator[Both]:
    with serving(folder) as box:
        services = box.services
        keys = services.tenants.add("mall", Profile.CLOUD, KEEPING)
        tenant = services.tenants.get_by_name("mall")
        for name in ("family", "家人"):
            services.groups.create(tenant, name, None, "")
        group = services.groups.get_by_name(tenant, "family").id
        services.cameras.add(tenant, "front-door", "Front", CameraSettings())
        ids = {
            **{
                name: add_service_key(services, tenant, name, name, group)
                for name in ("recognition", "deepstack")
            },
            "key": keys.api_key,
            "appcode": keys.appcode,
            "app_id": keys.app_id,
            "app_key": keys.app_key,
            "access_key_id": keys.access_key_id,
            "secret": keys.secret_access_key,
        }
        with Regulars(box.url, api_key=keys.api_key) as client:
            begun = httpx.post(f"{box.url}/v1/session", json={"api_key": keys.api_key})
            ids["cookie"], ids["session"] = next(iter(begun.cookies.items()))
            ids["face"] = client.enrol_face(picture=FACE, group="family", name="Zoë O'Hara").id
            client.enrol_face(picture=_photo(2), group="家人", name="Ben")
        app = make_stage(services).app
        app.register_middleware(observability.make_observer({}), "all")
        both = Both(box, app, ids)
        for seed, name in enumerate(("a/b", "100%", "x+y", "Ann Lee"), 10):
            ids["example"] = CompreFace(both.app, ids["recognition"]).add(name, _photo(seed))
        yield both


def _sign(both: Both, path: str, operation: str, body: bytes) -> tuple[tuple[str, str], ...]:
    request = AWSRequest(
        "POST", both.box.url + path, {"X-Amz-Target": f"RekognitionService.{operation}"}, body
    )
    SigV4Auth(
        Credentials(both.ids["access_key_id"], both.ids["secret"]), "rekognition", "box"
    ).add_auth(request)
    return (("Content-Type", "application/x-amz-json-1.1"), *request.headers.items())


def _photo(seed: int) -> bytes:
    return picture(Person(seed, side_px=120.0))


def row(
    name: str,
    method: str,
    url: str,
    status: int,
    text: str = "",
    *headers: tuple[str, str],
    **more: Any,
) -> Row:
    return Row(name, method, url, status, text, headers, **more)


KEY, X_KEY = ("Authorization", "Bearer {key}"), ("x-api-key", "{recognition}")
APPCODE = ("Authorization", "APPCODE {appcode}")
AS_JSON, AS_FORM = ("Content-Type", JSON), ("Content-Type", FORM)
SUBJECTS, FACES = "/api/v1/recognition/subjects", "/api/v1/recognition/faces"


def _sunmi(**fields: str) -> Callable[[Mapping[str, str]], bytes]:
    def make(ids: Mapping[str, str]) -> bytes:
        pairs = {
            "app_id": ids["app_id"],
            "random": f"{time.time_ns() % 10**10:010}",
            "timestamp": str(int(time.time())),
        }
        pairs |= fields
        return urlencode({**pairs, "sign": md5_sign(pairs.items(), ids["app_key"])}).encode()

    return make


def _deepstack(**files: bytes) -> Callable[[Mapping[str, str]], bytes]:
    def make(ids: Mapping[str, str]) -> bytes:
        key = Part("api_key", ids["deepstack"].encode())
        return multipart([key, *(Part(name, data, name) for name, data in files.items())])

    return make


def _icredit(**fields: str) -> bytes:
    return urlencode({**EVER, "PERSON_GROUP_LABEL": "family", **fields}).encode()


STAGE = "docs/stage.md"
_NOBODYS = (STAGE, "404 for an unknown path has the fields of all dialects together")
_TOO_LARGE = "error for a body that is too large is worded"
MORE_THAN_4_MIB, MORE_THAN_6_MIB, MORE_THAN_10_MIB = (
    b" " * (mib * 1024 * 1024 + 1) for mib in (4, 6, 10)
)

V1 = (
    row("a header in small letters", "GET", "/v1/groups", 200, "family",
        ("authorization", "Bearer {key}")),
    row("a header in capitals", "GET", "/v1/groups", 200, "family",
        ("AUTHORIZATION", "Bearer {key}")),
    row("a key that is sent twice", "GET", "/v1/groups", 401, "", KEY,
        ("Authorization", "Bearer rk_other")),
    row("a key behind another one", "GET", "/v1/groups", 401, "",
        ("Authorization", "Bearer rk_other"), KEY),
    row("cookies in several headers", "GET", "/v1/session", 200, "mall",
        ("Cookie", "{cookie}={session}"),
        ("Cookie", "theme=dark"), ("Cookie", "__Host-{cookie}={session}")),
    row("several that are accepted", "GET", "/v1/groups", 200, "family", KEY,
        ("Accept", "text/html"), ("Accept", "*/*")),
    row("a picture that is accepted", "GET", "/v1/groups", 200, "family", KEY,
        ("Accept", "image/jpeg,*/*;q=0.8")),
    row("nothing that is accepted", "GET", "/v1/groups", 200, "family", KEY, ("Accept", "")),
    row("a slash at the end", "GET", "/v1/groups/", 200, "family", KEY),
    row("two slashes before it", "GET", "//v1/groups", 200, "family", KEY),
    row("a name of a query twice", "GET", "/v1/faces?name=x&name=Zo%C3%AB+O%27Hara", 400, "", KEY),
    row("a plus in a query", "GET", "/v1/faces?name=Zo%C3%AB+O%27Hara", 200, "{face}", KEY),
    row("a blank in a query", "GET", "/v1/faces?name=Zo%C3%AB%20O'Hara", 200, "{face}", KEY),
    row("an escaped plus in a query", "GET", "/v1/faces?name=Zo%C3%AB%2BO'Hara", 200, "{face}",
        KEY),
    row("a query without a value", "GET", "/v1/faces?name", 200, "faces", KEY),
    row("an empty query", "GET", "/v1/groups?", 200, "family", KEY),
    row("an unknown name in a query", "GET", "/v1/groups?first%20one=1", 400, "first one", KEY),
    row("an escaped sign in a path", "GET", "/v1/cameras/front%2Ddoor", 200, "front-door", KEY),
    row("an escaped letter in a path", "GET", "/v1/cameras/%66ront-door", 200, "front-door", KEY),
    row("an escaped slash in a path", "GET", "/v1/cameras/front%2Fdoor", 404, "", KEY),
    row("an escaped percent in a path", "GET", "/v1/cameras/front%252Ddoor", 404, "", KEY),
    row("a plus in a path", "GET", "/v1/cameras/front+door", 404, "", KEY),
    row("HEAD", "HEAD", "/v1/groups", 200, "", KEY),
    row("OPTIONS", "OPTIONS", "/v1/groups", 405, "", KEY),
    row("a method that the path lacks", "PUT", "/v1/groups", 405, "", KEY),
    row("no type of a body", "POST", "/v1/groups", 415, "", KEY, body=b'{"name": "x"}'),
    row("no body", "POST", "/v1/groups", 400, "", KEY, AS_JSON),
    row("a type in capitals", "POST", "/v1/groups", 409, "family", KEY,
        ("content-type", "APPLICATION/JSON; Charset=UTF-8"),
        body=b'{"name": "family"}'),
    row("a body that is awaited", "POST", "/v1/groups", 409, "family", KEY, AS_JSON,
        ("Expect", "100-continue"), body=b'{"name": "family"}'),
    row("bytes that are no UTF-8", "POST", "/v1/groups", 400, "", KEY, AS_JSON, body=b'{"name": '
b'"\xff\xfe"}',
        apart=Apart(400, "U+FFFD", STAGE, "JSON is always UTF-8")),
    row("a picture as a body", "POST", "/v1/identify", 200, "", KEY, ("Content-Type", "image/jpeg"),
        body=FACE),
    row("a picture of a type in capitals", "POST", "/v1/identify", 200, "", KEY,
        ("Content-Type", "IMAGE/JPEG"), body=FACE),
    row("a picture of an unknown type", "POST", "/v1/identify", 422, "", KEY,
        ("Content-Type", "image/jxl"), body=b"jxl",
        apart=Apart(415, "image/jpeg", STAGE, "A picture's type is one of those")),
    row("a body that is compressed", "POST", "/v1/groups", 415, "gzip", KEY, AS_JSON,
        ("Content-Encoding", "gzip"),
        body=gzip.compress(b'{"name": "family"}'),
        apart=Apart(409, "family", STAGE, "decompresses gzip bodies")),
    row("a body over 4 MiB", "POST", "/v1/groups", 413, "larger than", KEY, AS_JSON,
        body=MORE_THAN_4_MIB, apart=Apart(413, "4194304", STAGE, _TOO_LARGE)),
    row("a body over 6 MiB", "POST", "/v1/groups", 413, "larger than", KEY, AS_JSON,
        body=MORE_THAN_6_MIB, apart=Apart(413, "4 MiB pass here", STAGE, _TOO_LARGE)),
    row("a body over 10 MiB", "POST", "/v1/groups", 413, "larger than", KEY, AS_JSON,
        body=MORE_THAN_10_MIB, apart=Apart(413, "4 MiB pass here", STAGE, _TOO_LARGE)),
    row("a path that is nobody's", "GET", "/v1/nowhere", 404, "/v1/openapi.json",
        apart=Apart(404, "/v1/openapi.json", *_NOBODYS)),
    row("a path that has a slash twice", "GET", "/v1//groups", 404, "openapi", KEY,
        apart=Apart(404, "openapi", *_NOBODYS)),
    row("a method that nobody has", "PROPFIND", "/v1/groups", 404, "openapi", KEY,
        apart=Apart(404, "openapi", *_NOBODYS)),
    row("a semicolon in a query", "GET", "/v1/faces?name=a;group=b", 200, '"faces":[]', KEY,
        apart=Apart(400, "leave out group", STAGE, "`;` separates parameters")),
    row("a brace in a query", "GET", "/v1/faces?name={{face}}", 200, '"faces":[]', KEY,
        apart=Apart(400, "Bad Request", STAGE, "`|`, `{` and `}`")),
)  # fmt: skip

COMPREFACE = (
    row("a key in capitals", "GET", SUBJECTS, 200, "Ann Lee", ("X-API-KEY", "{recognition}")),
    row("a key that is sent twice", "GET", SUBJECTS, 200, "Ann Lee", X_KEY,
        ("X-Api-Key", "{recognition}")),
    row("a slash at the end", "GET", f"{SUBJECTS}/", 200, "Ann Lee", X_KEY),
    row("an escaped slash in a name", "PUT", f"{SUBJECTS}/a%2Fb", 400, "special characters", X_KEY,
        AS_JSON, body=b'{"subject": "a/b"}'),
    row("a slash in a name", "PUT", f"{SUBJECTS}/a/b", 400, "special characters", X_KEY, AS_JSON,
        body=b'{"subject": "a/b"}'),
    row("a percent in a name", "PUT", f"{SUBJECTS}/100%25", 200, "updated", X_KEY, AS_JSON,
        body=b'{"subject": "100%"}'),
    row("a plus in a name", "PUT", f"{SUBJECTS}/x+y", 200, "updated", X_KEY, AS_JSON,
        body=b'{"subject": "x+y"}'),
    row("an escaped plus in a name", "PUT", f"{SUBJECTS}/x%2By", 200, "updated", X_KEY, AS_JSON,
        body=b'{"subject": "x+y"}'),
    row("a blank in a name", "PUT", f"{SUBJECTS}/Ann%20Lee", 200, "updated", X_KEY, AS_JSON,
        body=b'{"subject": "Ann Lee"}'),
    row("nobody's name", "PUT", f"{SUBJECTS}/Bob%20%C3%BC", 404, "Bob ü", X_KEY, AS_JSON,
        body=b'{"subject": "Bob"}'),
    row("a name twice in a query", "GET", f"{FACES}?subject=Ann+Lee&subject=Bob", 200, "Ann Lee",
        X_KEY),
    row("pages of a list", "GET", f"{FACES}?page=0&size=1&size=2", 200, '"page_size":1', X_KEY),
    row("a browser that asks first", "OPTIONS", SUBJECTS, 204, "", ("Origin", "https://shop.example"),
        ("Access-Control-Request-Method", "GET")),
    row("HEAD", "HEAD", SUBJECTS, 200, "", X_KEY),
    row("a method that the path lacks", "PATCH", SUBJECTS, 405, "", X_KEY),
    row("a picture of an example", "GET", f"{FACES}/{{example}}/img", 200, "", X_KEY,
        ("Accept", "image/jpeg")),
    row("a picture of an example to a browser", "GET", f"{FACES}/{{example}}/img", 200, "side_px",
        X_KEY, ("Accept", "text/html,image/jpeg,*/*;q=0.8"),
        apart=Apart(200, "W3si", "docs/compreface.md", "comes as bytes if `Accept` begins with "
"`image/jpeg`")),
    row("a path that is nobody's", "GET", "/api/v1/recognition/nowhere", 404, "docs/compreface.md",
        X_KEY, apart=Apart(404, "openapi", *_NOBODYS)),
    row("a form with a picture", "POST", "/api/v1/recognition/recognize", 200, "Ann Lee", X_KEY,
        ("content-type", MULTIPART),
        body=multipart([Part("file", OTHER, "a.jpg")])),
    row("a form that is awaited", "POST", "/api/v1/recognition/recognize", 200, "Ann Lee", X_KEY,
        ("Content-Type", MULTIPART),
        ("Expect", "100-continue"), body=multipart([Part("file", OTHER, "a.jpg")])),
    row("a picture in JSON", "POST", "/api/v1/recognition/recognize", 200, "Ann Lee", X_KEY,
        AS_JSON, body=json.dumps({"file": base64.b64encode(OTHER).decode()}).encode()),
)  # fmt: skip

SUNMI = (
    row("a form", "POST", "/openapi/face/getGroupList", 200, "family", AS_FORM, body=_sunmi()),
    row("a slash at the end", "POST", "/openapi/face/getGroupList/", 200, "family", AS_FORM,
        body=_sunmi()),
    row("a type in capitals", "POST", "/openapi/face/getGroupList", 200, "family",
        ("CONTENT-TYPE", FORM.upper()), body=_sunmi()),
    row("a plus in a form", "POST", "/openapi/face/getFaceList", 200, "", AS_FORM,
        body=_sunmi(group_name="a b+c")),
    row("no type of a body", "POST", "/openapi/face/getGroupList", 415, "", body=_sunmi()),
    row("GET", "GET", "/openapi/face/getGroupList", 405, ""),
    row("HEAD", "HEAD", "/openapi/face/getGroupList", 405, ""),
    row("OPTIONS", "OPTIONS", "/openapi/face/getGroupList", 405, ""),
    row("a form over 512 KiB", "POST", "/openapi/face/addFace", 413, "524288", AS_FORM,
        body=b" " * 600_000),
    row("a body over 4 MiB", "POST", "/openapi/face/addFace", 413, "larger than", AS_FORM,
        body=MORE_THAN_4_MIB, apart=Apart(413, "524288", STAGE, _TOO_LARGE)),
    row("a call that is nobody's", "POST", "/openapi/face/nothing", 404, "getGroupList", AS_FORM,
        body=_sunmi(), apart=Apart(404, '"code":', *_NOBODYS)),
)  # fmt: skip

ICREDIT = (
    row("a form", "POST", "/icredit/face/query", 200, "PERSON_TOKEN_STATUS", APPCODE, AS_FORM,
        body=_icredit()),
    row("a code in capitals", "POST", "/icredit/face/query", 200, "PERSON_TOKEN_STATUS",
        ("AUTHORIZATION", "APPCODE {appcode}"),
        AS_FORM, body=_icredit()),
    row("a code that is sent twice", "POST", "/icredit/face/query", 400, "", APPCODE, APPCODE,
        AS_FORM, body=_icredit()),
    row("a form in GBK", "POST", "/icredit/face/query", 200, "", APPCODE,
        ("Content-Type", f"{FORM}; charset=GBK"),
        body=b"PERSON_GROUP_LABEL=" + "家人".encode("gbk")),
    row("JSON in GBK", "POST", "/icredit/face/query", 200, '"TOTAL":"1"', APPCODE,
        ("Content-Type", "application/json; charset=GBK"),
        body=json.dumps({**EVER, "PERSON_GROUP_LABEL": "家人"}, ensure_ascii=False).encode("gbk"),
        apart=Apart(200, "PERSON_TOKEN_STATUS", STAGE, "JSON is always UTF-8")),
    row("a slash at the end", "POST", "/icredit/face/query/", 200, "PERSON_TOKEN_STATUS", APPCODE,
        AS_FORM, body=_icredit()),
    row("a body over 4 MiB", "POST", "/icredit/face/query", 413, "larger than", APPCODE, AS_FORM,
        body=MORE_THAN_4_MIB, apart=Apart(413, "4194304", STAGE, _TOO_LARGE)),
    row("a call that is nobody's", "POST", "/icredit/face/nothing", 404, "manage", APPCODE, AS_FORM,
        body=_icredit(), apart=Apart(404, "NOT_FOUND", *_NOBODYS)),
    row("GET", "GET", "/icredit/face/query", 405, "", APPCODE),
    row("HEAD", "HEAD", "/icredit/face/query", 405, "", APPCODE),
)  # fmt: skip

DEEPSTACK = (
    row("a form", "POST", "/v1/vision/face/list", 200, "faces", ("content-type", MULTIPART),
        body=_deepstack()),
    row("a slash at the end", "POST", "/v1/vision/face/list/", 200, "faces",
        ("Content-Type", MULTIPART), body=_deepstack()),
    row("a picture", "POST", "/v1/vision/face/recognize", 200, "Ann Lee",
        ("Content-Type", MULTIPART), body=_deepstack(image=OTHER)),
    row("a call over 4 MiB", "POST", "/v1/vision/face/recognize", 400, "image",
        ("Content-Type", MULTIPART),
        body=_deepstack(image=MORE_THAN_4_MIB),
        apart=Apart(413, "4194304", "docs/deepstack.md", "on AWS 4 MiB")),
    row("a path that is nobody's", "POST", "/v1/vision/nothing", 404, "docs/deepstack.md", AS_FORM,
        body=b"a=b", apart=Apart(404, "openapi", *_NOBODYS)),
    row("no key", "POST", "/v1/vision/face/list", 401, "", AS_FORM, body=b"a=b"),
    row("GET", "GET", "/v1/vision/face/list", 405, ""),
    row("OPTIONS", "OPTIONS", "/v1/vision/face/list", 405, ""),
)  # fmt: skip

CONSOLE = (
    row("the root", "GET", "/", 302, ""),
    row("the page", "GET", "/console", 200, "importmap"),
    row("a slash behind the page", "GET", "/console/", 302, ""),
    row(
        "a browser that asks for the page",
        "GET",
        "/console",
        200,
        "importmap",
        ("Accept", "text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br"),
    ),
    row("HEAD", "HEAD", "/console", 200, ""),
    row("no file", "GET", "/console/main.js", 404, ""),
    row("no file below it", "GET", "/console/people%2Flist.js", 404, ""),
)
_COLLECTION = b'{"CollectionId": "family", "MaxResults": 10}'

REKOGNITION = (
    row("a call", "POST", "/", 200, '"FaceId"', operation="ListFaces", body=_COLLECTION),
    row("a path of two slashes", "POST", "//", 200, '"FaceId"', operation="ListFaces",
        body=_COLLECTION),
    row("an operation that is none", "POST", "/", 400, "UnknownOperationException",
        operation="ListNothing", body=b"{}"),
    row("bytes that are no UTF-8", "POST", "/", 400, "SerializationException",
        operation="ListFaces", body=b'{"\xff": 1}'),
    row("no signature", "POST", "/", 400, "MissingAuthenticationToken",
        ("X-Amz-Target", "RekognitionService.ListFaces"), body=b"{}"),
    row("no body", "POST", "/", 400, "", operation="ListFaces"),
    row("a body over 4 MiB", "POST", "/", 400, "collectionId", operation="ListFaces",
        body=b"{}" + MORE_THAN_4_MIB,
        apart=Apart(400, "ImageTooLargeException", "docs/rekognition.md", "More is "
"ImageTooLargeException")),
    row("HEAD", "HEAD", "/", 302, "", apart=Apart(405, "", "docs/rekognition.md", "At its root it "
"takes POST alone")),
)  # fmt: skip
CAMERAS = (
    row("a camera", "GET", "/v1/cameras/front-door", 200, "front-door",
        ("authorization", "Bearer {key}")),
    row("a slash at the end", "GET", "/v1/cameras/front-door/", 200, "front-door", KEY),
    row("an escaped sign in a path", "GET", "/v1/cameras/front%2Ddoor", 200, "front-door", KEY),
    row("an escaped slash in a path", "GET", "/v1/cameras/front%2Fdoor", 404, "CameraNotFound",
        KEY),
    row("an unknown name in a query", "GET", "/v1/cameras/front-door?a%20b=1", 400, "a b", KEY),
    row("a key that is sent twice", "GET", "/v1/cameras", 401, "", KEY, KEY),
    row("an offer", "POST", "/v1/captures/uploads", 400, "captures", KEY, AS_JSON, body=b"{}"),
    row("an offer that is awaited", "POST", "/v1/captures/uploads", 400, "captures", KEY, AS_JSON,
        ("Expect", "100-continue"),
        body=b"{}"),
    row("HEAD", "HEAD", "/v1/cameras/front-door", 200, "", KEY),
)  # fmt: skip
AT_THE_URL = {"rekognition": REKOGNITION, "cameras": CAMERAS}
"""Rows of what calls the function URL of a stage."""
ROWS = {
    "v1": V1,
    "compreface": COMPREFACE,
    "sunmi": SUNMI,
    "icredit": ICREDIT,
    "deepstack": DEEPSTACK,
    "console": CONSOLE,
}
