"""A camera's snapshot URL, asked at an interval."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from regulars_edge.clock import Clock, Moment
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.http import Answer, Http
from regulars_edge.picture import HEAD_BYTES, content_type, ends_whole
from regulars_edge.redact import redacted
from regulars_edge.sources.digest import Credentials
from regulars_edge.sources.gate import MotionGate
from regulars_edge.sources.source import LARGEST_BYTES, EncodedFrame
from regulars_edge.spool.model import Stamp

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
        boot_ms = (answer.sent_boot_ms + answer.received_boot_ms) // 2
        wall_ms = self._clock.wall_ms() - (self._clock.boot_ms() - boot_ms)
        kind = content_type(answer.body[:HEAD_BYTES])
        if kind is None:
            raise SourceFailed(f"{redacted(self._url)} answered something that is neither JPEG nor PNG")
        if not ends_whole(kind, answer.body[-_TAIL_BYTES:]):
            raise SourceFailed(f"the picture of {redacted(self._url)} was cut off")
        return EncodedFrame(answer.body, Stamp(Moment(self._clock.boot_id, boot_ms, wall_ms)))

    def _get(self) -> Answer:
        header = None if self._credentials is None else self._credentials.header("GET", self._url)
        return self._http.exchange("GET", self._url, {"Authorization": header} if header else {}, largest=LARGEST_BYTES)
