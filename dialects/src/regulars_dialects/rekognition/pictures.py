"""Pictures in Rekognition's words: Image members, FaceDetail, quality filters; and the operations
that only look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from chalicelib.api.http import Failure
from chalicelib.domain.pictures import Estimates, Found, Sides
from chalicelib.domain.rules.decision import MATCH, MIN_QUALITY
from chalicelib.domain.rules.recognised import MOST_FACES, DescribedFace, PictureOptions
from regulars_dialects.rekognition.operation import BAD_REQUEST, RULES, RekognitionContext

Members = dict[str, Any]


def require_one_picture(image: Mapping[str, Any]) -> None:
    """Raise Failure unless an Image member has a picture, once."""
    if len(image) != 1:
        reason = "not both" if image else "one of them is needed"
        raise Failure(
            "InvalidParameterException", f"{BAD_REQUEST}: an Image has Bytes or S3Object, {reason}"
        )
    if "S3Object" in image and not {"Bucket", "Name"} <= image["S3Object"].keys():
        raise Failure(
            "InvalidParameterException", f"{BAD_REQUEST}: an S3Object has Bucket and Name"
        )


def read_picture(context: RekognitionContext, image: Mapping[str, Any]) -> bytes:
    """Return the bytes of an Image member: those that it has, or those of the S3 object that it
    names.

    Raises Failure if there is no such object, or the tenant may not read it.
    """
    if "Bytes" in image:
        sent_bytes: bytes = image["Bytes"]
        return sent_bytes
    s3_object = image["S3Object"]
    stored_bytes = context.services.recognition.stored_pictures.read_picture(
        context.tenant, s3_object["Bucket"], s3_object["Name"], s3_object.get("Version")
    )
    if stored_bytes is None:
        raise Failure(
            "InvalidS3ObjectException",
            "Unable to get object metadata from S3. Check object key, region and/or access "
            "permissions.",
        )
    return stored_bytes


MODELS: Mapping[str, str] = MappingProxyType(
    {"AGE_RANGE": "age", "GENDER": "gender", "EMOTIONS": "emotion", "SMILE": "emotion"}
)
"""The attribute of ATTRIBUTES (domain/pictures.py) that each of Rekognition's needs."""

_UNSEEN = (
    "EYEGLASSES",
    "SUNGLASSES",
    "BEARD",
    "MUSTACHE",
    "EYES_OPEN",
    "MOUTH_OPEN",
    "FACE_OCCLUDED",
)
"""Attributes that no model here sees. Of two values, a Confidence is 50 at least."""

_LANDMARKS = ("eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight")
"""In the order of the book's."""

_EMOTIONS = {
    "happy": "HAPPY",
    "sad": "SAD",
    "angry": "ANGRY",
    "surprise": "SURPRISED",
    "fear": "FEAR",
    "disgust": "DISGUSTED",
    "neutral": "CALM",
    "contempt": "UNKNOWN",
}

_LEAST_QUALITY = {
    "NONE": 0.0,
    "AUTO": MIN_QUALITY,
    "LOW": MIN_QUALITY,
    "MEDIUM": 40.0,
    "HIGH": 60.0,
}
"""Quality, 0 to 100, from which on a face passes each QualityFilter. MEDIUM and HIGH are our
choice."""
_LEAST_SIDE_PX = 32.0
"""Shorter side of the smallest face that is described, in pixels."""

_REASONS = {
    "size": "SMALL_BOUNDING_BOX",
    "sharpness": "LOW_SHARPNESS",
    "compression": "LOW_SHARPNESS",
    "exposure": "LOW_BRIGHTNESS",
    "detector": "LOW_CONFIDENCE",
    "pose": "EXTREME_POSE",
}
"""By Quality.aspect; for what is none of these, LOW_FACE_QUALITY."""


def choose_models(attributes: Sequence[str]) -> frozenset[str]:
    """Return the attributes of the book that are asked for.

    An empty list asks for Rekognition's default members.
    """
    wanted_names = MODELS if "ALL" in attributes else attributes
    return frozenset(MODELS[name] for name in wanted_names if name in MODELS)


def describe_box(face: Found) -> Members:
    """Return a face's box as shares of the picture's sides, over which it may reach, and the
    detector's confidence."""
    return {
        "BoundingBox": {"Width": face.width, "Height": face.height, "Left": face.x, "Top": face.y},
        "Confidence": max(50.0, 100 - 160 * (1 - min(face.score, 1.0)) ** 2),
    }


def find_flaw(face: DescribedFace, quality_filter: str) -> str:
    """Return why a face does not pass a filter; "" if it does."""
    box = face.detected.box
    if quality_filter != "NONE" and min(box.width, box.height) < _LEAST_SIDE_PX:
        return "SMALL_BOUNDING_BOX"
    if face.quality.total < _LEAST_QUALITY[quality_filter]:
        return _REASONS.get(face.quality.aspect, "LOW_FACE_QUALITY")
    return ""


def describe_compared_face(face: DescribedFace, width: int, height: int) -> Members:
    """Return the members that every face of a picture has.

    `width`, `height`: those of the picture.
    """
    detected, quality, pose = face.detected, face.quality, face.estimates.pose
    detail: Members = {
        **describe_box(Found.convert_face(detected, Sides(width, height))),
        "Landmarks": [
            {"Type": name, "X": x / width, "Y": y / height}
            for name, (x, y) in zip(_LANDMARKS, detected.landmarks, strict=False)
        ],
        "Quality": {
            "Brightness": 100 * quality.brightness**0.5,
            "Sharpness": 100 * quality.sharpness,
        },
    }
    if pose is not None:
        # theirs is positive looking up
        detail["Pose"] = {"Roll": pose.roll, "Yaw": pose.yaw, "Pitch": -pose.pitch}
    return detail


def describe_face_detail(
    face: DescribedFace,
    width: int,
    height: int,
    attributes: Collection[str],
    *,
    unseen: bool = False,
) -> Members:
    """Return a FaceDetail with the attributes that were asked for and are known.

    `unseen`: with those that are not.
    """
    wanted_names = {*MODELS, *_UNSEEN, "EYE_DIRECTION"} if "ALL" in attributes else attributes
    described = {
        _name_member(name): _DESCRIBERS[name](face.estimates)
        for name in _DESCRIBERS
        if name in wanted_names
    }
    known_members = {name: value for name, value in described.items() if value is not None}
    return {
        **describe_compared_face(face, width, height),
        **known_members,
        **(_describe_unseen(face, wanted_names) if unseen else {}),
    }


def _name_member(attribute: str) -> str:
    """Return the member of a FaceDetail that an attribute asks for."""
    return attribute.title().replace("_", "")


def _describe_unseen(face: DescribedFace, wanted_names: Collection[str]) -> Members:
    """Return "no" for what nobody looked at, as unsure as can be; of the eyes, the direction of the
    head."""
    answers: dict[str, Any] = {
        _name_member(name): {"Value": False, "Confidence": 50.0}
        for name in _UNSEEN
        if name in wanted_names
    }
    if (pose := face.estimates.pose) is not None and "EYE_DIRECTION" in wanted_names:
        answers["EyeDirection"] = {"Yaw": pose.yaw, "Pitch": -pose.pitch, "Confidence": 50.0}
    return answers


def _describe_age(estimates: Estimates) -> Members | None:
    if estimates.age is None:
        return None
    either_way = max(3.0, 0.15 * estimates.age)
    return {
        "Low": max(0, round(estimates.age - either_way)),
        "High": round(estimates.age + either_way),
    }


def _describe_gender(estimates: Estimates) -> Members | None:
    """Return the likelier gender, however unsure it is: Amazon always tells it, and programs read
    the member."""
    if not estimates.genders:
        return None
    gender, score = estimates.genders[0]
    return {"Value": gender.capitalize(), "Confidence": 100 * score}


def _describe_emotions(estimates: Estimates) -> list[Members] | None:
    return [
        {"Type": _EMOTIONS[name], "Confidence": 100 * probability}
        for name, probability in estimates.emotions
    ] or None


def _describe_smile(estimates: Estimates) -> Members | None:
    if not estimates.emotions:
        return None
    happy = dict(estimates.emotions).get("happy", 0.0)
    smiles = estimates.emotions[0][0] == "happy"
    return {"Value": smiles, "Confidence": 100 * (happy if smiles else 1 - happy)}


_DESCRIBERS: Mapping[str, Callable[[Estimates], object]] = {
    "AGE_RANGE": _describe_age,
    "SMILE": _describe_smile,
    "GENDER": _describe_gender,
    "EMOTIONS": _describe_emotions,
}


def detect_faces(context: RekognitionContext, members: Members) -> Members:
    """Describe the faces of a picture, without a search."""
    attributes = members.get("Attributes", [])
    require_one_picture(members["Image"])
    picture = read_picture(context, members["Image"])
    analysis = context.services.recognition.face_analysis
    described_picture = analysis.describe_picture(
        context.tenant.with_feelings(),
        picture,
        RULES,
        PictureOptions(choose_models(attributes), max_faces=MOST_FACES),
    ).described
    unseen = context.tenant.answers_unknown
    return {
        "FaceDetails": [
            describe_face_detail(
                face, described_picture.width, described_picture.height, attributes, unseen=unseen
            )
            for face in described_picture.faces
        ]
    }


def compare_faces(context: RekognitionContext, members: Members) -> Members:
    """Compare the largest face of the source with each face of the target, the most similar ones
    first.

    Faces that the quality filter refuses count in neither picture. Raises Failure if a picture has
    no other face.
    """
    names = ("SourceImage", "TargetImage")
    for name in names:
        require_one_picture(members[name])
    quality_filter = members.get("QualityFilter", "NONE")
    describe = partial(
        context.services.recognition.face_analysis.describe_picture, context.tenant, rules=RULES
    )
    # Of the source, only the largest face is compared; a filter may refuse it, so the others are
    # described then, too.
    source_options = PictureOptions(
        max_faces=1 if quality_filter == "NONE" else MOST_FACES, embeds=True
    )
    target_options = PictureOptions(max_faces=MOST_FACES, embeds=True)
    seen_source = describe(read_picture(context, members["SourceImage"]), options=source_options)
    seen_target = describe(read_picture(context, members["TargetImage"]), options=target_options)
    is_unfit = partial(find_flaw, quality_filter=quality_filter)
    source, target = seen_source.leave_out(is_unfit), seen_target.leave_out(is_unfit)
    for name, picture in zip(names, (source, target), strict=True):
        if not picture.described.faces:
            text = f"{BAD_REQUEST}: there is no face in {name} that can be compared"
            raise Failure("InvalidParameterException", text)
    similarities = context.services.recognition.verification.rate_similarities(
        context.tenant, source, target
    )
    min_similarity = members.get("SimilarityThreshold", MATCH)
    sides = target.described.width, target.described.height
    compared = [
        (similarity, describe_compared_face(face, *sides))
        for similarity, face in zip(similarities, target.described.faces, strict=True)
    ]
    matches: list[dict[str, Any]] = [
        {"Similarity": similarity, "Face": face}
        for similarity, face in compared
        if similarity >= min_similarity
    ]
    matches.sort(key=lambda match: -match["Similarity"])
    largest = source.described.faces[0].detected
    return {
        "SourceImageFace": describe_box(
            Found.convert_face(largest, Sides(source.described.width, source.described.height))
        ),
        "FaceMatches": matches,
        "UnmatchedFaces": [face for similarity, face in compared if similarity < min_similarity],
    }
