"""Who are the customers, with which settings and credentials?

Storage holds app_keys and secret access keys encrypted, and appcodes and bearer keys as hashes
only.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from chalicelib.domain import api_keys
from chalicelib.domain.effects import SHARED_KEYS, SHOP, Effect, name_setting
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    InvalidInput,
    StorageUnavailable,
    TenantExists,
    TenantNotFound,
)
from chalicelib.domain.jobs import SEALS, Job
from chalicelib.domain.model import (
    DEFAULT_GROUPS,
    Credentials,
    Group,
    Profile,
    PromotionSettings,
    SharedKey,
    Tenant,
    name_old_key,
)
from chalicelib.domain.tenant_settings import (
    FORGET,
    RETENTION,
    SIGHTING_DAYS,
    TenantSettings,
    count_capture_days,
    count_ended_days,
    count_sighting_days,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT, is_over, require_format, upgrade_format
from chalicelib.storage.items import (
    WITHDRAWN,
    count_attempts,
    directory_of,
    retry_if_changed,
    walk_items,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import (
    Action,
    Check,
    Item,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)
from chalicelib.storage.records.faces import (
    RENEWED,
    USED_AT,
    group_item,
    tenant_from,
    tenant_setting_fields,
)
from chalicelib.storage.values import milliseconds, parse_optional

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.book.book import Book
    from chalicelib.book.idempotency import RequestId
    from chalicelib.domain.consent import Consent


_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_DEFAULT_CAPACITY = 5_000
"""Capacity of a new tenant's groups of strangers and regulars, in faces."""
_APP_ID_BYTES = 8
"""Random bytes of an app_id."""
_LIFE_BYTES = 6
"""Random bytes of a life: a book has few of them."""

FACES_LEFT, GROUPS_LEFT, CAPACITY_LEFT = "free", "groups_left", "capacity_left"
"""Fields of the directory: how much of a tenant's limits is left. Each also names the condition
that it is enough."""

NUMBERED = "numbered"
"""Field of the directory: the number of the newest stranger. It changes with the gallery's seq
only."""

OLD_KEY_HOLDS = timedelta(days=1)
"""Time for which a key that clients share holds beside the one that takes its place."""

_OLD_APP_KEY, OLD_APPCODE = "old_app_key", "old_appcode_digest"
"""Fields of a tenant's item: the sealed app_key and the appcode's hash before the newest."""

_SHARED = ("app_key", "appcode_digest")
"""Fields of a tenant's item with its newest shared keys, sealed and as a hash."""

_KEYS_CHANGE = "the keys of this tenant change all the time: send the request again in a moment"

_NEVER_ERASED = "never-erased"

_ARRANGES = ((Effect.ARRANGES, "end of consents"),)

_LIMITS_SAME = "limits-as-they-were-read"

CREDENTIALS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "app_id": keys.app_id_item,
    "appcode_digest": keys.appcode_item,
    "api_key_digest": keys.api_key_item,
    "access_key_id": keys.access_key_item,
}
"""The pointer of each credential, by the field of the tenant's item that holds the credential or
its hash."""


class Tenants(Service["Book"]):
    def __init__(self, services: Book) -> None:
        super().__init__(services)
        self._owners: dict[tuple[str, str], Item] = {}

    def add(
        self, name: str, profile: Profile, settings: TenantSettings | None = None
    ) -> Credentials:
        """Make a tenant with its default groups. Raises TenantExists, InvalidInput.

        For a day after an update it gets the other tenants' format and model: the version before
        may come back, and would start for nobody if it did not know one of them.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                "a tenant's name is 1 to 40 small letters, digits and inner hyphens, such as "
                f"`shop-12`, not {name!r}"
            )
        existing = self.services.items.query(keys.TENANTS, keys.tenant_item("")[0], limit=1).items
        for other in existing:
            require_format(other)  # no tenant beside data that this version cannot read
        credentials = _make_credentials(name, profile, secrets.token_hex(_APP_ID_BYTES).upper())
        # the version before may come back
        is_new_version = bool(existing) and existing[0]["format"] != FORMAT
        model = existing[0]["model"] if is_new_version else self.services.ports.model()
        tenant = self._apply_settings(
            Tenant(name, profile, credentials.app_id, self.services.clock.now(), model),
            asdict(settings or TenantSettings()),
        )
        item = {
            "kind": "tenant",
            "id": name,
            "format": existing[0]["format"] if existing else FORMAT,
            "profile": profile,
            "app_id": tenant.app_id,
            "life": _make_life(),
            "created_at": milliseconds(tenant.created_at),
            "model": tenant.model,
            "disabled": tenant.disabled,
            **tenant_setting_fields(tenant),
            **self._seal_credentials(credentials),
        }
        actions = [
            Put(keys.TENANTS, item, (absent("tenant-free"),)),
            Check(keys.TENANTS, keys.erased_item(name), (absent(_NEVER_ERASED),)),
            *(
                api_keys.let_in(pointer(item[field]), name)
                for field, pointer in CREDENTIALS.items()
            ),
            *self._make_directory_actions(tenant),
        ]
        try:
            write(self.services.items, actions)
        except ConditionFailed as error:
            if _NEVER_ERASED in error.names:
                raise TenantExists(
                    f"tenant {name!r} was erased, and no other one gets its name: choose another "
                    "name"
                ) from error
            raise TenantExists(
                f"there is a tenant {name!r} already: choose another name. If the command that "
                f"made it was cut off, `regulars tenants rotate {name}` prints new keys of it"
            ) from error
        return credentials

    def list_all(self) -> list[Tenant]:
        """Return all tenants, by name."""
        return [
            tenant_from(item)
            for item in walk_items(self.services.items, keys.TENANTS, keys.tenant_item("")[0])
        ]

    def open_tenant(self, item: Item) -> Tenant:
        """Read a tenant for work on its faces: those whose record of consent has expired by now are
        restricted first.

        Raises Busy, StorageUnavailable.
        """
        tenant = tenant_from(item)
        if self.has_expired_consent(tenant):  # else a cold start loads nothing of faces
            self.services.book_hooks.consents_expire(tenant)
        return tenant

    def open_if_restricted(self, item: Item) -> Tenant:
        """Read a tenant for work on its faces, where nobody may be restricted: on AWS, by `ingest`.

        If somebody's record of consent has expired, have that person restricted elsewhere. Raises
        Busy then.
        """
        tenant = tenant_from(item)
        if self.has_expired_consent(tenant):
            self.services.book_hooks.consents_await(tenant)
        return tenant

    def has_expired_consent(self, tenant: Tenant) -> bool:
        """Tell whether somebody's record of consent has expired whom nobody has restricted
        since."""
        return (
            tenant.consents_end_at is not None
            and tenant.consents_end_at <= self.services.clock.now()
        )

    def announce_consent_end(self, tenant: Tenant, consent: Consent | None) -> None:
        """Note in the tenant's record when a record of consent expires, before a face gets it.

        Raises Busy.

        The tenant's record has the earliest end of all (`consents_end_at`), at which the next
        people are restricted.
        """
        ends_at = consent.expires_at if consent else None
        if ends_at is None:
            return
        for _ in count_attempts():
            # a run that restricts those people just now has not read this record
            if self.has_expired_consent(tenant):
                self.services.book_hooks.consents_expire(tenant)
                tenant = self.read_stored(tenant.name)
            if tenant.consents_end_at is not None and tenant.consents_end_at <= ends_at:
                return
            if self.note_consent_end(tenant, ends_at):
                return
            tenant = self.read_stored(tenant.name)
        raise Busy(
            "many records of consent are written at once: send the request again in a moment"
        )

    def note_consent_end(self, tenant: Tenant, end: datetime | None) -> bool:
        """Store when the next record expires; return False if others have changed that since the
        tenant was read."""
        before = parse_optional(milliseconds, tenant.consents_end_at)
        if_same = (equals("consents_end_at", before, "end-same"), exists("tenant-exists"))
        change: dict[str, Any] = (
            {"set": {"consents_end_at": milliseconds(end)}}
            if end
            else {"remove": ("consents_end_at",)}
        )
        return write_unless_changed(
            self.services.items,
            [
                Update(
                    keys.TENANTS, keys.tenant_item(tenant.name), if_same, does=_ARRANGES, **change
                )
            ],
        )

    def is_unused(self) -> bool:
        """Tell whether there never was a tenant: none is there, and none was erased."""
        kinds = (keys.tenant_item("")[0], keys.ERASED)
        return not any(
            self.services.items.query(keys.TENANTS, kind, limit=1).items for kind in kinds
        )

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("format", lambda context: self._upgrade_format(context.tenant)),
            Job("old keys", lambda context: self._forget_old_keys(context.tenant)),
        )

    @retry_if_changed(_KEYS_CHANGE)
    def rotate_keys(self, name: str) -> Credentials:
        """Replace all secrets, and the id of the access key; the old ones stop at once.

        Raises TenantNotFound, Busy.
        """
        item = self._read_item(name)
        tenant = tenant_from(item)
        credentials = _make_credentials(name, tenant.profile, tenant.app_id)
        old_fields = tuple(
            field
            for field in item
            if field.endswith(RENEWED) or field in (_OLD_APP_KEY, OLD_APPCODE)
        )
        actions = _make_rotation_actions(
            item, self._seal_credentials(credentials), *_SHARED, "api_key_digest", unused=old_fields
        )
        actions += _make_old_appcode_deletes(item)
        write(self.services.items, actions)
        return credentials

    @retry_if_changed(_KEYS_CHANGE)
    def renew_key(
        self,
        tenant: Tenant,
        dialect: str,
        key: SharedKey,
        name: str = "",
        request: RequestId | None = None,
        *,
        at_once: bool = False,
    ) -> str:
        """Make another key that the clients of a dialect share, and return it.

        The old key is valid for a day more.

        So the clients go on until somebody gives them the new one. A key older than these two stops
        at once. `at_once`: the old key stops at once, too, since it may have leaked. `name`: the
        purpose of the new key. Raises Busy, AnsweredAlready.
        """
        item, secret = self._read_item(tenant.name), api_keys.new_secret()
        old_key_ends_at = self.services.clock.now() + (timedelta() if at_once else OLD_KEY_HOLDS)
        actions: list[Action] = []
        if key is SharedKey.APP_KEY:
            field, old_field = "app_key", _OLD_APP_KEY
            stored_key: Any = self.services.storage.vault.seal(secret, tenant.name)
        else:
            field, old_field, stored_key = "appcode_digest", OLD_APPCODE, api_keys.digest(secret)
            actions = [
                api_keys.let_in(keys.appcode_item(stored_key), tenant.name),
                *_make_old_appcode_deletes(item),
            ]
            actions += [api_keys.shut_out(keys.appcode_item(item[field]))] if at_once else []
        old_key = {} if at_once else {old_field: item[field]}
        fields = {
            f"{dialect}{RENEWED}": [milliseconds(old_key_ends_at), name],
            field: stored_key,
            **old_key,
        }
        used_fields = (f"{dialect}{USED_AT}", f"{name_old_key(dialect)}{USED_AT}")
        removed_fields = (*used_fields, *((old_field,) if at_once else ()))
        if_not_rotated = tuple(
            equals(shared_field, item[shared_field], "not-rotated-meanwhile")
            for shared_field in _SHARED
        )
        actions.insert(
            0,
            Update(
                keys.TENANTS,
                keys.tenant_item(tenant.name),
                if_not_rotated,
                set=fields,
                remove=removed_fields,
                does=((Effect.TAKES_ACCESS, SHARED_KEYS), (Effect.GIVES_ACCESS, SHARED_KEYS)),
            ),
        )
        self.services.requests.write_with_answer(tenant.name, actions, request, {"id": dialect})
        return secret

    def read_old_app_key(self, tenant: Tenant, dialect: str) -> str | None:
        """Return the app_key before the newest, while it holds."""
        if not self._old_key_holds(tenant, dialect):
            return None
        sealed = self._read_item(tenant.name).get(_OLD_APP_KEY)
        return (
            None
            if sealed is None
            else self.services.storage.vault.unseal(bytes(sealed), tenant.name)
        )

    def find_by_old_appcode(self, appcode: str, dialect: str) -> Tenant | None:
        """Return the tenant whose appcode this was before the newest, while it holds."""
        appcode_key = keys.appcode_item(api_keys.digest(appcode))
        item = self._read_item_of_credential(appcode_key)
        if item is None or item.get(OLD_APPCODE) != appcode_key[1]:
            return None
        tenant = self.open_tenant(item)
        return tenant if self._old_key_holds(tenant, dialect) else None

    def _old_key_holds(self, tenant: Tenant, dialect: str) -> bool:
        renewal = tenant.renewals.get(dialect)
        return renewal is not None and self.services.clock.now() < renewal.old_until

    def _forget_old_keys(self, tenant: Tenant) -> None:
        """Delete the items of keys that are valid no longer."""
        if not tenant.renewals:
            return
        item = self._read_item(tenant.name)
        if item.keys().isdisjoint({_OLD_APP_KEY, OLD_APPCODE}) or any(
            self._old_key_holds(tenant, dialect) for dialect in tenant.renewals
        ):
            return
        if_not_renewed = tuple(
            equals(field, item.get(field), "not-renewed-meanwhile")
            for field in (_OLD_APP_KEY, OLD_APPCODE)
        )
        # Once clients use the new key, nobody needs to see any more that it was renewed.
        renewals = tuple(
            f"{dialect}{RENEWED}"
            for dialect in tenant.renewals
            if dialect in tenant.dialects_used_at
        )
        used_fields = (f"{name_old_key(dialect)}{USED_AT}" for dialect in tenant.renewals)
        removed_fields = (_OLD_APP_KEY, OLD_APPCODE, *renewals, *used_fields)
        update = Update(
            keys.TENANTS, keys.tenant_item(tenant.name), if_not_renewed, remove=removed_fields
        )
        write_unless_changed(self.services.items, [update, *_make_old_appcode_deletes(item)])

    def note_use(self, tenant: Tenant, dialect: str, *, is_old: bool = False) -> None:
        """Note the hour in which a dialect's key is used: one write an hour and key.

        `is_old`: it is not the newest.
        """
        key = name_old_key(dialect) if is_old else dialect
        hour = api_keys.hour_to_note(self.services.clock.now(), tenant.dialects_used_at.get(key))
        if hour is None:
            return
        used_at = {f"{key}{USED_AT}": milliseconds(hour)}
        # a call is answered without this note, too
        with suppress(ConditionFailed, Busy, StorageUnavailable):
            if_there = exists("tenant-exists")
            self.services.items.transact(
                [Update(keys.TENANTS, keys.tenant_item(tenant.name), (if_there,), set=used_at)]
            )

    def disable(self, name: str) -> None:
        """Refuse the tenant's credentials from now on; nothing is deleted.

        Raises TenantNotFound.
        """
        self._set_fields(name, Effect.TAKES_ACCESS, disabled=True)

    @retry_if_changed(_KEYS_CHANGE)
    def begin_book(self, name: str) -> None:
        """Make a tenant's book another one, with an id and a life of its own: the box is a copy
        that goes on by itself.

        The other box keeps the old id, under which clients and witness know it. The secrets stay;
        renew them next. Raises TenantNotFound, Busy.
        """
        fields = {"app_id": secrets.token_hex(_APP_ID_BYTES).upper(), "life": _make_life()}
        write(self.services.items, _make_rotation_actions(self._read_item(name), fields, "app_id"))

    def begin_life(self, name: str) -> None:
        """Give the tenant's book another life, since it goes on from an earlier state.

        Raises TenantNotFound, Busy.

        Clients see it in the next answer (decision 0100), and ask anew what the book has.
        """
        self.read_stored(name)
        if_there = exists("tenant-exists")
        fields, does = {"life": _make_life()}, ((Effect.SETS, "life"),)
        write(
            self.services.items,
            [Update(keys.TENANTS, keys.tenant_item(name), (if_there,), set=fields, does=does)],
        )

    def enable(self, name: str) -> None:
        self._set_fields(name, Effect.GIVES_ACCESS, disabled=False)

    def change_settings(self, name: str, changes: Mapping[str, Any]) -> None:
        """Set the fields in `changes`, of TenantSettings.

        They hold from the tenant's next request on.

        Raises TenantNotFound, InvalidInput (also for a limit below what the tenant holds), Busy if
        another change of its limits came between.
        """
        tenant = self.get_by_name(name)
        changed_tenant = self._apply_settings(tenant, changes)
        actions: list[Action] = [self.make_settings_update(tenant, changes)]
        if room_gained := _count_room_gained(tenant, changed_tenant):
            if_enough = (
                at_least(limit, -gained, limit)
                for limit, gained in room_gained.items()
                if gained < 0
            )
            conditions = (exists("tenant-exists"), *if_enough)
            actions.append(
                Update(keys.DIRECTORY, (name, keys.TENANT_ITEM), conditions, add=room_gained)
            )
        try:
            write(self.services.items, actions)
        except ConditionFailed as error:
            raise self._make_refusal_error(tenant, changed_tenant, error) from error
        self.begin_consequences(name, changes)

    def begin_consequences(self, name: str, changes: Mapping[str, Any]) -> None:
        """Begin what a change of settings asks for, after it was stored: strangers that are
        forgotten go now, and the days of another time zone are sealed."""
        if "time_zone" in changes:
            self.services.request_jobs(name, [SEALS])
        if changes.get("strangers") == FORGET:
            self.services.book_hooks.strangers_go(name)

    def make_settings_update(self, tenant: Tenant, changes: Mapping[str, Any]) -> Update:
        """Return the update that sets these fields of TenantSettings, unless the tenant's limits
        change meanwhile.

        Raises InvalidInput.
        """
        settings = self._apply_settings(tenant, changes)
        stored = tenant_setting_fields(settings)
        if_same = tuple(
            equals(limit, getattr(tenant, limit), _LIMITS_SAME) for limit in ("faces", "groups")
        )
        fields = {field: stored[field] for field in changes}
        does = tuple((Effect.SETS, name_setting(name, getattr(settings, name))) for name in changes)
        return Update(keys.TENANTS, keys.tenant_item(tenant.name), if_same, set=fields, does=does)

    def find_by_app_id(self, app_id: str) -> tuple[Tenant, str] | None:
        """Return the tenant of an app_id, even a disabled one, and its app_key."""
        return parse_optional(
            self._open_with_secret, self._read_item_of_credential(keys.app_id_item(app_id))
        )

    def find_by_appcode(self, appcode: str) -> Tenant | None:
        """Return the tenant of an appcode, even a disabled one."""
        return parse_optional(
            self.open_tenant,
            self._read_holder(keys.appcode_item(api_keys.digest(appcode)), "appcode_digest"),
        )

    def find_by_access_key(self, access_key_id: str) -> tuple[Tenant, str] | None:
        """Return the tenant of an access key's id, even a disabled one, and the key's secret."""
        item = self._read_holder(keys.access_key_item(access_key_id), "access_key_id")
        return None if item is None else self._open_with_secret(item, "secret_access_key")

    def find_by_api_key(self, api_key: str) -> Tenant | None:
        """Return the tenant of an api_key, even a disabled one; None for a camera's key."""
        if not api_keys.is_key(api_key, api_keys.OF_TENANT):
            return None
        return parse_optional(
            self.open_tenant,
            self._read_holder(keys.api_key_item(api_keys.digest(api_key)), "api_key_digest"),
        )

    def find(self, name: str) -> Tenant | None:
        """Return the tenant of that name; None if there is none, or none any more. Raises Busy."""
        return parse_optional(
            self.open_tenant, self.services.items.get(keys.TENANTS, keys.tenant_item(name))
        )

    def get_by_name(self, name: str) -> Tenant:
        """Return the tenant of that name, even a disabled one, for work on its faces.

        Raises TenantNotFound, Busy.
        """
        return self.open_tenant(self._read_item(name))

    def read_stored(self, name: str) -> Tenant:
        """Return the tenant of that name as it is stored, for what concerns no face.

        Raises TenantNotFound.
        """
        return tenant_from(self._read_item(name))

    def read_signing_key(self, name: str) -> tuple[str, str]:
        """Return the app_id and app_key of the tenant of that name, even a disabled one.

        Raises TenantNotFound.
        """
        item = self._read_item(name)
        return item["app_id"], self._unseal(item)

    def read_secret_access_key(self, name: str) -> str:
        """Return the secret of the access key of the tenant of that name. Raises TenantNotFound."""
        return self._unseal(self._read_item(name), "secret_access_key")

    def read_owner(self, credential: tuple[str, str]) -> Item | None:
        """Return the item that says the owner of a credential, a camera's, too: read once, since
        that never changes."""
        owner = self._owners.get(credential) or self.services.items.get(keys.TENANTS, credential)
        if owner is not None:
            self._owners[credential] = owner
        return owner

    def _open_with_secret(self, item: Item, field: str = "app_key") -> tuple[Tenant, str]:
        return self.open_tenant(item), self._unseal(item, field)

    def _unseal(self, item: Item, field: str = "app_key") -> str:
        return self.services.storage.vault.unseal(bytes(item[field]), item["id"])

    def _read_item(self, name: str) -> Item:
        item = (
            self.services.items.get(keys.TENANTS, keys.tenant_item(name))
            if _NAME.fullmatch(name)
            else None
        )
        if item is None:
            raise TenantNotFound(
                f"there is no tenant {name[:70]!r}; `regulars tenants list` shows all"
            )
        return item

    def _make_refusal_error(
        self, tenant: Tenant, changed_tenant: Tenant, error: ConditionFailed
    ) -> Exception:
        """Make the error about limits that were refused: the tenant holds more than the new ones
        allow."""
        if _LIMITS_SAME in error.names:
            return Busy(f"the limits of {tenant.name} were changed meanwhile: try again")
        directory = directory_of(self.services.items, tenant.name)
        old_limits, new_limits = tenant.limits, changed_tenant.limits
        if FACES_LEFT in error.names:
            faces = old_limits.faces - int(directory[FACES_LEFT])
            return InvalidInput(
                f"{tenant.name} holds {faces} faces, more than {new_limits.faces}: delete some "
                "first"
            )
        if CAPACITY_LEFT in error.names:
            capacities = old_limits.faces - int(directory[CAPACITY_LEFT])
            return InvalidInput(
                f"the capacities of {tenant.name}'s groups sum to {capacities}, more than "
                f"{new_limits.faces}: lower "
                "some first"
            )
        groups = old_limits.groups - int(directory[GROUPS_LEFT])
        return InvalidInput(
            f"{tenant.name} has {groups} groups, more than {new_limits.groups}: delete some first"
        )

    def _read_holder(self, key: tuple[str, str], field: str) -> Item | None:
        """Read the tenant that has this credential, or its hash, in the field now."""
        item = self._read_item_of_credential(key)
        return item if item is not None and item[field] == key[1] else None

    def _read_item_of_credential(self, key: tuple[str, str]) -> Item | None:
        """Read the tenant of a credential."""
        owner = self.read_owner(key) if 0 < len(key[1]) <= 200 else None
        return (
            None
            if owner is None
            else self.services.items.get(keys.TENANTS, keys.tenant_item(owner["tenant"]))
        )

    def _seal_credentials(self, credentials: Credentials) -> dict[str, Any]:
        return {
            "app_key": self.services.storage.vault.seal(credentials.app_key, credentials.tenant),
            "appcode_digest": api_keys.digest(credentials.appcode),
            "api_key_digest": api_keys.digest(credentials.api_key),
            "access_key_id": credentials.access_key_id,
            "secret_access_key": self.services.storage.vault.seal(
                credentials.secret_access_key, credentials.tenant
            ),
        }

    def _apply_settings(self, tenant: Tenant, changes: Mapping[str, Any]) -> Tenant:
        """Return the tenant with these fields of TenantSettings. Raises InvalidInput."""
        settings = TenantSettings(**changes)
        after = replace(tenant, **{name: getattr(settings, name) for name in changes})
        if not set(RETENTION).isdisjoint(changes):
            require_retention(after, self.services.settings.capture_days)
        if not {"ended_days", "remembered_days"}.isdisjoint(changes):
            require_ended_days(after)
        return after

    def _upgrade_format(self, tenant: Tenant) -> None:
        """Note when the tenant's data get this version's format, or do so, if that is due (decision
        0026)."""
        before = (tenant.format, tenant.format_due)
        after = upgrade_format(*before, milliseconds(self.services.clock.now()))
        if after != before:
            fields = {"format": after[0], "format_due": after[1] and [*after[1]]}
            if_same = equals("format", tenant.format, "format-same")
            write(
                self.services.items,
                [Update(keys.TENANTS, keys.tenant_item(tenant.name), (if_same,), set=fields)],
            )

    def is_upgrade_over(self, tenant: Tenant) -> bool:
        """Tell whether the last day of an upgrade is over, so that no process writes as before."""
        now_ms = milliseconds(self.services.clock.now())
        return tenant.format == FORMAT and is_over(tenant.format_due, now_ms)

    def end_upgrade(self, tenant: Tenant) -> None:
        """Forget the note of an upgrade, when all was redone that other processes wrote until it
        was over."""
        if_same = equals("format", FORMAT, "format-same")
        item_key, forgotten = keys.tenant_item(tenant.name), {"format_due": None}
        write(self.services.items, [Update(keys.TENANTS, item_key, (if_same,), set=forgotten)])

    def _set_fields(self, name: str, effect: Effect, **fields: Any) -> None:
        self.get_by_name(name)
        if_there, does = exists("tenant-exists"), ((effect, SHOP),)
        write(
            self.services.items,
            [Update(keys.TENANTS, keys.tenant_item(name), (if_there,), set=fields, does=does)],
        )

    def _make_directory_actions(self, tenant: Tenant) -> list[Action]:
        """Return the actions that make a new tenant's directory: its counts, the default groups and
        their names."""
        name, limits = tenant.name, tenant.limits
        capacity = min(_DEFAULT_CAPACITY, limits.faces // len(DEFAULT_GROUPS))
        directory: Item = {
            "tenant": name,
            "item": keys.TENANT_ITEM,
            "seq": 0,
            "model": tenant.model,
            FACES_LEFT: limits.faces,
            GROUPS_LEFT: limits.groups - len(DEFAULT_GROUPS),
            CAPACITY_LEFT: limits.faces - capacity * len(DEFAULT_GROUPS),
            WITHDRAWN: 0,
            **asdict(PromotionSettings()),
        }
        actions: list[Action] = [Put(keys.DIRECTORY, directory, (absent("directory-free"),))]
        for group_name in DEFAULT_GROUPS:
            group = Group(group_name, group_name, f"this is {group_name} group", 0, capacity)
            actions += group_puts(name, group, group_item(name, group, self.services.clock.now()))
        return actions


def _make_life() -> str:
    return secrets.token_hex(_LIFE_BYTES)


def group_puts(tenant: str, group: Group, item: Item) -> list[Action]:
    """Return the actions that make a group: its record and its name, which must be free (condition
    NAME_FREE)."""
    return [Put(keys.DIRECTORY, item, (absent("group-free"),)), name_put(tenant, group)]


NAME_FREE = "name-free"


def name_put(tenant: str, group: Group) -> Put:
    item: Item = {"tenant": tenant, "item": keys.name_item(group.name), "group": group.id}
    return Put(keys.DIRECTORY, item, (absent(NAME_FREE),))


def _count_room_gained(before: Tenant, after: Tenant) -> dict[str, int]:
    """Return how much a change of limits adds to what is left of each, by the directory's field;
    negative: takes."""
    faces = after.limits.faces - before.limits.faces
    groups = after.limits.groups - before.limits.groups
    gained = {FACES_LEFT: faces, CAPACITY_LEFT: faces, GROUPS_LEFT: groups}
    return {limit: more for limit, more in gained.items() if more}


def _make_credentials(name: str, profile: Profile, app_id: str) -> Credentials:
    access_key_id, secret_access_key = api_keys.new_access_key()
    return Credentials(
        name,
        profile,
        app_id,
        app_key=api_keys.new_secret(),
        appcode=api_keys.new_secret(),
        api_key=api_keys.new_key(api_keys.OF_TENANT),
        access_key_id=access_key_id,
        secret_access_key=secret_access_key,
    )


def _make_rotation_actions(
    item: Item, fields: Item, *same_fields: str, unused: tuple[str, ...] = ()
) -> list[Action]:
    """Return the actions that give a tenant other secrets, while the fields `same_fields` are as
    they were read."""
    if_same = tuple(equals(field, item[field], "not-rotated-meanwhile") for field in same_fields)
    tenant_key, does = keys.tenant_item(item["id"]), ((Effect.TAKES_ACCESS, SHARED_KEYS),)
    actions: list[Action] = [
        Update(keys.TENANTS, tenant_key, if_same, set=fields, remove=unused, does=does)
    ]
    for field in CREDENTIALS.keys() & fields:
        pointer = CREDENTIALS[field]
        actions += [
            api_keys.shut_out(pointer(item[field])),
            api_keys.let_in(pointer(fields[field]), item["id"]),
        ]
    return actions


def _make_old_appcode_deletes(item: Item) -> list[Action]:
    """Return the action that makes the appcode before a tenant's newest invalid."""
    old = item.get(OLD_APPCODE)
    return [api_keys.shut_out(keys.appcode_item(old))] if old else []


def require_retention(tenant: Tenant, max_capture_days: int) -> None:
    """Raise InvalidInput if a tenant's settings of retention do not fit each other, or its
    deployment.

    `max_capture_days`: the days for which the deployment keeps the pictures of captures.
    """
    if tenant.capture_days is not None and tenant.capture_days > max_capture_days:
        raise InvalidInput(
            f"capture_days is {max_capture_days} at most, for which this service keeps the "
            "pictures of captures, "
            f"not {tenant.capture_days}: its operator may raise that (docs/operations.md)"
        )
    least_days = min(count_capture_days(tenant, max_capture_days), SIGHTING_DAYS)
    if count_sighting_days(tenant) < least_days:
        raise InvalidInput(
            f"sighting_days is {least_days} at least, not {tenant.sighting_days}: pictures of "
            "captures are kept so "
            "long, and nobody could see or delete one without its record"
        )


def require_ended_days(tenant: Tenant) -> None:
    """Raise InvalidInput if a tenant would erase who is remembered before who is not."""
    least_days = count_ended_days(tenant)
    if tenant.remembered_days < least_days:
        raise InvalidInput(
            f"remembered_days is {least_days} (ended_days) at least, not "
            f"{tenant.remembered_days}: until then a new record gives all back"
        )
