"""Callers by the names that people know: keys, members, cameras, and those that all clients of a
kind share.

The audit has each by its id. A key that was deleted is known by nothing else, so its id has to be
given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import Tenant
from chalicelib.privacy.reading import caller_of
from chalicelib.service import Service

if TYPE_CHECKING:
    from chalicelib.services import Services

_MOST_LISTED = 20
"""Callers that an error lists."""
SHARED = ("app_id", "appcode", "access key", "operator")
"""Callers of whom there is one of each."""
_OF_THE_SERVICE = ("regulars",)
"""The service itself, in its jobs."""


class Callers(Service["Services"]):
    """The callers that a tenant has now."""

    def find_caller(self, tenant: Tenant, named: str) -> str:
        """Return the name in the audit of a caller that is given by its id or its name.

        `key 12` of "12" or "Office"; `member 7` of "member Ann" or "Ann". One that there is not is
        returned as the audit would have it: it may have been deleted. Raises InvalidInput if
        several have this name.
        """
        called = caller_of(named)
        known = dict(self._list_known(tenant))
        if called in known or named in (*SHARED, *_OF_THE_SERVICE):
            return called
        kind, _, rest = named.partition(" ")
        matches = [
            caller
            for caller, name in known.items()
            if name and (name == named or (caller.startswith(f"{kind} ") and name == rest))
        ]
        if len(matches) > 1:
            raise InvalidInput(
                f"several callers are called {named[:70]!r}: give one of {', '.join(matches)}"
            )
        return matches[0] if matches else called

    def require_caller(self, tenant: Tenant, named: str) -> None:
        """Raise InvalidInput, with the list of callers, if there is none of this id or name."""
        known = dict(self._list_known(tenant))
        caller = self.find_caller(tenant, named)
        if caller in known or named in (*SHARED, *_OF_THE_SERVICE):
            return
        listed = [f"{caller} ({name})" if name else caller for caller, name in known.items()]
        more = f" and {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
        raise InvalidInput(
            f"there is no caller {named[:70]!r}, and the audit has no entry of one: there are "
            f"{', '.join([*SHARED, *listed[:_MOST_LISTED]])}{more}"
        )

    def _list_known(self, tenant: Tenant) -> Iterator[tuple[str, str]]:
        """Yield the name in the audit of each caller that there is, and what people call it."""
        access = self.services.access
        yield from ((f"key {key.id}", key.name) for key in access.keys.list_all(tenant))
        yield from (
            (f"member {member.id}", member.name) for member in access.members.list_all(tenant)
        )
        yield from (
            (f"camera {camera.id}", camera.name)
            for camera in self.services.cameras.list_all(tenant)
        )
