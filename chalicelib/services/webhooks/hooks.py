"""Hooks: URLs that a tenant's events are posted to, each with a secret that signs the posts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import require_camera_id
from chalicelib.core.errors import Busy, ConditionFailed, Conflict, HookNotFound, InvalidInput, TooManyHooks
from chalicelib.core.items import attempts, every, write_in_parts
from chalicelib.core.ports import Clock, Delete, Item, ItemStore, Postman, Put, Update, Vault, absent, equals, exists
from chalicelib.core.records.webhooks import hook_fields, hook_from, hook_item
from chalicelib.core.values import time_ordered_id
from chalicelib.core.webhooks import EventKind, Hook
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.groups.groups import legal_name

MAX_HOOKS = 20
"""Hooks of a tenant. An event is written once for each hook that takes it, in one transaction of limited size."""
MAX_NAMES = 100
"""Groups or cameras that one hook may name."""
FILTERS = {kind.value: kind for kind in EventKind if kind is not EventKind.TEST}
"""Kinds of events that a hook may choose from, by name. A test comes to every hook that is tested."""
CHANGEABLE = frozenset({"url", "kinds", "groups", "cameras", "enabled"})

_SECRET_BYTES = 32
_HOOK_ID = re.compile(r"[0-9]{1,20}")


class Hooks:
    def __init__(
        self, items: ItemStore, vault: Vault, postman: Callable[[], Postman], requests: Requests, *, clock: Clock
    ) -> None:
        self._items = items
        self._requests = requests
        self._vault = vault
        self._postman = postman
        self._clock = clock

    def add(
        self,
        tenant: str,
        url: str | None,
        kinds: Iterable[str] | None = None,
        groups: Iterable[str] | None = None,
        cameras: Iterable[str] | None = None,
        *,
        enabled: bool = True,
        request: RequestId | None = None,
    ) -> tuple[Hook, str | None]:
        """Add a hook; return it and its secret, which is not shown again. A filter that is None takes everything.

        Without a `url` it is a mailbox, which has no secret. Raises InvalidInput, TooManyHooks, Busy, AnsweredAlready
        with the `id` of the hook.
        """
        now = self._clock.now()
        id_ = time_ordered_id(now)
        given = {"url": url, "kinds": kinds, "groups": groups, "cameras": cameras, "enabled": enabled}
        checked = self._checked(given)
        sealed, secret = (b"", None) if url is None else self._new_secret(tenant, id_)
        hook = Hook(id=id_, created_at=now, sealed_secret=sealed, **checked)
        for _ in attempts():
            counter = self._items.get(keys.HOOKS, (tenant, keys.HOOK_ADDITIONS))
            if len(self.all(tenant)) >= MAX_HOOKS:
                raise TooManyHooks(f"there are {MAX_HOOKS} hooks already, the most that a tenant may have: delete one")
            try:
                puts = [Put(keys.HOOKS, hook_item(tenant, hook), (absent("id-free"),)), _counted(tenant, counter)]
                self._requests.write(tenant, puts, request, {"id": id_})
            except ConditionFailed:  # another was added meanwhile: count again
                continue
            return hook, secret
        raise Busy("many hooks of this tenant are added at once: send the request again in a moment")

    def all(self, tenant: str) -> list[Hook]:
        """Return all hooks, oldest first."""
        low, high = keys.HOOK_IDS
        found = map(hook_from, every(self._items, keys.HOOKS, tenant, low=low, high=high))
        return sorted(found, key=lambda hook: (hook.created_at, hook.id))

    def find(self, tenant: str, id_: str) -> Hook | None:
        if not _HOOK_ID.fullmatch(id_):
            return None
        item = self._items.get(keys.HOOKS, (tenant, id_))
        return hook_from(item) if item else None

    def get(self, tenant: str, id_: str) -> Hook:
        """Return the hook of that id. Raises HookNotFound."""
        hook = self.find(tenant, id_)
        if hook is None:
            raise HookNotFound(f"there is no hook {id_[:40]!r}: see the list of hooks")
        return hook

    def change(self, tenant: str, id_: str, changes: Mapping[str, Any], request: RequestId | None = None) -> Hook:
        """Set the fields in `changes` (of CHANGEABLE). A hook that was failing is tried again at once.

        Raises HookNotFound, InvalidInput, Busy, AnsweredAlready.
        """
        unknown = changes.keys() - CHANGEABLE
        if unknown:
            raise InvalidInput(f"{sorted(unknown)[0]!r} of a hook cannot be changed")
        checked = self._checked(changes)
        if "url" in changes and (changes["url"] is None) is not self.get(tenant, id_).is_mailbox:
            raise InvalidInput("a hook has a url for good, and a mailbox has none: add another hook for the other way")
        return self._changed(tenant, id_, lambda hook: replace(hook, **checked), request)

    def new_secret(self, tenant: str, id_: str, request: RequestId | None = None) -> str:
        """Replace the hook's secret; the old one signs nothing any more.

        Raises HookNotFound, Conflict if it is a mailbox, Busy, AnsweredAlready.
        """
        require_url(self.get(tenant, id_))
        sealed, secret = self._new_secret(tenant, id_)
        self._changed(tenant, id_, lambda hook: replace(hook, sealed_secret=sealed), request)
        return secret

    def secret(self, tenant: str, hook: Hook) -> str:
        """Return the hook's secret in the clear, to sign with."""
        return self._vault.unseal(hook.sealed_secret, _context(tenant, hook.id))

    def delete(self, tenant: str, id_: str, request: RequestId | None = None) -> None:
        """Delete a hook and its deliveries. Raises HookNotFound, AnsweredAlready."""
        self.get(tenant, id_)
        try:
            deleted = Delete(keys.HOOKS, (tenant, id_), (exists("hook-exists"),))
            self._requests.write(tenant, [deleted], request)
        except ConditionFailed as error:
            raise HookNotFound(f"there is no hook {id_!r} any more") from error
        for prefix in keys.DELIVERY_PREFIXES:
            self._forget(tenant, *keys.deliveries_range(id_, prefix))

    def _forget(self, tenant: str, low: str, high: str) -> None:
        """Delete a hook's deliveries. If this is cut off, the rest are dropped when they are due, or expire."""
        items = every(self._items, keys.OUTBOX, tenant, low=low, high=high)
        write_in_parts(self._items, (Delete(keys.OUTBOX, (tenant, item["id"])) for item in items))

    def _changed(self, tenant: str, id_: str, change: Callable[[Hook], Hook], request: RequestId | None) -> Hook:
        for _ in attempts():
            hook = self.get(tenant, id_)
            changed = replace(change(hook), failures=0, paused_until=None, version=hook.version + 1)
            update = Update(
                keys.HOOKS,
                (tenant, id_),
                (equals("version", hook.version, "not-changed-meanwhile"),),
                set={**hook_fields(changed), "version": changed.version},
                remove=("failures", "paused_until"),
            )
            try:
                self._requests.write(tenant, [update], request, {"id": id_})
            except ConditionFailed:
                continue
            return changed
        raise Busy("this hook is changed by others all the time: send the request again in a moment")

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the given values in the forms that are stored. Raises InvalidInput."""
        checked = dict(given)
        if given.get("url") is not None:
            self._postman().require_url(given["url"])
        filters = (
            ("kinds", "events", _kind),
            ("groups", "groups", legal_name),
            ("cameras", "cameras", require_camera_id),
        )
        for name, called, check in filters:
            if given.get(name) is not None:
                checked[name] = _listed(called, [check(value) for value in given[name]])
        return checked

    def _new_secret(self, tenant: str, id_: str) -> tuple[bytes, str]:
        secret = f"whsec_{secrets.token_urlsafe(_SECRET_BYTES)}"
        return self._vault.seal(secret, _context(tenant, id_)), secret


def require_url(hook: Hook) -> None:
    """Raise Conflict if the hook is a mailbox."""
    if hook.is_mailbox:
        raise Conflict(
            f"hook {hook.id} is a mailbox, to which nothing is posted: list its pending deliveries and acknowledge them"
        )


def _context(tenant: str, hook_id: str) -> str:
    return f"{tenant}/hooks/{hook_id}"


def _counted(tenant: str, counter: Item | None) -> Put:
    """Return the write that counts an added hook, on condition that no other was added since `counter` was read."""
    item = {"tenant": tenant, "id": keys.HOOK_ADDITIONS, "n": (int(counter["n"]) if counter else 0) + 1}
    when = equals("n", int(counter["n"]), "none-added-meanwhile") if counter else absent("none-added-meanwhile")
    return Put(keys.HOOKS, item, (when,))


def _listed(name: str, values: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(values) <= MAX_NAMES:
        called = "events" if name == "kinds" else name
        raise InvalidInput(f"the {called} of a hook are 1 to {MAX_NAMES}, or null for any, not {len(values)}")
    return tuple(dict.fromkeys(values))


def _kind(value: str) -> EventKind:
    try:
        return FILTERS[value]
    except KeyError:
        raise InvalidInput(f"events are {', '.join(FILTERS)}, not {value[:40]!r}") from None
