"""Users against their faces, which name them, and against the number that their group says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from chalicelib.core import keys
from chalicelib.core.items import directory_of, every, every_face, every_user, write, write_in_parts
from chalicelib.core.model import Edit, JournalEntry, Tenant
from chalicelib.core.ports import Action, Delete, ItemStore, Update, equals, exists
from chalicelib.core.records.faces import face_from, user_from
from chalicelib.core.users import User, gallery_group, user_of
from chalicelib.services.commit.gallery import Change, GalleryWriter
from chalicelib.services.commit.users import having, written
from chalicelib.services.consistency.disagreement import Disagreement

_SAME = "as-it-was-read"


@dataclass(frozen=True)
class UserRecords:
    items: ItemStore
    writer: GalleryWriter

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        seq = int(directory_of(self.items, tenant.name)["seq"])
        users = {one.entry: one for one in map(user_from, every_user(self.items, tenant.name))}
        named: dict[str, dict[str, int]] = {}
        for face in map(face_from, every_face(self.items, tenant.name)):
            if face.user:
                named.setdefault(user_of(face), {})[face.faceid] = face.version
        for entry in sorted(named.keys() - users.keys()):
            free: list[Action] = [
                Update(keys.FACES, (tenant.name, one), (equals("version", version, _SAME),), remove=("user",))
                for one, version in named[entry].items()
            ]
            says = f"{len(named[entry])} faces name a user {entry}, which there is not"
            yield Disagreement(says, (seq,), partial(write_in_parts, self.items, free))
        yield from self._groups(tenant, users, seq)
        for entry, user in users.items():
            own = named.get(entry, {})
            faceids = [*(one for one in user.faceids if one in own), *(one for one in own if one not in user.faceids)]
            after = having(self.items, tenant.name, user, faceids)
            if after != user:
                actions, journal = written(tenant.name, user, after)
                change = Change(tuple(actions), tuple(journal), based_on=seq, skips_model_check=True)
                says = f"the user {entry} has other faces, or another mean, than the faces say"
                yield Disagreement(says, (seq,), partial(self.writer.commit, tenant.name, change))

    def _groups(self, tenant: Tenant, users: Mapping[str, User], seq: int) -> Iterator[Disagreement]:
        held = Counter(user.group_id for user in users.values())
        low, high = keys.GROUP_PREFIX, keys.GROUP_PREFIX[:-1] + "$"
        groups = list(every(self.items, keys.DIRECTORY, tenant.name, low=low, high=high))
        for item in groups:
            said = int(item.get("users", 0))
            if more := held[item["id"]] - said:
                key, same = (tenant.name, item["item"]), (equals("users", item.get("users"), _SAME), exists(_SAME))
                update = Update(keys.DIRECTORY, key, same, add={"users": more})
                says = f"group {item['name']} says that it has {said} users, and has {held[item['id']]}"
                yield Disagreement(says, (seq,), partial(write, self.items, [update]))
        known = {item["id"] for item in groups}
        for user in users.values():
            if user.group_id not in known:
                gone = Delete(keys.DIRECTORY, (tenant.name, keys.user_item(user.entry)))
                entry = JournalEntry(Edit.DELETE, user.entry, gallery_group(user.group_id))
                change = Change((gone,), (entry,), based_on=seq)
                says = f"the user {user.entry} is in a group that there is not"
                yield Disagreement(says, (seq,), partial(self.writer.commit, tenant.name, change))
