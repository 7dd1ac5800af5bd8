"""The current act, one call: everything written during it names it in the audit log.

The dialects' endpoints, the jobs and the command line begin an act; outside of one nothing is
noted. The table at the end says what of each act becomes an entry, and privacy/reading what its
answer tells of people; a dialect says both of its own acts (api/dialect.py).
tests/privacy/audit/test_acts.py says which acts are none, and holds all against routes, jobs and
commands. Routes of v1 are called by method and path, those of the dialects by their names, commands
and jobs by theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from chalicelib.domain.model import Decision
from chalicelib.storage.values import omit_none


class Kind(StrEnum):
    """The part of an act that becomes an entry (see the table below)."""

    CHANGE = "change"
    """Each of its transactions that changes the book or the account."""
    DECISION = "decision"
    """Its decision, even if it stores nothing."""
    EXPORT = "export"
    """The fact that it was done."""
    JOB = "chore"
    """Its transactions that change faces or merges: the service itself does it."""
    SIGHTING = "sighting"
    """Its transactions that delete a face to make room; the rest stands in the capture itself."""
    NOTHING = "nothing"


class AuditEvent(Struct):
    """One call. `what`: its name; `by`: the caller.

    `tenant`: in whose audit its entries are; "": it writes none, or does not know it yet
    (`begin_in_tenant`, `report_tenant`). `about`: names of ours that say what it
    concerns, such as a key's id; never a person's name, unless somebody gives it as a reason: with
    the entries about the face that is erased.
    """

    what: str
    by: str
    kind: Kind
    tenant: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    tells: Collection[str] = ()
    """Kinds of data that its answer tells of people (privacy/reading); none: by its name, as the
    table there says."""
    read: dict[str, None] = field(default_factory=dict)
    """The people of whom its answer says something, in order: a face's id, or `member ID`."""
    shown: dict[str, None] = field(default_factory=dict)
    """Those whose pictures its answer shows: a face's id, `capture CAMERA ID`, `still CAMERA TIME`
    or `film CAMERA TIME`, in order."""
    unnamed: int = 0
    """People of whom its answer says something, and who have no face yet: face sets by their
    names alone."""
    named: set[str] = field(default_factory=set)
    """The faces that its own entries name."""
    decided: list[Mapping[str, Any]] = field(default_factory=list)
    """Decisions of a search, one for each face that was searched for."""
    is_restore: bool = False
    """True if it repeats what ended since a backup: until all of that is done, what stands in the
    book is not written outside."""
    entered: bool = False
    """Whether an entry of it was written."""
    is_listed: bool = False
    """True if a change is listed (domain/done): its deletions are then no act by themselves."""
    takes_back: str = ""
    """The id of the act that its first write takes back (domain/done)."""
    takes_from: Mapping[str, Any] = field(default_factory=dict)
    """The values that this write must find, of those that it changes."""


_current: ContextVar[AuditEvent | None] = ContextVar("act", default=None)


@contextmanager
def begin_audit_event(act: AuditEvent) -> Iterator[AuditEvent]:
    """Attribute everything written inside, in this thread or task, to this act."""
    token = _current.set(act)
    try:
        yield act
    finally:
        _current.reset(token)


def current() -> AuditEvent | None:
    return _current.get()


@contextmanager
def begin_in_tenant(tenant: str) -> Iterator[None]:
    """Attribute everything written inside to the current act, in this tenant's audit and no
    other's."""
    act = _current.get()
    if act is None:
        yield
        return
    with begin_audit_event(AuditEvent(act.what, act.by, act.kind, tenant)):
        yield


def report_tenant(tenant: str) -> None:
    """Set the tenant whose audit has the current act, for a person who has just signed in."""
    if (act := _current.get()) is not None:
        act.tenant = tenant


def report_people(people: Iterable[str], *, unnamed: int = 0) -> None:
    """Note for the audit that the answer of the current call has data of these people.

    The audit is the log of who read or changed what. `people`: ids of faces, or `member ID` for who
    signs in. `unnamed`: how many more the answer tells of, who have no face in the book.
    """
    act = _current.get()
    if act is not None:  # None: no call that the audit records is under way
        act.read.update(dict.fromkeys(people))
        act.unnamed += unnamed


def report_picture(what: str) -> None:
    """Report that the answer shows a picture of `what`, in the form of `AuditEvent.shown`."""
    if (act := _current.get()) is not None:
        act.shown[what] = None


def add_details(**about: Any) -> None:
    """Add details to the act's entries, such as the caller's reason."""
    if (act := _current.get()) is not None:
        act.about = {**act.about, **about}


def report_taking_back(id_: str, values: Mapping[str, Any] = {}) -> None:
    """Mark what the current act writes next as the undoing of an earlier act.

    `values`: those that the write must find, of what it changes; else it is refused.
    """
    if (act := _current.get()) is not None:
        act.takes_back, act.takes_from = id_, values


def report_listed() -> None:
    """Mark the current act as the end of one that is listed already."""
    if (act := _current.get()) is not None:
        act.is_listed = True


def report_decisions(decisions: list[Mapping[str, Any]]) -> None:
    """Report the decisions of a search; a repeated search of the same act replaces them."""
    if (act := _current.get()) is not None:
        act.decided = decisions


_ACTS: Mapping[Kind, Mapping[str, str]] = {
    Kind.CHANGE: {
        "regulars": "redrive, consent withdraw, console, doctor, erase, reembed, "
        "folder, tenants add, tenants set, tenants rotate, tenants renew-signing, "
        "tenants keys add",
        "sweep": "makers",
    },
    Kind.DECISION: {
        "POST": "/v1/identify, /v1/verify",
    },
    Kind.EXPORT: {
        "GET": "/v1/audit, /v1/face-ids, /v1/faces/{id}/everything",
        "POST": "/v1/exports",
        "regulars": "about, audit breach, audit export, backup",
    },
    Kind.JOB: {
        "sweep": "merges, consents, strangers, pictures off, feelings of staff, learnt pictures, "
        "retention, joining",
        "regulars": "retention",
        "watch": "faces, consents",
    },
    Kind.NOTHING: {
        "POST": "/v1/cameras/{id}/heartbeat, /v1/captures, /v1/captures/uploads, /v1/detect, "
        "/v1/hooks/{id}/ack, "
        "/v1/session/challenge",
        "PUT": "/v1/cameras/{id}/counts, /v1/cameras/{id}/film, /v1/cameras/{id}/still, "
        "/v1/cameras/{id}/view",
    },
}
"""Acts by their beginnings. Every other call of v1 that is no GET is a change; every other act is
nothing.

Those of the other dialects stand in their folders."""

ACTS: Mapping[str, Kind] = {
    "sighting": Kind.SIGHTING,
    **{
        f"{begin} {name}": kind
        for kind, beginnings in _ACTS.items()
        for begin, names in beginnings.items()
        for name in names.split(", ")
    },
}


def kinds_by_name(names: Mapping[Kind, str]) -> Mapping[str, Kind]:
    """Return the kind of each act. `names`: the acts of each kind, with commas between them."""
    return {
        name: kind for kind, names_of_kind in names.items() for name in names_of_kind.split(", ")
    }


def job(what: str, tenant: str) -> AuditEvent:
    """Return an act of the service itself."""
    return AuditEvent(what, "regulars", kind_of(what), tenant=tenant)


def kind_of(what: str) -> Kind:
    """Return the part of an act that becomes an entry."""
    method, _, path = what.partition(" ")
    is_change = path.startswith("/v1/") and method != "GET"
    return ACTS.get(what, Kind.CHANGE if is_change else Kind.NOTHING)


def decision_said(decision: Decision | None) -> dict[str, Any]:
    """Return a decision in the form of an audit entry: the matched face, or that there is none.

    It has the score and the threshold, how many faces were compared (the gallery), the gallery's
    version (`seq`), and so on. Scores are texts. What is not known is left out. None gives {}.
    """
    if decision is None:
        return {}
    score = None if decision.score is None else f"{decision.score:.6f}"
    # The share of searches for people not in the book that may find somebody.
    fpir = None if decision.fpir is None else f"{decision.fpir:g}"
    fields = {
        "score": score,
        "threshold": f"{decision.threshold:.6f}",
        "gallery_size": decision.gallery_size,
        "seq": decision.seq,
        "visit": decision.by,
        "fpir": fpir,
        "condition": decision.condition,
    }
    return omit_none(fields)
