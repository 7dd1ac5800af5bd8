"""Checks of users against their faces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from regulars_dialects.records import User, replace_user_faces, user_from

from chalicelib.domain.model import Tenant
from chalicelib.domain.rules.templates import face_set_of
from chalicelib.storage import keys
from chalicelib.storage.items import every_face, every_face_set, walk_items
from chalicelib.storage.records.faces import face_from
from tests.support.consistency.findings import Subject


class UserRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare each user with the faces that name it."""
        users = {
            user.entry: user
            for user in map(user_from, every_face_set(self.services.items, tenant.name))
        }
        faceids: dict[str, list[str]] = defaultdict(list)
        for face in map(face_from, every_face(self.services.items, tenant.name)):
            if face.face_set:
                faceids[face_set_of(face)].append(face.faceid)
        for entry in sorted(faceids.keys() - users.keys()):
            yield f"{len(faceids[entry])} faces name a user {entry}, which there is not"
        yield from self._compare_group_counts(tenant, users)
        for user in users.values():
            yield from self._compare_faces(tenant, user, faceids.get(user.entry, []))

    def _compare_faces(self, tenant: Tenant, user: User, naming: Sequence[str]) -> Iterator[str]:
        """Compare a user's faces and mean with the faces that name it; those it has keep their
        order."""
        kept_faces = [faceid for faceid in user.faceids if faceid in naming]
        added_faces = [faceid for faceid in naming if faceid not in user.faceids]
        right_user = replace_user_faces(
            self.services.items, tenant.name, user, [*kept_faces, *added_faces]
        )
        if right_user != user:
            yield f"the user {user.entry} has other faces, or another mean, than the faces say"

    def _compare_group_counts(self, tenant: Tenant, users: Mapping[str, User]) -> Iterator[str]:
        """Compare the number of users that each group says with those that there are."""
        user_counts = Counter(user.group_id for user in users.values())
        groups = list(
            walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS)
        )
        for item in groups:
            stored_count = int(item.get("face_sets", 0))
            if user_counts[item["id"]] != stored_count:
                yield (
                    f"group {item['name']} says that it has {stored_count} users, and has "
                    f"{user_counts[item['id']]}"
                )
        group_ids = {item["id"] for item in groups}
        for user in users.values():
            if user.group_id not in group_ids:
                yield f"the user {user.entry} is in a group that there is not"
