"""1:1 figures (ISO/IEC 19795-1): scores of all pairs, FNMR at an FMR, LFW's accuracy.

A picture without a face matches nobody: its mated pairs count as false non-matches. Over all pairs, its non-mated ones
do not count; in `accuracy` they count as rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from regulars_lab.evaluate.labelled import Pair

BINS = 20_000
"""Bins of scores from -1 to 1, each 1e-4 wide. Non-mated pairs, often hundreds of millions, are only counted."""

NO_FACE = -2.0
"""Score of a pair with a picture that shows no face: below every cosine."""

FOLDS, PAIRS_A_FOLD = 10, 300
_BLOCK = 1024
_SEED = 2007  # LFW's year; any number would do


class Faces(Struct, frozen=True):
    """All pictures of a folder. `embeddings` (n, d): unit rows, or zeros if `found` (n,) is False. `person_of` (n,)."""

    embeddings: NDArray[np.float32]
    found: NDArray[np.bool_]
    person_of: NDArray[np.intp]

    def subset(self, chosen: NDArray[np.bool_]) -> Faces:
        return Faces(self.embeddings[chosen], self.found[chosen], self.person_of[chosen])


class PairScores(Struct, frozen=True):
    """Scores of all pairs. `mated`: of every mated pair, NO_FACE among them; `non_mated`: counts in each of BINS."""

    mated: NDArray[np.float32]
    non_mated: NDArray[np.int64]

    @property
    def non_mated_pairs(self) -> int:
        return int(self.non_mated.sum())

    def fmr(self) -> NDArray[np.float64]:
        """Return the share of non-mated pairs at or above each of `edges`, (BINS + 1,). The last is 0."""
        above: NDArray[np.int64] = np.concatenate((np.cumsum(self.non_mated[::-1])[::-1], [0]))
        return np.asarray(above / max(self.non_mated_pairs, 1))

    def threshold_at(self, fmr: float) -> float | None:
        """Return the lowest edge with an FMR of at most `fmr`; None if there are too few pairs to say."""
        if self.non_mated_pairs * fmr < 1:
            return None
        return float(edges()[int(np.argmax(self.fmr() <= fmr))])

    def fnmr_at(self, fmr: float) -> float | None:
        threshold = self.threshold_at(fmr)
        return None if threshold is None or not len(self.mated) else float(np.mean(self.mated < threshold))


def edges() -> NDArray[np.float64]:
    """Return the edges of the bins, (BINS + 1,)."""
    return np.asarray(np.linspace(-1.0, 1.0, BINS + 1))


def all_pairs(faces: Faces) -> PairScores:
    """Score every pair of pictures of the folder once."""
    rows, owners = faces.embeddings[faces.found], faces.person_of[faces.found]
    counts = np.zeros(BINS, np.int64)
    mated: list[NDArray[np.float32]] = []
    for begin in range(0, len(rows), _BLOCK):
        end = min(begin + _BLOCK, len(rows))
        scores = rows[begin:end] @ rows[begin:].T
        later = np.arange(len(rows) - begin)[None, :] > np.arange(end - begin)[:, None]
        same = owners[begin:end, None] == owners[None, begin:]
        mated.append(scores[later & same])
        bins = np.clip((scores[later & ~same].astype(np.float64) + 1) * (BINS / 2), 0, BINS - 1).astype(np.int64)
        counts += np.bincount(bins, minlength=BINS)
    possible = np.bincount(faces.person_of)
    lost = int((possible * (possible - 1) // 2).sum()) - sum(map(len, mated))
    return PairScores(np.concatenate([*mated, np.full(lost, NO_FACE, np.float32)]), counts)


def drawn_pairs(faces: Faces, folds: int = FOLDS, each: int = PAIRS_A_FOLD) -> list[Pair]:
    """Draw pairs as LFW's were drawn (Huang et al. 2007, view 2), for a folder without a file of pairs.

    Persons are divided into `folds`. Each fold has `each` mated pairs, or fewer if it has fewer, and as many non-mated
    ones. The same folder always gives the same pairs.
    """
    random = np.random.default_rng(_SEED)
    persons = random.permutation(np.unique(faces.person_of))
    of_person = [np.flatnonzero(faces.person_of == person) for person in persons]
    pairs: list[Pair] = []
    for fold in range(folds):
        own = of_person[fold::folds]
        several = [pictures for pictures in own if len(pictures) > 1]
        if not several or len(own) < 2:
            continue
        mated: set[tuple[int, int]] = set()
        most = min(each, sum(len(pictures) * (len(pictures) - 1) // 2 for pictures in several))
        while len(mated) < most:
            one, other = sorted(random.choice(several[random.integers(len(several))], 2, replace=False).tolist())
            mated.add((one, other))
        pairs += [Pair(one, other, True, fold) for one, other in sorted(mated)]
        for _ in range(most):
            first, second = random.choice(len(own), 2, replace=False)
            pairs.append(Pair(int(random.choice(own[first])), int(random.choice(own[second])), False, fold))
    return pairs


def pair_scores(faces: Faces, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Compute the cosines of the pairs, (pairs,); NO_FACE if a picture has no face."""
    one, other = (np.array([getattr(pair, side) for pair in pairs], np.intp) for side in ("one", "other"))
    scores: NDArray[np.float64] = np.einsum(
        "ij,ij->i", faces.embeddings[one], faces.embeddings[other], dtype=np.float64
    )
    scores[~(faces.found[one] & faces.found[other])] = NO_FACE
    return scores


class Accuracy(Struct, frozen=True):
    """Mean over the folds of the share of pairs decided correctly, and the standard error of that mean."""

    mean: float
    standard_error: float
    folds: int
    pairs: int


def accuracy(scores: NDArray[np.float64], pairs: Sequence[Pair]) -> Accuracy | None:
    """Compute LFW's figure: each fold is decided by the threshold that is best on all others. None below two folds."""
    mated = np.array([pair.mated for pair in pairs], bool)
    fold_of = np.array([pair.fold for pair in pairs], np.intp)
    folds = np.unique(fold_of)
    if len(folds) < 2:
        return None
    shares = []
    for fold in folds:
        here = fold_of == fold
        threshold = best_threshold(scores[~here], mated[~here])
        shares.append(float(np.mean((scores[here] >= threshold) == mated[here])))
    error = float(np.std(shares, ddof=1) / np.sqrt(len(shares)))
    return Accuracy(float(np.mean(shares)), error, len(folds), len(pairs))


def best_threshold(scores: NDArray[np.float64], mated: NDArray[np.bool_]) -> float:
    """Return the threshold that decides most pairs correctly, in the middle between two neighbouring scores."""
    order = np.argsort(scores, kind="stable")
    ordered, labels = scores[order], mated[order]
    # Correct if the first n are rejected: the non-mated pairs among them, and the mated pairs behind them.
    right = np.concatenate(([0], np.cumsum(~labels))) + int(labels.sum()) - np.concatenate(([0], np.cumsum(labels)))
    distinct = np.concatenate(([True], ordered[1:] > ordered[:-1], [True]))
    cut = int(np.argmax(np.where(distinct, right, -1)))
    if cut == 0:
        return float(ordered[0])
    return float(ordered[-1] + 1) if cut == len(ordered) else float((ordered[cut - 1] + ordered[cut]) / 2)
