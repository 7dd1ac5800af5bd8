"""Operations of data protection: consent, legal holds, receipts of erasures, and all that is held
about a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta, field

from chalicelib.api.dialects import NAMES
from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as, answer_nothing
from chalicelib.api.v1.wire import (
    Answer,
    Instant,
    NextToken,
    Paged,
    Sent,
    Text,
    Time,
    Token,
    parse_as,
)
from chalicelib.auth.roles import Role
from chalicelib.book import faces
from chalicelib.book.faces import Person
from chalicelib.domain import audit_events, consent, errors, model
from chalicelib.domain.consent import Basis
from chalicelib.domain.model import Face
from chalicelib.domain.tenant_settings import NoticeSetting
from chalicelib.privacy import erasure_progress
from chalicelib.privacy.erasure_progress import require_done
from chalicelib.privacy.retention import find_outlook
from chalicelib.privacy.texts import Language
from chalicelib.storage.values import parse_optional, time_text

if TYPE_CHECKING:
    from chalicelib.privacy.restrictions import Restrictions as Restricting

operations = Operations()

LegalBasis = Annotated[
    Basis,
    Meta(
        description="By the GDPR, Article 9(2). `consent`: (a), explicit consent. `employment`: "
        "(b), law of "
        "employment, social security and social protection. `vital_interest`: (c). `legal_claims`: "
        "(f). "
        "`public_interest`: (g), substantial public interest, on the basis of law."
    ),
]
Ground = Annotated[
    Literal["consent", "employment", "vital_interest", "legal_claims", "public_interest"],
    Meta(description="A ground of the GDPR's Article 9(2), as in the answer."),
]
Evidence = Annotated[
    str,
    Meta(
        max_length=500,
        description="What shows it, such as where the signed form lies. It is no file.",
    ),
]


class NewConsent(Sent):
    """On what basis somebody is in the book."""

    basis: Ground
    given_at: Annotated[
        Instant, Meta(description="When it was given, or when the basis began; at most now.")
    ]
    evidence: Evidence = ""
    expires_at: Annotated[
        Instant | None, Meta(description="In the future; null: it does not end.")
    ] = None


class Consent(Answer):
    face: str
    name: Annotated[str, Meta(description="The face's.")]
    basis: LegalBasis
    given_at: Time
    evidence: Evidence
    expires_at: Time | None


class ConsentsWanted(Paged):
    expires_before: Annotated[
        Instant | None,
        Meta(description="Only those that expire before then, and that have already; else all."),
    ] = None
    face: Annotated[
        Text | None,
        Meta(description="Only that of this face, or none; without any other parameter."),
    ] = None


class ConsentsPage(Answer):
    consents: list[Consent]
    next_token: NextToken


@operations("GET", "/v1/consents", Role.VIEWER, tag="consents")
def list_consents(context: V1Context, query: ConsentsWanted) -> ConsentsPage:
    """List the records of all faces, the one that expires first at the beginning; last those that
    do not expire."""
    if query.face is not None:
        if query.expires_before is not None or query.token is not None:
            raise errors.InvalidInput(
                "face is one record at most: leave out expires_before and token"
            )
        found_face = context.services.faces.get(context.tenant, query.face)
        return ConsentsPage(
            consents=[_answer(found_face, found_face.consent)] if found_face.consent else [],
            next_token=None,
        )
    page = context.services.consents.read_page(
        context.tenant, query.expires_before, query.limit, query.token
    )
    records = [_answer(face, face.consent) for face in page.rows if face.consent]
    return ConsentsPage(consents=records, next_token=page.next_token)


@operations("GET", "/v1/faces/{id}/consent", Role.VIEWER, tag="consents")
def get_consent(context: V1Context) -> Consent:
    """Read a face's record of consent.

    An ended one is read by who may list restrictions: to others the face is not there.
    """
    faceid = context.path_values["id"]
    if not context.caller.role.includes(Role.OPERATOR):
        context.services.faces.get(context.tenant, faceid)
    face, record = context.services.consents.of_face(context.tenant, faceid)
    return _answer(face, record)


@operations(
    "PUT", "/v1/faces/{id}/consent", Role.OPERATOR, tag="consents", again=answer_as(get_consent)
)
def set_consent(context: V1Context, body: NewConsent) -> Consent:
    """Write down on what basis a face is in the book, in place of what was written before."""
    context.services.consents.set(
        context.tenant, context.path_values["id"], make_consent_record(body), context.request_id
    )
    return get_consent(context)


class Withdrawal(Sent):
    """A withdrawal of somebody's consent."""

    remember_basis: Annotated[
        Ground | None,
        Meta(
            description="The person asks to be remembered in order to be forgotten: the ground on "
            "which the template is compared from now on. Null: nobody asked for that."
        ),
    ] = None
    remember_evidence: Annotated[
        Evidence,
        Meta(description="What shows that wish, such as where the letter lies. It is no file."),
    ] = ""


@operations("DELETE", "/v1/faces/{id}/consent", Role.OPERATOR, tag="consents", again=answer_nothing)
def withdraw_consent(context: V1Context, query: Withdrawal) -> None:
    """Take a face's record away. No undo of a merge brings it back.

    The face is restricted at once, as by `PUT /v1/faces/{id}/restriction`, and so are the others of
    its named face set: nobody finds it, names it, learns from it or is told of it. After
    `ended_days` the sweep erases it. Of somebody who asks to be remembered (`remember_basis`, also
    after the withdrawal) it keeps the template with its id, and erases these after
    `remembered_days`; so it does of all, if the setting `expired_consent_erases` is off. Sent again
    without that wish, it takes the wish back, until all but the template is gone. A record that is
    written down again brings back what is there. So it is when a record expires. Of a face under
    legal hold the record itself stays, as evidence.
    """
    if query.remember_basis is None and query.remember_evidence:
        raise errors.InvalidInput("remember_evidence is of a wish: send its remember_basis, too")
    context.services.consents.withdraw_consent(
        context.tenant,
        context.path_values["id"],
        context.request_id,
        context.services.consents.make_wish(query.remember_basis, query.remember_evidence),
    )


def make_consent_record(body: NewConsent) -> consent.Consent:
    return consent.Consent(Basis(body.basis), body.given_at, body.evidence, body.expires_at)


def _answer(face: Face, record: consent.Consent) -> Consent:
    audit_events.report_people([face.faceid])
    return Consent.made_of(record, face=face.faceid, name=face.name)


Reason = Annotated[str, Meta(min_length=1, max_length=500)]


Taken = Annotated[
    list[str],
    Meta(
        description="The face, and all others of its face set, if that has a name: a change is of "
        "all of them."
    ),
]
Others = Annotated[
    list[str],
    Meta(description="Other faces of its face set, if that has no name: a change leaves these."),
]
Whole = Annotated[
    bool | None,
    Meta(
        description="True: all faces of its face set. False: this face alone. Null: all, if the "
        "set has a name, else this one alone."
    ),
]


class MarkChange(Sent, kw_only=True):
    reason: Annotated[
        Reason,
        Meta(
            description="Why: what the person asks for, the number of a case, the letter of an "
            "authority."
        ),
    ]
    whole: Whole = None


class Marked(Answer, kw_only=True):
    face: Annotated[str, Meta(description="Its id.")]
    reason: Annotated[
        str | None,
        Meta(description="Null if it is neither held nor restricted; likewise the time."),
    ]
    since: Time | None
    faces: Taken
    others: Others


def _describe_protection(
    faceid: str, protection: model.Hold | model.Restriction | None, person: Person | None = None
) -> dict[str, Any]:
    """Return the members that the answers about holds and restrictions have in common.

    `protection`: the face's hold or restriction; None: it has none. `person`: the face's person;
    None: the answer is about the face alone.
    """
    faces, others = person or Person((faceid,), ())
    reason = None if protection is None else protection.reason
    if isinstance(protection, model.Restriction):
        reason = protection.said
    since = None if protection is None else time_text(protection.at)
    audit_events.report_people([faceid, *faces, *others])
    return {
        "face": faceid,
        "reason": reason,
        "since": since,
        "faces": list(faces),
        "others": list(others),
    }


def _read_face_and_person(context: V1Context) -> tuple[Face, Person]:
    """Return the face of the path, and all faces that may be the same person's."""
    face = context.services.faces.get(context.tenant, context.path_values["id"], restricted=True)
    return face, context.services.faces.find_person(context.tenant, face.faceid)


class HoldChange(MarkChange):
    held: Annotated[bool, Meta(description="True sets the hold, false lifts it.")]


class Hold(Marked):
    """The legal hold of a face.

    Nothing of a face on hold is removed or replaced, and retention leaves it as it is.
    """

    held: bool


class Holds(Answer):
    holds: Annotated[list[Hold], Meta(max_length=1000)]
    next_token: Annotated[NextToken, Meta(description="Null: all are in one answer.")]


@operations("GET", "/v1/holds", Role.OPERATOR, tag="holds")
def list_holds(context: V1Context) -> Holds:
    """List the faces under legal hold, by their ids.

    It reads these only, however many faces there are.
    """
    found_faces = context.services.faces.holds.list_all(context.tenant.name)
    return Holds(
        holds=[
            Hold(held=True, **_describe_protection(face.faceid, face.hold)) for face in found_faces
        ],
        next_token=None,
    )


@operations("GET", "/v1/faces/{id}/hold", Role.OPERATOR, tag="holds")
def get_hold(context: V1Context) -> Hold:
    """Read whether a face is under legal hold."""
    face, person = _read_face_and_person(context)
    return Hold(held=face.hold is not None, **_describe_protection(face.faceid, face.hold, person))


@operations("PUT", "/v1/faces/{id}/hold", Role.ADMIN, tag="holds", again=answer_as(get_hold))
def change_hold(context: V1Context, body: HoldChange) -> Hold:
    """Set or lift the legal hold of a face, and of the other faces of its named face set, or of any
    face set (`whole`).

    While it is held, whatever would delete it, or remove or replace a picture, value, sighting or
    the consent of it, is answered 409 FaceHeld and changes nothing: so are a rejection, a merge
    into another face and the undo of one into it. It still gains visits, pictures, values that were
    empty, and other faces by merges. Retention leaves the face, its observations and the captures
    that show it. Set again, only the reason changes. 409 TooMany if 1,000 are held. If the
    consent ended meanwhile, what goes by that goes a day after the hold is lifted: renew the
    consent until then.
    """
    _change_each(context, body, context.services.faces.holds, is_set=body.held)
    return get_hold(context)


def _change_each(
    context: V1Context, body: MarkChange, marks: faces.Holds | Restricting, *, is_set: bool
) -> None:
    """Change all that are meant.

    The request is answered with the last, so that a repeat ends what was cut off.
    """
    faceids = context.services.faces.find_person(
        context.tenant, context.path_values["id"]
    ).choose_faces(body.whole)
    change = marks.set if is_set else marks.lift
    if is_set:
        marks.require_room(context.tenant, faceids)
    for faceid in reversed(faceids):
        change(
            context.tenant,
            faceid,
            body.reason,
            context.request_id if faceid == faceids[0] else None,
        )


class RestrictionChange(MarkChange):
    restricted: Annotated[bool, Meta(description="True restricts the face, false lifts that.")]


class Restriction(Marked):
    """Restriction of a face.

    Restricted, it is kept without being used: nobody matches it, or reads it by its id.
    """

    restricted: bool
    ended: Annotated[
        Literal["withdrawn", "expired"] | None,
        Meta(
            description="How its record of consent ended, which restricts it, too; null: it did "
            "not."
        ),
    ]
    erased_at: Annotated[
        Time | None,
        Meta(
            description="From then on the sweep erases it, since its consent has ended; null: "
            "somebody has to decide."
        ),
    ]
    stripped_at: Annotated[
        Time | None,
        Meta(
            description="From then on only its id and template are left until `erased_at`; null: "
            "they are by now, or it is erased as a whole."
        ),
    ]
    remember_basis: Annotated[
        LegalBasis | None,
        Meta(
            description="The ground on which the person asked to be remembered in order to be "
            "forgotten; null: nobody asked for that."
        ),
    ]


class Restrictions(Answer):
    restrictions: Annotated[list[Restriction], Meta(max_length=1000)]
    next_token: Annotated[NextToken, Meta(description="Null: these are the last.")]


class RestrictionsWanted(Sent):
    token: Token | None = None


@operations("GET", "/v1/restrictions", Role.OPERATOR, tag="restrictions")
def list_restrictions(context: V1Context, query: RestrictionsWanted) -> Restrictions:
    """List the restricted faces (GDPR, Article 18), and those whose consent has ended.

    No other list shows them.
    """
    page = context.services.restrictions.read_page(context.tenant, 1_000, query.token)
    return Restrictions(
        restrictions=[_describe_restriction(context, face) for face in page.rows],
        next_token=page.next_token,
    )


_ENDED: Mapping[str, Literal["withdrawn", "expired"]] = {
    "withdrawn": "withdrawn",
    "expired": "expired",
}


def _describe_restriction(
    context: V1Context, face: Face, person: Person | None = None
) -> Restriction:
    """Describe why a face is restricted, that is, neither found nor named.

    It says whether the record of consent was withdrawn or has expired, and when that erases the
    face. `person`: the one whose face it is; None: not read, or there is none.
    """
    restriction, wish = face.restriction, face.remembered
    outlook = find_outlook(context.tenant, face) if restriction else None
    return Restriction(
        restricted=restriction is not None,
        ended=_ENDED.get(restriction.ended) if restriction else None,
        erased_at=parse_optional(time_text, outlook and outlook.erased_at),
        stripped_at=parse_optional(time_text, outlook and outlook.stripped_at),
        remember_basis=wish.basis if wish else None,
        **_describe_protection(face.faceid, restriction, person),
    )


@operations("GET", "/v1/faces/{id}/restriction", Role.OPERATOR, tag="restrictions")
def get_restriction(context: V1Context) -> Restriction:
    """Read whether a face is restricted."""
    return _describe_restriction(context, *_read_face_and_person(context))


@operations(
    "PUT",
    "/v1/faces/{id}/restriction",
    Role.ADMIN,
    tag="restrictions",
    again=answer_as(get_restriction),
)
def change_restriction(context: V1Context, body: RestrictionChange) -> Restriction:
    """Restrict a face and all others of its named face set, or of any face set (`whole`), or lift
    that: GDPR, Article 18.

    A restricted face is kept as it is, with its pictures, and used for nothing: no search finds it
    but one for the person's own request (`restricted` of `POST /v1/identify`), no list of faces has
    it, and a call that names it is answered as if there were none, by every dialect. Its visits are
    listed as somebody's, as those of an erased person are, so that lists have as many as totals
    count. Who comes again is counted as a stranger. It is in archives of all that is held about a
    person, it can be erased, and retention leaves it. Lifted, it is in its group again, or in the
    group `regular` if its own was deleted; of a consent that expired meanwhile, it is as after a
    legal hold. If its record of consent has ended, it stays restricted until there is one again.
    409 TooMany if 1,000 are restricted.
    """
    _change_each(context, body, context.services.restrictions, is_set=body.restricted)
    return get_restriction(context)


class ErasuresWanted(Paged): ...


class ErasedFaces(Answer):
    """The faces as hashes: HMAC-SHA-256 of `id`, a line break and the face's id, in hexadecimal.
    The tenant has the key, and nobody else can tell who it was."""

    sha256: list[str]
    key: Annotated[str, Meta(description="SHA-256 of that key.")]
    others: Annotated[
        list[str], Meta(description="Hashes of those who had one of the ids then, and stay.")
    ]


class RefusedPeople(Answer):
    """By what the book refuses these people from now on: such hashes of their ids, pictures and
    records of consent."""

    ended: Annotated[
        Literal["erased", "withdrawn", "expired"], Meta(description="How their consent ended.")
    ]
    at: Annotated[Time, Meta(description="When it ended.")]
    counts_from: Annotated[
        Time, Meta(description="A record of consent that was given then or later counts again.")
    ]
    hmac_sha256: list[str]


class Removed(Answer):
    """SHA-256 of each template and each picture that was removed, in hexadecimal."""

    templates: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


class ErasedCounts(Answer):
    """Counts of what the book held.

    `captures_hidden`: pictures that show others, and the person not any more.
    """

    observations: int = 0
    captures_deleted: int = 0
    captures_hidden: int = 0


class ReceiptStatement(Answer):
    kind: Literal["erasure"]
    tenant: str
    id: str
    asked_at: Time
    done_at: Time
    by: Annotated[
        str, Meta(description="Id of the key that asked for it, or a word for another way.")
    ]
    faces: ErasedFaces
    refused: list[RefusedPeople]
    removed: Removed
    counts: ErasedCounts
    left: Annotated[str, Meta(description="What is left, in words.")]
    app_id: Annotated[
        str, Meta(description="Id of the book, since two boxes may have shops of one name.")
    ]


class Receipt(Answer):
    """A statement that the tenant signs: save it as it is.

    `regulars receipt verify` checks it without the service.
    """

    statement: ReceiptStatement
    public_key: Annotated[
        str,
        Meta(
            description="Of Ed25519, in base64: `GET /v1/signing-key` has it, perhaps among the "
            "earlier ones."
        ),
    ]
    signature: Annotated[
        str, Meta(description="Over the statement in canonical JSON (RFC 8785), in base64.")
    ]


class Erasure(Answer):
    """An erasure. It knows no face any more once it is done."""

    id: str
    state: Literal["running", "done"]
    faces: Annotated[int, Meta(description="How many faces were deleted.")]
    asked_at: Time
    done_at: Time | None
    step: Annotated[int, Meta(description="How many of its steps are done.")]
    steps: int
    counts: ErasedCounts
    receipt: Receipt | None


class ErasuresPage(Answer):
    erasures: list[Erasure]
    next_token: NextToken


@operations("GET", "/v1/erasures", Role.OPERATOR, tag="erasures")
def list_erasures(context: V1Context, query: ErasuresWanted) -> ErasuresPage:
    """List the erasures, newest first, with their receipts."""
    page = context.services.erasure.records.read_page(context.tenant.name, query.limit, query.token)
    return ErasuresPage(
        erasures=[describe_erasure(erasure) for erasure in page.rows], next_token=page.next_token
    )


@operations("GET", "/v1/erasures/{id}", Role.OPERATOR, tag="erasures")
def get_erasure(context: V1Context) -> Erasure:
    """Read how far an erasure is, and its receipt once it is done.

    The face is gone before the erasure is answered at all. The rest takes minutes: requests that
    were under way end first, and a service that was stopped goes on within the hour.
    """
    return describe_erasure(
        context.services.erasure.records.get(context.tenant.name, context.path_values["id"])
    )


Shops = Annotated[
    Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=40)] | None,
    Meta(
        description="Names of the controller's other shops, which the page names: the person may "
        "be known there, too. No book knows of another, so the client says them."
    ),
]


class ReceiptPageWanted(Sent):
    language: Language = "en"
    shops: Shops = None


class ReceiptPage(Answer):
    """The receipt in plain words, as a page of its own to print on A4, with the signed document in
    it."""

    language: Language
    title: str
    html: str
    missing: Annotated[
        list[NoticeSetting],
        Meta(
            description="Settings that are empty, so that it has a blank for each, such as "
            "`controller`."
        ),
    ]


@operations("GET", "/v1/erasures/{id}/page", Role.OPERATOR, tag="erasures")
def get_receipt_page(context: V1Context, query: ReceiptPageWanted) -> ReceiptPage:
    """Write the receipt of an erasure for the person: why, what was done, what is left, and how to
    check it.

    An erasure that goes on has none yet.
    """
    erasure = context.services.erasure.records.get(context.tenant.name, context.path_values["id"])
    page = context.services.notices.write_receipt_page(
        context.tenant, query.language, require_done(erasure), NAMES, query.shops or ()
    )
    return ReceiptPage.made_of(page, html=page.write_html())


def describe_erasure(erasure: erasure_progress.Erasure) -> Erasure:
    return Erasure.made_of(
        erasure,
        state="running" if erasure.done_at is None else "done",
        faces=erasure.number,
        asked_at=erasure.at,
        steps=len(erasure.steps),
        counts=ErasedCounts(**erasure.counts),
        receipt=None if erasure.receipt is None else parse_as(Receipt, erasure.receipt),
    )


class EverythingWanted(Sent):
    language: Annotated[Language, Meta(description="Of the page in it that people read.")] = "en"
    part: Annotated[
        Text | None, Meta(description="The `next_part` of the answer before; not sent, the first.")
    ] = None
    shops: Shops = None


class Everything(Answer):
    url: Annotated[
        str,
        Meta(
            description="The zip file, for an hour. The URL needs no key: give it to nobody else."
        ),
    ]
    size: Annotated[int, Meta(ge=0, description="Bytes.")]
    next_part: Annotated[
        str | None, Meta(description="Ask for the next part with it; null: this is the last.")
    ]
    others: Annotated[
        list[str],
        Meta(description="Other faces of the same face set: ask for each of them, too."),
    ]
    missing: Annotated[
        list[str],
        Meta(
            description="Settings that are empty, so that its page has a blank for each, such as "
            "`contact`."
        ),
    ]


@operations("GET", "/v1/faces/{id}/everything", Role.ADMIN, tag="everything")
def get_everything(context: V1Context, query: EverythingWanted) -> Everything:
    """Get all that is held about a person, as a zip file: `everything.json`, `index.html` to read,
    and pictures.

    Captures that show others, too, come with the faces of these others hidden. An archive of over
    24 MB comes in parts: ask until `next_part` is null, and unpack all into one folder. The key
    must see pictures.
    """
    context.caller.require_pictures()
    part = context.services.archives.store_part(
        context.tenant,
        context.path_values["id"],
        query.language,
        query.part,
        shops=query.shops or (),
    )
    person = context.services.faces.find_person(context.tenant, context.path_values["id"])
    audit_events.report_people([*person.faces, *person.others])
    return Everything.made_of(
        part,
        url=context.complete_url(part.url),
        others=[*person.faces[1:], *person.others],
        missing=context.services.notices.read_facts(context.tenant).missing,
    )


@operations("POST", "/v1/exports", Role.VIEWER, tag="everything")
def begin_export(context: V1Context) -> None:
    """Say that you read the whole book now, to keep it elsewhere: the audit has an entry of that.

    Nothing else is done. `regulars export` says so by itself. What is read then is an entry, too,
    as all reading is.
    """
