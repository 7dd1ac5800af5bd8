"""Items that only lead to others: credentials to tenants and cameras, names to groups and cameras.

And pictures: no face without its own, and none without its face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

from chalicelib.core import keys
from chalicelib.core.access import FIRST
from chalicelib.core.items import every, every_face, write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Check, Delete, Item, Put, Table, Update, equals
from chalicelib.core.records.faces import face_from
from chalicelib.services.cameras import MAX_CAMERAS
from chalicelib.services.consistency.consistency import Disagreement
from chalicelib.services.rooms import UseCase

_SAME = "as-it-was-read"
_CREDENTIALS = {
    "app_id": keys.app_id_item,
    "appcode_digest": keys.appcode_item,
    "api_key_digest": keys.api_key_item,
    "access_key_id": keys.access_key_item,
}
"""The pointer of each credential, by the attribute of the tenant that holds the credential or its hash."""


@dataclass(frozen=True)
class _Lead:
    """Target of a pointer. `item`: the pointer; `owner`: holds while what it leads to is as it was read."""

    table: Table
    item: Item
    says: str
    owner: Check


class PointerRecords(UseCase):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        leads = (self._credentials(tenant), self._keys(tenant), self._groups(tenant), self._cameras(tenant))
        yield from self._agree(tenant, list(chain.from_iterable(leads)))
        yield from self._cameras_left(tenant)

    def _agree(self, tenant: Tenant, leads: list[_Lead]) -> Iterator[Disagreement]:
        expected = {_place(lead.table, lead.item): lead for lead in leads}
        found = {_place(table, item): (table, item) for table, item in self._all(tenant)}
        for place, lead in expected.items():
            if place not in found or dict(found[place][1]) != dict(lead.item):
                mend = partial(write, self.book.items, [lead.owner, Put(lead.table, lead.item)])
                yield Disagreement(f"{lead.says} does not lead to it", (lead.owner,), mend)
        for place in found.keys() - expected.keys():
            table, item = found[place]
            delete = Delete(table, (item[table.partition], item[table.sort]))
            owner = item.get("camera") or item.get("key") or item.get("group") or tenant.name
            text = f"{item[table.partition]} {item[table.sort]} leads to {owner}, which has nothing of that kind"
            yield Disagreement(text, (), partial(write, self.book.items, [delete]))

    def _all(self, tenant: Tenant) -> Iterator[tuple[Table, Item]]:
        for pointer in _CREDENTIALS.values():
            for item in every(self.book.items, keys.TENANTS, pointer("")[0]):
                if item["tenant"] == tenant.name:
                    yield keys.TENANTS, item
        for table, prefix in ((keys.DIRECTORY, keys.name_item("")), (keys.CAMERAS, keys.camera_name(""))):
            for item in every(self.book.items, table, tenant.name, low=prefix, high=prefix[:-1] + "$"):
                yield table, item

    def _credentials(self, tenant: Tenant) -> Iterator[_Lead]:
        held = self.book.items.get(keys.TENANTS, keys.tenant_item(tenant.name)) or {}
        own = self.book.items.get(keys.TENANTS, keys.key_record(tenant.name, FIRST)) or {}
        deleted = keys.api_key_item(own.get("deleted", ""))
        for field, pointer in _CREDENTIALS.items():
            if field not in held:  # tenants that are older than access keys
                continue
            kind, id_ = pointer(held[field])
            if (kind, id_) == deleted:
                continue
            same = Check(keys.TENANTS, keys.tenant_item(tenant.name), (equals(field, id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield _Lead(keys.TENANTS, item, f"the {kind} of tenant {tenant.name}", same)

    def _keys(self, tenant: Tenant) -> Iterator[_Lead]:
        low, high = keys.key_records(tenant.name)
        for held in every(self.book.items, keys.TENANTS, keys.key_record(tenant.name, "")[0], low=low, high=high):
            kind, id_ = keys.api_key_item(held["digest"])
            same = Check(keys.TENANTS, (held["kind"], held["id"]), (equals("digest", id_, _SAME),))
            item = {"kind": kind, "id": id_, "tenant": tenant.name, "key": held["key"]}
            yield _Lead(keys.TENANTS, item, f"the secret of key {held['key']}", same)

    def _groups(self, tenant: Tenant) -> Iterator[_Lead]:
        low = keys.GROUP_PREFIX
        for held in every(self.book.items, keys.DIRECTORY, tenant.name, low=low, high=low[:-1] + "$"):
            same = Check(keys.DIRECTORY, (tenant.name, held["item"]), (equals("name", held["name"], _SAME),))
            item = {"tenant": tenant.name, "item": keys.name_item(held["name"]), "group": held["id"]}
            yield _Lead(keys.DIRECTORY, item, f"the name of group {held['name']}", same)

    def _cameras(self, tenant: Tenant) -> Iterator[_Lead]:
        for held in every(self.book.items, keys.CAMERAS, tenant.name, low=keys.FIRST_CAMERA):
            kind, id_ = keys.api_key_item(held["key_digest"])
            same = (equals("key_digest", id_, _SAME), equals("name", held["name"], _SAME))
            owner = Check(keys.CAMERAS, (tenant.name, held["id"]), same)
            of_key = {"kind": kind, "id": id_, "tenant": tenant.name, "camera": held["id"]}
            yield _Lead(keys.TENANTS, of_key, f"the api_key of camera {held['id']}", owner)
            for name in dict.fromkeys((held["id"], held["name"])):
                claim = {"tenant": tenant.name, "id": keys.camera_name(name), "camera": held["id"]}
                yield _Lead(keys.CAMERAS, claim, f"the name {name} of camera {held['id']}", owner)

    def _cameras_left(self, tenant: Tenant) -> Iterator[Disagreement]:
        place = (tenant.name, keys.CAMERAS_LEFT)
        counted = self.book.items.get(keys.CAMERAS, place)
        number = sum(1 for _ in every(self.book.items, keys.CAMERAS, tenant.name, low=keys.FIRST_CAMERA))
        if counted is not None and int(counted["left"]) != MAX_CAMERAS - number:
            when = (equals("left", counted["left"], _SAME),)
            update = Update(keys.CAMERAS, place, when, set={"left": MAX_CAMERAS - number})
            text = f"the tenant says that {counted['left']} more cameras fit, and {MAX_CAMERAS - number} do"
            yield Disagreement(text, (), partial(write, self.book.items, [update]))


def _place(table: Table, item: Item) -> tuple[str, str, str]:
    return table.name, item[table.partition], item[table.sort]


class PictureRecords(UseCase):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = [face_from(item) for item in every_face(self.book.items, tenant.name)]
        stored = {blob.key for blob in self.book.storage.blobs.walk(keys.face_pictures(tenant.name))}
        for face in faces:
            for number, picture in enumerate(face.pictures, 1):
                if picture.key and picture.key not in stored:
                    text = f"picture {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    yield Disagreement(text, (face.version,))
                elif picture.sides and keys.thumbnail(picture.key) not in stored:
                    text = f"the thumbnail of picture {number} of {len(face.pictures)} of face {face.faceid} is gone"
                    yield Disagreement(text, (face.version,))
        for key in self.book.erasure.pictures.found(tenant.name):
            yield Disagreement(f"picture {key} belongs to no face", (), partial(self.book.storage.blobs.delete, key))
