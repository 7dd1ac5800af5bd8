"""What a deleted stack leaves is read by its names: so it can be backed up, and restored into
another stage."""

from contextlib import closing
from typing import Any

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.settings import Settings
from regulars.deploy.stack import Account
from regulars.errors import NotDeployed
from tests.regulars.deploy.cloud import Session, refused
from tests.support.storage.emulated import STACK, Aws


class Gone:
    """A CloudFormation that knows no stack."""

    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803 -- boto3's names
        raise refused("describe_stacks", f"Stack with id {StackName} does not exist")


def test_its_tables_and_buckets_are_read(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    account = Account(Session(cloudformation=Gone()))
    found = account.read_settings(STACK)
    assert found["REGULARS_TABLE_PREFIX"] == aws.prefix
    assert found["REGULARS_BUCKET"] == aws.physical["DataBucket"]
    assert found["REGULARS_CAPTURES_BUCKET"] == aws.physical["CapturesBucket"]
    assert f"the stack {STACK} is deleted" in capsys.readouterr().err
    with closing(
        build(
            Settings.from_environment({**found, "REGULARS_SECRETS_KEY": aws.physical["SecretsKey"]})
        )
    ) as shop:
        shop.tenants.add("left", Profile.CAMERA, TenantSettings(time_zone="UTC"))
    with closing(build(Settings.from_environment(found))) as services:
        assert "left" in {tenant.name for tenant in services.tenants.list_all()}


def test_buckets_that_are_several_have_to_be_named(aws: Aws) -> None:
    account = Account(Session(cloudformation=Gone()))
    s3 = aws.client("s3")
    s3.create_bucket(
        Bucket=f"{STACK}-databucket-older",
        CreateBucketConfiguration={"LocationConstraint": aws.region},
    )
    with pytest.raises(
        NotDeployed, match=f"2 buckets {STACK}-databucket-.*: name all in the environment"
    ):
        account.read_settings(STACK)
    s3.delete_bucket(Bucket=f"{STACK}-databucket-older")


def test_a_stage_that_never_was_is_none(aws: Aws) -> None:
    with pytest.raises(NotDeployed, match="there is no stack regulars-never in eu-central-1"):
        Account(Session(cloudformation=Gone())).read_settings("regulars-never")
