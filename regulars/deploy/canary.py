"""The tenant as which a stage's canary asks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from chalicelib.book.words.errors import RegularsError, TenantExists


def add_canary(stage: str, parameters: Mapping[str, str]) -> None:
    """Make the tenant as which the canary asks, and print that, unless it is there.

    A stage that is stopped stays empty: perhaps a backup will be restored into it.
    """
    from chalicelib.book.words.model import Profile
    from chalicelib.book.words.tenant_settings import TenantSettings
    from regulars.deploy.deploy import is_stopped
    from regulars.options import choose_settings, open_services

    name = parameters.get("CanaryTenant", "")
    if not name or is_stopped(parameters):
        return
    try:
        with closing(open_services(choose_settings(stage=stage))) as services:
            services.tenants.add(name, Profile.CAMERA, TenantSettings(time_zone="UTC"))
            print(f"made the tenant {name}, as which the canary asks: enrol nobody in it")
    except TenantExists:
        return
    except RegularsError as error:
        print(f"warning     the tenant {name} was not made, so CanaryFails goes off: {error}")
