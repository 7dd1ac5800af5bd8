"""The people who may be in a book that requires consent: strangers from cameras, and people with a
legal ground.

A stranger has no name, no note or other text, no face set, the group of strangers, and the picture
that a camera made it from. Each action that stores a face asks here (book/visits, book/faces), so
no command or job has to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from chalicelib.domain.consent import Consent, EndedRecord, Ending
from chalicelib.domain.errors import ConsentMissing, FaceErased
from chalicelib.domain.model import BLANK, REGULAR, RESTRICTED, STRANGER, Face, Picture, Tenant
from chalicelib.storage.values import milliseconds, time_text

_TELLS_NOBODY = {"name", "age", "gender", "consent"}
"""Fields that somebody writes and that need no ground here: estimates, and the ground itself.
`more_than_a_stranger` has the name."""


def has_ground(consent: Consent | None) -> bool:
    """Return whether there is a record, which is a ground of Article 9(2)."""
    return consent is not None


def find_ended_record(face: Face) -> EndedRecord | None:
    """Return how a face's last record of consent ended; None: none has ended.

    `counts_from` says when a new record must have been given to count. After a withdrawal it is the
    time of that, which undoes all that was given before. After an expiry it is just after the
    expired record was given, since people renew before the end and write it down afterwards. A
    withdrawal that a merged face brought may make it later.
    """
    restriction, consent = face.restriction, face.consent
    if restriction is not None and restriction.ended is Ending.EXPIRED and consent is not None:
        expired_at = consent.expires_at or restriction.at
        renewed_from = consent.given_at + timedelta(milliseconds=1)  # later than the expired one
        counts_from = max(renewed_from, face.withdrawn_at or renewed_from)
        return EndedRecord(Ending.EXPIRED, expired_at, counts_from)
    if face.withdrawn_at is None:
        return None
    return EndedRecord(Ending.WITHDRAWN, at=face.withdrawn_at, counts_from=face.withdrawn_at)


def is_enrolled(face: Face) -> bool:
    """Return whether a person gave one of the face's pictures."""
    return any(map(_is_given, face.pictures))


def more_than_a_stranger(face: Face, before: Face | None = None) -> Iterator[str]:
    """Yield in words each thing that a face has and strangers never have, such as "a name".

    A stranger is a face that a camera alone put into the book. If `before`, the face before a
    change, is given, only what the change adds is told.
    """
    if face.name and (before is None or face.name != before.name):
        yield "a name"
    if face.group_id != STRANGER and (before is None or face.group_id != before.group_id):
        yield "a group"
    given_pictures = [picture for picture in face.pictures if _is_given(picture)]  # by a person
    former_pictures = () if before is None else before.pictures
    for picture in given_pictures:
        if not any(picture.is_same(former) for former in former_pictures):
            yield "a picture"
            break
    if face.face_set and (before is None or face.face_set != before.face_set):
        yield "a face set"


def list_gains(face: Face, before: Face | None = None) -> list[str]:
    """List in words what a change gives a face that requires a legal ground.

    A ground is a record of consent, say. It is needed for what makes a stranger somebody: "a name",
    "its note" and so on. Faces from before it was asked for may be more than a stranger without
    one. For these, new pictures and visits of a merged face are gains, too. `before` is the face
    before the change; None: it is new.
    """
    gains = [*more_than_a_stranger(face, before)]
    for name, blank in BLANK.items():  # fields that a user writes, each with its empty value
        if name in _TELLS_NOBODY:
            continue
        written = getattr(face, name)
        if written != blank and (before is None or written != getattr(before, name)):
            gains.append(f"its {name}")

    is_stranger = not [*more_than_a_stranger(face)]
    if before is None or is_stranger:
        return gains
    has_new_picture = any(
        not any(picture.is_same(former) for former in before.pictures) for picture in face.pictures
    )
    if has_new_picture and "a picture" not in gains:
        gains.append("a picture")
    if face.merges > before.merges:
        gains.append("visits of another face")
    return gains


class Claim(NamedTuple):
    """A feature of a face by which a person who withdrew is recognised.

    `kind`: "id", "picture" or "record"; `value`: what is hashed; `whose`: the person, in words.
    """

    kind: str
    value: str
    whose: str


def list_claims(face: Face, before: Face | None = None) -> list[Claim]:
    """List the features by which a person who is enrolled or changed may be recognised.

    Ids are those of all dialects: of the face, of its face set, and of a photo. Pictures that
    cameras made do not count, nor a record without evidence, which tells nothing of whom it is.
    With `before`, the face before a change, only what the change adds.
    """
    ids = {
        face.faceid: f"the id {face.faceid!r}",
        face.own_face_set: "this person of several faces",
        face.external_id: f"the external id {face.external_id!r}",
    }
    claims = [Claim("id", id_, f"somebody with {what}") for id_, what in ids.items() if id_]
    claims += [
        Claim("picture", picture.id, "somebody with this picture")
        for picture in face.pictures
        if _is_given(picture)
    ]
    if (record := face.consent) is not None and record.evidence:
        said = f"{milliseconds(record.given_at)}\n{record.evidence}"
        claims.append(Claim("record", said, "somebody with this record"))
    known = set() if before is None else {claim[:2] for claim in list_claims(before)}
    return [claim for claim in claims if claim[:2] not in known]


def require_not_ended(
    consent: Consent | None, ends: Iterable[tuple[Claim, EndedRecord]], now: datetime
) -> None:
    """Raise an error if an enrolment or a change concerns a person who withdrew.

    `consent`: the record that comes with it; `ends`: what is of such a person, with the end after
    which a record counts. Raises ConsentOlder, or FaceErased if there is no record.
    """
    for claim, end in ends:
        if consent is not None:
            end.require_newer(consent, claim.whose, now)
        else:
            raise FaceErased(
                f"the consent of {claim.whose} {end.say()}: enrol with a record of consent that "
                f"was given at {time_text(end.counts_from)} or later (POST /v1/faces). If it is "
                "somebody else, say so with if_erased=enrol there"
            )


def is_made_by_cameras(face: Face) -> bool:
    """Return whether cameras alone have made the face: a stranger, or one that visits promoted."""
    if face.group_id not in (STRANGER, REGULAR) or has_ground(face.consent):
        return False
    return not [*more_than_a_stranger(replace(face, group_id=STRANGER))]


def is_unwritten(face: Face) -> bool:
    """Return whether cameras alone have made the face, and no person has edited it."""
    is_blank = all(getattr(face, name) == blank for name, blank in BLANK.items())
    return is_blank and is_made_by_cameras(face)


def rises(before: Face, after: Face) -> bool:
    """Return whether a change makes more than a stranger of a face that cameras alone have made.

    It does if it gives what no stranger has, a record of consent, or another face's visits. It does
    not if it restricts the face, which is then used for nothing.
    """
    if not is_made_by_cameras(before) or after.group_id == RESTRICTED:
        return False
    # With the new pictures already: those that were learnt of sightings are no gain. Pictures that
    # a person gave are found by the comparison with `before`.
    with_pictures = replace(before, pictures=after.pictures)
    gives_more = bool([*more_than_a_stranger(after, before)]) or bool(
        list_gains(after, with_pictures)
    )
    return gives_more or has_ground(after.consent) or after.merges > before.merges


def may_learn(tenant: Tenant, face: Face) -> bool:
    """Return whether sightings may add pictures to a face. If the tenant requires consent, only to
    a stranger's, or to one with a legal ground."""
    return (
        not tenant.consent_required or has_ground(face.consent) or not [*more_than_a_stranger(face)]
    )


def require_ground(tenant: Tenant, before: Face | None, after: Face) -> None:
    """Raise ConsentMissing if a change makes more of a face than a stranger, without a ground.

    A ground is a record of consent, or another one of Article 9(2) of the GDPR. It is needed only
    if the tenant asks for it (consent_required). A change that takes the ground away is refused if
    the face has anything that needs it. `before` is the face before the change; None: it is new.
    """
    if not tenant.consent_required or has_ground(after.consent):
        return
    # A restricted face is used for nothing, and gets back what it had when that is lifted.
    if after.group_id == RESTRICTED or (before is not None and before.restriction is not None):
        return
    loses_ground = before is not None and has_ground(before.consent)
    # Who loses the ground is judged as a new face: by all that it has.
    gained = list_gains(after, None if loses_ground else before)
    if gained:
        raise ConsentMissing(say_missing(after.faceid if before else "", gained))


def require_record(tenant: Tenant, consent: Consent | None) -> None:
    """Raise ConsentMissing before the work of an enrolment that `require_ground` would refuse."""
    if tenant.consent_required and not has_ground(consent):
        raise ConsentMissing(say_missing("", ("a picture",)))


def say_missing(faceid: str, gained: list[str] | tuple[str, ...]) -> str:
    """Return the message that a record of consent is missing, and where to write it down.

    `faceid` is of the face that lacks it; "": of one that is to be enrolled. `gained` says in words
    what the refused change would give the face.
    """
    who = "nobody is enrolled without a record of consent"
    if faceid:
        who = (
            f"face {faceid!r} has no record of consent, so it gets neither name, text, group, "
            f"picture, visits nor face set (here: {', '.join(gained)})"
        )
    return (
        f"{who}: the tenant's setting consent_required. Write the record down first (PUT "
        "/v1/faces/ID/consent, or the console), or send it with POST /v1/faces; the other dialects "
        "cannot"
    )


def say_withdrawn() -> str:
    """Return the reason why a person whose record of consent was withdrawn, or has expired, is not
    enrolled."""
    return (
        "this looks like somebody whose record of consent was withdrawn or has expired, so nobody "
        "is enrolled without "
        "a record: write the record down again (PUT /v1/faces/ID/consent of the face that GET "
        "/v1/restrictions lists, "
        "or the console), send one with POST /v1/faces, or erase that face first"
    )


def say_stranger_withdrawn(*, is_erased: bool) -> str:
    """Return the message why a stranger gets no name or the like, and what happened to the
    stranger.

    The stranger, a face that cameras made, looks like somebody whose record of consent has ended.
    So only a newer record helps. `is_erased` tells that the stranger was deleted with its visits.
    """
    became = "nothing of it was changed"
    newer = (
        "write a record down that is newer than that end (PUT /v1/faces/ID/consent of this "
        "stranger, or the console)"
    )
    if is_erased:
        became = "it was erased with its visits"
        newer = "enrol the person with a record that is newer than that end (POST /v1/faces)"
    return (
        "by all its pictures, this stranger looks like somebody whose record of consent was "
        f"withdrawn or has expired: {became}. To have more than a stranger, {newer}"
    )


def _is_given(picture: Picture) -> bool:
    """Return whether a person gave the picture: it was not learnt, and no camera made a stranger
    from it."""
    return picture.learnt is None and picture.founded_at is None
