"""States of a camera: which ones need attention, and which of several is reported.

The box beside a camera names what it finds in its heartbeats (`status.trouble`, troubles.py of the
uploader). What its silence and an error without a name mean is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.captures import SILENT_AFTER, Camera
from chalicelib.storage.values import time_text

TOLD_AFTER = timedelta(minutes=10)
"""Time for which a trouble, or its end, has to last until it is told. A heartbeat without the
trouble ends it."""


class Need(StrEnum):
    """Degree to which a camera in a state needs attention."""

    BLIND = "blind"
    """Nobody is recognised."""
    IMPAIRED = "impaired"
    """People are recognised, but less well, or counted wrongly."""
    NOBODY = "nobody"


class CameraState(Struct, frozen=True):
    """A state of a camera. Its text is `camera.NAME` of domain/languages, or of the console if it
    needs no attention."""

    name: str
    need: Need
    is_of_view: bool = False
    """A person may say that what it shows is right."""
    is_told: bool = True
    """It begins an alert."""


STATES: Mapping[str, CameraState] = {
    state.name: state
    for state in (
        CameraState("login", Need.BLIND),
        CameraState("failing", Need.BLIND),
        CameraState("silent", Need.BLIND),
        CameraState("quiet", Need.BLIND),
        CameraState("full", Need.BLIND),
        CameraState("frozen", Need.BLIND),
        CameraState("covered", Need.BLIND, is_of_view=True),
        CameraState("turned", Need.BLIND, is_of_view=True),
        CameraState("changed", Need.BLIND, is_of_view=True),
        CameraState("blurred", Need.IMPAIRED, is_of_view=True),
        CameraState("well_again", Need.IMPAIRED, is_of_view=True, is_told=False),
        CameraState("slow", Need.IMPAIRED),
        CameraState("narrow", Need.IMPAIRED),
        CameraState("faulty", Need.IMPAIRED),
        CameraState("clock", Need.IMPAIRED),
        CameraState("never_seen", Need.NOBODY),
        CameraState("unwatched", Need.NOBODY),
        CameraState("ok", Need.NOBODY),
        CameraState("disabled", Need.NOBODY),
    )
}
TROUBLES = tuple(name for name, state in STATES.items() if state.need is not Need.NOBODY)


class Trouble(NamedTuple):
    """A camera's problem, by a name of TROUBLES. `is_blind`: recognition is impossible."""

    name: str
    is_blind: bool


def is_view_changed(camera: Camera) -> bool:
    """Return whether the box reports that the camera's view has changed, and no person has
    confirmed it since.

    The box says with it which word it has heard last.
    """
    heard_at = camera.status.get("view_right_at")
    is_heard = camera.view_right_at is None or heard_at == time_text(camera.view_right_at)
    return camera.status.get("view_changed") is True and is_heard


def is_muted(camera: Camera, now: datetime) -> bool:
    return camera.muted_until is not None and now < camera.muted_until


def choose_trouble(camera: Camera, silence: str | None, now: datetime) -> Trouble | None:
    """Return a camera's worst problem; None if it has none, or is disabled.

    `silence`: `silent` or `quiet`, if it should have been heard (book/cameras). Of a camera that
    gives nothing, a box that is heard itself says why: `its password is refused` is more than
    `silent`.
    """
    if not camera.enabled:
        return None
    failing_at = camera.failing_at
    if silence and (failing_at is None or now - failing_at >= SILENT_AFTER):
        return Trouble(silence, is_blind=True)
    name = _name_by_box(camera) if camera.beats else None
    if failing_at is None:
        return None if name is None else Trouble(name, STATES[name].need is Need.BLIND)
    if name is None or name != camera.status.get("trouble") or STATES[name].is_of_view:
        name = "failing"
    return Trouble(name, is_blind=True)


def _name_by_box(camera: Camera) -> str | None:
    """Return the trouble that the box beside a camera tells; None: it tells none.

    A box of another version may tell a trouble by its sentence alone, or by a name that nobody
    knows here: that is `faulty`.
    """
    status, is_changed = camera.status, is_view_changed(camera)
    told, error = status.get("trouble"), status.get("error")
    state = STATES[str(told)] if told in TROUBLES else None
    if state is not None and state.is_of_view == is_changed:
        return state.name
    if state is not None and not state.is_of_view and state.need is Need.BLIND:
        return state.name
    if is_changed:
        return "changed"
    is_answered = status.get("view_changed") is True  # somebody said that its view is right
    return "faulty" if (told or error) and not is_answered else None


def note_trouble(camera: Camera, trouble: Trouble | None, now: datetime) -> Camera:
    """Return a camera with its current problem and the time since when it has one, or with none.

    A trouble that becomes another one goes on.
    """
    name = trouble.name if trouble else ""
    since = camera.trouble_since if bool(name) == bool(camera.trouble) else now
    return replace(camera, trouble=name, trouble_since=since)


def judge_anew(camera: Camera, trouble: Trouble | None, now: datetime) -> Camera:
    """Return a camera with its current problem recorded, and marked to be reported if it is due.

    It is to be told if `told_trouble` is another one then: once it has lasted for TOLD_AFTER.
    """
    after = note_trouble(camera, trouble, now)
    since = after.trouble_since
    lasts = since is not None and now - since >= TOLD_AFTER
    return replace(after, told_trouble=after.trouble) if lasts and _is_news(after) else after


def _is_news(camera: Camera) -> bool:
    """Tell whether people are to hear what is wrong with a camera, or that nothing is any more.

    They hear the first trouble, and that nobody is recognised any more if somebody was until then.
    """
    told, state = camera.told_trouble, STATES[camera.trouble or "ok"]
    if not camera.trouble or not told:
        return told != camera.trouble and state.is_told
    was_impaired = told in STATES and STATES[told].need is Need.IMPAIRED
    return was_impaired and state.need is Need.BLIND
