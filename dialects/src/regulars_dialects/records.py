"""The record of a user, several faces of a group that are one person, and its changes.

A subject is a user with a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from chalicelib.domain.audit_events import report_people
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.model import Edit, JournalEntry, Template
from chalicelib.domain.rules.templates import FaceSet, gallery_group, reduce_templates
from chalicelib.storage import keys
from chalicelib.storage.ports import Item, ItemStore, Put
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.values import Codec

MAX_FACES = 100
"""Most faces of one user."""


class UserNotFound(NotFound): ...


class UserExists(Conflict): ...


class User(FaceSet, frozen=True):
    """A user of a group; with a name, a subject, whose faces may be several people's, so it has no
    mean."""

    created_at: datetime | None = None
    """Of a subject."""


_USER = Codec(User, {"group_id": "group", "faceids": "faces"}, rare="name")
user_from = _USER.read


def user_item(tenant: str, user: User) -> Item:
    return {"tenant": tenant, "item": keys.face_set_item(user.entry), **_USER.write(user)}


def report_users(users: Iterable[User]) -> None:
    """Report that the answer names users, or subjects."""
    users = list(users)
    faceids = (faceid for user in users for faceid in user.faceids)
    report_people(faceids, unnamed=sum(not user.faceids for user in users))


def mean_of(faces: Iterable[Sequence[Template]]) -> tuple[Template, ...]:
    """Return the templates of a user with these faces' templates, as those of a face with these
    pictures."""
    return reduce_templates(
        [template for templates in faces for template in reduce_templates(templates)]
    )


def replace_user_faces(
    items: ItemStore,
    tenant: str,
    user: User,
    faceids: Sequence[str],
    changed_entries: Mapping[str, JournalEntry] = MappingProxyType({}),
) -> User:
    """Return a user with these faces and the mean of their templates.

    Nothing is written. A user with a name (a subject) has no mean, since its faces are searched one
    by one. `changed_entries` has, by faceid, the journal entries of faces that are just changed,
    with their new templates. The other faces are read.
    """
    stored_items: Sequence[Item | None] = []
    if faceids:
        stored_items = items.get_many(keys.FACES, [(tenant, faceid) for faceid in faceids])
    templates_by_face = {}
    for face in map(face_from, filter(None, stored_items)):
        # One template a model: the mean of its pictures.
        templates_by_face[face.faceid] = reduce_templates(face.templates)
    for faceid, entry in changed_entries.items():
        # An entry has all templates of a face. Only EMBED adds those of another model to the old.
        old_templates = templates_by_face.get(faceid, ()) if entry.edit is Edit.EMBED else ()
        by_model = {template.model: template for template in (*old_templates, *entry.templates)}
        templates_by_face[faceid] = tuple(by_model.values())
    mean = () if user.name else mean_of(templates_by_face.values())
    return replace(user, faceids=tuple(templates_by_face), templates=mean)


def make_user_edit(
    tenant: str, before: User, after: User, *, learnt: bool = False
) -> tuple[Put, list[JournalEntry]]:
    """Return the write that replaces a user, and the journal entry from which searches learn it.

    With `learnt`, nobody asked to have the old templates (vectors) removed from the journal soon.
    """
    put = Put(keys.DIRECTORY, user_item(tenant, after))
    if not (before.templates or after.templates):  # searches do not know this user
        return put, []
    edit = Edit.REPLACE if after.templates else Edit.DELETE
    group_id = gallery_group(after.group_id)
    entry = JournalEntry(edit, after.entry, group_id, after.templates, learnt=learnt)
    return put, [entry]
