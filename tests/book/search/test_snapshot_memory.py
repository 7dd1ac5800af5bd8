"""The memory of a process that makes a whole snapshot: so much a face."""

import tracemalloc
from pathlib import Path

import numpy as np

from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.domain.model import Edit, JournalEntry
from chalicelib.domain.rules.galleries import FACE_MEMORY_BYTES, measure_snapshot_memory
from chalicelib.domain.rules.templates import make_template
from chalicelib.storage.box.blobs import FolderBlobStore
from tests.support.book.synthetic import segment

FEW, MANY = 32_768, 65_536
"""Multiples of a sample and of a block, whose memory does not grow."""
NUMBERS = 384
"""Of a template of the newest pack."""


def test_a_face_takes_no_more_memory_than_is_reckoned_with(tmp_path: Path) -> None:
    blobs = FolderBlobStore(tmp_path)
    few, many = (measure_peak(blobs, faces) for faces in (FEW, MANY))
    taken = (many - few) / (MANY - FEW) + FACE_MEMORY_BYTES
    stored = ((blobs.size(f"{MANY}") or 0) - (blobs.size(f"{FEW}") or 0)) / (MANY - FEW)
    assert (
        0.8 * measure_snapshot_memory(int(stored)) <= taken <= measure_snapshot_memory(int(stored))
    )
    assert taken <= 2_100


def measure_peak(blobs: FolderBlobStore, faces: int) -> int:
    """Return the most memory that the next snapshot of a gallery takes beside the gallery."""
    vectors = np.random.default_rng(faces).standard_normal((faces, NUMBERS), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery("bench", segment(vectors))
    newcomer = JournalEntry(Edit.PUT, "new", "g", (make_template("bench", vectors[0]),))
    gallery.apply_entries([newcomer], 2)
    tracemalloc.start()
    try:
        data = encode_segment(gallery.view.make_segment("bench"))
        assert blobs.put_if_absent(f"{faces}", data, "application/octet-stream")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
