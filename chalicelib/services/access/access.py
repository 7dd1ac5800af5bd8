"""Access to the service: keys and sessions, daily quotas and limits on how fast requests may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.chores import Chore
from chalicelib.core.lazy import lazy
from chalicelib.core.ports import Clock, ItemStore
from chalicelib.services.idempotency import Requests

if TYPE_CHECKING:
    from chalicelib.services.access.key_ring import KeyRing
    from chalicelib.services.access.members import Members
    from chalicelib.services.access.quotas import Quotas, Rates
    from chalicelib.services.access.sessions import Sessions

MAX_KEYS = 100
"""Keys of a tenant, its first one included."""

MAX_MEMBERS = 100
"""People and screens that sign in to a tenant's console."""


MB = 1_000_000


PARTS = 1_000
"""Parts of a camera's limit that a process counts ahead, one at a time. What it has not given out when it ends, or
when the day does, is lost."""


class Access:
    """`requests_a_second`, `searches_a_second`: what each key of v1 may ask."""

    def __init__(
        self, items: ItemStore, requests: Requests, clock: Clock, requests_a_second: float, searches_a_second: float
    ) -> None:
        self._items, self._requests, self._clock = items, requests, clock
        self._a_second = requests_a_second, searches_a_second

    @lazy
    def keys(self) -> KeyRing:
        from chalicelib.services.access.key_ring import KeyRing

        return KeyRing(self._items, self._requests, self._clock)

    @lazy
    def sessions(self) -> Sessions:
        from chalicelib.services.access.sessions import Sessions

        return Sessions(self._items, self.keys, self.members, self.rates, self._clock)

    @lazy
    def members(self) -> Members:
        from chalicelib.services.access.members import Members

        return Members(self._items, self._requests, self._clock)

    @lazy
    def quotas(self) -> Quotas:
        from chalicelib.services.access.quotas import Quotas

        return Quotas(self._items, self._clock)

    @lazy
    def rates(self) -> Rates:
        from chalicelib.services.access.quotas import Rates

        return Rates(*self._a_second)

    def chores(self) -> tuple[Chore, ...]:
        return (Chore("sessions", lambda one: self.sessions.forget_expired(one.tenant.name), of_expired=True),)
