"""Reviews: few things that somebody should look at, since a person decides them better."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from chalicelib.core.model import Decision
from chalicelib.core.pictures import Box


class ReviewKind(StrEnum):
    PROMOTED = "promoted"
    """A stranger became a regular: who is it?"""
    UNCERTAIN = "uncertain"
    """A sighting was matched by a score little above the threshold: is it this face?"""


class NearFace(NamedTuple):
    """A face, and a sighting's score with it."""

    faceid: str
    score: float


@dataclass(frozen=True)
class Review:
    """A face, and the sighting that made somebody look at it. A face has one review at most of kind PROMOTED."""

    kind: ReviewKind
    at: datetime
    """When the picture was taken."""
    faceid: str
    camera: str
    """Id."""
    sighting_id: str
    decision: Decision | None = None
    """Why the sighting is the face's; None: the face was made from it."""
    box: Box | None = None
    """The place of the face in the capture; None: nobody noted it."""
    near: tuple[NearFace, ...] = ()
    """Of an uncertain match: the nearest faces when it was decided, best first. Some may be gone since."""

    @property
    def id(self) -> str:
        return review_id(self.kind, self.faceid if self.kind is ReviewKind.PROMOTED else self.sighting_id)


def review_id(kind: ReviewKind, subject: str) -> str:
    """Make a review's id. `subject`: the face if it was promoted, the sighting if it is uncertain."""
    return f"{kind}-{subject}"


def is_uncertain(decision: Decision, margin: float) -> bool:
    """Return whether a match scored less than `margin` above the threshold."""
    return decision.score is not None and decision.threshold <= decision.score < decision.threshold + margin
