"""The settings that a tenant changes itself. All others are its operator's (tenants/accounts)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput
from chalicelib.core.items import attempts
from chalicelib.core.model import Migration, Tenant
from chalicelib.core.ports import Action
from chalicelib.core.retention import RETENTION
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.groups.groups import Groups, migration_update
from chalicelib.services.tenants.accounts import Tenants
from chalicelib.services.tenants.settings import SAID

OF_TENANT = (
    "time_zone",
    "attributes_off",
    "least_liveness",
    "min_age",
    "enrol_quality",
    "review_margin",
    "learns",
    "learnt_days",
    "consent_required",
    "expired_consent_erases",
    *SAID,
    "keeps_pictures",
    "no_pictures_of",
    *RETENTION,
    "deletes_erase",
)
"""Fields of TenantSettings."""
OF_MIGRATION = ("arrive_times", "period_days")
"""Fields of Migration."""


@dataclass
class OwnSettings:
    tenants: Tenants
    groups: Groups
    requests: Requests

    def get(self, tenant: Tenant) -> tuple[Tenant, Migration]:
        """Return the tenant as it is now, and when a stranger becomes a regular. Raises TenantNotFound."""
        return self.tenants.named(tenant.name), self.groups.migration(tenant)

    def change(self, tenant: Tenant, changes: Mapping[str, Any], request: RequestId | None = None) -> None:
        """Set the fields in `changes`, of OF_TENANT and OF_MIGRATION, all or none.

        Raises InvalidInput, TenantNotFound, Busy, AnsweredAlready.
        """
        unknown = sorted(set(changes) - {*OF_TENANT, *OF_MIGRATION})
        if unknown:
            raise InvalidInput(f"{unknown[0]!r} cannot be set here: its operator sets it")
        own = {name: changes[name] for name in OF_TENANT if name in changes}
        rule = {name: changes[name] for name in OF_MIGRATION if name in changes}
        for _ in attempts():
            actions: list[Action] = []
            if own:
                actions.append(self.tenants.settings_update(self.tenants.named(tenant.name), own))
            if rule:
                actions.append(migration_update(tenant.name, rule))
            with suppress(ConditionFailed):  # its operator changed its limits meanwhile
                return self.requests.write(tenant.name, actions, request)
        raise Busy("the settings of this tenant are changed all the time: send the request again in a moment")
