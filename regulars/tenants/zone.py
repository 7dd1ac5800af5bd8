"""The time zone that this machine is set to."""

from __future__ import annotations

from zoneinfo import ZoneInfoNotFoundError

from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import require_zone

UTC = "Etc/UTC"


def zone_of_machine() -> str:
    """Return the IANA name of the zone by which this machine shows the time; UTC if it has no zone with a name."""
    import tzlocal

    try:
        return require_zone(tzlocal.get_localzone_name())
    except (InvalidInput, ZoneInfoNotFoundError, OSError, ValueError):
        return UTC
