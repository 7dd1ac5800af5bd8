"""Observations, visits and reviews to items and back, and the row of an observation for counting."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.core import keys
from chalicelib.core.local_time import Span
from chalicelib.core.model import NO_LABELS, Labels
from chalicelib.core.observations import Dimensions, Observation
from chalicelib.core.pictures import Box, Gender
from chalicelib.core.ports import Item
from chalicelib.core.records.columns import Row, decade_of
from chalicelib.core.records.faces import DECISION, ESTIMATES, estimates_by_name
from chalicelib.core.reviews import NearFace, Review
from chalicelib.core.values import Codec, Form, known, many, milliseconds, moment, number, numbers, optional, row
from chalicelib.core.visits import Arrival, Arrivals, MigrationRule, Promotion, Visits

_PROMOTION = Form(
    lambda promotion: [promotion.at_ms, *vars(promotion.rule).values()],
    lambda stored: Promotion(int(stored[0]), MigrationRule(*map(int, stored[1:]))),
)

STORABLE = Span(0, keys.LAST_MS)
"""The times that an observation may have."""


_OBSERVATION = Codec(
    Observation,
    {"group_name": "group"},
    apart="at id",
    rare="camera estimates passages",
    labels=Form(
        lambda labels: {} if labels == NO_LABELS else {"labels": list(labels)},
        lambda item: Labels(*item.get("labels", ())),
        whole=True,
    ),
    box=numbers(Box),
    estimates=ESTIMATES,
    decision=DECISION,
)
_REVIEW = Codec(
    Review,
    {"sighting_id": "sighting"},
    rare="near",
    box=numbers(Box),
    near=many(row(NearFace, (Form(str, str), number(".6f")))),
    decision=DECISION,
)
review_from = _REVIEW.read


def observation_item(tenant: str, observation: Observation) -> Item:
    """Make an observation's item. Time and id are the key; values that are not known take no room."""
    day, time_id = keys.observation(tenant, milliseconds(observation.at), observation.id)
    return {"tenant_day": day, "time_id": time_id, **_OBSERVATION.write(observation)}


def observation_from(item: Item) -> Observation:
    at_ms, id_ = keys.parts_of_observation(item["time_id"])
    return _OBSERVATION.read(item, at=moment(at_ms), id=id_)


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
        "promotion": optional(_PROMOTION.write, promotion),
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
        optional(_PROMOTION.read, item.get("promotion")),
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


def review_item(tenant: str, review: Review) -> Item:
    return {"tenant": tenant, "id": review.id, **_REVIEW.write(review)}
