from datetime import timedelta
from typing import Any

import pytest

from chalicelib.services import Services
from tests.support.api.rekognition.client import refused
from tests.support.api.rekognition.faces import ids, image
from tests.support.fakes import FakeClock, Person

ANN = {"CollectionId": "staff", "UserId": "ann"}
BOB = {"CollectionId": "staff", "UserId": "bob"}


@pytest.fixture
def staff(rekognition: Any) -> Any:
    """The client, with the users `ann` and `bob` in the collection `staff`."""
    rekognition.create_collection(CollectionId="staff")
    for user in (ANN, BOB):
        rekognition.create_user(**user)
    return rekognition


def indexed(staff: Any, *people: Person) -> list[str]:
    return [
        faceid
        for one in people
        for faceid in ids(staff.index_faces(CollectionId="staff", Image=image(one)))
    ]


def photos(person: int, number: int) -> list[Person]:
    return [Person(person, quality=50 + n) for n in range(number)]


def shown_users(staff: Any) -> dict[str, str]:
    return {
        one["UserId"]: one["UserStatus"] for one in staff.list_users(CollectionId="staff")["Users"]
    }


def face_set_of(staff: Any, faceid: str) -> str | None:
    (face,) = staff.list_faces(CollectionId="staff", FaceIds=[faceid])["Faces"]
    return face.get("UserId")


def test_a_user_gets_faces_and_each_answer_names_it(staff: Any, clock: FakeClock) -> None:
    faces = []
    for one in photos(1, 3):
        faces += indexed(staff, one)
        clock.advance(timedelta(milliseconds=1))
    answer = staff.associate_faces(**ANN, FaceIds=[faces[1], faces[0], faces[1]])
    assert [one["FaceId"] for one in answer["AssociatedFaces"]] == [faces[1], faces[0]]
    assert (answer["UnsuccessfulFaceAssociations"], answer["UserStatus"]) == ([], "ACTIVE")
    assert [face_set_of(staff, one) for one in faces] == ["ann", "ann", None]
    assert [one["FaceId"] for one in staff.list_faces(**ANN)["Faces"]] == faces[:2]
    assert [one["FaceId"] for one in staff.list_faces(**ANN, FaceIds=faces[1:])["Faces"]] == [
        faces[1]
    ]
    assert staff.list_faces(**BOB)["Faces"] == []
    assert shown_users(staff) == {"ann": "ACTIVE", "bob": "CREATED"}
    matches = staff.search_faces(CollectionId="staff", FaceId=faces[2])["FaceMatches"]
    assert [one["Face"]["UserId"] for one in matches] == ["ann", "ann"]


def test_any_faces_are_the_first_of_a_user_and_a_threshold_of_zero_takes_all(staff: Any) -> None:
    faces = indexed(staff, Person(1), Person(2), Person(3))
    assert len(staff.associate_faces(**ANN, FaceIds=faces[:2])["AssociatedFaces"]) == 2
    assert (
        staff.associate_faces(**ANN, FaceIds=faces[2:], UserMatchThreshold=100)["AssociatedFaces"]
        == []
    )
    assert (
        len(
            staff.associate_faces(**ANN, FaceIds=faces[2:], UserMatchThreshold=0)["AssociatedFaces"]
        )
        == 1
    )


def test_a_user_has_a_hundred_faces_at_most_and_a_call_past_that_does_nothing(staff: Any) -> None:
    people = [Person(n, 40 + n) for n in range(1, 102)]
    faces = ids(staff.index_faces(CollectionId="staff", Image=image(*people[:60])))
    faces += ids(staff.index_faces(CollectionId="staff", Image=image(*people[60:])))
    answer = staff.associate_faces(**ANN, FaceIds=faces[:100])
    assert [one["FaceId"] for one in answer["AssociatedFaces"]] == faces[:100]
    code, text = refused(staff.associate_faces, **ANN, FaceIds=faces[100:], UserMatchThreshold=0)
    assert code == "ServiceQuotaExceededException"
    assert "100" in text
    assert face_set_of(staff, faces[100]) is None
    assert len(staff.disassociate_faces(**ANN, FaceIds=faces[:100])["DisassociatedFaces"]) == 100
    assert shown_users(staff)["ann"] == "CREATED"
    staff.associate_faces(**ANN, FaceIds=faces[:100])
    staff.delete_user(**ANN)
    assert {one.get("UserId") for one in staff.list_faces(CollectionId="staff")["Faces"]} == {None}


def matches(answer: dict[str, Any]) -> list[str]:
    assert all(one["User"]["UserStatus"] == "ACTIVE" for one in answer["UserMatches"])
    return [one["User"]["UserId"] for one in answer["UserMatches"]]


@pytest.fixture
def people(staff: Any) -> list[str]:
    """Two faces of `ann` and two of `bob`, and one of each person that is nobody's; `eve` has
    none."""
    staff.create_user(CollectionId="staff", UserId="eve")
    faces = indexed(staff, *photos(1, 3), *photos(2, 3))
    staff.associate_faces(**ANN, FaceIds=faces[:2])
    staff.associate_faces(**BOB, FaceIds=faces[3:5])
    return faces


def test_a_user_is_searched_by_the_mean_of_its_faces(staff: Any, people: list[str]) -> None:
    """The noise of each photo is half gone in the mean of two, so that it is nearer to a third than
    either."""
    (user,) = staff.search_users(CollectionId="staff", FaceId=people[2])["UserMatches"]
    faces = staff.search_faces(CollectionId="staff", FaceId=people[2])["FaceMatches"]
    assert user["Similarity"] > max(one["Similarity"] for one in faces)


@pytest.mark.parametrize("off", [frozenset[str](), frozenset({"liveness"})])
def test_people_who_look_less_alive_than_the_tenant_asks_are_no_user(
    off: frozenset[str], staff: Any, people: list[str], services: Services
) -> None:
    services.tenants.change_settings("shop", {"least_liveness": 0.5, "attributes_off": off})
    shown = image(Person(1, liveness=0.1))
    answer = staff.search_users_by_image(CollectionId="staff", Image=shown, UserMatchThreshold=0)
    assert answer["UserMatches"] == []
