"""The URLs that let a camera put one picture into S3: what is signed, and that the signature is
S3's."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest

from chalicelib.storage.aws.blobs import S3UploadStore
from chalicelib.storage.aws.clients import make_client_config
from chalicelib.storage.ports import Upload
from tests.support.fakes import FakeClock

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE+/=="
PICTURE = b"\xff\xd8 a picture"
UPLOAD = Upload(hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), "image/jpeg")
KEY = "shop/door.1/1795170000000-0123456789abcdef01234567"
NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
REGIONS = ["eu-central-1", "us-east-1", "cn-north-1"]


def store(region: str) -> S3UploadStore:
    import boto3

    # As in Lambda: the credentials of a role, which have a token.
    session = boto3.session.Session("AKIDEXAMPLE", SECRET, TOKEN, region)
    client = session.client("s3", config=make_client_config("s3"))
    return S3UploadStore(client, "shop-captures", session.get_credentials, FakeClock(NOW).now)


def parts(url: str) -> tuple[str, str, dict[str, str]]:
    """Host, path as it is sent, and query."""
    split = urlsplit(url)
    assert split.scheme == "https"
    return split.netloc, split.path, dict(parse_qsl(split.query, strict_parsing=True))


def signature_by_the_book(method: str, url: str, headers: Mapping[str, str]) -> str:
    """Version 4 as the S3 API reference has it under "Authenticating requests: using query
    parameters"."""
    host, path, query = parts(url)
    query.pop("X-Amz-Signature")
    sent = {"host": host, **{name.lower(): value for name, value in headers.items()}}
    names = query["X-Amz-SignedHeaders"].split(";")
    canonical_query = "&".join(
        f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items())
    )
    canonical = "\n".join(
        [
            method,
            quote(unquote(path), safe="/-_.~"),
            canonical_query,
            *(f"{name}:{sent[name].strip()}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )
    _, scope = query["X-Amz-Credential"].split("/", 1)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, digest])
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("region", REGIONS)
def test_length_type_condition_and_checksum_are_signed_headers(region: str) -> None:
    request = store(region).presigned_put(KEY, UPLOAD, 900)
    _, _, query = parts(request.url)
    assert (
        query["X-Amz-SignedHeaders"]
        == "content-length;content-type;host;if-none-match;x-amz-checksum-sha256"
    )
    assert request.method == "PUT"
    assert request.headers == {
        "Content-Length": str(len(PICTURE)),
        "Content-Type": "image/jpeg",
        "If-None-Match": "*",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(PICTURE).digest()).decode(),
    }


@pytest.mark.parametrize("region", REGIONS)
def test_the_query_holds_the_signature_and_nothing_that_s3_would_take_for_a_header(
    region: str,
) -> None:
    _, _, query = parts(store(region).presigned_put(KEY, UPLOAD, 900).url)
    assert set(query) == {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-Security-Token",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    }
    assert (query["X-Amz-Expires"], query["X-Amz-Security-Token"]) == ("900", TOKEN)


@pytest.mark.parametrize("region", REGIONS)
def test_the_signature_is_the_one_that_s3_computes(region: str) -> None:
    request = store(region).presigned_put(KEY, UPLOAD, 900)
    url = store(region).signed_get(KEY)
    assert parts(request.url)[2]["X-Amz-Signature"] == signature_by_the_book(
        "PUT", request.url, request.headers
    )
    assert parts(url)[2]["X-Amz-Signature"] == signature_by_the_book("GET", url, {})


@pytest.mark.parametrize(
    "name", ["Content-Length", "Content-Type", "If-None-Match", "x-amz-checksum-sha256"]
)
def test_another_value_of_a_signed_header_has_another_signature(name: str) -> None:
    request = store("eu-central-1").presigned_put(KEY, UPLOAD, 900)
    changed = signature_by_the_book("PUT", request.url, {**request.headers, name: "1"})
    assert parts(request.url)[2]["X-Amz-Signature"] != changed


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "shop-captures.s3.eu-central-1.amazonaws.com"),
        ("us-east-1", "shop-captures.s3.us-east-1.amazonaws.com"),
        ("cn-north-1", "shop-captures.s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_host_is_the_buckets_own_in_its_region(region: str, host: str) -> None:
    request = store(region).presigned_put(KEY, UPLOAD, 900)
    assert parts(request.url)[:2] == (host, f"/{KEY}")
    assert parts(store(region).signed_get(KEY))[:2] == (host, f"/{KEY}")


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("key", [KEY, "shop/faces/a-b_c/0.jpg", "shop/d+or/x~y z%"])
def test_a_picture_is_signed_as_botocore_signs_it(region: str, key: str) -> None:
    made = store(region)
    ours = made.signed_get(key)
    cached = {"ResponseCacheControl": "private, max-age=3600, immutable"}
    theirs = made._client.generate_presigned_url(
        "get_object", Params={"Bucket": "shop-captures", "Key": key, **cached}, ExpiresIn=7200
    )
    host, path, query = parts(ours)
    their_host, their_path, their_query = parts(theirs)
    assert (host, path) == (their_host, their_path)
    assert query["X-Amz-Date"] == "20260301T120000Z"
    moving = {"X-Amz-Date", "X-Amz-Signature", "X-Amz-Credential"}
    assert {name: query[name] for name in query if name not in moving} == {
        name: their_query[name] for name in their_query if name not in moving
    }
    assert query["X-Amz-Signature"] == signature_by_the_book("GET", ours, {})
    assert their_query["X-Amz-Signature"] == signature_by_the_book("GET", theirs, {})


def test_a_pictures_url_is_the_same_for_an_hour() -> None:
    clock = FakeClock(NOW)
    made = store("eu-central-1")
    made._now = clock.now
    first = made.signed_get(KEY)
    clock.advance(timedelta(minutes=25))
    assert made.signed_get(KEY) == first
    clock.advance(timedelta(minutes=1))
    assert made.signed_get(KEY) != first
