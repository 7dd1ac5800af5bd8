"""Users and subjects as the book's face sets.

The book's writer asks at each change of their faces, so that a face's field, the user's list and
the mean change in one commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.domain.face_sets import FaceSets, SetChanges
from chalicelib.domain.jobs import Job
from chalicelib.domain.model import Edit, Face, JournalEntry, Restriction
from chalicelib.domain.rules.templates import entry_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Delete, absent
from regulars_dialects.records import (
    MAX_FACES,
    User,
    make_user_edit,
    mean_of,
    replace_user_faces,
    user_from,
)

if TYPE_CHECKING:
    from chalicelib.services import Services
    from regulars_dialects.subjects import Subjects
    from regulars_dialects.users import Users


class UserSets(Service["Services"], FaceSets):
    """The face sets of a book: users and subjects, each with what is asked about them."""

    def follow_changes(
        self, tenant: str, journal: Sequence[JournalEntry], *, keeps_empty: bool
    ) -> SetChanges:
        entries_by_user: dict[str, dict[str, JournalEntry]] = {}  # then by the id of the face
        for entry in journal:
            entries_by_user.setdefault(entry.face_set, {})[entry.faceid] = entry
        items = self.services.items
        actions: list[Action] = []
        entries: list[JournalEntry] = []
        gained = Counter[str]()
        user_keys = [(tenant, keys.face_set_item(entry)) for entry in entries_by_user]
        for user in map(user_from, filter(None, items.get_many(keys.DIRECTORY, user_keys))):
            leaving_faceids = set()
            changed_entries = {}
            for faceid, entry in entries_by_user[user.entry].items():
                if entry.edit is Edit.DELETE or entry.group_id != user.group_id:
                    leaving_faceids.add(faceid)
                else:
                    changed_entries[faceid] = entry
            staying_faceids = [faceid for faceid in user.faceids if faceid not in leaving_faceids]
            after = replace_user_faces(items, tenant, user, staying_faceids, changed_entries)
            # Else somebody asked that the old templates of a face go from the journal soon, and so
            # do those of its user.
            is_learnt = not leaving_faceids and all(
                entry.learnt or entry.edit is Edit.EMBED for entry in changed_entries.values()
            )
            put, entry_of_user = make_user_edit(tenant, user, after, learnt=is_learnt)
            entries.extend(entry_of_user)
            if staying_faceids or changed_entries or keeps_empty:
                actions.append(put)
            else:  # the last face left; the entry tells searches
                user_key = (tenant, keys.face_set_item(user.entry))
                actions.append(Delete(keys.DIRECTORY, user_key))
                gained[user.group_id] -= 1
        return SetChanges(actions, entries, gained)

    def rejoin(self, tenant: str, face: Face, restriction: Restriction) -> tuple[Face, SetChanges]:
        key = (tenant, keys.face_set_item(entry_of(face.group_id, restriction.face_set)))
        item = self.services.items.get(keys.DIRECTORY, key)
        joined, name = replace(face, face_set=restriction.face_set), restriction.set_name
        if item is not None:
            has_room = len(user_from(item).faceids) < MAX_FACES
            return joined if has_room else face, SetChanges()
        templates, created_at = (
            ((), face.enrolled_at) if name else (mean_of([face.templates]), None)
        )
        user = User(face.group_id, joined.face_set, (face.faceid,), templates, name, created_at)
        put, entries = make_user_edit(tenant, replace(user, templates=()), user)
        return joined, SetChanges(
            [replace(put, when=(absent("user-free"),))], entries, {face.group_id: 1}
        )

    def list_jobs(self) -> tuple[Job, ...]:
        return subjects_of(self.services).list_jobs()


def users_of(services: Services) -> Users:
    """Return the users of a book; their module is loaded when it is needed."""
    from regulars_dialects.users import Users

    return Users(services)


def subjects_of(services: Services) -> Subjects:
    """Return the subjects of a book; their module is loaded when it is needed."""
    from regulars_dialects.subjects import Subjects

    return Subjects(services)
