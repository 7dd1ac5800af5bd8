"""A population of nobody: how much a face looks like anybody, known before anybody is enrolled.

**Score normalisation by a fixed cohort** ("S-norm": Kenny 2010, by the best of the cohort: Sturim and Reynolds 2005).
An embedding puts the people of some kinds close together: small children, old people, people of a region that its
training set had few of. Their scores with strangers of the same kind are high throughout, and one threshold for all
would take them for each other. So each pair has a demand, by which its threshold is raised, of two parts:

- Scores are taken relative to the middle of the population (centring).
- To that comes, of both faces, what the mean of their NEAREST best scores with the population exceeds the usual one by.

A demand lowers no threshold: two rare faces that are alike are not taken for one person any sooner.

The rows are means of templates of many people each, so they tell of nobody (`regulars calibrate --population` makes
them). docs/decisions/0060 has how they were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAREST = 10
"""Rows by which a face is judged."""


@dataclass(frozen=True, eq=False)
class Population:
    """`rows`: (n, dimensions) float32, n >= NEAREST, or none: then no pair has a demand.

    `usual`: how near faces of the most usual kind are to their NEAREST rows.
    """

    rows: NDArray[np.float32]
    usual: float

    def demands(self, faces: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return by how much the threshold is raised of each of these with each of the others, (n, m).

        Both are rows of unit templates, (n, dimensions) and (m, dimensions).
        """
        import numpy as np

        if not len(self.rows):
            return np.zeros((len(faces), len(others)))
        centred, theirs = self._centred(faces), self._centred(others)
        moved = faces.astype(np.float64) @ others.astype(np.float64).T - centred @ theirs.T
        return np.asarray(np.maximum(moved + self._excess(centred)[:, None] + self._excess(theirs), 0.0))

    def demand(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return by how much the threshold of two unit templates is raised."""
        return float(self.demands(one[None], other[None])[0, 0])

    def nearness(self, faces: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return for each unit template (n, dimensions) the mean of its NEAREST best scores with the population."""
        return self._nearness(self._centred(faces))

    def _excess(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        return np.asarray(np.maximum(self._nearness(centred) - self.usual, 0.0))

    def _nearness(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        scores = centred @ self._middle_and_rows[1].T
        return np.asarray(np.partition(scores, -NEAREST, axis=1)[:, -NEAREST:].mean(axis=1))

    def _centred(self, faces: NDArray[np.float32]) -> NDArray[np.float64]:
        import numpy as np

        moved = faces - self._middle_and_rows[0]
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), np.finfo(np.float32).tiny))

    @cached_property
    def _middle_and_rows(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The population's middle, and its rows relative to that."""
        import numpy as np

        rows = self.rows.astype(np.float64)
        middle = rows.mean(axis=0)
        return middle, rows - middle
