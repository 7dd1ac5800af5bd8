"""Authentication: by a bearer key, a tenant's or one of its cameras', or by the cookie of a
session.

A browser sends a cookie by itself, also when another site makes it send a request. So with a
cookie, whatever changes something must come from a page of this very host, as the browser says. It
must also be JSON, or have neither body nor content type, since no form of HTML can send that.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from chalice.app import CaseInsensitiveMapping
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.api.http import BOOK_HEADER, JSON, HttpRequest
from chalicelib.api.sites import is_of_another_site, is_of_this_host, parse_host
from chalicelib.auth.roles import ApiKey, Member, Role, Session
from chalicelib.domain import api_keys
from chalicelib.domain.audit_events import AuditEvent, begin_audit_event, kind_of
from chalicelib.domain.errors import (
    Busy,
    NotAllowed,
    StorageUnavailable,
    TenantDisabled,
    WrongCredentials,
)
from chalicelib.domain.model import Tenant
from chalicelib.services import Services

if TYPE_CHECKING:
    from chalicelib.domain.captures import Camera


class Caller(Struct, frozen=True):
    """The authenticated caller: somebody with a `key` of the tenant, a member who signed in, or a
    `camera`.

    `session`: that of the `cookie` which came in place of the key.
    """

    tenant: Tenant
    key: ApiKey | Member | None = None
    camera: Camera | None = None
    session: Session | None = None
    cookie: SessionCookie | None = None

    @property
    def id(self) -> str:
        """Id by which the caller's requests are known."""
        if isinstance(self.key, Member):
            return f"member {self.key.id}"
        return (
            self.key.id
            if self.key is not None
            else f"camera {self.camera.id}"
            if self.camera is not None
            else ""
        )

    @property
    def audit_name(self) -> str:
        """The caller's name in the audit: a key's id says nothing of its secret."""
        if self.key is None:
            return self.id
        if isinstance(self.key, Member):
            return self.key.audit_name
        return f"key {self.key.id}" if self.session is None else f"key {self.key.id}, signed in"

    @property
    def name(self) -> str:
        return (
            self.key.name
            if self.key is not None
            else self.camera.id
            if self.camera is not None
            else ""
        )

    @property
    def role(self) -> Role:
        return Role.CAMERA if self.key is None else self.key.role

    @property
    def sees_pictures(self) -> bool:
        """True if pictures of people may be shown to the caller: to no camera, which only sends
        them."""
        return self.key is not None and self.key.pictures

    @property
    def is_shown_pictures(self) -> bool:
        """True if there are pictures to show and the caller may see them."""
        return self.sees_pictures and self.tenant.keeps_pictures

    def require_pictures(self) -> None:
        """Raise NotAllowed if no pictures of people may be shown to the caller."""
        if not self.sees_pictures:
            raise NotAllowed("this key sees no pictures: use one that does")

    def require_may_give(self, *, pictures: bool) -> None:
        """Raise NotAllowed if somebody would be shown `pictures` by a caller who is shown none."""
        if pictures and not self.sees_pictures:
            raise NotAllowed(
                "this key sees no pictures, and can let nobody see any: use one that does"
            )

    def require_role(self, needed: Role, *, of_cameras: bool) -> None:
        """Raise NotAllowed if the key's role does not include `needed`.

        `of_cameras`: a camera's key will do, too.
        """
        if self.role.includes(needed) or (of_cameras and self.role is Role.CAMERA):
            return
        if self.role is Role.CAMERA:
            raise NotAllowed(
                f"this needs a key of role {needed}, and a camera's key can upload its captures "
                "and nothing else: use "
                "a key of the tenant"
            )
        if isinstance(self.key, Member):
            raise NotAllowed(
                f"this needs the role {needed}, and yours is {self.role}: ask somebody who manages"
            )
        raise NotAllowed(
            f"this needs a key of role {needed}, and this key's role is {self.role}: use another "
            "key"
        )

    @property
    def is_of_figures(self) -> bool:
        """Tell whether the caller was invited to a page of figures, which names nobody."""
        return isinstance(self.key, Member) and self.key.is_of_figures

    @property
    def is_screen(self) -> bool:
        """Tell whether the caller is a screen on the wall."""
        return isinstance(self.key, Member) and self.key.screen

    def require_page(self, operation: str, query: Mapping[str, Sequence[str]]) -> None:
        """Raise NotAllowed if the caller was invited to one page, which does not ask this.

        `operation`: its method and path, as `GET /v1/faces`.
        """
        if isinstance(self.key, Member) and not self.key.may_ask(operation, query):
            raise NotAllowed(
                f"you were invited to the page {self.key.shown_page} alone, which does not need "
                "this: ask somebody who "
                "manages for a sign-in of your own"
            )

    def require_camera(self, *names: str | None) -> None:
        """Raise NotAllowed if the caller is a camera and any of these ids or names is another's;
        None: not given."""
        if self.camera is None:
            return
        for name in names:
            if name is not None and name not in (self.camera.id, self.camera.name):
                raise NotAllowed(
                    f"this is the key of camera {self.camera.id!r}, which is good for that camera "
                    "only: "
                    "use the tenant's api_key"
                )


class Operator(Caller, frozen=True):
    """The operator at the machine itself, who needs no key of the tenant."""

    @property
    def audit_name(self) -> str:
        return _OPERATOR


_OPERATOR = "operator"


def make_operator(tenant: Tenant) -> Operator:
    """Return the operator as a caller, with an admin's rights in this tenant."""
    key = ApiKey(_OPERATOR, _OPERATOR, Role.ADMIN, tenant.created_at, digest="")
    return Operator(tenant, key=key)


def authenticate(request: HttpRequest, services: Services) -> Caller:
    """Return the caller whose key the request has or, without a key, whose session its cookie
    names.

    The use of a key is noted. Raises WrongCredentials if there is neither, or it is not good any
    more. Raises NotAllowed if another site's page made the browser send its cookie, and
    TenantDisabled.
    """
    public_url = services.settings.public_url
    if has_key(request.headers):
        caller = _authenticate_bearer(request.headers["authorization"], services)
    elif (cookie := _choose_session_cookie(request, services)) is not None:
        session = services.access.sessions.find(cookie.token)
        if session is None:
            raise WrongCredentials("this session is over: sign in again")
        caller = Caller(session.tenant, key=session.key, session=session, cookie=cookie)
        require_own_page(request, public_url)
    else:
        raise _make_no_key_error()
    _require_enabled(caller.tenant)
    if isinstance(caller.key, ApiKey):
        services.access.keys.note_use(caller.tenant, caller.key)
    return caller


def authenticate_pushing(request: HttpRequest, services: Services) -> Caller:
    """Return the caller where cameras push pictures by themselves: a camera may sign in by Basic.

    A browser is never asked for that: it would ask its user for a password. Raises as
    `authenticate`.
    """
    scheme = parse_scheme(request.headers.get("authorization", ""))
    if scheme == "basic":
        for camera_id, key in parse_basic(request.headers["authorization"]):
            of_camera = services.cameras.find_by_api_key(key)
            if of_camera is not None and of_camera[1].id == camera_id:
                _require_enabled(of_camera[0])
                return Caller(of_camera[0], camera=of_camera[1])
        if "cookie" in request.headers:
            return authenticate(request, services)
        raise WrongCredentials(
            "no camera has this user and password: the user is the camera's id, the password its "
            "key (ck_...). If that is too long, the user is the key's 32 digits after ck_, and the "
            "password the camera's id",
            _ASK_FOR_BASIC,
        )
    if scheme == "bearer" or any(name in request.headers for name in _OF_BROWSERS):
        return authenticate(request, services)
    why = "Digest is not taken: " if scheme == "digest" else ""
    raise WrongCredentials(
        f"{why}sign in by Basic, over HTTPS, with the camera's id as the user and its key as the "
        "password; a program sends `Authorization: Bearer <api_key>`",
        _ASK_FOR_BASIC,
    )


_ASK_FOR_BASIC = {"WWW-Authenticate": 'Basic realm="regulars", charset="UTF-8"'}
_OF_BROWSERS = ("cookie", "origin", "sec-fetch-site")
"""Headers of which a browser sends one with each POST."""


def has_key(headers: Mapping[str, str]) -> bool:
    """Tell whether a request says who it is by a header: else its cookie counts.

    A proxy that asks for a password has browsers send `Authorization: Basic` beside the cookie, and
    passes that on.
    """
    sent = headers.get("authorization")
    return sent is not None and ("cookie" not in headers or parse_scheme(sent) != "basic")


def parse_scheme(header: str) -> str:
    """Return the scheme of an Authorization header, in lower case; "" if there is none."""
    return header.strip().partition(" ")[0].lower()


def parse_basic(header: str) -> list[tuple[str, str]]:
    """Return the camera's id and key that a Basic header may mean: as user and password, or the
    other way round, with the key's digits alone.

    Some cameras take 32 characters of a user, and 16 of a password. None, if it is no such header.
    """
    try:
        decoded = b64decode(header.strip().partition(" ")[2].strip(), validate=True).decode()
    except ValueError:
        return []
    user, _, password = decoded.partition(":")
    return [(user, password), (password, f"{api_keys.OF_CAMERA}{user}")]


def _require_enabled(tenant: Tenant) -> None:
    if tenant.disabled:
        raise TenantDisabled("this tenant is not activated: ask its operator to enable it")


def _authenticate_bearer(header: str, services: Services) -> Caller:
    scheme, _, key = header.strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise _make_no_key_error()
    if tenant_and_key := services.access.keys.find_by_api_key(key):
        return Caller(tenant_and_key[0], key=tenant_and_key[1])
    if of_camera := services.cameras.find_by_api_key(key):
        return Caller(of_camera[0], camera=of_camera[1])
    raise WrongCredentials("this key is unknown: it was mistyped, or another has taken its place")


def _make_no_key_error() -> WrongCredentials:
    return WrongCredentials(
        "send `Authorization: Bearer <api_key>`: the key stands in the tenant's credentials, a "
        "camera's own in the "
        "answer that made the camera"
    )


_NAME = "regulars"
_SECURE_NAME = "__Host-regulars"
"""A browser takes a cookie of such a name only from this host itself, by https, for all paths."""

_BOOK_ID = "[0-9a-f]{16}"
MAX_COOKIES = 40
"""Shops that a browser is signed in to at once: more cookies would be longer than proxies take."""

_SAFE = ("GET", "HEAD")
_SIGN_OUT = "DELETE /v1/session"

_LONGEST_S = 400 * 86_400
"""Browsers keep a cookie no longer (RFC 6265bis); it is set anew whenever the page begins."""


def is_secure(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Return whether browsers reach the service by https."""
    by_https = headers.get("x-forwarded-proto", "http") == "https"
    return by_https or (public_url or "").startswith("https:")


class SessionCookie(NamedTuple):
    """A session's token, and the id of the book that its cookie's name says; "": that of a
    browser's first shop."""

    book_id: str
    token: str


def parse_session_cookies(
    headers: Mapping[str, str], public_url: str | None
) -> list[SessionCookie]:
    """Return the sessions' cookies, one for each shop that a browser is signed in to; the first
    shop's comes first.

    Raises WrongCredentials if a cookie came twice.
    """
    first_name = _name_cookie(headers, public_url)
    cookies = _list_cookies(headers, first_name)
    counts = Counter(name for name, _ in cookies)
    for name, count in counts.items():
        if count > 1:
            raise WrongCredentials(
                f"the cookie {name} was sent {count} times: delete this site's cookies and sign in"
            )
    return [
        SessionCookie(name.removeprefix(first_name).removeprefix("-"), token)
        for name, token in cookies
    ]


def _list_cookies(headers: Mapping[str, str], first_name: str) -> list[tuple[str, str]]:
    """Return names and tokens of the sessions' cookies, of which the first shop's has this name,
    and comes first."""
    own_name = re.compile(rf"{re.escape(first_name)}(-{_BOOK_ID})?")
    parts = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    cookies = [(name, token) for name, _, token in parts if own_name.fullmatch(name)]
    return sorted(cookies, key=lambda cookie: cookie[0] != first_name)


def find_session_cookie(headers: Mapping[str, str], public_url: str | None) -> SessionCookie | None:
    """Return the cookie of the session that answers a request: of the book that it means, else the
    first.

    None: there is none. Raises WrongCredentials if a cookie came twice.
    """
    cookies = parse_session_cookies(headers, public_url)
    meant_book_id = headers.get(BOOK_HEADER.lower(), "").partition(".")[0]
    meant_cookies = [
        cookie for cookie in cookies if meant_book_id and cookie.book_id == meant_book_id
    ]
    return next(iter([*meant_cookies, *cookies]), None)


def _choose_session_cookie(request: HttpRequest, services: Services) -> SessionCookie | None:
    """Return the cookie of the session that answers a request; None: there is none.

    A read that means no book is answered by the first shop that lets this browser in, for example
    by the second if the session of the first is over, or the first is busy. Raises WrongCredentials
    if a cookie came twice.
    """
    public_url = services.settings.public_url
    cookie = find_session_cookie(request.headers, public_url)
    if request.method not in _SAFE or BOOK_HEADER.lower() in request.headers:
        return cookie
    cookies = parse_session_cookies(request.headers, public_url)[:MAX_COOKIES]
    others = cookies if len(cookies) > 1 else []
    return next((other for other in others if _lets_in(other, services)), cookie)


def _lets_in(cookie: SessionCookie, services: Services) -> bool:
    """Tell whether a cookie's session goes on, in a shop that is neither disabled nor busy."""
    # The end of its key has come, or it restricts people.
    with suppress(WrongCredentials, Busy, StorageUnavailable):
        session = services.access.sessions.find(cookie.token)
        return session is not None and not session.tenant.disabled
    return False


def name_book(request: HttpRequest) -> HttpRequest:
    """Return the request with the book that it means as a header, if its link says it (`book` of a
    picture)."""
    books = request.query.get("book")
    if not books or BOOK_HEADER.lower() in request.headers:
        return request
    return replace(
        request, headers=CaseInsensitiveMapping({**request.headers, BOOK_HEADER: books[0]})
    )


def parse_session_token(headers: Mapping[str, str], public_url: str | None) -> str | None:
    """Return the token of the session that answers a request, as `find_session_cookie` finds it."""
    cookie = find_session_cookie(headers, public_url)
    return cookie and cookie.token


def _name_cookie(headers: Mapping[str, str], public_url: str | None) -> str:
    """Name the cookie by the port, if a browser shows one: it sends all cookies of a host to all of
    its ports.

    So a trial beside the service, at another port, takes nobody's session.
    """
    return _add_port(_SECURE_NAME if is_secure(headers, public_url) else _NAME, headers)


def _add_port(name: str, headers: Mapping[str, str]) -> str:
    try:
        port = urlsplit(f"//{headers.get('host', '')}").port
    except ValueError:
        port = None
    return f"{name}-{port}" if port else name


def make_cookie(
    cookie: SessionCookie, expires_at: datetime | None, request: HttpRequest, services: Services
) -> str:
    """Make the header that sets a cookie.

    None: as long as browsers keep one; a time that is over deletes it.
    """
    secure, now = is_secure(request.headers, services.settings.public_url), services.clock.now()
    name, token = _name_cookie(request.headers, services.settings.public_url), cookie.token
    name = f"{name}-{cookie.book_id}" if cookie.book_id else name
    left_s = _LONGEST_S if expires_at is None else int((expires_at - now).total_seconds())
    return (
        f"{name}={token}; Max-Age={left_s}; Path=/; HttpOnly; "
        f"SameSite=Strict{'; Secure' if secure else ''}"
    )


def end_plain_sessions(request: HttpRequest, services: Services) -> list[str]:
    """End the sessions of cookies that a browser has from before it came by https, which it would
    send by http, too; return the headers that delete these cookies."""
    if not is_secure(request.headers, services.settings.public_url):
        return []
    cookies = _list_cookies(request.headers, _add_port(_NAME, request.headers))[:MAX_COOKIES]
    for _, token in cookies:
        with suppress(WrongCredentials):  # the end of its key has come
            _sign_out(token, services)
    names = dict.fromkeys(name for name, _ in cookies)
    return [f"{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict" for name in names]


def _sign_out(token: str, services: Services) -> None:
    """End a session; the audit of its own shop has it as its holder's sign-out. Raises
    WrongCredentials."""
    session = services.access.sessions.find_stored(token)
    if session is None:
        return
    name = Caller(session.tenant, key=session.key, session=session).audit_name
    act = AuditEvent(_SIGN_OUT, name, kind_of(_SIGN_OUT), session.tenant.name)
    with begin_audit_event(act):
        services.access.sessions.end(token)


def require_own_page(request: HttpRequest, public_url: str | None) -> None:
    """Raise NotAllowed if a request with a cookie changes something and is not from a page of this
    host."""
    if request.method in _SAFE:
        return
    if not is_of_this_host(request.headers, public_url):
        raise NotAllowed(
            "with a cookie, only a page of this host may do this: the browser says that another "
            "site asked for it, or "
            "says nothing (Sec-Fetch-Site, Origin). A program sends `Authorization: Bearer "
            "<api_key>`"
        )
    if request.encoded_body or request.headers.get("content-type"):
        request.parse_media_type((JSON,))


def require_no_other_site(request: HttpRequest, public_url: str | None) -> None:
    """Raise NotAllowed if a page of another site sent this.

    Programs, which say nothing about sites, may.
    """
    if is_of_another_site(request.headers, public_url):
        raise NotAllowed(
            "another site's page asked for this sign-in: open the console of this host itself"
        )


def find_origin(request: HttpRequest, public_url: str | None) -> str:
    """Return the origin of the page that asks, as its browser says, else that of the service."""
    sent_origin = request.headers.get("origin", "")
    our_hosts = {request.headers.get("host", "").lower(), parse_host(public_url or "")} - {""}
    if parse_host(sent_origin) in our_hosts:
        return sent_origin.lower()
    return (
        f"http{'s' if is_secure(request.headers, public_url) else ''}:/"
        f"/{request.headers.get('host', '').lower()}"
    )
