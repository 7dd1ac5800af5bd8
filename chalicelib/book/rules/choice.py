"""By which of its pictures is a face compared? The others are spare: kept as examples, until one of these goes.

Of more than MAX_COMPARED the ones stay whose mean is nearest to the mean of all: so little is lost by the others
(docs/decisions/0093). A picture that somebody gave to a name without having seen the face may be anybody's. It comes as
a spare one, and stays one as long as it does not look like the others, so that it spoils no mean.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.rules.decision import PAIR_FMR, ImpostorCurve, Population, judged_score
from chalicelib.book.rules.templates import choose_kept_pictures, fuse_embeddings, list_given_pictures, vector
from chalicelib.book.words.model import MAX_COMPARED, Picture, Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = dict[str, NDArray[np.float32]]


class Chooser(Struct, frozen=True):
    """The rule of a model. A picture without a template of it stays as it is."""

    model: str
    curve: ImpostorCurve
    population: Population

    def pictures(self, pictures: tuple[Picture, ...], most: int = MAX_COMPARED) -> tuple[Picture, ...]:
        """Return all given pictures, each spare or not, and the learnt ones for which there is room.

        Of the given ones `most` at most are compared, and one at least.
        """
        own = {one.id: vector(template) for one in list_given_pictures(pictures) if (template := _of(one, self.model))}
        if not own:
            return choose_kept_pictures(pictures)
        compared = self._alike(pictures, own)
        mean = _mean(own, compared)
        while len(compared) > max(most, 1):
            compared.remove(_least_missed(own, compared, mean))
        return choose_kept_pictures(
            replace(one, spare=one.id not in compared) if one.id in own else one for one in pictures
        )

    def _alike(self, pictures: tuple[Picture, ...], own: Rows) -> list[str]:
        """Return the ids of the pictures that are compared, and of those that look like these."""
        compared = [one.id for one in pictures if one.id in own and not one.spare] or [next(iter(own))]
        while new := [id_ for id_ in own if id_ not in compared and self._is_like(own[id_], own, compared)]:
            compared += new
        return compared

    def _is_like(self, row: NDArray[np.float32], own: Rows, compared: Collection[str]) -> bool:
        mean = _mean(own, compared)
        score = judged_score(float(mean @ row), self.population.demand(row, mean))
        return score >= self.curve.threshold_at(PAIR_FMR)


def _of(picture: Picture, model: str) -> Template | None:
    return next((one for one in picture.templates if one.model == model), None)


def _mean(own: Rows, ids: Collection[str]) -> NDArray[np.float32]:
    import numpy as np

    return fuse_embeddings(np.stack([own[id_] for id_ in ids]))


def _least_missed(own: Rows, compared: Collection[str], mean: NDArray[np.float32]) -> str:
    """Return the id of the picture without which the mean of the others is nearest to `mean`."""
    import numpy as np

    rows = np.stack([own[id_] for id_ in compared]).astype(np.float64)
    without = rows.sum(axis=0) - rows
    near = (without @ mean) / np.maximum(np.linalg.norm(without, axis=1), 1e-12)
    return list(compared)[int(np.argmax(near))]
