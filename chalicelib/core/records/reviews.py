"""Reviews to items and back."""

from __future__ import annotations

from chalicelib.core.ports import Item
from chalicelib.core.records.faces import box_from, decision_fields, decision_from
from chalicelib.core.reviews import NearFace, Review, ReviewKind
from chalicelib.core.values import decimal, decimals, known, milliseconds, moment, optional


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
