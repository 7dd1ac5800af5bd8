"""The tenant as which a stage's canary asks, and how long a picture may take to its hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from math import ceil
from statistics import median

from chalicelib.domain.errors import RegularsError, TenantExists

CANARY_LIMIT = "CanarySeconds"
"""The parameter: seconds within which the canary's hook has to be told of a picture."""

_HALF_AS_SLOW_AGAIN = 1.5
_LEAST_TIMES = 12
"""Times that make a day's median: those of an hour."""
_KEPT = 1.25
"""The limit stays as it is while the new one is less than so many times larger or smaller: else
each deployment, even one that changes nothing, would change it."""


def choose_canary_limit(times_s: Sequence[float], present_s: float) -> int | None:
    """Choose the seconds that a picture may take, half as many again as usual; None: the present
    limit stays.

    `times_s`: what it took in the last day. `present_s`: the present limit; 0: there is none.
    """
    if len(times_s) < _LEAST_TIMES:
        return None
    limit = min(60, ceil(_HALF_AS_SLOW_AGAIN * median(times_s)))
    is_alike = present_s > 0 and 1 / _KEPT < limit / present_s < _KEPT
    return None if is_alike else limit


def add_canary(stage: str, parameters: Mapping[str, str], url: str) -> None:
    """Make the tenant as which the canary asks, its camera and its hook, and print that, unless
    they are there.

    A stage that is stopped stays empty: perhaps a backup will be restored into it. `url`: of the
    stage's API.
    """
    from chalicelib.api.canary import name_receiver
    from chalicelib.api.promise import equip_tenant
    from chalicelib.domain.model import Profile
    from chalicelib.domain.tenant_settings import TenantSettings
    from regulars.deploy.stack import is_stopped
    from regulars.options import choose_settings, open_services

    name = parameters.get("CanaryTenant", "")
    if not name or is_stopped(parameters):
        return
    try:
        with closing(open_services(choose_settings(stage=stage))) as services:
            try:
                kept = TenantSettings(
                    time_zone="UTC", capture_days=1, sighting_days=1, observation_days=150
                )
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
