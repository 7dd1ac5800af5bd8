"""The shops in which faults happen, and which of the points a run tries."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pytest

from tests.faults.shop import Shop, prepared

A_PART = 80
"""The gate tries one point of eighty, always the same ones; `make faults` tries all."""

Point = TypeVar("Point")


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    with prepared(tmp_path_factory.mktemp("shops")) as made:
        yield made


@dataclass(frozen=True)
class Points:
    """`told`: takes how many points there are, and how many of those chosen were tried and skipped."""

    every: bool
    record: Callable[[str, object], None]

    def chosen(self, points: Sequence[Point], case: object) -> list[Point]:
        return [one for one in points if self.every or zlib.crc32(f"{case} {one}".encode()) % A_PART == 0]

    def told(self, there: int, tried: int, skipped: int) -> None:
        self.record("faults", (there, tried, skipped))


@pytest.fixture
def points(pytestconfig: pytest.Config, record_property: Callable[[str, object], None]) -> Points:
    return Points(pytestconfig.getoption("--every-fault"), record_property)
