"""Construction of segments from faces and their templates, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.scan.coder import CodedRows, Coder, encode, fit
from chalicelib.index.snapshots.segment import FaceIds, Segment


def empty(model: str) -> Segment:
    """Make the gallery before its first change."""
    templates = np.empty((0, 0), dtype=np.float16)
    nothing = np.empty(0, dtype=np.uint32)
    codes = CodedRows((), nothing)
    return Segment(
        model, 0, FaceIds.of(()), (), nothing, np.zeros(1, np.uint32), templates, Coder(0, None, (), 0), codes
    )


def from_rows(
    model: str,
    seq: int,
    faceids: Sequence[str],
    group_ids: Sequence[str],
    face_group: NDArray[np.integer],
    counts: NDArray[np.integer],
    templates: NDArray[np.float16],
) -> Segment:
    """Make a segment from faces in the order of their faceids, and their templates in the same order.

    `face_group`: number of each face's group in `group_ids`. `counts`: number of each face's rows.
    """
    if not len(faceids):
        return at(empty(model), seq)
    first_row = np.zeros(len(faceids) + 1, dtype=np.uint32)
    np.cumsum(counts, out=first_row[1:])
    coder = fit(templates)
    return Segment(
        model=model,
        seq=seq,
        ids=FaceIds.of(faceids),
        group_ids=tuple(group_ids),
        face_group=face_group.astype(np.uint32),
        first_row=first_row,
        templates=templates,
        coder=coder,
        codes=encode(coder, templates),
    )


def from_faces(model: str, seq: int, faces: Iterable[tuple[str, str, Sequence[bytes]]]) -> Segment:
    """Make a segment from (faceid, group id, canonical vectors) in any order; a face without vectors is left out."""
    found = sorted((face for face in faces if face[2]), key=lambda face: face[0])
    groups: dict[str, int] = {}
    numbers = [groups.setdefault(group_id, len(groups)) for _, group_id, _ in found]
    data = b"".join(vector for _, _, vectors in found for vector in vectors)
    counts = np.array([len(vectors) for _, _, vectors in found], dtype=np.int64)
    rows = int(counts.sum())
    templates = np.frombuffer(data, dtype="<f2").reshape(rows, -1) if rows else np.empty((0, 0), np.float16)
    return from_rows(model, seq, [face[0] for face in found], list(groups), np.array(numbers), counts, templates)


def at(segment: Segment, seq: int) -> Segment:
    return replace(segment, seq=seq)
