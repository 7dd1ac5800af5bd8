"""Likely label errors: one person under two names. Such a mated score would count among the highest
non-mated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from regulars_lab.measuring.pairs import NO_FACE, Faces

_BLOCK = 1024
"""Rows that are compared at a time, to bound memory."""


class Suspects(Struct, frozen=True):
    """Pairs of different names that look like one person: (person, person, score), the highest
    score first.

    `limit`: the least score of such a pair. Without mated pairs to estimate it, it is above every
    cosine.
    """

    pairs: tuple[tuple[str, str, float], ...]
    limit: float


def choose_one_each(faces: Faces, persons: Sequence[str]) -> tuple[NDArray[np.float32], list[str]]:
    """Return the embedding and name of every person's first picture with a face.

    With one picture each, all persons are in equally many pairs.
    """
    face_rows = np.flatnonzero(faces.found)
    owners, first = np.unique(faces.person_of[face_rows], return_index=True)
    return faces.embeddings[face_rows[first]], [persons[owner] for owner in owners.tolist()]


def find_suspects(
    embeddings: NDArray[np.float32], names: Sequence[str], mated: NDArray[np.float32]
) -> Suspects:
    """Find the pairs that score at least the median of the mated ones: probably one person under
    two names."""
    mated_scores = mated[mated > NO_FACE]
    limit = float(np.median(mated_scores)) if len(mated_scores) else 2.0
    pairs: list[tuple[str, str, float]] = []
    for begin in range(0, len(embeddings), _BLOCK):
        scores = embeddings[begin : begin + _BLOCK] @ embeddings[begin:].T
        for first, second in np.argwhere(np.triu(scores >= limit, 1)).tolist():
            pairs.append(
                (names[begin + first], names[begin + second], float(scores[first, second]))
            )
    return Suspects(tuple(sorted(pairs, key=lambda pair: -pair[2])), limit)
