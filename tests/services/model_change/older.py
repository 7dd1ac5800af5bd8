"""A tenant's records as versions before this one wrote them, made of those that this one wrote."""

from __future__ import annotations

from typing import Any

from chalicelib.core import keys
from chalicelib.core.items import every
from chalicelib.core.ports import Item, ItemStore, Put, Update, exists


def rewrite(items: ItemStore, tenant: str, *, names_model: bool) -> None:
    """Faces with one picture, whose templates lay beside it; `names_model`: whether the directory named one by then."""
    for face in every(items, keys.FACES, tenant):
        items.transact([Put(keys.FACES, _face_of_before(face))])
    if not names_model:
        there = (exists("tenant-exists"),)
        items.transact([Update(keys.DIRECTORY, (tenant, keys.TENANT_ITEM), there, remove=("model",))])


def _face_of_before(face: Item) -> Item:
    (picture,) = face["pictures"]
    before: dict[str, Any] = {name: value for name, value in face.items() if name != "pictures"}
    key = keys.face_picture(face["tenant"], face["faceid"], picture["nonce"])
    return {**before, "templates": picture["templates"], "picture": key, "estimates": picture["estimates"]}
