"""Aligned faces to unit embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.packs.manifest import EmbeddingRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import batch

BATCH = 4
"""Pictures a run. 16 take 7 % longer each in this network, whose activations then leave the cache, and 5 % less in
dlib's; and a crowd's activations stay small."""


def embeddings(sessions: Sessions, role: EmbeddingRole, aligned: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(n, role.dimensions) unit rows of (size, size, 3) aligned faces, in order.

    With `role.mirrored`, of each face and its mirror image, added: what is the person is in both, what is light and
    turn of the head less so. It is the usual way (InsightFace's own evaluation of LFW), at twice the time.
    """
    faces = [np.asarray(face[:, ::-1]) if mirror else face for face in aligned for mirror in _looks(role)]
    rows = [np.empty((0, role.dimensions), np.float32)]
    for start in range(0, len(faces), BATCH):
        pictures = batch(faces[start : start + BATCH], role.channels)
        rows.append(_unit(sessions.run(role.file, pictures)[role.output]))
    return _unit(np.concatenate(rows).reshape(len(aligned), len(_looks(role)), role.dimensions).sum(axis=1))


def _looks(role: EmbeddingRole) -> Sequence[bool]:
    return (False, True) if role.mirrored else (False,)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
