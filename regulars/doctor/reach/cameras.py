"""Cameras: pictures without a face come as each maker's camera and as an uploader sends them.

A camera is added for it, and deleted behind it. Its pictures go with those of all cameras.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from chalicelib.domain.captures import CaptureState
from chalicelib.storage.values import time_text
from regulars.clients import V1
from regulars.doctor.reach.asking import CAPTURES, OwnCamera, Reach, choose_remedy, own_camera
from regulars.findings import Finding, failed, well

_LOOK_S = 0.2
_REMEDIES = {
    300: "it sends elsewhere, where no camera follows: give cameras that address",
    400: "a proxy has changed the body: pass it on as it comes",
    401: "a proxy takes `Authorization` away, or asks for a sign-in of its own: pass it on",
    403: "a proxy lets no post through: allow POST of /v1/captures",
    404: "a proxy passes the path on otherwise: pass /v1/captures on as it is",
    411: "a proxy takes no chunked body: have it pass bodies on",
    413: "a proxy takes no picture of this size: raise its limit (nginx: `client_max_body_size`)",
    415: "a proxy has changed the content type: pass it on as it comes",
    429: "too much is sent: ask again in a minute, and raise a proxy's limit",
    502: "a proxy does not reach the service: see the address that it passes on to",
}
_NOT_LOOKED_AT = (
    "see the service's log; on AWS the bucket's notification, its queue and the function `ingest`"
)


class Push(NamedTuple):
    """A post as cameras of one maker send it: parts of a form before the picture, and its own."""

    maker: str
    kind: str
    boundary: str = ""
    before: str = ""
    head: str = ""

    def write(self, picture: bytes) -> bytes:
        if not self.boundary:
            return picture
        line = f"--{self.boundary}\r\n"
        begin = f"{line}{self.before}\r\n{line}{self.head}\r\nContent-Type: image/jpeg\r\n\r\n"
        return begin.encode() + picture + f"\r\n--{self.boundary}--\r\n".encode()


_XML = 'Content-Disposition: form-data; name="Event"\r\nContent-Type: application/xml\r\n\r\n<a/>'
_NAMED = 'Content-Disposition: form-data; name="{0}"; filename="{0}.jpg"'.format
PUSHES = (
    Push(
        "Hikvision",
        "multipart/form-data; boundary=MIME_boundary",
        "MIME_boundary",
        _XML,
        _NAMED("detectionPicture"),
    ),
    Push(
        "Dahua",
        "multipart/mixed; boundary=myboundary",
        "myboundary",
        "Content-Type: text/plain\r\n\r\n{}",
        "X-Index: 0",
    ),
    Push("Axis", "image/jpeg"),
    Push(
        "KHJ",
        "multipart/form-data; boundary=x",
        "x",
        'Content-Disposition: form-data; name="uid"\r\n\r\nKHJ-123456',
        _NAMED("imgFile"),
    ),
)
"""By the makers' public documents (docs/tasks/push.md)."""


def ask_pushes(reach: Reach) -> Iterator[Finding]:
    """Post a picture as each maker's camera does, which first asks how to sign in."""
    with own_camera(reach) as camera:
        if reach.is_box:  # a stage's gateway passes no WWW-Authenticate on
            yield _ask_challenge(reach)
        for push in PUSHES:
            yield _push(camera, push)


def _ask_challenge(reach: Reach) -> Finding:
    """Post without a key: a camera then reads how to sign in."""
    reply = reach.request("POST", CAPTURES)
    said = f"a post without a key was answered {reply.status}"
    if reply.status == 401 and reply.headers.get("www-authenticate", "").startswith("Basic"):
        return well("camera", f"{said}, by which a camera signs in")
    remedy = "cameras that wait to be asked send nothing: have the proxy pass WWW-Authenticate on"
    return failed("camera", f"{said}, and names no Basic: {remedy}")


def _push(camera: OwnCamera, push: Push) -> Finding:
    picture = _draw()
    headers = {**camera.basic, "Content-Type": push.kind}
    reply = camera.reach.request("POST", CAPTURES, push.write(picture), headers)
    kind = push.kind.partition(";")[0]
    sent = f"a picture as {push.maker}'s cameras post it ({kind})"
    if reply.status != 202:
        remedy = choose_remedy(reply.status, _REMEDIES)
        return failed("camera", f"{sent} was answered {reply.status}: {remedy}")
    capture = camera.find(reply.json.get("id", "none")) if isinstance(reply.json, dict) else None
    if capture is None or capture.sha256 != hashlib.sha256(picture).hexdigest():
        return failed("camera", f"{sent} was answered 202, and this book has not those bytes")
    return well("camera", f"{sent} is a capture, byte for byte")


def ask_uploads(reach: Reach) -> Iterator[Finding]:
    """Offer a picture, put it to the URL that is answered, and wait until it was looked at.

    On AWS S3 takes it, and its event says that it is there.
    """
    with own_camera(reach) as camera:
        yield _upload(camera, _draw())


def _upload(camera: OwnCamera, picture: bytes) -> Finding:
    offer = {
        "camera": camera.camera.id,
        "captured_at": time_text(camera.reach.now - timedelta(seconds=1)),
        "sha256": hashlib.sha256(picture).hexdigest(),
        "size": len(picture),
        "content_type": "image/jpeg",
    }
    service = V1(camera.reach, camera.key)
    reply = service.request_reply("POST", f"{CAPTURES}/uploads", {"captures": [offer]})
    if reply.status != 200:
        remedy = choose_remedy(reply.status, _REMEDIES)
        return failed("upload", f"a picture's offer was answered {reply.status}: {remedy}")
    [upload] = reply.json["uploads"]
    url = urlsplit(upload["url"])
    sent = f"a picture that was offered, and put to {url.hostname}"
    storage = replace(camera.reach, url=f"{url.scheme}://{url.netloc}")
    path = f"{url.path}?{url.query}"
    status = storage.request(upload["method"], path, picture, upload["headers"]).status
    if status != 200:
        return failed("upload", f"{sent}, was answered {status}: see that this host takes PUT")
    state = _await_look(camera, upload["id"])
    if state is CaptureState.RESOLVED:
        return well("upload", f"{sent}, was looked at")
    return failed("upload", f"{sent}, is {state}, and was not looked at: {_NOT_LOOKED_AT}")


def _await_look(camera: OwnCamera, capture_id: str) -> CaptureState:
    """Wait until a capture is looked at; return its state in the end."""
    state, until = CaptureState.WANTED, time.monotonic() + camera.reach.patience_s
    while time.monotonic() < until and state in (CaptureState.WANTED, CaptureState.STORED):
        time.sleep(_LOOK_S)
        capture = camera.find(capture_id)
        state = capture.state if capture else CaptureState.WANTED
    return state


def _draw() -> bytes:
    """Draw a grey picture, on which nobody is. Each has other bytes, and so is a capture of its
    own."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (640, 480), "#777").save(file, "JPEG", comment=secrets.token_bytes(16))
    return file.getvalue()
