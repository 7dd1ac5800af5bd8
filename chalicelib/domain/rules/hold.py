"""Legal hold: a held face may gain visits, pictures, and what was empty. It loses nothing.

Each write of a face asks here (book/visits, book/faces), so no dialect, command or job has to.
"""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.domain.errors import FaceHeld
from chalicelib.domain.model import BLANK, Face

_BY_PART = ("attributes", "labels")
_WHOLE = tuple(name for name in BLANK if name not in _BY_PART)
_PROTECTED_FIELDS = ("own_group_id", "own_face_set", *_WHOLE)


def loses_anything(before: Face, after: Face) -> bool:
    """Return whether a change of a face removes or replaces a picture or a value; adding is fine.

    Visits are not looked at. They only grow, except by a rejection, which is refused beforehand.
    """
    pairs = [(getattr(before, name), getattr(after, name)) for name in _PROTECTED_FIELDS]
    pairs += zip(before.labels, after.labels, strict=True)
    pairs += [(value, after.attributes.get(id_)) for id_, value in before.attributes.items()]
    for value_before, value_after in pairs:
        is_empty = value_before in (None, "")
        if not is_empty and value_before != value_after:
            return True
    keeps_first = before.first_picture.is_among(after.pictures[:1])
    keeps_pictures = all(picture.is_among(after.pictures) for picture in before.pictures)
    keeps_negatives = after.negatives >= before.negatives  # pictures that people rejected for it
    return not (keeps_first and keeps_pictures and keeps_negatives)


def require_no_loss(before: Face, after: Face | None = None) -> None:
    """Raise FaceHeld if the face is held and would lose something; None: the face itself goes, or
    sightings of it."""
    if before.hold is not None and (after is None or loses_anything(before, after)):
        raise FaceHeld(
            f"face {before.faceid!r} is under legal hold since {before.hold.at:%Y-%m-%d}: nothing "
            "of it is removed or "
            "replaced; lift the hold first, if you may"
        )


def require_free(faces: Iterable[Face]) -> None:
    """Raise FaceHeld if one of these faces, which are to go or to lose something, is held."""
    for face in faces:
        require_no_loss(face)
