"""By which of its pictures is a face compared? The others are spare: kept as examples, until one of
these goes.

Of more than MAX_COMPARED the ones stay whose mean is nearest to the mean of all: so little is lost
by the others (docs/decisions/0093). A picture that somebody gave to a name without having seen the
face may be anybody's. It comes as a spare one, and stays one as long as it does not look like the
others, so that it spoils no mean.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import MAX_COMPARED, Picture, Template
from chalicelib.domain.rules.decision import PAIR_FMR, ImpostorCurve, Population, subtract_demand
from chalicelib.domain.rules.templates import (
    choose_pictures_to_keep,
    fuse_embeddings,
    list_given_pictures,
    parse_vector,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # the template's (dimensions,) of each picture, by its id
    Vectors = dict[str, NDArray[np.float32]]


class Chooser(Struct, frozen=True):
    """The rule of a model. A picture without a template of it stays as it is."""

    model: str
    curve: ImpostorCurve
    population: Population

    def choose_pictures(
        self, pictures: tuple[Picture, ...], max_compared: int = MAX_COMPARED
    ) -> tuple[Picture, ...]:
        """Return all given pictures, and the learnt ones for which there is room.

        Searches compare at most `max_compared` of the given pictures, and at least one. The others
        become spare.
        """
        vectors = self._read_vectors(pictures)
        if not vectors:
            return choose_pictures_to_keep(pictures)
        compared_ids = self._list_compared_and_alike(pictures, vectors)
        mean = _mean_of(vectors, compared_ids)
        while len(compared_ids) > max(max_compared, 1):
            compared_ids.remove(_find_least_missed(vectors, compared_ids, mean))
        return choose_pictures_to_keep(
            replace(picture, spare=picture.id not in compared_ids)
            if picture.id in vectors
            else picture
            for picture in pictures
        )

    def is_unlike_others(self, new_picture: Picture, pictures: tuple[Picture, ...]) -> bool:
        """Return whether a new given picture looks unlike all that the face is compared by.

        `pictures`: those that the face had before.
        """
        pictures_now = (*pictures, replace(new_picture, spare=True))
        vectors = self._read_vectors(pictures_now)
        return (
            len(vectors) > 1
            and new_picture.id in vectors
            and new_picture.id not in self._list_compared_and_alike(pictures_now, vectors)
        )

    def _read_vectors(self, pictures: tuple[Picture, ...]) -> Vectors:
        """Return the template of each given picture that has one of the model."""
        return {
            picture.id: parse_vector(template)
            for picture in list_given_pictures(pictures)
            if (template := _template_of(picture, self.model))
        }

    def _list_compared_and_alike(
        self, pictures: tuple[Picture, ...], vectors: Vectors
    ) -> list[str]:
        """Return the ids of the pictures that are compared, and of those that look like these."""
        compared = [
            picture.id for picture in pictures if picture.id in vectors and not picture.spare
        ] or [next(iter(vectors))]
        while alike := [
            id_ for id_ in vectors if id_ not in compared and self._is_like(id_, compared, vectors)
        ]:
            compared += alike
        return compared

    def _is_like(self, id_: str, compared: Collection[str], vectors: Vectors) -> bool:
        """Return whether a picture is like the mean of those that are compared, as two faces of one
        person are."""
        vector, mean = vectors[id_], _mean_of(vectors, compared)
        score = subtract_demand(float(mean @ vector), self.population.compute_demand(vector, mean))
        return score >= self.curve.threshold_at(PAIR_FMR)


def _template_of(picture: Picture, model: str) -> Template | None:
    return next((template for template in picture.templates if template.model == model), None)


def _mean_of(vectors: Vectors, ids: Collection[str]) -> NDArray[np.float32]:
    import numpy as np

    return fuse_embeddings(np.stack([vectors[id_] for id_ in ids]))


def _find_least_missed(
    vectors: Vectors, compared: Collection[str], mean: NDArray[np.float32]
) -> str:
    """Return the id of the picture without which the mean of the others is nearest to `mean`."""
    import numpy as np

    rows = np.stack([vectors[id_] for id_ in compared]).astype(np.float64)
    sums_without = rows.sum(axis=0) - rows
    scores = (sums_without @ mean) / np.maximum(np.linalg.norm(sums_without, axis=1), 1e-12)
    return list(compared)[int(np.argmax(scores))]
