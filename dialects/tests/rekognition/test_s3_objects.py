from typing import Any

import pytest

from chalicelib.book.recognition.stored_pictures import StoredPictures
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from tests.support.api.rekognition.client import refused
from tests.support.fakes import FakeObjects, Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))
REFUSED = (
    "InvalidS3ObjectException",
    "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
)


@pytest.fixture
def objects(services: Services, shop: Credentials) -> FakeObjects:
    """S3, of which the shop may read two places."""
    services.tenants.change_settings("shop", {"picture_buckets": {"photos", "archive/staff"}})
    held = FakeObjects(
        {
            ("photos", "ann.jpg"): ANN,
            ("photos", "ann.jpg", "first"): BOB,
            ("photos", "huge.jpg"): Unusable("a picture in S3 has up to 15728640 bytes", "bytes"),
            ("photos", "ann.txt"): b"no picture",
            ("archive", "staff/bob.jpg"): BOB,
            ("archive", "board/bob.jpg"): BOB,
            ("photos2", "ann.jpg"): ANN,
        }
    )
    services.recognition.stored_pictures = StoredPictures(lambda: held, sleep=lambda _seconds: None)
    return held


def s3(bucket: str, name: str, **more: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": bucket, "Name": name, **more}}


def test_every_operation_with_a_picture_takes_it_from_s3(
    rekognition: Any, objects: FakeObjects
) -> None:
    rekognition.create_collection(CollectionId="staff")
    one = s3("photos", "ann.jpg")
    named = {"CollectionId": "staff", "ExternalImageId": "ann"}
    indexed = rekognition.index_faces(**named, Image=one)["FaceRecords"][0]["Face"]
    by_bytes = rekognition.index_faces(**named, Image={"Bytes": ANN})["FaceRecords"][0]["Face"]
    assert indexed == by_bytes
    found = rekognition.search_faces_by_image(CollectionId="staff", Image=one)["FaceMatches"]
    assert [match["Face"]["FaceId"] for match in found] == [indexed["FaceId"]]
    assert "SearchedFace" in rekognition.search_users_by_image(CollectionId="staff", Image=one)
    assert len(rekognition.detect_faces(Image=one)["FaceDetails"]) == 1
    both = {"SourceImage": one, "TargetImage": s3("archive", "staff/bob.jpg")}
    assert rekognition.compare_faces(**both)["FaceMatches"] == []


def test_a_version_is_another_picture(rekognition: Any, objects: FakeObjects) -> None:
    compared = {
        "SourceImage": s3("photos", "ann.jpg", Version="first"),
        "TargetImage": {"Bytes": BOB},
    }
    assert len(rekognition.compare_faces(**compared)["FaceMatches"]) == 1


@pytest.mark.parametrize(
    ("bucket", "name", "asked"),
    [
        ("photos", "absent.jpg", True),
        ("photos2", "ann.jpg", False),
        ("archive", "board/bob.jpg", False),
        ("archive", "staff/../board/bob.jpg", False),
        ("archive", "staff/%2e%2e/board/bob.jpg", False),
    ],
)
def test_what_cannot_be_read_is_one_error_and_only_what_is_allowed_is_asked_for(
    rekognition: Any, objects: FakeObjects, bucket: str, name: str, asked: bool
) -> None:
    assert refused(rekognition.detect_faces, Image=s3(bucket, name)) == REFUSED
    assert objects.asked == ([(bucket, name)] if asked else [])


def test_a_picture_in_s3_that_is_none_or_too_large_is_told_as_one_that_was_sent(
    rekognition: Any, objects: FakeObjects
) -> None:
    assert (
        refused(rekognition.detect_faces, Image=s3("photos", "ann.txt"))[0]
        == "InvalidImageFormatException"
    )
    code, text = refused(rekognition.detect_faces, Image=s3("photos", "huge.jpg"))
    assert code == "ImageTooLargeException"
    assert "15728640" in text


def test_the_source_is_read_before_the_target(rekognition: Any, objects: FakeObjects) -> None:
    both = {"SourceImage": s3("photos", "ann.txt"), "TargetImage": s3("photos2", "ann.jpg")}
    assert refused(rekognition.compare_faces, **both)[0] == "InvalidImageFormatException"


@pytest.mark.parametrize("place", [{}, {"Bucket": "photos"}, {"Name": "ann.jpg"}, {"Version": "1"}])
def test_an_object_without_a_bucket_or_a_name_is_none(
    rekognition: Any, objects: FakeObjects, place: dict[str, str]
) -> None:
    assert (
        refused(rekognition.detect_faces, Image={"S3Object": place})[0]
        == "InvalidParameterException"
    )
