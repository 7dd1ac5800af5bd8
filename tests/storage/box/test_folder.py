import os
import resource
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput, StorageUnavailable
from chalicelib.storage.box.blobs import FolderBlobStore

KEYS = st.lists(st.sampled_from(["a", "a!", "a0", "b", "é"]), min_size=1, max_size=3).map("/".join)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path) -> FolderBlobStore:
    return FolderBlobStore(root)


def put(blobs: FolderBlobStore, key: str, data: bytes = b"data") -> bool:
    return blobs.put_if_absent(key, data, "image/jpeg")


def keys(blobs: FolderBlobStore) -> list[str]:
    return [blob.key for blob in blobs.walk("")]


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_an_objects_path_is_its_key(blobs: FolderBlobStore, root: Path) -> None:
    put(blobs, "t/faces/f/n.jpg", b"picture")
    assert (root / "t" / "faces" / "f" / "n.jpg").read_bytes() == b"picture"
    assert files_below(root) == ["t/faces/f/n.jpg"]


def test_of_sixteen_that_put_a_key_one_wins_whole(blobs: FolderBlobStore) -> None:
    contents = [bytes([n]) * 200_000 for n in range(16)]
    begin = threading.Barrier(16)

    def race(data: bytes) -> bool:
        begin.wait()
        return put(blobs, "a/b/c", data)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(race, contents))
    assert won.count(True) == 1
    assert blobs.get("a/b/c") == contents[won.index(True)]


def test_puts_and_deletes_of_neighbours_do_not_meet(blobs: FolderBlobStore) -> None:
    # Each delete removes the folder when it was the last: the others' puts must make it again.
    def work(number: int) -> None:
        for _ in range(150):
            assert put(blobs, f"a/b/{number}")
            assert blobs.get(f"a/b/{number}") == b"data"
            blobs.delete(f"a/b/{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert keys(blobs) == []


def test_an_emptied_folder_goes_with_its_last_object(blobs: FolderBlobStore, root: Path) -> None:
    put(blobs, "t/faces/f/n.jpg")
    put(blobs, "t/index/s")
    blobs.delete("t/faces/f/n.jpg")
    assert not (root / "t" / "faces").exists()
    blobs.delete("t/index/s")
    assert [path.name for path in root.iterdir()] == [".temporary"]


def test_leftovers_are_not_listed_and_old_ones_go_when_the_store_is_opened(
    blobs: FolderBlobStore, root: Path
) -> None:
    put(blobs, "a")
    old, young = root / ".temporary" / "old", root / ".temporary" / "young"
    for path in (old, young):
        path.write_bytes(b"half")
    an_hour_ago = time.time() - 3700
    os.utime(old, (an_hour_ago, an_hour_ago))
    assert keys(blobs) == ["a"]
    assert keys(FolderBlobStore(root)) == ["a"]
    assert not old.exists()
    assert young.exists()


class _ClockSetAhead(FolderBlobStore):
    """A folder in which the clock jumps by a day when an object has its name: what is being written
    then counts as left over."""

    def _link_if_absent(self, written: Path, path: Path) -> bool:
        is_new = super()._link_if_absent(written, path)
        self.remove_leftovers(-1)
        return is_new


def test_what_is_stored_counts_although_its_temporary_name_went_as_a_leftover(root: Path) -> None:
    """It is told once, and a caller who had an error would take it for told when it comes again."""
    blobs = _ClockSetAhead(root)
    assert put(blobs, "t/a")
    assert not put(blobs, "t/a")
    assert keys(blobs) == ["t/a"]


def test_a_full_disk_leaves_nothing_behind(blobs: FolderBlobStore, root: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageUnavailable):
            put(blobs, "a/b", bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert files_below(root) == []
    assert put(blobs, "a/b", bytes(200_000))


def test_a_key_below_an_object_or_above_one_is_refused(blobs: FolderBlobStore, root: Path) -> None:
    put(blobs, "a/b")
    for key in ("a/b/c", "a/b/c/d", "a"):
        with pytest.raises(InvalidInput):
            put(blobs, key)
    assert files_below(root) == ["a/b"]


def test_files_and_folders_are_their_owners_only(blobs: FolderBlobStore, root: Path) -> None:
    put(blobs, "t/faces/f")
    modes = {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]}
    assert modes == {0o700, 0o600}


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        FolderBlobStore(tmp_path / "file" / "blobs")


@given(st.sets(KEYS, max_size=12), st.just("") | KEYS, st.none() | KEYS, st.booleans())
@settings(deadline=None)
def test_a_walk_gives_what_a_sorted_list_of_all_keys_gives(
    some: set[str], prefix: str, after: str | None, below: bool
) -> None:
    stored = {key for key in some if not any(other.startswith(f"{key}/") for other in some)}
    prefix += "/" * (below and bool(prefix))
    with tempfile.TemporaryDirectory() as place:
        blobs = FolderBlobStore(Path(place))
        for key in stored:
            put(blobs, key)
        expected = sorted(key for key in stored if key.startswith(prefix) and key > (after or ""))
        assert [blob.key for blob in blobs.walk(prefix, after)] == expected


def test_a_walk_reads_a_folder_once(blobs: FolderBlobStore, root: Path) -> None:
    names = [f"{number:04}" for number in range(1_100)]
    put(blobs, f"a/{names[0]}")
    for name in names[1:]:
        (root / "a" / name).touch()
    walk = blobs.walk("a/")
    first = next(walk).key
    put(blobs, "a/2000")
    assert [first, *(blob.key for blob in walk)] == [f"a/{name}" for name in names]
