"""Tenants: their settings and credentials.

Storage holds app_keys and secret access keys in encrypted form, and only hashes of appcodes and
bearer keys.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import asdict, replace

from chalicelib.domain import api_keys, audit_events
from chalicelib.domain.done import ActKind, Was, compare_things
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
    OF_TENANT,
    RETENTION,
    SIGHTING_DAYS,
    TenantSettings,
    count_capture_days,
    count_ended_days,
    count_sighting_days,
    require_choice,
    require_cleared,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT, require_format, upgrade_format
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
    NOTHING,
    Action,
    Check,
    Condition,
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
from chalicelib.storage.values import milliseconds, parse_optional, time_text

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
"""Field of the directory: the number of the newest stranger. It changes with the gallery's seq."""

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
"""The pointer of each credential, by the tenant's field that holds the credential or its hash."""


class _DataFormat(NamedTuple):
    """How a tenant's data are stored: the number of their format, and the model of templates."""

    number: int
    model: str


class Tenants(Service["Book"]):
    """The tenants, each a shop with its own faces, keys and settings.

    Each credential has an item that names its tenant (a pointer), by which the tenant is found.
    """

    def __init__(self, services: Book) -> None:
        super().__init__(services)
        self._owners: dict[tuple[str, str], Item] = {}

    def add(
        self, name: str, profile: Profile, settings: TenantSettings | None = None
    ) -> Credentials:
        """Make a tenant (a shop) with its default groups; return its keys, which are shown once.

        The name may be neither another tenant's nor that of an erased one. Raises TenantExists,
        InvalidInput. Raises StorageUnavailable if this version cannot read other tenants' data.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                "a tenant's name is 1 to 40 small letters, digits and inner hyphens, such as "
                f"`shop-12`, not {name!r}"
            )
        data_format = self._choose_format()
        credentials = _make_credentials(name, profile, secrets.token_hex(_APP_ID_BYTES).upper())
        now = self.services.clock.now()
        tenant = Tenant(name, profile, credentials.app_id, now, data_format.model)
        tenant = self._apply_settings(tenant, asdict(settings or TenantSettings()))
        item = self._make_item(tenant, credentials, data_format.number)
        # A tenant is found by each of its keys: the key has an item that names the tenant.
        key_puts = [
            api_keys.let_in(pointer(item[field]), name) for field, pointer in CREDENTIALS.items()
        ]
        actions = [
            Put(keys.TENANTS, item, (absent("tenant-free"),)),
            Check(keys.TENANTS, keys.erased_item(name), (absent(_NEVER_ERASED),)),
            *key_puts,
            *self._make_directory_actions(tenant),
        ]
        try:
            write(self.services.items, actions)
        except ConditionFailed as error:
            raise _make_name_taken_error(name, error) from error
        return credentials

    def _choose_format(self) -> _DataFormat:
        """Return the format and the model of a new tenant's data: this version's, as a rule.

        For a day after an update, the other tenants' data keep an older format, since the update
        may be taken back. The version before knows only their format and model, so they are taken.
        """
        others = self.services.items.query(keys.TENANTS, keys.tenant_item("")[0], limit=1).items
        for other in others:
            require_format(other)  # no tenant beside data that this version cannot read
            if other["format"] != FORMAT:
                return _DataFormat(other["format"], other["model"])
        return _DataFormat(FORMAT, self.services.ports.model())

    def _make_item(self, tenant: Tenant, credentials: Credentials, format_number: int) -> Item:
        """Return a new tenant's item, with its keys as they are stored."""
        return {
            "kind": "tenant",
            "id": tenant.name,
            "format": format_number,
            "profile": tenant.profile,
            "app_id": tenant.app_id,
            "life": _make_life(),
            "created_at": milliseconds(tenant.created_at),
            "model": tenant.model,
            "disabled": tenant.disabled,
            **tenant_setting_fields(tenant),
            **self._seal_credentials(credentials),
        }

    def list_all(self) -> list[Tenant]:
        """Return all tenants, by name."""
        return [
            tenant_from(item)
            for item in walk_items(self.services.items, keys.TENANTS, keys.tenant_item("")[0])
        ]

    def list_other_shops(self, tenant: Tenant) -> list[Tenant]:
        """List the other shops of a tenant's controller, if the tenant has named one. Tenants of
        other controllers are never listed."""
        if not (controller := tenant.controller.strip().casefold()):
            return []
        return [
            other
            for other in self.list_all()
            if other.controller.strip().casefold() == controller and other.name != tenant.name
        ]

    def open_tenant(self, item: Item) -> Tenant:
        """Return the tenant that an item stores, ready for work on its faces.

        If somebody's record of consent has expired by now, that person's faces are restricted here
        first. They are kept, but found by no search. Raises Busy, StorageUnavailable.
        """
        tenant = tenant_from(item)
        self.restrict_expired(tenant)
        return tenant

    def restrict_expired(self, tenant: Tenant) -> None:
        """Restrict the faces whose record of consent has expired by now. Raises as
        `open_tenant`."""
        if self.has_expired_consent(tenant):  # else a cold start loads nothing of faces
            with audit_events.begin_in_tenant(tenant.name):
                self.services.book_hooks.restrict_expired(tenant)

    def open_if_restricted(self, item: Item) -> Tenant:
        """Return the tenant from an item, for a process that may not restrict faces itself.

        On AWS, that is the one that takes cameras' pictures (`ingest`), which may not change
        people. If somebody's record of consent has expired, another process is asked to restrict
        that person. Raises Busy until it has.
        """
        tenant = tenant_from(item)
        if self.has_expired_consent(tenant):
            self.services.book_hooks.raise_busy_until_restricted(tenant)
        return tenant

    def has_expired_consent(self, tenant: Tenant) -> bool:
        """Return whether a record of consent has expired whose face is not restricted yet."""
        return (
            tenant.consents_end_at is not None
            and tenant.consents_end_at <= self.services.clock.now()
        )

    def announce_consent_end(self, tenant: Tenant, consent: Consent | None) -> None:
        """Note when a record of consent expires, before it is stored with a face.

        The tenant keeps the earliest end of all records (`consents_end_at`). When that comes, the
        faces of that record are restricted, and the next end is noted. So an end after the noted
        one needs no note now. Raises Busy if others note ends all the time.
        """
        ends_at = consent.expires_at if consent else None
        if ends_at is None:
            return
        for _ in count_attempts():
            # An end that has come is dealt with first. Who does that notes the next end after it,
            # which may be later than ours: our record is not stored yet.
            if self.has_expired_consent(tenant):
                self.services.book_hooks.restrict_expired(tenant)
                tenant = self.read_stored(tenant.name)
            if tenant.consents_end_at is not None and tenant.consents_end_at <= ends_at:
                return
            if self.note_consent_end(tenant, ends_at):
                return
            tenant = self.read_stored(tenant.name)  # others noted an end meanwhile
        raise Busy(
            "many records of consent are written at once: send the request again in a moment"
        )

    def note_consent_end(self, tenant: Tenant, end: datetime | None) -> bool:
        """Store when the tenant's next record of consent expires; return whether that was done.

        With None, none expires, and the field is removed. Nothing is stored if others have changed
        it since the tenant was read.
        """
        before_ms = parse_optional(milliseconds, tenant.consents_end_at)
        if_same = (equals("consents_end_at", before_ms, "end-same"), exists("tenant-exists"))
        if end is None:
            removed_fields = ("consents_end_at",)
            update = _make_update(tenant.name, if_same, remove=removed_fields, does=_ARRANGES)
        else:
            fields = {"consents_end_at": milliseconds(end)}
            update = _make_update(tenant.name, if_same, fields, does=_ARRANGES)
        return write_unless_changed(self.services.items, [update])

    def is_unused(self) -> bool:
        """Return whether there never was a tenant, not even an erased one."""
        for kind in (keys.tenant_item("")[0], keys.ERASED):
            if self.services.items.query(keys.TENANTS, kind, limit=1).items:
                return False
        return True

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("format", lambda context: self._upgrade_format(context.tenant)),
            Job("old keys", lambda context: self._forget_old_keys(context.tenant)),
        )

    @retry_if_changed(_KEYS_CHANGE)
    def rotate_keys(self, name: str) -> Credentials:
        """Replace all secrets of a tenant, and the id of its access key; return the new ones.

        The old ones stop at once. So do those before them, which hold for a day after `renew_key`.
        Raises TenantNotFound, Busy.
        """
        item = self._read_item(name)
        tenant = tenant_from(item)
        credentials = _make_credentials(name, tenant.profile, tenant.app_id)
        # Until when each old key holds (fields that end in RENEWED), and these keys.
        fields_of_old_keys = [
            field
            for field in item
            if field.endswith(RENEWED) or field in (_OLD_APP_KEY, OLD_APPCODE)
        ]
        actions = _make_rotation_actions(
            item,
            self._seal_credentials(credentials),
            # Another rotation or renewal meanwhile changes one of these: then all is tried again.
            same_fields=(*_SHARED, "api_key_digest"),
            removed_fields=tuple(fields_of_old_keys),
        )
        actions += _make_old_appcode_deletes(item)  # by which the old appcode is found
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
        """Make a new key for all clients of a dialect, an API that we imitate; return it.

        The old key holds for a day more (`old_field`), so that clients can be given the new one. A
        key older than these two stops at once. With `at_once`, the old one does, too, since it may
        have leaked. `name` says the purpose of the new key. Raises Busy, AnsweredAlready.
        """
        item = self._read_item(tenant.name)
        secret = api_keys.new_secret()
        pointer_actions: list[Action] = []  # a tenant is found by its appcode, not by its app_key
        if key is SharedKey.APP_KEY:
            field, old_field = "app_key", _OLD_APP_KEY
            stored_key: Any = self.services.storage.vault.seal(secret, tenant.name)
        else:
            field, old_field = "appcode_digest", OLD_APPCODE
            stored_key = api_keys.digest(secret)
            pointer_actions = [api_keys.let_in(keys.appcode_item(stored_key), tenant.name)]
            pointer_actions += _make_old_appcode_deletes(item)
            if at_once:
                pointer_actions.append(api_keys.shut_out(keys.appcode_item(item[field])))

        old_key_ends_at = self.services.clock.now() + (timedelta() if at_once else OLD_KEY_HOLDS)
        fields = {f"{dialect}{RENEWED}": [milliseconds(old_key_ends_at), name], field: stored_key}
        # The times of last use go, to be noted anew of the new key.
        removed_fields = [f"{dialect}{USED_AT}", f"{name_old_key(dialect)}{USED_AT}"]
        if at_once:
            removed_fields.append(old_field)
        else:
            fields[old_field] = item[field]
        if_not_rotated = [equals(each, item[each], "not-rotated-meanwhile") for each in _SHARED]
        does = ((Effect.TAKES_ACCESS, SHARED_KEYS), (Effect.GIVES_ACCESS, SHARED_KEYS))
        update = _make_update(tenant.name, if_not_rotated, fields, remove=removed_fields, does=does)
        self.services.requests.write_with_answer(
            tenant.name, [update, *pointer_actions], request, {"id": dialect}
        )
        return secret

    def read_old_app_key(self, tenant: Tenant, dialect: str) -> str | None:
        """Return the app_key that was renewed for this dialect, while it holds beside the newest.

        A dialect is an API that we imitate.
        """
        if not self._old_key_holds(tenant, dialect):
            return None
        sealed = self._read_item(tenant.name).get(_OLD_APP_KEY)
        if sealed is None:
            return None
        return self.services.storage.vault.unseal(bytes(sealed), tenant.name)

    def find_by_old_appcode(self, appcode: str, dialect: str) -> Tenant | None:
        """Return the tenant that had this appcode before its newest one; None once it is no longer
        valid.

        `dialect` is the API, one that we imitate, with which it is used; each has a day of its own.
        """
        appcode_key = keys.appcode_item(api_keys.digest(appcode))
        item = self._read_item_of_credential(appcode_key)
        if item is None or item.get(OLD_APPCODE) != appcode_key[1]:  # [1]: the appcode's hash
            return None
        tenant = self.open_tenant(item)
        return tenant if self._old_key_holds(tenant, dialect) else None

    def _old_key_holds(self, tenant: Tenant, dialect: str) -> bool:
        renewal = tenant.renewals.get(dialect)
        return renewal is not None and self.services.clock.now() < renewal.old_until

    def _forget_old_keys(self, tenant: Tenant) -> None:
        """Delete what is stored of keys that were renewed, once none of the old ones holds.

        A key is renewed for a dialect (an API that we imitate). The old app_key and the old appcode
        hold for a day after that. All dialects share these two, so they go when the last day ends.
        """
        if not tenant.renewals:
            return
        item = self._read_item(tenant.name)
        has_old_key = _OLD_APP_KEY in item or OLD_APPCODE in item
        is_in_use = any(self._old_key_holds(tenant, dialect) for dialect in tenant.renewals)
        if is_in_use or not has_old_key:
            return
        removed_fields = [_OLD_APP_KEY, OLD_APPCODE]
        # If somebody renews a key meanwhile, nothing is deleted; the next run of this job does it.
        if_not_renewed = [
            equals(field, item.get(field), "not-renewed-meanwhile") for field in removed_fields
        ]
        for dialect in tenant.renewals:
            removed_fields.append(f"{name_old_key(dialect)}{USED_AT}")  # its last use
            # Once clients use the new key, nobody needs to see any more that it was renewed.
            if dialect in tenant.dialects_used_at:
                removed_fields.append(f"{dialect}{RENEWED}")
        update = _make_update(tenant.name, if_not_renewed, remove=removed_fields)
        write_unless_changed(self.services.items, [update, *_make_old_appcode_deletes(item)])

    def note_use(self, tenant: Tenant, dialect: str, *, is_old: bool = False) -> None:
        """Note the hour in which a dialect's key is used, with one write an hour and key.

        A dialect is an API that we imitate. `is_old`: the key was renewed, and still holds.
        """
        key = name_old_key(dialect) if is_old else dialect
        hour = api_keys.hour_to_note(self.services.clock.now(), tenant.dialects_used_at.get(key))
        if hour is None:
            return
        fields = {f"{key}{USED_AT}": milliseconds(hour)}
        update = _make_update(tenant.name, [exists("tenant-exists")], fields)
        # It tells people whether a key is still used. Without it, the call is answered, too.
        with suppress(ConditionFailed, Busy, StorageUnavailable):
            self.services.items.transact([update])

    def disable(self, name: str) -> None:
        """Refuse the tenant's credentials from now on; delete nothing. Raises TenantNotFound."""
        self._set_fields(name, Effect.TAKES_ACCESS, disabled=True)

    @retry_if_changed(_KEYS_CHANGE)
    def begin_book(self, name: str) -> None:
        """Give a tenant's stored data (its book) an id and a life of their own.

        It is for a copy of a box (an installation on one machine) that goes on by itself. The other
        box keeps the old id, by which clients know it. Another life tells clients that the data go
        on from another state. The secrets stay; renew them next. Raises TenantNotFound, Busy.
        """
        fields = {"app_id": secrets.token_hex(_APP_ID_BYTES).upper(), "life": _make_life()}
        item = self._read_item(name)
        actions = _make_rotation_actions(item, fields, same_fields=("app_id",))
        write(self.services.items, actions)

    def begin_life(self, name: str, gap: tuple[datetime, datetime] | None = None) -> None:
        """Notify a tenant's clients that its data continue from an earlier state, such as a backup.

        They see another `life` in the next answer (decision 0100), and ask anew what there is.
        `gap`: from when until when nobody knows what ended; it is asked about until somebody clears
        `restore_gap`, and begins no later than one that is there. Raises TenantNotFound, Busy.
        """
        before = self.read_stored(name)  # raises TenantNotFound
        does = ((Effect.SETS, "life"),)
        fields = {"life": _make_life()}
        if gap is not None:
            since, until = map(time_text, gap)
            known = before.restore_gap.partition("/")[0]
            fields["restore_gap"] = f"{min(known or since, since)}/{until}"
        update = _make_update(name, [exists("tenant-exists")], fields, does=does)
        write(self.services.items, [update])

    def enable(self, name: str) -> None:
        self._set_fields(name, Effect.GIVES_ACCESS, disabled=False)

    def change_settings(self, name: str, changes: Mapping[str, Any]) -> None:
        """Set these fields of a tenant's settings, from its next request on.

        `changes` has any fields of TenantSettings; the others stay. What they ask for once, such as
        statistics of another time zone, begins then. Raises TenantNotFound, InvalidInput (also for
        a limit below what the tenant holds). Raises Busy if others changed its limits meanwhile.
        """
        tenant = self.get_by_name(name)
        changed_tenant = self._apply_settings(tenant, changes)
        actions: list[Action] = [self.make_settings_update(tenant, changes)]
        room_gained = _count_room_gained(tenant, changed_tenant)
        if room_gained:
            actions.append(_make_room_update(name, room_gained))
        try:
            write(self.services.items, actions)
        except ConditionFailed as error:
            raise self._make_refusal_error(tenant, changed_tenant, error) from error
        self.begin_consequences(name, changes)

    def begin_consequences(self, name: str, changes: Mapping[str, Any]) -> None:
        """Start the jobs that a change of settings requires, once it is stored.

        By another time zone, days begin at other hours, so their statistics are stored (sealed)
        anew. Strangers whom another choice does not keep go now.
        """
        if "time_zone" in changes:
            self.services.request_jobs(name, [SEALS])
        if "strangers" in changes:
            self.services.book_hooks.strangers_go(name)

    def make_settings_update(self, tenant: Tenant, changes: Mapping[str, Any]) -> Update:
        """Return the write that sets these fields of a tenant's settings.

        It is refused if the tenant's limits change meanwhile, since what is left of them was worked
        out from the old ones, or one of its own settings: what was before is listed. The audit log
        is told the settings (`does`). Raises InvalidInput.
        """
        item = self._read_item(tenant.name)
        before, settings = tenant_from(item), self._apply_settings(tenant, changes)
        stored = tenant_setting_fields(settings)
        fields = {field: stored[field] for field in changes}
        if "strangers" in changes:
            fields["strangers_chosen_at"] = milliseconds(self.services.clock.now())
        if_same = [
            equals(limit, getattr(tenant, limit), _LIMITS_SAME) for limit in ("faces", "groups")
        ]
        does = [(Effect.SETS, name_setting(name, getattr(settings, name))) for name in changes]
        own = [name for name in changes if name in OF_TENANT]  # else its operator's
        if_same += [equals(field, item.get(field), _LIMITS_SAME) for field in own]
        was = compare_things(ActKind.SETTINGS, "", before, settings, own)
        return _make_update(tenant.name, if_same, fields, does=does, was=was)

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
        """Return the tenant of that name as it is stored, for uses that do not concern faces.

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
        """Return the item that names the owner of a credential, also of a camera's; it never
        changes."""
        owner = self._owners.get(credential) or self.services.items.get(keys.TENANTS, credential)
        if owner is not None:
            self._owners[credential] = owner
        return owner

    def _open_with_secret(self, item: Item, field: str = "app_key") -> tuple[Tenant, str]:
        return self.open_tenant(item), self._unseal(item, field)

    def _unseal(self, item: Item, field: str = "app_key") -> str:
        return self.services.storage.vault.unseal(bytes(item[field]), item["id"])

    def _read_item(self, name: str) -> Item:
        """Return the stored item of the tenant of that name. Raises TenantNotFound."""
        item = None
        if _NAME.fullmatch(name):
            item = self.services.items.get(keys.TENANTS, keys.tenant_item(name))
        if item is None:
            raise TenantNotFound(
                f"there is no tenant {name[:70]!r}; `regulars tenants list` shows all"
            )
        return item

    def _make_refusal_error(
        self, tenant: Tenant, changed_tenant: Tenant, error: ConditionFailed
    ) -> Exception:
        """Return the error that users get when storage refused new limits.

        `error` names the condition that failed. Others changed the limits meanwhile, or the tenant
        has more faces or groups than the new ones allow. Or the capacities of its groups sum to
        more than the new limit of faces.
        """
        if _LIMITS_SAME in error.names:
            return Busy(f"the settings of {tenant.name} were changed meanwhile: try again")
        directory = directory_of(self.services.items, tenant.name)  # has what is left of the limits
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
                f"{new_limits.faces}: lower some first"
            )
        groups = old_limits.groups - int(directory[GROUPS_LEFT])
        return InvalidInput(
            f"{tenant.name} has {groups} groups, more than {new_limits.groups}: delete some first"
        )

    def _read_holder(self, key: tuple[str, str], field: str) -> Item | None:
        """Return the item of the tenant that has this credential, or its hash, in `field` now.

        `key` is (kind, credential or its hash), and leads to the tenant. A credential that was
        replaced may still lead to it, but is not in the field any more.
        """
        item = self._read_item_of_credential(key)
        return item if item is not None and item[field] == key[1] else None

    def _read_item_of_credential(self, key: tuple[str, str]) -> Item | None:
        """Return the item of the tenant to which a credential leads, or None if it leads to none.

        `key` is (kind, credential or its hash), the key of the item that names the tenant (a
        pointer). Only one of a sensible length is looked for.
        """
        if not 0 < len(key[1]) <= 200:
            return None
        owner = self.read_owner(key)
        if owner is None:
            return None
        return self.services.items.get(keys.TENANTS, keys.tenant_item(owner["tenant"]))

    def _seal_credentials(self, credentials: Credentials) -> dict[str, Any]:
        """Return a tenant's keys as its item stores them.

        Those that we need to check signatures are encrypted (sealed); of the others, which clients
        send as they are, a hash is enough.
        """
        vault = self.services.storage.vault
        return {
            "app_key": vault.seal(credentials.app_key, credentials.tenant),
            "appcode_digest": api_keys.digest(credentials.appcode),
            "api_key_digest": api_keys.digest(credentials.api_key),
            "access_key_id": credentials.access_key_id,
            "secret_access_key": vault.seal(credentials.secret_access_key, credentials.tenant),
        }

    def _apply_settings(self, tenant: Tenant, changes: Mapping[str, Any]) -> Tenant:
        """Return the tenant with these fields of TenantSettings. Raises InvalidInput.

        Each field is checked by itself, then those that must fit each other, if one is changed.
        """
        settings = TenantSettings(**changes)  # it checks each field
        after = replace(tenant, **{name: getattr(settings, name) for name in changes})
        if not set(RETENTION).isdisjoint(changes):
            require_retention(after, self.services.settings.capture_days)
        if "ended_days" in changes or "remembered_days" in changes:
            require_ended_days(after)
        if "strangers" in changes:
            require_choice(after)
        require_cleared(changes.get("restore_gap", ""))
        return after

    def _upgrade_format(self, tenant: Tenant) -> None:
        """Give a tenant's data this version's format if that is due, or note when it is.

        It is due a day after an update, so that the update can be taken back until then. The
        version before does not know the new format (decision 0026). What is due is noted as
        (format, time in ms). If another process was first, the next sweep tries again.
        """
        now_ms = milliseconds(self.services.clock.now())
        new_format, new_due = upgrade_format(tenant.format, tenant.format_due, now_ms)
        if (new_format, new_due) == (tenant.format, tenant.format_due):
            return
        fields = {"format": new_format, "format_due": parse_optional(list, new_due)}
        if_same = [equals("format", tenant.format, "format-same")]
        write(self.services.items, [_make_update(tenant.name, if_same, fields)])

    def _set_fields(self, name: str, effect: Effect, **fields: Any) -> None:
        """Set fields of a tenant's item, and tell the audit log of this `effect`.

        Raises TenantNotFound.
        """
        self.get_by_name(name)  # raises TenantNotFound
        does = ((effect, SHOP),)
        update = _make_update(name, [exists("tenant-exists")], fields, does=does)
        write(self.services.items, [update])

    def _make_directory_actions(self, tenant: Tenant) -> list[Action]:
        """Return the writes that make a new tenant's directory, with its counts and default groups.

        The counts say how much is left of its limits. The groups' capacities may sum to its limit
        of faces: of 12,000, the two default groups take 5,000 each, and 2,000 are left for others.
        """
        name, limits = tenant.name, tenant.limits
        capacity = min(_DEFAULT_CAPACITY, limits.faces // len(DEFAULT_GROUPS))  # of each
        directory: Item = {
            "tenant": name,
            "item": keys.TENANT_ITEM,
            "seq": 0,  # the gallery's version
            "model": tenant.model,
            FACES_LEFT: limits.faces,
            GROUPS_LEFT: limits.groups - len(DEFAULT_GROUPS),
            CAPACITY_LEFT: limits.faces - capacity * len(DEFAULT_GROUPS),
            WITHDRAWN: 0,  # nobody has withdrawn consent yet
            **asdict(PromotionSettings()),
        }
        actions: list[Action] = [Put(keys.DIRECTORY, directory, (absent("directory-free"),))]
        for group_name in DEFAULT_GROUPS:
            description = f"this is {group_name} group"
            group = Group(group_name, group_name, description, count=0, capacity=capacity)
            actions += group_puts(name, group, group_item(name, group, self.services.clock.now()))
        return actions


def _make_update(
    tenant: str,
    conditions: Iterable[Condition],
    fields: Item = NOTHING,
    *,
    remove: Iterable[str] = (),
    does: Iterable[tuple[str, str]] = (),
    was: Was | None = None,
) -> Update:
    """Return the write that sets and removes these fields of a tenant's item.

    `does` are its effects, of which the audit log is told; `was`: what can be taken back of it.
    """
    key, when = keys.tenant_item(tenant), tuple(conditions)
    return Update(keys.TENANTS, key, when, fields, remove=tuple(remove), does=tuple(does), was=was)


def _make_name_taken_error(name: str, error: ConditionFailed) -> TenantExists:
    """Return the error that users get when storage refused to make a tenant of this name."""
    if _NEVER_ERASED in error.names:
        return TenantExists(
            f"tenant {name!r} was erased, and no other one gets its name: choose another name"
        )
    return TenantExists(
        f"there is a tenant {name!r} already: choose another name. If the command that "
        f"made it was cut off, `regulars tenants rotate {name}` prints new keys of it"
    )


def _make_life() -> str:
    return secrets.token_hex(_LIFE_BYTES)


def group_puts(tenant: str, group: Group, item: Item) -> list[Action]:
    """Return the writes that make a group: its record (`item`), and the item that holds its name.

    They are refused if the name is not free (condition NAME_FREE).
    """
    return [Put(keys.DIRECTORY, item, (absent("group-free"),)), name_put(tenant, group)]


NAME_FREE = "name-free"


def name_put(tenant: str, group: Group) -> Put:
    item: Item = {"tenant": tenant, "item": keys.name_item(group.name), "group": group.id}
    return Put(keys.DIRECTORY, item, (absent(NAME_FREE),))


def _count_room_gained(before: Tenant, after: Tenant) -> dict[str, int]:
    """Return how much a change of limits adds to what is left of each, by the directory's field.

    From 100 to 80 faces it is {"free": -20, "capacity_left": -20}, since groups may be given
    capacities that sum to as many. What does not change is left out.
    """
    faces = after.limits.faces - before.limits.faces
    groups = after.limits.groups - before.limits.groups
    gained = {FACES_LEFT: faces, CAPACITY_LEFT: faces, GROUPS_LEFT: groups}
    return {limit: more for limit, more in gained.items() if more}


def _make_room_update(tenant: str, room_gained: Mapping[str, int]) -> Update:
    """Return the write that adds so much to what is left of a tenant's limits.

    With {"free": -20}, 20 faces fewer are left. It is refused if there are not so many left; then
    the condition that fails has the name of the field.
    """
    if_enough = [at_least(limit, -room, limit) for limit, room in room_gained.items() if room < 0]
    conditions = (exists("tenant-exists"), *if_enough)
    return Update(keys.DIRECTORY, (tenant, keys.TENANT_ITEM), conditions, add=room_gained)


def _make_credentials(name: str, profile: Profile, app_id: str) -> Credentials:
    """Return new secrets for a tenant: a key for each API that it may use."""
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
    item: Item, fields: Item, *, same_fields: Sequence[str], removed_fields: tuple[str, ...] = ()
) -> list[Action]:
    """Return the writes that replace a tenant's credentials, so that the old ones lead nowhere.

    `item` is the tenant's, as read. `fields` are those to set: new credentials as they are stored,
    some as hashes, and others. The writes are refused if one of `same_fields` was changed
    meanwhile. The audit log is told that who had the old credentials has no access (`does`).
    """
    if_same = [equals(field, item[field], "not-rotated-meanwhile") for field in same_fields]
    does = ((Effect.TAKES_ACCESS, SHARED_KEYS),)
    update = _make_update(item["id"], if_same, fields, remove=removed_fields, does=does)
    actions: list[Action] = [update]
    # A client comes in if there is an item of its credential, or of the hash, which names the
    # tenant. Other fields, an app_key for example, have no such item.
    for field in CREDENTIALS.keys() & fields:
        make_key = CREDENTIALS[field]
        actions.append(api_keys.shut_out(make_key(item[field])))
        actions.append(api_keys.let_in(make_key(fields[field]), item["id"]))
    return actions


def _make_old_appcode_deletes(item: Item) -> list[Action]:
    """Return the action that makes the appcode before a tenant's newest invalid."""
    old = item.get(OLD_APPCODE)
    return [api_keys.shut_out(keys.appcode_item(old))] if old else []


def require_retention(tenant: Tenant, max_capture_days: int) -> None:
    """Raise InvalidInput unless the days for which a tenant keeps its data fit each other.

    The service keeps cameras' pictures (captures) for `max_capture_days` at most. The records of
    the faces on them (sightings) must stay as long, since a picture is found by them.
    """
    if tenant.capture_days is not None and tenant.capture_days > max_capture_days:
        raise InvalidInput(
            f"capture_days is {max_capture_days} at most, for which this service keeps the "
            f"pictures of captures, not {tenant.capture_days}: its operator may raise that "
            "(docs/tenants.md)"
        )
    least_days = min(count_capture_days(tenant, max_capture_days), SIGHTING_DAYS)
    if count_sighting_days(tenant) < least_days:
        raise InvalidInput(
            f"sighting_days is {least_days} at least, not {tenant.sighting_days}: pictures of "
            "captures are kept so long, and nobody could see or delete one without its record"
        )


def require_ended_days(tenant: Tenant) -> None:
    """Raise InvalidInput if a tenant would erase remembered people before others."""
    least_days = count_ended_days(tenant)
    if tenant.remembered_days < least_days:
        raise InvalidInput(
            f"remembered_days is {least_days} (ended_days) at least, not "
            f"{tenant.remembered_days}: until then a new record gives all back"
        )
