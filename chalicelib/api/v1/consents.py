"""Records of consent over v1: a face's, and all by when they expire."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.repeats import answer_of, nothing
from chalicelib.api.v1.wire import Answer, Instant, NextToken, Sent, Text, Time, Token
from chalicelib.core import consent
from chalicelib.core.access import Role
from chalicelib.core.consent import Basis
from chalicelib.core.errors import ConsentNotFound, FaceNotFound, InvalidInput
from chalicelib.core.model import Face

LegalBasis = Annotated[
    Basis,
    Meta(
        description="By the GDPR. `consent`: Articles 6(1)(a) and 9(2)(a). `contract`: 6(1)(b). `legal_obligation`: "
        "6(1)(c). `vital_interest`: 6(1)(d), 9(2)(c). `public_interest`: 6(1)(e), 9(2)(g). `legitimate_interest`: "
        "6(1)(f). `employment`: 9(2)(b). `legal_claims`: 9(2)(f). Those of Article 6 alone do not allow biometric data "
        "by themselves."
    ),
]
Evidence = Annotated[
    str, Meta(max_length=500, description="What shows it, such as where the signed form lies. It is no file.")
]


class NewConsent(Sent):
    """On what basis somebody is in the book."""

    basis: LegalBasis
    given_at: Annotated[Instant, Meta(description="When it was given, or when the basis began; at most now.")]
    evidence: Evidence = ""
    expires_at: Annotated[Instant | None, Meta(description="In the future; null: it does not end.")] = None


class Consent(Answer):
    face: str
    name: Annotated[str, Meta(description="The face's.")]
    basis: LegalBasis
    given_at: Time
    evidence: Evidence
    expires_at: Time | None


class ConsentsWanted(Sent):
    expires_before: Annotated[
        Instant | None, Meta(description="Only those that expire before then, and that have already; else all.")
    ] = None
    face: Annotated[Text | None, Meta(description="Only that of this face, or none; without any other parameter.")] = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class ConsentsPage(Answer):
    consents: list[Consent]
    next_token: NextToken


def list_consents(call: Call, query: ConsentsWanted) -> ConsentsPage:
    """List the records of all faces, the one that expires first at the beginning; last those that do not expire."""
    if query.face is not None:
        if query.expires_before is not None or query.token is not None:
            raise InvalidInput("face is one record at most: leave out expires_before and token")
        found = call.services.faces.get(call.tenant, query.face)
        return ConsentsPage(consents=[_answer(found, found.consent)] if found.consent else [], next_token=None)
    page = call.services.consents.page(call.tenant, query.expires_before, query.limit, query.token)
    records = [_answer(face, face.consent) for face in page.rows if face.consent]
    return ConsentsPage(consents=records, next_token=page.next_token)


def get_consent(call: Call) -> Consent:
    """Read a face's record of consent."""
    face, record = call.services.consents.of_face(call.tenant, call.path["id"])
    return _answer(face, record)


def set_consent(call: Call, body: NewConsent) -> Consent:
    """Write down on what basis a face is in the book, in place of what was written before."""
    call.services.consents.set(call.tenant, call.path["id"], record_of(body), call.request)
    return get_consent(call)


def withdraw_consent(call: Call) -> None:
    """Take a face's record away. No undo of a merge brings it back.

    The face itself stays: erase it if nothing else allows you to keep it.
    """
    call.services.consents.withdraw(call.tenant, call.path["id"], call.request)


OPERATIONS = (
    Operation("GET", "/v1/consents", list_consents, Role.VIEWER, errors=(FaceNotFound,)),
    Operation("GET", "/v1/faces/{id}/consent", get_consent, Role.VIEWER, errors=(FaceNotFound, ConsentNotFound)),
    Operation(
        "PUT",
        "/v1/faces/{id}/consent",
        set_consent,
        Role.OPERATOR,
        errors=(FaceNotFound, ConsentNotFound),
        again=answer_of(get_consent),
    ),
    Operation(
        "DELETE",
        "/v1/faces/{id}/consent",
        withdraw_consent,
        Role.OPERATOR,
        errors=(FaceNotFound, ConsentNotFound),
        again=nothing,
    ),
)


def record_of(body: NewConsent) -> consent.Consent:
    return consent.Consent(body.basis, body.given_at, body.evidence, body.expires_at)


def _answer(face: Face, record: consent.Consent) -> Consent:
    return Consent.made_of(record, face=face.faceid, name=face.name)
