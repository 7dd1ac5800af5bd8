"""How much better a person is known by several photos: those with the most among the labelled
pictures."""

from itertools import combinations
from statistics import fmean

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.rules.templates import fuse_embeddings
from tests.support.pictures.album import Album

FEWEST = 5


@pytest.fixture(scope="module")
def persons(album: Album) -> dict[str, NDArray[np.float32]]:
    """Embeddings (photos, dimensions) of each person; close-ups and covered faces are their
    person's too."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for label in album.of("people"):
        [identity] = label.identities or ("",)
        found.setdefault(identity.removesuffix("_zoom"), []).append(
            album.seen(label.file).embeddings[0]
        )
    return {name: np.stack(rows) for name, rows in found.items() if name}


@pytest.fixture(scope="module")
def known(persons: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    many = {name: rows for name, rows in persons.items() if len(rows) >= FEWEST}
    assert len(many) >= 2
    return many


def scores(rows: NDArray[np.float32], photos: int) -> list[float]:
    """Of each photo with the mean of so many others of the person, whichever they are."""
    return [
        float(fuse_embeddings(rows[list(chosen)]) @ rows[probe])
        for probe in range(len(rows))
        for chosen in combinations([one for one in range(len(rows)) if one != probe], photos)
    ]


def test_each_further_photo_helps_and_less_than_the_one_before(
    known: dict[str, NDArray[np.float32]],
) -> None:
    for rows in known.values():
        means = [fmean(scores(rows, photos)) for photos in range(1, len(rows))]
        gains = np.diff(means)
        assert (gains > 0).all()
        assert (np.diff(gains) < 0).all()
        assert gains[:2].sum() > 2 * gains[2:].sum() / max(len(gains) - 2, 1)


def test_the_worst_photo_gains_most(known: dict[str, NDArray[np.float32]]) -> None:
    for rows in known.values():
        one, three = scores(rows, 1), scores(rows, 3)
        assert min(three) > min(one)
        assert min(scores(rows, len(rows) - 1)) - min(one) > fmean(three) - fmean(one)


def test_strangers_come_hardly_nearer_to_the_mean_than_to_the_nearest_photo(
    persons: dict[str, NDArray[np.float32]], known: dict[str, NDArray[np.float32]]
) -> None:
    for name, rows in known.items():
        strangers = np.concatenate([others for other, others in persons.items() if other != name])
        assert (
            float((strangers @ fuse_embeddings(rows)).max())
            < float((strangers @ rows.T).max()) + 0.01
        )
