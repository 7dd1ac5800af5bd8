"""The address that clients have: its service, its paths and its limits.

Between a client and the service stand a name, a router and a proxy, each with rules of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from chalicelib.api.dialects import DIALECTS
from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.domain.pictures import MAX_PICTURE_BYTES
from regulars.doctor.reach.asking import (
    CAPTURES,
    NotSetUp,
    OwnCamera,
    Reach,
    choose_remedy,
    own_camera,
)
from regulars.findings import Finding, failed, well

_UNSUPPORTED = 415
"""Status by which the service says that a body is no picture: it has read all of it."""
_PATHS = (
    "/v1/openapi.json",
    "/v1/faces",
    "/v1/faces/",
    "/v1//faces",
    "/v1/hooks/a%2Fb",
    "/v1/captures?camera=a%20b",
    "/console",
    "/console/",
    *(prefix for one in DIALECTS for prefix in one.prefixes),
)
"""Paths of clients, and those that proxies like to write otherwise."""
_OF_HEALTH = {
    200: "another service is there",
    300: "it sends elsewhere: set `public_url` to that address",
    401: "a proxy asks for a sign-in of its own: let it pass these paths",
    403: "a proxy lets nobody in: let it pass these paths",
    404: "the proxy passes the path on otherwise, or another service is there",
    502: "the proxy does not reach the service: see the address that it passes on to",
    503: "the service is not ready: `regulars doctor` says why",
    504: "the proxy does not reach the service: see the address that it passes on to",
}
_OF_BODIES = {
    401: "the key of a camera of this book is not known there: the address leads to another "
    "book, or a proxy takes `Authorization` away",
    408: "the body came too slowly for a proxy: raise its time limit",
    413: "a proxy takes no body of this size: raise its limit (nginx: `client_max_body_size`)",
    429: "too much is sent: ask again in a minute, and raise a proxy's limit",
    502: "a proxy broke off: raise its limits of size and time",
}


def ask_address(reach: Reach) -> Iterator[Finding]:
    """Ask at the address whether a service lives there, and whether it has this book."""
    with own_camera(reach) as camera:
        reply = reach.request("GET", "/health")
        answered = f"GET {reach.url}/health was answered"
        if reply.json == {"alive": True}:
            yield well("address", f"{answered} by a service")
            yield _post_zeros(camera, "address", 16)
        else:
            remedy = choose_remedy(reply.status, _OF_HEALTH)
            yield failed("address", f"{answered} {reply.status}: {remedy}")


def ask_limits(reach: Reach) -> Iterator[Finding]:
    """Post as many bytes as the largest picture may have."""
    with own_camera(reach) as camera:
        most_bytes = MAX_PICTURE_BYTES if reach.is_box else MAX_BODY_BYTES
        yield _post_zeros(camera, "limits", most_bytes)


def _post_zeros(camera: OwnCamera, subject: str, size: int) -> Finding:
    """Post so many zeros as a camera of this book, of which the service stores nothing."""
    status = camera.reach.request("POST", CAPTURES, bytes(size), camera.basic).status
    sent = f"a camera's body of {size:,} bytes, which is no picture, was"
    if status == _UNSUPPORTED:
        return well(subject, f"{sent} read by the service with this book")
    return failed(subject, f"{sent} answered {status}: {choose_remedy(status, _OF_BODIES)}")


def ask_paths(reach: Reach) -> Iterator[Finding]:
    """Ask for paths at the address and at the service itself, and compare the answers."""
    if not reach.url or reach.url == reach.inner_url:
        raise NotSetUp("`public_url` names no address before the service")
    if not reach.inner_url.startswith("http:"):
        raise NotSetUp("no service speaks plain HTTP on this machine, to compare with")
    inner = replace(reach, url=reach.inner_url)
    changed = [path for path in _PATHS if _ask(inner, path) != _ask(reach, path)]
    if not changed:
        yield well("paths", f"{len(_PATHS)} paths are answered there as by the service itself")
        return
    remedy = "pass paths on as they come (nginx: `proxy_pass` without a path, `merge_slashes off`)"
    yield failed("paths", f"GET of {', '.join(changed)} is answered otherwise than here: {remedy}")


def _ask(reach: Reach, path: str) -> tuple[int, str]:
    """Return status and kind of an answer, the same for each way to one service."""
    reply = reach.request("GET", path)
    return reply.status, str(reply.json.get("type")) if isinstance(reply.json, dict) else ""
