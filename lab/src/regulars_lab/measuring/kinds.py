"""FPIR in galleries of one kind of people: the rate of an ordinary folder says little of people who
look alike.

A kind is a value of a label (an age group, a gender), or a cluster of templates: those whom the
model puts close together. Half of a kind are enrolled, ONE_KIND at most, and the others are
strangers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from regulars_lab.measuring import open_set
from regulars_lab.measuring.open_set import Rule

ONE_KIND = 100
"""Faces of a gallery of one kind, at most."""

FEWEST = 40
"""People of a kind of which a rate is told."""

A_CLUSTER = 250
"""People for each of whom there is one cluster more: fewer would make clusters of whom nothing can
be measured."""

CLUSTER = "cluster"
"""Column of the clusters of templates."""

_DRAWS = 20
"""Galleries that are drawn for each kind."""
_ROUNDS = 50
"""Rounds in which the clusters' centres move."""
_STARTS = 5
"""Starts of the clustering, of which the best is taken."""
_RESAMPLED = 200
"""Draws with replacement, by which the interval is found."""


class Kind(Struct, frozen=True):
    """The FPIR as the service decides, in galleries of `gallery_size` people of one kind, each by
    one picture.

    `low`, `high`: 95 % interval, by drawing people again with replacement (bootstrap); it is (0, 3
    / strangers) if no stranger was taken for anybody (the rule of three).
    """

    column: str
    value: str
    people: int
    gallery_size: int
    fpir: float
    low: float
    high: float


def measure_kinds(
    embeddings: NDArray[np.float32], labels: Mapping[str, Sequence[str | None]], rule: Rule
) -> list[Kind]:
    """Measure each kind of people, and return the kinds with the highest rate first.

    `embeddings`: of a picture of each person. `labels`: by column, the label of each person; None:
    there is none. If they have no column CLUSTER, the clusters are those of these embeddings.
    """
    clusters = {} if CLUSTER in labels else {CLUSTER: find_clusters(embeddings)}
    found_kinds = [
        _measure_kind(column, value, embeddings[np.array(members)], rule)
        for column, values in {**labels, **clusters}.items()
        for value, members in _group_by_value(values)
        if len(members) >= FEWEST
    ]
    return sorted(found_kinds, key=lambda kind: -kind.fpir)


def find_clusters(embeddings: NDArray[np.float32], clusters: int | None = None) -> list[str]:
    """Return the cluster of each person, "1" to "n", by k-means on the sphere (Dhillon and Modha
    2001).

    `clusters`: their number; None: one for each A_CLUSTER people, two at least. The mean embedding
    is subtracted before. Of several random starts, the one with the largest similarity is taken.
    """
    count = clusters or max(len(embeddings) // A_CLUSTER, 2)
    unit = _normalize_rows(embeddings - embeddings.mean(axis=0))
    best, numbers = -np.inf, np.zeros(len(embeddings), np.intp)
    for seed in range(_STARTS):
        centres = unit[
            np.random.default_rng(seed).choice(len(unit), min(count, len(unit)), replace=False)
        ]
        for _ in range(_ROUNDS):
            nearest = (unit @ centres.T).argmax(axis=1)
            sums = [unit[nearest == number].sum(axis=0) for number in range(len(centres))]
            centres = _normalize_rows(
                np.array(
                    [
                        vector_sum if vector_sum.any() else old
                        for vector_sum, old in zip(sums, centres, strict=True)
                    ]
                )
            )
        total = float((unit @ centres.T).max(axis=1).sum())
        if total > best:
            best, numbers = total, (unit @ centres.T).argmax(axis=1)
    return [str(number + 1) for number in numbers.tolist()]


def _measure_kind(column: str, value: str, embeddings: NDArray[np.float32], rule: Rule) -> Kind:
    """Measure the FPIR among people of one kind, with its interval of 95 % by a bootstrap over the
    persons.

    If no search finds anybody, the upper bound is 3 / n (the rule of three).
    """
    size = min(ONE_KIND, len(embeddings) // 2)
    searches = list(_run_searches(embeddings, size, rule))
    people, matched = (np.concatenate(each) for each in zip(*searches, strict=True))
    rate, random = float(matched.mean()), np.random.default_rng(0)
    if not matched.any():
        return Kind(
            column=column,
            value=value,
            people=len(embeddings),
            gallery_size=size,
            fpir=0.0,
            low=0.0,
            high=min(3 / len(embeddings), 1.0),
        )
    matches_of_person = np.bincount(people, matched, len(embeddings))
    searches_of_person = np.bincount(people, minlength=len(embeddings))
    drawn = (random.integers(len(embeddings), size=len(embeddings)) for _ in range(_RESAMPLED))
    rates = [
        matches_of_person[people].sum() / max(searches_of_person[people].sum(), 1)
        for people in drawn
    ]
    low, high = np.quantile(rates, (0.025, 0.975))
    return Kind(
        column=column,
        value=value,
        people=len(embeddings),
        gallery_size=size,
        fpir=rate,
        low=float(low),
        high=float(high),
    )


def _run_searches(
    embeddings: NDArray[np.float32], size: int, rule: Rule
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield each draw's strangers, and whether each was taken for somebody."""
    for seed in range(_DRAWS):
        order = np.random.default_rng(seed).permutation(len(embeddings))
        yield (
            order[size:],
            open_set.search(embeddings[order[:size]], embeddings[order[size:]], rule).matches,
        )


def _group_by_value(values: Sequence[str | None]) -> Iterator[tuple[str, list[int]]]:
    for value in sorted({value for value in values if value}):
        yield value, [number for number, row_value in enumerate(values) if row_value == value]


def _normalize_rows(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    )
