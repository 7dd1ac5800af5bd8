"""RTSP, USB cameras and video files, through PyAV: FFmpeg as one wheel, on arm64 and x86-64 alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from regulars_edge.clock import Clock, moment
from regulars_edge.errors import Misconfigured, SourceFailed
from regulars_edge.redact import redacted
from regulars_edge.sources.source import DecodedFrame
from regulars_edge.spool.model import Stamp

OPEN_S, SILENCE_S = 15.0, 15.0


class LiveSource:
    """A stream that goes on while nobody looks: of what comes, one frame an interval is taken, the newest."""

    def __init__(
        self, place: str, form: str | None, options: Mapping[str, str], clock: Clock, interval_s: float
    ) -> None:
        self._place = place
        self._form = form
        self._options = dict(options)
        self._clock = clock
        self._interval_ms = round(interval_s * 1000)

    @classmethod
    def rtsp(cls, url: str, clock: Clock, interval_s: float) -> LiveSource:
        return cls(url, None, {"rtsp_transport": "tcp"}, clock, interval_s)  # by UDP, pictures tear

    @classmethod
    def usb(cls, device: str, clock: Clock, interval_s: float) -> LiveSource:
        return cls(device, "v4l2", {"input_format": "mjpeg"}, clock, interval_s)

    def frames(self, stop: threading.Event) -> Iterator[DecodedFrame | None]:
        due = self._clock.boot_ms()
        for frame in _decoded(self._place, self._form, self._options, stop):
            now = moment(self._clock)
            if now.boot_ms >= due:
                due += self._interval_ms
                if due <= now.boot_ms:
                    due = now.boot_ms + self._interval_ms
                yield DecodedFrame(frame.to_image(), Stamp(now))
        if not stop.is_set():
            raise SourceFailed(f"{redacted(self._place)} has ended")


class VideoFileSource:
    """A file, from its beginning to its end; a frame's time is the file's beginning and its place in it.

    The beginning is what the file says (creation_time), else its modification time less its length. So a second run
    gives the same pictures with the same times, which are then known.
    """

    def __init__(self, file: Path, interval_s: float, begins_ms: int | None = None) -> None:
        self._file = file
        self._interval_s = interval_s
        self._begins_ms = begins_ms

    def frames(self, stop: threading.Event) -> Iterator[DecodedFrame | None]:
        begins_ms = self._begins_ms if self._begins_ms is not None else self._beginning_ms()
        due = 0.0
        for frame in _decoded(str(self._file), None, {}, stop):
            at_s = float(frame.time or 0.0)
            if at_s + 1e-6 >= due:
                due = (at_s // self._interval_s + 1) * self._interval_s
                yield DecodedFrame(frame.to_image(), Stamp(stated_ms=begins_ms + round(at_s * 1000)))

    def _beginning_ms(self) -> int:
        av = _av()
        try:
            with av.open(str(self._file)) as container:
                said = container.metadata.get("creation_time")
                length_ms = (container.duration or 0) // 1000
        except (av.error.FFmpegError, OSError) as error:
            raise SourceFailed(f"{self._file} cannot be read: {error}") from error
        if said:
            try:
                at = datetime.fromisoformat(said)
                if at.year > 1990 and at.tzinfo is not None:
                    return round(at.timestamp() * 1000)
            except ValueError:
                pass
        return self._file.stat().st_mtime_ns // 1_000_000 - length_ms


def _decoded(place: str, form: str | None, options: dict[str, str], stop: threading.Event) -> Iterator[Any]:
    av = _av()
    try:
        with av.open(place, format=form, options=options, timeout=(OPEN_S, SILENCE_S)) as container:
            if not container.streams.video:
                raise SourceFailed(f"{redacted(place)} has no pictures")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                if stop.is_set():
                    return
                yield frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise SourceFailed(f"{redacted(place)} cannot be read: {redacted(str(error))}") from error


def _av() -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise Misconfigured("RTSP, USB and video files need PyAV: pip install 'regulars-edge[video]'") from error
    av.logging.set_level(av.logging.PANIC)  # FFmpeg's own log would print URLs with passwords
    return av
