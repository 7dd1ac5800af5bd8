"""The memory of a process that makes a whole snapshot: so much a face, and the refusal before it is
too much."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.search.compact import TAIL_LENGTH, Compactor
from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Edit, JournalEntry, Profile
from chalicelib.domain.rules.galleries import (
    FACE_MEMORY_BYTES,
    SNAPSHOT_FACE_BYTES,
    measure_snapshot_memory,
)
from chalicelib.domain.rules.templates import make_template
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.telemetry import SNAPSHOT_MEMORY, begin_invocation
from tests.book.search.galleries import cold, enrol, opened
from tests.support.book.synthetic import segment
from tests.support.book.tenants import add_tenant
from tests.support.fakes import FakeClock

FEW, MANY = 32_768, 65_536
"""Multiples of a sample and of a block, whose memory does not grow."""
NUMBERS = 384
"""Of a template of the newest pack."""


def test_a_face_takes_no_more_memory_than_is_reckoned_with(tmp_path: Path) -> None:
    blobs = FolderBlobStore(tmp_path)
    few, many = (measure_peak(blobs, faces) for faces in (FEW, MANY))
    made_bytes = (many - few) / (MANY - FEW)
    assert made_bytes + FACE_MEMORY_BYTES <= SNAPSHOT_FACE_BYTES, made_bytes


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


def test_too_little_memory_is_said_before_a_snapshot_is_begun(
    tmp_path: Path, clock: FakeClock
) -> None:
    services = opened(tmp_path, clock)
    tenant = add_tenant(services, "cloud", Profile.CLOUD)
    items, blobs = services.storage.items, services.storage.blobs
    needed_bytes = measure_snapshot_memory(len(enrol(services, tenant, range(TAIL_LENGTH))))

    def build(memory_bytes: int) -> bool:
        galleries = cold(services)
        compactor = Compactor(items, blobs, galleries, clock, memory_bytes=memory_bytes)
        return compactor.build(tenant.name)

    with begin_invocation("build_index", "1") as invocation:
        with pytest.raises(
            StorageUnavailable, match="raise BuildIndexMemory or REGULARS_MEMORY_MB"
        ):
            build(needed_bytes - 1)
        assert invocation.measured[SNAPSHOT_MEMORY] > 100
        assert build(2 * needed_bytes)
