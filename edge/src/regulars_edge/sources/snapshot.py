"""A camera's snapshot URL, asked at an interval."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urljoin, urlsplit

from regulars_edge.clock import Clock, parse_moment
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.frames import LARGEST_BYTES, EncodedFrame
from regulars_edge.http import Address, Answer, Http, IsEnough
from regulars_edge.logs import redact_url
from regulars_edge.picture import (
    HEAD_BYTES,
    PNG,
    TAIL_BYTES,
    decodes_whole,
    ends_whole,
    find_content_type,
)
from regulars_edge.sources.login import Credentials
from regulars_edge.sources.mjpeg import Film, PictureFinder
from regulars_edge.sources.source import MotionGate
from regulars_edge.spool.model import Stamp

_LONGEST_URL = 500
"""Characters of a snapshot's URL."""
_URL_SIGNS = "%:/?#[]@!$&'()*+,;="
"""Signs that a URL may have (RFC 3986, 2.2)."""
_QUOTED_BYTES = 120
"""So much of an answer in words is told."""
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
    *,
    keeps_rest: bool = False,
) -> Answer:
    """Send a request to a camera, and answer its challenge; `enough`, `keeps_rest` as in
    `Http.exchange`.

    Raises SourceFailed if there is no answer.

    Raises PasswordRefused if user and password are refused, or were lately.
    """

    def send_once() -> Answer:
        header = credentials and credentials.header(method, url)
        more = {"Authorization": header} if header else {}
        all_headers = {**(headers or {}), **more}
        return http.exchange(method, url, all_headers, body, largest, enough, keeps_rest=keeps_rest)

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
            if answer.status == 401 and credentials.may_have_run_out(
                challenges, was_challenged=was_challenged
            ):
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


@dataclass(eq=False)
class _Pictures:
    """The pictures of an answer that is more than one picture: several (MJPEG), or one with
    something before it."""

    finder: PictureFinder = field(default_factory=PictureFinder)
    newest: bytes | None = None
    _headers: Mapping[str, str] | None = None
    _seen: int = 0
    _count: int = 0

    def has_one(self, headers: Mapping[str, str], body: bytes | bytearray) -> bool:
        """Tell whether this beginning of an answer has such a picture; `newest` is the last one.

        An answer may begin as a JPEG, and have no head and no length. Such an answer has to have
        a second picture: with one alone, the answer is an ordinary picture.
        """
        kind, begins = headers.get("Content-Type", "").lower(), bytes(body[:HEAD_BYTES])
        is_bare = find_content_type(begins) is not None and not kind.startswith("multipart/")
        has_end = "Content-Length" in headers or find_content_type(begins) == PNG
        if len(body) < HEAD_BYTES or (is_bare and has_end):
            return False
        if headers is not self._headers:  # an answer behind the one that asked for a password
            self._headers, self._seen, self._count = headers, 0, 0
            self.finder = PictureFinder()
        pictures = self.finder.feed(bytes(body[self._seen :]))
        self._seen = len(body)
        self._count += len(pictures)
        self.newest = pictures[-1] if pictures and self._count > is_bare else None
        return self.newest is not None


def ask_picture(http: Http, credentials: Credentials | None, url: str) -> Answer:
    """Ask for a whole picture. Raises SourceFailed."""
    return _ask_pictures(http, credentials, url, _Pictures(), keeps_rest=False)


def _ask_pictures(
    http: Http, credentials: Credentials | None, url: str, found: _Pictures, *, keeps_rest: bool
) -> Answer:
    """Ask for a whole picture, the body of the answer; `keeps_rest`: whether those that come behind
    it may be read. Raises SourceFailed."""
    for _ in range(MOST_REDIRECTS + 1):
        answer = ask_camera(
            http, credentials, "GET", url, enough=found.has_one, keeps_rest=keeps_rest
        )
        if answer.status not in (301, 302, 303, 307, 308):
            return _require_picture(answer, found.newest, redact_url(url))
        # as the camera's own bytes, if it has not encoded them
        place = quote(answer.headers.get("Location", ""), _URL_SIGNS, "latin-1")
        to = urljoin(url, place)
        if not is_url_at(
            to, urlsplit(url).hostname or "", "https", *["http"] * url.lower().startswith("http:")
        ):
            raise SourceFailed(
                f"{redact_url(url)} sends to {redact_url(to)[:200]}: is that the URL of its "
                "picture?"
            )
        url = to
    raise SourceFailed(f"{redact_url(url)} sends elsewhere again and again")


def _require_picture(answer: Answer, found: bytes | None, place: str) -> Answer:
    """Return the answer with the whole picture as its body: the one that was `found` in it, if any.

    Raises SourceFailed, which says why it has none.
    """
    if answer.status == 401:
        raise SourceFailed(f"{place} lets nobody in without user and password: set them")
    if answer.status in (429, 503):
        raise SourceFailed(f"{place} is busy (it answered {answer.status})")
    if answer.status != 200:
        raise SourceFailed(f"{place} answered {answer.status}: is this the snapshot's URL?")
    if found is not None:
        return replace(answer, body=found)
    content_type = find_content_type(answer.body[:HEAD_BYTES])
    if content_type is None:
        raise SourceFailed(
            f"{place} answered something that is neither JPEG nor PNG{_quote_text(answer.body)}"
        )
    ends = not answer.broke_off and ends_whole(content_type, answer.body, TAIL_BYTES)
    if not ends and not decodes_whole(answer.body):
        raise SourceFailed(f"the picture of {place} was cut off")
    return answer


def _quote_text(body: bytes) -> str:
    """Quote the beginning of what a camera says in words, as JSON or HTML; "": it says nothing."""
    letters = body[:_QUOTED_BYTES].decode("utf-8", "replace").removesuffix("\ufffd")
    text = " ".join("".join(c if c.isprintable() else " " for c in letters).split())
    return f": {text!r}" if text and "\ufffd" not in text else ""


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


@dataclass(eq=False, repr=False)
class SnapshotSource:
    """A camera that is asked for a picture each interval, but not while `gate` is closed. One that
    goes on giving pictures (MJPEG) is asked once.

    `address`: the camera's; asked for anew after a refusal, since its password may be another then.
    """

    http: Http
    address: Callable[[], Address]
    clock: Clock
    interval_s: float
    gate: MotionGate | None = None

    def __post_init__(self) -> None:
        self._known: tuple[Address, Credentials | None] | None = None
        self._film: Film | None = None
        self.date = ""
        """When the camera thinks it is."""

    def frames(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        try:
            with nullcontext() if self.gate is None else self.gate.watching():
                yield from self._take_pictures(stop)
        finally:
            self._hang_up()

    def _take_pictures(self, stop: threading.Event) -> Iterator[EncodedFrame | None]:
        due_ms = self.clock.boot_ms()
        while not stop.wait(max(0, due_ms - self.clock.boot_ms()) / 1000):
            due_ms = max(due_ms + round(self.interval_s * 1000), self.clock.boot_ms())
            yield (
                None if self.gate is not None and not self.gate.is_open() else self.take_picture()
            )

    def take_picture(self) -> EncodedFrame:
        """Take one picture, now: the newest of those that come by themselves. Raises
        SourceFailed."""
        try:
            newest = None if self._film is None else self._film.take_newest()
            data, at_ms = newest or self._ask()
        except SourceFailed:
            # its password may be another by now, and a former challenge may have run out
            self._known = None
            self._hang_up()
            raise
        return EncodedFrame(data, Stamp(parse_moment(self.clock, at_ms)))

    def _ask(self) -> tuple[bytes, int]:
        """Ask for a picture; return it, and when it was taken by the boot clock."""
        self._hang_up()
        if self._known is None:
            at = self.address()
            self._known = at, None if at.user is None else Credentials(at.user, at.password)
        address, credentials = self._known
        found = _Pictures()
        answer = _ask_pictures(self.http, credentials, address.url, found, keeps_rest=True)
        self.date = answer.headers.get("Date", "")
        if answer.rest is None:
            return answer.body, (answer.sent_boot_ms + answer.received_boot_ms) // 2
        self._film = Film(answer.rest, found.finder, self.clock, self.http.timeouts.whole_s)
        return answer.body, self.clock.boot_ms()

    def _hang_up(self) -> None:
        if self._film is not None:
            self._film.close()
        self._film = None
