"""Sessions: a browser signs in with a key, or with a code that is good once, and gets a token for its cookie.

Storage holds hashes of tokens and codes. A session ends with the secret of its key, so a renewed key ends it at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.access import ApiKey, Session
from chalicelib.core.errors import ConditionFailed, TenantDisabled, WrongCredentials
from chalicelib.core.items import every, write, write_in_parts
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Action, Clock, Delete, Item, ItemStore, Put, absent, exists
from chalicelib.core.records.access import sign_in_item
from chalicelib.core.values import moment
from chalicelib.services.tenants import api_keys
from chalicelib.services.tenants.key_ring import KeyRing

GOOD_FOR = timedelta(hours=12)
CODE_GOOD_FOR = timedelta(minutes=10)

_TOKEN_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    def __init__(self, items: ItemStore, ring: KeyRing, clock: Clock) -> None:
        self._items = items
        self._ring = ring
        self._clock = clock

    def code(self, tenant: Tenant, key: ApiKey) -> str:
        """Make a code that signs in once, within ten minutes, with the rights of the key."""
        code, until = secrets.token_urlsafe(_TOKEN_BYTES), self._clock.now() + CODE_GOOD_FOR
        item = sign_in_item(keys.code_item(api_keys.digest(code)), tenant.name, key, until)
        write(self._items, [Put(keys.TENANTS, item, (absent("code-free"),))])
        return code

    def of_key(self, api_key: str) -> tuple[str, Session]:
        """Begin a session with a key; return its token. Raises WrongCredentials, TenantDisabled."""
        known = self._ring.by_api_key(api_key)
        if known is None:
            raise WrongCredentials("this key is unknown: it was mistyped, or another has taken its place")
        return self._begun(known, [])

    def of_code(self, code: str) -> tuple[str, Session]:
        """Begin a session with a code, which is used up then; return its token. Raises as `of_key`."""
        if not _SECRET.fullmatch(code):
            raise _unknown_code()
        place = keys.code_item(api_keys.digest(code))
        known = self._standing(place)
        if known is None:
            raise _unknown_code()
        try:
            return self._begun(known[0], [Delete(keys.TENANTS, place, (exists("code-unused"),))])
        except ConditionFailed as error:
            raise _unknown_code() from error

    def find(self, token: str) -> Session | None:
        """Return the session of a token, even of a disabled tenant; None: there is none, or it has ended.

        Raises WrongCredentials if the end of its key has come.
        """
        found = self._standing(keys.session_item(api_keys.digest(token))) if _SECRET.fullmatch(token) else None
        if found is None:
            return None
        (tenant, key), item = found
        return Session(tenant, key, moment(item["expires_at"] * 1000))

    def end(self, token: str) -> None:
        """End the session of a token; one that has ended is no error."""
        if _SECRET.fullmatch(token):
            write(self._items, [Delete(keys.TENANTS, keys.session_item(api_keys.digest(token)))])

    def forget_expired(self, tenant: str) -> int:
        """Delete expired sessions and codes, on storage that does not do so itself; return how many."""
        return write_in_parts(
            self._items, (Delete(keys.TENANTS, (one["kind"], one["id"])) for one in self._old(tenant))
        )

    def _old(self, tenant: str) -> Iterator[Item]:
        now = self._clock.now().timestamp()
        for kind in (keys.session_item("")[0], keys.code_item("")[0]):
            for item in every(self._items, keys.TENANTS, kind):
                if item["tenant"] == tenant and item["expires_at"] <= now:
                    yield item

    def _standing(self, place: tuple[str, str]) -> tuple[tuple[Tenant, ApiKey], Item] | None:
        """Read a session or a code, and its key; None if it is over, or its key has another secret by now."""
        item = self._items.get(keys.TENANTS, place)
        if item is None or item["expires_at"] <= self._clock.now().timestamp():
            return None
        known = self._ring.standing(item["tenant"], item["key"], item["digest"])
        return None if known is None else (known, item)

    def _begun(self, known: tuple[Tenant, ApiKey], actions: list[Action]) -> tuple[str, Session]:
        tenant, key = known
        if tenant.disabled:
            raise TenantDisabled("this tenant is not activated: ask its operator to enable it")
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock.now()
        until = min(now + GOOD_FOR, key.expires_at or now + GOOD_FOR).replace(microsecond=0)
        item = sign_in_item(keys.session_item(api_keys.digest(token)), tenant.name, key, until)
        write(self._items, [*actions, Put(keys.TENANTS, item, (absent("token-free"),))])
        return token, Session(tenant, key, until)


def _unknown_code() -> WrongCredentials:
    return WrongCredentials("this code is not good any more: it signs in once, within ten minutes; make another")
