"""Tenants are spread over search functions, and as many searches are cold as is printed."""

import random
from collections import Counter, OrderedDict

import numpy as np
import pytest

from chalicelib.book.search.snapshots.segment import encode_segment
from chalicelib.book.vision.packs import packs
from chalicelib.domain.rules.galleries import (
    FACE_DISK_BYTES,
    FACE_MEMORY_BYTES,
)
from chalicelib.storage.aws.spread import FUNCTIONS, choose_function
from tests.support.bill.table import count_held, find_cold_share
from tests.support.book.synthetic import segment

NAMES = [f"search-{number}" for number in range(FUNCTIONS)]


def play(shops: int, held: int, functions: int) -> float:
    """Search in galleries that are drawn, of which a function keeps those that it searched last."""
    draw, kept, cold = random.Random(1), [OrderedDict[int, None]() for _ in range(functions)], 0
    filled = 3 * functions * held
    for number in range(filled + 20_000):
        shop = draw.randrange(shops)
        galleries = kept[NAMES.index(choose_function(f"shop-{shop}", NAMES[:functions]))]
        cold += shop not in galleries and number >= filled
        galleries[shop] = None
        galleries.move_to_end(shop)
        if len(galleries) > held:
            galleries.popitem(last=False)
    return cold / 20_000


def test_a_tenant_has_one_function_whoever_asks() -> None:
    """So a shop's searches keep one function warm. Another hash would move all shops once."""
    chosen = [choose_function(f"shop-{number}", NAMES) for number in range(4)]
    assert chosen == ["search-6", "search-0", "search-2", "search-4"]


def test_tenants_are_spread_evenly() -> None:
    counts = Counter(choose_function(f"shop-{number}", NAMES) for number in range(8_000))
    assert set(counts) == set(NAMES)
    assert max(counts.values()) < 1.15 * min(counts.values())


@pytest.mark.parametrize(
    ("shops", "held", "functions"),
    [(50, 80, 8), (500, 80, 1), (1_000, 80, 8), (1_000, 146, 8), (5_000, 146, 8)],
)
def test_the_share_that_is_reckoned_with_is_the_one_that_comes(
    shops: int, held: int, functions: int
) -> None:
    assert find_cold_share(shops, held, functions) == pytest.approx(
        play(shops, held, functions), abs=0.015
    )


def test_of_a_thousand_shops_of_thirty_thousand_faces_one_search_in_a_hundred_is_cold() -> None:
    held = count_held(30_000)
    assert find_cold_share(1_000, held) < 0.01
    assert find_cold_share(1_000, held, functions=1) > 0.85


def test_a_face_takes_what_the_sizes_of_the_functions_are_reckoned_with() -> None:
    """If a pack has larger templates, a function keeps fewer galleries: say so in
    domain/rules/galleries.py."""
    embedding, faces = packs.read_pack().manifest.embedding, 10_000
    vectors = np.random.default_rng(1).standard_normal((faces, embedding.columns), dtype=np.float32)
    gallery = segment(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True), model=embedding.model
    )
    in_memory = (gallery.hot_bytes - gallery.templates.nbytes) / faces
    assert gallery.templates.nbytes / faces == FACE_DISK_BYTES
    assert in_memory == pytest.approx(FACE_MEMORY_BYTES, rel=0.15), (
        "a rotation weighs more in a small gallery"
    )
    assert encode_segment(gallery).size / faces == pytest.approx(
        FACE_MEMORY_BYTES + FACE_DISK_BYTES, rel=0.06
    )
