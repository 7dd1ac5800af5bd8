"""The contract of the Rekognition dialect on users, by boto3: people with several faces in a
collection."""

from typing import Any

import pytest

from acceptance.answers import ABSENT, DEFAULT, missing, page
from acceptance.conftest import image
from tests.support.api.rekognition.client import refused
from tests.support.api.rekognition.faces import ids
from tests.support.pictures import photos


def no_user(user: str) -> tuple[str, str]:
    return "ResourceNotFoundException", f"The user id: {user} does not exist"


@pytest.fixture
def faces(boto: Any, name: str) -> list[str]:
    """Two faces of one person, one of another, in the collection."""
    return [
        ids(boto.index_faces(CollectionId=name, Image=image(file)))[0]
        for file in (*photos.PAIRS[0], photos.OTHER)
    ]


@pytest.fixture
def where(boto: Any, name: str, faces: list[str]) -> dict[str, str]:
    """The collection and its user `ann`, who has the person's first face."""
    boto.create_user(CollectionId=name, UserId="ann")
    made = boto.associate_faces(CollectionId=name, UserId="ann", FaceIds=faces[:1])
    assert made["AssociatedFaces"] == [{"FaceId": faces[0]}]
    assert made["UserStatus"] == "ACTIVE"
    return {"CollectionId": name, "UserId": "ann"}


def test_a_user_exists_once(boto: Any, name: str) -> None:
    boto.create_user(CollectionId=name, UserId="ann:1")
    text = ("ConflictException", "The user id: ann:1 already exists")
    assert refused(boto.create_user, CollectionId=name, UserId="ann:1") == text
    assert boto.describe_collection(CollectionId=name)["UserCount"] == 1
    assert refused(boto.create_user, CollectionId=name, UserId="a b")[0] == "ValidationException"


def test_what_is_missing_is_named_collection_first(boto: Any, name: str) -> None:
    some = {"FaceIds": [ABSENT]}
    for call, members in (
        (boto.delete_user, {}),
        (boto.associate_faces, some),
        (boto.disassociate_faces, some),
        (boto.search_users, {}),
        (boto.list_faces, {}),
    ):
        assert refused(call, CollectionId="nobody", UserId="x", **members) == missing("nobody")
        assert refused(call, CollectionId=name, UserId="x", **members) == no_user("x")
    for call, members in (
        (boto.create_user, {"UserId": "x"}),
        (boto.list_users, {}),
        (boto.search_users_by_image, {"Image": page()}),
    ):
        assert refused(call, CollectionId="nobody", **members) == missing("nobody")


def test_users_are_listed_by_their_bytes_in_pages(boto: Any, name: str) -> None:
    for user in ("b", "a", "B", "a.1", "a-1", "a_1"):
        boto.create_user(CollectionId=name, UserId=user)
    pages = boto.get_paginator("list_users").paginate(
        CollectionId=name, PaginationConfig={"PageSize": 4}
    )
    listed = [one for each in pages for one in each["Users"]]
    assert [one["UserId"] for one in listed] == ["B", "a", "a-1", "a.1", "a_1", "b"]
    assert {one["UserStatus"] for one in listed} == {"CREATED"}
    invalid = ("InvalidPaginationTokenException", "Invalid Pagination Token")
    assert refused(boto.list_users, CollectionId=name, NextToken="x") == invalid
    assert refused(boto.list_users, CollectionId=name, MaxResults=501)[0] == "ValidationException"


def test_faces_are_associated_once_each_and_others_told_with_their_reason(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    one, two, other = faces
    boto.create_user(CollectionId=where["CollectionId"], UserId="bob")
    answer = boto.associate_faces(**where, FaceIds=[one, ABSENT, other, two, two])
    assert answer["AssociatedFaces"] == [{"FaceId": two}]
    absent, low = answer["UnsuccessfulFaceAssociations"]
    assert (absent["FaceId"], absent["Reasons"]) == (ABSENT, ["FACE_NOT_FOUND"])
    assert (low["FaceId"], low["Reasons"]) == (other, ["LOW_MATCH_CONFIDENCE"])
    assert low["Confidence"] < 75
    assert answer["UserStatus"] == "ACTIVE"
    taken = boto.associate_faces(**{**where, "UserId": "bob"}, FaceIds=[two])
    assert taken["AssociatedFaces"] == []
    assert taken["UserStatus"] == "CREATED"
    (refusal,) = taken["UnsuccessfulFaceAssociations"]
    assert refusal == {
        "FaceId": two,
        "UserId": "ann",
        "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"],
    }
    anybody = boto.associate_faces(**where, FaceIds=[other], UserMatchThreshold=0)
    assert anybody["AssociatedFaces"] == [{"FaceId": other}]


def test_a_users_face_is_listed_with_the_user_and_not_deleted(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    (listed,) = boto.list_faces(**where)["Faces"]
    assert (listed["FaceId"], listed["UserId"]) == (faces[0], "ann")
    everybody = boto.list_faces(CollectionId=where["CollectionId"])["Faces"]
    assert [one.get("UserId") for one in everybody] == ["ann", None, None]
    answer = boto.delete_faces(CollectionId=where["CollectionId"], FaceIds=faces[:2])
    assert answer["DeletedFaces"] == [faces[1]]
    reason = {"FaceId": faces[0], "UserId": "ann", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    assert answer["UnsuccessfulFaceDeletions"] == [reason]


def test_faces_are_disassociated_and_others_told(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    bob = {**where, "UserId": "bob"}
    boto.create_user(**bob)
    boto.associate_faces(**bob, FaceIds=[faces[2]])
    answer = boto.disassociate_faces(**where, FaceIds=[faces[1], faces[2], ABSENT, faces[0]])
    assert answer["DisassociatedFaces"] == [{"FaceId": faces[0]}]
    assert answer["UnsuccessfulFaceDisassociations"] == [
        {"FaceId": faces[2], "UserId": "bob", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]},
        {"FaceId": ABSENT, "Reasons": ["FACE_NOT_FOUND"]},
    ]
    assert answer["UserStatus"] == "CREATED"
    assert boto.list_faces(**where)["Faces"] == []


def test_users_are_found_by_face_by_user_and_by_image(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    collection = {"CollectionId": where["CollectionId"]}
    for user in ("again", "empty"):
        boto.create_user(**collection, UserId=user)
    boto.associate_faces(**collection, UserId="again", FaceIds=[faces[1]])
    by_face = boto.search_users(**collection, FaceId=faces[0])
    assert by_face["SearchedFace"] == {"FaceId": faces[0]}
    assert [one["User"] for one in by_face["UserMatches"]] == [
        {"UserId": "ann", "UserStatus": "ACTIVE"},
        {"UserId": "again", "UserStatus": "ACTIVE"},
    ]
    by_user = boto.search_users(**collection, UserId="ann", UserMatchThreshold=0)
    assert by_user["SearchedUser"] == {"UserId": "ann"}
    assert [one["User"]["UserId"] for one in by_user["UserMatches"]] == ["again"]
    assert by_user["UserMatches"][0]["Similarity"] >= 80
    by_image = boto.search_users_by_image(**collection, Image=image(photos.PORTRAIT), MaxUsers=1)
    assert [one["User"]["UserId"] for one in by_image["UserMatches"]] == ["ann"]
    assert set(by_image["SearchedFace"]["FaceDetail"]) == DEFAULT
    assert by_image["UnsearchedFaces"] == []
    stranger = boto.search_users_by_image(**collection, Image=image(photos.OTHER))
    assert stranger["UserMatches"] == []


def test_a_search_of_users_has_a_user_or_a_face(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    collection = {"CollectionId": where["CollectionId"]}
    assert refused(boto.search_users, CollectionId="nobody")[0] == "InvalidParameterException"
    assert refused(boto.search_users, **where, FaceId=faces[0])[0] == "InvalidParameterException"
    text = ("InvalidParameterException", "faceId was not found in the collection.")
    assert refused(boto.search_users, **collection, FaceId=ABSENT) == text


def test_no_face_is_no_error_and_smaller_faces_are_not_searched(
    boto: Any, where: dict[str, str]
) -> None:
    collection = {"CollectionId": where["CollectionId"]}
    nobody = boto.search_users_by_image(**collection, Image=page())
    assert "SearchedFace" not in nobody
    assert (nobody["UserMatches"], nobody["UnsearchedFaces"]) == ([], [])
    group = boto.search_users_by_image(**collection, Image=image(photos.GROUP))
    assert [one["Reasons"] for one in group["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]] * (
        photos.GROUP_SIZE - 1
    )
    assert all(set(one["FaceDetails"]) == DEFAULT for one in group["UnsearchedFaces"])


def test_a_deleted_users_faces_stay_and_are_free(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    boto.delete_user(**where)
    assert boto.describe_collection(CollectionId=where["CollectionId"])["UserCount"] == 0
    assert refused(boto.delete_user, **where) == no_user("ann")
    listed = boto.list_faces(CollectionId=where["CollectionId"])["Faces"]
    assert [one["FaceId"] for one in listed] == faces
    assert not any("UserId" in one for one in listed)
    boto.create_user(**where)
    assert boto.associate_faces(**where, FaceIds=faces[:1])["AssociatedFaces"] == [
        {"FaceId": faces[0]}
    ]


def test_a_token_is_done_once_and_is_of_one_request(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    token = {"ClientRequestToken": f"t{where['CollectionId'][-36:]}"}
    sent = {**where, "FaceIds": faces[1:2], **token}
    first, again = boto.associate_faces(**sent), boto.associate_faces(**sent)
    assert first["AssociatedFaces"] == again["AssociatedFaces"] == [{"FaceId": faces[1]}]
    name, text = refused(boto.associate_faces, **{**sent, "FaceIds": faces[:1]})
    assert name == "IdempotentParameterMismatchException"
    assert (
        text
        == f"The ClientRequestToken: {token['ClientRequestToken']} you have supplied is already in "
        "use."
    )
    bob = {**where, "UserId": "bob", **token}
    for _ in range(2):
        boto.create_user(**bob)
    for _ in range(2):
        boto.disassociate_faces(**sent)
    for _ in range(2):
        boto.delete_user(**bob)


def test_a_user_counts_neither_as_a_face_nor_in_other_searches(
    boto: Any, where: dict[str, str], faces: list[str]
) -> None:
    collection = {"CollectionId": where["CollectionId"]}
    described = boto.describe_collection(**collection)
    assert (described["FaceCount"], described["UserCount"]) == (3, 1)
    found = boto.search_faces_by_image(
        **collection, Image=image(photos.PORTRAIT), FaceMatchThreshold=0
    )
    assert {one["Face"]["FaceId"] for one in found["FaceMatches"]} == set(faces)
    assert found["FaceMatches"][0]["Face"]["UserId"] == "ann"
