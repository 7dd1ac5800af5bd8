"""Unit embeddings of aligned faces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.machine import Work
from chalicelib.vision.packs.manifest import EmbeddingRole
from chalicelib.vision.packs.session import Sessions
from chalicelib.vision.pictures.crop import batch


def embeddings(
    sessions: Sessions, role: EmbeddingRole, aligned: Sequence[NDArray[np.uint8]]
) -> Work[NDArray[np.float32]]:
    """Embed (size, size, 3) aligned faces: (n, role.dimensions) unit rows, in order.

    With `role.mirrored`, the embeddings of the face and its mirror image are added. Identity is in both; light and turn
    of the head differ and weigh less. InsightFace evaluates LFW this way. It takes twice the time.
    """
    looks = _looks(role)

    def run(face: NDArray[np.uint8]) -> NDArray[np.float32]:
        return _unit(sessions.run(role.file, batch([face], role.channels))[role.output])

    def together(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        shape = (len(aligned), len(looks), role.dimensions)
        return _unit(np.array(rows, np.float32).reshape(shape).sum(axis=1))

    faces = [np.asarray(face[:, ::-1]) if mirror else face for face in aligned for mirror in looks]
    return Work([partial(run, face) for face in faces], together)


def _looks(role: EmbeddingRole) -> Sequence[bool]:
    return (False, True) if role.mirrored else (False,)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
