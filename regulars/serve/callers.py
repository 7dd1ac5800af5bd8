"""Whose requests they are, as far as the front needs to know: which tenant's share of the server each uses.

It decides nothing about rights: whether the credentials are good for the request is for the application to say.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct
from msgspec.structs import replace

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
from chalicelib.core.addresses import network_of
from chalicelib.core.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.core.model import Tenant
from chalicelib.services import Services
from regulars.serve.messages import Request

_SURE_S = 60.0
"""How long a key that was found is its tenant's without another look."""

REMEMBERED = 10_000
"""How many claims are remembered, the last ones that were proved."""

_LOOKS = 4
_SESSION = re.compile(r"(?:^|;\s*)(?:__Host-)?regulars=([A-Za-z0-9_-]+)")
_ACCESS_KEY = re.compile(r"Credential=([A-Z0-9]{16,40})/")
_VALUE = re.compile(rb'(?:=|"\r\n(?:[^\r\n]{1,80}\r\n)?\r\n)([0-9A-Za-z-]{16,36})')

_Signer = Callable[[Services, HttpRequest], tuple[str, Tenant]]
Prove = Callable[[Request], str | None]
"""Proves whose a request is: looks up its key, or checks its signature. Return the tenant; None: nobody's."""


class CallerHint(Struct, frozen=True):
    """Sender of a request, as its head tells, or all of it. `tenant`: proved already. `prove`: takes a thread's time.

    `by_body`: the body has the proof, or may be anybody's. `claim`: what is to be proved. `formerly`: whose it was
    when it was proved last.
    """

    tenant: str | None = None
    prove: Prove = lambda _request: None
    by_body: bool = False
    claim: tuple[object, ...] = ()
    formerly: str | None = None


ReadCaller = Callable[[Request], CallerHint]
"""Reads in a head whose a request is; if it says `by_body`, again in the whole request."""


def anybody(_request: Request) -> CallerHint:
    """Claim nothing, at a server without tenants."""
    return CallerHint(by_body=True)


class Tenants:
    """Callers by their credentials. What was proved is remembered: keys, and from where an id signed.

    A key is its tenant's for a minute. Afterwards it is looked up again, as each signature is checked, at the cost of
    the tenant that it was of: no call that was proved before waits among strangers, who may send from its address.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._proved: OrderedDict[tuple[object, ...], tuple[str, float]] = OrderedDict()
        """By claim: its tenant, and until when that is sure. A signature's has the sender, too."""
        tenants, keys, cameras = services.tenants, services.access.keys, services.cameras
        self._find: Mapping[str, Callable[[str], Tenant | tuple[Tenant, *tuple[Any, ...]] | None]] = {
            "appcode": tenants.by_appcode,
            "bearer": lambda key: keys.by_api_key(key) or cameras.by_api_key(key),
            "service": keys.by_service_key,
            "session": services.access.sessions.find,
        }

    def read(self, request: Request) -> CallerHint:
        """Read the claim in a head, or in a whole request. A signed path was checked already."""
        if request.path.startswith((PREFIX, PICTURES_PREFIX)):
            return CallerHint(request.path.split("/")[2])
        if (request.method, request.path) in SIGN_IN:
            return CallerHint(by_body=True, claim=("sign-in",))
        if request.path.startswith(SUNMI):
            return self._signature(sunmi.signer, _field(b"app_id", request.body), request)
        if request.path.startswith(DEEPSTACK):
            by_key = self._key("service", _field(b"api_key", request.body))
            return replace(by_key, tenant=self._keyless(request) or by_key.tenant, by_body=True)
        if request.path.startswith(COMPREFACE):
            return self._key("service", request.headers.get("x-api-key", ""))
        if "authorization" not in request.headers and (cookie := _SESSION.search(request.headers.get("cookie", ""))):
            return self._key("session", cookie[1])
        scheme, _, secret = request.headers.get("authorization", "").strip().partition(" ")
        if scheme == "AWS4-HMAC-SHA256":
            named = _ACCESS_KEY.search(secret)
            return self._signature(rekognition.signer, named[1] if named else "", request)
        if scheme.lower() == "bearer":
            return self._key("bearer", secret.strip())
        return self._key("appcode", sent_code(request.headers, parse_qs(request.query)) or "")

    def _key(self, kind: str, secret: str) -> CallerHint:
        return self._claim((kind, secret), lambda _request: self._find_tenant(kind, secret))

    def _signature(self, signer: _Signer, id_: str, request: Request) -> CallerHint:
        claim = self._claim((signer, id_, network_of(request.client)), partial(self._check_signature, signer))
        return replace(claim, by_body=True)

    def _claim(self, claim: tuple[object, ...], prove: Prove) -> CallerHint:
        formerly, sure_until = self._proved.get(claim, (None, 0.0))
        is_sure = time.monotonic() < sure_until
        return CallerHint(formerly if is_sure else None, prove, claim=claim, formerly=formerly)

    def _remember(self, claim: tuple[object, ...], tenant: Tenant, sure_s: float = 0.0) -> str:
        self._proved.pop(claim, None)  # the last one proved is the last to be forgotten
        self._proved[claim] = tenant.name, time.monotonic() + sure_s
        if len(self._proved) > REMEMBERED:
            self._proved.popitem(last=False)
        return tenant.name

    def _find_tenant(self, kind: str, secret: str) -> str | None:
        """Look the tenant of a secret up. Raises Busy, StorageUnavailable."""
        try:
            found = self._find[kind](secret) if secret else None
        except (Busy, StorageUnavailable):
            raise
        except RegularsError:
            found = None
        if found is None:
            self._proved.pop((kind, secret), None)
            return None
        tenant = found[0] if isinstance(found, tuple) else found
        return self._remember((kind, secret), tenant, _SURE_S)

    def _keyless(self, head: Request) -> str | None:
        try:
            return keyless_tenant(self._services.settings, head.client, head.headers)
        except Failure:
            return None

    def _check_signature(self, signer: _Signer, request: Request) -> str | None:
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
            id_, tenant = signer(self._services, sent)
        except Exception:
            return None
        return self._remember((signer, id_, network_of(request.client)), tenant)


def _field(name: bytes, body: bytes) -> str:
    """Read an id or a key in a form, wherever its field stands; "" if there is none, or it is spelled oddly."""
    at = -1
    for _ in range(_LOOKS):
        at = body.find(name, at + 1)
        if at < 0:
            break
        if written := _VALUE.match(body, at + len(name)):
            return written[1].decode("ascii")
    return ""
