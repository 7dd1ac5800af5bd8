"""Tenants and their credentials. app_keys are sealed at rest; app codes and bearer keys are kept as hashes only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from chalicelib.core import keys
from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.errors import ConditionFailed, InvalidInput, TenantExists, TenantNotFound
from chalicelib.core.items import directory_of, every
from chalicelib.core.local_time import require_zone
from chalicelib.core.model import (
    DEFAULT_GROUPS,
    DEFAULT_TIME_ZONE,
    LIMITS,
    Credentials,
    Group,
    Migration,
    Profile,
    Tenant,
)
from chalicelib.core.pictures import ATTRIBUTES
from chalicelib.core.ports import Action, Clock, Delete, Item, ItemStore, Put, Update, Vault, absent, equals, exists
from chalicelib.core.records.faces import group_item, tenant_from
from chalicelib.core.records.values import milliseconds
from chalicelib.core.shards import MAX_SHARDS
from chalicelib.services.commit.transaction import write
from chalicelib.services.tenants import api_keys

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_DEFAULT_CAPACITY = 5_000
_APP_ID_BYTES = 8


class Tenants:
    """`model`: what a new tenant's gallery is searched with; None: it names none, and goes by the default."""

    def __init__(self, items: ItemStore, vault: Vault, clock: Clock, model: Callable[[], str] | None = None) -> None:
        self._items = items
        self._model = model
        self._vault = vault
        self._clock = clock
        self._names: dict[tuple[str, str], str] = {}

    def add(self, name: str, profile: Profile, time_zone: str = DEFAULT_TIME_ZONE) -> Credentials:
        """A new tenant with its default groups, whose days are of `time_zone`. Raises TenantExists, InvalidInput."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"a tenant's name is 1 to 40 small letters, digits and inner hyphens, such as `shop-12`, not {name!r}"
            )
        credentials = _new_credentials(name, profile, secrets.token_hex(_APP_ID_BYTES).upper())
        item = {
            "kind": "tenant",
            "id": name,
            "profile": profile,
            "app_id": credentials.app_id,
            "created_at": milliseconds(self._clock.now()),
            "disabled": False,
            "refuse_md5": False,
            "numeric_faceids_only": False,
            "time_zone": require_zone(time_zone),
            **self._sealed(credentials),
        }
        kind, app_id = keys.app_id_item(credentials.app_id)
        actions = [
            Put(keys.TENANTS, item, (absent("tenant-free"),)),
            Put(keys.TENANTS, {"kind": kind, "id": app_id, "tenant": name}, (absent("app-id-free"),)),
            _appcode_put(credentials),
            api_keys.let_in(credentials.api_key, name),
            *self._first_day(name, profile),
        ]
        try:
            write(self._items, actions)
        except ConditionFailed as error:
            raise TenantExists(
                f"there is a tenant {name!r} already: choose another name, or rotate its keys"
            ) from error
        return credentials

    def all(self) -> list[Tenant]:
        """All tenants, by name."""
        return [tenant_from(item) for item in every(self._items, keys.TENANTS, keys.tenant_item("")[0])]

    def rotate(self, name: str) -> Credentials:
        """A new app_key, appcode and api_key in place of the old, which stop at once. Raises TenantNotFound."""
        item = self._item(name)
        tenant = tenant_from(item)
        credentials = _new_credentials(name, tenant.profile, tenant.app_id)
        same = tuple(
            equals(field, item.get(field), "not-rotated-meanwhile") for field in ("appcode_digest", "api_key_digest")
        )
        write(
            self._items,
            [
                Update(keys.TENANTS, keys.tenant_item(name), same, set=self._sealed(credentials)),
                Delete(keys.TENANTS, keys.appcode_item(item["appcode_digest"])),
                _appcode_put(credentials),
                *_api_key_change(item, credentials.api_key),
            ],
        )
        return credentials

    def new_api_key(self, name: str) -> str:
        """A new api_key alone, in place of the old if there was one. Raises TenantNotFound."""
        item, api_key = self._item(name), api_keys.new_key(api_keys.OF_TENANT)
        same = equals("api_key_digest", item.get("api_key_digest"), "not-rotated-meanwhile")
        hashed = {"api_key_digest": api_keys.digest(api_key)}
        changed = Update(keys.TENANTS, keys.tenant_item(name), (same,), set=hashed)
        write(self._items, [changed, *_api_key_change(item, api_key)])
        return api_key

    def disable(self, name: str) -> None:
        """Refuse the tenant's credentials from now on; nothing is deleted. Raises TenantNotFound."""
        self._set(name, disabled=True)

    def enable(self, name: str) -> None:
        self._set(name, disabled=False)

    def set_quota(self, name: str, requests_a_day: int | None) -> None:
        """Take so many requests a day (None: any number) from the next one on. Raises TenantNotFound, InvalidInput."""
        if requests_a_day is not None and requests_a_day < 1:
            raise InvalidInput(
                f"a quota is at least 1 request a day, not {requests_a_day}: to take none, disable the tenant"
            )
        self._set(name, requests_a_day=requests_a_day)

    def set_shards(self, name: str, shards: int) -> None:
        """Cut the gallery into so many shards from about a minute on. Raises TenantNotFound, InvalidInput."""
        if not 1 <= shards <= MAX_SHARDS:
            raise InvalidInput(f"a gallery is cut into 1 to {MAX_SHARDS} shards, not {shards}")
        known = exists("tenant-exists")
        try:
            write(self._items, [Update(keys.DIRECTORY, (name, keys.TENANT_ITEM), (known,), set={"shards": shards})])
        except ConditionFailed as error:
            raise TenantNotFound(f"there is no tenant {name!r}") from error

    def shards(self, name: str) -> int:
        """Into how many the gallery is cut. Raises TenantNotFound."""
        return int(directory_of(self._items, name).get("shards", 1))

    def set_refuse_md5(self, name: str, *, refuse: bool) -> None:
        """Take signatures by HMAC-SHA256 only, from the next request on. Raises TenantNotFound."""
        self._set(name, refuse_md5=refuse)

    def set_numeric_faceids_only(self, name: str, *, numeric: bool) -> None:
        """Take only faceids from 1 to 2^63 - 1, as the camera; those there stay. Raises TenantNotFound."""
        self._set(name, numeric_faceids_only=numeric)

    def set_attributes_off(self, name: str, attributes: Iterable[str]) -> None:
        """Neither store nor answer these attributes, but all others. Raises TenantNotFound, InvalidInput."""
        off = sorted(set(attributes))
        unknown = [attribute for attribute in off if attribute not in ATTRIBUTES]
        if unknown:
            raise InvalidInput(f"attributes are {', '.join(ATTRIBUTES)}, not {', '.join(unknown)}")
        self._set(name, attributes_off=off)

    def set_least_liveness(self, name: str, least: float | None) -> None:
        """Refuse faces that look less alive; None: refuse none. Raises TenantNotFound, InvalidInput."""
        if least is not None and not 0 < least <= 1:
            raise InvalidInput(f"liveness is more than 0 and 1 at most, such as 0.5, not {least:g}")
        self._set(name, least_liveness=None if least is None else Decimal(str(least)))

    def set_enrol_quality(self, name: str, least: float) -> None:
        """Enrol pictures of this quality and better only. Raises TenantNotFound, InvalidInput."""
        if not MIN_QUALITY <= least <= 100:
            raise InvalidInput(
                f"the least quality to enrol is {MIN_QUALITY:g} to 100, not {least:g}: poorer faces cannot be compared"
            )
        self._set(name, enrol_quality=Decimal(str(least)))

    def set_time_zone(self, name: str, time_zone: str) -> None:
        """Count in days of this time zone from now on, the past's too. Raises TenantNotFound, InvalidInput."""
        self._set(name, time_zone=require_zone(time_zone))

    def by_app_id(self, app_id: str) -> tuple[Tenant, str] | None:
        """The tenant of an app_id, disabled ones too, and its app_key."""
        item = self._item_of_credential(keys.app_id_item(app_id))
        if item is None:
            return None
        return tenant_from(item), self._vault.unseal(bytes(item["app_key"]), item["id"])

    def by_appcode(self, appcode: str) -> Tenant | None:
        """The tenant of an appcode, disabled ones too."""
        hashed = api_keys.digest(appcode)
        item = self._item_of_credential(keys.appcode_item(hashed))
        if item is None or item["appcode_digest"] != hashed:
            return None
        return tenant_from(item)

    def by_api_key(self, api_key: str) -> Tenant | None:
        """The tenant of an api_key, disabled ones too; None for a camera's key."""
        if not api_keys.is_key(api_key, api_keys.OF_TENANT):
            return None
        hashed = api_keys.digest(api_key)
        item = self._item_of_credential(keys.api_key_item(hashed))
        if item is None or item.get("api_key_digest") != hashed:
            return None
        return tenant_from(item)

    def named(self, name: str) -> Tenant:
        """The tenant of that name, a disabled one too. Raises TenantNotFound."""
        return tenant_from(self._item(name))

    def _item(self, name: str) -> Item:
        item = self._items.get(keys.TENANTS, keys.tenant_item(name))
        if item is None:
            raise TenantNotFound(f"there is no tenant {name!r}; `regulars tenants list` shows all")
        return item

    def _item_of_credential(self, key: tuple[str, str]) -> Item | None:
        """A credential's tenant never changes, so the name is remembered; the tenant itself is read each time."""
        if not 0 < len(key[1]) <= 200:
            return None
        name = self._names.get(key)
        if name is None:
            pointer = self._items.get(keys.TENANTS, key)
            if pointer is None:
                return None
            name = self._names[key] = pointer["tenant"]
        return self._items.get(keys.TENANTS, keys.tenant_item(name))

    def _sealed(self, credentials: Credentials) -> dict[str, Any]:
        return {
            "app_key": self._vault.seal(credentials.app_key, credentials.tenant),
            "appcode_digest": api_keys.digest(credentials.appcode),
            "api_key_digest": api_keys.digest(credentials.api_key),
        }

    def _set(self, name: str, **fields: Any) -> None:
        self._item(name)
        there = exists("tenant-exists")
        write(self._items, [Update(keys.TENANTS, keys.tenant_item(name), (there,), set=fields)])

    def _first_day(self, name: str, profile: Profile) -> list[Action]:
        limits, migration = LIMITS[profile], Migration()
        directory: Item = {
            "tenant": name,
            "item": keys.TENANT_ITEM,
            "seq": 0,
            **({"model": self._model()} if self._model else {}),
            "free": limits.faces,
            "groups_left": limits.groups - len(DEFAULT_GROUPS),
            "capacity_left": limits.faces - _DEFAULT_CAPACITY * len(DEFAULT_GROUPS),
            "arrive_times": migration.arrive_times,
            "period_days": migration.period_days,
        }
        actions: list[Action] = [Put(keys.DIRECTORY, directory, (absent("directory-free"),))]
        for group_name in DEFAULT_GROUPS:
            group = Group(group_name, group_name, f"this is {group_name} group", 0, _DEFAULT_CAPACITY)
            actions += group_puts(name, group, group_item(name, group, self._clock.now()))
        return actions


def group_puts(tenant: str, group: Group, item: Item) -> list[Action]:
    """The actions that make a group: its record and its name, which must be free (condition NAME_FREE)."""
    return [Put(keys.DIRECTORY, item, (absent("group-free"),)), name_put(tenant, group)]


NAME_FREE = "name-free"


def name_put(tenant: str, group: Group) -> Put:
    item: Item = {"tenant": tenant, "item": keys.name_item(group.name), "group": group.id}
    return Put(keys.DIRECTORY, item, (absent(NAME_FREE),))


def _new_credentials(name: str, profile: Profile, app_id: str) -> Credentials:
    return Credentials(
        name,
        profile,
        app_id,
        app_key=api_keys.new_secret(),
        appcode=api_keys.new_secret(),
        api_key=api_keys.new_key(api_keys.OF_TENANT),
    )


def _appcode_put(credentials: Credentials) -> Put:
    kind, hashed = keys.appcode_item(api_keys.digest(credentials.appcode))
    return Put(keys.TENANTS, {"kind": kind, "id": hashed, "tenant": credentials.tenant}, (absent("appcode-free"),))


def _api_key_change(item: Item, api_key: str) -> list[Action]:
    """Another api_key for the tenant that the item is of; one from before there were api_keys has none."""
    old = item.get("api_key_digest")
    stops: list[Action] = [api_keys.shut_out(old)] if old else []
    return [*stops, api_keys.let_in(api_key, item["id"])]
