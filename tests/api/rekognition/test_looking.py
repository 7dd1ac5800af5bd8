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


def test_by_default_a_face_has_box_confidence_landmarks_pose_and_quality(real: Any) -> None:
    (face,) = real.detect_faces(Image=bytes_of(photos.PORTRAIT))["FaceDetails"]
    assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert 99 < face["Confidence"] <= 100
    places = {one["Type"]: (one["X"], one["Y"]) for one in face["Landmarks"]}
    assert set(places) == {"eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"}
    assert places["eyeLeft"][0] < places["nose"][0] < places["eyeRight"][0]
    assert places["eyeLeft"][1] < places["nose"][1] < places["mouthLeft"][1]
    box = face["BoundingBox"]
    assert all(box["Left"] < x < box["Left"] + box["Width"] for x, _ in places.values())
    assert 20 < face["Quality"]["Brightness"] < 100
    assert face["Quality"]["Sharpness"] > 50
    assert max(abs(angle) for angle in face["Pose"].values()) < 25


def test_all_that_we_have_models_for_is_answered_and_nothing_else(real: Any) -> None:
    (face,) = real.detect_faces(Image=bytes_of(photos.PORTRAIT_AGAIN), Attributes=["ALL"])["FaceDetails"]
    assert set(face) - {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"} == {
        "AgeRange",
        "Gender",
        "Emotions",
        "Smile",
    }
    assert face["AgeRange"]["High"] - face["AgeRange"]["Low"] >= 5
    assert face["Gender"]["Value"] == "Male"
    confidences = [one["Confidence"] for one in face["Emotions"]]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(100, abs=0.01)
    assert {"HAPPY", "SAD", "ANGRY", "SURPRISED", "FEAR", "DISGUSTED", "CALM"} <= {
        one["Type"] for one in face["Emotions"]
    }
    happy = next(one["Confidence"] for one in face["Emotions"] if one["Type"] == "HAPPY")
    smile = face["Smile"]
    assert smile["Confidence"] == pytest.approx(happy if smile["Value"] else 100 - happy)


def test_single_attributes_come_beside_the_default_ones(real: Any) -> None:
    (face,) = real.detect_faces(Image=bytes_of(photos.PORTRAIT), Attributes=["GENDER", "BEARD"])["FaceDetails"]
    assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality", "Gender"}


def test_faces_come_largest_first_and_none_is_no_error(real: Any) -> None:
    found = real.detect_faces(Image=bytes_of(photos.CROWD))["FaceDetails"]
    assert len(found) == photos.CROWD_SIZE
    assert [area(one) for one in found] == sorted(map(area, found), reverse=True)
    assert real.detect_faces(Image=bytes_of(photos.NOBODY))["FaceDetails"] == []


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


@pytest.mark.parametrize(
    ("sides", "code", "text"),
    [
        ((79, 500), "InvalidParameterException", "at least 80"),
        ((8_193, 90), "ImageTooLargeException", "Image dimensions: 8193 x 90 pixels exceed the maximum limit"),
    ],
)
def test_a_picture_has_80_to_8192_pixels_a_side(real: Any, sides: tuple[int, int], code: str, text: str) -> None:
    data = BytesIO()
    Image.new("RGB", sides).save(data, "PNG")
    error = refused(real.detect_faces, Image={"Bytes": data.getvalue()})
    assert error["Code"] == code
    assert text in error["Message"]


def test_other_formats_are_no_pictures(real: Any) -> None:
    data = BytesIO()
    Image.new("RGB", (100, 100)).save(data, "WEBP")
    for sent in (data.getvalue(), b"GIF89a...", b"{}"):
        error = refused(real.detect_faces, Image={"Bytes": sent})
        assert error == {"Code": "InvalidImageFormatException", "Message": "Request has invalid image format"}


def test_two_pictures_of_one_person_match_and_of_two_people_do_not(real: Any) -> None:
    same = real.compare_faces(SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.PORTRAIT_AGAIN))
    assert same["FaceMatches"][0]["Similarity"] > (98 if photos.STUDIO else 90)  # the weak pack is less sure
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


def test_the_largest_face_is_compared_with_each_of_the_others(real: Any) -> None:
    answer = real.compare_faces(SourceImage=bytes_of(photos.PORTRAIT), TargetImage=bytes_of(photos.GROUP))
    assert len(answer["FaceMatches"]) + len(answer["UnmatchedFaces"]) == photos.GROUP_SIZE
    areas = [area(one) for one in answer["UnmatchedFaces"]]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize(("source", "target"), [(photos.NOBODY, photos.PORTRAIT), (photos.PORTRAIT, photos.NOBODY)])
def test_a_picture_without_a_face_is_named(real: Any, source: str, target: str) -> None:
    error = refused(real.compare_faces, SourceImage=bytes_of(source), TargetImage=bytes_of(target))
    assert error["Code"] == "InvalidParameterException"
    assert error["Message"].startswith("Request has invalid parameters: ")
    assert ("SourceImage" if source == photos.NOBODY else "TargetImage") in error["Message"]


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
