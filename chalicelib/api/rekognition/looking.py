"""DetectFaces and CompareFaces: what is in pictures of which nothing is stored."""

from __future__ import annotations

from functools import partial

from chalicelib.api.rekognition.details import (
    bounding_box,
    compared_face,
    confidence,
    face_detail,
    reason_of,
    wanted_models,
)
from chalicelib.api.rekognition.errors import BAD_REQUEST, Failure
from chalicelib.api.rekognition.operation import Call, Members
from chalicelib.api.rekognition.pictures import MOST_FACES, RULES, judged, picture_of
from chalicelib.core.similarity import MATCH
from chalicelib.services.recognition.looking import SeenPicture


def detect_faces(call: Call, asked: Members) -> Members:
    attributes = asked.get("Attributes", [])
    picture, looking = picture_of(asked["Image"]), call.services.looking
    with judged():
        seen = looking.seen(call.tenant, picture, RULES, wanted_models(attributes), most=MOST_FACES).described
    return {"FaceDetails": [face_detail(one, seen.width, seen.height, attributes) for one in seen.faces]}


def compare_faces(call: Call, asked: Members) -> Members:
    names = ("SourceImage", "TargetImage")
    pictures = {name: picture_of(asked[name]) for name in names}
    source, target = (_fit(call, pictures[name], name, asked.get("QualityFilter", "NONE")) for name in names)
    similar = call.services.verification.similarities(call.tenant, source, target)
    least = asked.get("SimilarityThreshold", MATCH)
    sides = target.described.width, target.described.height
    compared = [
        (similarity, compared_face(face, *sides))
        for similarity, face in zip(similar, target.described.faces, strict=True)
    ]
    matches = sorted((one for one in compared if one[0] >= least), key=lambda one: -one[0])
    largest, (width, height) = source.described.faces[0].detected, (source.described.width, source.described.height)
    return {
        "SourceImageFace": {
            "BoundingBox": bounding_box(largest, width, height),
            "Confidence": confidence(largest.score),
        },
        "FaceMatches": [{"Similarity": similarity, "Face": face} for similarity, face in matches],
        "UnmatchedFaces": [face for similarity, face in compared if similarity < least],
    }


def _fit(call: Call, picture: bytes, name: str, quality_filter: str) -> SeenPicture:
    """Return the faces of a picture that pass the filter, largest first. Raises Failure if none does."""
    with judged():
        seen = call.services.looking.seen(call.tenant, picture, RULES, most=MOST_FACES, embeds=True)
    fit = seen.without(partial(reason_of, quality_filter=quality_filter))
    if not fit.described.faces:
        raise Failure("InvalidParameterException", f"{BAD_REQUEST}: there is no face in {name} that can be compared")
    return fit
