"""The choice of the pictures by which a face is compared. The others are spare: they are kept as
examples, and one replaces a chosen picture that is deleted.

If there are more than MAX_COMPARED, the chosen ones are those whose mean is nearest to the mean of
all: so little is lost with the others (docs/decisions/0093). A picture that was added to a name
without a look at the face may show anybody. It is added as a spare one, and stays one as long as it
does not look like the others, so that it spoils no mean.
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
    """The rule that chooses the pictures of a face that a search compares, by one model.

    A picture without a template of the model stays as it is.
    """

    model: str
    curve: ImpostorCurve
    population: Population

    def choose_pictures(
        self, pictures: tuple[Picture, ...], max_compared: int = MAX_COMPARED
    ) -> tuple[Picture, ...]:
        """Return a face's pictures, each marked as compared by searches or as spare.

        At most `max_compared` of the given pictures are compared, and at least one. They are those
        whose mean is nearest to that of all. Pictures that the face learnt by itself stay if there
        is room for them.
        """
        vectors = self._read_vectors(pictures)
        if not vectors:
            return choose_pictures_to_keep(pictures)
        compared_ids = self._list_compared_and_alike(pictures, vectors)
        mean = _mean_of(vectors, compared_ids)
        # One goes at a time: the one whose loss moves the mean least.
        while len(compared_ids) > max(max_compared, 1):
            compared_ids.remove(_find_least_missed(vectors, compared_ids, mean))
        marked_pictures = []
        for picture in pictures:
            if picture.id in vectors:
                marked_pictures.append(replace(picture, spare=picture.id not in compared_ids))
            else:
                marked_pictures.append(picture)
        return choose_pictures_to_keep(marked_pictures)

    def is_unlike_others(self, new_picture: Picture, pictures: tuple[Picture, ...]) -> bool:
        """Return whether a new given picture looks unlike all that the face is compared by.

        Then it may show somebody else. `pictures` are those that the face had before. If none of
        them can be compared with it, the answer is False.
        """
        pictures_now = (*pictures, replace(new_picture, spare=True))
        vectors = self._read_vectors(pictures_now)
        if new_picture.id not in vectors or len(vectors) == 1:
            return False
        return new_picture.id not in self._list_compared_and_alike(pictures_now, vectors)

    def _read_vectors(self, pictures: tuple[Picture, ...]) -> Vectors:
        """Return by id the template of each given (not learnt) picture that has one of the
        model."""
        vectors = {}
        for picture in list_given_pictures(pictures):
            template = _template_of(picture, self.model)
            if template:
                vectors[picture.id] = parse_vector(template)
        return vectors

    def _list_compared_and_alike(
        self, pictures: tuple[Picture, ...], vectors: Vectors
    ) -> list[str]:
        """Return the ids of the pictures that are compared, and of those that look like these.

        If none is compared, it begins with the first. A picture that is added changes the mean that
        the others have to be like. So all are looked at again until none is added.
        """
        ids = [picture.id for picture in pictures if picture.id in vectors and not picture.spare]
        if not ids:
            ids = [next(iter(vectors))]
        while True:
            others = [id_ for id_ in vectors if id_ not in ids]
            alike = [id_ for id_ in others if self._is_like(id_, ids, vectors)]
            if not alike:
                return ids
            ids += alike

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
    """Return the id of the picture without which the mean of the others is nearest to `mean`.

    It is one of the ids in `compared`. `vectors` has the embedding of each.
    """
    import numpy as np

    ids = list(compared)
    rows = np.stack([vectors[id_] for id_ in ids]).astype(np.float64)
    sums_without = rows.sum(axis=0) - rows  # row i: the sum of all but the i-th
    lengths = np.maximum(np.linalg.norm(sums_without, axis=1), 1e-12)  # never 0
    scores = (sums_without @ mean) / lengths
    return ids[int(np.argmax(scores))]
