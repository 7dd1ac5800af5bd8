"""Collections and their tags."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from chalice.app import Chalice

from chalicelib.api.icredit.manage import PICTURES
from chalicelib.api.rekognition.operation import Call
from chalicelib.core.errors import GroupExists
from chalicelib.core.model import NO_LABELS, Credentials, Profile
from chalicelib.services import Services
from chalicelib.services.idempotency import RequestId
from tests.api.rekognition.client import client
from tests.fakes import FakeClock, Person, picture


def refused(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def pages(rekognition: Any, **members: Any) -> list[str]:
    found: list[str] = []
    for page in rekognition.get_paginator("list_collections").paginate(**members):
        assert len(page["FaceModelVersions"]) == len(page["CollectionIds"])
        found += page["CollectionIds"]
    return found


def test_a_new_account_is_empty(rekognition: Any) -> None:
    answer = rekognition.list_collections()
    assert (answer["CollectionIds"], answer["FaceModelVersions"]) == ([], [])
    assert "NextToken" not in answer


def test_a_collection_is_created_described_and_listed(rekognition: Any, clock: FakeClock) -> None:
    made = rekognition.create_collection(CollectionId="staff", Tags={"site": "north"})
    assert made["StatusCode"] == 200
    assert re.fullmatch(r"arn:aws:rekognition:eu-central-1:\d{12}:collection/staff", made["CollectionArn"])
    assert re.fullmatch(r"7\.\d+", made["FaceModelVersion"])
    described = rekognition.describe_collection(CollectionId="staff")
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert described["CollectionARN"] == made["CollectionArn"]
    assert described["CreationTimestamp"].timestamp() == pytest.approx(clock.now().timestamp(), abs=0.001)
    assert rekognition.list_collections()["CollectionIds"] == ["staff"]


def test_names_are_told_apart_by_case_and_taken_once(rekognition: Any) -> None:
    for name in ("staff", "Staff", "a" * 255, "x.y-z_1"):
        rekognition.create_collection(CollectionId=name)
    assert refused(rekognition.create_collection, CollectionId="staff") == (
        "ResourceAlreadyExistsException",
        "The collection id: staff already exists",
    )
    assert refused(rekognition.describe_collection, CollectionId="STAFF") == (
        "ResourceNotFoundException",
        "The collection id: STAFF does not exist",
    )


def test_collections_are_listed_by_creation_in_pages(rekognition: Any, clock: FakeClock) -> None:
    names = [f"c{number * 7 % 10}" for number in range(10)]
    for name in names:
        rekognition.create_collection(CollectionId=name)
        clock.advance(timedelta(seconds=1))
    assert pages(rekognition) == names
    assert pages(rekognition, PaginationConfig={"PageSize": 3}) == names
    assert rekognition.list_collections(MaxResults=0)["CollectionIds"] == names
    assert refused(rekognition.list_collections, NextToken="xyz")[0] == "InvalidPaginationTokenException"


def test_a_list_goes_on_if_the_collection_at_the_pages_end_was_deleted(rekognition: Any, services: Services) -> None:
    for name in ("a", "b", "c", "d"):
        rekognition.create_collection(CollectionId=name)
    first = rekognition.list_collections(MaxResults=2)
    services.groups.delete(services.tenants.named("shop"), "b")
    assert rekognition.list_collections(NextToken=first["NextToken"])["CollectionIds"] == ["c", "d"]


def test_the_default_groups_are_listed_while_they_hold_a_face_and_others_names_never(
    rekognition: Any, services: Services
) -> None:
    tenant = services.tenants.named("shop")
    services.groups.create(tenant, "Stammgäste", None, "")
    services.enrolment.everybody.all_in_picture(tenant, "regular", picture(Person(1)), PICTURES, NO_LABELS)
    assert rekognition.list_collections()["CollectionIds"] == ["regular"]
    assert rekognition.describe_collection(CollectionId="stranger")["FaceCount"] == 0
    assert refused(rekognition.create_collection, CollectionId="stranger")[0] == "ResourceAlreadyExistsException"


def test_a_call_that_is_sent_again_is_done_once(app: Chalice, shop: Credentials, now: None) -> None:
    again = client(app, shop, invocation="1482f7a0")
    first = again.create_collection(CollectionId="staff")
    second = again.create_collection(CollectionId="staff")
    assert {**first, "ResponseMetadata": None} == {**second, "ResponseMetadata": None}
    assert again.create_collection(CollectionId="other")["StatusCode"] == 200  # another content: nothing is remembered


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


def test_a_deleted_collection_is_gone_with_its_faces_and_tags_and_its_name_is_free(
    app: Chalice, shop: Credentials, rekognition: Any, services: Services
) -> None:
    made = rekognition.create_collection(CollectionId="staff", Tags={"site": "north"})
    rekognition.create_collection(CollectionId="guests")
    sent = {"Bytes": picture(Person(1))}
    [record] = rekognition.index_faces(CollectionId="staff", Image=sent)["FaceRecords"]
    once = client(app, shop, invocation="1482f7a0")
    assert once.delete_collection(CollectionId="staff")["StatusCode"] == 200
    absent = ("ResourceNotFoundException", "The collection id: staff does not exist")
    for call, members in (
        (rekognition.delete_collection, {}),
        (rekognition.describe_collection, {}),
        (rekognition.list_faces, {}),
        (rekognition.index_faces, {"Image": sent}),
        (rekognition.search_faces_by_image, {"Image": sent}),
    ):
        assert refused(call, CollectionId="staff", **members) == absent
    assert refused(rekognition.list_tags_for_resource, ResourceArn=made["CollectionArn"]) == absent
    assert rekognition.list_collections()["CollectionIds"] == ["guests"]
    assert rekognition.search_faces_by_image(CollectionId="guests", Image=sent)["FaceMatches"] == []

    rekognition.create_collection(CollectionId="staff")
    assert once.delete_collection(CollectionId="staff")["StatusCode"] == 200, "sent again, it is answered again"
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == 0
    assert rekognition.list_tags_for_resource(ResourceArn=made["CollectionArn"])["Tags"] == {}
    [again] = rekognition.index_faces(CollectionId="staff", Image=sent)["FaceRecords"]
    assert again["Face"]["FaceId"] != record["Face"]["FaceId"], "another collection of the same name"


def test_default_groups_and_a_collection_with_a_held_face_are_not_deleted(rekognition: Any, services: Services) -> None:
    for name in ("stranger", "regular"):
        assert refused(rekognition.delete_collection, CollectionId=name) == (
            "AccessDeniedException",
            f"the default group {name!r} cannot be deleted",
        )
    rekognition.create_collection(CollectionId="staff")
    [record] = rekognition.index_faces(CollectionId="staff", Image={"Bytes": picture(Person(1))})["FaceRecords"]
    services.faces.holds.set(services.tenants.named("shop"), record["Face"]["FaceId"], "case 7")
    code, text = refused(rekognition.delete_collection, CollectionId="staff")
    assert code == "AccessDeniedException"
    assert "is under legal hold since" in text
    assert rekognition.describe_collection(CollectionId="staff")["FaceCount"] == 1


def test_a_call_that_finds_its_own_work_done_has_the_answer_of_that(services: Services, shop: Credentials) -> None:
    tenant, request = services.tenants.named("shop"), RequestId("the-same", "digest")

    def create() -> None:
        services.groups.create(tenant, "staff", None, "", request)
        raise GroupExists("as a second attempt finds it that began before the first one's end")

    assert Call(services, tenant, "eu-central-1", request).once(create) == {}
    with pytest.raises(GroupExists):
        Call(services, tenant, "eu-central-1", RequestId("another", "digest")).once(create)


def test_tags_are_added_replaced_removed_and_listed(rekognition: Any) -> None:
    arn = rekognition.create_collection(CollectionId="staff", Tags={"site": "north", "floor": "1"})["CollectionArn"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"floor": "2", "Straße": "東京"})
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {
        "site": "north",
        "floor": "2",
        "Straße": "東京",
    }
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["site", "absent"])
    assert set(rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]) == {"floor", "Straße"}


def test_a_collection_has_200_tags_at_most(rekognition: Any) -> None:
    arn = rekognition.create_collection(CollectionId="staff", Tags={f"k{n}": "" for n in range(200)})["CollectionArn"]
    rekognition.tag_resource(ResourceArn=arn, Tags={"k7": "again"})
    assert refused(rekognition.tag_resource, ResourceArn=arn, Tags={"more": ""})[0] == "ServiceQuotaExceededException"


def test_an_arn_is_read_by_its_last_part(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="staff")
    foreign = "arn:aws:rekognition:us-west-2:123456789012:collection/staff"
    assert rekognition.list_tags_for_resource(ResourceArn=foreign)["Tags"] == {}
    absent = "arn:aws:rekognition:us-west-2:123456789012:collection/nobody"
    assert refused(rekognition.list_tags_for_resource, ResourceArn=absent)[0] == "ResourceNotFoundException"
    other = "arn:aws:rekognition:us-west-2:123456789012:project/staff"
    assert refused(rekognition.list_tags_for_resource, ResourceArn=other)[0] == "InvalidParameterException"


def test_where_groups_need_a_capacity_a_collection_has_one(services: Services, app: Chalice, now: None) -> None:
    camera = client(app, services.tenants.add("camera", Profile.CAMERA))
    camera.create_collection(CollectionId="staff")
    assert services.groups.named(services.tenants.named("camera"), "staff").capacity == 1_000
    for number in range(7):
        camera.create_collection(CollectionId=f"c{number}")
    assert refused(camera.create_collection, CollectionId="one.too.many")[0] == "ServiceQuotaExceededException"


def test_another_tenants_collections_are_not_seen(services: Services, rekognition: Any, app: Chalice) -> None:
    rekognition.create_collection(CollectionId="staff")
    other = client(app, services.tenants.add("other", Profile.CLOUD))
    assert other.list_collections()["CollectionIds"] == []
    assert refused(other.describe_collection, CollectionId="staff")[0] == "ResourceNotFoundException"
    other.create_collection(CollectionId="staff")
