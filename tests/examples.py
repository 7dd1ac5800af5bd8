"""How many examples a long property gets: a few in the gate, all by `make slow`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

LONG = "long"
"""The profile that `make slow` chooses; tests/conftest.py registers it before pytest loads it."""


def examples(gate: int, every: int) -> Callable[[Any], Any]:
    """Marks a property `slow`: its examples take long, so the gate tries the first number of them only."""
    count = every if settings.get_current_profile_name() == LONG else gate
    chosen = settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    return lambda test: pytest.mark.slow(chosen(test))
