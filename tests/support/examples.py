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


def drawn(cases: Sequence[Case], gate: int) -> list[Case]:
    """So many of the cases, others by each commit, so that a week of gates tries all; `make slow`
    tries all at once."""
    if settings.get_current_profile_name() == LONG:
        return list(cases)
    return random.Random(commit()).sample(list(cases), min(gate, len(cases)))


def every(cases: Sequence[Case], step: int) -> list[Case]:
    """Return each `step`th case, the same ones in each run, since a rate is judged; `make lab
    ALL=1` takes all."""
    return list(cases) if settings.get_current_profile_name() == LONG else list(cases[::step])


def examples(gate: int, every: int) -> Callable[[Any], Any]:
    """Marks a property `slow`: its examples take long, so the gate tries the first number of them
    only."""
    count = every if settings.get_current_profile_name() == LONG else gate
    may = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    chosen = settings(max_examples=count, deadline=None, suppress_health_check=may)
    return lambda test: pytest.mark.slow(chosen(test))
