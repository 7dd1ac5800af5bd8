"""Reviews to items and back."""

from __future__ import annotations

from chalicelib.core.ports import Item
from chalicelib.core.records.faces import decision_fields, decision_from
from chalicelib.core.reviews import Review, ReviewKind
from chalicelib.core.values import milliseconds, moment


def review_item(tenant: str, review: Review) -> Item:
    return {
        "tenant": tenant,
        "id": review.id,
        "kind": review.kind,
        "at": milliseconds(review.at),
        "faceid": review.faceid,
        "camera": review.camera,
        "sighting": review.sighting_id,
        **decision_fields(review.decision),
    }


def review_from(item: Item) -> Review:
    return Review(
        kind=ReviewKind(item["kind"]),
        at=moment(item["at"]),
        faceid=item["faceid"],
        camera=item["camera"],
        sighting_id=item["sighting"],
        decision=decision_from(item),
    )
