"""The pictures of a face: list, add, remove; and rejections, the sightings that it is not: list,
take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.v1.endpoint import Operations, V1Context, answer_nothing
from chalicelib.api.v1.shapes import (
    Link,
    Masked,
    Pose,
    Thumbnail,
    describe_pose,
    link_picture,
)
from chalicelib.api.v1.wire import PICTURES, Answer, NextToken, PictureFile, Time, WithPicture
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events, errors, model
from chalicelib.domain.captures import captured_ms, parts_of_sighting
from chalicelib.storage.values import moment

operations = Operations()


class NewPicture(WithPicture):
    """Either a picture or a sighting."""

    picture: PictureFile | UnsetType = UNSET
    sighting: (
        Annotated[str, Meta(max_length=100, description="The id of one of the face's sightings.")]
        | UnsetType
    ) = UNSET
    trust: Annotated[
        bool,
        Meta(
            description="Whether the caller vouches that it is this person, whatever it looks like."
        ),
    ] = False


class Learnt(Answer):
    """The sighting that the picture was learnt from."""

    sighting: str
    camera: str
    captured_at: Time


class Picture(Answer):
    id: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{32}$",
            description="The first half of the SHA-256 of the photo as it was sent, by which you "
            "know which one it is; "
            "of a face from a capture, of the whole capture.",
        ),
    ]
    added_at: Time
    quality: Annotated[float | None, Meta(description="0 to 100.")]
    masked: Masked
    pose: Pose | None
    url: Link
    thumb_url: Thumbnail
    compared: Annotated[
        bool,
        Meta(
            description="Whether the face is compared by it. Eight at most are; the others are "
            "spare."
        ),
    ]
    kept: Annotated[
        bool,
        Meta(
            description="Whether the picture is stored, and not only its template; another model "
            "needs it."
        ),
    ]
    learnt: Annotated[
        Learnt | None,
        Meta(
            description="If the service took it from a sure sighting by itself; null: it was given."
        ),
    ]


class Pictures(Answer):
    pictures: Annotated[list[Picture], Meta(min_length=1, max_length=100)]


@operations("GET", "/v1/faces/{id}/pictures", Role.VIEWER)
def list_pictures(context: V1Context) -> Pictures:
    """List the pictures of the face, the portrait first, then as they were added.

    The portrait is the one that the face was enrolled with, unless `PATCH /v1/faces/{id}` chose
    another. What other answers say of the face's estimates and quality is what the first one added
    shows. Pictures of a face that was merged into this one are among the others.
    """
    face = context.services.faces.get(context.tenant, context.path_values["id"])
    pictures = sorted(face.pictures, key=lambda picture: picture.id != face.portrait.id)
    return Pictures(pictures=[_describe_picture(context, picture) for picture in pictures])


def _answer_picture_again(context: V1Context, body: Mapping[str, Any]) -> Picture:
    for picture in context.services.faces.get(context.tenant, context.path_values["id"]).pictures:
        if picture.id == body["picture"]:
            return _describe_picture(context, picture)
    raise errors.PictureNotFound(
        f"this picture was added, as {body['picture']!r}, and taken away since"
    )


@operations(
    "POST",
    "/v1/faces/{id}/pictures",
    Role.OPERATOR,
    status=201,
    again=_answer_picture_again,
    searches=True,
)
def add_picture(context: V1Context, body: NewPicture) -> Picture:
    """Have the face be known by one more photo of the person; it is found by the mean of eight at
    most.

    Of more, the eight are chosen whose mean is nearest to that of all. The others are spare: they
    are listed and deleted like these, and one takes the place of one that goes.

    Either a `picture`, with exactly one face on it that could be enrolled; formats and sizes are
    those of an enrolment. Or a `sighting` of this face: as that capture shows it, also among
    others. 404 SightingNotFound if it is not this face's; 409 Conflict if the capture is not kept
    any more. Quality and liveness are asked for as of an enrolment (422 Unusable).

    A photo of somebody else would spoil the mean, so it has to look like the face as much as a
    search of the tenant's faces asks for: else 422 NotThisPerson, with the `score` and the
    `threshold` in the error. So too if it is nearer to a picture that was said not to be this face.
    422 AnotherFace if another face looks like it more: `face` is that one, and `other_score` how
    much; merge the two if they are one person. `trust` passes over these three.

    The same photo again adds nothing and is answered the same, the one that the face was enrolled
    with too. 409 TooManyPictures if people gave it a hundred. Nobody arrives by this, and
    statistics do not count it. Searches know the picture at once.
    """
    pictures, faceid = context.services.enrolment.pictures, context.path_values["id"]
    if isinstance(body.sighting, str) and isinstance(body.picture, UnsetType):
        return _describe_picture(
            context,
            pictures.add_sighting(
                context.tenant,
                faceid,
                body.sighting,
                is_vouched_for=body.trust,
                request=context.request_id,
            ),
        )
    if isinstance(body.sighting, str) or isinstance(body.picture, UnsetType):
        raise errors.InvalidInput(
            "send either picture, a file, or sighting, the id of one of the face's sightings"
        )
    added = pictures.add_photo(
        context.tenant,
        faceid,
        body.picture,
        PICTURES,
        is_vouched_for=body.trust,
        request=context.request_id,
    )
    return _describe_picture(context, added)


@operations("DELETE", "/v1/faces/{id}/pictures/{picture}", Role.OPERATOR, again=answer_nothing)
def delete_picture(context: V1Context) -> None:
    """Forget one picture and its templates; the face is found by the mean of the others.

    If it is the portrait, the first of the others is. 409 LastPicture if there is no other: delete
    the face. What was merged into the face and can come back keeps its own copy.
    """
    context.services.enrolment.pictures.remove_picture(
        context.tenant,
        context.path_values["id"],
        context.path_values["picture"],
        context.request_id,
    )


def _describe_picture(context: V1Context, picture: model.Picture) -> Picture:
    """Describe one of a face's pictures, with its links."""
    audit_events.report_people([context.path_values["id"]])
    estimates = picture.estimates
    return Picture.made_of(
        picture,
        quality=estimates.quality,
        masked=estimates.masked,
        pose=describe_pose(estimates),
        **link_picture(context, picture),
        compared=not picture.spare,
        kept=picture.key != "",
        learnt=picture.learnt
        and Learnt.made_of(picture.learnt, sighting=picture.learnt.sighting_id),
    )


class Rejection(Answer):
    """A sighting that somebody said is not this face."""

    sighting: str
    capture: str
    camera: str
    captured_at: Time


class Rejections(Answer):
    rejections: Annotated[list[Rejection], Meta(max_length=20)]
    next_token: Annotated[NextToken, Meta(description="Null: all are in one answer.")]


@operations("GET", "/v1/faces/{id}/rejections", Role.OPERATOR, tag="rejections")
def list_rejections(context: V1Context) -> Rejections:
    """List the sightings that were rejected for the face, newest first."""
    negatives = context.services.sightings.rejection.of_face(
        context.tenant, context.path_values["id"]
    )
    audit_events.report_people([context.path_values["id"]] if negatives else [])
    return Rejections(
        rejections=[_describe_rejection(negative) for negative in negatives], next_token=None
    )


@operations(
    "DELETE",
    "/v1/faces/{id}/rejections/{sighting}",
    Role.OPERATOR,
    tag="rejections",
    again=answer_nothing,
)
def delete_rejection(context: V1Context) -> None:
    """Take a rejection back: pictures like this one may be the face again.

    The sighting stays what it was resolved to when it was rejected: merge that face, if this is the
    same person.
    """
    context.services.sightings.rejection.take_back(
        context.tenant,
        context.path_values["id"],
        context.path_values["sighting"],
        context.request_id,
    )


def _describe_rejection(negative: model.Negative) -> Rejection:
    capture_id, _ = parts_of_sighting(negative.sighting_id)
    captured_at = moment(captured_ms(capture_id))
    return Rejection.made_of(
        negative, sighting=negative.sighting_id, capture=capture_id, captured_at=captured_at
    )
