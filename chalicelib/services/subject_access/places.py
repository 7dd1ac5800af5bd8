"""All places that hold something about a person, and what each of them holds about one.

A new table stands in PLACES or in NOBODYS, else a test fails. Exports raw items, minus fields about other people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from chalicelib.core import keys
from chalicelib.core.audit import Entry, faces_of
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.items import every
from chalicelib.core.merges import Merge
from chalicelib.core.model import Face, Tenant
from chalicelib.core.names import terms
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.ports import Item, ItemStore
from chalicelib.core.records.merges import merge_from
from chalicelib.core.records.observations import observation_item
from chalicelib.core.users import user_of
from chalicelib.core.values import moment, moment_of_text
from chalicelib.core.visit_pages import visits_of as whole_visits
from chalicelib.core.visits import Visits


@dataclass
class Subject:
    """The person of a face, in what is stored.

    `observations`: the face's; `entries`: those of the audit that name it; `since`: what was stored before then under
    its id is another's (core/observations, `own`).
    """

    items: ItemStore
    tenant: Tenant
    face: Face
    observations: Sequence[Observation]
    entries: Sequence[Entry]
    since: datetime | None = None

    def is_own(self, at: datetime) -> bool:
        return self.since is None or at >= self.since

    @property
    def faceid(self) -> str:
        return self.face.faceid

    @cached_property
    def sightings(self) -> dict[str, Observation]:
        """The observations by cameras, newest first, by id, which begins with the time."""
        seen = [one for one in self.observations if one.kind is ObservationKind.SIGHTING]
        return {one.id: one for one in sorted(seen, key=lambda one: one.id, reverse=True)}

    @cached_property
    def merges(self) -> list[Merge]:
        """The merges that made the face of others, and those of these others."""
        found = [merge_from(item) for item in every(self.items, keys.MERGES, self.tenant.name)]
        ids = {self.faceid}
        while more := {one.other for one in found if one.is_active and one.survivor in ids} - ids:
            ids |= more
        return [one for one in found if one.survivor in ids]

    def names(self, value: Any) -> bool:
        """Tell whether a JSON value, or an item's, names the face anywhere."""
        if isinstance(value, dict):
            return any(self.names(one) for one in value.values())
        if isinstance(value, list | tuple):
            return any(self.names(one) for one in value)
        return isinstance(value, str) and value == self.faceid

    def own(self, values: Iterable[Any]) -> list[Any]:
        """Keep the values of a list that name the face."""
        return [one for one in values if self.names(one)]


def _face(subject: Subject) -> Iterator[Item]:
    item = subject.items.get(keys.FACES, (subject.tenant.name, subject.faceid))
    return iter([item] if item else [])


def visits_of(subject: Subject) -> Visits:
    """Read the visits of the person that are kept one by one."""
    return whole_visits(subject.items, subject.tenant.name, subject.faceid)


def _arrivals(subject: Subject) -> Iterator[Item]:
    """Read the visits, as [first, last, sightings] in place of the packed bytes that say the same."""
    item = subject.items.get(keys.ARRIVALS, (subject.tenant.name, subject.faceid))
    if item is not None:
        recent = visits_of(subject).arrivals.recent
        yield {**item, "recent": [[one.first_ms, one.last_ms, one.sightings] for one in recent]}


def _names(subject: Subject) -> Iterator[Item]:
    wanted = [
        (subject.tenant.name, keys.name_term(term, subject.faceid))
        for term in terms(subject.face.name, subject.face.number)
    ]
    return (item for item in subject.items.get_many(keys.NAMES, wanted) if item) if wanted else iter([])


def _directory(subject: Subject) -> Iterator[Item]:
    """Read the legal hold, and the user that has the face, without the other faces and the mean with these."""
    user = user_of(subject.face)
    wanted = [keys.hold_item(subject.faceid), *([keys.user_item(user)] if user else [])]
    for item in subject.items.get_many(keys.DIRECTORY, [(subject.tenant.name, one) for one in wanted]):
        if item is not None and subject.names(item):
            own = {"faces": subject.own(item["faces"])} if "faces" in item else {}
            yield {**{name: value for name, value in item.items() if name != "templates"}, **own}


def _journal(subject: Subject) -> Iterator[Item]:
    for item in every(subject.items, keys.JOURNAL, subject.tenant.name):
        if subject.is_own(moment(item["at"])) and (changes := subject.own(item["changes"])):
            yield {**item, "changes": changes}


def _observations(subject: Subject) -> Iterator[Item]:
    return (observation_item(subject.tenant.name, one) for one in subject.observations)


_OF_ALL = ("detection", "again")
"""Attributes of a capture that is being resolved: the faces in it, with templates, whoever they are."""


def _captures(subject: Subject) -> Iterator[Item]:
    """Read the captures that show the person, each with its own sightings only."""
    wanted: dict[tuple[str, str], set[int]] = {}
    for one in subject.sightings.values():
        capture, number = parts_of_sighting(one.id)
        wanted.setdefault((keys.captures(subject.tenant.name, one.camera), capture), set()).add(number)
    places = list(wanted)
    for place, item in zip(places, subject.items.get_many(keys.CAPTURES, places) if places else [], strict=True):
        if item is not None:
            own = [one for one in item.get("sightings", ()) if int(one["n"]) in wanted[place]]
            yield {**{name: value for name, value in item.items() if name not in _OF_ALL}, "sightings": own}


def _requests(subject: Subject) -> Iterator[Item]:
    for item in every(subject.items, keys.REQUESTS, subject.tenant.name):
        body = json.loads(item["body"])
        if subject.names(body) and ("at" not in item or subject.is_own(moment(item["at"]))):
            told = {name: subject.own(value) if isinstance(value, list) else value for name, value in body.items()}
            yield {**item, "body": told}


def _outbox(subject: Subject) -> Iterator[Item]:
    for item in every(subject.items, keys.OUTBOX, subject.tenant.name):
        payload = json.loads(item["payload"])
        if subject.names(payload) and subject.is_own(moment(item["created_at"])):
            yield {**item, "payload": payload}


def _negatives(subject: Subject) -> Iterator[Item]:
    """Read what was rejected: pictures of others for this face, without their templates, and of this one for others."""
    for item in every(subject.items, keys.NEGATIVES, subject.tenant.name):
        faceid, sighting = keys.parts_of_negative(item["id"])
        if faceid == subject.faceid:
            yield {name: value for name, value in item.items() if name != "templates"}
        elif sighting in subject.sightings:
            yield {**item, "id": keys.negative("another", sighting)}


def _merges(subject: Subject) -> Iterator[Item]:
    mine = {one.id for one in subject.merges}
    for item in every(subject.items, keys.MERGES, subject.tenant.name):
        if item["id"] in mine:
            yield item if "kept" in item else {name: value for name, value in item.items() if name != "other"}
        elif item["other"] == subject.faceid and subject.is_own(moment(item["at"])):
            yield {"at": item["at"], "state": item["state"], "other": item["other"]}


def _reviews(subject: Subject) -> Iterator[Item]:
    for item in every(subject.items, keys.REVIEWS, subject.tenant.name):
        near = subject.own(item.get("near", ()))
        if not subject.is_own(moment(item["at"])) and item["sighting"] not in subject.sightings:
            continue
        if item["faceid"] == subject.faceid:
            yield {**item, "near": near}
        elif near:
            yield {"kind": item["kind"], "at": item["at"], "near": near}


def _duplicates(subject: Subject) -> Iterator[Item]:
    for item in every(subject.items, keys.DUPLICATES, subject.tenant.name):
        if subject.faceid in keys.parts_of_duplicate(item["id"]) and subject.is_own(moment(item["at"])):
            yield {name: value for name, value in item.items() if name != "id"}


def _audit(subject: Subject) -> Iterator[Item]:
    """Read the entries about the person, without the others that an act was about, too."""
    for entry in subject.entries:
        if not subject.is_own(moment_of_text(entry["at"])):
            continue
        others = {name: value for name, value in entry.items() if name in _OF_SEVERAL}
        own = {name: [one for one in value if subject.faceid in _named(one)] for name, value in others.items()}
        yield {**entry, **{name: value for name, value in own.items() if value}}


_OF_SEVERAL = ("faces", "deleted", "decided", "shown")


def _named(one: Any) -> set[str]:
    """Return the faces that one value of an entry's list names."""
    return faces_of({"decided": [one]} if isinstance(one, dict) else {"faces": [one], "shown": [one]})


@dataclass(frozen=True)
class Place:
    """A table, or a kind of object in blob storage, that holds something about people.

    `name`: of the table, or what the objects are called in an archive and in docs/privacy.md. `holds`: about a subject.
    `read`: a table's items about one; None: objects, which the archive has as files or which say nothing more.
    """

    name: str
    holds: str
    read: Callable[[Subject], Iterator[Item]] | None = None


PLACES = (
    Place(
        keys.FACES.name,
        "the face's record: group, name, note, attributes, labels, consent, legal hold, estimates, templates",
        _face,
    ),
    Place(keys.NAMES.name, "the words of the name, by which the face is found", _names),
    Place(
        keys.DIRECTORY.name,
        "that the face is under legal hold, since when and why; the user that it belongs to",
        _directory,
    ),
    Place(keys.ARRIVALS.name, "visits: when each began and ended", _arrivals),
    Place(
        keys.OBSERVATIONS.name,
        "when the person was enrolled, searched for or seen, and how sure that is",
        _observations,
    ),
    Place(keys.CAPTURES.name, "the captures that show the person, and where in them", _captures),
    Place(keys.JOURNAL.name, "recent changes of the face in the gallery, with templates", _journal),
    Place(keys.NEGATIVES.name, "pictures that somebody said are not this person, or are not another", _negatives),
    Place(keys.MERGES.name, "faces that turned out to be this person, while that can be undone", _merges),
    Place(keys.REVIEWS.name, "sightings of the person that somebody should look at", _reviews),
    Place(keys.DUPLICATES.name, "that another face may be this person, too", _duplicates),
    Place(keys.OUTBOX.name, "events about the person that wait for a hook, or that somebody has not fetched", _outbox),
    Place(keys.REQUESTS.name, "answers to recent requests, so that a repeat is recognised", _requests),
    Place(
        keys.AUDIT.name, "who did what with the person's data, when, and how the person was told from others", _audit
    ),
    Place("face pictures", "the pictures of the face, small ones too, and those that it learnt"),
    Place("capture pictures", "the pictures that cameras sent"),
    Place("crops", "the person's face, cut out of a capture that somebody looked at"),
    Place("snapshots", "the templates of all faces, for searches: the same as in the face's record"),
    Place("sealed days", "the observations of each day, for statistics: the same as the observations"),
    Place("archives", "all of this in one file, for hours, after somebody asked for it"),
)

NOBODYS = {
    keys.TENANTS.name: "customers, keys and sessions of those who use the service",
    keys.SUMMARIES.name: "counts of days, without persons",
    keys.CAMERAS.name: "cameras and their settings",
    keys.HOOKS.name: "where events are sent to",
    keys.ERASURES.name: "receipts of erasures, with faces as keyed hashes",
}
"""Tables that hold nothing about the people in the pictures, and what they hold."""


def holdings(subject: Subject) -> dict[str, list[Item]]:
    """Read what every table holds about the person, by its name."""
    return {place.name: list(place.read(subject)) for place in PLACES if place.read is not None}
