"""`regulars fsck`: what a tenant stores is counted again, and what does not agree is said and, if wished, mended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from chalicelib.services.consistency.consistency import Disagreement
from chalicelib.settings import Settings
from regulars.tenants import tenants


def run(settings: Settings, names: Sequence[str] | None, *, repair: bool) -> int:
    """Check the tenants (None: all), a line for each disagreement. Return the exit code: 1 if any is left.

    Raises OperatorError if there is no such data folder or tenant.
    """
    with closing(tenants.opened(settings)) as services:
        anything = False
        for name in tenants.chosen(services, names):
            if repair:
                mended, left = services.consistency.repair(name)
            else:
                mended, left = [], services.consistency.disagreements(name)
            for line in report(name, mended, left, repair=repair):
                print(line, flush=True)
            anything = anything or bool(left)
    return 1 if anything else 0


def report(name: str, mended: Sequence[Disagreement], left: Sequence[Disagreement], *, repair: bool) -> list[str]:
    """Write the lines about one tenant. `left`: what still does not agree."""
    lines = [f"{name}: {one}: mended" for one in mended]
    if not left:
        return [*lines, f"{name}: all that is stored agrees"]
    if repair:
        return [*lines, *(f"{name}: {one}: {_why(one)}" for one in left)]
    mendable = sum(one.mend is not None for one in left)
    return [*(f"{name}: {one}" for one in left), f"{name}: `--repair` can mend {mendable} of {len(left)}"]


def _why(one: Disagreement) -> str:
    return "cannot be mended from what is stored" if one.mend is None else "changed meanwhile, try again"
