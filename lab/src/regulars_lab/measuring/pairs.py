"""1:1 scores (ISO/IEC 19795-1) of all pairs of a folder's pictures, and FNMR at an FMR.

A picture without a face matches nobody: its mated pairs count as false non-matches, and its
non-mated ones do not count.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

BINS = 20_000
"""Bins of scores from -1 to 1, each 1e-4 wide. Non-mated pairs, often hundreds of millions, are
only counted."""

NO_FACE = -2.0
"""Score of a pair with a picture that shows no face: below every cosine."""

_BLOCK = 1024
"""Rows that are compared at a time, to bound memory."""


class Faces(Struct, frozen=True):
    """All pictures of a folder.

    `embeddings` (n, d): unit rows, or zeros if `found` (n,) is False. `person_of` (n,).
    `enrollable` (n,): False for a picture that is too poor to be enrolled; None: every face can be.
    """

    embeddings: NDArray[np.float32]
    found: NDArray[np.bool_]
    person_of: NDArray[np.intp]
    enrollable: NDArray[np.bool_] | None = None

    @property
    def fit(self) -> NDArray[np.bool_]:
        """The mask of the pictures by which somebody can be enrolled."""
        return self.found if self.enrollable is None else self.found & self.enrollable

    def select_faces(self, chosen: NDArray[np.bool_]) -> Faces:
        enrollable = None if self.enrollable is None else self.enrollable[chosen]
        return Faces(
            self.embeddings[chosen], self.found[chosen], self.person_of[chosen], enrollable
        )


class PairScores(Struct, frozen=True):
    """Scores of all pairs.

    `mated`: of every mated pair, NO_FACE among them; `non_mated`: counts in each of BINS.
    """

    mated: NDArray[np.float32]
    non_mated: NDArray[np.int64]

    @property
    def non_mated_pairs(self) -> int:
        return int(self.non_mated.sum())

    def compute_fmr(self) -> NDArray[np.float64]:
        """Return the share of non-mated pairs at or above each edge of the bins, (BINS + 1,).

        The last is 0.
        """
        counts_above: NDArray[np.int64] = np.concatenate(
            (np.cumsum(self.non_mated[::-1])[::-1], [0])
        )
        return np.asarray(counts_above / max(self.non_mated_pairs, 1))

    def find_threshold(self, fmr: float) -> float | None:
        """Return the lowest edge with an FMR of at most `fmr`; None if there are too few pairs to
        say."""
        if self.non_mated_pairs * fmr < 1:
            return None
        return float(list_bin_edges()[int(np.argmax(self.compute_fmr() <= fmr))])

    def measure_fnmr(self, fmr: float) -> float | None:
        threshold = self.find_threshold(fmr)
        return (
            None
            if threshold is None or not len(self.mated)
            else float(np.mean(self.mated < threshold))
        )


def list_bin_edges() -> NDArray[np.float64]:
    """Return the edges of the bins, (BINS + 1,)."""
    return np.asarray(np.linspace(-1.0, 1.0, BINS + 1))


def score_all_pairs(faces: Faces) -> PairScores:
    """Score every pair of pictures of the folder once: list the scores of one person's, count those
    of two persons'.

    A pair of one person's pictures has NO_FACE if one of them shows no face.
    """
    embeddings, owners = faces.embeddings[faces.found], faces.person_of[faces.found]
    counts = np.zeros(BINS, np.int64)
    mated: list[NDArray[np.float32]] = []
    for begin in range(0, len(embeddings), _BLOCK):
        end = min(begin + _BLOCK, len(embeddings))
        scores = embeddings[begin:end] @ embeddings[begin:].T
        is_later = np.arange(len(embeddings) - begin)[None, :] > np.arange(end - begin)[:, None]
        is_same_person = owners[begin:end, None] == owners[None, begin:]
        mated.append(scores[is_later & is_same_person])
        bins = np.clip(
            (scores[is_later & ~is_same_person].astype(np.float64) + 1) * (BINS / 2), 0, BINS - 1
        ).astype(np.int64)
        counts += np.bincount(bins, minlength=BINS)
    pictures_by_person = np.bincount(faces.person_of)
    faceless_pair_count = int((pictures_by_person * (pictures_by_person - 1) // 2).sum()) - sum(
        map(len, mated)
    )
    return PairScores(
        np.concatenate([*mated, np.full(faceless_pair_count, NO_FACE, np.float32)]), counts
    )
