"""Users to items and back."""

from __future__ import annotations

from chalicelib.core import keys
from chalicelib.core.ports import Item
from chalicelib.core.records.faces import template_items, templates_from
from chalicelib.core.users import User


def user_item(tenant: str, user: User) -> Item:
    return {
        "tenant": tenant,
        "item": keys.user_item(user.entry),
        "group": user.group_id,
        "id": user.id,
        "faces": list(user.faceids),
        "templates": template_items(user.templates),
    }


def user_from(item: Item) -> User:
    return User(item["group"], item["id"], tuple(item["faces"]), templates_from(item["templates"]))
