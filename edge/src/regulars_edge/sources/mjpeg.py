"""Pictures that a camera sends one after the other over one connection (MJPEG), found by their
marks: cameras write boundaries, lengths and heads of parts in all ways."""

from __future__ import annotations

import re
import threading

from regulars_edge.clock import Clock
from regulars_edge.errors import SourceFailed, Unreachable
from regulars_edge.frames import LARGEST_BYTES
from regulars_edge.http import Rest
from regulars_edge.picture import decodes_whole

_BEGIN = b"\xff\xd8\xff"
_SCAN_ENDS = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker within compressed pixels that is none of them."""
_END, _BEGIN_AGAIN, _SCAN, _FILL = 0xD9, 0xD8, 0xDA, 0xFF
_ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length."""


class PictureFinder:
    """Finds JPEGs in bytes that come bit by bit: from their first marker, segment by segment, to
    their last."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._read_to = 0
        """How far the picture at the begin of the data has been read; 0: it was not begun."""
        self._is_scan = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in, and return the pictures that are whole now.

        Raises ValueError if one has more than LARGEST_BYTES.
        """
        self._data += data
        found = []
        while (end := self._find_end()) is not None:
            picture = bytes(self._data[:end])
            del self._data[:end]
            self._read_to, self._is_scan = 0, False
            if picture.endswith(b"\xff\xd9") or decodes_whole(picture):
                found.append(picture)
        if len(self._data) > LARGEST_BYTES:
            raise ValueError(f"a picture has more than {LARGEST_BYTES} bytes")
        return found

    def _find_end(self) -> int | None:
        """Return where the next picture ends: behind its last marker, or before the next picture's
        first; None: more has to come."""
        if self._read_to == 0:
            begin = self._data.find(_BEGIN)
            del self._data[: max(0, len(self._data) - 2) if begin < 0 else begin]
            if begin < 0:
                return None
            self._read_to = 2
        while self._read_to + 2 <= len(self._data):
            if self._is_scan:
                if (found := _SCAN_ENDS.search(self._data, self._read_to)) is None:
                    self._read_to = len(self._data) - 1  # whose last byte may begin a marker
                    return None
                self._read_to, self._is_scan = found.start(), False
            first, kind = self._data[self._read_to : self._read_to + 2]
            if first != _FILL:
                self._is_scan = True  # a segment's length lies: look for the next marker
            elif kind in (_END, _BEGIN_AGAIN):
                return self._read_to + 2 * (kind == _END)
            elif kind == _FILL or kind in _ALONE:
                self._read_to += 1 if kind == _FILL else 2
            elif self._read_to + 4 > len(self._data):
                return None
            else:
                self._read_to += 2 + int.from_bytes(
                    self._data[self._read_to + 2 : self._read_to + 4], "big"
                )
                self._is_scan = kind == _SCAN
        return None


class Film:
    """A connection that goes on giving pictures, read in a thread, so that the newest one is at
    hand."""

    def __init__(self, rest: Rest, finder: PictureFinder, clock: Clock, wait_s: float) -> None:
        """Begin to read. `wait_s`: how long a picture may take, whatever else comes meanwhile."""
        self._rest, self._finder, self._clock, self._wait_s = rest, finder, clock, wait_s
        self._newest: tuple[bytes, int] | None = None
        self._fault: Exception | None = None
        self._has_ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="mjpeg", daemon=True).start()

    def close(self) -> None:
        self._has_ended = True
        self._rest.stop()

    def take_newest(self) -> tuple[bytes, int] | None:
        """Return the newest picture that was not taken yet, and when it came by the boot clock;
        wait for one if there is none. None: the camera has ended the connection.

        Raises SourceFailed if it broke off.
        """
        with self._changed:
            has_news = self._changed.wait_for(
                lambda: self._newest is not None or self._has_ended, self._wait_s
            )
            newest, self._newest = self._newest, None
        if not has_news:
            raise SourceFailed(f"{self._rest.place} goes on sending, but no picture")
        if newest is None and self._fault is not None:
            raise SourceFailed(str(self._fault)) from self._fault
        return newest

    def _read(self) -> None:
        try:
            while not self._has_ended and (data := self._rest.read()):
                if pictures := self._finder.feed(data):
                    with self._changed:
                        self._newest = pictures[-1], self._clock.boot_ms()
                        self._changed.notify_all()
        except (Unreachable, ValueError) as error:
            self._fault = error
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()
            self._rest.close()
