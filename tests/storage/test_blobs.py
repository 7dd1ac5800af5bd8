import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.ports import BlobStore

KEYS = [
    "faces/a.jpg", "faces/a/1.jpg", "faces/a/2.jpg", "faces/a#/1.jpg", "faces/a0/1.jpg",
    "faces/é/1.jpg", "faces/日本 🙂/1.jpg", "faces/B/1.jpg", "faces/b", "index/m/1", "index/m/10",
    "index/m/9", "indexes",
]  # fmt: skip
IN_ORDER = sorted(KEYS, key=str.encode)


@pytest.fixture
def folder(blobs: BlobStore) -> Iterator[str]:
    """A beginning of keys that no other test uses."""
    folder = f"{uuid.uuid4().hex}/"
    yield folder
    for key in listed(blobs, folder):
        blobs.delete(key)


def put(blobs: BlobStore, key: str, data: bytes = b"data") -> bool:
    return blobs.put_if_absent(key, data, "image/jpeg")


def listed(blobs: BlobStore, prefix: str, after: str | None = None) -> list[str]:
    return [blob.key for blob in blobs.walk(prefix, after)]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000], ids=len)
def test_an_object_comes_back_as_it_was(blobs: BlobStore, folder: str, data: bytes) -> None:
    assert put(blobs, f"{folder}a/b.jpg", data)
    assert blobs.get(f"{folder}a/b.jpg") == data


@pytest.mark.parametrize(
    ("begin", "length"), [(0, 1), (0, 10), (3, 4), (9, 1), (5, 100), (10, 1), (11, 5)]
)
def test_a_range_is_as_many_of_its_bytes_as_there_are(
    blobs: BlobStore, folder: str, begin: int, length: int
) -> None:
    put(blobs, f"{folder}a", b"0123456789")
    assert blobs.get_range(f"{folder}a", begin, length) == b"0123456789"[begin : begin + length]
    assert blobs.size(f"{folder}a") == 10


def test_an_empty_object_has_a_size_and_no_bytes(blobs: BlobStore, folder: str) -> None:
    put(blobs, f"{folder}a", b"")
    assert blobs.size(f"{folder}a") == 0
    assert blobs.get_range(f"{folder}a", 0, 5) == b""


@pytest.mark.parametrize(("begin", "length"), [(-1, 5), (0, 0), (0, -1)])
def test_a_range_of_nothing_is_refused(
    blobs: BlobStore, folder: str, begin: int, length: int
) -> None:
    put(blobs, f"{folder}a")
    with pytest.raises(InvalidInput):
        blobs.get_range(f"{folder}a", begin, length)


def test_of_what_is_not_there_there_is_neither_content_nor_range_nor_size(
    blobs: BlobStore, folder: str
) -> None:
    put(blobs, f"{folder}a/b")
    for key in ("a", "a/b/c", "a/c", "b"):
        assert blobs.get(f"{folder}{key}") is None
        assert blobs.get_range(f"{folder}{key}", 0, 5) is None
        assert blobs.size(f"{folder}{key}") is None


def test_the_first_put_stays(blobs: BlobStore, folder: str) -> None:
    assert put(blobs, f"{folder}a", b"first") is True
    assert put(blobs, f"{folder}a", b"second") is False
    assert put(blobs, f"{folder}a", b"first") is False
    assert blobs.get(f"{folder}a") == b"first"


def test_a_deleted_object_is_gone_and_its_key_is_free(blobs: BlobStore, folder: str) -> None:
    put(blobs, f"{folder}a/b")
    put(blobs, f"{folder}a/c")
    blobs.delete(f"{folder}a/b")
    assert blobs.get(f"{folder}a/b") is None
    assert listed(blobs, folder) == [f"{folder}a/c"]
    assert put(blobs, f"{folder}a/b", b"again")
    assert blobs.get(f"{folder}a/b") == b"again"


def test_deleting_what_is_not_there_is_no_error(blobs: BlobStore, folder: str) -> None:
    put(blobs, f"{folder}a/b")
    for key in ("c", "c/d", "a", "a/b/c"):
        blobs.delete(f"{folder}{key}")
    assert listed(blobs, folder) == [f"{folder}a/b"]


def test_objects_are_listed_in_the_byte_order_of_the_whole_key(
    blobs: BlobStore, folder: str
) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    assert listed(blobs, folder) == [folder + key for key in IN_ORDER]


def test_a_walk_goes_on_after_each_key(blobs: BlobStore, folder: str) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    for number, key in enumerate(IN_ORDER, 1):
        assert listed(blobs, folder, folder + key) == [folder + one for one in IN_ORDER[number:]]


def test_what_is_deleted_as_it_comes_costs_no_other_object(blobs: BlobStore, folder: str) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    met = []
    for blob in blobs.walk(folder):
        blobs.delete(blob.key)
        met.append(blob.key)
    assert met == [folder + key for key in IN_ORDER]


@pytest.mark.parametrize(
    "prefix", ["faces/", "faces/a", "faces/a/", "faces", "index", "index/m/1", "i", "x", "faces/b/"]
)
def test_a_prefix_need_not_end_at_a_slash(blobs: BlobStore, folder: str, prefix: str) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    assert listed(blobs, folder + prefix) == [
        folder + key for key in IN_ORDER if key.startswith(prefix)
    ]


@pytest.mark.parametrize(
    "after", ["", "faces/a", "faces/a/", "faces/a/1.jpg", "faces/a/15", "faces0", "index", "zz"]
)
def test_after_may_be_any_text(blobs: BlobStore, folder: str, after: str) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    assert listed(blobs, folder, folder + after) == [
        folder + key for key in IN_ORDER if key.encode() > after.encode()
    ]


def test_a_listing_tells_size_and_time(blobs: BlobStore, folder: str) -> None:
    began = datetime.now(UTC)
    put(blobs, f"{folder}a", b"12345")
    (blob,) = blobs.walk(folder)
    assert blob.size == 5
    assert blob.stored_at.utcoffset() == timedelta(0)
    assert abs(blob.stored_at - began) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "key",
    [
        "", "/", "/a", "a/", "a//b", "..", "../a", "a/../../b", "a/..", "./a", "a/./b", ".hidden",
        "a/.b", "a\\b",
        "a\x00b", "a\nb", "\ud800", "x" * 256, "y/" * 600 + "y", "é" * 128,
    ],
)  # fmt: skip
def test_a_key_that_leaves_the_store_or_fits_no_store_is_refused(
    blobs: BlobStore, key: str
) -> None:
    with pytest.raises(InvalidInput):
        put(blobs, key)
    with pytest.raises(InvalidInput):
        blobs.get(key)
    with pytest.raises(InvalidInput):
        blobs.delete(key)


@pytest.mark.parametrize("prefix", ["../", "/", "a/../", "a//b", ".temporary/", "a/.b"])
def test_a_prefix_that_leaves_the_store_is_refused(blobs: BlobStore, prefix: str) -> None:
    with pytest.raises(InvalidInput):
        blobs.walk(prefix)


def test_the_whole_store_is_listed_in_order(blobs: BlobStore, folder: str) -> None:
    for key in KEYS:
        put(blobs, folder + key)
    everything = listed(blobs, "")
    assert set(everything) >= {folder + key for key in KEYS}
    assert all(one.encode() < next_one.encode() for one, next_one in pairwise(everything))
