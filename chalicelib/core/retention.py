"""Retention: for how many days each kind of data is kept, since when a face was not seen, and on what basis it is.

What a tenant sets no number for stays for ever, or as long as its deployment keeps it. So one of an earlier version
keeps all that it has until somebody sets a number. New ones begin with the numbers below (docs/decisions/0050).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from chalicelib.core.errors import ConsentMissing, InvalidInput
from chalicelib.core.model import REGULAR, STRANGER, Face, Group, Tenant

What = TypeVar("What")


SIGHTING_DAYS = 120
"""Most days that the record of a capture is kept: storage itself expires it then."""

STRANGER_DAYS, OBSERVATION_DAYS, AUDIT_DAYS = 90, 400, 400
"""What new tenants begin with. The rest they keep as long as the deployment does, or for ever.

Regulars are not among these: somebody enrolled them, or they came often enough, on purpose.
"""

EVIDENCE_LENGTH = 500

_END = datetime(2200, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """A kind of data that is kept for so many days."""

    CAPTURES = "captures"
    """Pictures of captures, and faces that were cut out of them."""
    SIGHTINGS = "sightings"
    """Records of captures."""
    OBSERVATIONS = "observations"
    FACES = "faces"


class Due(NamedTuple, Generic[What]):
    """A thing that is deleted. `since`: its age counts from then; `goes_at`: from then on it is kept no longer."""

    since: datetime
    goes_at: datetime
    what: What


RETENTION: Mapping[str, range] = MappingProxyType(
    {
        "capture_days": range(1, 36_501),
        "sighting_days": range(1, SIGHTING_DAYS + 1),
        "stranger_days": range(1, 3_651),
        "regular_days": range(1, 3_651),
        "observation_days": range(150, 3_651),
        "audit_days": range(1, 3_651),
    }
)
"""Bounds of each setting, by its name in a Tenant.

Visits are counted again from the observations of 100 days (core/visits), and one visit lasts 49 days at most.
"""

UNSEEN_DAYS = RETENTION["stranger_days"]
"""Bounds of a group's own setting."""


def captures_kept(tenant: Tenant, most: int) -> int:
    """Return for how many days the tenant's pictures of captures are kept. `most`: the deployment's days."""
    return min(tenant.capture_days or most, most)


def sightings_kept(tenant: Tenant) -> int:
    """Return for how many days the records of the tenant's captures are kept."""
    return tenant.sighting_days or SIGHTING_DAYS


def unseen_kept(tenant: Tenant, group: Group) -> int | None:
    """Return after how many days without a visit a face of the group is deleted; None: never."""
    return {STRANGER: tenant.stranger_days, REGULAR: tenant.regular_days}.get(group.id, group.unseen_days)


def unseen_since(face: Face) -> datetime:
    """Return since when a face is unseen: its last arrival, its enrolment or a person's change, whichever is latest."""
    given = (one.added_at for one in face.pictures if one.learnt is None)
    return max(at for at in (face.enrolled_at, face.last_arrival_at, face.changed_at, *given) if at is not None)


class Basis(StrEnum):
    """The legal basis, by the terms of the GDPR: Article 6(1), and 9(2), which biometric data need besides."""

    CONSENT = "consent"
    """6(1)(a) and 9(2)(a): the person said yes, explicitly."""
    CONTRACT = "contract"
    """6(1)(b). Of itself it is no ground of Article 9."""
    LEGAL_OBLIGATION = "legal_obligation"
    """6(1)(c). Of itself it is no ground of Article 9."""
    VITAL_INTEREST = "vital_interest"
    """6(1)(d) and 9(2)(c)."""
    PUBLIC_INTEREST = "public_interest"
    """6(1)(e) and 9(2)(g)."""
    LEGITIMATE_INTEREST = "legitimate_interest"
    """6(1)(f). Of itself it is no ground of Article 9."""
    EMPLOYMENT = "employment"
    """9(2)(b): law of employment and social security."""
    LEGAL_CLAIMS = "legal_claims"
    """9(2)(f)."""


@dataclass(frozen=True)
class Consent:
    """The record of one face. `evidence`: such as where the signed form lies. `expires_at`: None if it does not end."""

    basis: Basis
    given_at: datetime
    evidence: str = ""
    expires_at: datetime | None = None


def require_legal(consent: Consent, now: datetime) -> None:
    """Raise InvalidInput if the record says what cannot be."""
    if consent.given_at > now:
        raise InvalidInput(f"given_at is when the basis began, at most now, not {consent.given_at.isoformat()}")
    if consent.expires_at is not None and not now < consent.expires_at < _END:
        raise InvalidInput(
            f"expires_at lies ahead, before {_END.year}, not at {consent.expires_at.isoformat()}; null: it does not end"
        )
    if len(consent.evidence) > EVIDENCE_LENGTH:
        raise InvalidInput(f"evidence has {EVIDENCE_LENGTH} characters at most, not {len(consent.evidence)}")


def require_consent(consent: Consent | None, *, is_required: bool) -> None:
    """Raise ConsentMissing if the tenant enrols nobody without a record, and there is none."""
    if is_required and consent is None:
        raise ConsentMissing(
            "this tenant enrols nobody without a record of consent (its setting consent_required): send consent with "
            "POST /v1/faces, which the other dialects cannot"
        )
