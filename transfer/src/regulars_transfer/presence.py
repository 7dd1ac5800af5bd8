"""The people of a source who are in the book already. The book itself is asked, so an import keeps
no file of its progress.

A face that an import makes has an id computed from the person's group and name in the source, and
from the photo that makes it. So the next import of the same source asks for these ids: after a
crash, in another shop, after a restore or a deletion it finds the current state. An id alone does
not reveal the name: that takes the photo, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from regulars_client import Regulars, codes, models

from regulars_transfer.sources import Person

_IDS_A_CALL = 100
"""Ids of faces that one list takes."""
_LARGEST_ID = 2**63 - 1
"""Some tenants take numbers alone, up to this one."""


class Presence(Struct):
    """State of a person in the book.

    `faceid`: the person's face, or the one to be made; it is changed in place.

    `photo_ids`: of all pictures that the face has; none: it is not there. `given_count`: pictures
    that it did not learn by itself.
    """

    faceid: str = ""
    photo_ids: frozenset[str] = frozenset()
    given_count: int = 0


def choose_face_ids(person: Person, group: str, photo_ids: Sequence[str]) -> dict[str, str]:
    """Return the id of the face that each photo would make, by the photo: the source's own id, if
    it has one."""
    return {
        photo_id: person.id or _compute_face_id(group, person.key, photo_id)
        for photo_id in photo_ids
    }


def _compute_face_id(group: str, key: str, photo_id: str) -> str:
    parts = "\n".join(
        part.replace("\\", "\\\\").replace("\n", "\\n") for part in (group, key, photo_id)
    )
    digest = hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()
    return str(int.from_bytes(digest[:8]) % _LARGEST_ID + 1)


def find_person(service: Regulars, person: Person, face_ids: Mapping[str, str]) -> Presence | None:
    """Find the face that an import made of the person; None if there is none.

    `face_ids`: of `choose_face_ids`. An id that the source gives may be somebody else's: it is this
    person's if a picture or the name is the same. Pictures of an export are trusted, so there the
    name alone says too little.
    """
    for face in _list_faces(service, [*dict.fromkeys(face_ids.values())]):
        presence = read_presence(service, face.id)
        if presence is None:
            continue
        is_same_name = face.name == person.name and not person.is_vouched_for
        if person.id is None or is_same_name or presence.photo_ids & face_ids.keys():
            return presence
    return None


def find_known_person(
    service: Regulars,
    person: Person,
    *,
    group: str,
    photo_id: str,
    face_ids: Mapping[str, str],
    known_id: str,
) -> Presence | None:
    """Tell whether a face that a photo was recognised as is the person: it has this very photo, and
    is called the same.

    So somebody entered the photo by hand, or one of the person's faces was merged into it. None:
    the person only looks like it.
    """
    presence = read_presence(service, known_id)
    if presence is None or photo_id not in presence.photo_ids:
        return None
    face = service.get_face(known_id)
    is_same = known_id in face_ids.values() or (face.name, face.group) == (person.name, group)
    if is_same or any(
        _is_merged_into(service, id_, known_id) for id_ in dict.fromkeys(face_ids.values())
    ):
        return presence
    return None


def read_presence(service: Regulars, faceid: str) -> Presence | None:
    """Read the pictures of a face; None if there is no such face."""
    try:
        pictures = service.list_pictures(faceid).pictures
    except codes.FaceNotFound:
        return None
    given_count = sum(picture.learnt is None for picture in pictures)
    return Presence(faceid, frozenset(picture.id for picture in pictures), given_count)


def _list_faces(service: Regulars, ids: Sequence[str]) -> Iterator[models.Face]:
    for begin in range(0, len(ids), _IDS_A_CALL):
        yield from service.list_faces(ids=[*ids[begin : begin + _IDS_A_CALL]])


def _is_merged_into(service: Regulars, faceid: str, into: str) -> bool:
    try:
        service.get_face(faceid)
    except codes.FaceMerged as error:
        return bool(error.details.get("into") == into)
    except codes.FaceNotFound:
        return False
    return False
