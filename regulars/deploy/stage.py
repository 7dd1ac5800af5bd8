"""A stage by its name: its settings, as the outputs of its stack state them, and the tenant of its canary."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING

from chalicelib.core.errors import RegularsError, TenantExists

if TYPE_CHECKING:
    from regulars.deploy.stack import Account


def settings(stage: str) -> dict[str, str]:
    """Return REGULARS_* of a stage in the environment's account and region.

    Raises InvalidInput if no stage can have that name, NotDeployed if there is none of that name.
    """
    account, stack = _account_and_stack(stage)
    return account.settings(stack)


def stopped(stage: str | None) -> AbstractContextManager[None]:
    """Let no function of a stage run while a block lasts, or for good if it fails. None: of a box, whose are none."""
    if stage is None:
        return nullcontext()
    account, stack = _account_and_stack(stage)
    return account.stopped(stack)


def _account_and_stack(stage: str) -> tuple[Account, str]:
    import boto3

    from regulars.deploy.deploy import stack_name
    from regulars.deploy.stack import Account

    return Account(boto3.session.Session()), stack_name(stage)


def add_canary(stage: str, parameters: Mapping[str, str]) -> None:
    """Make the tenant as which the canary asks, and print that, unless it is there.

    A stage that is stopped stays empty: perhaps a backup will be restored into it.
    """
    from chalicelib.core.model import Profile
    from chalicelib.core.tenant_settings import TenantSettings
    from regulars.deploy.deploy import stops
    from regulars.options import opened, settings_of

    name = parameters.get("CanaryTenant", "")
    if not name or stops(parameters):
        return
    try:
        with closing(opened(settings_of(stage=stage))) as services:
            services.tenants.add(name, Profile.CAMERA, TenantSettings(time_zone="UTC"))
            print(f"made the tenant {name}, as which the canary asks: enrol nobody in it")
    except TenantExists:
        return
    except RegularsError as error:
        print(f"warning     the tenant {name} was not made, so CanaryFails goes off: {error}")
