"""A box for acceptance: one of its own, or the one that `--rekognition` names, with AWS's variables
for the keys."""

import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from msgspec import Struct

from acceptance.wire import Wire
from tests.support.api.rekognition.client import hold
from tests.support.box.server import Server
from tests.support.pictures import photos


class Tenant(Struct, frozen=True):
    """A tenant of a box, by boto3 and by hand."""

    url: str
    access_key_id: str
    secret_access_key: str

    @property
    def wire(self) -> Wire:
        return Wire(self.url, Credentials(self.access_key_id, self.secret_access_key))

    def client(self, **config: Any) -> Any:
        """Make a client of which every answer is held against the service model.

        It sends again what is throttled, as the same change is that comes twice in one second.
        """
        made = boto3.client(
            "rekognition",
            endpoint_url=self.url,
            region_name="eu-central-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(
                **{
                    "retries": {"total_max_attempts": 6, "mode": "standard"},
                    "read_timeout": 60,
                    **config,
                }
            ),
        )

        def held(operation_model: Any, response_dict: dict[str, Any], **_event: Any) -> None:
            if response_dict["status_code"] == 200:
                hold(
                    json.loads(response_dict["body"]),
                    operation_model.output_shape,
                    operation_model.name,
                )

        made.meta.events.register("before-parse.rekognition", held)
        return made


@pytest.fixture(scope="session")
def tenant(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Tenant]:
    if url := pytestconfig.getoption("--rekognition"):
        yield Tenant(
            url.rstrip("/"), os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
        )
        return
    server = Server(tmp_path_factory.mktemp("acceptance") / "data")
    pair = server.credentials("shop")
    yield Tenant(server.url, pair.access_key_id, pair.secret_access_key)
    assert server.stop() == 0


@pytest.fixture(scope="session")
def boto(tenant: Tenant) -> Any:
    return tenant.client()


@pytest.fixture(scope="session")
def wire(tenant: Tenant) -> Wire:
    return tenant.wire


@pytest.fixture
def name(boto: Any) -> str:
    """A new collection."""
    made = f"acceptance-{uuid4()}"
    boto.create_collection(CollectionId=made)
    return made


def image(file: str) -> dict[str, bytes]:
    return {"Bytes": (photos.FOLDER / file).read_bytes()}


@pytest.fixture(scope="session")
def staff(boto: Any) -> dict[str, str]:
    """FaceIds of two people in a collection, by ExternalImageId, and the collection's name as
    `collection`."""
    collection = f"acceptance-{uuid4()}"
    boto.create_collection(CollectionId=collection)
    found = {"collection": collection}
    for who, file in (("one", photos.PORTRAIT), ("two", photos.OTHER)):
        answer = boto.index_faces(CollectionId=collection, Image=image(file), ExternalImageId=who)
        (found[who],) = [record["Face"]["FaceId"] for record in answer["FaceRecords"]]
    return found
