"""Calls as a client of another service sends them, and a line for each answer that differs.

No call changes anything: the picture that is sent shows nobody. The file of keys has lines such as `app_id: 7F03`,
as `regulars tenants keys add` prints them.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import urllib3
from PIL import Image

from chalicelib.api.http import URLENCODED
from regulars.clients import NO_MATCH, UNUSABLE, Connection, Reply, signature
from regulars.doctor.machine import Finding, failed, well
from regulars.errors import OperatorError

_LATE_S = 60.0
_NO_FACE = 28
"""CompreFace's code for a picture without a face."""
_FACE = "/v1/vision/face/"


class Ask(NamedTuple):
    """A call: what it is, what is sent, and whether an answer is what the client expects."""

    subject: str
    path: str
    is_right: Callable[[Reply], bool]
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"


class Keys(dict[str, str]):
    """The keys of the file by their names."""

    def __missing__(self, name: str) -> str:
        raise OperatorError(f"this dialect needs a line `{name}: ...` in the file that --keys names")


def read_keys(path: Path | None) -> Keys:
    lines = path.read_text("utf-8").splitlines() if path else []
    pairs = (line.partition(":") for line in lines if ":" in line)
    return Keys({name.strip(): value.strip() for name, _, value in pairs})


def check(dialect: str, url: str, keys: Keys) -> Iterator[Finding]:
    """Send one call of each kind, and the first that has a body once more with a slash too many."""
    parts = urlsplit(url)
    service = f"{parts.scheme}://{parts.netloc}"
    base, asked = parts.path.rstrip("/"), _DIALECTS[dialect](Keys({"service": service, **keys}))
    with Connection(service) as connection:
        slash = next(one for one in asked if one.body)._replace(subject="slash")
        for one in (*asked, slash._replace(path=f"/{slash.path}")):
            reply = connection.request(one.method, base + one.path, one.body, one.headers)
            if one.is_right(reply):
                yield well(one.subject, f"{one.method} {one.path} is answered as the client expects")
            else:
                yield failed(
                    one.subject, f"{one.method} {one.path} is answered with HTTP {reply.status}: {_said(reply)}"
                )
        told = connection.request("GET", f"{base}/v1/faces", b"", {}).headers.get("x-regulars-time")
        if told and abs(late_s := int(told) / 1000 - time.time()) > _LATE_S:
            yield failed("clock", f"the service's clock is {late_s:+.0f} s from this machine's: let a network set both")
    yield well("limits", _LIMITS.get(dialect, "each match has reached the service's own threshold"))


def _said(reply: Reply) -> str:
    answer = reply.json if isinstance(reply.json, dict) else {}
    names = ("message", "Message", "msg", "error", "ERROR_MSG", "detail")
    found = next((str(answer[name]) for name in names if answer.get(name)), None)
    return found or reply.headers.get("x-ca-error-message") or "nothing that says why"


def _nobody() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), (128, 128, 128)).save(file, "JPEG")
    return file.getvalue()


def _multipart(fields: Mapping[str, Any], headers: Mapping[str, str] = {}) -> tuple[bytes, Mapping[str, str]]:
    body, kind = urllib3.encode_multipart_formdata(fields)
    return body, {"Content-Type": kind, **headers}


def _file() -> tuple[str, bytes, str]:
    return "picture.jpg", _nobody(), "image/jpeg"


def _member(name: str, *values: object) -> Callable[[Reply], bool]:
    return lambda reply: isinstance(reply.json, dict) and reply.json.get(name) in values


def _is_done(reply: Reply) -> bool:
    return reply.status == 200


def _sunmi(keys: Keys) -> list[Ask]:
    sent = {"app_id": keys["app_id"], "random": "1234567890", "timestamp": str(int(time.time()))}
    sent["sign"] = signature(sent, keys["app_key"])
    form = {"Content-Type": URLENCODED}
    return [
        Ask("groups", "/openapi/face/getGroupList", _member("code", 0), urlencode(sent).encode(), form),
        Ask(
            "search",
            "/openapi/face/getFaceByPicture",
            _member("code", UNUSABLE, NO_MATCH),
            *_multipart({**sent, "pic": _file()}),
        ),
    ]


def _icredit(keys: Keys) -> list[Ask]:
    sent = {"CONTROL_TYPE": "1", "IMAGE_TYPE": "0", "IMAGE": base64.b64encode(_nobody()).decode()}
    body = urlencode({**sent, "PERSON_GROUP_LABEL": keys.get("group", "regular")}).encode()
    headers = {"Content-Type": URLENCODED, "Authorization": f"APPCODE {keys['appcode']}"}
    return [Ask("search", "/icredit/face/manage", _is_done, body, headers)]


def _rekognition(keys: Keys) -> list[Ask]:
    image = {"Image": {"Bytes": base64.b64encode(_nobody()).decode()}}
    return [
        _signed(keys, "collections", "ListCollections", {}),
        _signed(keys, "detect", "DetectFaces", image),
    ]


def _signed(keys: Keys, subject: str, operation: str, members: Mapping[str, Any]) -> Ask:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    own = Credentials(keys["access_key_id"], keys["secret_access_key"])
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"RekognitionService.{operation}"}
    body = json.dumps(members).encode()
    sent = AWSRequest("POST", f"{keys['service']}/", headers, body)
    SigV4Auth(own, "rekognition", keys.get("region", "eu-central-1")).add_auth(sent)
    return Ask(subject, "/", _is_done, body, dict(sent.headers))


def _compreface(keys: Keys) -> list[Ask]:
    """Ask each service whose key the file has."""
    asked, faceless = [], _member("code", _NO_FACE)
    if key := keys.get("recognition"):
        own = {"x-api-key": key}
        asked += [
            Ask("subjects", "/api/v1/recognition/subjects", _is_done, headers=own, method="GET"),
            Ask("search", "/api/v1/recognition/recognize", faceless, *_multipart({"file": _file()}, own)),
        ]
    if key := keys.get("detection"):
        form = _multipart({"file": _file()}, {"x-api-key": key})
        asked.append(Ask("detect", "/api/v1/detection/detect", faceless, *form))
    if key := keys.get("verification"):
        form = _multipart({"source_image": _file(), "target_image": _file()}, {"x-api-key": key})
        asked.append(Ask("verify", "/api/v1/verification/verify", faceless, *form))
    if not asked:
        raise OperatorError("the file that --keys names has none of `recognition`, `detection` and `verification`")
    return asked


def _deepstack(keys: Keys) -> list[Ask]:
    """Ask with the key as a field, or without one, by the network."""
    key, done = ({"api_key": keys["api_key"]} if "api_key" in keys else {}), _member("success", True)
    return [
        Ask("ping", "/v1/server/status/ping", done, method="GET"),
        Ask("list", f"{_FACE}list", done, *_multipart({**key, "limit": "1"})),
        Ask("search", f"{_FACE}recognize", done, *_multipart({**key, "image": _file()})),
    ]


_DIALECTS: Mapping[str, Callable[[Keys], list[Ask]]] = {
    "sunmi": _sunmi,
    "icredit": _icredit,
    "rekognition": _rekognition,
    "compreface": _compreface,
    "deepstack": _deepstack,
}
NAMES = tuple(_DIALECTS)

_LIMITS = {
    name: f"0.5 is the match, however many are enrolled, in place of a raw likeness: take {limit} (docs/{name}.md)"
    for name, limit in (("compreface", "0.5"), ("deepstack", "none, or 0.5"))
} | {
    "rekognition": "a match has reached the service's threshold; FaceMatchThreshold asks for more (docs/rekognition.md)"
}
