"""Reviews over v1: what somebody should look at."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib.api.v1 import repeats
from chalicelib.api.v1.cameras import CameraId
from chalicelib.api.v1.captures import CaptureId, CropUrl, PictureUrl, crop_url
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.shapes import Box, By, FalseMatchProbability, GallerySize, Score, Threshold, decided
from chalicelib.api.v1.shown import shown_capture
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Time, Token
from chalicelib.core import reviews
from chalicelib.core.access import Role
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.errors import ReviewNotFound
from chalicelib.core.reviews import ReviewKind


class ReviewsWanted(Sent):
    kind: Annotated[
        ReviewKind | None,
        Meta(
            description="promoted: a stranger became a regular, who is it? uncertain: a match little above its "
            "threshold, is it this face?"
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class NearFace(Answer):
    face: Annotated[str, Meta(description="Its id.")]
    score: Annotated[float, Meta(le=1)]


class Review(Answer):
    id: Annotated[str, Meta(extra_json_schema={"pattern": "^(promoted|uncertain)-[A-Za-z0-9_-]{1,70}$"})]
    kind: ReviewKind
    at: Annotated[Time, Meta(description="When the picture was taken.")]
    face: str
    camera: CameraId
    capture: CaptureId
    sighting: str
    box: Annotated[Box | None, Meta(description="The place of the face in the capture.")]
    picture_url: PictureUrl
    crop_url: CropUrl
    score: Score
    threshold: Threshold
    gallery_size: GallerySize
    false_match_probability: FalseMatchProbability
    by: By
    near: Annotated[
        list[NearFace],
        Meta(
            description="Of an uncertain match: the five faces that the sighting was most like when it was decided, "
            "best first. Some may be gone since."
        ),
    ]


class ReviewsPage(Answer):
    reviews: list[Review]
    next_token: NextToken


def list_reviews(call: Call, query: ReviewsWanted) -> ReviewsPage:
    """List what somebody should look at: uncertain matches newest first, then regulars whom nobody has named.

    A review is over when it is done, and by itself when the face is deleted, merged into another, named or moved to
    another group, when its sighting is rejected, and when the picture is not kept any more. A page may have fewer than
    `limit` and not be the last: go on until `next_token` is null.
    """
    found = call.services.sightings.reviews.page(call.tenant, query.kind, query.limit, query.token)
    return ReviewsPage(reviews=[_review(call, one) for one in found.rows], next_token=found.next_token)


def finish_review(call: Call) -> None:
    """Say that nobody needs to look at this any more. Nothing else is changed."""
    call.services.sightings.reviews.done(call.tenant, call.path["id"], call.request)


OPERATIONS = (
    Operation("GET", "/v1/reviews", list_reviews, Role.VIEWER),
    Operation(
        "POST", "/v1/reviews/{id}/done", finish_review, Role.OPERATOR, errors=(ReviewNotFound,), again=repeats.nothing
    ),
)


def _review(call: Call, review: reviews.Review) -> Review:
    url = call.services.sightings.picture_url(call.tenant, review.camera, review.sighting_id)
    return Review.made_of(
        review,
        face=review.faceid,
        capture=parts_of_sighting(review.sighting_id)[0],
        sighting=review.sighting_id,
        box=None if review.box is None else Box.of(review.box),
        picture_url=shown_capture(call, review.camera, parts_of_sighting(review.sighting_id)[0], url),
        crop_url=crop_url(call, review.camera, review.sighting_id),
        **decided(review.decision),
        near=[NearFace(face=one.faceid, score=one.score) for one in review.near],
    )
