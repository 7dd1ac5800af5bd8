"""What `make test` runs of many cases and examples: the same ones for the same files."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import HealthCheck, settings

LONG = "long"
"""The profile that `make slow` chooses; conftest.py and support/promised.py import this before
pytest loads it."""

settings.register_profile(LONG, deadline=None)

_PROFILE = settings.get_current_profile_name()
# No example has a deadline: these machines are shared. The same files try the same examples.
settings.register_profile(
    _PROFILE, settings.get_profile(_PROFILE), deadline=None, derandomize=_PROFILE != LONG
)
settings.load_profile(_PROFILE)

Case = TypeVar("Case")

rest = pytest.mark.rest
"""Marks what `make test` leaves to `make rest`: what takes long, and of many cases most."""


def is_long() -> bool:
    """Tell whether this run tries all that there is, as `make slow` does."""
    return settings.get_current_profile_name() == LONG


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    """Return `count` of the cases, evenly spread and the same in each run; `make slow` takes
    all."""
    if is_long() or count >= len(cases):
        return list(cases)
    return [cases[place * len(cases) // count] for place in range(count)]


def parametrize(
    names: str | tuple[str, ...], cases: Iterable[Any], gate: int, ids: Any = None
) -> pytest.MarkDecorator:
    """Return `pytest.mark.parametrize` with `gate` of the cases for `make test`, evenly spread, and
    the others marked `rest`."""
    given = list(cases)
    in_gate = {place * len(given) // gate for place in range(gate)}
    marked = [
        case if place in in_gate else _mark_rest(case, is_one=isinstance(names, str))
        for place, case in enumerate(given)
    ]
    return pytest.mark.parametrize(names, marked, ids=ids)


def _mark_rest(case: Any, *, is_one: bool) -> Any:
    if isinstance(case, ParameterSet):
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, rest])
    return pytest.param(case, marks=rest) if is_one else pytest.param(*case, marks=rest)


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
