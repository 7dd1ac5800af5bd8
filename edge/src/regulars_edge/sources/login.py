"""Login to cameras, over HTTP and RTSP. Wrong passwords are handled by sources/wrong_password.py.

Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-2, quality `auth` or none): urllib3 knows Basic
only, FFmpeg no SHA-2; a second HTTP library for these few lines would double what the uploader
weighs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import parse_http_list

from urllib3.util import parse_url

from regulars_edge.sources.wrong_password import REFUSALS, Refusals, Way

_HASHES = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}


@dataclass(eq=False, repr=False)
class Credentials:
    """A user and a password, and the last challenge that a camera put to them."""

    user: str
    password: str
    nonce_of_ours: Callable[[], str] = lambda: secrets.token_hex(8)
    in_the_clear: bool = True
    """Whether it may be given so (Basic)."""
    refusals: Refusals = REFUSALS
    way: Way | None = None
    """By what the camera is asked; None: as the URL begins."""
    _digest: dict[str, str] | None = field(default=None, init=False)
    _basic: bool = field(default=False, init=False)
    _has_digest: bool = field(default=False, init=False)
    _count: int = field(default=0, init=False)

    def check(self, url: str) -> None:
        """Raise PasswordRefused if the host of this URL has refused them, and its pause is not
        over."""
        self.refusals.check(url, self.user, self.password, self.way)

    def open_login(self, url: str) -> AbstractContextManager[None]:
        """Give them to a camera within this block: `Refusals.open_login`."""
        return self.refusals.open_login(url, self.user, self.password, self.way)

    def note_answer(self, url: str, is_refused: bool, said: str = "") -> None:
        """Note how they were taken. Raises PasswordRefused, in these words, if they were not."""
        if is_refused:
            raise self.refusals.count(url, self.user, self.password, said, self.way)
        self.refusals.forget(url, self.user, self.password, self.way)

    def doubt(self, url: str) -> None:
        """Note that the host of this URL was away: `Refusals.doubt`."""
        self.refusals.doubt(url, self.user, self.password)

    def accept_challenge(self, challenges: Sequence[str]) -> bool:
        """Take in the WWW-Authenticate headers of a 401; return whether one of them can be met.

        Basic is never given to a camera that has offered Digest, now or before.
        """
        offered = list(_parse_schemes(challenges))
        digests = [fields for scheme, fields in offered if scheme == "digest"]
        usable = (
            fields
            for fields in digests
            if _parse_algorithm(fields) in _HASHES
            and fields.get("nonce")
            and _parse_quality(fields) is not None
        )
        self._digest = min(
            usable, key=lambda fields: list(_HASHES).index(_parse_algorithm(fields)), default=None
        )
        self._has_digest = self._has_digest or bool(digests)
        self._basic = (
            self.in_the_clear
            and not self._has_digest
            and any(scheme == "basic" for scheme, _ in offered)
        )
        self._count = 0
        return self.is_challenged

    @property
    def is_challenged(self) -> bool:
        """Tell whether a camera has asked for them, so that requests are signed."""
        return self._digest is not None or self._basic

    def may_have_run_out(self, challenges: Sequence[str], *, was_challenged: bool) -> bool:
        """Tell whether a 401 to a signed request may mean its nonce, and not the password: it says
        so (stale), or brings another one than that of a former answer (`was_challenged`)."""
        known_nonce = (self._digest or {}).get("nonce")
        return any(
            scheme == "digest"
            and (
                fields.get("stale", "").lower() == "true"
                or (was_challenged and fields.get("nonce") != known_nonce)
            )
            for scheme, fields in _parse_schemes(challenges)
        )

    def header(self, method: str, url: str) -> str | None:
        """Return the Authorization header for a request, a character a byte; None until a camera
        has asked for one."""
        if self._digest is not None:
            return self._answer_digest(self._digest, method, url)
        if self._basic:
            both = f"{self.user}:{self.password}".encode(errors="surrogateescape")
            return "Basic " + base64.b64encode(both).decode()
        return None

    def _answer_digest(self, challenge: dict[str, str], method: str, url: str) -> str:
        """Answer a Digest challenge, as RFC 7616 works it out (3.4); RTSP signs the whole URL, HTTP
        path and query as urllib3 sends them: `/my shot` as `/my%20shot`."""
        is_rtsp = "rtsp" in urlsplit(url).scheme
        uri = _encode_for_header(url if is_rtsp else parse_url(url).request_uri)
        quality = _parse_quality(challenge)
        realm = challenge.get("realm", "")
        nonce = challenge["nonce"]
        self._count += 1
        count, cnonce = f"{self._count:08x}", self.nonce_of_ours()

        def digest(text: str) -> str:
            return hashlib.new(
                _HASHES[_parse_algorithm(challenge)], text.encode("latin-1"), usedforsecurity=False
            ).hexdigest()

        user, password = _encode_for_header(self.user), _encode_for_header(self.password)
        password_digest = digest(f"{user}:{realm}:{password}")
        is_of_session = challenge.get("algorithm", "").lower().endswith("-sess")
        secret = digest(f"{password_digest}:{nonce}:{cnonce}") if is_of_session else password_digest
        request = digest(f"{method}:{uri}")
        nonces = f"{nonce}:{count}:{cnonce}:{quality}" if quality else nonce
        fields = {
            "username": user,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": digest(f"{secret}:{nonces}:{request}"),
        }
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        quoted = {
            name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in fields.items()
        }
        text = ", ".join(f'{name}="{value}"' for name, value in quoted.items())
        if challenge.get("algorithm"):
            text += f", algorithm={challenge['algorithm']}"
        return (
            f'Digest {text}, qop={quality}, nc={count}, cnonce="{cnonce}"'
            if quality
            else f"Digest {text}"
        )


def _encode_for_header(text: str) -> str:
    """Return UTF-8 as headers are read and sent, a character a byte: what a camera said goes back
    in its own bytes."""
    return text.encode(errors="surrogateescape").decode("latin-1")


def _parse_schemes(challenges: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Return each scheme and its fields, in small letters; one header may hold several (RFC 9110,
    11.6.1).

    `Digest realm="x", nonce="y", Basic realm="x"`: [("digest", {"realm": "x", "nonce": "y"}),
    ("basic", {…})]
    """
    schemes: list[tuple[str, dict[str, str]]] = []
    for part in parse_http_list(", ".join(challenges)):
        name, equals, value = part.partition("=")
        *scheme, name = name.split() or [""]
        if scheme or not equals:
            schemes.append(((scheme or [name])[0].lower(), {}))
        if equals and schemes:
            value = value.strip()
            if value.startswith('"'):  # some forget the last one
                value = value[1:].removesuffix('"')
            schemes[-1][1][name.lower()] = value
    return schemes


def _parse_algorithm(challenge: dict[str, str]) -> str:
    return (challenge.get("algorithm") or "MD5").upper().removesuffix("-SESS")


def _parse_quality(challenge: dict[str, str]) -> str | None:
    """Return "auth", or "" if the camera knows none (RFC 2069); None if it insists on another."""
    offered = [text.strip() for text in challenge.get("qop", "").lower().split(",") if text.strip()]
    return "" if not offered else "auth" if "auth" in offered else None
