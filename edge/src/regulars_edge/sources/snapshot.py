"""A camera's snapshot URL, asked at an interval, and HTTP authentication of cameras.

Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-256, quality `auth` or none): urllib3 knows Basic only; a second HTTP
library for these few lines would double what the uploader weighs.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from regulars_edge.clock import Clock, moment
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.frames import LARGEST_BYTES, EncodedFrame
from regulars_edge.http import Address, Answer, Http
from regulars_edge.logs import redact_text
from regulars_edge.picture import HEAD_BYTES, content_type, ends_whole
from regulars_edge.sources.source import MotionGate
from regulars_edge.spool.model import Stamp

_HASHES = {"SHA-256": "sha256", "MD5": "md5"}


@dataclass(eq=False, repr=False)
class Credentials:
    """A user and a password, and the last challenge that a camera put to them."""

    user: str
    password: str
    nonce_of_ours: Callable[[], str] = lambda: secrets.token_hex(8)
    in_the_clear: bool = True
    """Whether it may be given so (Basic)."""
    _digest: dict[str, str] | None = field(default=None, init=False)
    _basic: bool = field(default=False, init=False)
    _count: int = field(default=0, init=False)

    def accept_challenge(self, challenges: Sequence[str]) -> bool:
        """Take in the WWW-Authenticate headers of a 401; false if none of them can be met."""
        digests = [
            parse_keqv_list([pair for pair in parse_http_list(text.partition(" ")[2]) if pair.partition("=")[2]])
            for text in challenges
            if text.lower().startswith("digest ")
        ]
        met = (one for one in digests if _algorithm(one) in _HASHES and "nonce" in one and _quality(one) is not None)
        self._digest = min(met, key=lambda one: list(_HASHES).index(_algorithm(one)), default=None)
        self._basic = self.in_the_clear and any(text.lower().startswith("basic") for text in challenges)
        self._count = 0
        return self._digest is not None or self._basic

    def header(self, method: str, url: str) -> str | None:
        """Return the Authorization header for a request; None until a camera has asked for one."""
        if self._digest is not None:
            return self._answer(self._digest, method, url)
        if self._basic:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return None

    def _answer(self, challenge: dict[str, str], method: str, url: str) -> str:
        parts = urlsplit(url)
        uri = url if "rtsp" in parts.scheme else (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        quality, realm, nonce = _quality(challenge), challenge.get("realm", ""), challenge["nonce"]
        self._count += 1
        count, cnonce = f"{self._count:08x}", self.nonce_of_ours()

        def digest(text: str) -> str:
            return hashlib.new(_HASHES[_algorithm(challenge)], text.encode(), usedforsecurity=False).hexdigest()

        secret = digest(f"{self.user}:{realm}:{self.password}")
        if challenge.get("algorithm", "").lower().endswith("-sess"):
            secret = digest(f"{secret}:{nonce}:{cnonce}")
        what = digest(f"{method}:{uri}")
        middle = f"{nonce}:{count}:{cnonce}:{quality}" if quality else nonce
        fields = {
            "username": self.user,
            "realm": realm,
            "nonce": nonce,
            "uri": uri,
            "response": digest(f"{secret}:{middle}:{what}"),
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


def ask_camera(
    http: Http,
    credentials: Credentials | None,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    largest: int = LARGEST_BYTES,
) -> Answer:
    """Send a request to a camera, and answer its challenge. Raises SourceFailed if there is no answer."""

    def send_once() -> Answer:
        header = credentials and credentials.header(method, url)
        more = {"Authorization": header} if header else {}
        return http.exchange(method, url, {**(headers or {}), **more}, body, largest)

    try:
        answer = send_once()
        if answer.status == 401 and credentials is not None:
            if not credentials.accept_challenge(answer.headers.getlist("WWW-Authenticate")):
                wants = "wants the password in the clear (Basic), and gets it only from what you configure"
                if credentials.in_the_clear:
                    wants = "wants an authentication that is neither Basic nor Digest"
                raise SourceFailed(f"{redact_text(url)} {wants}")
            answer = send_once()
    except Unreachable as error:
        raise SourceFailed(str(error)) from error
    return answer


def picture_at(http: Http, credentials: Credentials | None, url: str) -> Answer:
    """Ask for a whole picture. Raises SourceFailed."""
    answer, place = ask_camera(http, credentials, "GET", url), redact_text(url)
    if answer.status == 401:
        raise SourceFailed(f"{place} refuses user and password: check them")
    if answer.status != 200:
        raise SourceFailed(f"{place} answered {answer.status}: is this the snapshot's URL?")
    kind = content_type(answer.body[:HEAD_BYTES])
    if kind is None:
        raise SourceFailed(f"{place} answered something that is neither JPEG nor PNG")
    if not ends_whole(kind, answer.body, _TAIL_BYTES):
        raise SourceFailed(f"the picture of {place} was cut off")
    return answer


@dataclass(eq=False, repr=False)
class SnapshotSource:
    """A camera that is asked for a picture each interval, but not while `gate` is closed."""

    http: Http
    address: Address
    clock: Clock
    interval_s: float
    gate: MotionGate | None = None

    def __post_init__(self) -> None:
        known = self.address
        self._credentials = None if known.user is None else Credentials(known.user, known.password)

    def frames(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        with nullcontext() if self.gate is None else self.gate.watching():
            due_ms = self.clock.boot_ms()
            while not stop.wait(max(0, due_ms - self.clock.boot_ms()) / 1000):
                due_ms = max(due_ms + round(self.interval_s * 1000), self.clock.boot_ms())
                yield None if self.gate is not None and not self.gate.is_open() else self.take()

    def take(self) -> EncodedFrame:
        """Take one picture, now. Raises SourceFailed."""
        answer = picture_at(self.http, self._credentials, self.address.url)
        at_ms = (answer.sent_boot_ms + answer.received_boot_ms) // 2
        return EncodedFrame(answer.body, Stamp(moment(self.clock, at_ms)))
