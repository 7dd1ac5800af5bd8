from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots import loading
from chalicelib.book.search.snapshots.scratch import Scratch
from chalicelib.book.search.snapshots.segment import (
    PART,
    DamagedSnapshot,
    Segment,
    encode_segment,
    segment_of_faces,
)
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.storage.box.blobs import FolderBlobStore

KEY = "t/index/m/1.snapshot"


def segment(rows: int) -> Segment:
    templates = np.random.default_rng(1).standard_normal((rows, 256)).astype(np.float16)
    faces = (
        (f"face-{n}", "g", [row.tobytes()]) for n, row in enumerate(templates / np.float16(16))
    )
    return segment_of_faces("m", 7, faces)


@pytest.fixture(scope="module")
def large() -> Segment:
    """Of several parts, with the templates beginning inside one."""
    return segment(3 * PART // 512)


def stored(folder: Path, data: bytes) -> FolderBlobStore:
    blobs = FolderBlobStore(folder)
    blobs.put_if_absent(KEY, data, "application/octet-stream")
    return blobs


def test_a_large_snapshot_comes_back_with_its_templates_on_disk(
    large: Segment, tmp_path: Path
) -> None:
    got = loading.fetch(
        stored(tmp_path / "blobs", encode_segment(large).readall()),
        KEY,
        Scratch(tmp_path).open_file,
    )

    assert got.on_disk
    assert got.hot_bytes < 450 * len(got.ids)
    for mine, other in ((got.templates, large.templates), (got.first_row, large.first_row)):
        assert (mine == other).all()
    assert all(
        (mine == other).all()
        for mine, other in zip(got.codes.tiers, large.codes.tiers, strict=True)
    )
    assert [*got.ids] == [*large.ids] == sorted(large.ids)
    assert got.coder.tiers == large.coder.tiers
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"], "the file has no name"
    assert encode_segment(got).readall() == encode_segment(large).read()


def test_answers_do_not_change_when_the_stored_object_is_deleted(
    large: Segment, tmp_path: Path
) -> None:
    blobs = stored(tmp_path / "blobs", encode_segment(large).readall())
    gallery = Gallery("m", loading.fetch(blobs, KEY, Scratch(tmp_path).open_file))
    blobs.delete(KEY)
    probe = large.templates[:1].astype(np.float32)
    request = SearchRequest("m", probe, limit=3)
    assert gallery.view.search(request) == Gallery("m", large).view.search(request)


def test_a_small_snapshot_stays_in_memory(tmp_path: Path) -> None:
    got = loading.fetch(
        stored(tmp_path, encode_segment(segment(20)).readall()), KEY, Scratch().open_file
    )
    assert not got.on_disk
    assert got.seq == 7


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    assert loading.fetch(FolderBlobStore(tmp_path), KEY, Scratch().open_file) is None


@pytest.mark.parametrize("at", [9, 100, PART, 2 * PART + 12345, -1])
def test_a_flipped_bit_anywhere_is_found(large: Segment, tmp_path: Path, at: int) -> None:
    data = bytearray(encode_segment(large).readall())
    data[at] ^= 4
    with pytest.raises(DamagedSnapshot):
        loading.fetch(stored(tmp_path / "blobs", bytes(data)), KEY, Scratch(tmp_path).open_file)


@pytest.mark.parametrize("length", [0, 5, 17, PART, 2 * PART + 12345, -1])
def test_a_truncated_snapshot_is_refused(large: Segment, tmp_path: Path, length: int) -> None:
    with pytest.raises(DamagedSnapshot):
        loading.fetch(
            stored(tmp_path / "blobs", encode_segment(large).readall()[:length]),
            KEY,
            Scratch(tmp_path).open_file,
        )


def test_a_scratch_folder_that_cannot_be_used_is_said_so(large: Segment, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="no room for"):
        loading.fetch(
            stored(tmp_path / "blobs", encode_segment(large).readall()),
            KEY,
            Scratch(tmp_path / "missing").open_file,
        )
