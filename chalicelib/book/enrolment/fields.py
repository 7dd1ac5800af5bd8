"""Fields of a person who is enrolled or changed: values of attributes, and the changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from chalicelib.book.statistics.statistics import new_id
from chalicelib.domain.errors import AttributeNotFound, InvalidInput
from chalicelib.domain.model import Face, Group, Labels
from chalicelib.domain.observations import Observation, ObservationKind, observed_estimates
from chalicelib.domain.person_texts import TEXTS, PersonTextChanges
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender

VALUE_LENGTH = 50
"""Characters of an attribute's value or a label, as the contracts of the camera and the cloud
say."""


def find_attribute_values(group: Group, values: Mapping[str, str]) -> dict[int, str]:
    """Return a face's values of its group's attributes (named fields), by the attributes' ids.

    `values` are as a user gave them, by the attribute's name or by `itemN`, N being its place from
    1. The name goes first. So {"colour": "red", "item1": "blue"} for the only attribute `colour` is
    red. Raises InvalidInput if a value has over 50 characters.
    """
    values_by_id = {}  # a face stores values by id, so that an attribute may get another name
    for number, attribute in enumerate(group.attributes, start=1):
        value = values.get(attribute.name, values.get(f"item{number}"))
        if value is None:
            continue
        if len(value) > VALUE_LENGTH:
            raise InvalidInput(
                f"the value of {attribute.name!r} has {len(value)} characters, at most "
                f"{VALUE_LENGTH} are kept"
            )
        values_by_id[attribute.id] = value
    return values_by_id


def list_face_values(face: Face, group: Group) -> dict[str, Any]:
    """Return the fields that people set on a face, by v1's names, except the group by its id, and a
    chosen portrait by its key: the id is a hash of a photo, on which others may be erased."""
    own = {name: getattr(face, name) for name in ("name", *TEXTS, "age", "gender", "hidden")}
    labels = {f"labels.{letter}": value for letter, value in face.labels._asdict().items()}
    attributes = {
        f"attributes.{attribute.name}": face.attributes.get(attribute.id, "")
        for attribute in group.attributes
    }
    portrait = None if face.portrait == face.first_picture else face.portrait.key
    return {**own, "group": group.id, "portrait": portrait, **labels, **attributes}


def require_attributes(group: Group, values: Mapping[str, str]) -> None:
    """Raise AttributeNotFound if the group has no attribute of one of these names."""
    names = [attribute.name for attribute in group.attributes]
    for name in values:
        if name not in names:
            has = ", ".join(names) or "none"
            raise AttributeNotFound(
                f"group {group.name!r} has no attribute {name[:60]!r}: it has {has}"
            )


class EnrolledFace(Struct, frozen=True):
    """One face of an enrolment, as stored.

    `box`: its place in the picture, None for a stored face; `known`: it was in the group, or in the
    picture, before.
    """

    face: Face
    group: Group
    box: BoundingBox | None
    known: bool
    estimates: Estimates

    def make_observation(self, now: datetime, labels: Labels) -> Observation:
        """Return the observation, which statistics count, that this face was enrolled now.

        It keeps age, gender and so on only as far as the group lets us, of staff no emotion.
        """
        # What a user said of the face, its age for example, goes before what was estimated.
        estimates = observed_estimates(self.face, self.estimates)
        return Observation(
            at=now,
            id=new_id(),
            faceid=self.face.faceid,
            group_name=self.group.name,
            labels=labels,
            kind=ObservationKind.ENROLMENT,
            box=self.box,
            estimates=self.group.leave_kept(estimates),
        )


class FaceChanges(PersonTextChanges, frozen=True):
    """The values to set; None leaves one as it is.

    `values`: attribute values by name or `itemN`; "" clears one. `labels`: by letter.
    `cleared_names`: names of fields that are to say nothing.
    """

    new_group_name: str | None = None
    picture: bytes | None = None
    age: int | None = None
    gender: Gender | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    hidden: bool | None = None
    portrait_id: str | None = None
    cleared_names: frozenset[str] = frozenset()
