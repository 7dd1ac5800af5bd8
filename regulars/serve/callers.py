"""Whose requests they are, as far as the front needs to know: which tenant's share of the server each uses.

It decides nothing about rights: whether the credentials are good for the request is for the application to say.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from chalicelib.adapters.embedded.uploads import PICTURES_PREFIX, PREFIX
from chalicelib.api.compreface.routes import PREFIX as COMPREFACE
from chalicelib.api.deepstack.errors import Failure
from chalicelib.api.deepstack.routes import PREFIX as DEEPSTACK
from chalicelib.api.deepstack.routes import keyless_tenant
from chalicelib.api.sunmi.endpoint import MAX_URLENCODED_BYTES
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.core.errors import RegularsError
from regulars.serve.lanes import STRANGERS
from regulars.serve.messages import Request

if TYPE_CHECKING:
    from chalicelib.core.model import Tenant
    from chalicelib.services import Services

SIGN_IN = (("POST", "/v1/session"), ("POST", "/v1/session/challenge"), ("POST", "/v1/claims"))
"""The requests by which people sign in. Only the bodies have credentials, so they are read before they are known."""

_SIGN_IN_BYTES = 8192
_REMEMBERED_S = 60.0
_LOOKS = 4
_SESSION = re.compile(r"(?:^|;\s*)(?:__Host-)?regulars=([A-Za-z0-9_-]+)")
_ACCESS_KEY = re.compile(r"(?:^|[ ,])Credential=([0-9A-Z]{16,128})/")
_APP_ID = re.compile(rb'app_id(?:=|"\r\n(?:[^\r\n]{1,80}\r\n)?\r\n)([0-9A-Za-z]{1,64})')
_API_KEY = re.compile(rb'api_key(?:=|"\r\n(?:[^\r\n]{1,80}\r\n)?\r\n)([0-9A-Fa-f-]{36})')
_IN_BODIES = (("app_id", b"app_id", _APP_ID), ("service", b"api_key", _API_KEY))
"""Claims that stand in a form: their kind, their field, and how that is written."""

_NAMES = ("app_id", "access_key")
"""Claims that are no secret: only the signature shows whose the request is, and it is checked when all has come."""

Find = Callable[[], str | None]
"""Looks into the storage for the tenant that some credentials belong to; None: nobody's."""


@dataclass(frozen=True)
class Claim:
    """The sender as a head names it. `find`: how to learn the tenant, unless the body must tell.

    `lane`: the tenant, if it is known already. `most_bytes`: most bytes of the body. `is_name`: it names the tenant by
    what others may know, too.
    """

    lane: str | None = None
    find: Find | None = None
    most_bytes: int | None = None
    is_name: bool = False


class Callers(Protocol):
    def at_head(self, head: Request) -> Claim: ...
    def in_body(self, body: bytes) -> Claim: ...


class Anybody:
    """Callers of a server without tenants."""

    def at_head(self, _head: Request) -> Claim:
        return Claim(STRANGERS)

    def in_body(self, _body: bytes) -> Claim:
        return Claim(STRANGERS)


class Tenants:
    """Callers by their credentials. Those that were found are remembered for a minute, those of nobody are not."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[tuple[str, str], str] = {}
        self._until = 0.0
        tenants, keys, cameras = services.tenants, services.access.keys, services.cameras
        self._find: Mapping[str, Callable[[str], Tenant | tuple[Tenant, *tuple[Any, ...]] | None]] = {
            "appcode": tenants.by_appcode,
            "bearer": lambda key: keys.by_api_key(key) or cameras.by_api_key(key),
            "access_key": tenants.by_access_key,
            "service": keys.by_service_key,
            "app_id": tenants.by_app_id,
            "session": services.access.sessions.find,
        }

    def at_head(self, head: Request) -> Claim:
        """Read the claim in a head. A signed path was checked already."""
        if head.path.startswith((PREFIX, PICTURES_PREFIX)):
            return Claim(head.path.split("/")[2])
        if (head.method, head.path) in SIGN_IN:
            return Claim(STRANGERS, most_bytes=_SIGN_IN_BYTES)
        if head.path.startswith((SUNMI, DEEPSTACK)):
            is_form = not head.headers.get("content-type", "").lower().startswith("multipart/")
            named = self._keyless(head) if head.path.startswith(DEEPSTACK) else None
            return Claim(named, most_bytes=MAX_URLENCODED_BYTES if is_form else None)
        if head.path.startswith(COMPREFACE):
            return (
                self._claim("service", head.headers["x-api-key"]) if "x-api-key" in head.headers else Claim(STRANGERS)
            )
        if "authorization" not in head.headers and (cookie := _SESSION.search(head.headers.get("cookie", ""))):
            return self._claim("session", cookie[1])
        scheme, _, secret = head.headers.get("authorization", "").strip().partition(" ")
        if signer := _ACCESS_KEY.search(secret) if scheme == "AWS4-HMAC-SHA256" else None:
            return self._claim("access_key", signer[1])
        if scheme.lower() not in ("appcode", "bearer"):
            codes = {value for name, value in parse_qsl(head.query) if name.lower() == "appcode"}
            scheme, secret = "appcode", codes.pop() if len(codes) == 1 else ""
        return self._claim(scheme.lower(), secret.strip())

    def _keyless(self, head: Request) -> str | None:
        """Return whose the call is if it has no key: its network was named, so it stands among no strangers."""
        try:
            return keyless_tenant(self._services.settings, head.client, head.headers)
        except Failure:
            return None

    def in_body(self, body: bytes) -> Claim:
        """Read the claim in a form, wherever its field stands. One that is spelled oddly is a stranger's."""
        for kind, name, written in _IN_BODIES:
            at = -1
            for _ in range(_LOOKS):
                at = body.find(name, at + 1)
                if at < 0:
                    break
                if found := written.match(body, at):
                    return self._claim(kind, found[1].decode("ascii"))
        return Claim(STRANGERS)

    def _claim(self, kind: str, secret: str) -> Claim:
        now = time.monotonic()
        if now > self._until:
            self._known, self._until = {}, now + _REMEMBERED_S
        lane = self._known.get((kind, secret))
        return Claim(lane, None if lane else partial(self._found, kind, secret), is_name=kind in _NAMES)

    def _found(self, kind: str, secret: str) -> str | None:
        """Look the tenant up. If the storage fails, the sender is a stranger, and the application answers it."""
        try:
            found = self._find[kind](secret) if secret else None
        except RegularsError:
            return STRANGERS
        if found is None:
            return None
        tenant = found[0] if isinstance(found, tuple) else found
        self._known[kind, secret] = tenant.name
        return tenant.name
