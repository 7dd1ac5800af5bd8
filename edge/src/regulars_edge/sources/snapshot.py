"""A camera's snapshot URL, asked at an interval."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from regulars_edge.clock import Clock, parse_moment
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.frames import LARGEST_BYTES, EncodedFrame
from regulars_edge.http import Address, Answer, Http, IsEnough
from regulars_edge.logs import redact_url
from regulars_edge.picture import (
    HEAD_BYTES,
    TAIL_BYTES,
    decodes_whole,
    ends_whole,
    find_content_type,
)
from regulars_edge.sources.login import Credentials
from regulars_edge.sources.source import MotionGate
from regulars_edge.spool.model import Stamp

_LONGEST_URL = 500
"""Characters of a snapshot's URL."""
_LOCKED = re.compile(rb"(?i)\b(user|account|login)?_?(is|been)? ?lock(ed|Status>lock)")
"""Texts of cameras that have locked a user: Hikvision names a status, others write a sentence."""
MOST_REDIRECTS = 3
"""Redirects, one after the other."""


def ask_camera(
    http: Http,
    credentials: Credentials | None,
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    largest: int = LARGEST_BYTES,
    enough: IsEnough | None = None,
) -> Answer:
    """Send a request to a camera, and answer its challenge.

    Raises SourceFailed if there is no answer.

    Raises PasswordRefused if user and password are refused, or were lately.
    """

    def send_once() -> Answer:
        header = credentials and credentials.header(method, url)
        more = {"Authorization": header} if header else {}
        return http.exchange(method, url, {**(headers or {}), **more}, body, largest, enough)

    try:
        if credentials is None:
            return send_once()
        credentials.check(url)
        was_challenged = credentials.is_challenged
        if not was_challenged:
            answer = send_once()
            _require_unlocked(answer, credentials, url)
            if answer.status != 401:
                return answer
            _accept_challenge(answer, credentials, url)
        with credentials.open_login(url):
            answer = send_once()
            challenges = answer.headers.getlist("WWW-Authenticate")
            if answer.status == 401 and was_challenged and credentials.is_new(challenges):
                _accept_challenge(answer, credentials, url)
                answer = send_once()
            _require_unlocked(answer, credentials, url)
            credentials.note_answer(url, is_refused=answer.status == 401)
    except Unreachable as error:
        if credentials is not None:
            credentials.doubt(url)
        raise SourceFailed(str(error)) from error
    return answer


def _accept_challenge(answer: Answer, credentials: Credentials, url: str) -> None:
    """Take a 401's challenge in. Raises SourceFailed if it cannot be met."""
    if not credentials.accept_challenge(answer.headers.getlist("WWW-Authenticate")):
        why = "wants the password in the clear (Basic), and gets it only from what you configure"
        if credentials.in_the_clear:
            why = "wants an authentication that is neither Basic nor Digest"
        raise SourceFailed(f"{redact_url(url)} {why}")


def _require_unlocked(answer: Answer, credentials: Credentials, url: str) -> None:
    """Raise PasswordRefused if a camera says that it has locked the user."""
    if answer.status in (401, 403) and _LOCKED.search(answer.body[:10_000]):
        why = (
            "has locked this user after wrong passwords: wait half an hour, or switch it off and on"
        )
        credentials.note_answer(url, is_refused=True, said=f"{redact_url(url)} {why}")


def ask_picture(http: Http, credentials: Credentials | None, url: str) -> Answer:
    """Ask for a whole picture. Raises SourceFailed."""
    for _ in range(MOST_REDIRECTS + 1):
        answer = ask_camera(http, credentials, "GET", url, enough=_has_part)
        if answer.status not in (301, 302, 303, 307, 308):
            return _require_picture(answer, redact_url(url))
        to = urljoin(url, answer.headers.get("Location", ""))
        if not is_url_at(
            to, urlsplit(url).hostname or "", "https", *["http"] * url.lower().startswith("http:")
        ):
            raise SourceFailed(
                f"{redact_url(url)} sends to {redact_url(to)[:200]}: is that the URL of its "
                "picture?"
            )
        url = to
    raise SourceFailed(f"{redact_url(url)} sends elsewhere again and again")


def _require_picture(answer: Answer, place: str) -> Answer:
    """Return the answer with the whole picture as its body.

    Raises SourceFailed, which says why it has none.
    """
    if answer.status == 401:
        raise SourceFailed(f"{place} lets nobody in without user and password: set them")
    if answer.status in (429, 503):
        raise SourceFailed(f"{place} is busy (it answered {answer.status})")
    if answer.status != 200:
        raise SourceFailed(f"{place} answered {answer.status}: is this the snapshot's URL?")
    body = _find_first_part(answer.headers, answer.body) or answer.body
    content_type = find_content_type(body[:HEAD_BYTES])
    if content_type is None:
        raise SourceFailed(f"{place} answered something that is neither JPEG nor PNG")
    is_cut = answer.broke_off and body is answer.body
    if (is_cut or not ends_whole(content_type, body, TAIL_BYTES)) and not decodes_whole(body):
        raise SourceFailed(f"the picture of {place} was cut off")
    return replace(answer, body=body)


def is_url_at(url: str, address: str, *schemes: str) -> bool:
    """Tell whether this is a URL of one of these schemes at this address itself."""
    if (
        len(url) > _LONGEST_URL
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' "\\<>')
    ):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and parts.hostname == address and parts.port != 0
    except ValueError:
        return False


def _has_part(headers: Mapping[str, str], body: bytes | bytearray) -> bool:
    return _find_first_part(headers, body) is not None


def _find_first_part(headers: Mapping[str, str], body: bytes | bytearray) -> bytes | None:
    """Return the first whole picture of those that come one after the other (MJPEG); None: there is
    none yet."""
    kind, _, boundary = headers.get("Content-Type", "").partition("boundary=")
    if not kind.lower().startswith("multipart/"):
        return None
    head, _, rest = bytes(body).partition(b"\r\n\r\n")
    if size := re.search(rb"(?i)\bcontent-length: *(\d{1,9})\b", head):
        return rest[: int(size[1])] if len(rest) >= int(size[1]) else None
    picture, ends, _ = rest.partition(b"\r\n--" + boundary.strip('" ').lstrip("-").encode())
    return picture if ends else None


@dataclass(eq=False, repr=False)
class SnapshotSource:
    """A camera that is asked for a picture each interval, but not while `gate` is closed.

    `address`: the camera's; asked for anew after a refusal, since its password may be another then.
    """

    http: Http
    address: Callable[[], Address]
    clock: Clock
    interval_s: float
    gate: MotionGate | None = None

    def __post_init__(self) -> None:
        self._known: tuple[Address, Credentials | None] | None = None
        self.date = ""
        """When the camera thinks it is."""

    def frames(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        with nullcontext() if self.gate is None else self.gate.watching():
            due_ms = self.clock.boot_ms()
            while not stop.wait(max(0, due_ms - self.clock.boot_ms()) / 1000):
                due_ms = max(due_ms + round(self.interval_s * 1000), self.clock.boot_ms())
                yield (
                    None
                    if self.gate is not None and not self.gate.is_open()
                    else self.take_picture()
                )

    def take_picture(self) -> EncodedFrame:
        """Take one picture, now. Raises SourceFailed."""
        if self._known is None:
            at = self.address()
            self._known = at, None if at.user is None else Credentials(at.user, at.password)
        address, credentials = self._known
        try:
            answer = ask_picture(self.http, credentials, address.url)
        except SourceFailed:
            # its password may be another by now, and a former challenge may have run out
            self._known = None
            raise
        self.date = answer.headers.get("Date", "")
        at_ms = (answer.sent_boot_ms + answer.received_boot_ms) // 2
        return EncodedFrame(answer.body, Stamp(parse_moment(self.clock, at_ms)))
