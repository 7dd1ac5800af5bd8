"""UploadStore: what an upload is, and that both adapters ask for the same."""

import base64
import hashlib
from pathlib import Path

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.aws.blobs import S3UploadStore
from chalicelib.storage.aws.clients import make_client_config
from chalicelib.storage.box.uploads import FolderUploadStore, SignedPaths
from chalicelib.storage.limits import MAX_UPLOAD_BYTES
from chalicelib.storage.ports import Upload, UploadStore
from tests.support.fakes import FakeClock
from tests.support.storage.emulated import Aws

PICTURE = b"a picture"
SHA256 = hashlib.sha256(PICTURE).hexdigest()
UPLOAD = Upload(SHA256, len(PICTURE), "image/jpeg")


@pytest.fixture(params=["folder", "s3"])
def uploads(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> UploadStore:
    if request.param == "folder":
        return FolderUploadStore(tmp_path / "captures", SignedPaths(bytes(32), clock))
    import boto3

    aws: Aws = request.getfixturevalue("aws")
    client = boto3.client("s3", region_name=aws.region, config=make_client_config("s3"))
    return S3UploadStore(client, aws.physical["CapturesBucket"])


def test_an_upload_is_sent_with_its_length_type_digest_and_the_condition_that_nothing_is_there(
    uploads: UploadStore,
) -> None:
    request = uploads.presigned_put("t/c/1", UPLOAD, 900)
    assert (request.method, request.headers) == (
        "PUT",
        {
            "Content-Length": "9",
            "Content-Type": "image/jpeg",
            "If-None-Match": "*",
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(PICTURE).digest()).decode(),
        },
    )


def test_what_we_upload_ourselves_is_stored_once(uploads: UploadStore) -> None:
    assert uploads.put_upload("t/c/2", PICTURE, "image/jpeg")
    assert not uploads.put_upload("t/c/2", b"another", "image/jpeg")
    assert uploads.get("t/c/2") == PICTURE


@pytest.mark.parametrize("size", [1, MAX_UPLOAD_BYTES])
def test_an_upload_has_up_to_20_mib(uploads: UploadStore, size: int) -> None:
    assert uploads.presigned_put("t/c/1", Upload(SHA256, size, "image/png"), 900).headers[
        "Content-Length"
    ] == str(size)


@pytest.mark.parametrize(
    "upload",
    [
        Upload(SHA256, 0, "image/jpeg"),
        Upload(SHA256, -1, "image/jpeg"),
        Upload(SHA256, MAX_UPLOAD_BYTES + 1, "image/jpeg"),
        Upload(SHA256[:-1], 9, "image/jpeg"),
        Upload(SHA256.upper(), 9, "image/jpeg"),
        Upload(f"{SHA256}\n", 9, "image/jpeg"),
        Upload(SHA256, 9, "jpeg"),
        Upload(SHA256, 9, "image/jpeg\r\nx-amz-acl: public-read"),
        Upload(SHA256, 9, ""),
    ],
    ids=repr,
)
def test_an_upload_that_could_not_be_checked_is_refused(
    uploads: UploadStore, upload: Upload
) -> None:
    with pytest.raises(InvalidInput):
        uploads.presigned_put("t/c/1", upload, 900)


@pytest.mark.parametrize("expires_s", [0, -1, 7 * 86_400 + 1])
def test_an_expiry_that_s3_would_not_sign_is_refused(uploads: UploadStore, expires_s: int) -> None:
    with pytest.raises(InvalidInput):
        uploads.presigned_put("t/c/1", UPLOAD, expires_s)


@pytest.mark.parametrize("key", ["", "/t", "t/../u", "t//u", ".t", "t\x00"])
def test_nothing_is_signed_for_a_key_that_leaves_the_store(uploads: UploadStore, key: str) -> None:
    with pytest.raises(InvalidInput):
        uploads.presigned_put(key, UPLOAD, 900)
    with pytest.raises(InvalidInput):
        uploads.signed_get(key)


def test_a_folders_urls_are_paths_unless_it_knows_what_they_begin_with(
    tmp_path: Path, clock: FakeClock
) -> None:
    paths = SignedPaths(bytes(32), clock)
    at_home, outside = (
        FolderUploadStore(tmp_path / "captures", paths, base)
        for base in ("", "https://box.example")
    )
    for signed in (
        lambda store: store.presigned_put("t/c/1", UPLOAD, 900).url,
        lambda store: store.signed_get("t/c/1"),
    ):
        assert signed(at_home).startswith("/_blobs/t/c/1?")
        assert signed(outside) == "https://box.example" + signed(at_home)
