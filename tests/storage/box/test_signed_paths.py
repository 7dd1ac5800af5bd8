from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import StaleRequest, StorageUnavailable, WrongCredentials
from chalicelib.storage.box.uploads import PREFIX, SignedPaths, signing_secret
from tests.support.fakes import FakeClock

HEADERS = {"Content-Type": "image/jpeg", "If-None-Match": "*"}
SENT = {"content-type": "image/jpeg", "if-none-match": "*", "host": "box", "user-agent": "camera"}


@pytest.fixture
def paths(clock: FakeClock) -> SignedPaths:
    return SignedPaths(b"s" * 32, clock)


def parts(path: str) -> tuple[str, str]:
    """Key and query of a signed path."""
    split = urlsplit(path)
    assert split.path.startswith(PREFIX)
    return unquote(split.path.removeprefix(PREFIX)), split.query


SEGMENTS = st.text(
    st.characters(exclude_characters="\\/", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=20,
)
KEYS = st.lists(SEGMENTS.filter(lambda part: not part.startswith(".")), min_size=1, max_size=4).map(
    "/".join
)


@given(key=KEYS)
def test_the_request_that_was_signed_passes_whatever_its_key(key: str) -> None:
    paths = SignedPaths(b"s" * 32, FakeClock())
    signed_key, query = parts(paths.sign("PUT", key, HEADERS, 900))
    assert signed_key == key
    paths.require_signed("PUT", key, query, SENT)


def test_further_headers_and_inner_spaces_do_not_matter(paths: SignedPaths) -> None:
    _, query = parts(paths.sign("PUT", "k", {"Content-Type": "a  b"}, 900))
    paths.require_signed("PUT", "k", query, {"content-type": " a b ", "accept": "x"})


@pytest.mark.parametrize(
    ("method", "key", "sent"),
    [
        ("GET", "t/c/1", SENT),
        ("HEAD", "t/c/1", SENT),
        ("DELETE", "t/c/1", SENT),
        ("PUT", "t/c/2", SENT),
        ("PUT", "t/c/1/", SENT),
        ("PUT", "", SENT),
        ("PUT", "t/c/1", {**SENT, "content-type": "text/html"}),
        ("PUT", "t/c/1", {name: value for name, value in SENT.items() if name != "if-none-match"}),
        ("PUT", "t/c/1", {**SENT, "if-none-match": ""}),
        ("PUT", "t/c/1", {**SENT, "x-amz-acl": "public-read"}),
    ],
)
def test_any_other_request_is_refused(
    paths: SignedPaths, method: str, key: str, sent: dict[str, str]
) -> None:
    _, query = parts(paths.sign("PUT", "t/c/1", HEADERS, 900))
    with pytest.raises(WrongCredentials):
        paths.require_signed(method, key, query, sent)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("expires=", "expires=9"),
        ("expires=", "x="),
        ("content-type%3B", ""),
        ("headers=", "x="),
        ("signature=", "signature=0"),
        ("signature=", "x="),
        ("signature=", "signature=%C3%A9"),
    ],
)
def test_a_changed_query_is_refused(paths: SignedPaths, old: str, new: str) -> None:
    _, query = parts(paths.sign("PUT", "t/c/1", HEADERS, 900))
    assert old in query
    with pytest.raises(WrongCredentials):
        paths.require_signed("PUT", "t/c/1", query.replace(old, new), SENT)
    with pytest.raises(WrongCredentials):
        paths.require_signed("PUT", "t/c/1", "", SENT)


def test_a_get_cannot_be_made_of_a_put_that_signs_nothing(paths: SignedPaths) -> None:
    _, query = parts(paths.sign("GET", "t/c/1", {}, 900))
    paths.require_signed("GET", "t/c/1", query, SENT)
    with pytest.raises(WrongCredentials):
        paths.require_signed("PUT", "t/c/1", query, SENT)


def test_a_path_passes_until_it_expires(paths: SignedPaths, clock: FakeClock) -> None:
    _, query = parts(paths.sign("GET", "k", {}, 900))
    clock.advance(timedelta(seconds=900))
    paths.require_signed("GET", "k", query, {})
    clock.advance(timedelta(seconds=1))
    with pytest.raises(StaleRequest):
        paths.require_signed("GET", "k", query, {})


def test_another_secret_signs_otherwise(paths: SignedPaths, clock: FakeClock) -> None:
    _, query = parts(paths.sign("GET", "k", {}, 900))
    with pytest.raises(WrongCredentials):
        SignedPaths(b"t" * 32, clock).require_signed("GET", "k", query, {})


def test_the_secret_is_made_once_and_its_owners_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(signing_secret, [tmp_path] * 8))
    assert made == {signing_secret(tmp_path)}
    (file,) = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes()) == 32
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert signing_secret(tmp_path / "others") not in made


def test_a_damaged_secret_is_named(tmp_path: Path) -> None:
    signing_secret(tmp_path)
    (tmp_path / "secrets" / "signed-paths").write_bytes(b"")
    with pytest.raises(StorageUnavailable, match="signed-paths is damaged"):
        signing_secret(tmp_path)
