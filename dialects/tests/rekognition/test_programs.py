"""Programs of others: what each of them asks, in its order, and what it does with the answers.

The sequences are told from the programs' published sources, named beside each; docs/rekognition.md
says which of them were run as they are.
"""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from chalicelib.services import Services
from tests.support.pictures import photos


def bytes_of(file: str) -> dict[str, bytes]:
    return {"Bytes": (photos.FOLDER / file).read_bytes()}


def test_amazons_guide_reads_members_that_nobody_sees_if_the_tenant_answers_them(
    real: Any, real_services: Services
) -> None:
    """github.com/awsdocs/amazon-rekognition-developer-guide, doc_source/faces-detect-images.md, and
    doc_source/identity-verification-tutorial.md, which has the same lines.
    """
    sent = {"Image": bytes_of(photos.PORTRAIT), "Attributes": ["ALL"]}
    (left_out,) = real.detect_faces(**sent)["FaceDetails"]
    assert not {"Eyeglasses", "EyesOpen", "FaceOccluded", "EyeDirection"} & {*left_out}, (
        "a gate must not believe them"
    )
    real_services.tenants.change_settings("shop", {"answers_unknown": True})
    (face,) = real.detect_faces(**sent)["FaceDetails"]
    assert face["AgeRange"]["Low"] < face["AgeRange"]["High"]
    read = ("Gender", "Smile", "Eyeglasses", "FaceOccluded", "Emotions")
    assert all(str(face[member]) for member in read)
    assert str(face["Emotions"][0])
    unsure = {"Value": False, "Confidence": 50.0}
    two_valued = (
        "Eyeglasses",
        "Sunglasses",
        "Beard",
        "Mustache",
        "EyesOpen",
        "MouthOpen",
        "FaceOccluded",
    )
    assert [face[member] for member in two_valued] == [unsure] * 7
    assert face["EyeDirection"] == {
        "Yaw": face["Pose"]["Yaw"],
        "Pitch": face["Pose"]["Pitch"],
        "Confidence": 50.0,
    }
    (some,) = real.detect_faces(**{**sent, "Attributes": ["EYES_OPEN"]})["FaceDetails"]
    assert {*some} - {*left_out} == {"EyesOpen"}


def test_faces_that_are_cut_out_at_their_box_are_found(real: Any) -> None:
    """github.com/iwstkhr/rekognition-face-search-sample, index_faces.py and search_faces.py."""
    people = {"CollectionId": "people"}
    real.create_collection(**people)
    for file in (photos.PORTRAIT, photos.OTHER):
        sent = {"QualityFilter": "AUTO", "DetectionAttributes": ["DEFAULT"], "MaxFaces": 100}
        real.index_faces(
            **people, **sent, Image=bytes_of(file), ExternalImageId=file.rpartition("/")[2]
        )
    for file, indexed in (
        (photos.PORTRAIT_AGAIN, photos.PORTRAIT),
        (photos.OTHER_AGAIN, photos.OTHER),
    ):
        (face,) = real.detect_faces(Image=bytes_of(file), Attributes=["DEFAULT"])["FaceDetails"]
        box, data = face["BoundingBox"], BytesIO()
        with Image.open(photos.FOLDER / file) as picture:
            left, top = picture.width * box["Left"], picture.height * box["Top"]
            size = picture.width * box["Width"], picture.height * box["Height"]
            picture.crop((left, top, left + size[0], top + size[1])).save(data, "PNG")
        sent = {"FaceMatchThreshold": 80, "MaxFaces": 1, "Image": {"Bytes": data.getvalue()}}
        (match,) = real.search_faces_by_image(**people, **sent)["FaceMatches"]
        assert match["Face"]["ExternalImageId"] == indexed.rpartition("/")[2]


def test_an_upright_picture_and_one_turned_by_exif_have_the_same_boxes(real: Any) -> None:
    with Image.open(photos.FOLDER / photos.PORTRAIT) as picture:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        turned = BytesIO()
        picture.transpose(Image.Transpose.ROTATE_90).save(turned, "JPEG", quality=95, exif=exif)
        plain = BytesIO()
        picture.save(plain, "JPEG", quality=95)
    boxes = [
        real.detect_faces(Image={"Bytes": data.getvalue()})["FaceDetails"][0]["BoundingBox"]
        for data in (plain, turned)
    ]
    assert boxes[0] == pytest.approx(boxes[1], abs=0.02)
