"""Where a search is done: near in small galleries, far in others and before it is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from chalicelib.core.search import SearchAnswer, SearchRequest
from chalicelib.core.shards import Shard
from chalicelib.index.near import NEAR_FACES, REMEMBERED_S, NearSearch

PROBE = SearchRequest("m", np.zeros((1, 4), np.float32))
IN_A_GROUP = SearchRequest("m", np.zeros((1, 4), np.float32), ["staff"])
IN_A_SHARD = SearchRequest("m", np.zeros((1, 4), np.float32), shard=Shard(1, 2))


@dataclass
class Sized:
    """A search in a gallery of so many faces, as they are compared."""

    faces: int
    asked: int = 0

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        self.asked += 1
        return SearchAnswer(1, 1 if request.group_ids or request.shard.of > 1 else self.faces, ((),))


@dataclass
class Both:
    faces: int
    now: float = 0.0
    near: Sized = field(init=False)
    far: Sized = field(init=False)

    def __post_init__(self) -> None:
        self.near, self.far = Sized(self.faces), Sized(self.faces)
        self.search = NearSearch(lambda: self.near, self.far, lambda: self.now)

    def places(self, *requests: SearchRequest, tenant: str = "shop") -> str:
        """Search, and say for each request whether that was near or far."""
        said = ""
        for request in requests:
            before = self.near.asked
            self.search.search(tenant, request)
            said += "n" if self.near.asked > before else "f"
        return said


def test_a_small_gallery_is_searched_here_once_its_size_is_known() -> None:
    both = Both(NEAR_FACES)
    assert both.places(PROBE, PROBE, IN_A_GROUP, PROBE) == "fnnn"
    assert both.places(PROBE, tenant="another") == "f"


@pytest.mark.parametrize("asked", [PROBE, IN_A_GROUP, IN_A_SHARD])
def test_a_large_gallery_is_searched_by_the_function_even_if_a_part_of_it_is_small(asked: SearchRequest) -> None:
    assert Both(NEAR_FACES + 1).places(asked, asked, PROBE, asked) == "ffff"


def test_a_part_says_nothing_about_the_whole_and_is_never_searched_here() -> None:
    assert Both(10).places(IN_A_GROUP, IN_A_GROUP, IN_A_SHARD, PROBE, IN_A_SHARD, PROBE) == "fffffn"


def test_a_gallery_that_has_grown_is_searched_by_the_function_from_then_on() -> None:
    both = Both(NEAR_FACES)
    both.places(PROBE)
    both.near.faces = both.far.faces = NEAR_FACES + 1
    assert both.places(PROBE, PROBE, PROBE) == "nff"


def test_a_size_is_forgotten_when_the_gallery_may_have_grown_unseen() -> None:
    both = Both(10)
    assert both.places(PROBE, PROBE) == "fn"
    both.now += REMEMBERED_S + 1
    assert both.places(PROBE, PROBE) == "fn"
