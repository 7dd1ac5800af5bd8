"""The act under way: who does what, by which request. What is written meanwhile names it in the audit.

The dialects' endpoints, the chores and the command line begin an act; outside of one nothing is noted. The table at the
end says what of each act becomes an entry, and tests/services/audit/test_acts.py which acts are none: it holds both
against all routes, chores and commands. Routes of v1 stand in it by method and path, those of the dialects by their
names, commands and chores by theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The part of an act that becomes an entry (the table below says it of each)."""

    CHANGE = "change"
    """Each of its transactions that changes the book or the account."""
    DECISION = "decision"
    """Its decision, even if it stores nothing."""
    READ = "read"
    """The pictures that it shows: once an hour for each key and picture."""
    EXPORT = "export"
    """The fact that it was done."""
    CHORE = "chore"
    """Its transactions that change faces or merges: the service itself does it."""
    SIGHTING = "sighting"
    """Its transactions that delete a face to make room; the rest stands in the capture itself."""
    NOTHING = "nothing"


@dataclass
class Act:
    """One call of somebody. `what`: its name; `by`: whose.

    `tenant`: "" if what is written says whose it is. `about`: names of ours that say what it concerns, such as a key's
    id; never a person's name, unless somebody gives it as a reason: with the entries about the face that is erased.
    """

    what: str
    by: str
    kind: Kind
    tenant: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    shown: dict[str, None] = field(default_factory=dict)
    """The subjects whose pictures its answer shows: `face ID`, `capture CAMERA ID` or `still CAMERA TIME`, in order."""
    decided: list[Mapping[str, Any]] = field(default_factory=list)
    """Decisions of a search, one for each face that was searched for."""
    entered: bool = False
    """Whether an entry of it was written."""


_current: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def begun(act: Act) -> Iterator[Act]:
    """Count what is written inside, in this thread or task, as this act's."""
    token = _current.set(act)
    try:
        yield act
    finally:
        _current.reset(token)


def current() -> Act | None:
    return _current.get()


def shows(what: str) -> None:
    """Report that the answer shows a picture of `what`."""
    if (act := _current.get()) is not None:
        act.shown[what] = None


def says(**about: Any) -> None:
    """Add to what the act's entries say, such as the reason that somebody gives for it."""
    if (act := _current.get()) is not None:
        act.about = {**act.about, **about}


def decided(decisions: list[Mapping[str, Any]]) -> None:
    """Report what a search decided; a later search of the same act takes its place, since it was made again."""
    if (act := _current.get()) is not None:
        act.decided = decisions


_ACTS = {
    Kind.CHANGE: """
        PATCH /v1/settings
        POST /v1/cameras
        PATCH /v1/cameras/{id}
        DELETE /v1/cameras/{id}
        POST /v1/cameras/{id}/key
        POST /v1/cameras/{id}/claim
        POST /v1/cameras/{id}/still
        POST /v1/claims
        POST /v1/captures/{id}/redrive
        POST /v1/duplicates/{id}/done
        POST /v1/face-changes
        POST /v1/faces
        PATCH /v1/faces/{id}
        DELETE /v1/faces/{id}
        POST /v1/faces/{id}/merge
        POST /v1/faces/{id}/pictures
        DELETE /v1/faces/{id}/pictures/{picture}
        DELETE /v1/faces/{id}/rejections/{sighting}
        PUT /v1/faces/{id}/consent
        DELETE /v1/faces/{id}/consent
        PUT /v1/faces/{id}/hold
        PUT /v1/faces/{id}/restriction
        POST /v1/faces/{id}/sightings/{sighting}/reject
        POST /v1/groups
        PATCH /v1/groups/{id}
        DELETE /v1/groups/{id}
        POST /v1/hooks
        PATCH /v1/hooks/{id}
        DELETE /v1/hooks/{id}
        POST /v1/hooks/{id}/redeliver
        POST /v1/hooks/{id}/secret
        POST /v1/hooks/{id}/test
        POST /v1/keys
        PATCH /v1/keys/{id}
        DELETE /v1/keys/{id}
        POST /v1/keys/{id}/renew
        POST /v1/members
        PATCH /v1/members/{id}
        DELETE /v1/members/{id}
        POST /v1/members/{id}/invitation
        DELETE /v1/members/{id}/passkeys/{passkey}
        POST /v1/merges/{id}/undo
        POST /v1/reviews/{id}/done
        POST /v1/session
        DELETE /v1/session
        sunmi createGroup
        sunmi updateGroup
        sunmi updateMigration
        sunmi deleteGroup
        sunmi addFaceInfoItem
        sunmi removeFaceInfoItem
        sunmi addFace
        sunmi deleteFace
        sunmi updateFace
        icredit manage 0
        icredit manage 3
        rekognition CreateCollection
        rekognition DeleteCollection
        rekognition TagResource
        rekognition UntagResource
        rekognition IndexFaces
        rekognition DeleteFaces
        rekognition CreateUser
        rekognition DeleteUser
        rekognition AssociateFaces
        rekognition DisassociateFaces
        compreface add_subject
        compreface rename_subject
        compreface delete_subject
        compreface delete_subjects
        compreface add_example
        compreface delete_example
        compreface delete_examples
        compreface delete_examples_of_subject
        deepstack register
        deepstack delete
        regulars captures redrive
        regulars console
        regulars fsck
        regulars erase
        regulars hold set
        regulars hold lift
        regulars restriction set
        regulars restriction lift
        regulars reembed
        regulars tenants add
        regulars tenants set
        regulars tenants rotate
        regulars tenants renew-signing
        regulars tenants disable
        regulars tenants enable
        regulars tenants keys add
        regulars tenants keys renew
        regulars tenants keys delete
    """,
    Kind.DECISION: """
        POST /v1/identify
        POST /v1/verify
        sunmi getFaceByPicture
        icredit manage 1
        rekognition CompareFaces
        rekognition SearchFaces
        rekognition SearchFacesByImage
        rekognition SearchUsers
        rekognition SearchUsersByImage
        compreface recognize
        compreface recognize_embeddings
        compreface verify
        compreface verify_example
        compreface verify_embeddings
        deepstack recognize
        deepstack match
    """,
    Kind.READ: """
        compreface show_example
        GET /v1/arrivals
        GET /v1/cameras/{id}/still
        GET /v1/captures
        GET /v1/captures/{id}
        GET /v1/captures/{id}/crops/{n}
        GET /v1/captures/{id}/thumbnail
        GET /v1/duplicates
        GET /v1/faces
        GET /v1/faces/{id}
        GET /v1/faces/{id}/pictures
        GET /v1/faces/{id}/sightings
        GET /v1/faces/{id}/similar
        GET /v1/merges
        GET /v1/reviews
    """,
    Kind.EXPORT: """
        GET /v1/audit
        GET /v1/face-ids
        GET /v1/faces/{id}/everything
        regulars about
        regulars audit export
        regulars audit list
    """,
    Kind.CHORE: """
        sweep merges
        sweep consents
        sweep pictures off
        sweep learnt pictures
        sweep retention
        regulars retention
        sweep joining
        watch faces
        index joining
    """,
    Kind.SIGHTING: "sighting",
}

ACTS: dict[str, Kind] = {
    line.strip(): kind for kind, lines in _ACTS.items() for line in lines.split("\n") if line.strip()
}


def chore(what: str, tenant: str) -> Act:
    """Return an act of the service itself."""
    return Act(what, "regulars", kind_of(what), tenant=tenant)


def kind_of(what: str) -> Kind:
    """Return what of an act becomes an entry; nothing of one that the table does not name."""
    return ACTS.get(what, Kind.NOTHING)
