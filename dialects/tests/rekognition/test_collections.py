"""Collections and their tags, beside what acceptance shows of them."""

from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from chalice.app import Chalice
from regulars_dialects.rekognition.operation import RekognitionContext
from regulars_dialects.rekognition.requests import REQUESTS

from chalicelib.api.icredit.routes import PICTURES
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.errors import GroupExists
from chalicelib.domain.model import NO_LABELS, Credentials, Profile
from chalicelib.services import Services
from tests.support.api.rekognition.client import client, refused
from tests.support.fakes import FakeClock, Person, picture


def test_a_list_goes_on_if_the_collection_at_the_pages_end_was_deleted(
    rekognition: Any, services: Services
) -> None:
    for name in ("a", "b", "c", "d"):
        rekognition.create_collection(CollectionId=name)
    first = rekognition.list_collections(MaxResults=2)
    services.groups.delete(services.tenants.get_by_name("shop"), "b")
    assert rekognition.list_collections(NextToken=first["NextToken"])["CollectionIds"] == ["c", "d"]


def test_the_default_groups_are_listed_while_they_hold_a_face_and_others_names_never(
    rekognition: Any, services: Services
) -> None:
    tenant = services.tenants.get_by_name("shop")
    services.groups.create(tenant, "Stammgäste", None, "")
    services.enrolment.everybody.enrol_all_in_picture(
        tenant, "regular", picture(Person(1)), PICTURES, NO_LABELS
    )
    assert rekognition.list_collections()["CollectionIds"] == ["regular"]
    assert rekognition.describe_collection(CollectionId="stranger")["FaceCount"] == 0
    assert (
        refused(rekognition.create_collection, CollectionId="stranger")[0]
        == "ResourceAlreadyExistsException"
    )


def test_tags_that_are_sent_again_undo_nothing_that_was_done_since(
    app: Chalice, shop: Credentials, rekognition: Any
) -> None:
    arn = rekognition.create_collection(CollectionId="staff")["CollectionArn"]
    again = client(app, shop, invocation="1482f7a0")
    again.tag_resource(ResourceArn=arn, Tags={"floor": "1"})
    rekognition.tag_resource(ResourceArn=arn, Tags={"floor": "2"})
    again.tag_resource(ResourceArn=arn, Tags={"floor": "1"})
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"floor": "2"}
    again.untag_resource(ResourceArn=arn, TagKeys=["floor"])
    rekognition.tag_resource(ResourceArn=arn, Tags={"floor": "3"})
    again.untag_resource(ResourceArn=arn, TagKeys=["floor"])
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"floor": "3"}


def test_a_call_that_finds_its_own_work_done_has_the_answer_of_that(
    services: Services, shop: Credentials
) -> None:
    tenant, request = services.tenants.get_by_name("shop"), RequestId("the-same", "digest")

    def create() -> None:
        services.groups.create(tenant, "staff", None, "", request)
        raise GroupExists("as a second attempt finds it that began before the first one's end")

    assert (
        RekognitionContext(services, tenant, "eu-central-1", "1", request).change_once(create) == {}
    )
    with pytest.raises(GroupExists):
        RekognitionContext(
            services, tenant, "eu-central-1", "2", RequestId("another", "digest")
        ).change_once(create)


def test_where_groups_need_a_capacity_a_collection_has_one(
    services: Services, app: Chalice, now: None, clock: FakeClock
) -> None:
    camera = client(app, services.tenants.add("camera", Profile.CAMERA))
    camera.create_collection(CollectionId="staff")
    made_at = camera.describe_collection(CollectionId="staff")["CreationTimestamp"]
    assert made_at.timestamp() == pytest.approx(clock.now().timestamp(), abs=0.001)
    assert (
        services.groups.get_by_name(services.tenants.get_by_name("camera"), "staff").capacity
        == 1_000
    )
    for number in range(7):
        camera.create_collection(CollectionId=f"c{number}")
    assert (
        refused(camera.create_collection, CollectionId="one.too.many")[0]
        == "ServiceQuotaExceededException"
    )


ABSENT_FACE = "11111111-1111-1111-1111-111111111111"
OF_A_COLLECTION: dict[str, dict[str, Any]] = {
    "delete_collection": {},
    "describe_collection": {},
    "list_faces": {},
    "list_users": {},
    "index_faces": {"Image": {"Bytes": picture(Person(1))}},
    "search_faces_by_image": {"Image": {"Bytes": picture(Person(1))}},
    "search_users_by_image": {"Image": {"Bytes": picture(Person(1))}},
    "search_faces": {"FaceId": ABSENT_FACE},
    "search_users": {"UserId": "ann"},
    "delete_faces": {"FaceIds": [ABSENT_FACE]},
    "create_user": {"UserId": "ann"},
    "delete_user": {"UserId": "ann"},
    "associate_faces": {"UserId": "ann", "FaceIds": [ABSENT_FACE]},
    "disassociate_faces": {"UserId": "ann", "FaceIds": [ABSENT_FACE]},
}


def test_these_are_all_operations_on_a_collection(rekognition: Any) -> None:
    names = rekognition.meta.method_to_api_mapping
    of_a_collection = {
        operation for operation, request in REQUESTS.items() if "CollectionId" in request.members
    }
    assert {names[call] for call in OF_A_COLLECTION} == of_a_collection - {"CreateCollection"}


@pytest.mark.parametrize("call", OF_A_COLLECTION)
def test_right_after_its_deletion_each_call_says_that_the_collection_is_gone(
    rekognition: Any, call: str
) -> None:
    """The calls are those from before the deletion, so that of one second have one signature."""
    ask, members = getattr(rekognition, call), {"CollectionId": "staff", **OF_A_COLLECTION[call]}
    rekognition.create_collection(CollectionId="staff")
    with suppress(ClientError):  # that of a face or user who is not there
        ask(**members)
    if call != "delete_collection":
        rekognition.delete_collection(CollectionId="staff")
    assert refused(ask, **members) == (
        "ResourceNotFoundException",
        "The collection id: staff does not exist",
    )
