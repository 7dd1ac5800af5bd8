"""Whose requests they are, as far as the front needs to know: which tenant's share of the server each uses.

It decides nothing about rights: whether the credentials are good for the request is for the application to say.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct

from chalicelib.adapters.embedded.uploads import PICTURES_PREFIX, PREFIX
from chalicelib.api.compreface.routes import PREFIX as COMPREFACE
from chalicelib.api.deepstack.routes import PREFIX as DEEPSTACK
from chalicelib.api.deepstack.routes import keyless_tenant
from chalicelib.api.http import ONE_BOX, Failure, HttpRequest
from chalicelib.api.icredit.operation import sent_code
from chalicelib.api.rekognition import operation as rekognition
from chalicelib.api.sunmi import endpoint as sunmi
from chalicelib.api.sunmi.routes import PREFIX as SUNMI
from chalicelib.api.v1.routes import SIGN_IN
from chalicelib.core.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.core.model import Tenant
from chalicelib.services import Services
from regulars.serve.messages import Request

_REMEMBERED_S = 60.0
_LOOKS = 4
_SESSION = re.compile(r"(?:^|;\s*)(?:__Host-)?regulars=([A-Za-z0-9_-]+)")
_API_KEY = re.compile(rb'api_key(?:=|"\r\n(?:[^\r\n]{1,80}\r\n)?\r\n)([0-9A-Fa-f-]{36})')

Prove = Callable[[Request], str | None]
"""Proves whose a request is: looks up its key, or checks its signature. Return the tenant; None: nobody's."""


class CallerHint(Struct, frozen=True):
    """Sender of a request, as its head tells. `tenant`: proved already. `prove`: takes a thread's time.

    `formerly`: it was proved a minute ago, and is proved again at that tenant's cost. `by_body`: the body has the
    proof, or may be anybody's.
    """

    tenant: str | None = None
    prove: Prove = lambda _request: None
    by_body: bool = False
    formerly: str | None = None


AtHead = Callable[[Request], CallerHint]
"""Reads in a head whose a request is."""


def anybody(_head: Request) -> CallerHint:
    """Claim nothing, at a server without tenants."""
    return CallerHint(by_body=True)


class Tenants:
    """Callers by their credentials. Keys that were found are remembered for a minute, those of nobody are not.

    In the minute after, they are looked up again among their tenant's calls: a call with one need not wait among
    strangers, who may send from the same address.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[tuple[str, str], str] = {}
        self._formerly: dict[tuple[str, str], str] = {}
        self._until = 0.0
        tenants, keys, cameras = services.tenants, services.access.keys, services.cameras
        self._find: Mapping[str, Callable[[str], Tenant | tuple[Tenant, *tuple[Any, ...]] | None]] = {
            "appcode": tenants.by_appcode,
            "bearer": lambda key: keys.by_api_key(key) or cameras.by_api_key(key),
            "service": keys.by_service_key,
            "session": services.access.sessions.find,
        }

    def at_head(self, head: Request) -> CallerHint:
        """Read the claim in a head. A signed path was checked already."""
        if head.path.startswith((PREFIX, PICTURES_PREFIX)):
            return CallerHint(head.path.split("/")[2])
        if (head.method, head.path) in SIGN_IN:
            return CallerHint(by_body=True)
        if head.path.startswith(SUNMI):
            return CallerHint(prove=partial(self._signer, sunmi.signer), by_body=True)
        if head.path.startswith(DEEPSTACK):
            return CallerHint(self._keyless(head), self._by_key_in_body, by_body=True)
        if head.path.startswith(COMPREFACE):
            return self._claim("service", head.headers.get("x-api-key", ""))
        if "authorization" not in head.headers and (cookie := _SESSION.search(head.headers.get("cookie", ""))):
            return self._claim("session", cookie[1])
        scheme, _, secret = head.headers.get("authorization", "").strip().partition(" ")
        if scheme == "AWS4-HMAC-SHA256":
            return CallerHint(prove=partial(self._signer, rekognition.signer), by_body=True)
        if scheme.lower() == "bearer":
            return self._claim("bearer", secret.strip())
        return self._claim("appcode", sent_code(head.headers, parse_qs(head.query)) or "")

    def _claim(self, kind: str, secret: str) -> CallerHint:
        tenant = self._remembered(kind, secret)
        return CallerHint(tenant, lambda _head: self._found(kind, secret), formerly=self._formerly.get((kind, secret)))

    def _remembered(self, kind: str, secret: str) -> str | None:
        now = time.monotonic()
        if now > self._until:
            self._formerly, self._known, self._until = self._known, {}, now + _REMEMBERED_S
        return self._known.get((kind, secret))

    def _found(self, kind: str, secret: str) -> str | None:
        """Look the tenant of a secret up. Raises Busy, StorageUnavailable."""
        try:
            found = self._find[kind](secret) if secret else None
        except (Busy, StorageUnavailable):
            raise
        except RegularsError:
            return None
        if found is None:
            return None
        tenant = found[0] if isinstance(found, tuple) else found
        self._known[kind, secret] = tenant.name
        return tenant.name

    def _by_key_in_body(self, request: Request) -> str | None:
        """Look the key of a form up, wherever its field stands. One that is spelled oddly is nobody's here."""
        at = -1
        for _ in range(_LOOKS):
            at = request.body.find(b"api_key", at + 1)
            if at < 0:
                break
            if written := _API_KEY.match(request.body, at):
                secret = written[1].decode("ascii")
                return self._remembered("service", secret) or self._found("service", secret)
        return None

    def _keyless(self, head: Request) -> str | None:
        try:
            return keyless_tenant(self._services.settings, head.client, head.headers)
        except Failure:
            return None

    def _signer(self, signer: Callable[[Services, HttpRequest], Tenant], request: Request) -> str | None:
        """Check the signature. Of whatever is wrong with it, the application tells the sender."""
        sent = HttpRequest(
            method=request.method,
            path=request.path,
            headers=request.headers,
            query=parse_qs(request.query, keep_blank_values=True),
            encoded_body=request.body,
            is_base64=False,
            called_path=request.called_path,
            stage=ONE_BOX,
        )
        try:
            return signer(self._services, sent).name
        except Exception:
            return None
