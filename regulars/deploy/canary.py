"""The tenant as which a stage's canary asks, and how long a picture may take to its hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from statistics import median

from regulars.deploy.stack import is_stopped

CANARY_LIMIT = "CanarySeconds"
"""The parameter: seconds within which the canary's hook has to be told of a picture."""

_HALF_AS_SLOW_AGAIN = 1.5
_LEAST_TIMES = 12
"""Times that make a day's median: those of an hour."""
_KEPT = 1.25
"""The limit stays as it is while the new one is less than so many times larger or smaller: else
each deployment, even one that changes nothing, would change it."""


def choose_canary_limit(times_s: Sequence[float], present_s: float) -> int | None:
    """Choose the seconds that a picture may take, half as many again as usual; None: the present
    limit stays.

    `times_s`: what it took in the last day. `present_s`: the present limit; 0: there is none.
    """
    if len(times_s) < _LEAST_TIMES:
        return None
    limit = min(60, ceil(_HALF_AS_SLOW_AGAIN * median(times_s)))
    is_alike = present_s > 0 and 1 / _KEPT < limit / present_s < _KEPT
    return None if is_alike else limit


def find_canary(parameters: Mapping[str, str]) -> str:
    """Return the name of the tenant that the stage's canary has to have; "": it needs none.

    A stage that is stopped stays empty: perhaps a backup will be restored into it.
    """
    return "" if is_stopped(parameters) else parameters.get("CanaryTenant", "")
