"""Aligned faces to unit embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.crop import batch
from chalicelib.vision.manifest import EmbeddingRole
from chalicelib.vision.session import Sessions

BATCH = 16
"""Faces a run: the models gain nothing from more, and a crowd's activations stay small."""


def embeddings(sessions: Sessions, role: EmbeddingRole, aligned: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(n, role.dimensions) unit rows of (size, size, 3) aligned faces, in order."""
    rows = [np.empty((0, role.dimensions), np.float32)]
    for start in range(0, len(aligned), BATCH):
        pictures = batch(aligned[start : start + BATCH], role.channels)
        rows.append(sessions.run(role.file, pictures)[role.output])
    found = np.concatenate(rows)
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
