"""The views: faces of a picture, who they are, and the names that are known."""

from __future__ import annotations

from typing import Any

from chalicelib.api.deepstack.errors import NO_FACE, NO_IMAGE, Failure, failure_of
from chalicelib.api.deepstack.routes import Call
from chalicelib.core.errors import Unusable
from chalicelib.core.pictures import PictureRules
from chalicelib.core.recognised import DescribedFace, DescribedPicture, SeenPicture

Body = dict[str, Any]

RULES = PictureRules(frozenset({"JPEG", "PNG", "BMP", "WEBP", "GIF"}), 10 * 2**20, 8_192, 8_192)
DETECTED, NAMED = 0.55, 0.5
"""The least confidence if none is sent: of DeepStack's detector; and of a name, for which no less counts."""


def detect(call: Call) -> Body:
    image, least = call.image(), call.least(DETECTED)
    seen = _seen(call, image, embeds=False)
    faces = [face for face in seen.described.faces if face.detected.score >= least]
    return {
        "predictions": [{"confidence": round(face.detected.score, 5), **_place(face, seen.described)} for face in faces]
    }


def register(call: Call) -> Body:
    """Take the pictures of all files that show one face; those that do not are named, unless there are no others."""
    name, subjects = call.userid(), call.services.subjects
    if not call.uploads:
        raise Failure(NO_IMAGE)
    known = subjects.find(call.tenant, call.group, name) is not None
    refused: list[tuple[str, Unusable]] = []
    for one in call.uploads:
        try:
            subjects.enrol(call.tenant, call.group, name, one.data, RULES, 0.0)
        except Unusable as error:
            refused.append((one.name, error))
    if len(refused) == len(call.uploads):
        raise refused[0][1]
    told = [f"{field}: {failure_of(error).text}" for field, error in refused]
    return {"message": "face updated" if known else "face added", **({"refused": told} if told else {})}


def recognize(call: Call) -> Body:
    image, least = call.image(), max(NAMED, call.least(NAMED))
    seen = _seen(call, image, embeds=True)
    faces = seen.described.faces
    if not faces:
        return {"predictions": []}
    qualities = [one.quality.total for one in faces]
    found = call.services.subjects.nearest(call.tenant, call.group, seen.embeddings, qualities, 1)
    predictions = []
    for face, near in zip(faces, found.near, strict=True):
        sure = near[0].closeness if near and not face.spoof else 0.0
        who = near[0].name if sure >= least else "unknown"
        confidence = round(sure, 5) if sure >= least else 0
        predictions.append({"confidence": confidence, "userid": who, **_place(face, seen.described)})
    return {"predictions": predictions}


def match(call: Call) -> Body:
    if not call.uploads:
        raise Failure(NO_IMAGE)
    if len(call.uploads) != 2:
        few = "expected two image files, only one found"
        raise Failure(few if len(call.uploads) == 1 else "only two images allowed")
    one, other = (_largest(_seen(call, upload.data, embeds=True)) for upload in call.uploads)
    (face,), (second,) = one.described.faces, other.described.faces
    qualities = [(face.quality.total, second.quality.total)]
    close = call.services.subjects.close_to(call.tenant, one.embeddings[0], other.embeddings, qualities)
    return {"similarity": 0.0 if face.spoof or second.spoof else round(close[0], 5)}


def list_names(call: Call) -> Body:
    return {"faces": [one.name for one in call.services.subjects.all(call.tenant, call.group)]}


def delete(call: Call) -> None:
    """Delete a name with its faces; one that is not there is gone already."""
    subjects = call.services.subjects
    if (held := subjects.find(call.tenant, call.group, call.userid())) is not None:
        subjects.delete(call.tenant, call.group, held, call.key.id)


def _seen(call: Call, image: bytes, *, embeds: bool) -> SeenPicture:
    looking = call.services.recognition.looking
    return looking.seen(call.tenant, image, RULES, embeds=embeds, poses=False, live=embeds)


def _largest(seen: SeenPicture) -> SeenPicture:
    if not seen.described.faces:
        raise Failure(NO_FACE)
    largest = seen.described.faces[0]
    return seen.without(lambda face: face is not largest)


def _place(face: DescribedFace, picture: DescribedPicture) -> Body:
    box = face.detected.box
    return {
        "y_min": max(round(box.y), 0),
        "x_min": max(round(box.x), 0),
        "y_max": min(round(box.y + box.height), picture.height),
        "x_max": min(round(box.x + box.width), picture.width),
    }
