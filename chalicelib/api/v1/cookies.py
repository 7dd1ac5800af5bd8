"""The cookie of a session: what it is called, how it is set, and who may write with it.

A browser sends a cookie by itself, also when another site makes it send a request. So with a cookie, whatever changes
something must come from a page of this very host, as the browser says. It must also be JSON, or have neither body nor
content type, since no form of HTML can send that.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from chalicelib.api.http import JSON, HttpRequest
from chalicelib.core.errors import NotAllowed, WrongCredentials

_NAME = "regulars"
_SECURE_NAME = "__Host-regulars"
"""A browser takes a cookie of such a name only from this host itself, by https, for all paths."""

_SAFE = ("GET", "HEAD")


def is_secure(request: HttpRequest, public_url: str | None) -> bool:
    """Return whether browsers reach the service by https."""
    by_https = request.headers.get("x-forwarded-proto", "http") == "https"
    return by_https or (public_url or "").startswith("https:")


def token_of(request: HttpRequest, public_url: str | None) -> str | None:
    """Return the token of the session's cookie; None if there is none. Raises WrongCredentials if it came twice."""
    name = _SECURE_NAME if is_secure(request, public_url) else _NAME
    pairs = (one.strip().partition("=") for one in request.headers.get("cookie", "").split(";"))
    tokens = [value for sent, _, value in pairs if sent == name]
    if len(tokens) > 1:
        raise WrongCredentials(
            f"the cookie {name} was sent {len(tokens)} times: delete this site's cookies and sign in"
        )
    return tokens[0] if tokens else None


def setting(token: str, expires_at: datetime, now: datetime, *, secure: bool) -> str:
    """Make the header that sets the cookie."""
    return _header(token, int((expires_at - now).total_seconds()), secure=secure)


def clearing(*, secure: bool) -> str:
    """Make the header that deletes the cookie."""
    return _header("", 0, secure=secure)


def require_own_page(request: HttpRequest, public_url: str | None) -> None:
    """Raise NotAllowed if a request with a cookie changes something and is not from a page of this host."""
    if request.method in _SAFE:
        return
    if not _is_of_this_host(request, public_url):
        raise NotAllowed(
            "with a cookie, only a page of this host may do this: the browser says that another site asked for it, or "
            "says nothing (Sec-Fetch-Site, Origin). A program sends `Authorization: Bearer <api_key>`"
        )
    if request.encoded_body or request.headers.get("content-type"):
        request.media_type((JSON,))


def require_no_other_site(request: HttpRequest, public_url: str | None) -> None:
    """Raise NotAllowed if a page of another site sent this. Programs, which say nothing about sites, may."""
    says = request.headers.get("sec-fetch-site") or request.headers.get("origin")
    if says and not _is_of_this_host(request, public_url):
        raise NotAllowed("another site's page asked for this sign-in: open the console of this host itself")


def _is_of_this_host(request: HttpRequest, public_url: str | None) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site:
        return site == "same-origin"
    hosts = {request.headers.get("host", "").lower(), _host(public_url or "")}
    return _host(request.headers.get("origin", "")) in hosts - {""}


def _host(url: str) -> str:
    """Read the host and the port of a URL; "" if there is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _header(token: str, max_age_s: int, *, secure: bool) -> str:
    name = _SECURE_NAME if secure else _NAME
    return f"{name}={token}; Max-Age={max_age_s}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
