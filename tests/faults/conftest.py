"""The shops in which faults happen, and which of the points a run tries."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest
from msgspec import Struct

from tests.support.faults.shop import Shop, prepared

Point = TypeVar("Point")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


class Points(Struct, frozen=True):
    """The points of a walk that a run tries, chosen by `seed` and the case's name."""

    every: bool
    seed: str
    record: Callable[[str, object], None]

    def chosen(self, points: Sequence[Point], case: object, count: int = 1) -> list[Point]:
        """Return `count` of the points, the same in each run; `make faults` takes all."""
        if self.every or len(points) <= count:
            return [*points]
        return random.Random(f"{self.seed} {case}").sample(points, count)

    def told(self, there: int, tried: int, skipped: int, ends: int) -> None:
        self.record("faults", (there, tried, skipped, ends))


@pytest.fixture
def points(pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> Points:
    return Points(pytestconfig.getoption("--every-fault"), "the gate", record_property)
