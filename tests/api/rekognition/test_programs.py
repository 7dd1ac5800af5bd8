"""Programs of others: what each of them asks, in its order, and what it does with the answers.

The sequences are told from the programs' published sources, named beside each; docs/rekognition.md says which of them
were run as they are.
"""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from chalicelib.services import Services
from chalicelib.services.recognition.looking import StoredPictures
from tests import photos
from tests.fakes import FakeClock, FakeObjects

LATER = timedelta(milliseconds=1)  # in all well under the seconds within which one signature is one call


def bytes_of(file: str) -> dict[str, bytes]:
    return {"Bytes": (photos.FOLDER / file).read_bytes()}


def refused(call: Any, **members: Any) -> dict[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response["Error"])


def in_bucket(name: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": "idv", "Name": name}}


def ids(answer: dict[str, Any], records: str) -> list[str]:
    return [one["Face"]["FaceId"] for one in answer[records]]


def test_amazons_own_examples_of_collections(real: Any, clock: FakeClock) -> None:
    """github.com/awsdocs/aws-doc-sdk-examples, python/example_code/rekognition/rekognition_collections.py."""
    demo = {"CollectionId": "doc-example-collection-demo"}
    assert real.create_collection(**demo)["CollectionArn"]
    assert real.describe_collection(**demo)["FaceCount"] == 0
    pictures = {"sitting": photos.PORTRAIT, "hopping": photos.PORTRAIT_AGAIN, "biking": photos.OTHER}
    for name, file in pictures.items():
        sent = {"Image": bytes_of(file), "ExternalImageId": name, "MaxFaces": 10, "DetectionAttributes": ["ALL"]}
        clock.advance(LATER)
        (record,) = real.index_faces(**demo, **sent)["FaceRecords"]
        merged = {**record["Face"], **record["FaceDetail"]}
        assert {"FaceId", "ImageId", "AgeRange", "Gender", "Smile", "Emotions", "Pose", "Quality"} <= set(merged)
    first, second, third = real.list_faces(**demo, MaxResults=10)["Faces"]
    found = real.search_faces(**demo, FaceId=first["FaceId"], FaceMatchThreshold=80, MaxFaces=10)
    assert ids(found, "FaceMatches") == [second["FaceId"]]
    found = real.search_faces_by_image(**demo, Image=bytes_of(photos.PORTRAIT), FaceMatchThreshold=80, MaxFaces=10)
    assert ids(found, "FaceMatches") == [first["FaceId"], second["FaceId"]]
    assert found["SearchedFaceBoundingBox"] == first["BoundingBox"]
    gone = real.delete_faces(**demo, FaceIds=[second["FaceId"], third["FaceId"]])["DeletedFaces"]
    assert gone == [second["FaceId"], third["FaceId"]]
    real.delete_collection(**demo)
    assert real.list_collections(MaxResults=10)["CollectionIds"] == []


def test_amazons_guide_reads_members_that_nobody_sees_if_the_tenant_answers_them(
    real: Any, real_services: Services
) -> None:
    """github.com/awsdocs/amazon-rekognition-developer-guide, doc_source/faces-detect-images.md, and
    doc_source/identity-verification-tutorial.md, which has the same lines.
    """
    sent = {"Image": bytes_of(photos.PORTRAIT), "Attributes": ["ALL"]}
    (left_out,) = real.detect_faces(**sent)["FaceDetails"]
    assert not {"Eyeglasses", "EyesOpen", "FaceOccluded", "EyeDirection"} & {*left_out}, "a gate must not believe them"
    real_services.tenants.change("shop", {"answers_unknown": True})
    (face,) = real.detect_faces(**sent)["FaceDetails"]
    assert face["AgeRange"]["Low"] < face["AgeRange"]["High"]
    read = ("Gender", "Smile", "Eyeglasses", "FaceOccluded", "Emotions")
    assert all(str(face[member]) for member in read)
    assert str(face["Emotions"][0])
    unsure = {"Value": False, "Confidence": 50.0}
    two_valued = ("Eyeglasses", "Sunglasses", "Beard", "Mustache", "EyesOpen", "MouthOpen", "FaceOccluded")
    assert [face[member] for member in two_valued] == [unsure] * 7
    assert face["EyeDirection"] == {"Yaw": face["Pose"]["Yaw"], "Pitch": face["Pose"]["Pitch"], "Confidence": 50.0}
    (some,) = real.detect_faces(**{**sent, "Attributes": ["EYES_OPEN"]})["FaceDetails"]
    assert {*some} - {*left_out} == {"EyesOpen"}


def test_double_take_trains_and_recognises(real: Any) -> None:
    """github.com/jakowenko/double-take, api/src/util/detectors/rekognition.js."""
    double_take = {"CollectionId": "double-take"}
    with pytest.raises(ClientError) as caught:
        real.describe_collection(**double_take)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    real.create_collection(**double_take)
    trained = {
        record["Face"]["FaceId"]: name
        for name, file in (("ann", photos.PORTRAIT), ("ben", photos.OTHER))
        for record in real.index_faces(**double_take, Image=bytes_of(file))["FaceRecords"]
    }
    for name, file in (("ann", photos.PORTRAIT_AGAIN), ("ben", photos.OTHER_AGAIN)):
        answer = real.search_faces_by_image(**double_take, Image=bytes_of(file))
        assert [trained[one] for one in ids(answer, "FaceMatches")] == [name]
        assert min(answer["SearchedFaceBoundingBox"][side] for side in ("Top", "Left", "Width", "Height")) > 0
    nobody = refused(real.search_faces_by_image, **double_take, Image=bytes_of(photos.NOBODY))
    assert "no faces" in nobody["Message"]  # which it takes for an empty answer
    assert sorted(real.delete_faces(**double_take, FaceIds=list(trained))["DeletedFaces"]) == sorted(trained)


def test_a_manager_of_collections_goes_through_pages(real: Any, clock: FakeClock) -> None:
    """github.com/nana4rider/rekognition-manager, apps/bff/src/infrastructure/aws-rekognition-repository.ts."""
    for name in ("north", "south"):
        clock.advance(LATER)
        real.create_collection(CollectionId=name)
        described = real.describe_collection(CollectionId=name)
        assert {"CollectionARN", "FaceModelVersion", "CreationTimestamp", "FaceCount", "UserCount"} <= set(described)
    page = real.list_collections(MaxResults=1)
    last = real.list_collections(MaxResults=1, NextToken=page["NextToken"])
    assert page["CollectionIds"] + last["CollectionIds"] == ["north", "south"]
    assert "NextToken" not in last
    north: dict[str, Any] = {"CollectionId": "north", "MaxFaces": 1, "QualityFilter": "AUTO"}
    for name, file in (("ann", photos.PORTRAIT), ("group", photos.GROUP)):
        clock.advance(LATER)
        answer = real.index_faces(**north, Image=bytes_of(file), ExternalImageId=name)
        assert len(answer["FaceRecords"]) == 1
    assert len(answer["UnindexedFaces"]) == photos.GROUP_SIZE - 1
    page = real.list_faces(CollectionId="north", MaxResults=1)
    rest = real.list_faces(CollectionId="north", MaxResults=100, NextToken=page["NextToken"])
    assert [one["ExternalImageId"] for one in page["Faces"] + rest["Faces"]] == ["ann", "group"]
    assert refused(real.create_collection, CollectionId="north")["Code"] == "ResourceAlreadyExistsException"


def test_a_manager_of_collections_gives_faces_to_users(real: Any) -> None:
    """github.com/nana4rider/rekognition-manager, as above."""
    north = {"CollectionId": "north"}
    real.create_collection(**north)
    for name in ("ann", "ben"):
        real.create_user(**north, UserId=name)
    assert refused(real.create_user, **north, UserId="ann")["Code"] == "ConflictException"
    page = real.list_users(**north, MaxResults=1)
    last = real.list_users(**north, MaxResults=100, NextToken=page["NextToken"])
    assert [one["UserId"] for one in page["Users"] + last["Users"]] == ["ann", "ben"]
    (face,) = ids(real.index_faces(**north, Image=bytes_of(photos.PORTRAIT), MaxFaces=1), "FaceRecords")
    joined = real.associate_faces(**north, UserId="ann", FaceIds=[face])
    assert ([one["FaceId"] for one in joined["AssociatedFaces"]], joined["UserStatus"]) == ([face], "ACTIVE")
    other = real.associate_faces(**north, UserId="ben", FaceIds=[face])["UnsuccessfulFaceAssociations"]
    assert [(one["UserId"], one["Reasons"]) for one in other] == [("ann", ["ASSOCIATED_TO_A_DIFFERENT_USER"])]
    assert [one["UserId"] for one in real.list_faces(**north, MaxResults=100, UserId="ann")["Faces"]] == ["ann"]
    assert real.delete_faces(**north, FaceIds=[face])["DeletedFaces"] == []  # it is a user's
    real.disassociate_faces(**north, UserId="ann", FaceIds=[face])
    assert real.delete_faces(**north, FaceIds=[face])["DeletedFaces"] == [face]
    real.delete_user(**north, UserId="ann")
    assert refused(real.delete_user, **north, UserId="ann")["Code"] == "ResourceNotFoundException"
    real.delete_collection(**north)
    assert refused(real.delete_collection, **north)["Code"] == "ResourceNotFoundException"


def test_the_notebook_on_user_vectors(real: Any, real_services: Services) -> None:
    """github.com/aws-samples/amazon-rekognition-code-samples, "3.2 Improving accuracy using user vectors.ipynb"."""
    stored = {"dani.jpeg": photos.PORTRAIT, "dani_0.jpeg": photos.PORTRAIT_AGAIN, "jo.jpeg": photos.OTHER}
    held = FakeObjects({("idv", name): (photos.FOLDER / file).read_bytes() for name, file in stored.items()})
    real_services.tenants.change("shop", {"picture_buckets": {"idv"}})
    real_services.recognition.stored_pictures = StoredPictures(lambda: held, sleep=lambda _seconds: None)
    faces = {"CollectionId": "My_Face_Collection1"}
    assert real.create_collection(**faces)["StatusCode"] == 200
    assert real.list_collections(MaxResults=10)["CollectionIds"] == ["My_Face_Collection1"]
    for name in ("Daniel", "John"):
        real.create_user(**faces, UserId=name)
    assert {one["UserStatus"] for one in real.list_users(**faces)["Users"]} == {"CREATED"}
    asked = {"DetectionAttributes": ["DEFAULT"], "MaxFaces": 1, "QualityFilter": "AUTO"}
    for name, file in (("Dani", "dani.jpeg"), ("Jo", "jo.jpeg")):
        real.index_faces(**faces, **asked, Image=in_bucket(file), ExternalImageId=name)
    known = {one["ExternalImageId"]: one["FaceId"] for one in real.list_faces(**faces)["Faces"]}
    probe = bytes_of(photos.PORTRAIT_AGAIN)
    (single,) = real.search_faces_by_image(**faces, Image=probe, FaceMatchThreshold=50)["FaceMatches"]
    real.associate_faces(**faces, UserId="Daniel", FaceIds=[known["Dani"]])
    answer = real.index_faces(**faces, **asked, Image=in_bucket("dani_0.jpeg"), ExternalImageId="Dani")
    more = [known["Dani"], *ids(answer, "FaceRecords")]
    joined = real.associate_faces(**faces, UserId="Daniel", FaceIds=more, UserMatchThreshold=75)
    assert ([one["FaceId"] for one in joined["AssociatedFaces"]], joined["UserStatus"]) == (more[1:], "ACTIVE")
    found = real.search_users(**faces, FaceId=more[0])["UserMatches"]
    assert [one["User"]["UserId"] for one in found] == ["Daniel"]
    (user,) = real.search_users_by_image(**faces, Image=probe)["UserMatches"]
    assert user["User"]["UserId"] == "Daniel"
    assert user["Similarity"] > single["Similarity"]  # which is what the notebook shows
    real.disassociate_faces(**faces, UserId="Daniel", FaceIds=more)
    for name in ("Daniel", "John"):
        real.delete_user(**faces, UserId=name)
    assert real.list_users(**faces)["Users"] == []
    assert real.delete_collection(**faces)["StatusCode"] == 200
    assert real.list_collections(MaxResults=10)["CollectionIds"] == []


@pytest.mark.parametrize(
    ("operation", "members", "pattern"),
    [
        (
            "search_faces_by_image",
            {"CollectionId": "staff", "Image": bytes_of(photos.NOBODY)},
            r"An error occurred \(InvalidParameterException\) when calling the \w+ operation: "
            r"There are no faces in the image. Should be at least 1.",
        ),
        (
            "compare_faces",
            {"SourceImage": bytes_of(photos.NOBODY), "TargetImage": bytes_of(photos.PORTRAIT)},
            r"An error occurred \(InvalidParameterException\) when calling the \w+ operation: "
            "Request has invalid parameters",
        ),
        ("detect_faces", {"Image": {"Bytes": b"GIF89a"}}, "Request has invalid image format"),
        (
            "list_faces",
            {"CollectionId": "nobody"},
            r"An error occurred \(ResourceNotFoundException\) when calling the ListFaces operation: "
            "The collection id: .+ does not exist",
        ),
    ],
)
def test_eden_ai_knows_our_errors_by_the_patterns_that_it_has_for_amazons(
    real: Any, operation: str, members: dict[str, Any], pattern: str
) -> None:
    """github.com/edenai/edenai-apis, edenai_apis/apis/amazon/errors.py."""
    real.create_collection(CollectionId="staff")
    with pytest.raises(ClientError) as caught:
        getattr(real, operation)(**members)
    told = str(caught.value).replace(" (reached max retries: 0)", "")  # only this client's setting is said there
    assert re.search(pattern, told)


def test_eden_ais_provider_adds_lists_recognises_and_deletes(real: Any) -> None:
    """github.com/edenai/edenai-apis, edenai_apis/apis/amazon/amazon_image_api.py."""
    staff = {"CollectionId": "staff"}
    real.create_collection(**staff)
    assert "staff" in real.list_collections()["CollectionIds"]
    assert real.list_faces(**staff)["Faces"] == []  # which it tells as an error, before it searches
    (ann,) = ids(real.index_faces(**staff, Image=bytes_of(photos.PORTRAIT)), "FaceRecords")
    (match,) = real.search_faces_by_image(**staff, Image=bytes_of(photos.PORTRAIT_AGAIN))["FaceMatches"]
    assert (match["Face"]["FaceId"], 0.8 <= match["Similarity"] / 100 <= 1) == (ann, True)
    (face,) = real.detect_faces(Image=bytes_of(photos.PORTRAIT), Attributes=["ALL"])["FaceDetails"]
    assert {"Brightness", "Sharpness"} <= set(face["Quality"])
    assert all({"Type", "X", "Y"} <= set(one) for one in face["Landmarks"])
    assert real.delete_faces(**staff, FaceIds=[ann])["DeletedFaces"] == [ann]
    real.delete_collection(**staff)
    assert "staff" not in real.list_collections()["CollectionIds"]


def test_faces_that_are_cut_out_at_their_box_are_found(real: Any) -> None:
    """github.com/iwstkhr/rekognition-face-search-sample, index_faces.py and search_faces.py."""
    people = {"CollectionId": "people"}
    real.create_collection(**people)
    assert refused(real.create_collection, **people)["Code"] == "ResourceAlreadyExistsException"  # which it passes over
    for file in (photos.PORTRAIT, photos.OTHER):
        sent = {"QualityFilter": "AUTO", "DetectionAttributes": ["DEFAULT"], "MaxFaces": 100}
        real.index_faces(**people, **sent, Image=bytes_of(file), ExternalImageId=file.rpartition("/")[2])
    for file, indexed in ((photos.PORTRAIT_AGAIN, photos.PORTRAIT), (photos.OTHER_AGAIN, photos.OTHER)):
        (face,) = real.detect_faces(Image=bytes_of(file), Attributes=["DEFAULT"])["FaceDetails"]
        box, data = face["BoundingBox"], BytesIO()
        with Image.open(photos.FOLDER / file) as picture:
            left, top = picture.width * box["Left"], picture.height * box["Top"]
            size = picture.width * box["Width"], picture.height * box["Height"]
            picture.crop((left, top, left + size[0], top + size[1])).save(data, "PNG")
        sent = {"FaceMatchThreshold": 80, "MaxFaces": 1, "Image": {"Bytes": data.getvalue()}}
        (match,) = real.search_faces_by_image(**people, **sent)["FaceMatches"]
        assert match["Face"]["ExternalImageId"] == indexed.rpartition("/")[2]


def test_terraform_keeps_a_collection_and_its_tags(real: Any) -> None:
    """github.com/hashicorp/terraform-provider-aws 5.100, internal/service/rekognition/collection.go."""
    arn = real.create_collection(CollectionId="staff", Tags={"site": "north", "floor": "1"})["CollectionArn"]
    described = real.describe_collection(CollectionId="staff")
    assert described["CollectionARN"] == arn
    real.untag_resource(ResourceArn=arn, TagKeys=["site"])
    real.tag_resource(ResourceArn=arn, Tags={"floor": "2"})
    assert real.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"floor": "2"}
    now = real.describe_collection(CollectionId="staff")
    assert (now["CollectionARN"], now["FaceModelVersion"]) == (arn, described["FaceModelVersion"])
    real.delete_collection(CollectionId="staff")
    assert refused(real.describe_collection, CollectionId="staff")["Code"] == "ResourceNotFoundException"


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
