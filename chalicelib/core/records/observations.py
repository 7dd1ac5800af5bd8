"""Observations, visits and reviews to items and back, and the row of an observation for counting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.core import keys
from chalicelib.core.local_time import Span
from chalicelib.core.model import NO_LABELS, Labels
from chalicelib.core.observations import Dimensions, Observation, ObservationKind, Passage
from chalicelib.core.pictures import NO_ESTIMATES, Gender
from chalicelib.core.ports import Item
from chalicelib.core.records.columns import Row, decade_of
from chalicelib.core.records.faces import (
    box_from,
    decision_fields,
    decision_from,
    estimates_by_name,
    estimates_from,
    estimates_item,
)
from chalicelib.core.reviews import NearFace, Review, ReviewKind
from chalicelib.core.values import decimal, decimals, known, milliseconds, moment, optional
from chalicelib.core.visits import Arrival, Arrivals, MigrationRule, Promotion, Visits

STORABLE = Span(0, keys.LAST_MS)
"""The times that an observation may have."""


def observation_item(tenant: str, observation: Observation) -> Item:
    """Make an observation's item. Time and id are the key; values that are not known take no room."""
    day, time_id = keys.observation(tenant, milliseconds(observation.at), observation.id)
    fields = {
        "tenant_day": day,
        "time_id": time_id,
        "faceid": observation.faceid,
        "group": observation.group_name,
        "kind": observation.kind,
        "labels": list(observation.labels) if observation.labels != NO_LABELS else None,
        "camera": observation.camera or None,
        "box": optional(decimals, observation.box),
        "estimates": estimates_item(observation.estimates) if observation.estimates != NO_ESTIMATES else None,
        "gap_s": observation.gap_s,
        "passages": [[passage.merge, passage.group_name] for passage in observation.passages] or None,
        "written_at": optional(milliseconds, observation.written_at),
    }
    return {**known(fields), **decision_fields(observation.decision)}


def observation_from(item: Item) -> Observation:
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    return Observation(
        at=moment(at_ms),
        id=id_,
        faceid=item["faceid"],
        group_name=item["group"],
        labels=Labels(*item.get("labels", ())),
        kind=ObservationKind(item["kind"]),
        camera=item.get("camera", ""),
        box=optional(box_from, item.get("box")),
        estimates=estimates_from(item["estimates"]) if "estimates" in item else NO_ESTIMATES,
        decision=decision_from(item),
        gap_s=optional(int, item.get("gap_s")),
        passages=tuple(Passage(*passage) for passage in item.get("passages", ())),
        written_at=optional(moment, item.get("written_at")),
    )


def row_from(item: Item) -> Row:
    """Read the counted values of an observation."""
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    labels = Labels(*item.get("labels", ()))
    seen = estimates_by_name(item.get("estimates", ()))
    age = seen.get("age")
    return Row(
        at_ms,
        id_,
        item["faceid"],
        Dimensions(*labels, item["group"], item.get("camera", ""), item["kind"]),
        Gender(seen.get("gender") or Gender.UNKNOWN),
        None if age is None else decade_of(float(age)),
        int(item.get("gap_s", 0)),
    )


def visits_item(tenant: str, faceid: str, visits: Visits) -> Item:
    """Make the item of a face's visits; of a head, with the pages, their arrivals and sightings."""
    arrivals, promotion, (unread, sightings) = visits.arrivals, visits.promotion, visits.unread
    fields = {
        "tenant": tenant,
        "faceid": faceid,
        "recent": arrivals.packed(),
        "folded": arrivals.folded - unread,
        "folded_sightings": arrivals.folded_sightings - sightings,
        "folded_until": arrivals.folded_until_ms or None,
        "paged": [unread, sightings, *visits.pages] if unread else None,
        "version": visits.version,
        "promotion": promotion and [promotion.at_ms, promotion.rule.arrive_times, promotion.rule.period_ms],
        "regrouping": visits.regrouping or None,
    }
    return known(fields)


def visits_from(item: Item | None) -> Visits:
    """Read a face's visits, or the head of them; None: the face has no item, since it never arrived."""
    if item is None:
        return Visits()
    unread, sightings, *pages = map(int, item.get("paged", (0, 0)))
    return Visits(
        Arrivals.unpacked(
            bytes(item["recent"]),
            int(item["folded"]) + unread,
            int(item["folded_sightings"]) + sightings,
            int(item.get("folded_until", 0)),
        ),
        optional(_promotion, item.get("promotion")),
        bool(item.get("regrouping", False)),
        int(item["version"]),
        tuple(pages),
        (unread, sightings),
    )


def page_item(tenant: str, faceid: str, start_ms: int, arrivals: tuple[Arrival, ...]) -> Item:
    return {"tenant": tenant, "faceid": keys.visits_page(faceid, start_ms), "recent": Arrivals(arrivals).packed()}


def pages_from(items: Iterable[Item | None]) -> dict[int, tuple[Arrival, ...]]:
    """Read those pages of one face that there are, by their starts."""
    return {
        keys.parts_of_visits(item["faceid"])[1]: Arrivals.unpacked(bytes(item["recent"])).recent
        for item in items
        if item
    }


def _promotion(item: Sequence[int]) -> Promotion:
    at_ms, arrive_times, period_ms = map(int, item)
    return Promotion(at_ms, MigrationRule(arrive_times, period_ms))


def review_item(tenant: str, review: Review) -> Item:
    near = [[one.faceid, decimal(one.score, 6)] for one in review.near]
    held = {
        "tenant": tenant,
        "id": review.id,
        "kind": review.kind,
        "at": milliseconds(review.at),
        "faceid": review.faceid,
        "camera": review.camera,
        "sighting": review.sighting_id,
        "box": optional(decimals, review.box),
        "near": near or None,
        **decision_fields(review.decision),
    }
    return known(held)


def review_from(item: Item) -> Review:
    return Review(
        kind=ReviewKind(item["kind"]),
        at=moment(item["at"]),
        faceid=item["faceid"],
        camera=item["camera"],
        sighting_id=item["sighting"],
        decision=decision_from(item),
        box=optional(box_from, item.get("box")),
        near=tuple(NearFace(faceid, float(score)) for faceid, score in item.get("near", ())),
    )
