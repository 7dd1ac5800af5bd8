"""A camera's snapshot URL, asked at an interval, and HTTP authentication of cameras.

Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-256, quality `auth` or none): urllib3 knows Basic only; a second HTTP
library for these few lines would double what the uploader weighs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import parse_http_list, parse_keqv_list

from regulars_edge.clock import Clock, moment
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.http import Answer, Http
from regulars_edge.logs import redacted
from regulars_edge.picture import HEAD_BYTES, content_type, ends_whole
from regulars_edge.sources.gate import MotionGate
from regulars_edge.sources.source import LARGEST_BYTES, EncodedFrame
from regulars_edge.spool.model import Stamp

_HASHES: dict[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


class Credentials:
    """A user and a password, and the last challenge that a camera put to them."""

    def __init__(
        self, user: str, password: str, nonce_of_ours: Callable[[], str] = lambda: secrets.token_hex(8)
    ) -> None:
        self._user = user
        self._password = password
        self._cnonce = nonce_of_ours
        self._digest: dict[str, str] | None = None
        self._basic = False
        self._count = 0

    def challenged(self, challenges: Sequence[str]) -> bool:
        """Take in the WWW-Authenticate headers of a 401; false if none of them can be met."""
        digests = [
            parse_keqv_list([pair for pair in parse_http_list(text.partition(" ")[2]) if pair.partition("=")[2]])
            for text in challenges
            if text.lower().startswith("digest ")
        ]
        digests = [
            one for one in digests if _algorithm(one) in _HASHES and "nonce" in one and _quality(one) is not None
        ]
        self._digest = min(digests, key=lambda one: list(_HASHES).index(_algorithm(one)), default=None)
        self._basic = any(text.lower().startswith("basic") for text in challenges)
        self._count = 0
        return self._digest is not None or self._basic

    def header(self, method: str, url: str) -> str | None:
        """Return the Authorization header for a request; None until a camera has asked for one."""
        if self._digest is not None:
            return self._answer(self._digest, method, url)
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return None

    def _answer(self, challenge: dict[str, str], method: str, url: str) -> str:
        parts = urlsplit(url)
        uri = url if "rtsp" in parts.scheme else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        quality, realm, nonce = _quality(challenge), challenge.get("realm", ""), challenge["nonce"]
        self._count += 1
        count, cnonce = f"{self._count:08x}", self._cnonce()
        digest = _HASHES[_algorithm(challenge)]
        secret = digest(f"{self._user}:{realm}:{self._password}".encode())
        if challenge.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(f"{secret}:{nonce}:{cnonce}".encode())
        what = digest(f"{method}:{uri}".encode())
        middle = f"{nonce}:{count}:{cnonce}:{quality}" if quality else nonce
        fields = {
            "username": self._user,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": digest(f"{secret}:{middle}:{what}".encode()),
        }
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        text = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        if "algorithm" in challenge:
            text += f", algorithm={challenge['algorithm']}"
        return f'Digest {text}, qop={quality}, nc={count}, cnonce="{cnonce}"' if quality else f"Digest {text}"


def _algorithm(challenge: dict[str, str]) -> str:
    return challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _quality(challenge: dict[str, str]) -> str | None:
    """Return "auth", or "" if the camera knows none (RFC 2069); None if it insists on another."""
    offered = [text.strip() for text in challenge.get("qop", "").split(",") if text.strip()]
    return "" if not offered else "auth" if "auth" in offered else None


_TAIL_BYTES = 4_096
"""Some cameras write some bytes of their own behind a picture's end."""


@dataclass(frozen=True)
class Address:
    """A camera's URL without the user and the password that it may have carried."""

    url: str
    user: str | None
    password: str

    @classmethod
    def of(cls, url: str, user: str | None = None, password: str | None = None) -> Address:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return cls(
            urlunsplit(parts._replace(netloc=host)),
            user if user is not None else (unquote(parts.username) if parts.username else None),
            password if password is not None else unquote(parts.password or ""),
        )

    def with_credentials(self) -> str:
        """Send the whole URL again, for cameras that take no other form."""
        if self.user is None:
            return self.url
        parts = urlsplit(self.url)
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return urlunsplit(parts._replace(netloc=f"{who}@{parts.netloc}"))


class SnapshotSource:
    """While `gate` is closed the camera is not asked."""

    def __init__(
        self, http: Http, address: Address, clock: Clock, interval_s: float, gate: MotionGate | None = None
    ) -> None:
        self._http = http
        self._url = address.url
        self._credentials = None if address.user is None else Credentials(address.user, address.password)
        self._clock = clock
        self._interval_s = interval_s
        self._gate = gate

    def frames(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        with nullcontext() if self._gate is None else self._gate.watching():
            due_ms = self._clock.boot_ms()
            while not stop.wait(max(0, due_ms - self._clock.boot_ms()) / 1000):
                due_ms = max(due_ms + round(self._interval_s * 1000), self._clock.boot_ms())
                yield None if self._gate is not None and not self._gate.is_open() else self.take()

    def take(self) -> EncodedFrame:
        """One picture, now. Raises SourceFailed."""
        try:
            answer = self._get()
            if answer.status == 401 and self._credentials is not None:
                if not self._credentials.challenged(answer.headers.getlist("WWW-Authenticate")):
                    raise SourceFailed(
                        f"{redacted(self._url)} wants an authentication that is neither Basic nor Digest"
                    )
                answer = self._get()
        except Unreachable as error:
            raise SourceFailed(str(error)) from error
        if answer.status == 401:
            raise SourceFailed(f"{redacted(self._url)} refuses user and password: check them")
        if answer.status != 200:
            raise SourceFailed(f"{redacted(self._url)} answered {answer.status}: is this the snapshot's URL?")
        kind = content_type(answer.body[:HEAD_BYTES])
        if kind is None:
            raise SourceFailed(f"{redacted(self._url)} answered something that is neither JPEG nor PNG")
        if not ends_whole(kind, answer.body[-_TAIL_BYTES:]):
            raise SourceFailed(f"the picture of {redacted(self._url)} was cut off")
        return EncodedFrame(
            answer.body, Stamp(moment(self._clock, (answer.sent_boot_ms + answer.received_boot_ms) // 2))
        )

    def _get(self) -> Answer:
        header = None if self._credentials is None else self._credentials.header("GET", self._url)
        return self._http.exchange("GET", self._url, {"Authorization": header} if header else {}, largest=LARGEST_BYTES)
