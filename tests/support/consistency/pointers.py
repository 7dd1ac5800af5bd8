"""Checks of items that only point to others.

Credentials to tenants and cameras, names to groups, cameras and faces, and the list of legal holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.faces import hold_put
from chalicelib.book.tenants import CREDENTIALS, OLD_APPCODE
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.model import Tenant
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Item, Table
from chalicelib.storage.records.faces import face_from, name_item, terms_of
from tests.support.consistency.findings import Subject


class _Pointer(NamedTuple):
    """An item that leads to another one, its owner, such as a key's hash to the tenant.

    `says`: what the pointer is, in words.
    """

    table: Table
    item: Item
    says: str


class Pointers(Subject):
    """Items that lead to others."""

    def compare_pointers(
        self,
        tenant: Tenant,
        expected: Iterable[_Pointer],
        stored: Iterable[tuple[Table, Item]],
    ) -> Iterator[str]:
        """Compare the pointers that their owners need with those that are stored."""
        stored_pointers = {_locate_item(table, item): (table, item) for table, item in stored}
        pointer_by_key = {
            _locate_item(pointer.table, pointer.item): pointer for pointer in expected
        }
        for pointer_key, (table, item, says) in pointer_by_key.items():
            _, stored_item = stored_pointers.pop(pointer_key, (table, {}))
            if dict(stored_item) != dict(item):
                yield f"{says} does not lead to it"
        for (_, *key), (_, item) in stored_pointers.items():
            owner_names = (item.get(name) for name in ("camera", "key", "group", "faceid"))
            owner_name = next(filter(None, owner_names), tenant.name)
            yield f"{' '.join(key)} leads to {owner_name}, which has nothing of that kind"


class NameRecords(Pointers):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare faces with the words that find them, and with the list of legal holds."""
        faces = {
            face.faceid: face
            for face in map(face_from, walk_items(self.services.items, keys.FACES, tenant.name))
        }
        terms = walk_items(self.services.items, keys.NAMES, tenant.name)
        holds = walk_items(self.services.items, keys.DIRECTORY, tenant.name, between=keys.HOLDS)
        stored = [
            *((keys.NAMES, term) for term in terms),
            *((keys.DIRECTORY, hold) for hold in holds),
        ]

        def expect_pointers() -> Iterator[_Pointer]:
            for faceid, face in faces.items():
                for term in terms_of(face):
                    item = name_item(tenant.name, faceid, term)
                    yield _Pointer(keys.NAMES, item, f"the term {term!r} of face {faceid}")
                if face.hold:
                    item = hold_put(tenant.name, face).item
                    says = f"the hold of face {faceid} in the list of holds"
                    yield _Pointer(keys.DIRECTORY, item, says)

        yield from self.compare_pointers(tenant, expect_pointers(), stored)


class PointerRecords(Pointers):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare credentials and names with what they lead to, and the number of cameras."""
        expected = (
            *self._expect_credentials(tenant),
            *self._expect_keys(tenant),
            *self._expect_group_names(tenant),
            *self._expect_cameras(tenant),
        )
        yield from self.compare_pointers(tenant, expected, self._read_pointers(tenant))
        yield from self._compare_camera_count(tenant)

    def _read_pointers(self, tenant: Tenant) -> Iterator[tuple[Table, Item]]:
        """Yield all pointers that are stored of a tenant, each with its table."""
        for locate in CREDENTIALS.values():
            kind, _ = locate("")
            for item in walk_items(self.services.items, keys.TENANTS, kind):
                if item["tenant"] == tenant.name:
                    yield keys.TENANTS, item
        for table, prefix in (
            (keys.DIRECTORY, keys.name_item("")),
            (keys.CAMERAS, keys.camera_name("")),
        ):
            for item in walk_items(
                self.services.items, table, tenant.name, between=(prefix, prefix[:-1] + "$")
            ):
                yield table, item

    def _expect_credentials(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointers to a tenant: of its credentials, but for a first key that was
        deleted."""
        record = self.services.items.get(keys.TENANTS, keys.tenant_item(tenant.name)) or {}
        first_key = self.services.items.get(keys.TENANTS, keys.key_record(tenant.name, FIRST)) or {}
        deleted = keys.api_key_item(first_key.get("deleted", ""))
        for name, locate in CREDENTIALS.items():
            kind, id_ = locate(record[name])
            if (kind, id_) == deleted:
                continue
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield _Pointer(keys.TENANTS, item, f"the {kind} of tenant {tenant.name}")
        if old_code := record.get(OLD_APPCODE):
            kind, id_ = keys.appcode_item(old_code)
            item = {"kind": kind, "id": id_, "tenant": tenant.name}
            yield _Pointer(keys.TENANTS, item, f"an old {kind}")

    def _expect_keys(self, tenant: Tenant) -> Iterator[_Pointer]:
        kind_of_keys, _ = keys.key_record(tenant.name, "")
        for key in walk_items(
            self.services.items, keys.TENANTS, kind_of_keys, between=keys.ids_range(tenant.name)
        ):
            kind, id_ = keys.api_key_item(key["digest"])
            item = {"kind": kind, "id": id_, "tenant": tenant.name, "key": key["key"]}
            yield _Pointer(keys.TENANTS, item, f"the secret of key {key['key']}")

    def _expect_group_names(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointer that each group's name should have: the item by which a group is found
        by name."""
        for group in walk_items(
            self.services.items, keys.DIRECTORY, tenant.name, between=keys.GROUPS
        ):
            item = {
                "tenant": tenant.name,
                "item": keys.name_item(group["name"]),
                "group": group["id"],
            }
            yield _Pointer(keys.DIRECTORY, item, f"the name of group {group['name']}")

    def _expect_cameras(self, tenant: Tenant) -> Iterator[_Pointer]:
        """Yield the pointers to each camera: of its key, its id and its name."""
        for camera in walk_items(
            self.services.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS
        ):
            kind, id_ = keys.api_key_item(camera["key_digest"])
            key_item = {"kind": kind, "id": id_, "tenant": tenant.name, "camera": camera["id"]}
            yield _Pointer(keys.TENANTS, key_item, f"the api_key of camera {camera['id']}")
            for name in dict.fromkeys((camera["id"], camera["name"])):
                name_item = {
                    "tenant": tenant.name,
                    "id": keys.camera_name(name),
                    "camera": camera["id"],
                }
                yield _Pointer(keys.CAMERAS, name_item, f"the name {name} of camera {camera['id']}")

    def _compare_camera_count(self, tenant: Tenant) -> Iterator[str]:
        """Yield a disagreement if the tenant's count of cameras that still fit is wrong.

        A tenant without a count has never made a camera.
        """
        count_key = (tenant.name, keys.CAMERAS_LEFT)
        counted = self.services.items.get(keys.CAMERAS, count_key)
        number = sum(
            1
            for _ in walk_items(
                self.services.items, keys.CAMERAS, tenant.name, between=keys.CAMERA_IDS
            )
        )
        if counted is not None and int(counted["left"]) != MAX_CAMERAS - number:
            yield (
                f"the tenant says that {counted['left']} more cameras fit, and "
                f"{MAX_CAMERAS - number} do"
            )


def _locate_item(table: Table, item: Item) -> tuple[str, str, str]:
    return table.name, item[table.partition], item[table.sort]
