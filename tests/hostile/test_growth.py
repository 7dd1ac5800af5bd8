"""Every parser of what strangers send does work in proportion to its input, whatever that is.

Work is counted, in lines and in bytes, so that the answer is the same on each machine; `make
growth` takes the times.
"""

from collections.abc import Callable

import pytest

from chalicelib.domain.errors import RegularsError
from testing.cost import Cost, cost
from tests.hostile.growth import CASES

MOST = 6
"""Times as much work from 4 n to 16 n as from n to 4 n: four times if in proportion, sixteen times
by the square."""
LEAST = Cost(lines=2_000, allocated_bytes=200_000)
"""Less more work is not compared: a buffer that is made larger is counted where it is made."""
SHARE = 64
"""The part of a case's input with which it begins."""


def grown(make: Callable[[int], Callable[[], object]], n: int) -> list[str]:
    """Say what grows faster than the input. What a call does in any case is no part of it."""
    cost(make(n), RegularsError)  # what is made once
    small, middle, large = (cost(make(size), RegularsError) for size in (n, 4 * n, 16 * n))
    rows = zip(Cost._fields, small, middle, large, LEAST, strict=True)
    return [
        f"{name}: {s}, {m}, {b} for {n}, {4 * n}, {16 * n}"
        for name, s, m, b, least in rows
        if b - m > max(MOST * (m - s), least)
    ]


@pytest.mark.parametrize("case", CASES)
def test_more_input_is_more_work_in_proportion(case: str) -> None:
    n, make = CASES[case]
    assert grown(make, max(n // SHARE, 16)) == []


def in_pairs(n: int) -> int:
    count = 0
    for _ in range(n):
        for _ in range(n):
            count += 1
    return count


def cut_off_one_by_one(n: int) -> None:
    data = bytes(100 * n)
    while data:
        data = data[100:]


def added_one_by_one(n: int) -> None:
    data = b""
    for _ in range(n):
        data = data + bytes(100)


@pytest.mark.parametrize("work", [in_pairs, cut_off_one_by_one, added_one_by_one])
def test_what_grows_by_the_square_is_found(work: Callable[[int], object]) -> None:
    assert grown(lambda n: lambda: work(n), 16) != []


def test_what_grows_in_proportion_is_not() -> None:
    assert grown(lambda n: lambda: [bytes(100) for _ in range(n)], 1000) == []
