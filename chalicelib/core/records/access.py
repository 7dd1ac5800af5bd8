"""Keys, members and sessions to items and back.

Storage that expires items deletes a session after its `expires_at`. A key's record stays, so its end has another name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.core import keys
from chalicelib.core.access import FIRST, ApiKey, Member, Passkey, Role
from chalicelib.core.ports import Item
from chalicelib.core.values import milliseconds, moment, optional


def key_item(tenant: str, key: ApiKey) -> Item:
    kind, id_ = keys.key_record(tenant, key.id)
    return {
        "kind": kind,
        "id": id_,
        "tenant": tenant,
        "key": key.id,
        "created_at": milliseconds(key.created_at),
        **({"service": key.service, "group": key.group} if key.service else {}),
        **key_fields(key),
    }


def key_fields(key: ApiKey) -> dict[str, Any]:
    """Make the attributes that a change or a renewal sets."""
    return {
        "name": key.name,
        "role": key.role.value,
        "pictures": key.pictures,
        "ends_at": optional(milliseconds, key.expires_at),
        "digest": key.digest,
        "version": key.version,
    }


def key_from(item: Item) -> ApiKey:
    return ApiKey(
        id=item["key"],
        name=item["name"],
        role=Role(item["role"]),
        created_at=moment(item["created_at"]),
        digest=item["digest"],
        pictures=item["pictures"],
        expires_at=optional(moment, item["ends_at"]),
        last_used_at=optional(moment, item.get("used_at")),
        version=int(item["version"]),
        service=item.get("service", ""),
        group=item.get("group", ""),
    )


def first_key(tenant: Item, state: Item | None) -> ApiKey | None:
    """Read a tenant's first key from the tenant's record and, if there is one, its own; None: it was deleted."""
    digest, state = tenant["api_key_digest"], state or {}
    if state.get("deleted") == digest:
        return None
    return ApiKey(
        id=FIRST,
        name=FIRST,
        role=Role.ADMIN,
        created_at=moment(tenant["created_at"]),
        digest=digest,
        last_used_at=optional(moment, state.get("used_at")),
    )


def first_key_item(tenant: str, *, used_at: datetime | None, deleted: str | None = None) -> Item:
    """Make the own record of a first key. `deleted`: the hash of the secret with which it was deleted."""
    kind, id_ = keys.key_record(tenant, FIRST)
    return {
        "kind": kind,
        "id": id_,
        "tenant": tenant,
        "used_at": optional(milliseconds, used_at),
        **({} if deleted is None else {"deleted": deleted}),
    }


def member_item(tenant: str, member: Member) -> Item:
    kind, id_ = keys.member_item(tenant, member.id)
    return {
        "kind": kind,
        "id": id_,
        "tenant": tenant,
        "member": member.id,
        "name": member.name,
        "role": member.role.value,
        "created_at": milliseconds(member.created_at),
        "digest": member.digest,
        "pictures": member.pictures,
        "screen": member.screen,
        "password": member.password,
        "passkeys": [{**vars(one), "created_at": milliseconds(one.created_at)} for one in member.passkeys],
        "invitation": member.invitation,
        "invited_until": optional(milliseconds, member.invited_until),
        "signed_in_at": optional(milliseconds, member.signed_in_at),
        "version": member.version,
    }


def member_from(item: Item) -> Member:
    return Member(
        id=item["member"],
        name=item["name"],
        role=Role(item["role"]),
        created_at=moment(item["created_at"]),
        digest=item["digest"],
        pictures=item["pictures"],
        screen=item["screen"],
        password=item["password"],
        passkeys=tuple(_passkey_from(one) for one in item["passkeys"]),
        invitation=item["invitation"],
        invited_until=optional(moment, item["invited_until"]),
        signed_in_at=optional(moment, item["signed_in_at"]),
        version=int(item["version"]),
    )


def _passkey_from(item: Item) -> Passkey:
    return Passkey(item["id"], item["host"], bytes(item["data"]), int(item["counter"]), moment(item["created_at"]))


def sign_in_item(
    place: tuple[str, str], tenant: str, key: ApiKey | Member, begun_at: datetime, expires_at: datetime | None
) -> Item:
    """Make the item of a session, or of a code that begins one. It is good while the key's secret is the same, or the
    mark of the member's sessions. One without an end has no `expires_at`."""
    return {
        "kind": place[0],
        "id": place[1],
        "tenant": tenant,
        "member" if isinstance(key, Member) else "key": key.id,
        "digest": key.digest,
        "begun_at": milliseconds(begun_at),
        **({} if expires_at is None else {"expires_at": int(expires_at.timestamp())}),
    }
