"""The basis on which somebody is in the book, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from chalicelib.core.errors import ConsentMissing, InvalidInput

EVIDENCE_LENGTH = 500
_END = datetime(2200, 1, 1, tzinfo=UTC)


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


class Consent(Struct, frozen=True):
    """The record of one face. `evidence`: such as the signed form's place. `expires_at`: None if it does not end."""

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
