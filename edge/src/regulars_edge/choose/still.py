"""Faces that do not move, as those of posters and screens: each is sent for ten minutes, then once
an hour.

A face has not moved if its box shows what it showed, in nine of ten looks at least. Of those who
sit, the head moves by a twentieth of a face within seconds, and the box shows something else. So it
does while somebody stands before the poster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from regulars_edge.choose.faces import Face, crop_face, measure_overlap
from regulars_edge.frames import Frame
from regulars_edge.sources.blockage_check import NO_MEMORY

if TYPE_CHECKING:
    from numpy.typing import NDArray

STILL_MS, AGAIN_MS = 600_000, 3_600_000
"""For so long a face does not move until it is still; so often a still one is sent."""
HIDDEN_MS, KEPT_MS = 60_000, 86_400_000
"""For so long a face may be hidden before it is still, and afterwards: by people, by the night."""
MOST_OTHER = 0.1
"""Share of the looks in which a box shows something else, since somebody stands before it, until
its face has moved."""
MOST_PLACES = 64
"""Of those that are remembered; beyond it, the one that has not been seen for longest goes."""
LOOK_PX = 16
SAME_LOOK = 0.92
"""Correlation of two looks of LOOK_PX, from which on they are the same. Measured: the same face in
noise and a fifth of the light 0.94 at least, moved by 5 % of its side 0.88 at most, another
person's 0.88 at most."""
_OVERLAP = 0.3
"""Intersection over union from which on a face is at a place."""


@dataclass(eq=False)
class _Place:
    """A place of a face: what its box showed at first, since when and when last a face was found
    there, which one, and when it was sent last (None: it is not still yet).

    `same`, `other`: how often a face was found there while the box showed the same, and while it
    showed something else.
    """

    first: Face
    look: NDArray[np.float32]
    since_ms: int
    last: Face
    seen_ms: int
    sent_ms: int | None = None
    same: int = 1
    other: int = 0

    @property
    def has_moved(self) -> bool:
        return self.sent_ms is None and self.other > MOST_OTHER * (self.same + self.other)

    def shows_same(self, frame: Frame, face: Face) -> bool:
        """Tell whether the box shows what it showed. The frame is not decoded if the face was not
        even looked for anew (`FaceFinder`)."""
        return face is self.last or float(self.look @ _read_look(frame, self.first)) >= SAME_LOOK


@dataclass(eq=False)
class StillFaces:
    """Memory of where faces do not move.

    `keep`: keeps a text, which the next process gives as `memory`: where a face is still, and what
    its box shows. It has no times: what was still when a process ended was just sent.
    """

    keep: Callable[[str], object] = str
    memory: InitVar[str] = ""
    _places: list[_Place] = field(default_factory=list, init=False)

    def __post_init__(self, memory: str) -> None:
        self._kept: list[_Place] | None = None
        """The still places that were kept last; None: what was recalled has no times yet."""
        with suppress(*NO_MEMORY):  # another version's: it learns anew
            self._places = [_recall_place(*place) for place in json.loads(memory or "[]")]

    def find_still(self, frame: Frame, faces: Sequence[Face], now_ms: int) -> list[Face]:
        """Return the faces that are still, but for those whose hour has come."""
        if self._kept is None:
            for place in self._places:
                place.since_ms = place.seen_ms = place.sent_ms = now_ms
            self._kept = [*self._places]
        still = [face for face in faces if self._note(frame, face, now_ms)]
        self._forget(now_ms)
        places = [place for place in self._places if place.sent_ms is not None]
        if places != self._kept:
            self._kept = places
            self.keep(json.dumps([_note_place(place) for place in places], separators=(",", ":")))
        return still

    def _note(self, frame: Frame, face: Face, now_ms: int) -> bool:
        """Note that a face is seen; tell whether it is still, and not to be sent."""
        near = [
            place
            for place in self._places
            if measure_overlap(place.first.box_xywh, face.box_xywh) >= _OVERLAP
        ]
        place = next((place for place in near if place.shows_same(frame, face)), None)
        if place is None:  # it has moved, or stands before one that is still
            for hidden in near:
                hidden.other += 1
            self._places.append(_Place(face, _read_look(frame, face), now_ms, face, now_ms))
            return False
        place.last, place.seen_ms = face, now_ms
        place.same += 1
        if place.sent_ms is None:
            if now_ms - place.since_ms < STILL_MS:
                return False
            place.sent_ms = now_ms
        elif now_ms - place.sent_ms >= AGAIN_MS:
            place.sent_ms = now_ms
            return False
        return True

    def _forget(self, now_ms: int) -> None:
        kept = [
            place
            for place in self._places
            if not place.has_moved
            and now_ms - place.seen_ms <= (HIDDEN_MS if place.sent_ms is None else KEPT_MS)
        ]
        if len(kept) > MOST_PLACES:
            kept.remove(min(kept, key=lambda place: place.seen_ms))
        self._places = kept


def _note_place(place: _Place) -> list[object]:
    return [place.first.box_xywh, place.look.astype("<f2").tobytes().hex()]


def _recall_place(box: list[Any], look: str) -> _Place:
    """Return a place that was noted, without its times. Raises TypeError, ValueError."""
    x, y, width, height = map(float, box)
    shown = np.frombuffer(bytes.fromhex(look), "<f2").astype(np.float32)
    if len(shown) != LOOK_PX**2 or not np.isfinite([x, y, width, height, *shown]).all():
        raise ValueError(f"a look has {LOOK_PX**2} points")
    face = Face((x, y, width, height), (), 0.0)
    return _Place(face, shown, 0, face, 0, 0)


def _read_look(frame: Frame, face: Face) -> NDArray[np.float32]:
    """Return what a box shows, without its light and contrast: of length 1, unless it is blank."""
    small = crop_face(frame.pixels, face).resize((LOOK_PX, LOOK_PX))
    grey = np.asarray(small, np.float32).ravel()
    look = grey - grey.mean()
    return np.asarray(look / max(float(np.linalg.norm(look)), 1.0))
