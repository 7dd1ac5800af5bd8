"""User-defined attributes of a group's faces, added and removed by name. Their rules: core/attributes."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.core.attributes import with_more, without
from chalicelib.core.model import Tenant
from chalicelib.services.commit.idempotency import RequestId
from chalicelib.services.groups.groups import Groups


class Attributes:
    """The attributes of a tenant's groups."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def add(self, tenant: Tenant, group_name: str, names: Sequence[str], request: RequestId | None = None) -> None:
        """Add all names, in their order, or none. Raises GroupNotFound, and the errors of `with_more`."""
        self._groups.apply(
            tenant, lambda: self._groups.named(tenant, group_name), lambda group: with_more(group, names), request
        )

    def remove(self, tenant: Tenant, group_name: str, names: Sequence[str], request: RequestId | None = None) -> None:
        """Remove all names or none. Raises GroupNotFound, and the errors of `without`."""
        self._groups.apply(
            tenant, lambda: self._groups.named(tenant, group_name), lambda group: without(group, names), request
        )
