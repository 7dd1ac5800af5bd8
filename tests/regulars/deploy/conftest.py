from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.regulars.deploy.cloud import Failing, Session


@pytest.fixture
def session() -> Iterator[Session]:
    """An account whose CloudFormation fails as a test says."""
    from moto import mock_aws

    with mock_aws():
        plain = Session()
        yield Session(cloudformation=Failing(plain.client("s3"), plain.client("dynamodb")))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.zip"
    path.write_bytes(b"the package")
    return path
