"""The app code that the API market sends with each call, the quota, and refusals in the words of its gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.api.http import HttpRequest, Refused
from chalicelib.core.model import Tenant

if TYPE_CHECKING:
    from chalicelib.services import Services

_SCHEME = "appcode"
_QUERY_NAME = "appcode"


def caller(request: HttpRequest, services: Services) -> Tenant:
    """Return the tenant with the app code of the request, and count the request against its quota, whatever its result.

    Raises Refused: 400 missing or unknown, 403 disabled, 403 quota used up.
    """
    appcode = _sent(request)
    tenant = services.tenants.by_appcode(appcode) if appcode else None
    if tenant is None:
        raise _refusal(400, "Invalid AppCode", "A400AC")
    if tenant.disabled:
        raise _refusal(403, "Unauthorized", "A403AU")
    if not request.is_second_try and not services.access.quotas.take(tenant):
        raise _refusal(403, "Quota Exhausted", "A403QE")
    return tenant


def _sent(request: HttpRequest) -> str | None:
    """Read the app code from `Authorization: APPCODE <code>`, else from the query, where the name may have any case."""
    scheme, _, code = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == _SCHEME:
        return code.strip()
    codes = {value for name, values in request.query.items() if name.lower() == _QUERY_NAME for value in values}
    return codes.pop().strip() if len(codes) == 1 else None


def _refusal(status: int, message: str, code: str) -> Refused:
    return Refused(status, "", {"X-Ca-Error-Message": message, "X-Ca-Error-Code": code})
