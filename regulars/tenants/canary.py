"""The tenant as which a stage's canary asks: what `regulars deploy` makes in a new stage's book."""

from __future__ import annotations

from contextlib import closing

from msgspec.structs import replace

from chalicelib.api.canary import name_receiver
from chalicelib.api.promise import equip_tenant
from chalicelib.domain.errors import RegularsError, TenantExists
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import DRAWN, TenantSettings
from regulars.options import choose_settings, open_services


def add_canary(stage: str, name: str, url: str) -> None:
    """Make the tenant `name`, its camera and its hook, and print that, unless they are there.

    Print a warning if the stage's storage refuses. `url`: of the stage's API.
    """
    days = TenantSettings(time_zone="UTC", capture_days=1, sighting_days=1, observation_days=150)
    kept = replace(days, stranger_days=1, **DRAWN)
    try:
        with closing(open_services(choose_settings(stage=stage))) as services:
            try:
                services.tenants.add(name, Profile.CAMERA, kept)
                print(f"made the tenant {name}, as which the canary asks: enrol nobody in it")
            except TenantExists:
                pass
            if equip_tenant(services, name, name_receiver(url)):
                print(
                    f"gave {name} a camera and a hook: every five minutes a drawn face goes by both"
                )
    except RegularsError as error:
        print(
            f"warning     the tenant {name} is not as it should be, so CanaryFails goes off: "
            f"{error}"
        )
