"""The settings of a tenant that an operator makes, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import require_zone
from chalicelib.core.model import DEFAULT_GROUPS, StoredSettings, Tenant
from chalicelib.core.pictures import ATTRIBUTES, require_places
from chalicelib.core.retention import (
    AUDIT_DAYS,
    OBSERVATION_DAYS,
    RETENTION,
    SIGHTING_DAYS,
    STRANGER_DAYS,
    captures_kept,
    sightings_kept,
)
from chalicelib.core.search import FACES_OF_SHARD, MAX_SHARDS

MAX_FACES = MAX_SHARDS * FACES_OF_SHARD
MAX_GROUPS = 5_000
"""A list of groups is one answer of up to about 1 KB a group, and Lambda's answers have up to 6 MB."""

LEAST_CAPTURE_MB = 21
MOST_REVIEW_MARGIN = 0.5
LEARNT_DAYS = range(1, 3_651)
SAID = {"controller": 200, "contact": 200, "purposes": 500}
"""What the notice says of the tenant in its own words, and the most characters of each."""


@dataclass(frozen=True, kw_only=True)
class TenantSettings(StoredSettings):
    """The settings that a new tenant begins with, and the number of shards, which belongs to its gallery."""

    stranger_days: int | None = STRANGER_DAYS
    observation_days: int | None = OBSERVATION_DAYS
    audit_days: int | None = AUDIT_DAYS
    shards: int = 1

    def __post_init__(self) -> None:
        """Raise InvalidInput if a setting is out of bounds."""
        if self.requests_a_day is not None and self.requests_a_day < 1:
            raise InvalidInput(
                f"a quota is at least 1 request a day, not {self.requests_a_day}: to take none, disable the tenant"
            )
        if self.capture_mb_a_day is not None and self.capture_mb_a_day < LEAST_CAPTURE_MB:
            raise InvalidInput(
                f"a camera's captures of a day are at least {LEAST_CAPTURE_MB} MB, one of the largest pictures, "
                f"not {self.capture_mb_a_day}: to take none, disable the camera"
            )
        require_zone(self.time_zone)
        if unknown := sorted(self.attributes_off - set(ATTRIBUTES)):
            raise InvalidInput(f"attributes are {', '.join(ATTRIBUTES)}, not {', '.join(unknown)}")
        if self.least_liveness is not None and not 0 < self.least_liveness <= 1:
            raise InvalidInput(f"liveness is more than 0 and 1 at most, such as 0.5, not {self.least_liveness:g}")
        if self.min_age is not None and not 1 <= self.min_age <= 21:
            raise InvalidInput(f"the least age to recognise is 1 to 21 years, such as 13, not {self.min_age:g}")
        if self.enrol_quality is not None and not MIN_QUALITY <= self.enrol_quality <= 100:
            raise InvalidInput(
                f"the least quality to enrol is {MIN_QUALITY:g} to 100, not {self.enrol_quality:g}: "
                "poorer faces cannot be compared"
            )
        if not 0 <= self.review_margin <= MOST_REVIEW_MARGIN:
            raise InvalidInput(
                f"the margin above the threshold within which matches are for review is 0 to {MOST_REVIEW_MARGIN}, "
                f"not {self.review_margin:g}"
            )
        if self.learnt_days is not None and self.learnt_days not in LEARNT_DAYS:
            raise InvalidInput(
                f"learnt pictures are kept for {LEARNT_DAYS[0]} to {LEARNT_DAYS[-1]} days, or as long as their face, "
                f"not for {self.learnt_days} days"
            )
        for name, longest in SAID.items():
            if len(getattr(self, name)) > longest or not getattr(self, name).isprintable():
                raise InvalidInput(f"{name} is one line of up to {longest} characters")
        for name, bounds in RETENTION.items():
            days = getattr(self, name)
            if days is not None and days not in bounds:
                raise InvalidInput(f"{name} is {bounds[0]} to {bounds[-1]}, or none: no limit of its own; not {days}")
        require_places(self.picture_buckets)
        least = len(DEFAULT_GROUPS)
        if self.faces is not None and not least <= self.faces <= MAX_FACES:
            raise InvalidInput(f"a tenant may hold {least} to {MAX_FACES} faces, not {self.faces}")
        if self.groups is not None and not least <= self.groups <= MAX_GROUPS:
            raise InvalidInput(
                f"a tenant may have {least} to {MAX_GROUPS} groups, its default groups included, not {self.groups}"
            )
        if not 1 <= self.shards <= MAX_SHARDS:
            raise InvalidInput(f"a gallery is cut into 1 to {MAX_SHARDS} shards, not {self.shards}")


def require_retention(tenant: Tenant, most: int) -> None:
    """Raise InvalidInput if a tenant's settings of retention do not fit each other, or its deployment.

    `most`: the days for which the deployment keeps the pictures of captures.
    """
    if tenant.capture_days is not None and tenant.capture_days > most:
        raise InvalidInput(
            f"capture_days is {most} at most, for which this service keeps the pictures of captures, "
            f"not {tenant.capture_days}: its operator may raise that (docs/operations.md)"
        )
    least = min(captures_kept(tenant, most), SIGHTING_DAYS)
    if sightings_kept(tenant) < least:
        raise InvalidInput(
            f"sighting_days is {least} at least, not {tenant.sighting_days}: pictures of captures are kept so long, "
            "and nobody could see or delete one without its record"
        )
