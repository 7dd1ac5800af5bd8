import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.pictures import MOST_BUCKETS, may_be_read, require_buckets

PLACES = frozenset({"photos", "archive/2026/staff", "slashed/faces/"})
KEYS = st.text(st.sampled_from("ab/.%2eE5cCfF\\ ?*#"), max_size=12)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("photos", "ann.jpg"),
        ("photos", "a b/\u00e4nn+1 (2).jpg"),
        ("photos", "/ann.jpg"),
        ("photos", "a..b/.hidden/c..."),
        ("archive", "2026/staff/ann.jpg"),
        ("slashed", "faces/ann.jpg"),
    ],
)
def test_what_is_in_a_bucket_or_below_a_prefix_is_allowed(bucket: str, key: str) -> None:
    assert may_be_read(PLACES, bucket, key)


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("photos2", "ann.jpg"),
        ("photo", "s/ann.jpg"),
        ("PHOTOS", "ann.jpg"),
        ("archive", "ann.jpg"),
        ("archive", "2026/staff"),
        ("archive", "2026/staff2/ann.jpg"),
        ("archive", "2026/staff/../ann.jpg"),
        ("archive", "2026/staff/%2e%2e/ann.jpg"),
        ("archive", "2026/staff/.%2E/ann.jpg"),
        ("archive", "2026/staff%2f..%2fann.jpg"),
        ("archive", "2026/staff/..\\ann.jpg"),
        ("archive", "2026/staff/%2e%2e%5cann.jpg"),
        ("archive", "./2026/staff/ann.jpg"),
        ("archive", "/2026/staff/ann.jpg"),
        ("archive", "2026//staff/ann.jpg"),
        ("photos", "../archive/ann.jpg"),
        ("photos", ".."),
        ("", "photos/ann.jpg"),
    ],
)
def test_what_is_beside_it_is_not_allowed(bucket: str, key: str) -> None:
    assert not may_be_read(PLACES, bucket, key)


def test_a_tenant_begins_with_nothing() -> None:
    assert not may_be_read(frozenset(), "photos", "ann.jpg")


@given(
    bucket=st.sampled_from(["photos", "photos2", "archive", "slashed", "archive.2026"]), key=KEYS
)
def test_what_is_allowed_begins_with_a_place_and_never_climbs(bucket: str, key: str) -> None:
    if may_be_read(PLACES, bucket, key):
        assert any(f"{bucket}/{key}".startswith(place.rstrip("/") + "/") for place in PLACES)
        assert not {".", ".."} & set(key.split("/"))


@pytest.mark.parametrize(
    "place", ["photos", "archive/2026/staff", "slashed/faces/", "a-b.c1/d_e.f=g+h@i-j"]
)
def test_buckets_and_prefixes_are_places(place: str) -> None:
    require_buckets({place})


@pytest.mark.parametrize(
    "place",
    [
        "",
        "ab",
        "Photos",
        "pho_tos",
        "/photos",
        "photos//x",
        "photos/../x",
        "photos/.",
        "photos/*",
        "photos/${aws:username}",
        "photos/a b",
        "arn:aws:s3:::photos",
        "s3://photos",
        "photos/\u00e4",
        f"photos/{'x' * 512}",
    ],
)
def test_all_else_is_refused_with_what_would_be_right(place: str) -> None:
    with pytest.raises(InvalidInput, match="as `bucket` or `bucket/prefix`"):
        require_buckets({place})


def test_there_are_twenty_places_at_most() -> None:
    require_buckets({f"photos-{number}" for number in range(MOST_BUCKETS)})
    with pytest.raises(InvalidInput, match="20 at most, not 21"):
        require_buckets({f"photos-{number}" for number in range(MOST_BUCKETS + 1)})
