from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config
from chalice.app import Chalice

from chalicelib.api.icredit.routes import PICTURES
from chalicelib.domain.model import Credentials, NewFace, Profile
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from tests.support.api.rekognition.client import client, refused
from tests.support.api.rekognition.faces import ids, image
from tests.support.fakes import FakeClock, Person, picture
from tests.support.meanwhile import side_by_side

PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 6})
"""As programs have it: what is sent twice in one second is signed again."""


def observed(services: Services) -> list[Item]:
    """All observations of the shop."""
    partitions = [keys.observations("shop", day) for day in range(20_000, 22_000)]
    return [
        item
        for each in partitions
        for item in services.ports.storage.items.query(keys.OBSERVATIONS, each).items
    ]


@pytest.fixture
def staff(rekognition: Any) -> Any:
    """The client, with an empty collection `staff`."""
    rekognition.create_collection(CollectionId="staff")
    return rekognition


def test_a_call_that_was_cut_off_is_completed_by_the_same_call(
    app: Chalice, staff: Any, shop: Credentials
) -> None:
    faces = image(*(Person(n, 40 + n) for n in range(1, 60)))
    sent = {"CollectionId": "staff", "Image": faces, "ExternalImageId": "everybody"}
    first = ids(staff.index_faces(**sent))
    assert len(set(first)) == 59
    staff.delete_faces(CollectionId="staff", FaceIds=first[40:])
    assert ids(client(app, shop, config=PATIENT).index_faces(**sent)) == first


def test_eight_clients_that_send_one_photo_index_it_once(
    app: Chalice, staff: Any, shop: Credentials
) -> None:
    def send() -> tuple[str, ...]:
        photo = {"Image": image(Person(1), Person(2)), "ExternalImageId": "two"}
        return tuple(
            ids(client(app, shop, config=PATIENT).index_faces(CollectionId="staff", **photo))
        )

    assert len({*side_by_side([send] * 3)}) == 1
    assert staff.describe_collection(CollectionId="staff")["FaceCount"] == 2


def test_what_is_not_indexed_is_told_with_its_reason(staff: Any) -> None:
    people = [
        Person(1, 200),
        Person(2, 100),
        Person(3, 90, quality=5),
        Person(4, 20),
        Person(5, 80),
    ]
    answer = staff.index_faces(CollectionId="staff", Image=image(*people), MaxFaces=2)
    reasons = [one["Reasons"] for one in answer["UnindexedFaces"]]
    assert len(answer["FaceRecords"]) == 2
    assert sorted(reasons) == [["EXCEEDS_MAX_FACES"], ["LOW_FACE_QUALITY"], ["SMALL_BOUNDING_BOX"]]
    everybody = staff.index_faces(CollectionId="staff", Image=image(*people), QualityFilter="NONE")
    assert len(everybody["FaceRecords"]) == 5


@pytest.mark.parametrize("off", [frozenset[str](), frozenset({"liveness"})])
def test_the_tenants_own_limits_hold_whatever_the_filter_is(
    off: frozenset[str], staff: Any, services: Services
) -> None:
    services.tenants.change_settings(
        "shop", {"enrol_quality": 60.0, "least_liveness": 0.5, "attributes_off": off}
    )
    people = [Person(1, 200), Person(2, 100, quality=50), Person(3, 90, liveness=0.1)]
    answer = staff.index_faces(CollectionId="staff", Image=image(*people), QualityFilter="NONE")
    assert len(answer["FaceRecords"]) == 1
    assert [one["Reasons"] for one in answer["UnindexedFaces"]] == [["LOW_FACE_QUALITY"]] * 2


def test_nothing_of_a_transaction_is_indexed_if_the_collection_is_full(
    app: Chalice, services: Services, now: None
) -> None:
    camera = client(app, services.tenants.add("camera", Profile.CAMERA))
    camera.create_collection(CollectionId="staff")
    tenant = services.tenants.get_by_name("camera")
    services.groups.change_fields(
        tenant, services.groups.get_by_name(tenant, "staff").id, {"capacity": 2}
    )
    error = refused(
        camera.index_faces, CollectionId="staff", Image=image(Person(1), Person(2), Person(3))
    )
    assert error[0] == "ServiceQuotaExceededException"
    assert camera.list_faces(CollectionId="staff")["Faces"] == []


def test_a_list_goes_on_if_the_face_at_the_pages_end_was_deleted(
    staff: Any, clock: FakeClock
) -> None:
    found = []
    for number in range(1, 5):
        found += ids(staff.index_faces(CollectionId="staff", Image=image(Person(number))))
        clock.advance(timedelta(milliseconds=1))
    first = staff.list_faces(CollectionId="staff", MaxResults=2)
    staff.delete_faces(CollectionId="staff", FaceIds=[found[1]])
    rest = staff.list_faces(CollectionId="staff", NextToken=first["NextToken"])
    assert [one["FaceId"] for one in rest["Faces"]] == found[2:]


def test_a_deletion_that_is_sent_again_is_answered_as_the_first_time(
    app: Chalice, staff: Any, shop: Credentials
) -> None:
    faces = ids(
        staff.index_faces(
            CollectionId="staff", Image=image(*(Person(n, 40 + n) for n in range(1, 90)))
        )
    )
    absent = [f"11111111-1111-1111-1111-{n:012d}" for n in range(30)]
    again = client(app, shop, invocation="77")
    first = again.delete_faces(CollectionId="staff", FaceIds=faces + absent)
    second = again.delete_faces(CollectionId="staff", FaceIds=faces + absent)
    assert first["DeletedFaces"] == second["DeletedFaces"] == faces
    assert len(second["UnsuccessfulFaceDeletions"]) == 30


def test_the_receipts_of_a_tenant_whose_deletions_erase_name_the_dialect(
    staff: Any, services: Services
) -> None:
    services.tenants.change_settings("shop", {"deletes_erase": True})
    one, _ = ids(staff.index_faces(CollectionId="staff", Image=image(Person(1), Person(2))))
    staff.delete_faces(CollectionId="staff", FaceIds=[one])
    staff.delete_collection(CollectionId="staff")
    services.deletion.groups.continue_tenant(services.tenants.get_by_name("shop"), lambda: 600.0)
    assert [found.by for found in services.erasure.records.read_page("shop", 10).rows] == [
        "rekognition"
    ] * 2


def test_another_deletion_under_the_id_of_a_call_is_done(
    app: Chalice, staff: Any, shop: Credentials
) -> None:
    one, two = ids(staff.index_faces(CollectionId="staff", Image=image(Person(1), Person(2))))
    again = client(app, shop, invocation="77")
    assert again.delete_faces(CollectionId="staff", FaceIds=[one])["DeletedFaces"] == [one]
    assert again.delete_faces(CollectionId="staff", FaceIds=[two])["DeletedFaces"] == [two]
    staff.index_faces(CollectionId="staff", Image=image(Person(2), Person(1)))
    assert again.delete_faces(CollectionId="staff", FaceIds=[one])["DeletedFaces"] == [one]
    assert staff.describe_collection(CollectionId="staff")["FaceCount"] == 2


def test_faces_with_numbers_are_shown_and_taken_as_uuids(staff: Any, services: Services) -> None:
    tenant = services.tenants.get_by_name("shop")
    face = services.enrolment.enrol_largest_face(
        tenant, "staff", picture(Person(9)), PICTURES, NewFace(faceid="4711")
    )
    (listed,) = staff.list_faces(CollectionId="staff")["Faces"]
    assert listed["FaceId"] == "00000000-0000-0000-0000-000000001267"
    assert (
        staff.search_faces(CollectionId="staff", FaceId=listed["FaceId"])["SearchedFaceId"]
        == listed["FaceId"]
    )
    assert (
        staff.search_faces(CollectionId="staff", FaceId=face.faceid)["SearchedFaceId"]
        == listed["FaceId"]
    )
    assert staff.delete_faces(CollectionId="staff", FaceIds=[listed["FaceId"]])["DeletedFaces"] == [
        listed["FaceId"]
    ]


def test_tenants_with_numbers_as_ids_get_numbers(staff: Any, services: Services) -> None:
    services.tenants.change_settings("shop", {"numeric_faceids_only": True})
    (faceid,) = ids(staff.index_faces(CollectionId="staff", Image=image(Person(1))))
    assert faceid.startswith("00000000-0000-0000-")
    assert (
        int(
            services.faces.lists.list_ids(
                services.tenants.get_by_name("shop"), "staff", "enrolled"
            ).ids[0]
        )
        < 2**63
    )


def test_a_search_by_image_takes_the_largest_face_and_writes_nothing(
    staff: Any, services: Services
) -> None:
    (one,) = ids(staff.index_faces(CollectionId="staff", Image=image(Person(1))))
    before = observed(services)
    answer = staff.search_faces_by_image(
        CollectionId="staff", Image=image(Person(2, 50), Person(1, 90))
    )
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [one]
    assert answer["SearchedFaceConfidence"] > 90
    assert set(answer["SearchedFaceBoundingBox"]) == {"Left", "Top", "Width", "Height"}
    stranger = staff.search_faces_by_image(CollectionId="staff", Image=image(Person(7)))
    assert stranger["FaceMatches"] == []
    assert refused(staff.search_faces_by_image, CollectionId="staff", Image=image()) == (
        "InvalidParameterException",
        "There are no faces in the image. Should be at least 1.",
    )
    assert observed(services) == before


@pytest.mark.parametrize("off", [frozenset[str](), frozenset({"liveness"})])
def test_people_who_look_less_alive_than_the_tenant_asks_are_found_by_no_search(
    off: frozenset[str], staff: Any, services: Services
) -> None:
    staff.index_faces(CollectionId="staff", Image=image(Person(1)))
    services.tenants.change_settings("shop", {"least_liveness": 0.5, "attributes_off": off})
    assert staff.search_faces_by_image(CollectionId="staff", Image=image(Person(1)))["FaceMatches"]
    shown = image(Person(1, liveness=0.1))
    assert (
        staff.search_faces_by_image(CollectionId="staff", Image=shown, FaceMatchThreshold=0)[
            "FaceMatches"
        ]
        == []
    )


def test_children_are_indexed_but_found_by_no_search_if_the_tenant_leaves_them_out(
    staff: Any, services: Services
) -> None:
    services.tenants.change_settings(
        "shop", {"min_age": 13.0, "attributes_off": frozenset({"age"})}
    )
    assert staff.index_faces(CollectionId="staff", Image=image(Person(1, age=5.0)))["FaceRecords"]
    assert staff.search_faces_by_image(CollectionId="staff", Image=image(Person(1, age=13.0)))[
        "FaceMatches"
    ]
    child = image(Person(1, age=5.0))
    assert (
        staff.search_faces_by_image(CollectionId="staff", Image=child, FaceMatchThreshold=0)[
            "FaceMatches"
        ]
        == []
    )
