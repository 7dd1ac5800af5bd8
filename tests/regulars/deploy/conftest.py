from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.regulars.deploy.cloud import Answering, Session
from tests.support.storage.emulated import Aws, storage_stack


@pytest.fixture
def session() -> Iterator[Session]:
    """An account whose CloudFormation answers as a test says."""
    from moto import mock_aws

    with mock_aws():
        yield Session(cloudformation=Answering(Session().client("s3")))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.zip"
    path.write_bytes(b"the package")
    return path


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """The storage of the stage `test`, which the environment names."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        with storage_stack() as aws:
            queues = {
                f"{kind}_QUEUE_URL": aws.physical[f"{kind.capitalize()}Queue"]
                for kind in ("INDEX", "CAPTURES", "DELIVERIES")
            }
            made = {
                "TABLE_PREFIX": aws.prefix,
                "BUCKET": aws.physical["DataBucket"],
                "CAPTURES_BUCKET": aws.physical["CapturesBucket"],
                "SECRETS_KEY": aws.physical["SecretsKey"],
            }
            for name, value in {**queues, **made}.items():
                environment.setenv(f"REGULARS_{name}", value)
            yield aws
