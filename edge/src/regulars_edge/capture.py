"""Takes one source's pictures into the spool, as the configuration says; frames that are chosen too
fast wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from regulars_edge.choose.chooser import (
    ChangeFirst,
    Chooser,
    Everything,
    Moving,
    Nothing,
    Prepared,
    Preview,
    Thinned,
)
from regulars_edge.choose.morning import MorningView
from regulars_edge.clock import Clock
from regulars_edge.config import CameraConfig, Config, read_secret
from regulars_edge.errors import (
    EdgeError,
    Misconfigured,
    PasswordRefused,
    SourceFailed,
    SpoolFull,
)
from regulars_edge.frames import WAITING_FRAMES, EncodedFrame, Frame
from regulars_edge.http import CAMERA, Address, Http, Timeouts, camera_context
from regulars_edge.logs import Dropped, Tally
from regulars_edge.pace import ALWAYS, Backoff, Hours, PerMinute
from regulars_edge.picture import Content, parse_content
from regulars_edge.sources.blockage_check import BlockageCheck
from regulars_edge.sources.folder import FolderSource
from regulars_edge.sources.rtsp import Line
from regulars_edge.sources.snapshot import SnapshotSource
from regulars_edge.sources.source import MotionGate, Source
from regulars_edge.spool.model import Memory, Origin, Stamp, Taken
from regulars_edge.spool.spool import Spool
from regulars_edge.troubles import Trouble

if TYPE_CHECKING:
    from regulars_edge.choose.faces import FaceFinder
    from regulars_edge.count.counter import Counter, Minutes
    from regulars_edge.count.film import FilmKeeper
    from regulars_edge.sources.video import LiveSource


log = logging.getLogger(__name__)


MOST_WAITING = 8
"""How many of a camera's frames may wait for their turn (`per_minute`)."""


class Wiring(NamedTuple):
    """The parts of a camera that its settings decide. `is_open`: whether pictures are taken now;
    `counter`: None if nobody is counted; `hours`: when pictures may be taken, once the hour is
    known."""

    source: Source
    chooser: Chooser
    per_minute: PerMinute
    is_open: Callable[[], bool]
    counter: Counter | None = None
    hours: Hours = ALWAYS


READABLE_S = 300.0
"""A folder that could not be read for so long is dead."""
FULL_WAIT_S = 10.0
"""How long a camera waits before it tries a full spool again, in s."""
HANGS_S = 900.0
"""A source that neither gives a sign of life nor fails for so long beyond its interval hangs in a
driver: only a new process helps."""
REST_LOOK_S = 1.0
"""How often a camera that rests looks whether its hours have come."""
PASSWORD_LOOK_S = 5.0
"""How often it looks whether a password that was refused has become another."""
VIEW_NOTED_S = 3_600.0
"""How often it is noted what a camera usually shows, in s."""
_BUSY_SHARE = 0.6
"""Of a minute: a machine that works on frames for longer is why looks come late; else the camera
is."""
_SAY_EVERY_S = 60.0
"""How often the log says the same of a camera at most, in s."""


@dataclass(frozen=True)
class Shot:
    """A picture as it went into the spool, and when, by the machine's clock."""

    data: bytes
    at_ms: int


@dataclass(eq=False)
class Capture:
    """Capture from one source of a camera.

    If there are more than `per_minute`, files wait for their turn; of other frames the best
    MOST_WAITING do.

    `make` makes its parts when they are first needed: what is missing then (a password file, a
    model, PyAV) is missing to this camera only, and may come.
    """

    config: CameraConfig
    make: Callable[[CameraConfig], Wiring]
    spool: Spool
    dropped: Tally
    on_taken: Callable[[], object] = int
    film: str | None = None
    """Mark in the spool of a video file that was read to its end. A changed file has another, and
    is read again."""
    open_shop: Callable[[], object] = str
    """Lets the camera's pictures be for the shop that its key opens now."""
    now_ms: Callable[[], int] | None = None
    """The time of day; None: the machine's clock tells it."""

    def __post_init__(self) -> None:
        """Begin with nothing counted and nothing waiting; the source is not opened yet."""
        self.settings = self.config
        """Those that count: the service may have others than the file."""
        self._origin = Origin(self.config.name, f"{self.config.source}:{self.config.name}")
        self._blockage_check = None if self.config.is_of_files else self._make_check()
        self._noted_view_at = time.monotonic()
        self._looked_at = self._chosen = self._not_chosen = 0
        self._chosen_last: Stamp | None = None
        self._backoff = Backoff(base_s=1.0, cap_s=60.0)
        self._said_full = float("-inf")
        self._waiting: list[EncodedFrame] = []
        """The best of the frames that were too many, best first, of equal ones the oldest."""
        self.alive_at = float("-inf")
        """When the source last gave a sign of life, by the monotonic clock."""
        self.gave_at = time.monotonic()
        """When it last gave a frame; at first, when this process began."""
        self.turned_at = time.monotonic()
        """When it last gave a sign of life or failed; at first as above."""
        self._failing = False
        self.lag_s: float | None = None
        """How far the last frame was behind the camera; None if the source cannot fall behind."""
        self.looks_per_s: float | None = None
        """In the last minute in which it looked."""
        self._minute = (time.monotonic(), 0)
        """When the minute of looks began, and how many there were before it."""
        self._busy_s = 0.0
        """How long it worked on frames in that minute."""
        self.trouble: str | None = None
        self.trouble_name: Trouble | None = None
        """Name of the trouble in heartbeats."""
        self._full: SpoolFull | None = None
        """Why its last picture was turned away; None: it was taken."""
        self._full_bytes = 0
        """What the spool held then: with less in it there may be room again."""
        self.last: Shot | None = None
        self._has_ended = self.finished = False
        self._next: Wiring | None = None

    @cached_property
    def _wired(self) -> Wiring:
        return self.make(self.settings)

    def _make_check(self) -> BlockageCheck:
        now_ms = self.now_ms or self.spool.clock.wall_ms
        return BlockageCheck(lambda: now_ms() / 1000, self.spool.read_view(self._origin.source))

    def is_alive(self) -> bool:
        """Return whether it gives frames; of a folder, whether it can be read, and files come as
        often as is set."""
        alive_s = time.monotonic() - self.alive_at
        if self.config.source == "folder":
            return alive_s < READABLE_S and not self._is_silent()
        return alive_s < self.config.silent_after_s

    def find_fault(self) -> str | None:
        """Return the current fault in words; None if there is none."""
        if self.trouble is None and self._is_silent():
            return f"no picture for more than {self.config.silent_after_s:g} s"
        if (full := self._find_full()) is not None:
            return str(full)
        return self.trouble or (self.counter.trouble if self.counter else None)

    def _find_full(self) -> SpoolFull | None:
        return self._full if self.spool.held_bytes >= self._full_bytes else None

    def name_fault(self) -> Trouble | None:
        """Return the current fault's name for heartbeats; None if there is no fault, or it has no
        name."""
        if (full := self._find_full()) is not None:
            return full.trouble
        if self.trouble is None and not self._is_silent() and self.counter:
            return self.counter.trouble_name
        return self.trouble_name

    @property
    def counter(self) -> Counter | None:
        """Return the current counter of people; None if there is none, or the parts were not made
        yet."""
        return self._wired.counter if "_wired" in vars(self) else None

    def _is_silent(self) -> bool:
        last_at = self.gave_at if self.config.source == "folder" else self.turned_at
        return time.monotonic() - last_at >= self.config.silent_after_s

    def hangs(self, now: float) -> bool:
        """Tell whether the source hangs in a driver (HANGS_S)."""
        return not self.finished and now - self.turned_at > HANGS_S + self.settings.interval_s

    def rewire(self, wiring: Wiring) -> None:
        """Go on with these at the next frame; what is chosen until then is still taken."""
        self._next = wiring

    def move_to(self, host: str) -> None:
        """Go on with the camera at another address. Raises Misconfigured."""
        self.config, self.settings = self.config.move_to(host), self.settings.move_to(host)
        self.rewire(self.make(self.settings))

    def run(self, stop: threading.Event) -> None:
        """Run until `stop`, or until the source has no more. Raises SpoolDamaged, Misconfigured."""
        try:
            self._run(stop)
        except Exception as error:
            self._note_failure(error)  # heartbeats say it
            raise
        finally:
            if self._waiting:  # nobody will call them any more
                self.dropped.add(Dropped.PER_MINUTE, len(self._waiting))
                self._waiting.clear()

    def _run(self, stop: threading.Event) -> None:
        """Watch the source; after a failure wait, and begin again. Raises as `run` does."""
        while not stop.is_set() and not self.finished:
            self.turned_at = time.monotonic()
            if self._next is not None:
                if "_wired" in vars(self):  # else its parts were never made, and may never be
                    self._choose((), stop)  # gives out the frames that waited for a better one
                self._wired, self._next = self._next, None
            if not self._wired.is_open():
                self._note_rest()
                stop.wait(REST_LOOK_S)
                continue
            try:
                self._choose(self._watch_source(stop), stop)
                self.finished = self._has_ended
            except Exception as error:
                # else frames that wait for a better one were lost if the box stops meanwhile
                self._choose((), stop)
                if not isinstance(error, SourceFailed):
                    raise
                is_new = self.trouble != str(error)
                self._note_failure(error)
                wait_s = self._backoff.count_failure()
                if isinstance(error, PasswordRefused):
                    wait_s = PASSWORD_LOOK_S  # at its file alone: the camera does not hear of it
                if is_new or not isinstance(error, PasswordRefused):
                    log.error("%s: %s; next try in %.0f s", self.config.name, error, wait_s)
                stop.wait(wait_s)

    def _note_rest(self) -> None:
        """Note that it rests because it shall: that is no silence, and nothing is wrong now.

        An alarm about its view goes on until somebody answers it.
        """
        self.alive_at, self._failing, self._full = time.monotonic(), False, None
        check = self._blockage_check if self.is_changed else None
        self.trouble = None if check is None else check.trouble
        self.trouble_name = None if check is None else check.name
        if self.counter is not None:
            self.counter.trouble = self.counter.trouble_name = None

    def _note_failure(self, error: Exception) -> None:
        self.trouble, self._failing = str(error) or repr(error), True
        self._full = None  # no picture comes that could be turned away
        self.trouble_name = error.trouble if isinstance(error, EdgeError) else None

    def _choose(self, frames: Iterable[Frame], stop: threading.Event) -> None:
        try:
            for frame in self._wired.chooser.choose(frames):
                self._count_chosen(frame)
                self.take_picture(frame, stop)
        finally:
            if self._wired.counter is not None:
                self._wired.counter.minutes.flush()
        self._count_not_chosen()

    def take_picture(self, frame: Frame, stop: threading.Event) -> None:
        """Take one picture into the spool, or let it wait if there were too many in this minute.

        A file is released when the spool has it, and given up if it can never be sent.
        """
        self.open_shop()
        if (
            frame.mark is not None
            and self.spool.find_picture(self.config.name, frame.mark) is not None
        ):
            frame.release_file()
            return
        wait_s = self._wired.per_minute.wait_s()
        if wait_s and self.config.is_of_files and stop.wait(wait_s):
            return
        self.turned_at = time.monotonic()
        try:
            if wait_s and not self.config.is_of_files:
                self._seat_frame(frame)
                return
            data = frame.encode_picture()
            content, why = parse_content(data), "cut off"
        except OSError as error:
            content, why = None, str(error)
        if content is None:
            self.dropped.add(Dropped.DAMAGED)
            frame.give_up_file(f"not sent: {why}")
            return
        taken = self._add_picture(frame, data, content, stop)
        if taken is None:
            return
        self.last = Shot(data, self.spool.clock.wall_ms())
        if taken.is_new:
            self._wired.per_minute.take()
        frame.release_file()
        self.on_taken()

    def _add_picture(
        self, frame: Frame, data: bytes, content: Content, stop: threading.Event
    ) -> Taken | None:
        """Add the picture; None if there is no room.

        A file comes again by itself, for a film's frame this waits.
        """
        while True:
            try:
                taken = self.spool.add_picture(
                    self._origin,
                    data,
                    content,
                    frame.stamp,
                    frame.mark,
                    track=frame.track,
                    hours=self._wired.hours,
                )
                self._full = None
                return taken
            except SpoolFull as error:
                self._log_full(error)
            if not self.config.is_of_files:
                self.dropped.add(Dropped.SPOOL_FULL)
                return None
            if stop.wait(FULL_WAIT_S) or frame.mark is not None:
                return None
            self.turned_at = time.monotonic()

    def _watch_source(self, stop: threading.Event) -> Iterator[Frame]:
        """Give the source's frames, until it shall rest or go on with other settings; note its
        signs of life."""
        self._has_ended = False
        for frame in self._wired.source.frames(stop):
            if self._next is not None or not self._wired.is_open():
                self._looked_at += frame is not None and not self.config.is_of_files  # not chosen
                return  # so that what is chosen until now goes out
            self.turned_at = time.monotonic()
            if self._failing:
                log.info("%s: the source is back", self.config.name)
            self.trouble, self._failing = self._find_trouble(frame), False
            self._take_waiting(stop)
            if (counter := self._wired.counter) is not None:
                counter.is_blind = self._sees_nothing()
                if frame is None:
                    counter.note_still(self.spool.clock.boot_ms())
            if frame is not None:
                self.gave_at = time.monotonic()
                self._count_look()
                self.lag_s = frame.lag_s
                began_at = time.monotonic()
                yield frame
                del frame  # before the next one comes: in 4K it has 25 MB
                self._busy_s += time.monotonic() - began_at
                self._count_not_chosen()
            self._backoff.reset_failures()  # now, since this frame has brought nobody down
        self._has_ended = not stop.is_set()

    def _count_look(self) -> None:
        self._looked_at += 1
        began_at, count_before = self._minute
        if time.monotonic() - began_at >= _SAY_EVERY_S:
            passed_s = time.monotonic() - began_at
            self.looks_per_s = (self._looked_at - count_before) / passed_s
            if self.counter is not None:
                self.counter.box_is_busy = self._busy_s > _BUSY_SHARE * passed_s
            self._minute, self._busy_s = (time.monotonic(), self._looked_at), 0.0

    def _find_trouble(self, frame: Frame | None) -> str | None:
        """Return what is wrong with what the camera shows; one whose pictures cannot be opened is
        not alive."""
        check = self._blockage_check
        if frame is not None and check is not None:
            before = check.trouble
            check.look(frame)
            if check.trouble and before is None:
                log.error("%s: %s", self.config.name, check.trouble)
            is_due = time.monotonic() - self._noted_view_at >= VIEW_NOTED_S
            if is_due or check.trouble != before:
                self._note_view(check)
        if frame is None or check is None or not check.is_blind:
            self.alive_at = self.turned_at
        self.trouble_name = None if check is None else check.name
        return None if check is None else check.trouble

    def _sees_nothing(self) -> bool:
        return self._blockage_check is not None and self._blockage_check.fault is not None

    @property
    def is_changed(self) -> bool:
        """Return whether it shows something else than usual, which a person may say is right."""
        return self._blockage_check is not None and self._blockage_check.is_changed

    @property
    def view_right_at(self) -> str | None:
        """Return when a person last confirmed the camera's view, as far as the service reported
        it."""
        return None if self._blockage_check is None else self._blockage_check.heard_right_at

    def hear_right(self, at: str) -> None:
        """Take in that a person said at this time that what it shows is right."""
        if self._blockage_check is not None:
            self._blockage_check.right_at = at

    def _note_view(self, check: BlockageCheck) -> None:
        """Note what is usual, for the next process."""
        self._noted_view_at = time.monotonic()
        with suppress(SpoolFull):  # in an hour again
            self.spool.keep_view(self._origin.source, check.memory)

    def _count_chosen(self, frame: Frame) -> None:
        """Count the frame; several crops of one follow each other."""
        if frame.stamp is not self._chosen_last:
            self._chosen += 1
        self._chosen_last = frame.stamp

    def _count_not_chosen(self) -> None:
        """Count the frames that were looked at, and will not be chosen any more."""
        new_count = self._looked_at - self._chosen - self._wired.chooser.held - self._not_chosen
        if new_count > 0:
            self._not_chosen += new_count
            self.dropped.add(Dropped.NOT_CHOSEN, new_count)

    def _seat_frame(self, frame: Frame) -> None:
        """Let a frame wait if a seat is free, or another is worth less.

        Raises OSError for what is no picture.
        """
        if len(self._waiting) == MOST_WAITING and frame.worth <= self._waiting[-1].worth:
            self.dropped.add(Dropped.PER_MINUTE)
            return
        encoded = EncodedFrame(frame.encode_picture(), frame.stamp, frame.track)
        encoded.worth = frame.worth
        WAITING_FRAMES.hold(encoded)
        self._waiting = sorted([*self._waiting, encoded], key=lambda waiting: -waiting.worth)
        self._clear_seats()

    def _clear_seats(self) -> None:
        """Drop the frames that are too many, and those whose bytes were dropped for want of
        memory."""
        seated = [frame for frame in self._waiting if frame.encode_picture()][:MOST_WAITING]
        if dropped_count := len(self._waiting) - len(seated):
            self.dropped.add(Dropped.PER_MINUTE, dropped_count)
        self._waiting = seated

    def _take_waiting(self, stop: threading.Event) -> None:
        self._clear_seats()
        while self._waiting and self._wired.per_minute.wait_s() == 0:
            self.take_picture(self._waiting.pop(0), stop)

    def _log_full(self, error: SpoolFull) -> None:
        self._full, self._full_bytes = error, self.spool.held_bytes
        if time.monotonic() - self._said_full >= _SAY_EVERY_S:
            self._said_full = time.monotonic()
            log.error("%s: PICTURES ARE TURNED AWAY: %s", self.config.name, error)


def make_source(camera: CameraConfig, config: Config, clock: Clock) -> Source:
    """Make the source that a camera's configuration names. Raises Misconfigured."""
    if camera.source == "folder":
        after = None if camera.after == "delete" else Path(camera.after.removeprefix("move:"))
        return FolderSource(
            Path(camera.place),
            clock,
            interval_s=camera.frame_interval_s,
            after=after,
            zone=camera.zone,
            time_in_name=camera.time_in_name,
            leave_out=config.spool,
        )
    if camera.source == "snapshot":
        read_address(camera)  # raises Misconfigured now, and not only when a picture is due
        timeouts = Timeouts(connect_s=5.0, silence_s=10.0, whole_s=30.0)
        ca_file = camera.ca_file or config.ca_file
        http = Http(clock, timeouts, ca_file, tls_name=camera.tls_name, whose=CAMERA)
        gate = _make_gate(camera, config, clock)
        return SnapshotSource(
            http, partial(read_address, camera), clock, camera.frame_interval_s, gate
        )
    if camera.source == "rtsp":
        return _make_stream(camera, config, clock)
    from regulars_edge.sources.video import LiveSource, VideoFileSource

    if camera.source == "usb":
        # of which a USB cable carries more, if the camera makes it
        wishes = {"input_format": "mjpeg"}
        return LiveSource(camera.place, "v4l2", {}, clock, camera.frame_interval_s, wishes=wishes)
    return VideoFileSource(Path(camera.place), camera.frame_interval_s, hardware=camera.hardware)


def frames_within(seconds: float, source: Source) -> Iterator[Frame | None]:
    """Give what a source gives within a time. Raises Misconfigured, SourceFailed."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        yield from source.frames(stop)
    finally:
        timer.cancel()


def make_small_camera(camera: CameraConfig) -> CameraConfig | None:
    """Return the camera's small stream as a camera of its own, which is looked at for motion."""
    if camera.motion_url is None:
        return None
    return replace(
        camera,
        source="rtsp",
        place=camera.motion_url,
        motion_url=None,
        send="motion",
        hardware=None,
        count=None,
        # what the line needs may be outside of where faces count
        zones=None if camera.count else camera.zones,
    )


def _make_stream(camera: CameraConfig, config: Config, clock: Clock) -> LiveSource:
    """Make the source of an RTSP stream."""
    from regulars_edge.sources.video import LiveSource, rtsp_options

    address, gate = read_address(camera), _make_gate(camera, config, clock)
    tls = partial(camera_context, camera.ca_file or config.ca_file)

    def connect() -> AbstractContextManager[Line]:
        # its password may be another by now
        return closing(Line(read_address(camera), tls, camera.tls_name))

    transport = "tcp" if address.url.lower().startswith("rtsps:") else camera.transport
    options = rtsp_options(transport)
    return LiveSource(
        address.url,
        None,
        options,
        clock,
        camera.frame_interval_s,
        hardware=camera.hardware,
        gate=gate,
        line=connect,
    )


def _make_gate(camera: CameraConfig, config: Config, clock: Clock) -> MotionGate | None:
    small = make_small_camera(camera)
    return (
        None
        if small is None
        else MotionGate(_make_stream(small, config, clock), make_chooser(small))
    )


def read_address(camera: CameraConfig) -> Address:
    """Return the camera's URL, with the password from its file if there is one.

    Raises Misconfigured.
    """
    schemes = ("rtsp://", "rtsps://") if camera.source == "rtsp" else ("http://", "https://")
    if not camera.place.lower().startswith(schemes):
        raise Misconfigured(f"camera {camera.name}: its url begins with {' or '.join(schemes)}")
    password = read_secret(camera.password_file) if camera.password_file else None
    try:
        return Address.read(camera.place, camera.user, password)
    except ValueError:
        why = (
            "a port is a number, IPv6 has [ ], a path's @ is %40, a password with / ? # goes "
            "into password_file"
        )
        # which may show the password
        raise Misconfigured(f"camera {camera.name}: its url is none: {why}") from None


def make_counter(
    camera: CameraConfig, minutes: Minutes, film: FilmKeeper | None = None
) -> Counter | None:
    """Make what counts people at the camera's line; None if it has none. Raises Misconfigured."""
    if camera.count is None:
        return None
    from regulars_edge.count.counter import Counter
    from regulars_edge.count.people import PersonDetector

    detector, finder = PersonDetector.of_machine(), _make_finder(camera)
    return Counter(camera.count, detector, minutes, finder, film=film)


def make_chooser(
    camera: CameraConfig,
    aim: Preview | None = None,
    counter: Counter | None = None,
    morning: MorningView | None = None,
    *,
    still: Memory | None = None,
) -> Chooser:
    """Make the choice of frames that a camera's configuration names. Raises Misconfigured.

    `aim`, `morning` and `counter` see what is behind the masks. `still`: memory of posters; None:
    it ends with the process.
    """
    finder = _make_finder(camera) if counter is None else counter.faces
    chooser = _make_choice(camera, finder, still or Memory())
    if aim is not None:
        chooser = ChangeFirst(chooser, aim.look)
    if morning is not None:
        chooser = ChangeFirst(chooser, morning.look)
    if counter is not None:
        chooser = ChangeFirst(Thinned(chooser, 1000 * camera.interval_s), counter.look)
    if not (camera.masks or camera.rotate):
        return chooser
    return ChangeFirst(chooser, lambda frame: Prepared(frame, camera.masks, camera.rotate))


def _make_finder(camera: CameraConfig) -> FaceFinder | None:
    """Make what finds the faces that count; None if neither the choice of pictures nor counting
    needs it. Raises Misconfigured."""
    if camera.choice not in ("faces", "best_shot") and camera.count is None:
        return None
    from regulars_edge.choose.faces import Detector, FaceFinder

    return FaceFinder(
        Detector(camera.face_score, camera.min_face_px), camera.min_face_px, camera.zones
    )


def _make_choice(camera: CameraConfig, finder: FaceFinder | None, memory: Memory) -> Chooser:
    """Make what chooses the frames to be sent, by the camera's `choice`."""
    if camera.choice == "none":
        return Nothing()
    if camera.choice == "all":
        return Everything()
    if camera.choice == "motion" or finder is None:
        return Moving(camera.motion_share, camera.zones)
    from regulars_edge.choose.by_face import BestShot, WithFaces
    from regulars_edge.choose.still import StillFaces

    still = StillFaces(*memory)
    if camera.choice == "faces":
        return WithFaces(finder, camera.crop_room, still)
    return BestShot(finder, camera.track_s, camera.crop_room, early=camera.early, still=still)
