"""Cameras, the pictures that they send, the outcome of each face in them, and the boxes beside
cameras.

Settings of all boxes of a tenant come to them in a wave: one box, a tenth of them, all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import comb
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import NO_LABELS, Decision, Labels, Template
from chalicelib.domain.pictures import (
    MAX_PICTURE_BYTES,
    BoundingBox,
    DetectedFace,
    Estimates,
    PictureRules,
    Sides,
)
from chalicelib.domain.setting import Setting, setting, settings_of
from chalicelib.storage.values import milliseconds, photo_id

DAY_S = 86_400
"""Seconds of a day."""

DEFAULT_GAP_S = 1_800
"""How long nobody may see a person before the next sighting is a new visit, in s (a camera's
`gap_s`)."""
DEFAULT_STRANGER_QUALITY = 40.0
"""Of 100. All later pictures are compared with a stranger's first one, so it must be better than a
probe."""

ERASED = "erased"
"""The reason of a sighting of somebody who was erased."""
SOMEBODY = "somebody who was erased or is restricted"
"""The reason that ERASED is shown as to all callers: nobody is told which of the two."""
UNKEPT = "nobody, of whom nothing is kept"
"""The reason of a sighting of somebody whose record of consent has ended, where strangers are
kept."""

MAX_FACES = 100
"""Faces of one capture at most: the largest ones."""

RULES = PictureRules(
    frozenset({"JPEG", "PNG"}), MAX_PICTURE_BYTES, max_long_side_px=8_192, max_short_side_px=8_192
)
"""Of the pictures of captures."""

_MS_WIDTH = 13
"""Digits of the time that a capture's id begins with: until the year 2286, so ids sort by time."""


class CameraOptions(Struct, frozen=True, kw_only=True):
    """Options of a camera that a user sets, apart from its name and groups."""

    labels: Labels = NO_LABELS
    """Labels of each of its sightings, for statistics."""
    gap_s: int = setting(
        DEFAULT_GAP_S,
        f"Seconds: sightings of a face closer than this are one arrival. At first {DEFAULT_GAP_S}.",
        1,
        DAY_S,
    )
    stranger_quality: float = setting(
        DEFAULT_STRANGER_QUALITY,
        "From this quality on a face that nobody is found for is remembered as a stranger. At "
        "first "
        f"{DEFAULT_STRANGER_QUALITY:g}.",
        0,
        100,
    )
    keeps_strangers: bool = setting(
        True,
        "Whether its strangers are remembered, if the tenant's setting `strangers` is keep. At "
        "first true.",
    )
    learns: bool = setting(
        True, "Whether faces learn from its sure sightings, if the tenant's do. At first true."
    )
    enabled: bool = setting(
        True,
        "Captures and counts of a disabled camera are refused. Its box goes on taking and counting "
        "them, and sends what it has kept once it is enabled. At first true.",
    )
    # Five minutes at least: `last_seen_at` of a bare camera is kept to the minute, and the watch
    # looks every five.
    silent_after_s: int | None = setting(
        600,
        "After so many seconds without a capture or a heartbeat a camera that sends heartbeats "
        "counts as silent. One "
        "that sends captures alone is judged by what is usual. At first 600.",
        300,
        30 * DAY_S,
        nothing="never",
    )
    edge: Mapping[str, Any] = field(default_factory=dict)
    """Settings by name that the edge uploader takes in place of those of its file."""


CAMERA_SETTINGS: Mapping[str, Setting] = settings_of(CameraOptions)
"""Those with bounds of their own, by name."""


class Outage(NamedTuple):
    """A silence of a camera, reported or muted: from its last sign until its next one."""

    since: datetime
    until: datetime


BEATEN = timedelta(days=1)
"""A camera that sent captures for so long without a heartbeat sends none any more."""

MOST_OUTAGES = 16
"""Silences that are kept of a camera: with more, each heartbeat would cost a write unit more."""


SETTINGS_OF_CAMERA = ("name", *CameraOptions.__struct_fields__, "group_ids")
"""Fields of a camera that somebody sets."""


class Camera(CameraOptions, frozen=True):
    """A source of captures, and the settings by which they are resolved."""

    id: str
    """1 to 64 letters, digits, `_`, `.` and `-`; never changes."""
    name: str
    created_at: datetime
    group_ids: tuple[str, ...] | None = None
    """Groups searched, besides `stranger` and `regular`; None: all."""
    last_seen_at: datetime | None = None
    """Time of the last offer of captures or heartbeat: to the minute, to seven if it sent a
    status."""
    heartbeat_at: datetime | None = None
    """Time of the last heartbeat that was written while it worked."""
    silent_since: datetime | None = None
    """When the event of its silence was sent; None: it is not silent."""
    trouble: str = ""
    """Name of its trouble when the watch looked last (domain/rules/camera_states); "": none."""
    trouble_since: datetime | None = None
    """Time at which that trouble began, or ended; None: the watch has noted nothing."""
    told_trouble: str = ""
    """The trouble that was told last; "": none was, or that it is well again."""
    former_until: datetime | None = None
    """When another camera of this id was deleted: what is from before is that one's. None: there
    was none."""
    outages: tuple[Outage, ...] = ()
    """Its last silences, MOST_OUTAGES at most, the newest last."""
    usual: tuple[int, ...] = ()
    """Hundredths of people of each hour of a usual week, Monday's first, if it sends no heartbeats;
    (): not known."""
    muted_until: datetime | None = None
    """Until when nobody is told that it is silent."""
    failing_at: datetime | None = None
    """Time of the last heartbeat, if it said that the camera gives nothing; None: it works, or says
    nothing."""
    status: Mapping[str, Any] = field(default_factory=dict)
    """The status in its last heartbeat: texts, numbers, true or false by name."""
    still_asked_at: datetime | None = None
    """When somebody asked what it sees, and has no answer; None: nobody did."""
    film_asked_at: datetime | None = None
    """When somebody asked for a film of its count, and has none yet; None: nobody did."""
    checked_at: datetime | None = None
    """When somebody checked its count last; None: nobody has."""
    view_at: datetime | None = None
    """When the last view of a morning came; None: none came yet."""
    view_right_at: datetime | None = None
    """When somebody said last that what it shows is right; None: nobody has."""
    refused_box: str = ""
    """Name of the box that was refused last, since another one feeds the camera; "": none was."""
    refused_at: datetime | None = None
    """When it said so last, to seven minutes."""
    faceless_share: float | None = None
    """Part of its last captures that showed no face, 0..1; None: they are too few, or nobody
    counted."""
    faceless_at: datetime | None = None
    """When they were counted."""
    version: int = 1

    @property
    def beats(self) -> bool:
        """Return whether something beside it sends heartbeats, whatever the camera sees."""
        if self.failing_at is not None or self.heartbeat_at is None or self.last_seen_at is None:
            return self.failing_at is not None or self.heartbeat_at is not None
        return self.last_seen_at - self.heartbeat_at < BEATEN


class CaptureState(StrEnum):
    WANTED = "wanted"
    """Offered; the picture is not there."""
    STORED = "stored"
    """The picture is there and waits to be resolved."""
    RESOLVED = "resolved"
    """Every face in it has its outcome."""
    PARKED = "parked"
    """It cannot be resolved; `reason` says why, and `redrive` tries again."""


class FacesShown(StrEnum):
    """The faces that a resolved capture shows: none at all, or one that was skipped."""

    NONE = "none"
    SKIPPED = "skipped"


class Resolution(StrEnum):
    """The outcome of a face in a capture."""

    MATCHED = "matched"
    STRANGER = "stranger"
    """A new face, made from this sighting."""
    SKIPPED = "skipped"
    """No face: the picture is too poor to be compared or remembered; `reason` says why."""


class Instead(StrEnum):
    """A person's statement that a sighting is nobody in the book."""

    STRANGER = "stranger"
    NEW = "new"
    """It is somebody new, whose name is known: remembered however poor the picture is."""
    NOBODY = "nobody"
    """It is no face."""


class Sighting(Struct, frozen=True):
    """One face of a capture and its resolution.

    `number`: its place in the capture; the largest face is 0.
    """

    number: int
    resolution: Resolution
    box: BoundingBox
    faceid: str | None = None
    quality: float | None = None
    reason: str = ""
    decision: Decision | None = None
    """None: the face was not searched for."""
    resolved_at: datetime | None = None
    """None: it was not resolved, since its face was erased or is being given to somebody else."""
    model: str = ""
    """That of the template which was searched for."""
    correction: int = 0
    """How many sightings of the capture had been rejected when it was resolved."""
    masked: bool | None = None
    """Whether the face wears a mask; None: the model cannot tell."""


class Capture(Struct, frozen=True):
    """One uploaded camera picture."""

    id: str
    camera_id: str
    captured_at: datetime
    sha256: str
    """64 hexadecimal digits: of what the camera offered, or of the rest."""
    size: int
    content_type: str
    state: CaptureState
    sightings: tuple[Sighting, ...] = ()
    reason: str = ""
    """Why it is parked."""
    track: str = ""
    """The camera's name for a face's way through its pictures; "": none. No part of the capture's
    identity."""
    sides: Sides | None = None
    """Those of the upright picture, in which the boxes of sightings lie. None: it was not read yet,
    or cannot be."""
    is_of_rest: bool = False
    """Whether size and hash are those of what an erasure left of the picture, or of nothing."""
    erasures: int = 0
    """How often somebody on it was erased."""

    @property
    def is_partly_shown(self) -> bool:
        """Return whether a person on it was erased, or, for a capture as it is shown,
        restricted."""
        return any(sighting.reason == ERASED for sighting in self.sightings)

    @property
    def rules(self) -> PictureRules:
        """Rules by which its picture is decoded to the sides in which the boxes of sightings lie.

        A version with other limits may have reduced it otherwise: the boxes lie in its own sides.
        """
        if self.sides is None:
            return RULES
        return replace(RULES, most_pixels=self.sides.width * self.sides.height)

    @property
    def photo(self) -> str:
        """Id of its photo for a picture that a face gets of it."""
        return self.photo_after_erasure if self.is_of_rest else photo_id(self.sha256)

    @property
    def photo_after_erasure(self) -> str:
        """Id of its photo once a person on it was erased: it follows from the capture's id, not
        from the picture."""
        return photo_id(hashlib.sha256(self.id.encode()).hexdigest())

    @property
    def photos(self) -> frozenset[str]:
        """Ids by which a face may have its photo: an erasure renames face by face, and older
        versions did not."""
        return frozenset({photo_id(self.sha256), self.photo_after_erasure})

    def with_sighting(self, sighting: Sighting, state: CaptureState) -> Capture:
        """Return the capture with the sighting at its number: replaced, or appended."""
        before, later = self.sightings[: sighting.number], self.sightings[sighting.number + 1 :]
        return replace(self, sightings=(*before, sighting, *later), state=state)


class SeenFace(Struct, frozen=True):
    """A face that vision found in a capture, before it is searched for.

    `flaw`: its worst defect, in words. `spoof`: why the face is refused; "": it is not.
    """

    detected: DetectedFace
    template: Template
    estimates: Estimates
    flaw: str
    spoof: str = ""


def capture_id(tenant: str, camera_id: str, captured_at: datetime, sha256: str) -> str:
    """Make a capture's id: 13 digits of milliseconds, `-`, 24 of a hash.

    The same capture has the same id, however often it is offered.
    """
    at_ms = f"{milliseconds(captured_at):0{_MS_WIDTH}d}"
    text = "\n".join((tenant, camera_id, at_ms, sha256))
    return f"{at_ms}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def leave_place(sighting: Sighting) -> Sighting:
    """Return what is left of a sighting of an erased person: its place."""
    return Sighting(sighting.number, Resolution.SKIPPED, sighting.box, reason=ERASED)


def shows_unkept(capture: Capture) -> bool:
    """Return whether a capture shows a person of whom nothing may be kept, whatever the tenant
    keeps of strangers."""
    return any(sighting.reason == UNKEPT for sighting in capture.sightings)


def shows_nobody(capture: Capture) -> bool:
    """Return whether a capture shows, or may show, a person without a match."""
    skipped = (
        sighting for sighting in capture.sightings if sighting.resolution is Resolution.SKIPPED
    )
    return capture.state is CaptureState.PARKED or any(
        sighting.reason != ERASED for sighting in skipped
    )


def say_disabled(camera: Camera) -> str:
    """Return a sentence about what happens to the pictures of a disabled camera."""
    return (
        f"camera {camera.id!r} is disabled: its pictures and counts are refused, and its box keeps "
        "them until it is enabled, or stopped at the box"
    )


def captured_ms(id_: str) -> int:
    """Read the time of a capture from its id or a sighting's id, in ms since 1970.

    Raises ValueError.
    """
    return int(id_[:_MS_WIDTH])


def sighting_id(capture: str, number: int) -> str:
    """Make a sighting's id, which is its observation's too."""
    return f"{capture}-{number}"


def capture_of(name: str) -> str:
    """Return the capture's id from an id that starts with it: a sighting's, or the name of a
    crop."""
    return name[: _MS_WIDTH + 25]


def parts_of_sighting(id_: str) -> tuple[str, int]:
    """Split a sighting's id into the capture's id and the face's number. Raises ValueError."""
    capture, _, number = id_.rpartition("-")
    if len(capture) != _MS_WIDTH + 25 or not number.isdigit():
        raise ValueError(f"{id_!r} is no sighting's id")
    return capture, int(number)


FIRST_CAPTURED_AT = datetime(2000, 1, 1, tzinfo=UTC)


def require_time(at: datetime, now: datetime, max_ahead_s: int) -> datetime:
    """Return the time at which a camera's picture was taken, in UTC, cut to milliseconds.

    `at` is what the camera says. Raises InvalidInput if it is before FIRST_CAPTURED_AT, or more
    than `max_ahead_s` after now, since the camera's clock is wrong then.
    """
    at = at.astimezone(UTC)
    if not FIRST_CAPTURED_AT <= at <= now + timedelta(seconds=max_ahead_s):
        said, here = at.isoformat(timespec="milliseconds"), now.isoformat(timespec="milliseconds")
        raise InvalidInput(
            f"captured_at is {said}, and the service's clock shows {here}: a picture may be up to "
            f"{max_ahead_s} s ahead of it, and not before {FIRST_CAPTURED_AT:%Y}. Set the camera's "
            "clock"
        )
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


_TRACK = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)


def is_camera_id(text: str) -> bool:
    """Return whether a camera may have this id."""
    return _ID.fullmatch(text) is not None


def require_camera_id(text: str) -> str:
    if not is_camera_id(text):
        raise InvalidInput(
            "a camera's id has 1 to 64 letters, digits, `_`, `.` and `-` and begins with none of "
            "the last two, "
            f"not {text[:70]!r}"
        )
    return text


def require_track(text: str) -> str:
    if not _TRACK.fullmatch(text):
        raise InvalidInput(f"track is 1 to 64 letters, digits, `_`, `.` and `-`, not {text[:70]!r}")
    return text


SETTLES = timedelta(minutes=30)
"""After so long the next boxes follow: a box that cannot run a version runs the former again within
15 minutes."""
SILENT_AFTER = timedelta(minutes=15)
"""A box that was not heard for so long is silent; heartbeats are written every seven minutes."""
BEATS = timedelta(minutes=5)
"""So long after an outage boxes may take to be heard again: they beat every two minutes."""
_FEWEST_TESTED, _CHANCE = 10, 0.01
"""From so many boxes on chance may explain silent ones, if so many are silent at least once in a
hundred times."""
BOX_SETTINGS = ("version", "kib_per_s", "mib_per_month", "upload_hours")
"""Settings of a whole box."""


class LastSign(Struct, frozen=True):
    """The last heartbeat of a box: `at`: its time, None: there was none; `version`: the one that
    runs there."""

    at: datetime | None
    version: object = None

    def is_heard(self, now: datetime) -> bool:
        return self.at is not None and now - self.at < SILENT_AFTER


class Wave(Struct, frozen=True):
    """A staged rollout of settings to all boxes of a tenant: one box, a tenth of them, all.

    `reached`: the boxes that have the settings, in the order in which they got them, the last of
    them at `at`. It is empty once all have them: a thousand ids do not fit a stored item.
    """

    at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)
    reached: tuple[str, ...] = ()
    is_done: bool = False
    """Whether all have them, those that come later, too."""
    stopped: str | None = None
    """Why no more boxes follow."""
    missed_at: datetime | None = None
    """When one of these boxes was silent first, or the whole service; None: all are heard."""

    def has(self, box: object) -> bool:
        """Return whether a box has the settings.

        Its id is as its heartbeat says; without one it is none.
        """
        return isinstance(box, str) and bool(box) and (self.is_done or box in self.reached)


def edge_of(
    wave: Wave, box: object, settings_before: Mapping[str, Any], wanted_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings that a camera's box, the device beside it, is to have now.

    `wanted_settings` are what a user wants for this camera. Settings of a whole box (BOX_SETTINGS,
    such as the version) come in a wave, a staged rollout over all boxes. A box that the wave has
    reached gets the wave's values. Any other keeps its own of `settings_before`, unless the user
    wants another value. `box` is its id; empty if the camera has none.
    """
    if wave.has(box):
        of_camera = {
            name: value for name, value in wanted_settings.items() if name not in BOX_SETTINGS
        }
        return {**of_camera, **wave.settings}
    kept_of_box = {}
    if box:
        kept_of_box = {
            name: value for name, value in settings_before.items() if name in BOX_SETTINGS
        }
    return {**kept_of_box, **wanted_settings}


def advance_wave(wave: Wave, boxes: Mapping[str, LastSign], now: datetime) -> Wave:
    """Return the wave (a staged rollout of settings to boxes) one step on, stopped, or as it is.

    It reaches one box first, then a tenth of all, then all. `boxes` has all boxes (devices beside
    cameras), with the last heartbeat of each. Boxes that have the settings may fall silent, more of
    them than by chance, or run another version. Then the wave stops.
    """
    if wave.is_done or wave.stopped:
        return wave
    wave = _judge_silence(wave, boxes, now)
    # `missed_at`: boxes with the settings are silent now. Wait until they are heard.
    if wave.stopped or wave.missed_at is not None:
        return wave
    is_settled = not wave.reached or now - wave.at >= SETTLES
    if not is_settled:  # the last step may still fail
        return wave
    failure = _find_failed_version(wave, boxes, now)
    if failure:
        return replace(wave, stopped=failure)
    return _reach_next_boxes(wave, boxes, now)


def _find_failed_version(wave: Wave, boxes: Mapping[str, LastSign], now: datetime) -> str:
    """Return which boxes do not run the version of a wave (staged settings), in words; "": all do.

    A box that cannot run the wave's version goes back by itself to the one before, which shows
    here. Only boxes that have the settings and are heard are looked at. Of a wave without a version
    the answer is "".
    """
    version = wave.settings.get("version")
    signs = {box: boxes[box] for box in wave.reached if box in boxes}
    boxes_of_other_version = [
        box for box, sign in signs.items() if sign.is_heard(now) and sign.version != version
    ]
    if version is None or not boxes_of_other_version:
        return ""
    return f"{version} does not run: {', '.join(boxes_of_other_version[:5])}"


def _judge_silence(wave: Wave, boxes: Mapping[str, LastSign], now: datetime) -> Wave:
    """Return the wave (a staged rollout of settings), stopped if too many boxes fell silent.

    Boxes without the settings show how many are silent by chance. If there are more, `missed_at`
    notes since when. The wave does not stop at once, since after an outage of the service no box is
    heard. It stops BEATS later if any box was heard since, else SETTLES later.
    """
    silent_boxes = [box for box in wave.reached if not boxes.get(box, LastSign(None)).is_heard(now)]
    others = [sign for box, sign in boxes.items() if box not in wave.reached]  # without them
    silent_others = [sign for sign in others if not sign.is_heard(now)]
    if not silent_boxes or _is_by_chance(
        silent=len(silent_boxes),
        of=len(wave.reached),
        silent_others=len(silent_others),
        others=len(others),
    ):
        return replace(wave, missed_at=None)

    missed_since = wave.missed_at or now
    is_service_up = any(sign.at is not None and sign.at > missed_since for sign in boxes.values())
    waits = BEATS if is_service_up else SETTLES
    if now - missed_since < waits:
        return replace(wave, missed_at=missed_since)
    return replace(wave, stopped=f"silent: {', '.join(silent_boxes[:5])}")


def _reach_next_boxes(wave: Wave, boxes: Mapping[str, LastSign], now: datetime) -> Wave:
    """Return the wave (a staged rollout of settings) with the next boxes: one, a tenth, all.

    The first two steps take boxes that are heard; if too few are, as many as there are. The last
    step takes all, heard or not. Then the wave is done, and lists none (`reached`).
    """
    a_tenth = -(-len(boxes) // 10)  # rounded up
    target = next((size for size in (1, a_tenth) if size > len(wave.reached)), len(boxes))
    if target == len(boxes):
        return replace(wave, reached=(), is_done=True, at=now)
    ready_boxes = [
        box for box, sign in boxes.items() if sign.is_heard(now) and box not in wave.reached
    ]
    next_boxes = tuple(ready_boxes[: target - len(wave.reached)])
    if not next_boxes:  # none is heard: wait
        return wave
    return replace(wave, reached=wave.reached + next_boxes, at=now)


def _is_by_chance(silent: int, of: int, silent_others: int, others: int) -> bool:
    """Return whether `silent` boxes `of` so many may be silent by chance, by a binomial test.

    `silent_others` of the `others`, boxes without the new settings, say how often a box is silent
    by chance. The answer is False if more than half are silent, or there are fewer than
    _FEWEST_TESTED.
    """
    share = (silent_others + 1) / (others + 2)  # Laplace's rule: never 0 or 1
    chance_of_fewer = sum(
        comb(of, number) * share**number * (1 - share) ** (of - number) for number in range(silent)
    )
    is_likely = 1 - chance_of_fewer >= _CHANCE  # that so many or more are silent
    return of >= _FEWEST_TESTED and 2 * silent <= of and is_likely


def begin_wave(before: Wave, settings: Mapping[str, Any], now: datetime) -> Wave:
    """Return a wave of these settings; one that has stopped goes on from where it is, if they are
    its own."""
    if before.stopped and before.settings == settings:
        return replace(before, at=now, stopped=None, missed_at=None)
    return Wave(now, settings)


class PictureCount(Struct, frozen=True):
    """The pictures of captures that were kept at a time."""

    captures: int
    size: int
    """Bytes of all together, with the crops that were cut out of them."""
    counted_at: datetime
