"""How many examples a long property gets: a few in the gate, all by `make slow`."""

import random
import subprocess
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

LONG = "long"
"""The profile that `make slow` chooses; conftest.py and support/promised.py import this before
pytest loads it."""

settings.register_profile(LONG, deadline=None)

_PROFILE = settings.get_current_profile_name()
# No example has a deadline: these machines are shared.
settings.register_profile(_PROFILE, settings.get_profile(_PROFILE), deadline=None)
settings.load_profile(_PROFILE)

PART = 3
"""The gate tries one in so many of the dear tests: five gates in a row try nearly nine in ten."""


Case = TypeVar("Case")


@cache
def commit() -> str:
    """Return the checkout's commit, by which a run draws what it tries of much; `none` outside of
    git."""
    here = Path(__file__).parent
    told = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()[:12] or "none"


def is_long() -> bool:
    """Tell whether this run tries all that there is, as `make slow` does."""
    return settings.get_current_profile_name() == LONG


def drawn(cases: Sequence[Case], gate: int) -> list[Case]:
    """So many of the cases, others by each commit, so that a week of gates tries all; `make slow`
    tries all at once."""
    if is_long():
        return list(cases)
    return random.Random(commit()).sample(list(cases), min(gate, len(cases)))


def takes(fixture: str) -> Callable[[pytest.Item], bool]:
    """Return what tells whether a test takes this fixture."""
    return lambda item: fixture in getattr(item, "fixturenames", ())


def draw_part(
    config: pytest.Config, items: list[pytest.Item], is_dear: Callable[[pytest.Item], bool]
) -> None:
    """Leave one in PART of the dear tests, other ones for each commit.

    Only a run of the whole suite leaves any out: who names a file or a folder gets all its tests.
    For the hook `pytest_collection_modifyitems` of the conftest that knows which are dear.
    """
    if [*config.args] != [*config.getini("testpaths")]:
        return
    dear = [item for item in items if is_dear(item)]
    left_out = {*dear} - {*drawn(dear, len(dear) // PART)}
    config.hook.pytest_deselected(items=[item for item in dear if item in left_out])
    items[:] = [item for item in items if item not in left_out]


def every(cases: Sequence[Case], step: int) -> list[Case]:
    """Return each `step`th case, the same ones in each run, since a rate is judged; `make lab
    ALL=1` takes all."""
    return list(cases) if is_long() else list(cases[::step])


def examples(gate: int, every: int) -> Callable[[Any], Any]:
    """Marks a property `slow`: its examples take long, so the gate tries the first number of them
    only."""
    count = every if is_long() else gate
    may = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    chosen = settings(max_examples=count, deadline=None, suppress_health_check=may)
    return lambda test: pytest.mark.slow(chosen(test))
