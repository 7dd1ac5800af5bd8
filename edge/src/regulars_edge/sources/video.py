"""RTSP, USB cameras and video files, through PyAV: FFmpeg as one wheel, on arm64 and x86-64
alike."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from regulars_edge.clock import Clock, StreamTime, parse_moment
from regulars_edge.errors import EdgeError, ExtraMissing, SourceFailed, TooLate
from regulars_edge.frames import Frame, Mode, encode_jpeg
from regulars_edge.logs import redact_text, redact_url
from regulars_edge.pace import Ticks
from regulars_edge.sources.rtsp import RARE_KEYS, Line
from regulars_edge.sources.source import MotionGate
from regulars_edge.spool.model import Stamp

try:
    import av
    import av.error
    from av.codec.hwaccel import HWAccel
except ImportError as error:
    raise ExtraMissing("RTSP, USB and video files", "video") from error

# FFmpeg's own log would print URLs with passwords. PyAV's takes Python's lock in the decoders'
# threads; another thread that frees a decoder may hold that lock and wait for them.
av.logging.set_level(None)

log = logging.getLogger(__name__)

OPEN_S, SILENCE_S = 15.0, 15.0
NO_PICTURE_MS, NO_KEY_MS = 30_000, 120_000
"""A stream that gives nothing that can be decoded for so long is opened anew; one that has not
begun with a whole picture yet, after so long."""

SETTLE_MS = 500
"""What was buffered while a stream was opened is read by then; its arrival says nothing of when it
was taken."""

LATE_MS, TOO_LATE_MS = 3_000, 10_000
"""So far behind the camera, it is said; so far, the stream is opened anew."""

_SAY_EVERY_MS = 60_000
"""How often the log says that a stream is late at most, in ms."""
_LOOK_S = 0.05
"""How often it is looked for the next frame, in s."""
_MOST_DAMAGED = 1_000
"""Damaged packets after one another after which a film counts as unreadable."""


BY_NAME, BY_DEVICE = "v4l2m2m", "vaapi"
"""Hardware whose decoders have names of their own (h264_v4l2m2m), and hardware that the usual
decoder makes use of."""


class DecodedFrame(Frame):
    """A decoder's frame, upright and with square pixels, of which no more is made RGB in Pillow
    than is asked for.

    `frame`: PyAV's, which says how it is turned; `pixel`: how wide its pixels are, in shares of
    their height.
    """

    def __init__(
        self, frame: Any, stamp: Stamp, lag_s: float | None = None, pixel: float = 1.0
    ) -> None:
        self._frame = frame
        self._turn = round(frame.rotation / 90) % 4
        """Quarters to the left by which it becomes upright."""
        self._lying = round(frame.width * max(1.0, pixel)), round(frame.height / min(1.0, pixel))
        self.size = self._turn_size(self._lying)
        self.stamp = stamp
        self.lag_s = lag_s

    def encode_picture(self) -> bytes:
        return encode_jpeg(self.image())

    def image(self) -> Image.Image:
        return self.crop((0, 0, *self.size))

    @property
    def pixels(self) -> DecodedFrame:
        return self

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """PyAV's `to_image` would hold three more copies of all pixels meanwhile: 75 MB in 4K."""
        left, top, right, bottom = box
        width, height = self.size
        for _ in range(self._turn):
            left, top, right, bottom = height - bottom, left, height - top, right
            width, height = height, width
        line_bytes = self._rgb.line_size
        part = memoryview(self._rgb)[top * line_bytes + 3 * left :]
        return self._turn_upright(
            Image.frombytes("RGB", (right - left, bottom - top), part, "raw", "RGB", line_bytes, 1)
        )

    def shrink(self, size_px: tuple[int, int], mode: Mode) -> Image.Image:
        lying_px = self._turn_size(size_px)
        form = "gray" if mode == "L" else "rgb24"
        plane = self._frame.reformat(*lying_px, form, interpolation="AREA").planes[0]
        return self._turn_upright(
            Image.frombytes(mode, lying_px, memoryview(plane), "raw", mode, plane.line_size, 1)
        )

    @cached_property
    def _rgb(self) -> Any:
        return self._frame.reformat(*self._lying, format="rgb24").planes[0]

    def _turn_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        return (size_px[1], size_px[0]) if self._turn % 2 else size_px

    def _turn_upright(self, picture: Image.Image) -> Image.Image:
        return picture.rotate(90 * self._turn, expand=True) if self._turn else picture


def rtsp_options(transport: str) -> dict[str, str]:
    """Return FFmpeg's options of a stream.

    `transport`: tcp, udp, or auto: TCP unless the camera has UDP only.
    """
    # By UDP, pictures tear. `threads` are of the decoder that looks at the beginning only: each
    # holds frames. Sound is not asked for: it would be an eavesdropper.
    options = {
        "rtsp_transport": transport,
        "allowed_media_types": "video",
        "threads": "1",
        "rtsp_flags": "filter_src",
    }
    return options | (
        {"rtsp_transport": "tcp+udp", "rtsp_flags": "prefer_tcp+filter_src"}
        if transport == "auto"
        else {}
    )


@dataclass
class PacketCount:
    """Packets that a stream has sent, and of them those with a whole picture (key frames)."""

    packets: int = 0
    whole: int = 0

    def count(self, is_whole: bool) -> None:
        self.packets += 1
        self.whole += is_whole


@dataclass(eq=False, repr=False)
class LiveSource:
    """A stream that runs continuously: each interval, the newest frame is taken.

    A thread of its own reads all the time, so that nothing piles up between the camera and here; it
    decodes nothing. While `gate` is closed nothing is decoded at all. `form`, `options`: as FFmpeg
    takes them; `wishes`: options that a camera may not have; `line`: the connection by which FFmpeg
    gets at a camera.
    """

    place: str
    form: str | None
    options: Mapping[str, str]
    clock: Clock
    interval_s: float
    _: KW_ONLY
    hardware: str | None = None
    gate: MotionGate | None = None
    wishes: Mapping[str, str] = field(default_factory=dict)
    line: Callable[[], AbstractContextManager[Line | None]] = nullcontext
    opened: Line | None = field(default=None, init=False)
    """The connection that is read, or was last."""
    packets: PacketCount = field(default_factory=PacketCount, init=False)
    _said_late_ms: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._interval_ms = max(10, round(self.interval_s * 1000))

    def frames(self, stop: threading.Event) -> Iterator[DecodedFrame | None]:
        with nullcontext() if self.gate is None else self.gate.watching():
            yield from self._take_frames(stop)

    def _take_frames(self, stop: threading.Event) -> Iterator[DecodedFrame | None]:
        """Give the newest frame each interval; None while the gate is shut.

        Raises SourceFailed at its end.
        """
        mailbox = Mailbox()
        threading.Thread(target=self._fill, args=(mailbox,), name="read", daemon=True).start()
        has_given, last_ms = False, self.clock.boot_ms()
        ticks = Ticks(self._interval_ms, early_ms=0, due_ms=last_ms + SETTLE_MS)
        try:
            while not stop.wait(min(_LOOK_S, self._interval_ms / 1000)):
                now_ms, ended = self.clock.boot_ms(), mailbox.ended
                if self.gate is not None and not self.gate.is_open() and ended is None:
                    last_ms = now_ms
                    yield None
                    continue
                frame = mailbox.decode_newest() if ticks.is_due(now_ms) or ended else None
                if frame is not None:
                    has_given, last_ms = True, now_ms
                    ticks.take(now_ms)
                    stamped = [self._stamp_frame(frame, mailbox)]
                    del frame
                    # nothing here holds its pixels while the next ones are decoded
                    yield stamped.pop()
                elif ended is not None:
                    raise ended
                else:
                    self._require_pictures(mailbox, now_ms - last_ms, has_given=has_given)
        finally:
            mailbox.closed.set()

    def _require_pictures(self, mailbox: Mailbox, silence_ms: int, *, has_given: bool) -> None:
        """Raise SourceFailed if no picture has come for too long; `has_given`: whether one has come
        at all."""
        if silence_ms <= self._interval_ms + (
            NO_KEY_MS if mailbox.is_without_key else NO_PICTURE_MS
        ):
            return
        if mailbox.is_without_key:
            raise SourceFailed(f"{redact_url(self.place)} gives no whole picture: {RARE_KEYS}")
        if self.hardware is not None and not has_given:  # which may be why
            _say_unused(redact_url(self.place), self.hardware, "it gives no picture")
            self.hardware = None
        raise SourceFailed(f"{redact_url(self.place)} gives nothing that can be decoded")

    def _fill(self, mailbox: Mailbox) -> None:
        """Read the stream into the mailbox until it ends, and leave there why."""
        try:
            with self.line() as line:
                self.opened = line
                try:
                    self._read_packets(mailbox, self.place if line is None else line.url)
                except SourceFailed as error:
                    raise error if line is None else line.explain_error(error) from error
            mailbox.ended = SourceFailed(f"{redact_url(self.place)} has ended")
        except EdgeError as error:
            mailbox.ended = error
        except OSError as error:
            mailbox.ended = SourceFailed(
                f"{redact_url(self.place)} cannot be read: {_explain_failure(error)}"
            )

    def _read_packets(self, mailbox: Mailbox, at: str) -> None:
        with _open_video(
            at, self.form, dict(self.options), self.hardware, self.wishes, redact_url(self.place)
        ) as opened:
            container, stream, mailbox.decoder = opened
            stream.thread_type = "SLICE"  # threads that take a frame each would hold frames back
            for packet in _demux_packets(container, stream, mailbox.closed):
                mailbox.put_packet(packet, self.clock.boot_ms())
                self.packets.count(packet.is_keyframe)

    def _stamp_frame(self, frame: Any, mailbox: Mailbox) -> DecodedFrame:
        """Return a live frame with the time at which it was taken.

        Raises TooLate if the frame is more than TOO_LATE_MS old; from LATE_MS on, a warning is
        logged now and then.
        """
        now_ms, taken_ms = self.clock.boot_ms(), mailbox.find_taken_ms(frame)
        late_ms = now_ms - taken_ms
        text, advice = self._explain_lateness(late_ms, mailbox.find_silence_ms(now_ms))
        if late_ms > TOO_LATE_MS:
            raise TooLate(text)
        if late_ms > LATE_MS and (
            self._said_late_ms is None or now_ms - self._said_late_ms > _SAY_EVERY_MS
        ):
            self._said_late_ms = now_ms
            log.warning("%s%s", text, advice)
        moment = parse_moment(self.clock, taken_ms)
        pixel = _find_pixel_width(mailbox.decoder)
        return DecodedFrame(frame, Stamp(moment), late_ms / 1000, pixel)

    def _explain_lateness(self, late_ms: int, silence_ms: int) -> tuple[str, str]:
        """Say why frames are late, and what helps: the stream was silent before, or comes too
        slowly."""
        place = redact_url(self.place)
        if silence_ms > late_ms / 2:
            text = (
                f"{place} has sent nothing for {silence_ms / 1000:.0f} s, and sends what is late "
                "now: has it lost its network (Wi-Fi) for a while?"
            )
            return text, ""
        why = "the network or this machine is too slow"
        advice = "; use its smaller stream, or a longer interval_s"
        return f"{place} is {late_ms / 1000:.1f} s behind: {why}", advice


class Mailbox:
    """The packets since the stream's newest key frame that were not decoded yet."""

    def __init__(self, most_bytes: int = 64 * 2**20) -> None:
        """Hold up to so many bytes; if there are more between two key frames, all wait for the next
        key frame."""
        self.decoder: Any = None
        """The one of the stream that fills this."""
        self.ended: EdgeError | None = None
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._packets: list[Any] = []
        self._bytes = 0
        self._most_bytes = most_bytes
        self._waits_for_key = True
        self._has_gap = False
        self.is_without_key = self._has_key = False
        """Whether packets have come, and none with a whole picture (key frame) yet; whether such a
        one has."""
        self._time = StreamTime()
        self._came_ms: int | None = None
        self._silence = 0, 0
        """How long the last silence was that is worth a word, and when it ended."""

    def find_silence_ms(self, now_ms: int) -> int:
        """Return how long the stream was silent before what it sends now; 0: it was not."""
        with self._lock:
            length_ms, ended_ms = self._silence
        return length_ms if now_ms - ended_ms < _SAY_EVERY_MS else 0

    def put_packet(self, packet: Any, now_ms: int) -> None:
        """Put a packet of the stream in; a key frame, a whole picture, drops all packets before it.

        `now_ms`: the time at which it came. If too many bytes wait, they are dropped, and packets
        count again from the next key frame.
        """
        with self._lock:
            if self._came_ms is not None and now_ms - self._came_ms > LATE_MS:
                self._silence = now_ms - self._came_ms, now_ms
            self._came_ms = now_ms
            self._time.note_packet(
                None if packet.pts is None else float(packet.pts * packet.time_base * 1000), now_ms
            )
            self.is_without_key = not packet.is_keyframe and (
                self.is_without_key or not self._has_key
            )
            self._has_key = self._has_key or packet.is_keyframe
            if packet.is_keyframe or self._bytes > self._most_bytes:
                self._has_gap = self._has_gap or bool(self._packets)
                self._packets, self._bytes, self._waits_for_key = [], 0, not packet.is_keyframe
            if packet.size and not self._waits_for_key:
                self._packets.append(packet)
                self._bytes += packet.size

    def decode_newest(self) -> Any:
        """Decode what came since the last call, and return its last frame; None if there is
        none."""
        with self._lock:
            if not self._packets:
                return None
            packets, self._packets, self._bytes = self._packets, [], 0
            has_gap, self._has_gap = self._has_gap, False
        if has_gap:
            self.decoder.flush_buffers()
        newest = None
        for packet in packets:
            for frame in _decode_packet(self.decoder, packet):
                newest = frame
        return newest

    def find_taken_ms(self, frame: Any) -> int:
        """Return when the frame was taken, by the boot clock."""
        with self._lock:
            return self._time.find_taken_ms(None if frame.time is None else frame.time * 1000)


@dataclass(eq=False)
class VideoFileSource:
    """A file, from its beginning to its end; a frame's time is the file's beginning and its place
    in it.

    The beginning is what the file says (creation_time), else its modification time less its length.
    So a second run gives the same pictures with the same times, which are then known.
    """

    TRIES = 5
    """A file that cannot be read to its end is given up after so many."""

    file: Path
    interval_s: float
    _: KW_ONLY
    hardware: str | None = None
    _tried: int = field(default=0, init=False)

    def frames(self, stop: threading.Event) -> Iterator[DecodedFrame | None]:
        try:
            yield from self._read_frames(stop)
        except SourceFailed as error:
            self._tried += 1
            if self._tried < self.TRIES:
                raise
            log.error("%s; it is given up until it changes", error)

    def _read_frames(self, stop: threading.Event) -> Iterator[DecodedFrame]:
        """Yield one frame of each interval, from the film's beginning.

        Raises SourceFailed if there is none.
        """
        last_interval, interval_ms = -1, max(1, round(self.interval_s * 1000))
        with _open_video(str(self.file), None, {}, self.hardware) as (container, stream, decoder):
            stream.thread_type = "AUTO"
            begins_ms = self._find_beginning_ms(container)
            for packet in _demux_packets(container, stream, stop):
                for frame in _decode_packet(decoder, packet):
                    at_ms = round((frame.time or 0.0) * 1000)
                    if at_ms // interval_ms > last_interval:
                        last_interval = at_ms // interval_ms
                        yield DecodedFrame(
                            frame,
                            Stamp(stated_ms=begins_ms + at_ms, by="film"),
                            pixel=_find_pixel_width(stream),
                        )
        if last_interval < 0 and not stop.is_set():
            if self.hardware is not None:  # which may be why
                _say_unused(str(self.file), self.hardware, "it gives no picture")
                self.hardware = None
            raise SourceFailed(f"{self.file} has no picture that can be decoded")

    def _find_beginning_ms(self, container: Any) -> int:
        stated = container.metadata.get("creation_time")
        if stated:
            with suppress(ValueError):
                at = datetime.fromisoformat(stated)
                if at.year > 1990 and at.tzinfo is not None:
                    return round(at.timestamp() * 1000)
        return self.file.stat().st_mtime_ns // 1_000_000 - (container.duration or 0) // 1000


def measure_film_s(file: Path) -> float:
    """Return how long a film lasts; infinite if it does not say that. Raises SourceFailed."""
    with _open_video(str(file), None, {}) as (container, _, _decoder):
        return float(container.duration / av.time_base) if container.duration else math.inf


def _find_pixel_width(said_by: Any) -> float:
    """Return how wide a decoder's or stream's pixels are, in shares of their height: recorders
    halve the columns."""
    ratio = getattr(said_by, "sample_aspect_ratio", None)
    return float(ratio) if ratio and 0.25 <= ratio <= 4 else 1.0


@contextmanager
def _open_video(
    place: str,
    form: str | None,
    options: Mapping[str, str],
    hardware: str | None = None,
    wishes: Mapping[str, str] = MappingProxyType({}),
    name: str = "",
) -> Iterator[tuple[Any, Any, Any]]:
    """Open a film or stream; give it, its first video stream, and the decoder of that.

    `form`, `options`: as FFmpeg takes them; `wishes`: options without which it is opened if it does
    not take them. Raises SourceFailed, which says `name`, also for what goes wrong inside the
    block.
    """
    name = name or redact_text(place)
    settings = {"format": form, "options": {**options, **wishes}, "timeout": (OPEN_S, SILENCE_S)}
    try:
        try:
            opened = _open_container(place, hardware, name, **settings)
        except av.error.FFmpegError:
            if not wishes:
                raise
            opened = _open_container(place, hardware, name, **settings | {"options": dict(options)})
        with opened as container:
            if not container.streams.video:
                raise SourceFailed(f"{name} has no pictures")
            stream = container.streams.video[0]
            own_decoder = stream.codec_context
            decoder = (
                open_decoder(stream, f"{own_decoder.codec.name}_{hardware}", name)
                if hardware == BY_NAME
                else own_decoder
            )
            yield container, stream, decoder
    except (av.error.FFmpegError, OSError, ValueError) as error:
        cause = TimeoutError() if isinstance(error, av.error.ExitError | TimeoutError) else error
        raise SourceFailed(f"{name} cannot be read: {_explain_failure(error)}") from cause


def _open_container(place: str, hardware: str | None, name: str, **settings: Any) -> Any:
    """Open with hardware that decodes, if there is some; else without, and say so.

    Raises FFmpegError.
    """
    if hardware != BY_DEVICE:
        return av.open(place, **settings)
    why = "it does not decode this"
    try:
        container = av.open(place, hwaccel=HWAccel(hardware), **settings)
        if any(stream.codec_context.is_hwaccel for stream in container.streams.video[:1]):
            return container
    except av.error.FFmpegError as error:
        why = _explain_failure(error)
        container = av.open(place, **settings)
    _say_unused(name, hardware, why)
    return container


def open_decoder(stream: Any, codec: str, place: str) -> Any:
    """Return the decoder of that name; the stream's usual one if it cannot be opened."""
    try:
        made = av.CodecContext.create(codec, "r")
        made.extradata = stream.codec_context.extradata
        made.open()
    except (av.error.FFmpegError, ValueError) as error:
        _say_unused(place, codec, _explain_failure(error))
        return stream.codec_context
    return made


def _explain_failure(error: Exception) -> str:
    """Leave out FFmpeg's URL: of a line with two, logs hide what is between their passwords."""
    return redact_text(str(getattr(error, "strerror", None) or error))


def _say_unused(place: str, hardware: str, why: str) -> None:
    log.warning("%s: %s is not used: %s; the processor decodes", place, hardware, why)


def _demux_packets(container: Any, stream: Any, stop: threading.Event) -> Iterator[Any]:
    """Yield what can be read; damaged stretches are left out.

    Raises FFmpegError if nothing else comes.
    """
    damaged = 0
    while True:
        try:
            for packet in container.demux(stream):
                if stop.is_set():
                    return
                damaged = 0
                yield packet
            return
        except av.error.InvalidDataError:
            damaged += 1
            if damaged > _MOST_DAMAGED:
                raise


def _decode_packet(decoder: Any, packet: Any) -> list[Any]:
    """Decode a packet, or what is left if it is None; one that is damaged holds nothing."""
    try:
        frames: list[Any] = decoder.decode(packet)
    except av.error.FFmpegError:
        return []
    return frames
