"""boto3 as it is, in front of the app: what it sends becomes the gateway's event.

Every answer is held against botocore's own model of the service, which boto3 does not do.
"""

import io
import json
import os
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from chalice.app import Chalice

from chalicelib.domain.model import Credentials
from tests.support.api.gateway import send

ENDPOINT = "http://127.0.0.1:8000/api"
"""The gateway of these tests puts its stage before the path."""


class _Raw(io.BytesIO):
    """Content of an answer, as urllib3 has it."""

    def stream(self, *_how: Any, **_named: Any) -> Any:
        yield self.read()


def client(
    app: Chalice, credentials: Credentials, *, invocation: str | None = None, **named: Any
) -> Any:
    """Make a client of the service whose calls the app answers.

    `invocation`: the SDK's id of the call, so that all calls are one that is sent again; boto3 does
    not sign it. `named`: arguments of boto3.client besides.
    """
    made = boto3.client(
        "rekognition",
        **{
            "endpoint_url": ENDPOINT,
            "region_name": "eu-central-1",
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}),
            **named,
        },
    )
    model = made.meta.service_model

    def answered(request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
        headers = {
            name: value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        headers.setdefault("Host", urlsplit(request.url).netloc)
        content_type = headers.pop("Content-Type")
        if invocation is not None:
            headers["amz-sdk-invocation-id"] = invocation
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        reply = send(app, "/", body, content_type=content_type, headers=headers)
        if reply.status == 200:
            operation = headers["X-Amz-Target"].split(".")[1]
            hold(json.loads(reply.body), model.operation_model(operation).output_shape, operation)
        return AWSResponse(
            request.url, reply.status, dict(reply.headers), _Raw(reply.body.encode())
        )

    made.meta.events.register("before-send.rekognition", answered)
    return made


def hold(value: Any, shape: Shape | None, place: str) -> None:
    """Assert that an answer has only members, types and choices of the model, and no null."""
    assert value is not None, place
    if shape is None:
        assert value == {}, place
    elif isinstance(shape, StructureShape):
        assert isinstance(value, dict), place
        assert not set(value) - set(shape.members), place
        for name, one in value.items():
            hold(one, shape.members[name], f"{place}.{name}")
    elif isinstance(shape, ListShape):
        for one in value:
            hold(one, shape.member, f"{place}[]")
    elif isinstance(shape, MapShape):
        for key, one in value.items():
            hold(key, shape.key, place)
            hold(one, shape.value, f"{place}.{key}")
    elif isinstance(shape, StringShape):
        assert isinstance(value, str), place
        assert not shape.enum or value in shape.enum, (place, value)
    else:
        kinds = {
            "integer": int,
            "long": int,
            "boolean": bool,
            "float": (int, float),
            "timestamp": (int, float),
        }
        assert isinstance(value, kinds[shape.type_name]), (place, value)


def environment(url: str, credentials: Credentials) -> dict[str, str]:
    """Return the environment of a program that finds the service and its keys there, as the SDKs
    do."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL_REKOGNITION": url,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
    }


def error_of(call: Any, **members: Any) -> dict[str, Any]:
    """Return the answer, as boto3 has it, to a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response)


def refused(call: Any, **members: Any) -> tuple[str, str]:
    """Return name and text of the error of a call that is refused."""
    error = error_of(call, **members)["Error"]
    return error["Code"], error["Message"]
