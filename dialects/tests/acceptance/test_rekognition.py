"""The contract of the Rekognition dialect, sections 5 to 10, by boto3: collections, faces,
searches."""

import base64
import io
import re
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from acceptance.answers import ABSENT, DEFAULT, missing, page
from acceptance.conftest import Tenant, image
from acceptance.wire import Wire
from tests.support.api.rekognition.client import refused
from tests.support.api.rekognition.faces import ids
from tests.support.pictures import photos


def area(detail: dict[str, Any]) -> float:
    box: dict[str, float] = detail["BoundingBox"]
    return box["Width"] * box["Height"]


# --- 5, sent again ---


def test_a_creation_that_is_sent_again_with_the_sdks_id_is_answered_as_the_first_time(
    wire: Wire, name: str
) -> None:
    invocation = {"amz-sdk-invocation-id": name}
    one, again = (
        wire.call("CreateCollection", {"CollectionId": f"{name}-2"}, invocation) for _ in range(2)
    )
    assert one.status == again.status == 200
    assert one.json == again.json
    # nothing is remembered
    other = wire.call("CreateCollection", {"CollectionId": f"{name}-3"}, invocation)
    assert other.status == 200
    text = f"The collection id: {name}-2 already exists"
    assert wire.call("CreateCollection", {"CollectionId": f"{name}-2"}).error == (
        "ResourceAlreadyExistsException",
        text,
    )


# --- 6, pictures ---


@pytest.mark.parametrize(
    "sent", [{}, {"Bytes": b"x", "S3Object": {"Bucket": "pictures", "Name": "n"}}]
)
def test_an_image_has_either_bytes_or_an_object(boto: Any, sent: dict[str, Any]) -> None:
    assert refused(boto.detect_faces, Image=sent)[0] == "InvalidParameterException"


def test_an_object_that_is_not_allowed_is_not_there(boto: Any) -> None:
    text = (
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    )
    sent = {"S3Object": {"Bucket": "somebodys", "Name": "ann.jpg", "Version": "1"}}
    assert refused(boto.detect_faces, Image=sent) == ("InvalidS3ObjectException", text)


def test_other_formats_and_broken_pictures_have_an_invalid_format(boto: Any) -> None:
    cut_short = image(photos.PORTRAIT)["Bytes"][:5000]
    for sent in (
        page(form="WEBP")["Bytes"],
        page(form="GIF")["Bytes"],
        page(form="BMP")["Bytes"],
        cut_short,
        b"x",
    ):
        error = refused(boto.detect_faces, Image={"Bytes": sent})
        assert error == ("InvalidImageFormatException", "Request has invalid image format")


def test_sides_have_80_to_8192_pixels(boto: Any) -> None:
    code, text = refused(boto.detect_faces, Image=page(79, width=300))
    assert (code, text.startswith("Request has invalid parameters: ")) == (
        "InvalidParameterException",
        True,
    )
    code, text = refused(boto.detect_faces, Image=page(80, width=8_193))
    assert code == "ImageTooLargeException"
    assert text.startswith("Image dimensions: 8193 x 80 pixels exceed the maximum limit")
    for fits in (page(80), page(80, width=8_192)):
        assert boto.detect_faces(Image=fits)["FaceDetails"] == []


# --- 7, collections ---


def test_a_collection_is_created_and_described(boto: Any, name: str) -> None:
    created = boto.create_collection(CollectionId=f"{name}.a_B")
    assert created["StatusCode"] == 200
    arn = created["CollectionArn"]
    assert re.fullmatch(
        rf"arn:aws:rekognition:eu-central-1:\d{{12}}:collection/{re.escape(name)}\.a_B", arn
    )
    assert re.fullmatch(r"7\.\d+", created["FaceModelVersion"])
    described = boto.describe_collection(CollectionId=f"{name}.a_B")
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert (described["CollectionARN"], described["FaceModelVersion"]) == (
        arn,
        created["FaceModelVersion"],
    )
    assert described["CreationTimestamp"].year >= 2026


def test_a_collection_exists_once_and_case_counts(boto: Any, name: str) -> None:
    text = f"The collection id: {name} already exists"
    assert refused(boto.create_collection, CollectionId=name) == (
        "ResourceAlreadyExistsException",
        text,
    )
    assert boto.create_collection(CollectionId=name.upper())["StatusCode"] == 200


def test_a_name_has_up_to_255_characters(boto: Any, name: str) -> None:
    longest = (name + "-" * 255)[:255]
    assert boto.create_collection(CollectionId=longest)["StatusCode"] == 200
    assert refused(boto.create_collection, CollectionId=f"{longest}-")[0] == "ValidationException"


def test_a_deleted_collection_is_gone_with_all_that_it_had(boto: Any, name: str) -> None:
    (face,) = ids(boto.index_faces(CollectionId=name, Image=image(photos.PORTRAIT)))
    arn = boto.describe_collection(CollectionId=name)["CollectionARN"]
    boto.tag_resource(ResourceArn=arn, Tags={"a": "b"})
    boto.create_user(CollectionId=name, UserId="ann")
    boto.associate_faces(CollectionId=name, UserId="ann", FaceIds=[face])
    assert boto.delete_collection(CollectionId=name)["StatusCode"] == 200
    for call, members in (
        (boto.delete_collection, {}),
        (boto.describe_collection, {}),
        (boto.list_faces, {}),
        (boto.list_users, {}),
        (boto.search_faces, {"FaceId": face}),
        (boto.search_faces_by_image, {"Image": image(photos.PORTRAIT)}),
        (boto.index_faces, {"Image": image(photos.PORTRAIT)}),
    ):
        assert refused(call, CollectionId=name, **members) == missing(name)
    assert name not in boto.list_collections()["CollectionIds"]
    boto.create_collection(CollectionId=name)
    described = boto.describe_collection(CollectionId=name)
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert boto.list_faces(CollectionId=name)["Faces"] == []
    assert boto.list_tags_for_resource(ResourceArn=arn)["Tags"] == {}
    (again,) = ids(boto.index_faces(CollectionId=name, Image=image(photos.PORTRAIT)))
    assert again != face


def test_a_deletion_that_is_sent_again_with_the_sdks_id_is_answered_as_the_first_time(
    wire: Wire, name: str
) -> None:
    sent, invocation = {"CollectionId": name}, {"amz-sdk-invocation-id": f"delete-{name}"}
    for _ in range(2):
        assert wire.call("DeleteCollection", sent, invocation).json == {"StatusCode": 200}
    assert (
        wire.call("CreateCollection", sent, {"amz-sdk-invocation-id": f"create-{name}"}).status
        == 200
    )
    assert wire.call("DeleteCollection", sent, invocation).json == {"StatusCode": 200}
    assert wire.call("DescribeCollection", sent).status == 200


def test_the_default_collections_are_there_and_neither_created_nor_deleted(boto: Any) -> None:
    for default in ("stranger", "regular"):
        assert boto.describe_collection(CollectionId=default)["FaceModelVersion"]
        created = refused(boto.create_collection, CollectionId=default)
        assert created == (
            "ResourceAlreadyExistsException",
            f"The collection id: {default} already exists",
        )
        assert refused(boto.delete_collection, CollectionId=default)[0] == "AccessDeniedException"


def test_a_default_collection_is_listed_while_it_holds_a_face(boto: Any) -> None:
    assert "regular" not in boto.list_collections()["CollectionIds"]
    (face,) = ids(boto.index_faces(CollectionId="regular", Image=image(photos.PORTRAIT)))
    assert "regular" in boto.list_collections()["CollectionIds"]
    boto.delete_faces(CollectionId="regular", FaceIds=[face])
    assert "regular" not in boto.list_collections()["CollectionIds"]


def test_collections_are_listed_oldest_first_in_pages(boto: Any, name: str) -> None:
    made = [f"{name}-{letter}" for letter in "cab"]
    for one in made:
        boto.create_collection(CollectionId=one)
    pages = list(boto.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2}))
    listed = [one for each in pages for one in each["CollectionIds"]]
    assert [one for one in listed if one in made] == made
    assert all(len(each["CollectionIds"]) == len(each["FaceModelVersions"]) <= 2 for each in pages)
    assert boto.list_collections(MaxResults=0)["CollectionIds"] == listed


def test_damaged_and_foreign_tokens_are_told(boto: Any, name: str, staff: dict[str, str]) -> None:
    invalid = ("InvalidPaginationTokenException", "Invalid Pagination Token")
    boto.create_collection(CollectionId=f"{name}-2")
    token = boto.list_collections(MaxResults=1)["NextToken"]
    assert len(token) <= 255
    of_faces = boto.list_faces(CollectionId=staff["collection"], MaxResults=1)["NextToken"]
    for wrong in ("x", token[:-3], token[:-1] + ("A" if token[-1] != "A" else "B"), of_faces):
        assert refused(boto.list_collections, NextToken=wrong) == invalid
    for wrong in ("x", token, of_faces):
        assert refused(boto.list_faces, CollectionId=name, NextToken=wrong) == invalid


def test_tags_are_added_replaced_and_taken_away(boto: Any, name: str) -> None:
    arn = boto.create_collection(CollectionId=f"{name}-t", Tags={"shop": "1"})["CollectionArn"]
    boto.tag_resource(ResourceArn=arn, Tags={"shop": "2", "Straße": ""})
    assert boto.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"shop": "2", "Straße": ""}
    boto.untag_resource(
        ResourceArn=arn.replace("eu-central-1", "us-east-1"), TagKeys=["shop", "absent"]
    )
    assert boto.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"Straße": ""}


def test_a_collection_has_up_to_50_tags(boto: Any, name: str) -> None:
    arn = boto.describe_collection(CollectionId=name)["CollectionARN"]
    boto.tag_resource(ResourceArn=arn, Tags={f"k{n}": "" for n in range(50)})
    assert (
        refused(boto.tag_resource, ResourceArn=arn, Tags={"more": ""})[0]
        == "ServiceQuotaExceededException"
    )
    assert (
        refused(boto.tag_resource, ResourceArn=arn, Tags={"aws:x": ""})[0] == "ValidationException"
    )
    assert len(boto.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 50


def test_an_arn_of_something_else_is_an_invalid_parameter(boto: Any, name: str) -> None:
    arn = boto.describe_collection(CollectionId=name)["CollectionARN"]
    other = arn.replace("collection/", "project/")
    assert refused(boto.list_tags_for_resource, ResourceArn=other)[0] == "InvalidParameterException"
    assert refused(boto.list_tags_for_resource, ResourceArn=f"{arn}-x") == missing(f"{name}-x")


def test_every_operation_names_a_collection_that_is_not_there(boto: Any) -> None:
    one = image(photos.PORTRAIT)
    for call, members in (
        (boto.describe_collection, {}),
        (boto.index_faces, {"Image": one}),
        (boto.list_faces, {}),
        (boto.delete_faces, {"FaceIds": [ABSENT]}),
        (boto.search_faces, {"FaceId": ABSENT}),
        (boto.search_faces_by_image, {"Image": one}),
    ):
        assert refused(call, CollectionId="nobody", **members) == missing("nobody")


# --- 7 and 10, faces ---


def test_an_indexed_face_is_told_with_all_that_is_known(boto: Any, name: str) -> None:
    sent = {"CollectionId": name, "Image": image(photos.PORTRAIT), "ExternalImageId": "a:1"}
    answer = boto.index_faces(**sent, DetectionAttributes=["ALL"])
    (record,) = answer["FaceRecords"]
    face, detail = record["Face"], record["FaceDetail"]
    assert UUID(face["FaceId"]).version == 5
    assert UUID(face["ImageId"])
    assert (face["ExternalImageId"], face["IndexFacesModelVersion"]) == (
        "a:1",
        answer["FaceModelVersion"],
    )
    assert (face["BoundingBox"], face["Confidence"]) == (
        detail["BoundingBox"],
        detail["Confidence"],
    )
    assert set(detail) >= DEFAULT | {"AgeRange", "Gender"}
    (looked_at,) = boto.detect_faces(Image=image(photos.PORTRAIT), Attributes=["ALL"])[
        "FaceDetails"
    ]
    assert looked_at == detail
    (listed,) = boto.list_faces(CollectionId=name)["Faces"]
    assert listed == face
    assert answer["UnindexedFaces"] == []
    assert boto.describe_collection(CollectionId=name)["FaceCount"] == 1


def test_a_call_makes_faces_of_its_own_and_one_that_is_sent_again_does_not(
    wire: Wire, boto: Any, name: str
) -> None:
    sent = {"CollectionId": name, "Image": image(photos.TWO)}
    one, other = ids(boto.index_faces(**sent)), ids(boto.index_faces(**sent))
    assert not {*one} & {*other}
    assert boto.describe_collection(CollectionId=name)["FaceCount"] == 2 * len(one)
    picture = {"Bytes": base64.b64encode(sent["Image"]["Bytes"]).decode()}
    again = [
        ids(
            wire.call(
                "IndexFaces", {**sent, "Image": picture}, {"amz-sdk-invocation-id": f"i-{name}"}
            ).json
        )
        for _ in range(2)
    ]
    assert again[0] == again[1]
    assert not {*again[0]} & {*one, *other}


def test_the_same_picture_under_the_same_name_has_the_same_ids_and_adds_nothing(
    boto: Any, name: str
) -> None:
    sent = {"CollectionId": name, "Image": image(photos.TWO), "ExternalImageId": "one"}
    first, again = boto.index_faces(**sent), boto.index_faces(**sent)
    assert ids(first) == ids(again)
    assert [one["Face"] for one in first["FaceRecords"]] == [
        one["Face"] for one in again["FaceRecords"]
    ]
    assert boto.describe_collection(CollectionId=name)["FaceCount"] == len(set(ids(first)))
    other = boto.index_faces(**{**sent, "ExternalImageId": "other"})
    assert not {*ids(first)} & {*ids(other)}
    images = {one["Face"]["ImageId"] for answer in (first, other) for one in answer["FaceRecords"]}
    assert len(images) == 1


def test_a_deleted_face_gets_its_id_again(boto: Any, name: str) -> None:
    sent = {"CollectionId": name, "Image": image(photos.PORTRAIT), "ExternalImageId": "one"}
    first = ids(boto.index_faces(**sent))
    assert boto.delete_faces(CollectionId=name, FaceIds=first)["DeletedFaces"] == first
    assert boto.list_faces(CollectionId=name)["Faces"] == []
    assert ids(boto.index_faces(**sent)) == first


def test_faces_beyond_max_faces_are_unindexed_with_their_reason(boto: Any, name: str) -> None:
    everybody = boto.index_faces(
        CollectionId=name, Image=image(photos.GROUP), QualityFilter="NONE", MaxFaces=1
    )
    assert len(everybody["FaceRecords"]) == 1
    unindexed = everybody["UnindexedFaces"]
    assert [one["Reasons"] for one in unindexed] == [["EXCEEDS_MAX_FACES"]] * (
        photos.GROUP_SIZE - 1
    )
    areas = [area(one["FaceDetail"]) for one in (*everybody["FaceRecords"], *unindexed)]
    assert areas == sorted(areas, reverse=True)


def test_a_page_without_a_face_is_indexed_as_nothing(boto: Any, name: str) -> None:
    answer = boto.index_faces(CollectionId=name, Image=page())
    assert (answer["FaceRecords"], answer["UnindexedFaces"]) == ([], [])


def test_faces_are_listed_by_enrolment_in_pages_and_narrowed_by_ids(boto: Any, name: str) -> None:
    made = []
    for one, _ in photos.PAIRS[:3]:
        made += ids(boto.index_faces(CollectionId=name, Image=image(one)))
    pages = boto.get_paginator("list_faces").paginate(
        CollectionId=name, PaginationConfig={"PageSize": 1}
    )
    assert [one["FaceId"] for each in pages for one in each["Faces"]] == made
    assert [
        one["FaceId"] for one in boto.list_faces(CollectionId=name, MaxResults=0)["Faces"]
    ] == made
    some = boto.list_faces(CollectionId=name, FaceIds=[made[2], ABSENT, made[0]])
    assert [one["FaceId"] for one in some["Faces"]] == [made[0], made[2]]


def test_deletions_are_told_once_each_in_the_order_sent(boto: Any, name: str) -> None:
    one, two = (
        ids(boto.index_faces(CollectionId=name, Image=image(file)))[0] for file in photos.PAIRS[0]
    )
    answer = boto.delete_faces(CollectionId=name, FaceIds=[two, ABSENT, one, two])
    assert answer["DeletedFaces"] == [two, one]
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": ABSENT, "Reasons": ["FACE_NOT_FOUND"]}
    ]


def test_what_can_be_no_face_id_is_a_broken_constraint(boto: Any, staff: dict[str, str]) -> None:
    where = {"CollectionId": staff["collection"]}
    assert refused(boto.search_faces, **where, FaceId="a b")[0] == "ValidationException"
    assert refused(boto.delete_faces, **where, FaceIds=["a/b"])[0] == "ValidationException"
    assert refused(boto.delete_faces, **where, FaceIds=[ABSENT] * 4_097)[0] == "ValidationException"
    assert boto.delete_faces(**where, FaceIds=[ABSENT] * 4_096)["DeletedFaces"] == []


# --- 8 and 10, searches ---


def test_a_search_by_face_finds_the_others_at_once_and_not_itself(boto: Any, name: str) -> None:
    one, two, other = (
        ids(boto.index_faces(CollectionId=name, Image=image(file)))[0]
        for file in (*photos.PAIRS[0], photos.OTHER)
    )
    answer = boto.search_faces(CollectionId=name, FaceId=one)
    assert answer["SearchedFaceId"] == one
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [two]
    assert answer["FaceMatches"][0]["Similarity"] >= 80
    everybody = boto.search_faces(CollectionId=name, FaceId=one, FaceMatchThreshold=0)[
        "FaceMatches"
    ]
    assert [match["Face"]["FaceId"] for match in everybody] == [two, other]
    assert everybody[1]["Similarity"] < 80
    assert (
        len(
            boto.search_faces(CollectionId=name, FaceId=one, FaceMatchThreshold=0, MaxFaces=1)[
                "FaceMatches"
            ]
        )
        == 1
    )
    boto.delete_faces(CollectionId=name, FaceIds=[two])
    assert boto.search_faces(CollectionId=name, FaceId=one)["FaceMatches"] == []


def test_a_face_that_is_not_in_the_collection_is_told(
    boto: Any, name: str, staff: dict[str, str]
) -> None:
    text = ("InvalidParameterException", "faceId was not found in the collection.")
    for faceid in (ABSENT, staff["one"]):
        assert refused(boto.search_faces, CollectionId=name, FaceId=faceid) == text


def test_a_search_by_image_finds_the_person_on_another_photo(
    boto: Any, staff: dict[str, str]
) -> None:
    for who, (_, again) in zip(("one", "two"), photos.PAIRS, strict=False):
        answer = boto.search_faces_by_image(CollectionId=staff["collection"], Image=image(again))
        assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [staff[who]]
        assert answer["FaceMatches"][0]["Face"]["ExternalImageId"] == who
        assert answer["SearchedFaceConfidence"] > 90
        assert set(answer["SearchedFaceBoundingBox"]) == {"Left", "Top", "Width", "Height"}


def test_a_search_by_image_computes_nothing_that_is_not_asked_for(
    boto: Any, staff: dict[str, str]
) -> None:
    sent = {"CollectionId": staff["collection"], "Image": image(photos.PORTRAIT_AGAIN)}
    times = boto.search_faces_by_image(**sent)["ResponseMetadata"]["HTTPHeaders"]["server-timing"]
    assert "embed" in times
    assert "attributes" not in times


def test_a_search_without_a_face_is_told(boto: Any, staff: dict[str, str]) -> None:
    text = ("InvalidParameterException", "There are no faces in the image. Should be at least 1.")
    assert (
        refused(boto.search_faces_by_image, CollectionId=staff["collection"], Image=page()) == text
    )


@pytest.mark.parametrize("threshold", [0, 79.9999, 80, 100])
def test_thresholds_choose_by_similarity(
    boto: Any, staff: dict[str, str], threshold: float
) -> None:
    sent = {"CollectionId": staff["collection"], "Image": image(photos.PORTRAIT_AGAIN)}
    all_ = boto.search_faces_by_image(**sent, FaceMatchThreshold=0)["FaceMatches"]
    some = boto.search_faces_by_image(**sent, FaceMatchThreshold=threshold)["FaceMatches"]
    assert len(all_) == 2
    assert some == [one for one in all_ if one["Similarity"] >= threshold]
    assert [one["Similarity"] for one in all_] == sorted(
        (one["Similarity"] for one in all_), reverse=True
    )


# --- 9 and 10, what is looked at ---


def test_the_largest_face_of_the_source_is_compared_with_each_of_the_target(boto: Any) -> None:
    answer = boto.compare_faces(SourceImage=image(photos.PORTRAIT), TargetImage=image(photos.GROUP))
    everybody = [*(one["Face"] for one in answer["FaceMatches"]), *answer["UnmatchedFaces"]]
    assert len(everybody) == photos.GROUP_SIZE
    assert all(set(one) == DEFAULT for one in everybody)
    assert set(answer["SourceImageFace"]) == {"BoundingBox", "Confidence"}
    areas = [area(one) for one in answer["UnmatchedFaces"]]
    assert areas == sorted(areas, reverse=True)


@pytest.mark.parametrize("empty", ["SourceImage", "TargetImage"])
def test_a_comparison_without_a_face_says_in_which_picture(boto: Any, empty: str) -> None:
    sent = {
        "SourceImage": image(photos.PORTRAIT),
        "TargetImage": image(photos.PORTRAIT),
        empty: page(),
    }
    code, text = refused(boto.compare_faces, **sent)
    assert code == "InvalidParameterException"
    assert text.startswith("Request has invalid parameters: ")
    assert empty in text


def test_nobody_in_a_picture_is_no_error(boto: Any) -> None:
    assert boto.detect_faces(Image=page())["FaceDetails"] == []


def test_details_are_those_that_are_asked_for(boto: Any) -> None:
    sent = {"Image": image(photos.PORTRAIT)}
    for attributes, more in (
        ([], set()),
        (["DEFAULT"], set()),
        (["AGE_RANGE"], {"AgeRange"}),
        (["GENDER", "BEARD", "EYEGLASSES"], {"Gender"}),
    ):
        (face,) = boto.detect_faces(**sent, Attributes=attributes)["FaceDetails"]
        assert set(face) == DEFAULT | more
    (face,) = boto.detect_faces(**sent, Attributes=["ALL"])["FaceDetails"]
    never = {
        "Eyeglasses",
        "Sunglasses",
        "Beard",
        "Mustache",
        "EyesOpen",
        "MouthOpen",
        "FaceOccluded",
        "EyeDirection",
    }
    assert not never & set(face)
    assert face["AgeRange"]["Low"] < face["AgeRange"]["High"]
    assert face["Gender"]["Value"] in {"Male", "Female"}
    if emotions := face.get("Emotions"):
        assert {one["Type"] for one in emotions} >= {
            "HAPPY",
            "SAD",
            "ANGRY",
            "SURPRISED",
            "FEAR",
            "DISGUSTED",
            "CALM",
        }
        assert sum(one["Confidence"] for one in emotions) == pytest.approx(100, abs=0.1)
        assert face["Smile"]["Value"] == (emotions[0]["Type"] == "HAPPY")


def test_faces_come_largest_first_with_landmarks_in_their_boxes(boto: Any) -> None:
    faces = boto.detect_faces(Image=image(photos.GROUP))["FaceDetails"]
    assert len(faces) == photos.GROUP_SIZE
    assert [area(one) for one in faces] == sorted(map(area, faces), reverse=True)
    for face in faces:
        places = {one["Type"]: one for one in face["Landmarks"]}
        assert set(places) == {"eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"}
        assert places["eyeLeft"]["X"] < places["eyeRight"]["X"]
        box = face["BoundingBox"]
        assert all(box["Left"] < one["X"] < box["Left"] + box["Width"] for one in places.values())
        assert 50 <= face["Confidence"] <= 100
        assert all(0 <= value <= 100 for value in face["Quality"].values())


def test_a_filter_leaves_out_faces_of_fewer_than_32_pixels(boto: Any, name: str) -> None:
    with Image.open(photos.FOLDER / photos.PORTRAIT) as picture:
        (face,) = boto.detect_faces(Image=image(photos.PORTRAIT))["FaceDetails"]
        scale = 28 / min(
            face["BoundingBox"]["Width"] * picture.width,
            face["BoundingBox"]["Height"] * picture.height,
        )
        small = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    white, data = Image.new("RGB", (200, 200), "white"), io.BytesIO()
    white.paste(small, (10, 10))
    white.save(data, "PNG")
    sent = {"CollectionId": name, "Image": {"Bytes": data.getvalue()}}
    for quality_filter in ("AUTO", "LOW", "MEDIUM", "HIGH"):
        answer = boto.index_faces(**sent, QualityFilter=quality_filter)
        assert [one["Reasons"] for one in answer["UnindexedFaces"]] == [["SMALL_BOUNDING_BOX"]]
        assert answer["FaceRecords"] == []


# --- 14, what any SDK does ---


def test_standard_and_legacy_retries_make_no_difference(tenant: Tenant, name: str) -> None:
    for mode in ("standard", "legacy", "adaptive"):
        made = tenant.client(retries={"mode": mode})
        assert name in made.list_collections()["CollectionIds"]
