"""The tenant of a stage's canary, which `regulars deploy` adds to a new stage."""

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
    """Add the tenant `name` with a camera and a hook unless they exist, and report it.

    Prints a warning if the stage's storage fails. `url`: of the stage's API.
    """
    days = TenantSettings(time_zone="UTC", capture_days=1, sighting_days=1, observation_days=150)
    kept = replace(days, stranger_days=1, **DRAWN)
    try:
        with closing(open_services(choose_settings(stage=stage))) as services:
            try:
                services.tenants.add(name, Profile.CAMERA, kept)
                print(f"added the tenant {name} for the canary; do not enrol anyone in it")
            except TenantExists:
                pass
            if equip_tenant(services, name, name_receiver(url)):
                print(
                    f"added a camera and a hook to {name}: a drawn face passes through both every "
                    "five minutes"
                )
    except RegularsError as error:
        print(
            f"warning     the tenant {name} is incomplete, so the alarm CanaryFails will fire: "
            f"{error}"
        )
