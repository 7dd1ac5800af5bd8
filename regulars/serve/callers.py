"""The callers of requests, as far as the front needs them: the tenant whose share of the server
each uses.

It decides nothing about rights: whether the credentials are good for the request is for the
application to say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api.credentials import NOBODY, FindTenant, Recognise, SignatureCredential
from chalicelib.api.http import ONE_BOX, HttpRequest
from chalicelib.api.v1 import routes as v1
from chalicelib.auth.addresses import find_network
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.box.uploads import PICTURES_PREFIX, PREFIX
from regulars.serve.gateway import find_views
from regulars.serve.messages import Request

_SURE_S = 60.0
"""How long a key that was found is its tenant's without another look."""

REMEMBERED = 10_000
"""How many credentials are remembered, the last ones that were proved."""

SHORT_BYTES = 2048
"""Up to this size a form takes about as long to read as any request."""

ClaimKey = tuple[object, ...]
"""The sender as the request names it: by the key that it has, or by the id that signed it with the
sender's network."""

Prove = Callable[[Request], str | None]
"""Proves whose a request is: looks up its key, or checks its signature. Return the tenant; None:
nobody's."""


class CallerHint(Struct, frozen=True):
    """The sender of a request, read from its head or from the whole request.

    `tenant`: the sender's tenant, if that needs no proof now. `prove`: finds the tenant otherwise,
    which takes a thread's time. `by_body`: whether the body has the proof, or may be anybody's.
    `claim_key`: by which a proof is remembered. `former_tenant`: the tenant that was found when the
    same was proved last.
    """

    tenant: str | None = None
    prove: Prove = lambda _request: None
    by_body: bool = False
    claim_key: ClaimKey = ()
    former_tenant: str | None = None


class Proof(NamedTuple):
    """The tenant of a credential that was proved, and the time, by the monotonic clock, until which
    that is sure.

    `recognise`: of an id that signs, tells whether another request is signed by the same secret.
    """

    tenant: str | None
    sure_until: float
    recognise: Recognise | None = None


ReadCaller = Callable[[Request], CallerHint]
"""Reads in a head whose a request is; if it says `by_body`, again in the whole request."""


def claim_nothing(_request: Request) -> CallerHint:
    """Claim nothing, at a server without tenants."""
    return CallerHint(by_body=True)


class Tenants:
    """Callers by their credentials.

    What was proved is remembered: keys, and from where an id signed.

    A key is its tenant's for a minute. Afterwards it is looked up again, as each signature is
    checked, at the cost of the tenant that it was of: no call that was proved before waits among
    strangers, who may send from its address.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._proofs: OrderedDict[ClaimKey, Proof] = OrderedDict()

    def parse_credential(self, request: Request) -> CallerHint:
        """Read from a head, or from a whole request, whose request it credentials to be.

        A signed URL names its tenant, and its signature was checked before. Nobody is known before
        a sign-in. Any other request has a key, or a signature of its whole text, of the dialect
        that its path belongs to.
        """
        if request.path.startswith((PREFIX, PICTURES_PREFIX)):
            return CallerHint(request.path.split("/")[2])
        if (request.method, request.path) in v1.SIGN_IN:
            return CallerHint(by_body=True, claim_key=("sign-in",))
        dialect_credential = find_views(request.path).parse_credential(
            self._services.settings, request
        )
        # the console's start has its path in common with a dialect
        if dialect_credential is NOBODY:
            dialect_credential = v1.VIEWS.parse_credential(self._services.settings, request)
        if isinstance(dialect_credential, SignatureCredential):
            claim_key = (
                dialect_credential.find,
                dialect_credential.id,
                find_network(request.client),
            )
            hint = replace(
                self._make_hint(claim_key, partial(self._check_signature, dialect_credential)),
                by_body=True,
            )
            is_short = 0 < len(request.body) <= SHORT_BYTES
            if hint.former_tenant and is_short and not self._is_recognised(claim_key, request):
                return replace(hint, former_tenant=None, claim_key=("named", *claim_key))
            return hint
        hint = self._make_hint(
            (dialect_credential.find, dialect_credential.key),
            lambda _request: self._find_tenant(dialect_credential.find, dialect_credential.key),
        )
        return replace(
            hint,
            tenant=dialect_credential.tenant or hint.tenant,
            by_body=dialect_credential.in_body,
        )

    def _make_hint(self, claim_key: ClaimKey, prove: Prove) -> CallerHint:
        proof = self._proofs.get(claim_key, Proof(None, 0.0))
        is_sure = time.monotonic() < proof.sure_until
        return CallerHint(
            proof.tenant if is_sure else None,
            prove,
            claim_key=claim_key,
            former_tenant=proof.tenant,
        )

    def _remember(
        self,
        claim_key: ClaimKey,
        tenant: Tenant,
        sure_s: float = 0.0,
        recognise: Recognise | None = None,
    ) -> str:
        self._proofs.pop(claim_key, None)  # the last one proved is the last to be forgotten
        self._proofs[claim_key] = Proof(tenant.name, time.monotonic() + sure_s, recognise)
        if len(self._proofs) > REMEMBERED:
            self._proofs.popitem(last=False)
        return tenant.name

    def _find_tenant(self, find: FindTenant, key: str) -> str | None:
        """Look the tenant of a key up. Raises Busy, StorageUnavailable."""
        try:
            tenant = find(self._services, key) if key else None
        except (Busy, StorageUnavailable):
            raise
        except RegularsError:
            tenant = None
        if tenant is None:
            self._proofs.pop((find, key), None)
            return None
        return self._remember((find, key), tenant, _SURE_S)

    def _is_recognised(self, claim_key: ClaimKey, request: Request) -> bool:
        """Tell whether the secret that proved a credential signed this request, too: it may have
        been renewed since.

        Without it, whoever names an id from its address would stand in front of those who sign.
        """
        recognise = self._proofs[claim_key].recognise
        try:
            return recognise is not None and recognise(_to_http_request(request))
        except Exception:
            return False

    def _check_signature(self, credential: SignatureCredential, request: Request) -> str | None:
        """Return the tenant that signed the request.

        None if the signature is wrong: the application tells the sender why.
        """
        try:
            id_, tenant = credential.find(self._services, _to_http_request(request))
            claim_key = (credential.find, id_, find_network(request.client))
            is_known = claim_key in self._proofs and self._is_recognised(claim_key, request)
            recognise = (
                self._proofs[claim_key].recognise
                if is_known
                else credential.remember(self._services, tenant)
            )
        except Exception:
            return None
        return self._remember(claim_key, tenant, recognise=recognise)


def _to_http_request(request: Request) -> HttpRequest:
    """Return a whole request as dialects see it."""
    return HttpRequest(
        method=request.method,
        path=request.path,
        headers=request.headers,
        query=parse_qs(request.query, keep_blank_values=True),
        encoded_body=request.body,
        is_base64=False,
        called_path=request.called_path,
        stage=ONE_BOX,
    )
