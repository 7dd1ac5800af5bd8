"""DetectFaces and CompareFaces: what is in pictures of which nothing is stored."""

from __future__ import annotations

from functools import partial

from chalicelib.api.rekognition.details import compared_face, face_detail, placed, reason_of, wanted_models
from chalicelib.api.rekognition.errors import BAD_REQUEST, Failure
from chalicelib.api.rekognition.operation import Call, Members
from chalicelib.api.rekognition.pictures import MOST_FACES, RULES, judged, picture_of, require_one
from chalicelib.core.decision import MATCH
from chalicelib.core.pictures import Found, Sides


def detect_faces(call: Call, asked: Members) -> Members:
    attributes = asked.get("Attributes", [])
    require_one(asked["Image"])
    picture, looking = picture_of(call, asked["Image"]), call.services.recognition.looking
    with judged():
        seen = looking.seen(call.tenant, picture, RULES, wanted_models(attributes), most=MOST_FACES).described
    return {"FaceDetails": [face_detail(one, seen.width, seen.height, attributes) for one in seen.faces]}


def compare_faces(call: Call, asked: Members) -> Members:
    names = ("SourceImage", "TargetImage")
    for name in names:
        require_one(asked[name])
    looked = partial(call.services.recognition.looking.seen, rules=RULES, most=MOST_FACES, embeds=True)
    with judged():
        both = [looked(call.tenant, picture_of(call, asked[name])) for name in names]
    unfit = partial(reason_of, quality_filter=asked.get("QualityFilter", "NONE"))
    source, target = (seen.without(unfit) for seen in both)
    for name, seen in zip(names, (source, target), strict=True):
        if not seen.described.faces:
            text = f"{BAD_REQUEST}: there is no face in {name} that can be compared"
            raise Failure("InvalidParameterException", text)
    similar = call.services.recognition.verification.similarities(call.tenant, source, target)
    least = asked.get("SimilarityThreshold", MATCH)
    sides = target.described.width, target.described.height
    compared = [
        (similarity, compared_face(face, *sides))
        for similarity, face in zip(similar, target.described.faces, strict=True)
    ]
    matches = sorted((one for one in compared if one[0] >= least), key=lambda one: -one[0])
    largest = source.described.faces[0].detected
    return {
        "SourceImageFace": placed(Found.of(largest, Sides(source.described.width, source.described.height))),
        "FaceMatches": [{"Similarity": similarity, "Face": face} for similarity, face in matches],
        "UnmatchedFaces": [face for similarity, face in compared if similarity < least],
    }
