"""Access to the service: keys and sessions, daily quotas and limits on how fast requests may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.access import Role
from chalicelib.core.chores import Chore
from chalicelib.core.lazy import lazy
from chalicelib.services.rooms import Made, UseCase

if TYPE_CHECKING:
    from chalicelib.services.access.key_ring import KeyRing
    from chalicelib.services.access.members import Members
    from chalicelib.services.access.quotas import Quotas, Rates
    from chalicelib.services.access.sessions import Sessions

ROLES = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
"""Roles of a tenant's own keys and of people."""

MAX_KEYS = 100
"""Keys of a tenant, its first one included."""

MAX_MEMBERS = 100
"""People and screens that sign in to a tenant's console."""


MB = 1_000_000


PARTS = 1_000
"""Parts of a camera's limit that a process counts ahead, one at a time. What it has not given out when it ends, or
when the day does, is lost."""


class Access(UseCase):
    keys: Made[KeyRing] = Made("access.key_ring.KeyRing")
    sessions: Made[Sessions] = Made("access.sessions.Sessions")
    members: Made[Members] = Made("access.members.Members")
    quotas: Made[Quotas] = Made("access.quotas.Quotas")

    @lazy
    def rates(self) -> Rates:
        from chalicelib.services.access.quotas import Rates

        return Rates(self.book.settings.requests_a_second, self.book.settings.searches_a_second)

    def chores(self) -> tuple[Chore, ...]:
        return (Chore("sessions", lambda one: self.sessions.forget_expired(one.tenant.name), of_expired=True),)
