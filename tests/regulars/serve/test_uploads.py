import base64
import hashlib
import http.client
import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.storage.box.uploads import PICTURES_PREFIX, PREFIX, FolderUploadStore, SignedPaths
from chalicelib.storage.limits import MAX_UPLOAD_BYTES
from chalicelib.storage.ports import PresignedRequest, Upload
from regulars.serve.site import Site
from regulars.serve.uploads import SignedBlobs
from tests.support.box.apps import serving
from tests.support.fakes import FakeClock
from tests.support.waiting import PATIENCE_S

PICTURE = b"\xff\xd8\xff\xe0 a picture " + bytes(range(256)) * 4000
KEY = "shop/door.1/1795170000000-0123456789abcdef01234567"


def upload_of(data: bytes, content_type: str = "image/jpeg") -> Upload:
    return Upload(hashlib.sha256(data).hexdigest(), len(data), content_type)


@pytest.fixture
def announced() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock, announced: list[str]) -> FolderUploadStore:
    return store_of(tmp_path, clock, lambda event, _tenant: announced.append(event))


def store_of(
    folder: Path, clock: FakeClock, announce: Callable[[str, str], None]
) -> FolderUploadStore:
    return FolderUploadStore(folder / "captures", SignedPaths(b"s" * 32, clock), announce=announce)


class Box:
    """A server of signed blobs, and what it announced."""

    def __init__(self, host: str, port: int, announced: list[str]) -> None:
        self.address = (host, port)
        self.announced = announced

    def send(
        self,
        method: str,
        url: str,
        body: bytes | Iterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request(
                method, url, body, dict(headers or {}), encode_chunked=not isinstance(body, bytes)
            )
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def put(
        self, request: PresignedRequest, body: bytes = PICTURE
    ) -> tuple[int, bytes, Mapping[str, str]]:
        return self.send(request.method, request.url, body, request.headers)


@pytest.fixture
def box(store: FolderUploadStore, announced: list[str]) -> Iterator[Box]:
    with serving(Site(SignedBlobs(store))) as (host, port, _):
        yield Box(host, port, announced)


def code(answer: tuple[int, bytes, Mapping[str, str]]) -> tuple[int, str]:
    """Status and S3's error code."""
    status, body, headers = answer
    assert headers["Content-Type"] == "application/xml"
    error = ET.fromstring(body)
    assert [child.tag for child in error] == ["Code", "Message", "Resource", "RequestId"]
    assert error.tag == "Error"
    return status, error.findtext("Code") or ""


def test_a_picture_is_stored_answered_with_its_etag_and_given_out_again(
    store: FolderUploadStore, box: Box
) -> None:
    status, body, headers = box.put(store.presigned_put(KEY, upload_of(PICTURE), 900))
    etag = f'"{hashlib.md5(PICTURE).hexdigest()}"'
    assert (status, body, headers["ETag"]) == (200, b"", etag)
    assert (
        headers["x-amz-checksum-sha256"]
        == base64.b64encode(hashlib.sha256(PICTURE).digest()).decode()
    )
    assert store.get(KEY) == PICTURE
    status, body, headers = box.send("GET", store.signed_get(KEY))
    assert (status, body, headers["ETag"]) == (200, PICTURE, etag)
    assert (headers["Content-Type"], headers["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert headers["Cache-Control"] == "private, max-age=3600, immutable"


def test_a_url_is_the_same_for_an_hour_and_good_for_one_to_two(
    store: FolderUploadStore, box: Box, clock: FakeClock
) -> None:
    store.put_if_absent(KEY, PICTURE, "image/jpeg")
    first = store.signed_get(KEY)
    clock.advance(timedelta(minutes=59))
    assert store.signed_get(KEY) == first
    clock.advance(timedelta(minutes=1))
    assert store.signed_get(KEY) != first
    assert box.send("GET", first)[0] == 200
    clock.advance(timedelta(minutes=60, seconds=1))
    assert code(box.send("GET", first)) == (403, "AccessDenied")


def test_a_stores_urls_are_of_no_use_for_the_other_one(tmp_path: Path, clock: FakeClock) -> None:
    stores = [
        FolderUploadStore(tmp_path / name, SignedPaths(b"s" * 32, clock, prefix))
        for name, prefix in (("captures", PREFIX), ("pictures", PICTURES_PREFIX))
    ]
    for one, content in zip(stores, (PICTURE, PICTURE + b"2"), strict=True):
        one.put_if_absent(KEY, content, "image/jpeg")
    parts = {one.paths.prefix: SignedBlobs(one) for one in stores}
    with serving(Site(parts[PREFIX], parts)) as (host, port, _):
        box = Box(host, port, [])
        urls = [one.signed_get(KEY) for one in stores]
        assert [box.send("GET", url)[1] for url in urls] == [PICTURE, PICTURE + b"2"]
        swapped = [
            urls[0].replace(PREFIX, PICTURES_PREFIX),
            urls[1].replace(PICTURES_PREFIX, PREFIX),
        ]
        assert [code(box.send("GET", url)) for url in swapped] == [
            (403, "SignatureDoesNotMatch")
        ] * 2


def test_what_is_stored_is_announced_as_s3_does_it(store: FolderUploadStore, box: Box) -> None:
    key = "shop/door 1/a+b,é"
    box.put(store.presigned_put(key, upload_of(PICTURE), 900))
    (body,) = box.announced
    (record,) = json.loads(body)["Records"]
    assert record == {
        "eventName": "ObjectCreated:Put",
        "s3": {"object": {"key": "shop/door%201/a%2Bb%2C%C3%A9"}},
    }


def test_it_is_stored_before_it_is_announced_and_announced_before_it_is_answered(
    tmp_path: Path, clock: FakeClock
) -> None:
    there: list[bytes | None] = []
    release, announcing = threading.Event(), threading.Event()

    def announce(_event: str, _tenant: str) -> None:
        there.append(store.get(KEY))
        announcing.set()
        release.wait(PATIENCE_S)

    store = store_of(tmp_path, clock, announce)
    with serving(Site(SignedBlobs(store))) as (host, port, _), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(
            Box(host, port, []).put, store.presigned_put(KEY, upload_of(PICTURE), 900)
        )
        assert announcing.wait(PATIENCE_S)
        assert there == [PICTURE]
        assert not answer.done()
        release.set()
        assert answer.result(PATIENCE_S)[0] == 200


def test_a_notification_that_fails_leaves_a_picture_that_is_stored(
    tmp_path: Path, clock: FakeClock
) -> None:
    def fail(_event: str, _tenant: str) -> None:
        raise StorageUnavailable("the queue is full")

    store = store_of(tmp_path, clock, fail)
    with serving(Site(SignedBlobs(store))) as (host, port, _):
        assert Box(host, port, []).put(store.presigned_put(KEY, upload_of(PICTURE), 900))[0] == 200
    assert store.get(KEY) == PICTURE


def test_a_key_is_taken_once(store: FolderUploadStore, box: Box) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    assert box.put(request)[0] == 200
    assert code(box.put(request)) == (412, "PreconditionFailed")
    other = PICTURE + b"."
    assert code(box.put(store.presigned_put(KEY, upload_of(other), 900), other)) == (
        412,
        "PreconditionFailed",
    )
    assert store.get(KEY) == PICTURE
    assert len(box.announced) == 1


def test_other_bytes_than_those_announced_are_refused_and_leave_nothing(
    store: FolderUploadStore, box: Box
) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    assert code(box.put(request, PICTURE[:-1] + b"!")) == (400, "BadDigest")
    assert (store.get(KEY), box.announced) == (None, [])
    assert list((store._temporary).iterdir()) == []
    assert box.put(request)[0] == 200


def test_a_changed_or_missing_signed_header_is_refused(store: FolderUploadStore, box: Box) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    other = PICTURE + b"more"
    changes: list[tuple[dict[str, str], bytes]] = [
        ({**request.headers, "Content-Length": str(len(other))}, other),
        ({**request.headers, "Content-Type": "text/html"}, PICTURE),
        ({**request.headers, "If-None-Match": '"etag"'}, PICTURE),
        ({**request.headers, "x-amz-checksum-sha256": "AAAA"}, PICTURE),
        ({**request.headers, "x-amz-acl": "public-read"}, PICTURE),
        *(
            ({n: v for n, v in request.headers.items() if n != name}, PICTURE)
            for name in list(request.headers)[1:]
        ),
    ]
    for headers, body in changes:
        assert code(box.send("PUT", request.url, body, headers)) == (
            403,
            "SignatureDoesNotMatch",
        ), headers
    assert (store.get(KEY), box.announced) == (None, [])


@pytest.mark.parametrize(
    "url", ["/_blobs/", "/_blobs/x", "/_blobs/%00%1b<&>?signature=1", "/_blobs/x?expires=%FF"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_what_is_not_signed_is_refused(box: Box, method: str, url: str) -> None:
    assert code(box.send(method, url)) == (403, "SignatureDoesNotMatch")


def test_a_body_without_a_length_is_refused(store: FolderUploadStore, box: Box) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    headers = {**request.headers}
    del headers["Content-Length"]
    chunked = {**headers, "Transfer-Encoding": "chunked"}
    assert code(box.send("PUT", request.url, iter([PICTURE]), chunked)) == (
        411,
        "MissingContentLength",
    )
    connection = http.client.HTTPConnection(*box.address, timeout=20)
    connection.putrequest("PUT", request.url)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert code((response.status, response.read(), response.headers)) == (
        411,
        "MissingContentLength",
    )
    connection.close()
    assert store.get(KEY) is None


def test_a_picture_of_20_mib_passes_and_a_longer_body_does_not(
    store: FolderUploadStore, box: Box
) -> None:
    largest = bytes(MAX_UPLOAD_BYTES)
    request = store.presigned_put(KEY, upload_of(largest), 900)
    longer = {**request.headers, "Content-Length": str(MAX_UPLOAD_BYTES + 1)}
    assert code(box.send("PUT", request.url, largest + b"x", longer)) == (400, "EntityTooLarge")
    assert box.put(request, largest)[0] == 200
    assert store.size(KEY) == MAX_UPLOAD_BYTES


def test_an_upload_that_breaks_off_leaves_nothing(store: FolderUploadStore, box: Box) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    connection = http.client.HTTPConnection(*box.address, timeout=20)
    connection.putrequest("PUT", request.url)
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.endheaders(PICTURE[:1000])
    connection.close()
    assert box.put(request)[0] == 200
    assert len(box.announced) == 1


def test_a_connection_is_kept_after_a_refusal(store: FolderUploadStore, box: Box) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    connection = http.client.HTTPConnection(*box.address, timeout=20)
    statuses = []
    for body in (PICTURE[:-1] + b"!", PICTURE, PICTURE):
        connection.request("PUT", request.url, body, dict(request.headers))
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [400, 200, 412]


def test_what_is_not_there_is_not_found(store: FolderUploadStore, box: Box) -> None:
    assert code(box.send("GET", store.signed_get(KEY))) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"<html><script>", "application/octet-stream"),
        (b"x", "application/octet-stream"),
    ],
)
def test_a_browser_is_told_what_the_bytes_are_not_what_the_uploader_said(
    store: FolderUploadStore, box: Box, data: bytes, content_type: str
) -> None:
    box.put(store.presigned_put(KEY, upload_of(data, "text/html"), 900), data)
    assert box.send("GET", store.signed_get(KEY))[2]["Content-Type"] == content_type


def test_storage_that_fails_is_told_as_s3_tells_it(
    store: FolderUploadStore, box: Box, tmp_path: Path
) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    (tmp_path / "captures" / ".temporary").rmdir()
    assert code(box.put(request)) == (503, "ServiceUnavailable")
    (tmp_path / "captures" / ".temporary").mkdir()
    assert box.put(request)[0] == 200


def test_the_same_picture_with_another_host_in_the_url_is_let_in(
    store: FolderUploadStore, box: Box
) -> None:
    request = store.presigned_put(KEY, upload_of(PICTURE), 900)
    named: Any = structs.replace(request, headers={**request.headers, "Host": "box.example"})
    assert box.put(named)[0] == 200
