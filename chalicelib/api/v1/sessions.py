"""Sign-in, sign-out, and who is signed in, over v1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import telemetry
from chalicelib.api.http import HttpRequest
from chalicelib.api.v1.auth import (
    MAX_COOKIES,
    Caller,
    SessionCookie,
    end_plain_sessions,
    find_origin,
    find_session_cookie,
    make_cookie,
    parse_session_cookies,
    require_no_other_site,
)
from chalicelib.api.v1.endpoint import KeylessContext, Operations, V1Context
from chalicelib.api.v1.shapes import ShownPage
from chalicelib.api.v1.wire import Answer, FirstWeekday, Sent, Time
from chalicelib.auth.addresses import find_network
from chalicelib.auth.roles import ApiKey, Member, Role, Session
from chalicelib.domain import errors
from chalicelib.services import Services
from chalicelib.version import VERSION

operations = Operations()

Base64Url = Annotated[
    str, Meta(max_length=4_000, description="Bytes in base64url, as WebAuthn has them.")
]
Invitation = Annotated[
    str, Meta(max_length=150, description="What follows `#invitation=` in the link; good once.")
]


class PasskeyAnswer(Sent):
    """Answer of a browser's `navigator.credentials`: the members of its response."""

    id: Base64Url
    client_data: Base64Url
    attestation: Annotated[
        Base64Url | None, Meta(description="Of a passkey that is made: its attestationObject.")
    ] = None
    authenticator_data: Base64Url | None = None
    signature: Base64Url | None = None
    user_handle: Base64Url | None = None


class NewSession(Sent):
    """Sign-in by one way: `api_key`; `code`; `name` and `password`; `passkey`; or `invitation`,
    with a new `password` or `passkey` unless it is for a screen on the wall. A passkey of another
    shop will do: it has signed then."""

    api_key: Annotated[str, Meta(max_length=100)] | None = None
    code: (
        Annotated[
            str, Meta(max_length=100, description="From `regulars console`; it is good once.")
        ]
        | None
    ) = None
    invitation: Invitation | None = None
    name: Annotated[str, Meta(max_length=100, description="Of the person.")] | None = None
    password: (
        Annotated[str, Meta(max_length=1_000, description="A new one has 12 to 200 characters.")]
        | None
    ) = None
    passkey: PasskeyAnswer | None = None
    tenant: (
        Annotated[str, Meta(max_length=40, description="Of `name`, if the service has several.")]
        | None
    ) = None
    keep: Annotated[
        bool, Meta(description="Thirty days in place of twelve hours: on a person's own device.")
    ] = False


class NewChallenge(Sent):
    invitation: Annotated[
        Invitation | None, Meta(description="To make a passkey; null: to sign in by one.")
    ] = None


ShownName = Annotated[
    str, Meta(description="What people call the tenant: its id, unless it has a display name.")
]


class Invited(Answer):
    tenant: str
    display_name: ShownName
    name: str
    role: Literal["viewer", "operator", "admin"]
    screen: bool
    page: ShownPage


class Challenge(Answer):
    """Question for `navigator.credentials`; it is good for five minutes, once."""

    challenge: Annotated[
        str | None, Meta(description="Base64url; null: browsers make no passkeys on this address.")
    ]
    host: Annotated[str, Meta(description="The RP ID.")]
    algorithms: list[int]
    user_handle: Annotated[
        str | None, Meta(description="Base64url: the id of the user whose passkey is made.")
    ]
    invited: Annotated[Invited | None, Meta(description="Who the invitation is for.")]


class RateLimits(Answer):
    """Twice as many may come at once. Each instance on AWS counts for itself."""

    requests_a_second: float
    searches_a_second: Annotated[
        float, Meta(description="Of those that look for faces in a picture.")
    ]


class Claim(Sent):
    code: Annotated[
        str, Meta(max_length=40, description="Small letters, spaces and hyphens do not matter.")
    ]


class Claimed(Answer):
    id: Annotated[str, Meta(description="Of the camera.")]
    name: str
    api_key: Annotated[
        str, Meta(pattern="^ck_[0-9a-f]{32}$", description="The camera's, shown nowhere else.")
    ]


class CurrentSession(Answer):
    tenant: str
    display_name: ShownName
    book: Annotated[
        str,
        Meta(
            description="Whose book it is, and its life: X-Regulars-Book.",
            examples=["1f0c5e7a9b2d4c68.0"],
        ),
    ]
    books: Annotated[
        list[str],
        Meta(
            min_length=1,
            description="Ids of the books that this browser's cookies are for, this one first: "
            "X-Regulars-Book chooses one. A session among them may be over.",
        ),
    ]
    key: Annotated[
        str,
        Meta(description="Name of the key or of the person; of a camera's key the camera's id."),
    ]
    member: Annotated[
        str | None, Meta(description="Id of the person who is signed in; null: a key is.")
    ]
    screen: Annotated[bool, Meta(description="Whether it is a screen on the wall.")]
    page: ShownPage
    role: Literal["viewer", "operator", "admin", "camera"]
    pictures: Annotated[
        bool,
        Meta(
            description="Whether the caller sees pictures of people; not if the tenant keeps none."
        ),
    ]
    time_zone: Annotated[str, Meta(description="The tenant's: an IANA name.")]
    first_weekday: FirstWeekday
    limits: RateLimits
    version: Annotated[str, Meta(description="Of the service.")]
    trial: Annotated[
        bool,
        Meta(
            description="Whether it tries a backup beside the service, and tells nobody anything."
        ),
    ]
    begun_at: Annotated[Time | None, Meta(description="Null: a key came in place of a cookie.")]
    expires_at: Annotated[Time | None, Meta(description="Null: it has no end.")]


@operations("POST", "/v1/session", None, status=201)
def begin_session(context: KeylessContext, body: NewSession) -> CurrentSession:
    """Sign in: by a key, a code, an invitation, a password or a passkey, for a cookie of twelve
    hours or thirty days.

    The cookie is for browsers; programs send their key with each request. With the cookie, whatever
    is not GET needs `Sec-Fetch-Site: same-origin`, or an `Origin` of this host, and `Content-Type:
    application/json`. An address may send ten wrong sign-ins a minute; more of them are answered
    429, and a right key, link or passkey is taken all the same. A person's password may be tried 20
    times an hour from addresses that the person never signed in from.

    A browser may be signed in to several shops, with a cookie for each. A passkey signs in to each
    shop that it was added to. The answer is about the one that it was made in, and `books` has all.
    """
    ways = (
        body.api_key,
        body.code,
        body.invitation,
        body.name,
        body.passkey if body.invitation is None else None,
    )
    if sum(way is not None for way in ways) != 1 or (
        body.name is None and body.invitation is None and body.password
    ):
        raise errors.InvalidInput(
            "send one of api_key, code, invitation, passkey, or name and password"
        )
    services, public_url = context.services, context.services.settings.public_url
    require_no_other_site(context.request, public_url)
    cookies = _read_cookies(context.request, services)
    if len(cookies) >= MAX_COOKIES:
        raise errors.LimitReached(
            f"this browser is signed in to {MAX_COOKIES} shops, the most: sign out of one"
        )
    begun_sessions = _sign_in(services, body, context, find_network(context.request.address))
    session = begun_sessions[0][1]
    caller = Caller(session.tenant, key=session.key, session=session)
    telemetry.of_tenant(session.tenant.name, caller.audit_name, session.tenant.book)
    books = _set_cookies(context, cookies, begun_sessions)
    return _describe_session(services, caller, [session.tenant.book_id, *books])


@operations("POST", "/v1/session/challenge", None, status=201)
def make_challenge(context: KeylessContext, body: NewChallenge) -> Challenge:
    """Ask for what a passkey has to sign, to sign in or, with an invitation, to make one; and whom
    that is for."""
    services, public_url = context.services, context.services.settings.public_url
    require_no_other_site(context.request, public_url)
    sessions, origin = services.access.sessions, find_origin(context.request, public_url)
    if body.invitation is None:
        challenge, invited = sessions.make_challenge(origin), None
    else:
        with _count_wrong_sign_ins(services, find_network(context.request.address)):
            tenant, member = services.access.members.find_invited(body.invitation)
        telemetry.of_tenant(tenant.name)
        invited = Invited.made_of(
            member, tenant=tenant.name, display_name=tenant.shown_name, page=member.shown_page
        )
        try:
            challenge = sessions.make_challenge(origin, body.invitation)
        except errors.InvalidInput:
            return Challenge(
                challenge=None, host="", algorithms=[], user_handle=None, invited=invited
            )
    return Challenge.made_of(
        challenge, challenge=challenge.text, user_handle=challenge.handle, invited=invited
    )


@operations("POST", "/v1/claims", None, status=201, tag="cameras")
def claim_camera(context: KeylessContext, body: Claim) -> Claimed:
    """Take over a camera by a code, which is used up then: get another key of the camera; the old
    one stops at once.

    Wrong codes count as wrong sign-ins.
    """
    with _count_wrong_sign_ins(context.services, find_network(context.request.address)):
        camera, key = context.services.cameras.redeem_code(body.code)
    return Claimed(id=camera.id, name=camera.name, api_key=key)


@operations("GET", "/v1/session", Role.VIEWER, of_cameras=True)
def get_session(context: V1Context) -> CurrentSession:
    """Say who is signed in, or whose key it is, and what it may do.

    The cookie of a screen on the wall is set anew.

    A browser may be signed in to several shops: `X-Regulars-Book` says which session is meant;
    without it, it is that of the shop that it signed in to first, of those that let it in.
    """
    services, request = context.services, context.request
    session, own_cookie = context.caller.session, context.caller.cookie
    if session is None or own_cookie is None:
        return _describe_session(services, context.caller, [context.tenant.book_id])
    if session.expires_at is None:
        context.response_headers["Set-Cookie"] = make_cookie(own_cookie, None, request, services)
    others = [cookie for cookie in _read_cookies(request, services) if cookie != own_cookie]
    first_book_id = _find_first_book(others, services)
    books = [context.tenant.book_id, first_book_id, *(cookie.book_id for cookie in others)]
    return _describe_session(services, context.caller, books)


@operations("DELETE", "/v1/session", Role.VIEWER, of_cameras=True)
def end_session(context: V1Context) -> None:
    """Sign out: end the session of the cookie, and of no other shop.

    A key that came in place of one stays good.
    """
    cookie = find_session_cookie(context.request.headers, context.services.settings.public_url)
    if cookie is not None:
        context.services.access.sessions.end(cookie.token)
    deleted_cookie = make_cookie(
        SessionCookie(cookie.book_id if cookie else "", ""),
        context.services.clock.now(),
        context.request,
        context.services,
    )
    plain_cookies = end_plain_sessions(context.request, context.services)
    context.response_headers["Set-Cookie"] = (
        [deleted_cookie, *plain_cookies] if plain_cookies else deleted_cookie
    )


def _set_cookies(
    context: KeylessContext,
    cookies: Sequence[SessionCookie],
    begun_sessions: Sequence[tuple[str, Session]],
) -> list[str]:
    """Set a cookie for each session that begins, and return the ids of all books that the browser
    is signed in to.

    The cookie of a browser's first shop has a name without a book. `cookies`: those that the
    browser has sent.
    """
    first_book_id = _find_first_book(cookies, context.services)
    books = [cookie.book_id for cookie in cookies]
    headers = []
    for token, session in begun_sessions:
        book_id = session.tenant.book_id
        is_first = book_id not in books and first_book_id in ("", book_id)
        first_book_id = book_id if is_first else first_book_id
        cookie = SessionCookie("" if is_first else book_id, token)
        headers.append(make_cookie(cookie, session.expires_at, context.request, context.services))
        books.append(book_id)
    headers += end_plain_sessions(context.request, context.services)
    context.response_headers["Set-Cookie"] = headers[0] if len(headers) == 1 else headers
    return [first_book_id, *books]


def _read_cookies(request: HttpRequest, services: Services) -> list[SessionCookie]:
    """Return the sessions' cookies that a browser sends; none if they cannot be told apart."""
    with suppress(errors.WrongCredentials):
        return parse_session_cookies(request.headers, services.settings.public_url)
    return []


def _find_first_book(cookies: Sequence[SessionCookie], services: Services) -> str:
    """Return the id of the book of a browser's first shop, whose cookie does not say it; "": its
    session is over."""
    token = next((cookie.token for cookie in cookies if not cookie.book_id), "")
    with suppress(errors.WrongCredentials):  # the end of its key has come
        session = services.access.sessions.find_stored(token)
        return session.tenant.book_id if session else ""
    return ""


def _sign_in(
    services: Services, body: NewSession, context: KeylessContext, address: str
) -> Sequence[tuple[str, Session]]:
    """Begin the sessions of the credential that was sent, with their tokens, and count a wrong one
    of the address.

    A right key, code, invitation or passkey is taken however many were wrong before, since nobody
    can guess one.
    """
    sessions, keep = services.access.sessions, body.keep
    origin = find_origin(context.request, services.settings.public_url)
    with _count_wrong_sign_ins(services, address, is_password=body.name is not None):
        if body.api_key is not None:
            return [sessions.begin_by_key(body.api_key, keep=keep)]
        if body.code is not None:
            return [sessions.begin_by_code(body.code, keep=keep)]
        if body.name is not None:
            return [
                sessions.begin_by_password(
                    body.tenant, body.name, body.password or "", address, keep=keep
                )
            ]
        passkey = None if body.passkey is None else _write_credential(body.passkey)
        if body.invitation is not None:
            begun = sessions.begin_by_invitation(
                body.invitation, password=body.password, passkey=passkey, origin=origin, keep=keep
            )
            return [begun]
        return sessions.begin_by_passkey(passkey or {}, origin, keep=keep)


@contextmanager
def _count_wrong_sign_ins(
    services: Services, address: str, *, is_password: bool = False
) -> Iterator[None]:
    """Count what is wrong inside against the address.

    Passwords are counted before they are looked at.
    """
    rates, right = services.access.rates, f"sign-ins of {address}"
    rates.requests.take(right)
    try:
        yield
    except errors.WrongCredentials:
        rates.requests.give_back(right)
        if not is_password:
            rates.wrong_sign_ins.take(address)
        raise


def _write_credential(passkey: PasskeyAnswer) -> dict[str, Any]:
    """Write a passkey's answer as `PublicKeyCredential.toJSON` does."""
    response = {
        "clientDataJSON": passkey.client_data,
        "attestationObject": passkey.attestation,
        "authenticatorData": passkey.authenticator_data,
        "signature": passkey.signature,
        "userHandle": passkey.user_handle,
    }
    sent_members = {name: value for name, value in response.items() if value is not None}
    return {"id": passkey.id, "rawId": passkey.id, "type": "public-key", "response": sent_members}


def _describe_session(services: Services, caller: Caller, books: Sequence[str]) -> CurrentSession:
    """Describe who is signed in, and what is shown to that caller.

    `books`: ids of the books that the browser is signed in to, this one first; "" is none.
    """
    key, session = caller.key, caller.session
    until = session.expires_at if session else key.expires_at if isinstance(key, ApiKey) else None
    return CurrentSession.made_of(
        caller.tenant,
        tenant=caller.tenant.name,
        display_name=caller.tenant.shown_name,
        book=caller.tenant.book,
        books=[*dict.fromkeys(filter(None, books))],
        key=caller.name,
        member=key.id if isinstance(key, Member) else None,
        screen=isinstance(key, Member) and key.screen,
        page=key.shown_page if isinstance(key, Member) else None,
        role=caller.role.value,
        pictures=caller.is_shown_pictures,
        limits=RateLimits.made_of(services.settings),
        version=VERSION,
        trial=services.settings.is_trial,
        begun_at=session and session.begun_at,
        expires_at=until,
    )
