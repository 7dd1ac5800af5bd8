"""The visitor book as the service's API gives it, and its differences from the timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from regulars_lab.v1 import V1
from regulars_lab.week.timeline import Capture, ExpectedEntry
from tests.support.api.over_http import Sunmi

GROUPS = ("stranger", "regular")
_PAGE = 100


class BookEntry(Struct, frozen=True):
    """One face of the service's book. `captures`: ids of the captures that show it."""

    faceid: str
    group: str
    arrive_count: int
    arrive_time: datetime | None
    sightings: tuple[datetime, ...]
    arrivals: tuple[datetime, ...]
    """Time at which each arrival began."""
    captures: frozenset[str]


def read_entries(sunmi: Sunmi, v1: V1) -> list[BookEntry]:
    """Read the book: faces and counts in the camera's dialect, sightings in ours."""
    book = []
    for group in GROUPS:
        listed = sunmi.call(
            "getFaceList", {"group_name": group, "page_num": 1, "page_size": _PAGE}
        ).data
        for face in listed.get("faceid_list", listed.get("face_list", [])):
            book.append(_entry(group, face, v1))
    return book


NOBODY = ""


def differences(
    week: Mapping[str, Capture], entries: Sequence[BookEntry], expected: Sequence[ExpectedEntry]
) -> dict[str, list[str]]:
    """List the differences between book and timeline, as sentences by person.

    `week`: captures by id.

    The key NOBODY holds the faces that belong to no person of the timeline.
    """
    people = {face.faceid: _person(face, week) for face in entries}
    found = {
        NOBODY: [
            f"{face.faceid} is nobody of the timeline"
            for face in entries
            if people[face.faceid] is None
        ]
    }
    for one in expected:
        faces = [face for face in entries if people[face.faceid] == one.person]
        alone = f"{one.person} has {len(faces)} faces in the book"
        found[one.person] = _differences(one, faces[0]) if len(faces) == 1 else [alone]
    return {person: sentences for person, sentences in found.items() if sentences}


def names(week: Mapping[str, Capture], entries: Sequence[BookEntry]) -> dict[str, str]:
    """Map faceids to the names of their people, for the faces that belong to a person of the
    timeline."""
    found = {face.faceid: _person(face, week) for face in entries}
    return {faceid: person for faceid, person in found.items() if person}


def _differences(one: ExpectedEntry, face: BookEntry) -> list[str]:
    found = []
    if face.group != one.group:
        found.append(f"{one.person} is a {face.group}, not a {one.group}")
    if face.arrive_count != len(one.arrivals):
        found.append(f"{one.person} arrived {face.arrive_count} times, not {len(one.arrivals)}")
    if face.arrive_time != one.arrivals[-1]:
        found.append(f"{one.person} arrived last at {face.arrive_time}, not at {one.arrivals[-1]}")
    if face.arrivals != one.arrivals:
        found.append(f"{one.person} arrived at other times than the timeline states")
    if face.sightings != one.sightings:
        found.append(
            f"{one.person} was sighted {len(face.sightings)} times, not as the timeline states"
        )
    return found


def _person(face: BookEntry, week: Mapping[str, Capture]) -> str | None:
    """Name the person whom most of the face's captures show; only captures with one person
    count."""
    alone = Counter(
        week[id_].people[0] for id_ in face.captures if id_ in week and len(week[id_].people) == 1
    )
    return alone.most_common(1)[0][0] if alone else None


def _entry(group: str, face: Mapping[str, object], v1: V1) -> BookEntry:
    faceid = str(face["faceid"])
    answer = v1.sightings(faceid)
    timeline = answer["sightings"]
    arrive_time = face["arrive_time"]
    return BookEntry(
        faceid,
        group,
        int(str(face["arrive_count"])),
        None if arrive_time is None else datetime.fromtimestamp(int(str(arrive_time)), UTC),
        tuple(sorted(datetime.fromisoformat(one["captured_at"]) for one in timeline)),
        tuple(sorted(datetime.fromisoformat(one["first"]) for one in answer["arrivals"])),
        frozenset(one["capture"] for one in timeline),
    )
