"""Keys, members and sessions to items and back.

Storage that expires items deletes a session after its `expires_at`. A key's record stays, so its
end has another name.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.auth.roles import ApiKey, Member, Role
from chalicelib.domain.api_keys import FIRST
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from chalicelib.storage.values import Codec, milliseconds, moment, parse_optional

_KEY = Codec(
    ApiKey,
    {"id": "key", "expires_at": "ends_at", "last_used_at": "used_at"},
    rare="service group",
    nulls="expires_at",
)
key_from = _KEY.read


def make_key_item(tenant: str, key: ApiKey) -> Item:
    kind, id_ = keys.key_record(tenant, key.id)
    item = {"kind": kind, "id": id_, "tenant": tenant, **_KEY.write(key)}
    return {**item, "group": key.group} if key.service else item


def make_key_fields(key: ApiKey) -> Item:
    """Make the attributes that a change or a renewal sets."""
    return _KEY.write(key, "name", "role", "pictures", "expires_at", "digest", "version")


def parse_first_key(tenant: Item, state: Item | None) -> ApiKey | None:
    """Read a tenant's first key.

    `tenant`: the tenant's record. `state`: the key's own record; None: there is none.

    Returns None if the key was deleted, and the tenant's record has no newer one.
    """
    digest, state = tenant["api_key_digest"], state or {}
    if state.get("deleted") == digest:
        return None
    return ApiKey(
        id=FIRST,
        name=FIRST,
        role=Role.ADMIN,
        created_at=moment(tenant["created_at"]),
        digest=digest,
        last_used_at=parse_optional(moment, state.get("used_at")),
    )


def make_first_key_item(
    tenant: str, *, used_at: datetime | None, deleted: str | None = None
) -> Item:
    """Make the own record of a first key.

    `deleted`: the hash of the secret with which it was deleted.
    """
    kind, id_ = keys.key_record(tenant, FIRST)
    return {
        "kind": kind,
        "id": id_,
        "tenant": tenant,
        "used_at": parse_optional(milliseconds, used_at),
        **({} if deleted is None else {"deleted": deleted}),
    }


_MEMBER = Codec(
    Member, {"id": "member"}, rare="page", nulls="password invitation invited_until signed_in_at"
)
member_from = _MEMBER.read


def make_member_item(tenant: str, member: Member) -> Item:
    kind, id_ = keys.member_item(tenant, member.id)
    return {"kind": kind, "id": id_, "tenant": tenant, **_MEMBER.write(member)}


def make_sign_in_item(
    item_key: tuple[str, str],
    tenant: str,
    key: ApiKey | Member,
    begun_at: datetime,
    expires_at: datetime | None,
) -> Item:
    """Make the item of a session, or of a code that starts one.

    One without an end has no `expires_at`.

    It is good as long as the `digest` of the key is the same. A member's is replaced to end
    sessions.
    """
    return {
        "kind": item_key[0],
        "id": item_key[1],
        "tenant": tenant,
        "member" if isinstance(key, Member) else "key": key.id,
        "digest": key.digest,
        "begun_at": milliseconds(begun_at),
        **({} if expires_at is None else {"expires_at": int(expires_at.timestamp())}),
    }
