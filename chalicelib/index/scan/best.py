"""The best faces so far of one probe, and the score that a row must reach to change that."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


class BestFaces:
    """Keeps the `limit` faces with the highest scores, each with its best row, and all that tie with the last one.

    Faces and rows are numbers; what they are called is the caller's. Only scores of at least `least` are kept.
    """

    def __init__(self, limit: int, least: float = -math.inf) -> None:
        self.limit = limit
        self.cut = least
        """No row below it can change the answer; one that equals it may, by its faceid."""
        self.faces = np.empty(0, dtype=np.int64)
        self.rows = np.empty(0, dtype=np.int64)
        self.scores = np.empty(0, dtype=np.float64)

    def add(self, faces: NDArray[np.int64], rows: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        good = scores >= self.cut
        if not good.any():
            return
        faces = np.concatenate((self.faces, faces[good]))
        rows = np.concatenate((self.rows, rows[good]))
        scores = np.concatenate((self.scores, scores[good]))
        order = np.lexsort((rows, -scores))
        _, first = np.unique(faces[order], return_index=True)
        kept = order[np.sort(first)]
        if len(kept) >= self.limit:
            self.cut = max(self.cut, float(scores[kept[self.limit - 1]]))
            kept = kept[scores[kept] >= self.cut]
        self.faces, self.rows, self.scores = faces[kept], rows[kept], scores[kept]
