"""Changes of users that follow from changes of their faces.

A user changes with the gallery's seq only. So what is read at a seq holds if a commit that is based on it succeeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from chalicelib.core import keys
from chalicelib.core.model import Edit, JournalEntry
from chalicelib.core.ports import Action, ItemStore, Put
from chalicelib.core.records.faces import face_from, user_from, user_item
from chalicelib.core.templates import compared
from chalicelib.core.users import User, gallery_group, mean_of

Edited = tuple[list[Action], list[JournalEntry]]


def having(
    items: ItemStore,
    tenant: str,
    user: User,
    faceids: Sequence[str],
    changed: Mapping[str, JournalEntry] = MappingProxyType({}),
) -> User:
    """Return the user with these faces and their mean. `changed`: those of them whose templates the commit changes."""
    stored = items.get_many(keys.FACES, [(tenant, faceid) for faceid in faceids]) if faceids else []
    own = {face.faceid: compared(face.templates) for face in map(face_from, filter(None, stored))}
    for faceid, entry in changed.items():
        kept = own.get(faceid, ()) if entry.edit is Edit.EMBED else ()
        by_model = {one.model: one for one in (*kept, *entry.templates)}
        own[faceid] = tuple(by_model.values())
    return replace(user, faceids=tuple(own), templates=mean_of(own.values()))


def written(tenant: str, before: User, after: User, *, learnt: bool = False) -> Edited:
    """Return the actions and the journal's entries that make a user another one. `learnt`: as in JournalEntry."""
    put = Put(keys.DIRECTORY, user_item(tenant, after))
    if not (before.templates or after.templates):
        return [put], []
    edit = Edit.REPLACE if after.templates else Edit.DELETE
    return [put], [JournalEntry(edit, after.entry, gallery_group(after.group_id), after.templates, learnt=learnt)]


def followed(items: ItemStore, tenant: str, journal: Sequence[JournalEntry]) -> Edited:
    """Return what follows for users from changes of faces: a face that is deleted or moved leaves its user."""
    by_user: dict[str, dict[str, JournalEntry]] = {}
    for entry in journal:
        if entry.user:
            by_user.setdefault(entry.user, {})[entry.faceid] = entry
    actions: list[Action] = []
    entries: list[JournalEntry] = []
    stored = items.get_many(keys.DIRECTORY, [(tenant, keys.user_item(one)) for one in by_user]) if by_user else []
    for user in map(user_from, filter(None, stored)):
        changes = by_user[user.entry]
        left = {one for one, entry in changes.items() if entry.edit is Edit.DELETE or entry.group_id != user.group_id}
        changed = {one: entry for one, entry in changes.items() if one not in left}
        kept = [one for one in user.faceids if one not in left]
        learnt = not left and all(entry.learnt or entry.edit is Edit.EMBED for entry in changed.values())
        made = written(tenant, user, having(items, tenant, user, kept, changed), learnt=learnt)
        actions += made[0]
        entries += made[1]
    return actions, entries
