"""User-defined attributes of a group's faces: up to five names, each with an id that is never used again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from chalicelib.core import keys
from chalicelib.core.errors import (
    AttributeNotFound,
    ConditionFailed,
    DefaultGroup,
    IllegalAttribute,
    WrongAttributeCount,
)
from chalicelib.core.items import attempts
from chalicelib.core.model import Attribute, Group, Tenant
from chalicelib.core.ports import Update, equals
from chalicelib.core.records.faces import attribute_items
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.groups.groups import GROUP_SAME, Groups, changed_all_the_time

MAX_ATTRIBUTES = 5
NAME_LENGTH = 50


class Attributes:
    """The attributes of a tenant's groups."""

    def __init__(self, groups: Groups, requests: Requests) -> None:
        self._groups = groups
        self._requests = requests

    def add(
        self,
        tenant: Tenant,
        group_name: str,
        names: Sequence[str],
        reserved: Collection[str],
        request: RequestId | None = None,
    ) -> None:
        """Add all names, in their order, or none. `reserved`: names that the dialects use for themselves.

        Raises GroupNotFound, DefaultGroup, WrongAttributeCount (no name, or more than five in the group),
        IllegalAttribute (empty, over 50 characters, one of `reserved`, there already).
        """
        for _ in attempts():
            group = self._own_group(tenant, group_name)
            if not 0 < len(names) <= MAX_ATTRIBUTES - len(group.attributes):
                raise WrongAttributeCount(
                    f"a group has up to {MAX_ATTRIBUTES} attributes; this one has {len(group.attributes)} and "
                    f"{len(names)} are to be added: send 1 to {MAX_ATTRIBUTES - len(group.attributes)}"
                )
            _require_legal(names, {*reserved, *(attribute.name for attribute in group.attributes)})
            added = [Attribute(group.next_attribute_id + n, name) for n, name in enumerate(names)]
            changed = replace(
                group,
                attributes=(*group.attributes, *added),
                next_attribute_id=group.next_attribute_id + len(added),
            )
            if self._stored(tenant, changed, request):
                return
        raise changed_all_the_time()

    def remove(self, tenant: Tenant, group_name: str, names: Sequence[str], request: RequestId | None = None) -> None:
        """Remove all names or none; later attributes move up.

        Faces' values belong to the attribute's id, which is never used again, so they disappear with it.

        Raises GroupNotFound, DefaultGroup, WrongAttributeCount, IllegalAttribute (empty, too long, named twice),
        AttributeNotFound.
        """
        for _ in attempts():
            group = self._own_group(tenant, group_name)
            if not 0 < len(names) <= MAX_ATTRIBUTES:
                raise WrongAttributeCount(f"1 to {MAX_ATTRIBUTES} attributes are removed at once, not {len(names)}")
            _require_legal(names, ())
            missing = [name for name in names if name not in {attribute.name for attribute in group.attributes}]
            if missing:
                raise AttributeNotFound(f"group {group.name!r} has no attribute {missing[0]!r}")
            kept = tuple(attribute for attribute in group.attributes if attribute.name not in names)
            if self._stored(tenant, replace(group, attributes=kept), request):
                return
        raise changed_all_the_time()

    def _own_group(self, tenant: Tenant, group_name: str) -> Group:
        group = self._groups.named(tenant, group_name)
        if group.is_default:
            raise DefaultGroup(f"the default group {group.name!r} has no attributes: use a group of your own")
        return group

    def _stored(self, tenant: Tenant, group: Group, request: RequestId | None) -> bool:
        """Store the group's attributes; return False if the group was changed meanwhile."""
        update = Update(
            keys.DIRECTORY,
            (tenant.name, keys.group_item(group.id)),
            (equals("version", group.version, GROUP_SAME),),
            set={
                "attributes": attribute_items(group.attributes),
                "next_attribute_id": group.next_attribute_id,
                "version": group.version + 1,
            },
        )
        try:
            self._requests.write(tenant.name, [update], request)
        except ConditionFailed:
            return False
        return True


def _require_legal(names: Sequence[str], taken: Collection[str]) -> None:
    for place, name in enumerate(names):
        if not 0 < len(name) <= NAME_LENGTH:
            raise IllegalAttribute(
                f"an attribute's name has 1 to {NAME_LENGTH} characters, {name[:60]!r} has {len(name)}"
            )
        if name in taken or name in names[:place]:
            raise IllegalAttribute(f"the name {name!r} is reserved, there already, or sent twice: choose another")
