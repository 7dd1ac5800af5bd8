"""Looking at pictures over v1: who may it be, is it the same person, what is to be seen. Nothing is
stored."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, field

from chalicelib.api.v1.endpoint import Operations, V1Context
from chalicelib.api.v1.faces import Face, FaceId, describe_faces
from chalicelib.api.v1.shapes import LISTED, Box, Estimates, FalseMatchProbability
from chalicelib.api.v1.wire import PICTURES, Answer, Instant, PictureFile, PictureSent, Sent, Text
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.errors import InvalidInput, Unusable

if TYPE_CHECKING:
    from chalicelib.domain import pictures
    from chalicelib.domain.rules import recognised
    from chalicelib.domain.rules.recognised import Comparison

operations = Operations()

Quality = Annotated[
    float, Meta(ge=0, le=100, description="0 to 100: how fit the picture is for recognition.")
]
Flaw = Annotated[
    str,
    Meta(
        description="What is worst about the picture of this face, in words; empty if nothing "
        "could be better."
    ),
]
Score = Annotated[float, Meta(le=1, description="How alike the two are; strangers are near 0.")]
NeededScore = Annotated[float, Meta(description="The score from which on it is a match.")]
Pixels = Annotated[int, Meta(ge=1, description="Of the picture as it was sent, upright.")]
Reason = Annotated[
    str | None,
    Meta(
        description="Why it was not compared: it is too poor, or a picture of a face. Null if it "
        "was compared."
    ),
]


class PictureToIdentify(PictureSent):
    groups: Annotated[
        Annotated[list[Text], Meta(min_length=1, max_length=100)] | None,
        Meta(description="Names of the groups that are searched; all if it is left out."),
    ] = None
    k: Annotated[
        int, Meta(ge=1, le=20, description="How many candidates each face gets at most.")
    ] = 5
    record: Annotated[
        bool, Meta(description="Whether statistics shall count the matches, as searches.")
    ] = False
    restricted: Annotated[
        bool,
        Meta(
            description="Look among the restricted faces, too, since the person asks for access or "
            "erasure."
        ),
    ] = False


class Candidate(Answer):
    """An enrolled face, and whether the face of the picture is this person."""

    face: Face
    score: Score
    match: bool
    alike: Annotated[
        bool,
        Meta(
            description="Whether the score is at least half of the threshold. Only `faces` asks "
            "for others."
        ),
    ] = True


class ComparedFace(Answer):
    box: Box
    quality: Quality
    flaw: Flaw


class IdentifiedFace(ComparedFace):
    match: bool
    reason: Reason
    threshold: NeededScore
    gallery_size: Annotated[int, Meta(ge=0, description="How many faces it was compared with.")]
    false_match_probability: FalseMatchProbability
    candidates: Annotated[
        list[Candidate],
        Meta(description="The one that matches, then the nearest faces that are alike."),
    ]
    same: Annotated[
        list[str],
        Meta(
            description="Ids of all faces that it is, restricted ones first: somebody may be in "
            "the book twice. Only `restricted` asks for them."
        ),
    ] = field(default_factory=list)


class IdentifiedPicture(Answer):
    width: Pixels
    height: Pixels
    faces: Annotated[list[IdentifiedFace], Meta(description="Largest first, 80 at most.")]


class PicturesToVerify(PictureSent):
    """A picture, and either a face or another picture."""

    face: Annotated[Text | None, Meta(description="The id of an enrolled face.")] = None
    other: Annotated[PictureFile | None, Meta(description="Another picture.")] = None


class Verified(Answer):
    match: bool
    score: Score
    threshold: NeededScore
    false_match_probability: Annotated[
        float, Meta(ge=0, le=1, description="How probable it is that two strangers score as high.")
    ]
    reason: Reason
    faces: Annotated[
        list[ComparedFace],
        Meta(description="What was compared: of the picture, and of the other one."),
    ]


class EnrolledAs(StrEnum):
    """The place that a picture would have among a person's: the first one enrols, a further one is
    added."""

    FIRST = "first"
    FURTHER = "further"


class PictureToDetect(PictureSent):
    enrols: Annotated[
        EnrolledAs | None,
        Meta(
            description="Say also, in `refused`, whether an enrolment would take the picture: as "
            "the `first` one of a "
            "person (`POST /v1/faces`), or as a `further` one (`POST /v1/faces/{id}/pictures`)."
        ),
    ] = None


class Point(Answer):
    x: float
    y: float


class DetectedFace(ComparedFace):
    landmarks: Annotated[
        list[Point],
        Meta(
            description="Left eye, right eye, nose, left and right corner of the mouth, as one "
            "sees them."
        ),
    ]
    certainty: Annotated[float, Meta(ge=0, le=1, description="How surely it is a face.")]
    estimates: Estimates


class DetectedPicture(Answer):
    width: Pixels
    height: Pixels
    faces: Annotated[list[DetectedFace], Meta(description="Largest first, 80 at most.")]
    refused: Annotated[
        str | None,
        Meta(
            description="With `enrols`: the reason why an enrolment would refuse the picture; "
            "null: it would take it. Only the picture is judged: whether the person is known, "
            "erased, without a record of consent or unlike the other pictures is not looked up."
        ),
    ]


class SimilarWanted(Sent):
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    faces: Annotated[
        Annotated[list[FaceId], Meta(max_length=100)] | None,
        Meta(
            description="These faces alone, in this order, however little they are alike: ask "
            "before a merge. Leave "
            "out `limit`, `sighting`, `since` and `listed` then."
        ),
    ] = None
    sighting: Annotated[
        Text | None,
        Meta(
            description="Id of one of the face's sightings: who is most like the picture of that?"
        ),
    ] = None
    since: Annotated[
        Instant | None, Meta(description="Strangers alone, whose last arrival began then or later.")
    ] = None
    listed: Annotated[bool, Meta(description=f"{LISTED}; not with `faces`.")] = False


class SimilarFaces(Answer):
    threshold: NeededScore
    gallery_size: Annotated[
        int, Meta(ge=0, description="How many faces it was compared with, itself included.")
    ]
    faces: Annotated[
        list[Candidate], Meta(description="The faces that are like this one, best first.")
    ]


@operations("POST", "/v1/identify", Role.OPERATOR, searches=True)
def identify(context: V1Context, body: PictureToIdentify) -> IdentifiedPicture:
    """Say who each face of a picture may be. Nothing is recorded unless `record` is true.

    The first candidate is the one that matches, by the same rule as everywhere: `match` says so.
    Behind it come the nearest faces, in the order of a comparison with every face of the groups.
    They may be nearer than the match: a picture that was rejected for a face does not match that
    face. Those whose score is below half of the threshold are left out: one sees that they are
    somebody else. A smaller `k` gives the beginning of the same list.

    A face that is too poor to be compared, or is refused as a picture of a face, has no candidates,
    and `reason` says why. JPEG, PNG, BMP, WebP and HEIC are read, up to 8192 pixels a side (422
    Unusable).
    """
    face_analysis = context.services.recognition.face_analysis
    identification = face_analysis.identify_faces(
        context.tenant, body.picture, PICTURES, group_names=body.groups, max_candidates=body.k
    )
    if body.record:
        face_analysis.record_once(context.tenant, identification.faces, context.request_id)
    return IdentifiedPicture.made_of(
        identification,
        faces=[
            _describe_identified_face(context, face, restricted=body.restricted)
            for face in identification.faces
        ],
    )


@operations("POST", "/v1/verify", Role.OPERATOR, searches=True)
def verify(context: V1Context, body: PicturesToVerify) -> Verified:
    """Say whether a picture's largest face is a certain enrolled face, or that of another picture.

    The threshold is that of a search in a small gallery, so that both say the same. Nothing is
    recorded. 422 Unusable if a picture shows no face.
    """
    if (body.face is None) == (body.other is None):
        raise InvalidInput(
            "send either face, the id of an enrolled face, or other, another picture"
        )
    use = context.services.recognition.verification
    if body.face is not None:
        verified = _describe_comparison(
            use.compare_with_face(context.tenant, body.picture, PICTURES, body.face)
        )
        audit_events.report_people([body.face])
        return verified
    return _describe_comparison(
        use.compare_pictures(context.tenant, body.picture, body.other or b"", PICTURES)
    )


@operations("POST", "/v1/detect", Role.OPERATOR, searches=True)
def detect(context: V1Context, body: PictureToDetect) -> DetectedPicture:
    """Find the faces of a picture, and say how good each is and what it shows.

    Nobody is looked for.
    """
    described_picture = context.services.recognition.face_analysis.detect(
        context.tenant, body.picture, PICTURES
    )
    return DetectedPicture.made_of(
        described_picture,
        faces=[_describe_detected_face(face) for face in described_picture.faces],
        refused=None if body.enrols is None else _find_refusal(context, body.picture, body.enrols),
    )


def _find_refusal(context: V1Context, picture: bytes, enrolled_as: EnrolledAs) -> str | None:
    """Return why an enrolment would refuse a picture, by the portrait that it would make; None: it
    would not."""
    portraits = context.services.portraits
    portray = (
        portraits.portray_largest if enrolled_as is EnrolledAs.FIRST else portraits.portray_only
    )
    try:
        portray(context.tenant, picture, PICTURES)
    except Unusable as error:
        return str(error)
    return None


@operations("GET", "/v1/faces/{id}/similar", Role.VIEWER)
def list_similar(context: V1Context, query: SimilarWanted) -> SimilarFaces:
    """List the faces that are most like a face, of all groups: who may be the same person, enrolled
    twice.

    Those that match look like one person, and may be merged. Those whose score is below half of the
    threshold are left out: one sees that they are somebody else. Nothing is recorded. With
    `sighting` they are who may have been seen then; 409 Conflict if its picture is not kept any
    more. With `since` they are strangers who came since then, of the 200 strangers that are most
    like the face: was it not recognised?
    """
    faceid, sighting = context.path_values["id"], query.sighting
    if query.faces is not None:
        if sighting is not None or query.since is not None or query.listed:
            raise InvalidInput(
                "send faces alone, without sighting, since and listed: these faces are compared "
                "with the face"
            )
        compared = context.services.recognition.verification.compare_faces(
            context.tenant, faceid, query.faces
        )
        return SimilarFaces.made_of(compared, faces=_describe_candidates(context, compared.faces))
    face = (
        None
        if sighting is None
        else context.services.captures.read_face_of_sighting(context.tenant, faceid, sighting)
    )
    left_out = context.services.faces.list_hidden(context.tenant) if query.listed else frozenset()
    similar_faces = context.services.recognition.face_analysis.find_similar_faces(
        context.tenant, faceid, query.limit, face, since=query.since, left_out=left_out
    )
    return SimilarFaces.made_of(
        similar_faces, faces=_describe_candidates(context, similar_faces.faces)
    )


def _describe_identified_face(
    context: V1Context, face: recognised.IdentifiedFace, *, restricted: bool
) -> IdentifiedFace:
    verification = context.services.recognition.verification
    is_sought = restricted and not face.reason
    same = verification.find_faces_of_person(context.tenant, face.probe) if is_sought else []
    audit_events.report_people(same)
    return IdentifiedFace.made_of(
        face.decision,
        **_describe_quality(face.probe.box, face.probe.quality),
        match=face.match is not None,
        reason=face.reason or None,
        candidates=_describe_candidates(context, face.candidates),
        same=same,
    )


def _describe_candidates(
    context: V1Context, rated: Sequence[recognised.RatedFace]
) -> list[Candidate]:
    faces = describe_faces(context, [face.face for face in rated])
    pairs = zip(rated, faces, strict=True)
    return [
        Candidate(face=face, score=rated_face.score, match=rated_face.match, alike=rated_face.alike)
        for rated_face, face in pairs
    ]


def _describe_comparison(comparison: Comparison) -> Verified:
    faces = [
        ComparedFace(**_describe_quality(probe.box, probe.quality)) for probe in comparison.probes
    ]
    return Verified.made_of(comparison, reason=comparison.reason or None, faces=faces)


def _describe_detected_face(face: recognised.DescribedFace) -> DetectedFace:
    return DetectedFace.made_of(
        face,
        **_describe_quality(face.detected.box, face.quality),
        landmarks=[Point(x=x, y=y) for x, y in face.detected.landmarks],
        certainty=min(max(face.detected.score, 0.0), 1.0),
    )


def _describe_quality(box: pictures.BoundingBox, quality: pictures.Quality) -> dict[str, Any]:
    """Return the members of a ComparedFace."""
    flaw = quality.flaw if quality.total < 100 else ""
    return {"box": Box.of(box), "quality": quality.total, "flaw": flaw}
