"""Reads of people's data by callers, as the audit keeps them for the report after a breach.

What an act tells is declared here, by its name, or by its dialect; the views report of whom
(`acts.report_people`, `acts.report_picture`). Whatever a process was not told of in this hour is an
entry of its own before the answer goes out, so that no kill loses it. When the hour is closed,
these entries of one caller become one that has the numbers, and a few with the people. An erasure
takes one of the few, or a name out of an entry that waits: the numbers stay, and so do nearly all
others.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from chalicelib.privacy.audit_entries import HOUR_MS, READ, READING, Entry, at_ms, faces_of
from chalicelib.storage.items import cut_in_parts
from chalicelib.storage.values import omit_none

if TYPE_CHECKING:
    from chalicelib.domain.audit_events import AuditEvent


class Data(StrEnum):
    """A kind of data about people, as an authority asks for them."""

    IDS = "ids"
    NAMES = "names"
    ESTIMATES = "estimates"
    PICTURES = "pictures"
    VISITS = "visits"
    LIKENESS = "likeness"
    CONSENTS = "consents"
    MARKS = "marks"
    STAFF = "staff"


MEANS: Mapping[Data, str] = {
    Data.IDS: "their ids",
    Data.NAMES: "names, notes and values that somebody wrote",
    Data.ESTIMATES: "age, gender, expression and quality, as estimated",
    Data.PICTURES: "pictures of their faces (biometric data may be made of them)",
    Data.VISITS: "visits: when and where they were seen",
    Data.LIKENESS: "who a picture shows, and who looks like whom",
    Data.CONSENTS: "consents and other bases",
    Data.MARKS: "legal holds and restrictions, with their reasons",
    Data.STAFF: "names of members, who work with the book",
}

_FACE = "names estimates visits"
_PICTURED = f"{_FACE} pictures"
_READS: Mapping[str, Mapping[str, str]] = {
    "GET": {
        "/v1/arrivals, /v1/faces/{id}/sightings, /v1/captures, /v1/captures/{id}": "names visits",
        "/v1/audit, /v1/faces/{id}/rejections": "names visits",
        "/v1/hooks/{id}/deliveries, /v1/statistics": "names visits",
        "/v1/cameras/{id}/film, /v1/cameras/{id}/still, /v1/cameras/{id}/view": "pictures",
        "/v1/captures/{id}/crops/{n}, /v1/captures/{id}/picture": "pictures",
        "/v1/captures/{id}/thumbnail": "pictures",
        "/v1/consents, /v1/faces/{id}/consent": "names consents",
        "/v1/duplicates, /v1/faces/{id}/similar": f"{_FACE} likeness",
        "/v1/face-ids": "ids",
        "/v1/faces, /v1/faces/{id}, /v1/observations": _FACE,
        "/v1/faces/{id}/everything": f"{_PICTURED} likeness consents marks",
        "/v1/faces/{id}/hold, /v1/faces/{id}/restriction, /v1/holds, /v1/restrictions": "marks",
        "/v1/faces/{id}/pictures": "estimates visits",
        "/v1/members, /v1/members/{id}/made": "staff",
        "/v1/done, /v1/merges": "names",
        "/v1/reviews": "visits likeness",
    },
    "POST": {
        "/v1/cameras/{id}/still": "pictures",
        "/v1/captures, /v1/captures/{id}/redrive": "names visits",
        "/v1/faces, /v1/faces/{id}/merge, /v1/merges/{id}/undo": _PICTURED,
        "/v1/done/{id}/undo": "names pictures",
        "/v1/faces/{id}/pictures": "estimates visits pictures",
        "/v1/faces/{id}/sightings/{sighting}/reject": _PICTURED,
        "/v1/identify": f"{_PICTURED} likeness",
        "/v1/members, /v1/members/{id}/invitation": "staff",
        "/v1/verify": "likeness",
    },
    "PATCH": {"/v1/faces/{id}": _PICTURED, "/v1/members/{id}": "staff"},
    "PUT": {
        "/v1/faces/{id}/consent": "names consents",
        "/v1/faces/{id}/hold, /v1/faces/{id}/restriction": "marks",
    },
    "regulars": {
        "about": f"{_PICTURED} likeness consents marks",
        "audit breach": "ids",
        "erase": "names likeness",
        "today": "names visits",
    },
}


def data_by_name(rows: Mapping[str, str]) -> Mapping[str, tuple[Data, ...]]:
    """Return the kinds of people's data in the answer of each act, by the act's name.

    `rows`: kinds of data with spaces between them, by the names of acts with commas between them.
    """
    return {
        name: tuple(map(Data, kinds.split()))
        for names, kinds in rows.items()
        for name in names.split(", ")
    }


READS: Mapping[str, tuple[Data, ...]] = {
    f"{begin} {name}": kinds
    for begin, rows in _READS.items()
    for name, kinds in data_by_name(rows).items()
}
"""By an act of v1 or a command: what its answer tells of people. Pictures that it links to are told
besides, if the key sees some. A dialect says it of its own acts (api/dialect.py). Every other act
tells of nobody."""

WHOLE: Mapping[str, str] = {
    "POST /v1/exports": "the whole book, with names and pictures",
    "regulars backup": "everything that is stored",
    "regulars audit export": "the audit: ids, and when they were seen",
}
"""Acts by which more leaves the service than an entry could name, and what that is."""

MOST_NAMED = 10_000
"""People of one caller and hour who are named. The others are counted, perhaps more than once."""
_AT_ONCE = 2_500
"""People whom one entry names."""
_UNNAMED = "unnamed "
_LEAVES = 50
"""So many entries name the people of one caller and hour: the erasure of one person takes one of
them."""


def is_person(subject: str) -> bool:
    """Tell whether a subject of an entry is a person, and not a capture or a still, which may show
    nobody known."""
    return " " not in subject or subject.startswith("member ")


def kinds_of(act: AuditEvent) -> frozenset[Data]:
    """Return the kinds of people's data in an act's answer.

    One that reports people and declares nothing tells everything.
    """
    return frozenset(map(Data, act.tells or READS.get(act.what, tuple(Data))))


def group_by_kinds(kinds: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return subjects by all the kinds of data read of them, in the form of entries.

    `kinds`: kinds by subject.
    """
    subjects_by_kinds = defaultdict[str, list[str]](list)
    for subject, subject_kinds in kinds.items():
        subjects_by_kinds[" ".join(sorted(subject_kinds))].append(subject)
    return dict(subjects_by_kinds)


def read_of(entry: Entry) -> dict[str, set[str]]:
    """Return the kinds of data that an entry lists, by subject."""
    kinds_by_subject = defaultdict[str, set[str]](set)
    for kinds, subjects in entry.get("read", {}).items():
        for subject in subjects:
            kinds_by_subject[subject].update(kinds.split())
    return dict(kinds_by_subject)


def count_key(number: int) -> str:
    """Return the key that stands for this number of people without an id."""
    return f"{_UNNAMED}{number}"


def in_entries(kinds: Mapping[str, Collection[str]]) -> Iterator[dict[str, Any]]:
    """Yield the content of the entries of one answer: `read`, and in the first one `unnamed`.

    `kinds`: by subject.
    """
    named_subjects = {
        subject: subject_kinds
        for subject, subject_kinds in kinds.items()
        if not subject.startswith(_UNNAMED)
    }
    unnamed_counts = Counter(chain.from_iterable([*named_subjects.values()][MOST_NAMED:]))
    for kind in kinds.keys() - named_subjects.keys():
        unnamed_counts.update(dict.fromkeys(kinds[kind], int(kind.removeprefix(_UNNAMED))))
    for part in cut_in_parts([*named_subjects.items()][:MOST_NAMED], _AT_ONCE):
        yield omit_none(
            {"read": group_by_kinds(dict(part)), "unnamed": dict(unnamed_counts) or None}
        )
        unnamed_counts.clear()
    if unnamed_counts:
        yield {"unnamed": dict(unnamed_counts)}


def leave_out_people(entry: Entry, faceids: Collection[str]) -> Entry:
    """Return a waiting entry without these people, who are only counted from now on."""
    kinds = read_of(entry)
    unnamed_counts = Counter[str](entry.get("unnamed", {}))
    unnamed_counts.update(
        chain.from_iterable(kinds.pop(faceid) for faceid in {*faceids} & kinds.keys())
    )
    other_fields = {name: value for name, value in entry.items() if name not in ("read", "unnamed")}
    return {
        **other_fields,
        **omit_none(
            {"read": group_by_kinds(kinds) or None, "unnamed": dict(unnamed_counts) or None}
        ),
    }


def sum_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Return the form of entries of reading once their hour is closed: for each caller one with the
    numbers, and those with the people. `entries`: of the form that `in_entries` gives, of any
    hours."""
    entries_by_caller = defaultdict[tuple[str, int], list[Entry]](list)
    for entry in entries:
        entries_by_caller[entry["by"], at_ms(entry) // HOUR_MS].append(entry)
    return [
        entry_made
        for (by, _), entries_of_caller in entries_by_caller.items()
        for entry_made in _sum_caller(by, entries_of_caller)
    ]


def _sum_caller(by: str, entries: Sequence[Entry]) -> Iterator[Entry]:
    """Sum up what one caller read in an hour: first an entry with the numbers, then those with the
    people."""
    kinds, unnamed = defaultdict[str, set[str]](set), Counter[str]()
    for entry in entries:
        unnamed.update(entry.get("unnamed", {}))
        for subject, kinds_read in read_of(entry).items():
            kinds[subject] |= kinds_read
    people = {subject: kinds_read for subject, kinds_read in kinds.items() if is_person(subject)}
    common_fields = {"at": max(entry["at"] for entry in entries), "by": by}
    numbers = {
        "people": len(people) + max(unnamed.values(), default=0),
        "kinds": dict(sorted((Counter(chain.from_iterable(people.values())) + unnamed).items())),
        "captures": len(kinds) - len(people),
        "unnamed": dict(unnamed),
        "acts": sorted({act for entry in entries for act in entry.get("acts", ())}),
        "parts": [entry["id"] for entry in entries],
    }
    first_entry = {
        "id": _new_id(common_fields["at"]),
        **common_fields,
        "what": READING,
        **{name: number for name, number in numbers.items() if number},
    }
    yield first_entry
    named_subjects = [*kinds.items()][:MOST_NAMED]
    for part in cut_in_parts(named_subjects, -(-len(named_subjects) // _LEAVES) or 1):
        id_ = _new_id(common_fields["at"])
        yield {
            "id": id_,
            **common_fields,
            "what": READ,
            "reading": first_entry["id"],
            "read": group_by_kinds(dict(part)),
        }


def _new_id(at: str) -> str:
    return f"{at_ms({'at': at}):013d}-{secrets.token_hex(6)}"


class Tally(Struct):
    """Sum of the data that entries list for a caller.

    `kinds`: by person; `captures`: pictures, whoever they show.

    `reads`: what each act tells, as READS, with those of the dialects. `more`: people by kind who
    are counted and not named, perhaps more than once; `whole`: times and names of acts by which all
    that is held left the service; `acts`: the names of all others.
    """

    reads: Mapping[str, tuple[Data, ...]]
    kinds: dict[str, set[str]] = field(default_factory=dict)
    captures: set[str] = field(default_factory=set)
    more: Counter[str] = field(default_factory=Counter)
    whole: list[tuple[str, str]] = field(default_factory=list)
    acts: set[str] = field(default_factory=set)

    @property
    def people(self) -> tuple[int, int]:
        """The lowest and the highest number of people that it can be."""
        return len(self.kinds), len(self.kinds) + max(self.more.values(), default=0)

    @property
    def by_kind(self) -> dict[Data, tuple[int, int]]:
        """The same for each kind of data."""
        named_counts = Counter(chain.from_iterable(self.kinds.values()))
        return {
            kind: (named_counts[kind], named_counts[kind] + self.more[kind])
            for kind in Data
            if named_counts[kind] + self.more[kind]
        }

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries of the caller: all of a closed hour, or all that wait.

        An hour's numbers count more people than its entries name, if some of these were erased or
        are unnamed.
        """
        counts_of_reading = dict[str, Counter[str]]()
        named_counts = defaultdict[str, Counter[str]](Counter)
        for entry in entries:
            for subject, kinds in self._kinds_by_subject(entry).items():
                if is_person(subject):
                    self.kinds.setdefault(subject, set()).update(kinds)
                    named_counts[entry.get("reading", "")].update(kinds)
                else:
                    self.captures.add(subject)
            if entry["what"] == READING:
                counts_of_reading[entry["id"]] = Counter(entry.get("kinds", {}))
            elif entry["what"] == READ:
                self.more.update(entry.get("unnamed", {}))
            elif entry["what"] in WHOLE:
                self.whole.append((entry["at"], entry["what"]))
            self.acts.update(entry.get("acts", ()), {entry["what"]} & self.reads.keys())
        for id_, counts in counts_of_reading.items():
            self.more.update(counts - named_counts[id_])

    def _kinds_by_subject(self, entry: Entry) -> Mapping[str, Iterable[str]]:
        """Return the kinds that an entry says or means that its caller was told, by subject."""
        read = read_of(entry)
        kinds = self.reads.get(entry["what"], ())
        for faceid in faces_of({**entry, "read": {}}) if kinds else ():
            read.setdefault(faceid, set()).update(kinds)
        return read


def caller_of(key: str) -> str:
    """Return a caller's name in the audit by its id: that of a key, unless the id has another
    kind."""
    return key if " " in key or key in ("app_id", "appcode", "operator") else f"key {key}"
