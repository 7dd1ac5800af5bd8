"""LFW's figure of 1:1 verification (ISO/IEC 19795-1): pairs in folds, and the share that is decided
correctly.

A pair with a picture that shows no face counts as rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from regulars_lab.evaluate.labels import Pair
from regulars_lab.measuring.pairs import NO_FACE, Faces

FOLDS, PAIRS_A_FOLD = 10, 300
_SEED = 2007  # LFW's year; any number would do


def drawn_pairs(faces: Faces, folds: int = FOLDS, each: int = PAIRS_A_FOLD) -> list[Pair]:
    """Draw pairs as LFW's were drawn (Huang et al.

    2007, view 2), for a folder without a file of pairs.

    Persons are divided into `folds`. Each fold has `each` mated pairs, or fewer if it has fewer,
    and as many non-mated ones. The same folder always gives the same pairs.
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
            one, other = sorted(
                random.choice(several[random.integers(len(several))], 2, replace=False).tolist()
            )
            mated.add((one, other))
        pairs += [Pair(one, other, True, fold) for one, other in sorted(mated)]
        for _ in range(most):
            first, second = random.choice(len(own), 2, replace=False)
            pairs.append(
                Pair(int(random.choice(own[first])), int(random.choice(own[second])), False, fold)
            )
    return pairs


def pair_scores(faces: Faces, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Compute the cosines of the pairs, (pairs,); NO_FACE if a picture has no face."""
    one, other = (
        np.array([getattr(pair, side) for pair in pairs], np.intp) for side in ("one", "other")
    )
    scores: NDArray[np.float64] = np.einsum(
        "ij,ij->i", faces.embeddings[one], faces.embeddings[other], dtype=np.float64
    )
    scores[~(faces.found[one] & faces.found[other])] = NO_FACE
    return scores


class Accuracy(Struct, frozen=True):
    """Mean over the folds of the share of pairs decided correctly, and the standard error of that
    mean."""

    mean: float
    standard_error: float
    folds: int
    pairs: int


def accuracy(scores: NDArray[np.float64], pairs: Sequence[Pair]) -> Accuracy | None:
    """Compute LFW's figure: each fold is decided by the threshold that is best on all others.

    None below two folds.
    """
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
    """Return the threshold that decides most pairs correctly, in the middle between two
    neighbouring scores."""
    order = np.argsort(scores, kind="stable")
    ordered, labels = scores[order], mated[order]
    # Correct if the first n are rejected: the non-mated pairs among them, and the mated pairs
    # behind them.
    right = (
        np.concatenate(([0], np.cumsum(~labels)))
        + int(labels.sum())
        - np.concatenate(([0], np.cumsum(labels)))
    )
    distinct = np.concatenate(([True], ordered[1:] > ordered[:-1], [True]))
    cut = int(np.argmax(np.where(distinct, right, -1)))
    if cut == 0:
        return float(ordered[0])
    return (
        float(ordered[-1] + 1)
        if cut == len(ordered)
        else float((ordered[cut - 1] + ordered[cut]) / 2)
    )
