"""Users: people who have several faces in one collection, and are searched for by the mean of these.

In the gallery a user is one entry. Its id and its group hold a ".", which those of faces never do. An entry of the
journal names the user of a face that leaves or changes, since the user changes with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.core.model import Edit, Face, JournalEntry, Template
from chalicelib.core.names import composed
from chalicelib.core.templates import compared

MAX_FACES = 100
"""Most faces of one user."""


@dataclass(frozen=True)
class User:
    """A user of a group. `templates`: for each model the mean over its faces; none without faces."""

    group_id: str
    id: str
    faceids: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    name: str = ""
    """Of a subject: what its caller calls it. Its faces may be several people's, so it has no mean."""
    created_at: datetime | None = None
    """Of a subject."""

    @property
    def entry(self) -> str:
        return entry_of(self.group_id, self.id)


LONGEST_NAME = 255
"""Most characters of a subject's name."""


def subject_id(name: str) -> str:
    """Return the id of the subject of this name, in whatever case it is written."""
    folded = composed(composed(name, LONGEST_NAME).casefold(), LONGEST_NAME)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, folded))


def entry_of(group_id: str, id_: str) -> str:
    """Return the id that a user has in the gallery."""
    return f"{group_id}.{id_}"


def id_of(entry: str) -> str:
    """Return the user's id of its entry in the gallery."""
    return entry.partition(".")[2]


def gallery_group(group_id: str) -> str:
    """Return the group in which the gallery has a group's users."""
    return f"{group_id}.users"


def is_users(id_: str) -> bool:
    """Return whether this is the id of a user in the gallery, or of a group of them, and not of a face or its group."""
    return "." in id_


def user_of(face: Face) -> str:
    """Return the entry of a face's user; "" if it has none."""
    return entry_of(face.group_id, face.user) if face.user else ""


def mean_of(faces: Iterable[Sequence[Template]]) -> tuple[Template, ...]:
    """Return the templates of a user with these faces' templates, as those of a face with these pictures."""
    return compared([template for templates in faces for template in compared(templates)])


def edited(before: Face, after: Face) -> tuple[JournalEntry, ...]:
    """Return the journal's entry of a changed face: REPLACE if its templates changed, MOVE if only its group did."""
    if after.templates != before.templates:
        templates = compared(after.templates)
        return (JournalEntry(Edit.REPLACE, after.faceid, after.group_id, templates, user=user_of(before)),)
    if after.group_id != before.group_id:
        return (JournalEntry(Edit.MOVE, after.faceid, after.group_id, user=user_of(before)),)
    return ()


def deleted(face: Face) -> JournalEntry:
    """Return the journal's entry of a face that is deleted."""
    return JournalEntry(Edit.DELETE, face.faceid, face.group_id, user=user_of(face))
