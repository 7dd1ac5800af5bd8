"""Sign-in, sign-out, and who is signed in, over v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from chalicelib.api.v1.auth import Caller, cookie_of, is_secure, no_cookie, require_no_other_site, session_token
from chalicelib.api.v1.endpoint import Call, Door, Operation
from chalicelib.api.v1.wire import Answer, Sent, Time
from chalicelib.core import errors, telemetry
from chalicelib.core.access import Role
from chalicelib.core.addresses import network_of
from chalicelib.core.values import time_text
from chalicelib.core.version import VERSION

if TYPE_CHECKING:
    from chalicelib.core.access import Session
    from chalicelib.services import Services


class NewSession(Sent):
    """One of the two."""

    api_key: Annotated[str, Meta(max_length=100)] | None = None
    code: Annotated[str, Meta(max_length=100, description="From `regulars console`; it is good once.")] | None = None


class RateLimits(Answer):
    """Twice as many may come at once. Each instance on AWS counts for itself."""

    requests_a_second: float
    searches_a_second: Annotated[float, Meta(description="Of those that look for faces in a picture.")]


class CurrentSession(Answer):
    tenant: str
    key: Annotated[str, Meta(description="The key's name; of a camera's key the camera's id.")]
    role: Literal["viewer", "operator", "admin", "camera"]
    pictures: Annotated[
        bool, Meta(description="Whether the key sees pictures of people; not if the tenant keeps none.")
    ]
    time_zone: Annotated[str, Meta(description="The tenant's: an IANA name.")]
    limits: RateLimits
    version: Annotated[str, Meta(description="Of the service.")]
    expires_at: Annotated[Time | None, Meta(description="Null: a key came in place of a cookie, and it has no end.")]


def begin_session(door: Door, body: NewSession) -> CurrentSession:
    """Sign in: give a key, or a code of `regulars console`, for a cookie that is good for twelve hours.

    The cookie is for browsers; programs send their key with each request. With the cookie, whatever is not GET needs
    `Sec-Fetch-Site: same-origin`, or an `Origin` of this host, and `Content-Type: application/json`. An address may
    send ten wrong keys or codes a minute; more of them are answered 429, and a right one is taken all the same.
    """
    if (body.api_key is None) == (body.code is None):
        raise errors.InvalidInput("send either api_key or code")
    services, public_url = door.services, door.services.settings.public_url
    require_no_other_site(door.request, public_url)
    token, session = _signed_in(services, body, network_of(door.request.address))
    telemetry.of_tenant(session.tenant.name)
    now, secure = services.clock.now(), is_secure(door.request, public_url)
    door.headers["Set-Cookie"] = cookie_of(token, session.expires_at, now, secure=secure)
    return _described(services, Caller(session.tenant, key=session.key, session=session))


def get_session(call: Call) -> CurrentSession:
    """Say who is signed in, or whose key it is, and what it may do."""
    return _described(call.services, call.caller)


def end_session(call: Call) -> None:
    """Sign out: end the session of the cookie. A key that came in place of one stays good."""
    session = session_token(call.http, call.services.settings.public_url)
    if session is not None:
        call.services.access.sessions.end(session)
    secure = is_secure(call.http, call.services.settings.public_url)
    call.headers["Set-Cookie"] = no_cookie(secure=secure)


_ERRORS = (
    errors.WrongCredentials,
    errors.TenantDisabled,
    errors.NotAllowed,
    errors.TooManyRequests,
    errors.Busy,
    errors.StorageUnavailable,
)

OPERATIONS = (
    Operation("POST", "/v1/session", begin_session, None, status=201, errors=_ERRORS),
    Operation("GET", "/v1/session", get_session, Role.VIEWER, of_cameras=True),
    Operation("DELETE", "/v1/session", end_session, Role.VIEWER, of_cameras=True),
)


def _signed_in(services: Services, body: NewSession, address: str) -> tuple[str, Session]:
    """Begin the session. A right key is taken however many wrong ones come: only those count against the address."""
    rates, right = services.access.rates, f"sign-ins of {address}"
    rates.requests.take(right)
    try:
        if body.api_key is not None:
            return services.access.sessions.of_key(body.api_key)
        return services.access.sessions.of_code(body.code or "")
    except errors.WrongCredentials:
        rates.requests.give_back(right)
        rates.wrong_sign_ins.take(address)
        raise


def _described(services: Services, caller: Caller) -> CurrentSession:
    key, settings = caller.key, services.settings
    expires_at = caller.session.expires_at if caller.session else key.expires_at if key else None
    return CurrentSession(
        tenant=caller.tenant.name,
        key=caller.name,
        role=caller.role.value,
        pictures=caller.is_shown_pictures,
        time_zone=caller.tenant.time_zone,
        limits=RateLimits(requests_a_second=settings.requests_a_second, searches_a_second=settings.searches_a_second),
        version=VERSION,
        expires_at=None if expires_at is None else time_text(expires_at),
    )
