"""What people do costs the same a year later: each act is counted in a shop and in one with ten
times as much behind it (`make slopes` does so with a year)."""

from importlib import metadata

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from regulars.cli import GROUP, commands
from tests.slopes.acts import COMMANDS, UNCOUNTED, list_use_cases
from tests.slopes.growing import (
    GROWS_TO_A_BOUND,
    GROWS_WITH_VISITS,
    MUST_GROW,
    find_growth,
)
from tests.slopes.walk import Counted, count_shops
from tests.support.book.years import Year
from tests.support.examples import rest

pytestmark = rest

FEW, MANY = (
    Year(visits, visits // 2, days=20, review_every=2, has_pictures=False) for visits in (60, 600)
)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Counted, Counted]:
    cases = [case for case in list_use_cases() if not _is_of_dialect(case.route)]
    few, many = (
        count_shops(tmp_path_factory.mktemp("slopes"), year, cases) for year in (FEW, MANY)
    )
    return few, many


def _is_of_dialect(route: str) -> bool:
    """Dialects ask the same services; `make slopes` counts them, too."""
    path = route.partition(" ")[2]
    return path.startswith("/") and path not in {one.path for one in OPERATIONS}


def test_no_act_grows_that_should_not(counted: tuple[Counted, Counted]) -> None:
    few, many = counted
    assert few.keys() == many.keys()
    growths = {name: find_growth(few[name], many[name]) for name in few}
    growing = {name: growth for name, growth in growths.items() if growth}
    may_grow = {*MUST_GROW, *GROWS_TO_A_BOUND, *GROWS_WITH_VISITS}
    assert {name: growth for name, growth in growing.items() if name not in may_grow} == {}, (
        "grows with the book: bound it, or say in tests/slopes/growing.py why it may"
    )
    assert sorted({*COMMANDS.values()} - few.keys()) == [], "is not counted"
    no_more = {*MUST_GROW, *GROWS_TO_A_BOUND} - growing.keys()
    assert sorted(no_more) == [], "grows no more: take its line away"


def test_every_command_is_counted() -> None:
    """A route, function or job without a use case fails tests/faults/test_every_call.py."""
    of_the_lab = {entry.name for entry in metadata.entry_points(group=GROUP)}
    assert sorted({*COMMANDS, *UNCOUNTED}) == sorted(commands.commands.keys() - of_the_lab)
