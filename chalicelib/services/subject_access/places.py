"""Raw items about a person by place (core/places), without the fields about other people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


def _holds(subject: Subject) -> Iterator[Item]:
    item = subject.items.get(keys.DIRECTORY, (subject.tenant.name, keys.hold_item(subject.faceid)))
    return iter([item] if item else [])


def _users(subject: Subject) -> Iterator[Item]:
    """Read the user that has the face, without the other faces and the mean with these."""
    user = user_of(subject.face)
    item = subject.items.get(keys.DIRECTORY, (subject.tenant.name, keys.user_item(user))) if user else None
    if item and (own := subject.own(item["faces"])):
        yield {**{name: value for name, value in item.items() if name != "templates"}, "faces": own}


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


READERS: Mapping[str, Callable[[Subject], Iterator[Item]]] = {
    "faces": _face,
    "names": _names,
    "holds": _holds,
    "users": _users,
    "arrivals": _arrivals,
    "observations": _observations,
    "captures": _captures,
    "journal": _journal,
    "negatives": _negatives,
    "merges": _merges,
    "reviews": _reviews,
    "duplicates": _duplicates,
    "outbox": _outbox,
    "requests": _requests,
    "audit": _audit,
}
"""Readers of a place's items about somebody, by the place's name (core/places)."""


def holdings(subject: Subject) -> dict[str, list[Item]]:
    """Read what every place holds about the person, by its name."""
    return {name: list(read(subject)) for name, read in READERS.items()}
