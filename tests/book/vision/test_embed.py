"""A template of several networks: each embeds its own crop, and the score is the weighted mean of
theirs."""

from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.vision.describe.embed import plan_embeddings
from chalicelib.book.vision.detect.align import align_face
from chalicelib.book.vision.machine import CpuSlots
from chalicelib.book.vision.packs.manifest import EmbeddingRole
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from tests.support.pictures.album import Album
from tests.support.pictures.photos import OTHER, PORTRAIT, PORTRAIT_AGAIN

FILES = (PORTRAIT, PORTRAIT_AGAIN, OTHER)


def templates(role: EmbeddingRole, pack: Pack, album: Album) -> NDArray[np.float32]:
    """The templates of FILES' faces by a role's networks alone."""
    seen = [album.seen(file) for file in FILES]
    crops = [
        (of, [align_face(one.image, one.faces[0].landmarks, of.points, of.size_px) for one in seen])
        for of in role.networks
    ]
    slots = CpuSlots(1)
    with slots.take_slot():
        (rows,) = slots.do_works([plan_embeddings(Sessions(pack, slots), role, crops)])
    return np.asarray(rows)


def test_the_score_is_the_weighted_mean_of_the_networks_scores(pack: Pack, album: Album) -> None:
    role = pack.manifest.embedding
    whole = templates(role, pack, album)
    assert whole.shape == (len(FILES), role.dimensions)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(1, abs=1e-5)
    assert whole == pytest.approx(
        np.stack([album.seen(file).embeddings[0] for file in FILES]), abs=1e-4
    )
    ends = np.cumsum([0, *(network.dimensions for network in role.networks)])
    scores = np.zeros((len(FILES), len(FILES)))
    centre = Sessions(pack).read_array(role.centre)
    for network, (begin, end) in zip(role.networks, pairwise(ends), strict=True):
        alone = (
            templates(replace(role, networks=(network,), centre="", basis=""), pack, album)
            - centre[begin:end]
        )
        alone /= np.linalg.norm(alone, axis=1, keepdims=True)
        scores += network.weight * (alone @ alone.T) / sum(each.weight for each in role.networks)
    assert whole @ whole.T == pytest.approx(scores, abs=1e-4)
