"""Observations: records that one face was in one picture at one time, enrolled, searched for or
seen by a camera.

Reviews: few things that somebody should look at, since a person decides them better.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import NO_LABELS, Decision, Face, Labels
from chalicelib.domain.pictures import NO_ESTIMATES, BoundingBox, Estimates
from chalicelib.storage.values import made_at, milliseconds


class ObservationKind(StrEnum):
    """The event that made an observation."""

    ENROLMENT = "enrolment"
    SEARCH = "search"
    SIGHTING = "sighting"


class Measure(StrEnum):
    """A unit of counts.

    Arrivals count in the bucket in which they began, and so do persons: each once a bucket, so they
    are never more than the arrivals. Somebody who came on Sunday and stays over midnight is
    `present` on Monday, and no person of Monday.
    """

    OBSERVATIONS = "observations"
    PERSONS = "persons"
    ARRIVALS = "arrivals"
    PRESENT = "present"
    """Persons who were observed, each once a bucket."""


class Split(StrEnum):
    """A value by which an amount is split."""

    CAMERA = "camera"
    GROUP = "group"
    KIND = "kind"
    GENDER = "gender"
    AGE = "age"
    LABEL_A = "labels.a"
    LABEL_B = "labels.b"
    LABEL_C = "labels.c"
    LABEL_D = "labels.d"
    VISIT = "visit"
    """Of arrivals alone: whether it is the face's first one (VisitKind)."""
    STAY = "stay"
    """Of arrivals alone: the minutes from first to last sighting, the largest of STAYS that they
    reach."""
    AGAIN = "again"
    """Of arrivals alone: whether the face came again within 30 days (CameAgain)."""


OF_ARRIVALS = frozenset({Split.VISIT, Split.STAY, Split.AGAIN})
STAYS = (0, 1, 5, 15, 30, 60)
"""Minutes at which the kinds of stays begin, by which statistics count visits."""


class CameAgain(StrEnum):
    """A value of a split by whether a person came again."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    """Not yet, and the 30 days are not over."""


AGAIN_MS = 30 * DAY_MS
"""Time in which a visit counts as coming again, in ms: 30 days after the visit before it."""


class VisitKind(StrEnum):
    """A value of a split by visit."""

    NEW = "new"
    """The face's first visit."""
    RETURNING = "returning"
    """A later one of a stranger."""
    KNOWN = "known"
    """A later one of somebody in another group."""
    STAFF = "staff"
    """Any of staff, unless they are left out."""


class Only(StrEnum):
    """A choice among arrivals: first ones, or those whose first sighting waits for a review of its
    match."""

    FIRST = "first"
    UNCERTAIN = "uncertain"


class Dimensions(NamedTuple):
    """The values of an observation by which a past day keeps sums; by all others, its observations
    are counted one by one."""

    a: str
    b: str
    c: str
    d: str
    group: str
    camera: str
    kind: str

    def value(self, split: Split) -> str:
        """Return the value of a split by one of these dimensions."""
        return str(getattr(self, split.removeprefix("labels.")))


class Passage(NamedTuple):
    """A merge that moved an observation to another face.

    Undoing the merge moves it back, under `group_name`.
    """

    merge: str
    group_name: str


class Observation(Struct, frozen=True, dict=True):
    """A record that one face was in one picture at one time: the unit that statistics count.

    It outlives the face.
    """

    at: datetime
    """Time of the call, or of the sighting's capture; stored to the millisecond."""
    id: str
    """1 to 100 letters, digits, `_`, `-` and `.`; with `at`, unique in the tenant."""
    faceid: str
    group_name: str
    """The group's name at that time."""
    labels: Labels
    kind: ObservationKind
    camera: str = ""
    box: BoundingBox | None = None
    estimates: Estimates = NO_ESTIMATES
    """Estimates of the picture that was sent."""
    decision: Decision | None = None
    """The decision that found this face, with its score; None: there was no search."""
    gap_s: int | None = None
    """Gap by which a sighting was counted among the arrivals; None: it was not counted there."""
    passages: tuple[Passage, ...] = ()
    """Merges that moved it to its present face, the last one last."""
    written_at: datetime | None = None
    """When it became its face's, if a merge moved it, or the face was enrolled after the picture
    was taken."""
    mark: str = ""
    """Of somebody who was erased: in which times it was the person's first (rules/ended)."""

    @cached_property
    def at_ms(self) -> int:
        return milliseconds(self.at)

    @property
    def since(self) -> datetime:
        """Return since when it has been its present face's."""
        return max(self.written_at or self.at, self.at)


_A_MOMENT = timedelta(minutes=1)
"""The service makes an id from the clock: one that says so near a time to the enrolment is of its
making."""


def is_of(face: Face, observation: Observation) -> bool:
    """Return whether an observation with the id of a face is of this face.

    Else it is of a face that had the id before and was deleted. Of a capture that came late, its
    time says nothing.
    """
    return is_new_id(face) or observation.since >= face.enrolled_at


def is_new_id(face: Face) -> bool:
    """Return whether the service chose the face's id, so that no other face ever had it.

    Only strangers have a number, and the service chooses their ids. Such ids are digits with the
    time in them. So an id is new if its time is that of the enrolment. If the clock was wrong then,
    it is not known, and the answer is False.
    """
    if face.number:
        return True
    id_ = face.faceid
    if not (id_.isascii() and id_.isdigit() and len(id_) < 20):  # a user chose it
        return False
    return abs(made_at(id_) - face.enrolled_at) < _A_MOMENT


def keep_own(
    face: Face, observations: Sequence[Observation]
) -> tuple[Sequence[Observation], datetime | None]:
    """Return the face's own observations, and the time before which its id was another's.

    Observations are records that a face was seen. They outlive it, and users may enrol a new person
    by the id of one who was deleted. Then some of the `observations` are of the former person. The
    time is None if the id was nobody's before, or nothing of that time is left.
    """
    if is_new_id(face):  # the service chose it
        return observations, None
    enrolled_at = face.enrolled_at
    has_enrolment = any(
        observation.at == enrolled_at and observation.kind == ObservationKind.ENROLMENT
        for observation in observations
    )
    if not has_enrolment:  # its record has expired, so all older ones have, too
        return observations, None
    return [observation for observation in observations if is_of(face, observation)], enrolled_at


def leave_counted(observation: Observation, faceid: str, token: str, labels: Labels) -> Observation:
    """Return the part of an observation that statistics count, once its person is erased or hidden.

    `faceid` and `labels` stand in place of its own. Its own id names a picture, so it gets a new
    one in the form of a sighting's id, `TIME-TOKEN-0`.
    """
    return Observation(
        at=observation.at,
        id=f"{observation.at_ms:013d}-{token}-0",
        faceid=faceid,
        group_name=observation.group_name,
        labels=labels,
        kind=observation.kind,
        camera=observation.camera,
        gap_s=observation.gap_s,
    )


class ChangedObservation(Struct, frozen=True):
    """A change of a stored observation.

    `after`: the new one, with the same time and id; None: it is removed.
    """

    before: Observation
    after: Observation | None


def observed_estimates(face: Face, estimates: Estimates) -> Estimates:
    """Return a picture's estimates (age, gender, emotion and so on), corrected by known values.

    The age is the one that a user entered for the face; else this picture's; else the one stored
    with the face. So is the gender. All else is this picture's.
    """
    age: float | None = face.age  # what a user entered
    if age is None:
        age = estimates.age
    if age is None:
        age = face.estimates.age
    gender = face.gender or estimates.gender or face.estimates.gender
    return replace(estimates, age=age, gender=gender)


class ObservationFilter(Struct, frozen=True):
    """A filter of observations, records of seen faces: each value that is given must be equal.

    None is not given, nor a label of "".
    """

    labels: Labels = NO_LABELS
    group_name: str | None = None
    faceid: str | None = None
    kind: ObservationKind | None = None
    camera: str | None = None
    without: tuple[str, ...] = ()
    """Names of groups whose observations are left out."""
    without_faces: frozenset[str] = frozenset()
    """Ids of faces whose observations are left out."""
    without_staff: bool = False
    """Whether visits of those are left out who were staff when they were erased."""

    @property
    def by_face(self) -> bool:
        """Return whether the filter needs the observations themselves."""
        return self.faceid is not None or bool(self.without or self.without_faces)

    @property
    def leaves_out(self) -> bool:
        """Return whether it excludes some people who would otherwise pass."""
        return bool(self.without or self.without_faces) or self.without_staff

    def takes_face(self, faceid: str) -> bool:
        return self.faceid in (None, faceid) and faceid not in self.without_faces

    @property
    def text_for_tokens(self) -> str:
        """Return the filter as a text that stays the same while staff come and go, for the tokens
        of pages."""
        return json.dumps(asdict(self.with_all()), default=list)

    def with_all(self) -> ObservationFilter:
        """Return the filter without exclusions."""
        return replace(self, without=(), without_faces=frozenset(), without_staff=False)

    @property
    def by_labels(self) -> bool:
        """Return whether a day's numbers of each kind are too coarse for it."""
        by_group = self.group_name is not None or bool(self.without)
        return self.labels != NO_LABELS or by_group or self.camera is not None

    @property
    def by_dimensions(self) -> bool:
        return self.by_labels or self.kind is not None

    def lets_pass(self, dimensions: Dimensions) -> bool:
        """Return whether the filter takes observations with these labels, group, kind and camera.

        A value that the filter does not give (None, of a label "") takes any. Faces are not looked
        at here, so ask `takes_face`, too.
        """
        labels = (dimensions.a, dimensions.b, dimensions.c, dimensions.d)
        labels_fit = all(
            wanted_label in ("", label)
            for wanted_label, label in zip(self.labels, labels, strict=True)
        )
        return (
            self.group_name in (None, dimensions.group)
            and dimensions.group not in self.without
            and self.kind in (None, dimensions.kind)
            and self.camera in (None, dimensions.camera)
            and labels_fit
        )


EVERYTHING = ObservationFilter()
SIGHTINGS = ObservationFilter(kind=ObservationKind.SIGHTING)


class ReviewKind(StrEnum):
    PROMOTED = "promoted"
    """A stranger became a regular: who is it?"""
    UNCERTAIN = "uncertain"
    """A sighting was matched by a score little above the threshold, or is the lesser of two: is it
    this face?"""


class NearFace(NamedTuple):
    """A face, and a sighting's score with it."""

    faceid: str
    score: float


class Review(Struct, frozen=True):
    """A face, and the sighting that asks for a person's review.

    A face has one review at most of kind PROMOTED.
    """

    kind: ReviewKind
    at: datetime
    """When the picture was taken."""
    faceid: str
    camera: str
    """Id."""
    sighting_id: str
    decision: Decision | None = None
    """Why the sighting is the face's; None: the face was made from it."""
    box: BoundingBox | None = None
    """The place of the face in the capture; None: nobody noted it."""
    near: tuple[NearFace, ...] = ()
    """Of an uncertain match: the nearest faces when it was decided, best first. Some may be gone
    since."""
    twice: bool = False
    """Of an uncertain match: whether the same picture shows the face twice, and the other one is
    more like it."""

    @property
    def id(self) -> str:
        return review_id(
            self.kind, self.faceid if self.kind is ReviewKind.PROMOTED else self.sighting_id
        )


def review_id(kind: ReviewKind, subject: str) -> str:
    """Make a review's id.

    `subject`: the face if it was promoted, the sighting if it is uncertain.
    """
    return f"{kind}-{subject}"
