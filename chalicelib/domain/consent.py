"""Records of consent: the legal ground on which a person is in the book, and its end.

Which changes need one: domain/grounds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import ConsentOlder, InvalidInput
from chalicelib.storage.values import time_text

EVIDENCE_LENGTH = 500
"""Characters of a record's evidence: where the signed sheet lies, and its number."""
AHEAD = timedelta(minutes=5)
"""How far the clock may be ahead of who says that a record is given now."""
CONSENTS_END = datetime(2200, 1, 1, tzinfo=UTC)


class Basis(StrEnum):
    """The legal ground of GDPR Article 9(2) on which a person's templates may be kept."""

    CONSENT = "consent"
    """9(2)(a), with 6(1)(a): explicit consent."""
    EMPLOYMENT = "employment"
    """9(2)(b): obligations and rights in the field of employment, social security and social
    protection law."""
    VITAL_INTEREST = "vital_interest"
    """9(2)(c), with 6(1)(d): vital interests of somebody who cannot give consent."""
    LEGAL_CLAIMS = "legal_claims"
    """9(2)(f): the establishment, exercise or defence of legal claims."""
    PUBLIC_INTEREST = "public_interest"
    """9(2)(g), with 6(1)(e): substantial public interest, on the basis of law."""


class Consent(Struct, frozen=True):
    """The record of one face: its legal ground, and its end.

    `evidence`: such as the signed form's place. `expires_at`: None if it does not end.
    """

    basis: Basis
    given_at: datetime
    evidence: str = ""
    expires_at: datetime | None = None


class Remembered(Struct, frozen=True):
    """The wish of a person to be remembered in order to be forgotten, after consent has ended.

    `basis`: the ground of Article 9(2) on which the template is compared then; `evidence`: such as
    where the signed wish lies; `at`: when it was written down.
    """

    basis: Basis
    evidence: str
    at: datetime

    def describe(self) -> dict[str, str]:
        """Return it in the form of an audit entry."""
        return {"remember_basis": str(self.basis), "remember_evidence": self.evidence}


NO_WISH = {"remember_basis": "none"}
"""Details of an audit entry if a person has no wish, or took it back."""


class Ending(StrEnum):
    """The way in which a record ended, for which its face is restricted."""

    NONE = ""
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class EndedRecords(NamedTuple):
    """The state of a tenant's ended records, as its directory counts it.

    Of one state, the people are the same.

    `ends`: 0 if nobody whose record has ended is in the book. `changes`: it grows with each change
    of these people, and never falls.
    """

    ends: int
    changes: int


class EndedRecord(NamedTuple):
    """The last record of consent of a face that has ended.

    `ending`: NONE if an erasure ended it. `at`: when it ended; `counts_from`: a record counts that
    was given at this time or later.
    """

    ending: Ending
    at: datetime
    counts_from: datetime

    def require_newer(self, consent: Consent, whose: str, now: datetime) -> None:
        """Raise ConsentOlder if a new record of consent is too old to take this end back.

        It has to be given at `counts_from` or later. `whose` is the person, in words. The message
        tells `now`, since the sender's clock may be behind.
        """
        if consent.given_at >= self.counts_from:
            return
        raise ConsentOlder(
            f"the consent of {whose} {self.say()}, and this record was given at "
            f"{time_text(consent.given_at)}: an older record takes no end back. Write down one "
            f"that was given at {time_text(self.counts_from)} or later. It is {time_text(now)} "
            "here: if your clock says less, it is behind"
        )

    def say(self) -> str:
        """Return how and when it ended, as a sentence."""
        return f"{_ENDED[self.ending]} at {time_text(self.at)}"


_ENDED = {
    Ending.WITHDRAWN: "was withdrawn",
    Ending.EXPIRED: "expired",
    Ending.NONE: "ended by an erasure",
}


def check_record(consent: Consent, now: datetime) -> Consent:
    """Return a record as it is stored: one of a clock that is a little ahead was given now.

    Raises InvalidInput if the basis is no ground, a time cannot be, or the evidence is too long.
    """
    _require_legal(consent, now)
    return replace(consent, given_at=min(consent.given_at, now))


def check_wish(wish: Remembered) -> Remembered:
    """Return a person's wish to be remembered in order to be forgotten, if it can be stored.

    After consent has ended, new pictures are still compared with the template of a person with this
    wish, so that nothing is kept of them. Raises InvalidInput if the basis is no ground for that,
    or the evidence is missing or too long.
    """
    if not wish.evidence.strip():
        raise InvalidInput(
            "say by what the person's wish to be remembered shows, such as where the letter lies"
        )
    _require_length(wish.evidence)
    return wish


def _require_length(evidence: str) -> None:
    if len(evidence) > EVIDENCE_LENGTH:
        raise InvalidInput(
            f"evidence has {EVIDENCE_LENGTH} characters at most, not {len(evidence)}",
            field="evidence",
        )


def _require_legal(consent: Consent, now: datetime) -> None:
    """Raise InvalidInput if a record of consent cannot be: its basis, a time or its evidence."""
    given_at, expires_at = consent.given_at, consent.expires_at
    if given_at > now + AHEAD:  # the sender's clock may be ahead
        raise InvalidInput(
            f"given_at is when the basis began, at most now, not {given_at.isoformat()}",
            field="given_at",
        )
    if expires_at is not None and not now < expires_at < CONSENTS_END:
        raise InvalidInput(
            f"expires_at lies ahead, before {CONSENTS_END.year}, not at {expires_at.isoformat()}; "
            "null: it does not end",
            field="expires_at",
        )
    _require_length(consent.evidence)
