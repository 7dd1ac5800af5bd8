"""Image members: the picture that was sent, and what is wrong with it in Rekognition's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chalicelib.api.errors import sentence
from chalicelib.api.rekognition.errors import BAD_REQUEST, Failure
from chalicelib.api.rekognition.operation import Call
from chalicelib.core.errors import Unusable
from chalicelib.core.pictures import PictureRules
from chalicelib.core.recognised import MOST_BYTES

RULES = PictureRules(frozenset({"JPEG", "PNG"}), MOST_BYTES, 8_192, 8_192, min_short_side_px=80)

MOST_FACES = 100
"""Faces of one picture that are looked at: the largest ones."""


def require_one(image: Mapping[str, Any]) -> None:
    """Raise Failure unless an Image member has a picture, once."""
    if len(image) != 1:
        which = "not both" if image else "one of them is needed"
        raise Failure("InvalidParameterException", f"{BAD_REQUEST}: an Image has Bytes or S3Object, {which}")
    if "S3Object" in image and not {"Bucket", "Name"} <= image["S3Object"].keys():
        raise Failure("InvalidParameterException", f"{BAD_REQUEST}: an S3Object has Bucket and Name")


def picture_of(call: Call, image: Mapping[str, Any]) -> bytes:
    """Return the bytes of an Image member. Raises Failure."""
    if "Bytes" in image:
        sent: bytes = image["Bytes"]
        return sent
    place = image["S3Object"]
    with judged():
        found = call.services.recognition.stored_pictures.read(
            call.tenant, place["Bucket"], place["Name"], place.get("Version")
        )
    if found is None:
        raise Failure(
            "InvalidS3ObjectException",
            "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
        )
    return found


@contextmanager
def judged() -> Iterator[None]:
    """Say in Rekognition's words what is wrong with a picture that is read in the block."""
    try:
        yield
    except Unusable as error:
        raise _failure(error) from error


def _failure(error: Unusable) -> Failure:
    if error.breaks == "largest side" and error.sides is not None:
        width, height = error.sides
        limit = f"exceed the maximum limit of {RULES.max_long_side_px} x {RULES.max_short_side_px}"
        return Failure("ImageTooLargeException", f"Image dimensions: {width} x {height} pixels {limit}")
    if error.breaks == "bytes":
        return Failure("ImageTooLargeException", f"Image size is too large: {sentence(error)}")
    if error.breaks == "least side":
        return Failure("InvalidParameterException", f"{BAD_REQUEST}: {sentence(error)}")
    return Failure("InvalidImageFormatException", "Request has invalid image format")
