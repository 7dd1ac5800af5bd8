"""DetectFaces and CompareFaces with the real models."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from tests import photos


def bytes_of(file: str) -> dict[str, bytes]:
    return {"Bytes": (photos.FOLDER / file).read_bytes()}


def refused(call: Any, **members: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response["Error"])


def area(detail: dict[str, Any]) -> float:
    box: dict[str, float] = detail["BoundingBox"]
    return box["Width"] * box["Height"]


def test_an_upright_picture_and_one_turned_by_exif_have_the_same_boxes(real: Any) -> None:
    with Image.open(photos.FOLDER / photos.PORTRAIT) as picture:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        turned = BytesIO()
        picture.transpose(Image.Transpose.ROTATE_90).save(turned, "JPEG", quality=95, exif=exif)
        plain = BytesIO()
        picture.save(plain, "JPEG", quality=95)
    boxes = [
        real.detect_faces(Image={"Bytes": data.getvalue()})["FaceDetails"][0]["BoundingBox"] for data in (plain, turned)
    ]
    assert boxes[0] == pytest.approx(boxes[1], abs=0.02)


def test_two_pictures_of_one_person_match_and_of_two_people_do_not(real: Any) -> None:
    same = real.compare_faces(SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.PORTRAIT_AGAIN))
    assert same["FaceMatches"][0]["Similarity"] > 90
    assert same["UnmatchedFaces"] == []
    assert set(same["FaceMatches"][0]["Face"]) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert set(same["SourceImageFace"]) == {"BoundingBox", "Confidence"}
    others = real.compare_faces(SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.OTHER))
    assert others["FaceMatches"] == []
    assert len(others["UnmatchedFaces"]) == 1
    both = real.compare_faces(
        SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.OTHER), SimilarityThreshold=0
    )
    assert both["FaceMatches"][0]["Similarity"] < 80


def test_a_picture_is_wholly_similar_to_itself(real: Any) -> None:
    answer = real.compare_faces(SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.PORTRAIT))
    assert answer["FaceMatches"][0]["Similarity"] == pytest.approx(100, abs=0.01)


def test_a_filter_leaves_out_small_faces(real: Any) -> None:
    with Image.open(photos.FOLDER / photos.PORTRAIT) as picture:
        box = real.detect_faces(Image=bytes_of(photos.PORTRAIT))["FaceDetails"][0]["BoundingBox"]
        scale = 28 / min(box["Width"] * picture.width, box["Height"] * picture.height)
        small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        page, data = Image.new("RGB", (200, 200), "white"), BytesIO()
        page.paste(small, (10, 10))
        page.save(data, "PNG")
    sent = {"SourceImage": bytes_of(photos.PORTRAIT), "TargetImage": {"Bytes": data.getvalue()}}
    anything = real.compare_faces(**sent, SimilarityThreshold=0)
    assert len(anything["FaceMatches"]) == 1
    for quality_filter in ("AUTO", "HIGH"):
        assert "TargetImage" in refused(real.compare_faces, **sent, QualityFilter=quality_filter)["Message"]
