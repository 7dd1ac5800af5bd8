"""Are users right by their faces?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.book.commit import Change, make_user_edit, replace_user_faces
from chalicelib.domain.model import Edit, JournalEntry, Tenant
from chalicelib.domain.rules.templates import User, gallery_group, user_of
from chalicelib.storage import keys
from chalicelib.storage.items import every_face, every_user, walk_items, write_in_parts
from chalicelib.storage.ports import Action, Delete, Update, equals, exists
from chalicelib.storage.records.faces import face_from, face_update, user_from
from tests.support.consistency.findings import SAME, Disagreement, Subject

if TYPE_CHECKING:
    pass


class UserRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Compare each user with the faces that name it."""
        seq = self.services.writer.read_seq(tenant.name)
        users = {
            user.entry: user
            for user in map(user_from, every_user(self.services.items, tenant.name))
        }
        versions: dict[str, dict[str, int]] = defaultdict(dict)  # of the faces, by user and by face
        for face in map(face_from, every_face(self.services.items, tenant.name)):
            if face.user:
                versions[user_of(face)][face.faceid] = face.version
        for entry in sorted(versions.keys() - users.keys()):
            updates: list[Action] = [
                face_update(tenant.name, faceid, equals("version", version, SAME), remove=("user",))
                for faceid, version in versions[entry].items()
            ]
            text = f"{len(updates)} faces name a user {entry}, which there is not"
            yield Disagreement(text, (seq,), partial(write_in_parts, self.services.items, updates))
        yield from self._compare_group_counts(tenant, users, seq)
        for user in users.values():
            yield from self._compare_faces(tenant, user, versions.get(user.entry, {}), seq)

    def _compare_faces(
        self, tenant: Tenant, user: User, versions: Mapping[str, int], seq: int
    ) -> Iterator[Disagreement]:
        """Compare a user's faces and mean with the faces that name it; those it has keep their
        order."""
        kept_faces = [faceid for faceid in user.faceids if faceid in versions]
        added_faces = [faceid for faceid in versions if faceid not in user.faceids]
        right_user = replace_user_faces(
            self.services.items, tenant.name, user, [*kept_faces, *added_faces]
        )
        if right_user != user:
            actions, journal = make_user_edit(tenant.name, user, right_user)
            change = Change(tuple(actions), tuple(journal), based_on=seq, skips_model_check=True)
            text = f"the user {user.entry} has other faces, or another mean, than the faces say"
            yield Disagreement(
                text, (seq,), partial(self.services.writer.commit, tenant.name, change)
            )

    def _compare_group_counts(
        self, tenant: Tenant, users: Mapping[str, User], seq: int
    ) -> Iterator[Disagreement]:
        """Compare the number of users that each group says with those that there are."""
        user_counts = Counter(user.group_id for user in users.values())
        groups = list(
            walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS)
        )
        for item in groups:
            stored_count = int(item.get("users", 0))
            if uncounted := user_counts[item["id"]] - stored_count:
                when = (equals("users", item.get("users"), SAME), exists(SAME))
                update = Update(
                    keys.DIRECTORY, (tenant.name, item["item"]), when, add={"users": uncounted}
                )
                text = (
                    f"group {item['name']} says that it has {stored_count} users, and has "
                    f"{user_counts[item['id']]}"
                )
                yield self.make_disagreement(text, (seq,), update)
        group_ids = {item["id"] for item in groups}
        for user in users.values():
            if user.group_id not in group_ids:
                delete = Delete(keys.DIRECTORY, (tenant.name, keys.user_item(user.entry)))
                entry = JournalEntry(Edit.DELETE, user.entry, gallery_group(user.group_id))
                change = Change((delete,), (entry,), based_on=seq)
                text = f"the user {user.entry} is in a group that there is not"
                yield Disagreement(
                    text, (seq,), partial(self.services.writer.commit, tenant.name, change)
                )
