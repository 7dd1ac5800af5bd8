"""A stage on AWS (emulated) as one file, and from it another stage that answers the same."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from msgspec.structs import replace

from chalicelib.bootstrap import build
from chalicelib.domain.model import NewFace, Profile
from chalicelib.privacy.erasure_progress import SETTLED
from chalicelib.privacy.standing import Point
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import keys
from chalicelib.storage.aws.clients import open_aws_client
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.ports import Postman, Vision
from chalicelib.witness import open_witness
from infra.storage import make_storage
from regulars.backup import archive
from regulars.backup.backup import backup, restore
from regulars.backup.cloud_backup import ITEMS
from regulars.backup.new_secrets import renew_secrets
from regulars.backup.owed import Owed, Questions, Step
from regulars.backup.receipts import (
    read_receipts,
    read_standing_documents,
    redo_erasures,
    write_beside,
)
from regulars.backup.restoring import end_restore, list_books
from regulars.errors import DamagedFile, OperatorError
from tests.support.book.book import MONDAY, Book
from tests.support.book.person import worked_off
from tests.support.book.recount import disagreements, every_face
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture
from tests.support.storage.emulated import storage_stack

NEW = "regulars-new"


@pytest.fixture
def stages() -> Iterator[tuple[Settings, Settings]]:
    """A stage, and an empty one beside it that knows the same key of secrets."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        with storage_stack() as aws:
            first = settings("regulars-test-", aws.physical)
            formation = aws.client("cloudformation")
            whole = make_storage()
            kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue")
            known = {name: dict(r) for name, r in whole["Resources"].items() if r["Type"] in kinds}
            for resource in known.values():
                resource.pop("DependsOn", None)
            body = {**whole, "Resources": known}
            formation.create_stack(StackName=NEW, TemplateBody=json.dumps(body))
            made = formation.list_stack_resources(StackName=NEW)["StackResourceSummaries"]
            physical = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in made}
            yield first, settings(f"{NEW}-", {**physical, "SecretsKey": aws.physical["SecretsKey"]})


def settings(prefix: str, physical: dict[str, str]) -> Settings:
    queues = {
        f"{kind}_queue_url": physical[f"{kind.capitalize()}Queue"]
        for kind in ("index", "captures", "deliveries")
    }
    storage = AwsStorage(
        table_prefix=prefix,
        bucket=physical["DataBucket"],
        captures_bucket=physical["CapturesBucket"],
        secrets_key=physical["SecretsKey"],
        search_function=None,
        **queues,
    )
    return Settings(storage=storage)


def services_of(stage: Settings) -> Services:
    vision: Vision = FakeVision()
    return build(stage, clock=FakeClock(datetime.now(UTC)), vision=lambda: vision)


def clock_of(services: Services) -> FakeClock:
    assert isinstance(services.clock, FakeClock)
    return services.clock


def test_another_stage_made_from_the_file_answers_and_counts_the_same(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    services = services_of(first)
    credentials = services.tenants.add("shop", Profile.CLOUD)
    tenant = services.tenants.get_by_name("shop")
    for number in range(30):  # more than go into one transaction
        services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(number)), RULES, NewFace(faceid=f"f-{number}")
        )
    services.deletion.delete_faces_of_group(tenant, "regular", ["f-3"])
    assert services.index.build("shop")
    file = backup(first, tmp_path / "stage.tar")
    begun: list[Settings] = []
    restore(second, file, lambda: begun.append(second))
    again = services_of(second)
    tenant = again.tenants.get_by_name("shop")
    assert disagreements(again, tenant) == []
    assert every_face(again, tenant) == every_face(services, tenant)
    found = again.recognition.face_analysis.search_by_picture(tenant, picture(Person(7)), RULES)
    assert found.match
    assert found.match.face.faceid == "f-7"
    assert not again.recognition.face_analysis.search_by_picture(
        tenant, picture(Person(3)), RULES
    ).match
    known = again.tenants.find_by_app_id(credentials.app_id)
    assert known
    assert known[1] == credentials.app_key
    with pytest.raises(OperatorError, match="not empty"):
        restore(second, file, lambda: begun.append(second))
    assert len(begun) == 1, "a stage that serves is not stopped by a restore that is refused"


def test_in_another_region_all_that_its_lost_key_had_sealed_is_made_anew(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    services = services_of(first)
    services.tenants.add("shop", Profile.CLOUD)
    hook, before = services.webhooks.hooks.add("shop", "https://shop.example/hook")
    services.webhooks.hooks.add("shop", None, name="mailbox")
    services.audit.signing.read_public_keys("shop")
    restore(second, backup(first, tmp_path / "stage.tar"))
    kms = open_aws_client("kms")
    own = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=first.storage.secrets_key)
    again = services_of(replace(second, storage=replace(second.storage, secrets_key=own)))
    [made] = renew_secrets(again)
    known = again.tenants.find_by_app_id(str(made["app_id"]))
    assert known
    assert known[1] == made["app_key"]
    [secret] = again.webhooks.hooks.read_secrets("shop", again.webhooks.hooks.get("shop", hook.id))
    assert made["hooks"] == {hook.id: secret}
    assert secret != before
    assert again.audit.signing.sign_statement("shop", {"heads": 0})


def test_who_was_erased_since_is_erased_again_in_a_stage_that_is_filled_from_the_backup(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    services = services_of(first)
    services.tenants.add("shop", Profile.CLOUD)
    tenant = services.tenants.get_by_name("shop")
    services.audit.signing.read_public_keys("shop")
    for number in range(2):
        services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(number)), RULES, NewFace(faceid=f"f-{number}")
        )
    key, secret = services.access.keys.add(tenant, "thief")
    file = backup(first, tmp_path / "stage.tar")
    services.access.keys.delete(tenant, key.id)
    [id_] = services.deletion.delete_faces(tenant, ["f-0"], by="first", erase=True).erasures
    clock_of(services).advance(SETTLED)
    services.erasure.steps.continue_all(tenant)
    assert write_beside(services, tmp_path) == 1

    restore(second, file)
    again = services_of(second)
    clock_of(again).advance(SETTLED)
    tenant = again.tenants.get_by_name("shop")
    assert list(every_face(again, tenant)) == ["f-0", "f-1"], "the backup has both"
    books = list_books(again)
    lines = list(redo_erasures(again, read_receipts([str(tmp_path)], books)))
    assert lines == [f"shop: erased again by receipt {id_}"]
    assert again.access.keys.find_by_api_key(secret)
    life = again.tenants.read_stored("shop").life
    owed = Owed(str(file), MONDAY, (Step.ACCESSES, Step.LIFE), (str(tmp_path),))
    said = list(end_restore(again, owed, Questions()))
    assert f"shop: key {key.id} is deleted" in said, "as of a box"
    assert not again.access.keys.find_by_api_key(secret)
    assert again.tenants.read_stored("shop").life != life
    assert list(every_face(again, tenant)) == ["f-1"]
    assert not again.recognition.face_analysis.search_by_picture(
        tenant, picture(Person(0)), RULES
    ).match
    assert again.erasure.records.get("shop", id_).receipt
    assert disagreements(again, tenant) == []
    assert list(redo_erasures(again, read_receipts([str(tmp_path)], books))) == [], "once"


def test_a_stage_that_serves_is_copied_as_it_was_at_one_moment(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    services = services_of(first)
    services.tenants.add("shop", Profile.CLOUD)
    tenant = services.tenants.get_by_name("shop")
    enrolled: list[str] = []

    def enrol_one_more(**_: object) -> None:
        """At each list of objects: both before and after the moment of the tables."""
        enrolled.append(f"f-{len(enrolled)}")
        picture_of = picture(Person(len(enrolled)))
        services.enrolment.enrol_largest_face(
            tenant, "regular", picture_of, RULES, NewFace(faceid=enrolled[-1])
        )

    events = open_aws_client("s3").meta.events
    events.register("before-call.s3.ListObjectsV2", enrol_one_more, unique_id="meanwhile")
    try:
        file = backup(first, tmp_path / "stage.tar")
    finally:
        events.unregister("before-call.s3.ListObjectsV2", unique_id="meanwhile")
    restore(second, file)
    again = services_of(second)
    assert disagreements(again, again.tenants.get_by_name("shop")) == []
    assert {*every_face(again, again.tenants.get_by_name("shop"))} == {*enrolled[:2]}
    assert len(enrolled) > 2
    found = again.recognition.face_analysis.search_by_picture(
        again.tenants.get_by_name("shop"), picture(Person(2)), RULES
    )
    assert found.match
    tables = open_aws_client("dynamodb").get_paginator("list_tables").paginate()
    assert not [name for page in tables for name in page["TableNames"] if "backup" in name]


@pytest.mark.parametrize("at", [None, datetime(2026, 11, 20, 9, tzinfo=UTC)], ids=["now", "then"])
def test_all_tables_are_those_of_one_second(
    stages: tuple[Settings, Settings], tmp_path: Path, at: datetime | None
) -> None:
    first, _ = stages
    services_of(first).tenants.add("shop", Profile.CLOUD)
    asked: list[datetime] = []
    events = open_aws_client("dynamodb").meta.events
    name = "provide-client-params.dynamodb.RestoreTableToPointInTime"

    def note(params: dict[str, Any], **_: object) -> None:
        asked.append(params["RestoreDateTime"])

    events.register(name, note, unique_id="asked")
    began = datetime.now(UTC)
    try:
        backup(first, tmp_path / "stage.tar", at)
    finally:
        events.unregister(name, unique_id="asked")
    assert len(asked) == len(keys.TABLES)
    [second] = {*asked}
    assert second == at or began <= second <= datetime.now(UTC) + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("PointInTimeRecoveryUnavailableException", "keeps no point in time"),
        ("InvalidRestoreTimeException", "could not be copied as it was at 09:00:00Z"),
    ],
)
def test_a_backup_that_cannot_begin_says_so_at_once_and_leaves_nothing(
    stages: tuple[Settings, Settings], tmp_path: Path, code: str, why: str
) -> None:
    client, place = open_aws_client("dynamodb"), "before-call.dynamodb.RestoreTableToPointInTime"
    second = f"regulars-test-{keys.TABLES[1].name}"

    def refuse(params: Any, **_: object) -> tuple[object, object] | None:
        refused = f'"{second}"'.encode() in params["body"]
        return (
            (SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": "no"}})
            if refused
            else None
        )

    client.meta.events.register(place, refuse, unique_id="off")
    try:
        with pytest.raises(OperatorError, match=f"{second} {why}"):
            backup(stages[0], tmp_path / "stage.tar", datetime(2026, 11, 20, 9, tzinfo=UTC))
    finally:
        client.meta.events.unregister(place, unique_id="off")
    assert list(tmp_path.iterdir()) == []
    assert not [one for one in client.list_tables()["TableNames"] if "backup" in one]


def test_a_box_keeps_no_earlier_time(stages: tuple[Settings, Settings], tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="keeps no earlier time"):
        backup(replace(stages[0], storage=tmp_path), tmp_path / "box.tar", datetime.now(UTC))


def test_a_boxs_file_and_a_stages_are_not_taken_for_each_other(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    box = replace(first, storage=tmp_path / "data")
    services = services_of(box)
    services.tenants.add("shop", Profile.CLOUD)
    services.close()
    of_box, of_stage = backup(box, tmp_path / "box.tar"), backup(first, tmp_path / "stage.tar")
    with pytest.raises(DamagedFile, match="of one box"):
        restore(second, of_box)
    with pytest.raises(DamagedFile, match="of a stage"):
        restore(replace(first, storage=tmp_path / "again"), of_stage)


def test_the_file_of_a_version_without_one_of_the_tables_is_restored_and_a_damaged_one_refused(
    stages: tuple[Settings, Settings], tmp_path: Path
) -> None:
    first, second = stages
    services_of(first).tenants.add("shop", Profile.CLOUD)
    new_file, later_table = backup(first, tmp_path / "new.tar"), f"{ITEMS}/{keys.DONE.name}.jsonl"
    manifest = archive.check_file(new_file)
    archive.unpack_file(new_file, tmp_path / "unpacked")
    damaged_file, old_file = tmp_path / "damaged.tar", tmp_path / "old.tar"
    with tarfile.open(new_file) as tar, tarfile.open(damaged_file, "w") as damaged:
        for member in tar:
            if member.name != later_table:
                damaged.addfile(member, tar.extractfile(member))
    with pytest.raises(DamagedFile, match=later_table):
        restore(second, damaged_file)
    with archive.write_archive(old_file) as writer:
        for name in manifest.entries.keys() - {later_table}:
            writer.add(name, tmp_path / "unpacked" / name)
        writer.finish(manifest.created_at, FORMAT)
    restore(second, old_file)
    again = services_of(second)
    tenant = again.tenants.get_by_name("shop")
    assert list(again.done.list_all(tenant)) == []


def test_a_restore_reads_its_own_receipts_in_a_bucket_that_two_boxes_share(tmp_path: Path) -> None:
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="heads")
        books = []
        for name in ("a", "b"):
            with closing(Book(tmp_path / name)) as book:
                book.enrol(Person(1), faceid="guest")
                book.services.deletion.delete_faces(book.tenant, ["guest"], by="first", erase=True)
                worked_off(book)
                write_beside(book.services, tmp_path / name)
                books.append(book.tenant.app_id)
        witness = open_witness("s3://heads/shops", refuse_post)
        for file in tmp_path.glob("*/receipts/*/*.json"):
            name = file.relative_to(file.parents[2]).as_posix()
            witness.keep(name, file.read_bytes())
        for app_id in books:
            [receipt] = read_receipts(["s3://heads/shops"], [app_id])
            assert receipt.app_id == app_id
            point = Point("of before", 0, {}, "")
            documents, _ = read_standing_documents(["s3://heads/shops"], {app_id: point})
            assert [document.app_id for document in documents] == [app_id]


def refuse_post() -> Postman:
    raise AssertionError("a bucket is not posted to")
