"""Keys of the tenant over v1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import getitem
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.dialects import SHARED_KEYS
from chalicelib.api.v1.endpoint import (
    Operations,
    V1Context,
    answer_nothing,
    refuse_secret_again,
)
from chalicelib.api.v1.shapes import Name
from chalicelib.api.v1.wire import Answer, Changes, Instant, Sent, Time, list_sent_members
from chalicelib.auth.roles import ApiKey, Role
from chalicelib.book.tenants import OLD_KEY_HOLDS
from chalicelib.domain.effects import name_access
from chalicelib.domain.errors import KeyNotFound
from chalicelib.domain.model import SharedKey, name_old_key
from chalicelib.storage.values import time_text

operations = Operations()

KeyRole = Annotated[
    Literal["viewer", "operator", "admin"],
    Meta(
        description="A viewer reads the book. An operator also enrols, edits, merges, rejects, "
        "deletes and searches. "
        "An admin also has cameras, hooks, settings and keys."
    ),
]
Pictures = Annotated[bool, Meta(description="Whether the key sees pictures of people.")]
Secret = Annotated[str, Meta(pattern="^rk_[0-9a-f]{32}$", description="Shown nowhere else.")]


class NewKey(Sent, kw_only=True):
    name: Name
    role: KeyRole = "viewer"
    pictures: Pictures = True
    expires_at: Annotated[
        Instant | None, Meta(description="In the future; null: the key has no end.")
    ] = None


class KeyChanges(Changes):
    name: Name | UnsetType = UNSET
    role: KeyRole | UnsetType = UNSET
    pictures: Pictures | UnsetType = UNSET
    expires_at: Instant | UnsetType | None = UNSET


class MadeBy(Answer):
    """Maker of something."""

    name: Annotated[
        str, Meta(description="What people call them, or called them last; else as in the audit.")
    ]
    is_gone: Annotated[bool, Meta(description="Whether that was a member who was removed.")]


class Key(Answer):
    id: Annotated[
        str,
        Meta(
            description="`first`: the key in the tenant's credentials, which can only be deleted."
        ),
    ]
    name: Name
    role: KeyRole
    pictures: Pictures
    created_at: Time
    expires_at: Time | None
    last_used_at: Annotated[
        Time | None, Meta(description="The hour of its last request; null: there was none yet.")
    ]
    made_by: Annotated[
        MadeBy | None,
        Meta(description="Who made it, or renewed it last; null: nobody knows it any more."),
    ]


class KeyMade(Key):
    api_key: Secret


class Keys(Answer):
    keys: Annotated[list[Key], Meta(max_length=100)]


class KeyRenewed(Answer):
    id: str
    api_key: Secret


DialectId: Any = getitem(Literal, tuple(SHARED_KEYS))
AppId = Annotated[
    str | None, Meta(description="The app_id that its clients send; null if they send none.")
]


class DialectKey(Answer):
    """The one key that all clients of a dialect share: an App key, which signs, or an AppCode,
    which is sent."""

    id: DialectId
    app_id: AppId
    last_used_at: Annotated[
        Time | None,
        Meta(description="The hour of its last call; null: none came since the key was made."),
    ]
    old_until: Annotated[
        Time | None, Meta(description="Until when the key before it holds, too; null: none does.")
    ]
    old_used_at: Annotated[
        Time | None,
        Meta(
            description="The hour of the last call with that older key since the newest was made; "
            "null: none came. "
            "Whoever called still has to get the newest."
        ),
    ]
    waits_for: Annotated[
        str,
        Meta(
            description='What the key was made for, until its first call; "": nobody said it, or '
            "it has called."
        ),
    ]


class DialectKeys(Answer):
    dialects: Annotated[list[DialectKey], Meta(max_length=len(SHARED_KEYS))]


class NewDialectKey(Sent):
    name: Annotated[
        str, Meta(max_length=100, description="What the key is for, such as a camera's name.")
    ] = ""
    at_once: Annotated[
        bool,
        Meta(
            description="true: the key before it stops at once, as after a leak, and with it all "
            "who have no new one."
        ),
    ] = False


class DialectKeyMade(Answer):
    id: DialectId
    app_id: AppId
    old_until: Annotated[
        Time | None, Meta(description="Until when the key before it holds, too; null: none does.")
    ]
    secret: Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="Shown nowhere else.")]


@operations("GET", "/v1/keys", Role.ADMIN)
def list_keys(context: V1Context) -> Keys:
    """List all keys: the tenant's first one, then the others by age."""
    describe = _make_describe(context)
    return Keys(
        keys=[describe(key) for key in context.services.access.keys.list_all(context.tenant)]
    )


def _make_describe(context: V1Context) -> Callable[[ApiKey], Key]:
    find_maker = _make_find_maker(context)
    return lambda key: Key.made_of(key, made_by=find_maker(key))


def _make_find_maker(context: V1Context) -> Callable[[ApiKey], MadeBy | None]:
    """Return what tells who made a key; None: nobody knows."""
    find_name = context.services.access.made.find_names(context.tenant)

    def find_maker(key: ApiKey) -> MadeBy | None:
        name, is_gone = find_name(name_access("key", key.id))
        return MadeBy(name=name, is_gone=is_gone) if name else None

    return find_maker


@operations(
    "POST",
    "/v1/keys",
    Role.ADMIN,
    status=201,
    again=refuse_secret_again("key", "renew the key, or delete it and make another"),
)
def add_key(context: V1Context, body: NewKey) -> KeyMade:
    """Make a key, so that each person and each program has its own; its secret is shown nowhere
    else."""
    context.caller.require_may_give(pictures=body.pictures)
    key, secret = context.services.access.keys.add(
        context.tenant,
        body.name,
        Role(body.role),
        pictures=body.pictures,
        expires_at=body.expires_at,
        request=context.request_id,
    )
    return KeyMade.made_of(key, api_key=secret, made_by=_make_find_maker(context)(key))


def _read_key(context: V1Context) -> ApiKey:
    return context.services.access.keys.get(context.tenant, context.path_values["id"])


def _answer_change_again(context: V1Context, _body: Mapping[str, Any]) -> Key:
    return _make_describe(context)(_read_key(context))


def list_changes(body: Changes) -> dict[str, Any]:
    """Return the changes that were sent of a key or a member."""
    changes = list_sent_members(body)
    return {**changes, "role": Role(changes["role"])} if "role" in changes else changes


@operations("PATCH", "/v1/keys/{id}", Role.ADMIN, again=_answer_change_again)
def change_key(context: V1Context, body: KeyChanges) -> Key:
    """Change what is sent; it holds from the key's next request on.

    A tenant always has an admin's key without an end.
    """
    changes = list_changes(body)
    if changes.get("pictures"):
        context.caller.require_may_give(pictures=not _read_key(context).pictures)
    return _make_describe(context)(
        context.services.access.keys.change(
            context.tenant, context.path_values["id"], changes, context.request_id
        )
    )


@operations("DELETE", "/v1/keys/{id}", Role.ADMIN, again=answer_nothing)
def delete_key(context: V1Context) -> None:
    """Delete a key; it and the sessions that it began stop at once."""
    context.services.access.keys.delete(
        context.tenant, context.path_values["id"], context.request_id
    )


@operations(
    "POST",
    "/v1/keys/{id}/renew",
    Role.ADMIN,
    again=refuse_secret_again("a secret of key", "renew it once more"),
)
def renew_key(context: V1Context) -> KeyRenewed:
    """Make another secret; the old one and the sessions that it began stop at once."""
    id_ = context.path_values["id"]
    context.caller.require_may_give(pictures=_read_key(context).pictures)
    return KeyRenewed(
        id=id_, api_key=context.services.access.keys.renew(context.tenant, id_, context.request_id)
    )


@operations("GET", "/v1/dialects", Role.ADMIN)
def list_dialects(context: V1Context) -> DialectKeys:
    """Read when the keys that all clients of a dialect share were used last."""
    return DialectKeys(
        dialects=[_describe_dialect_key(context, id_, key) for id_, key in SHARED_KEYS.items()]
    )


def _describe_dialect_key(context: V1Context, id_: str, key: SharedKey) -> DialectKey:
    """Describe the key that all clients of a dialect share, and the old one while that still
    holds."""
    last_used_at = context.tenant.dialects_used_at.get(id_)
    renewal = context.tenant.renewals.get(id_)
    is_old_valid = renewal is not None and context.services.clock.now() < renewal.old_until
    return DialectKey.made_of(
        context,
        id=id_,
        app_id=_choose_app_id(context, key),
        last_used_at=last_used_at,
        old_until=renewal.old_until if renewal and is_old_valid else None,
        old_used_at=context.tenant.dialects_used_at.get(name_old_key(id_))
        if is_old_valid
        else None,
        waits_for=renewal.name if renewal and last_used_at is None else "",
    )


@operations(
    "POST",
    "/v1/dialects/{id}/key",
    Role.ADMIN,
    again=refuse_secret_again("a key of", "ask for one more"),
)
def renew_dialect_key(context: V1Context, body: NewDialectKey) -> DialectKeyMade:
    """Make another App key or AppCode; the one before it holds for a day more, and one before that
    stops at once.

    After a leak, `at_once` stops both.
    """
    id_ = context.path_values["id"]
    if id_ not in SHARED_KEYS:
        raise KeyNotFound(
            f"{id_[:40]!r} has no key of its own: {' and '.join(SHARED_KEYS)} have one"
        )
    key, tenants = SHARED_KEYS[id_], context.services.tenants
    secret = tenants.renew_key(
        context.tenant, id_, key, body.name, context.request_id, at_once=body.at_once
    )
    until = None if body.at_once else time_text(context.services.clock.now() + OLD_KEY_HOLDS)
    return DialectKeyMade(
        id=id_, app_id=_choose_app_id(context, key), secret=secret, old_until=until
    )


def _choose_app_id(context: V1Context, key: SharedKey) -> str | None:
    return context.tenant.app_id if key is SharedKey.APP_KEY else None
