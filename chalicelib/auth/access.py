"""Access to the service (`Access`: keys, sessions, members, rate limits), and a tenant's API keys
(`KeyRing`).

Each key has a name, a role and perhaps an end, so that people and programs have keys of their own.
A tenant has up to MAX_KEYS. Storage holds a hash of each secret. The tenant's first key stands in
the tenant's record, every other has a record of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.auth.rate_limits import Rates, StoredBuckets
from chalicelib.auth.records import (
    key_from,
    make_first_key_item,
    make_key_fields,
    make_key_item,
    parse_first_key,
)
from chalicelib.auth.roles import ROLES, ApiKey, Role
from chalicelib.book.idempotency import RequestId
from chalicelib.domain import api_keys
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.effects import name_access
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    InvalidInput,
    KeyNotFound,
    LastAdminKey,
    StorageUnavailable,
    TooManyKeys,
    WrongCredentials,
)
from chalicelib.domain.jobs import Job, JobContext
from chalicelib.domain.model import Tenant
from chalicelib.domain.names import printable_name
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.settings import AwsStorage
from chalicelib.storage import keys
from chalicelib.storage.items import CountedList, retry_if_changed, walk_items
from chalicelib.storage.ports import Action, Delete, Put, Update, absent, equals
from chalicelib.storage.records.faces import tenant_from
from chalicelib.storage.values import is_uuid, milliseconds, parse_optional, time_ordered_id

if TYPE_CHECKING:
    from chalicelib.auth.callers import Callers
    from chalicelib.auth.made import MadeAccesses
    from chalicelib.auth.members import Members
    from chalicelib.auth.sessions import Sessions
    from chalicelib.auth.standing import StandingDocuments
    from chalicelib.services import Services


MAX_KEYS = 100
"""Keys of a tenant, its first one included."""

NAME_LENGTH = 100
"""Characters of a key's name."""

_SAME = "not-changed-meanwhile"
_LAST_DAY = datetime(2200, 1, 1, tzinfo=UTC)
"""The day before which a key must end, if it ends at all."""

_BUSY = (
    "the keys of this tenant are changed by others all the time: send the request again in a moment"
)


class KeyRing(Service["Services"]):
    def add(
        self,
        tenant: Tenant,
        name: str,
        role: Role = Role.VIEWER,
        *,
        pictures: bool = True,
        expires_at: datetime | None = None,
        request: RequestId | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key. Return it with its secret, of which only the hash is stored.

        Raises InvalidInput, TooManyKeys, Busy, AnsweredAlready with the `id` of the key.
        """
        now = self.services.clock.now()
        secret = api_keys.new_key(api_keys.OF_TENANT)
        key = ApiKey(
            id=time_ordered_id(now),
            name=name,
            role=role,
            created_at=now,
            digest=api_keys.digest(secret),
            pictures=pictures,
            expires_at=expires_at,
        )
        return self._add_key(tenant, self._check_key(key), request), secret

    def add_service_key(
        self,
        tenant: Tenant,
        name: str,
        service: str,
        role: Role,
        *,
        group: str = "",
        given_secret: str | None = None,
    ) -> str:
        """Make a key of a dialect's service, and return its secret, a UUID.

        `role`: the role of the service's keys. `group`: the id of the only group that it reaches;
        "": none. `given_secret`: a UUID that becomes the secret; None: a new one is made. Raises
        InvalidInput if that is no UUID, or a key has it already; TooManyKeys, Busy.
        """
        secret = str(uuid.uuid4()) if given_secret is None else given_secret.lower()
        if not is_uuid(secret):
            raise InvalidInput(
                f"a key of this kind is a UUID in 36 characters, not {secret[:40]!r}"
            )
        if (
            self.services.items.get(keys.TENANTS, keys.api_key_item(api_keys.digest(secret)))
            is not None
        ):
            raise InvalidInput("this key is in use already: give another one, or none")
        now = self.services.clock.now()
        key = ApiKey(
            id=time_ordered_id(now),
            name=name,
            role=role,
            created_at=now,
            digest=api_keys.digest(secret),
            service=service,
            group=group,
        )
        self._add_key(tenant, self._check_key(key))
        return secret

    @retry_if_changed(_BUSY)
    def _add_key(self, tenant: Tenant, key: ApiKey, request: RequestId | None = None) -> ApiKey:
        present_keys = self._list_keys(tenant.name)
        if len(present_keys.rows) >= MAX_KEYS:
            raise TooManyKeys(
                f"there are {MAX_KEYS} keys already, the most that a tenant may have: delete one"
            )
        put = Put(keys.TENANTS, make_key_item(tenant.name, key), (absent("id-free"),))
        let_in_action = api_keys.let_in(keys.api_key_item(key.digest), tenant.name, key=key.id)
        self.services.requests.write_with_answer(
            tenant.name, [put, let_in_action, present_keys.changed], request, {"id": key.id}
        )
        return key

    def list_all(self, tenant: Tenant) -> list[ApiKey]:
        """Return all keys, the tenant's first one before the others, these by age."""
        return [*self._list_keys(tenant.name).rows]

    def get(self, tenant: Tenant, id_: str) -> ApiKey:
        """Return the key of that id. Raises KeyNotFound."""
        return _find_key(self._list_keys(tenant.name).rows, id_)

    @retry_if_changed(_BUSY)
    def change(
        self, tenant: Tenant, id_: str, changes: Mapping[str, Any], request: RequestId | None = None
    ) -> ApiKey:
        """Set the fields in `changes`: name, role, pictures, expires_at.

        They hold from the key's next request on.

        The first key cannot be changed. Raises KeyNotFound, InvalidInput, LastAdminKey, Busy,
        AnsweredAlready.
        """
        present_keys = self._list_keys(tenant.name)
        former_key = _find_changeable_key(present_keys.rows, id_)
        if former_key.service and changes.get("role", former_key.role) is not former_key.role:
            raise InvalidInput(
                f"the key of a service has the role {former_key.role}: it cannot be changed"
            )
        key = self._check_key(replace(former_key, **changes, version=former_key.version + 1))
        _require_permanent_admin(present_keys.rows, former_key, key)
        update = Update(
            keys.TENANTS,
            keys.key_record(tenant.name, id_),
            _expect_version(former_key),
            set=make_key_fields(key),
            does=((key.describe_change(former_key), name_access("key", id_)),),
        )
        self.services.requests.write_with_answer(
            tenant.name, [update, present_keys.changed], request, {"id": id_}
        )
        return key

    @retry_if_changed(_BUSY)
    def renew(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> str:
        """Replace the key's secret. The old one, and the sessions that it started, end at once.

        Raises KeyNotFound, InvalidInput for the first key and those of services, Busy,
        AnsweredAlready.
        """
        secret = api_keys.new_key(api_keys.OF_TENANT)
        present_keys = self._list_keys(tenant.name)
        former_key = _find_renewable_key(present_keys.rows, id_)
        # the secret's hash
        key = replace(former_key, digest=api_keys.digest(secret), version=former_key.version + 1)
        update = Update(
            keys.TENANTS,
            keys.key_record(tenant.name, id_),
            _expect_version(former_key),
            set=make_key_fields(key),
        )
        let_in_action = api_keys.let_in(keys.api_key_item(key.digest), tenant.name, key=id_)
        shut_out_action = api_keys.shut_out(keys.api_key_item(former_key.digest), key=id_)
        actions: list[Action] = [update, shut_out_action, let_in_action, present_keys.changed]
        self.services.requests.write_with_answer(tenant.name, actions, request, {"id": id_})
        return secret

    @retry_if_changed(_BUSY)
    def delete(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Delete the key. It and the sessions that it started end at once.

        Raises KeyNotFound, LastAdminKey, Busy, AnsweredAlready.
        """
        present_keys = self._list_keys(tenant.name)
        key = _find_deletable_key(present_keys.rows, id_)
        actions = [*_make_deletion_actions(tenant.name, key), present_keys.changed]
        self.services.requests.write_with_answer(tenant.name, actions, request, {"id": id_})

    def find_by_api_key(self, api_key: str) -> tuple[Tenant, ApiKey] | None:
        """Return the tenant, even a disabled one, and the key; None for a camera's key.

        Raises WrongCredentials if the key's end has come.
        """
        return (
            self._find_by_secret(api_key) if api_keys.is_key(api_key, api_keys.OF_TENANT) else None
        )

    def find_by_service_key(self, secret: str) -> tuple[Tenant, ApiKey] | None:
        """Return the tenant, even a disabled one, and the key of a dialect's service, which may be
        written in any case.

        Raises WrongCredentials if the key's end has come.
        """
        return self._find_by_secret(secret.lower()) if is_uuid(secret) else None

    def _find_by_secret(self, secret: str) -> tuple[Tenant, ApiKey] | None:
        hashed = api_keys.digest(secret)
        owner = self.services.tenants.read_owner(keys.api_key_item(hashed))
        if owner is None:
            return None
        tenant_and_key = self.find_current(owner["tenant"], owner.get("key", FIRST), hashed)
        if tenant_and_key is not None:
            self.services.tenants.restrict_expired(tenant_and_key[0])
        return tenant_and_key

    def find_current(self, tenant: str, id_: str, digest: str) -> tuple[Tenant, ApiKey] | None:
        """Return the tenant and its key of this id, as they are stored now.

        The tenant is not opened for work on its faces. None if the key was deleted or renewed: then
        the hash of its secret is no longer `digest`. Raises WrongCredentials if the key's end has
        come.
        """
        item_keys = [keys.tenant_item(tenant), keys.key_record(tenant, id_)]
        tenant_record, key_record = self.services.items.get_many(keys.TENANTS, item_keys)
        if tenant_record is None:
            return None
        key = (
            parse_first_key(tenant_record, key_record)
            if id_ == FIRST
            else parse_optional(key_from, key_record)
        )
        if key is None or key.digest != digest:
            return None
        if key.is_expired(self.services.clock.now()):
            raise WrongCredentials(
                f"this key was good until {key.expires_at:%Y-%m-%d %H:%M} UTC: ask for a new one"
            )
        return tenant_from(tenant_record), key

    def note_use(self, tenant: Tenant, key: ApiKey) -> None:
        """Note the hour in which the key is used: one write an hour and key."""
        hour = api_keys.hour_to_note(self.services.clock.now(), key.last_used_at)
        if hour is None:
            return
        # a request is answered without this note, too
        with suppress(ConditionFailed, Busy, StorageUnavailable):
            self.services.items.transact([_make_use_note(tenant.name, key, hour)])

    def _list_keys(self, tenant: str) -> CountedList[ApiKey]:
        """List a tenant's API keys: the first key, unless it was deleted, and then the others, the
        oldest first.

        The list comes with the item that counts its changes, which was read first. So a write can
        be refused if somebody changed the keys in between.
        """
        kind, changes_id = keys.key_record(tenant, keys.CHANGES)
        item_keys = [keys.tenant_item(tenant), keys.key_record(tenant, FIRST), (kind, changes_id)]
        tenant_record, key_record, changes = self.services.items.get_many(keys.TENANTS, item_keys)
        first = None if tenant_record is None else parse_first_key(tenant_record, key_record)
        later_keys = map(
            key_from,
            walk_items(self.services.items, keys.TENANTS, kind, between=keys.ids_range(tenant)),
        )
        by_age = sorted(later_keys, key=lambda key: (key.created_at, key.id))
        return CountedList(
            [*([first] if first else []), *by_age],
            keys.TENANTS,
            {"kind": kind, "id": changes_id},
            changes,
        )

    def _check_key(self, key: ApiKey) -> ApiKey:
        """Return the key in the form that is stored. Raises InvalidInput."""
        if key.role not in ROLES:
            raise InvalidInput(
                f"role is {', '.join(ROLES)}, not {key.role}: a camera's key is made with the "
                "camera"
            )
        if (
            key.expires_at is not None
            and not self.services.clock.now() < key.expires_at < _LAST_DAY
        ):
            raise InvalidInput(
                "expires_at lies in the future, or is null for a key without an end; "
                f"{key.expires_at.isoformat()} "
                "does not"
            )
        return replace(key, name=printable_name(key.name, NAME_LENGTH, "a key's"))


def _find_key(present_keys: Sequence[ApiKey], id_: str) -> ApiKey:
    """Return the key of that id. Raises KeyNotFound."""
    key = next((key for key in present_keys if key.id == id_), None)
    if key is None:
        raise KeyNotFound(f"there is no key {id_[:40]!r}: see the list of keys")
    return key


def _find_changeable_key(present_keys: Sequence[ApiKey], id_: str) -> ApiKey:
    """Return a key that may change. Raises KeyNotFound, InvalidInput."""
    if id_ == FIRST:
        raise InvalidInput(
            "the first key stays as it is, and `regulars tenants rotate` renews it: make another "
            "key, then delete this"
        )
    return _find_key(present_keys, id_)


def _find_renewable_key(present_keys: Sequence[ApiKey], id_: str) -> ApiKey:
    """Return a key that may get another secret. Raises KeyNotFound, InvalidInput."""
    key = _find_changeable_key(present_keys, id_)
    if key.service:
        raise InvalidInput(
            "the key of a service stays as it is: make another one, then delete this"
        )
    return key


def _find_deletable_key(present_keys: Sequence[ApiKey], id_: str) -> ApiKey:
    """Return a key that may go. Raises KeyNotFound, LastAdminKey."""
    key = _find_key(present_keys, id_)
    _require_permanent_admin(present_keys, key, None)
    return key


def _require_permanent_admin(
    present_keys: Sequence[ApiKey], former_key: ApiKey, changed_key: ApiKey | None
) -> None:
    """Raise LastAdminKey if a change would leave no admin's key without an end.

    `former_key`, `changed_key`: the key that changes; None: it is deleted.
    """
    other_keys = [key for key in present_keys if key.id != former_key.id]
    if former_key.is_permanent_admin and not any(
        key.is_permanent_admin for key in [*other_keys, *([changed_key] if changed_key else [])]
    ):
        raise LastAdminKey(
            f"{former_key.name!r} is the last admin's key without an end: make another one "
            "before it goes or becomes less"
        )


def _expect_version(key: ApiKey) -> tuple[Any, ...]:
    """Return the condition that nobody has changed the key since it was read."""
    return (equals("version", key.version, _SAME),)


def _make_deletion_actions(tenant: str, key: ApiKey) -> list[Action]:
    shut_out = api_keys.shut_out(keys.api_key_item(key.digest), key=key.id)
    if key.id == FIRST:
        deleted_key_item = make_first_key_item(tenant, used_at=key.last_used_at, deleted=key.digest)
        return [Put(keys.TENANTS, deleted_key_item), shut_out]
    return [Delete(keys.TENANTS, keys.key_record(tenant, key.id), _expect_version(key)), shut_out]


def _make_use_note(tenant: str, key: ApiKey, hour: datetime) -> Action:
    """Return the write that notes the use of a key, on condition that nobody noted it meanwhile."""
    noted = parse_optional(milliseconds, key.last_used_at)
    if key.id == FIRST:
        when = absent("not-noted") if noted is None else equals("used_at", noted, "not-noted")
        return Put(keys.TENANTS, make_first_key_item(tenant, used_at=hour), (when,))
    when = equals("used_at", noted, "not-noted")
    item_key = keys.key_record(tenant, key.id)
    return Update(keys.TENANTS, item_key, (when,), set={"used_at": milliseconds(hour)})


class Access(Service["Services"]):
    @lazy
    def keys(self) -> KeyRing:
        return KeyRing(self.services)

    @lazy
    def sessions(self) -> Sessions:
        from chalicelib.auth.sessions import Sessions

        return Sessions(self.services)

    @lazy
    def callers(self) -> Callers:
        from chalicelib.auth.callers import Callers

        return Callers(self.services)

    @lazy
    def members(self) -> Members:
        from chalicelib.auth.members import Members

        return Members(self.services)

    @lazy
    def standing(self) -> StandingDocuments:
        from chalicelib.auth.standing import StandingDocuments

        return StandingDocuments(self.services)

    @lazy
    def made(self) -> MadeAccesses:
        from chalicelib.auth.made import MadeAccesses

        return MadeAccesses(self.services)

    @lazy
    def rates(self) -> Rates:
        settings = self.services.settings
        stored = partial(
            StoredBuckets, self.services.ports.storage.items, self.services.clock
        )  # counting is no act of the tenant: the audit has none of it
        return Rates(
            settings.requests_a_second,
            settings.searches_a_second,
            make_buckets=stored if isinstance(settings.storage, AwsStorage) else None,
        )

    def list_jobs(self) -> tuple[Job, ...]:
        def forget_expired(context: JobContext) -> int:
            return self.sessions.forget_expired(context.tenant.name)

        def tell_witness(context: JobContext) -> bool:
            return self.standing.tell_witness(context.tenant)

        return (
            Job("sessions", forget_expired, of_expired=True),
            Job("standing", tell_witness),
            self.made.make_job(),
        )
