"""How many lines of Python and bytes of memory something takes."""

import gc
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NamedTuple


class Cost(NamedTuple):
    """What a call did: lines of Python, and bytes that it allocated, also those that it freed
    again."""

    lines: int
    allocated_bytes: int


def cost(work: Callable[[], object], *refusals: type[Exception]) -> Cost:
    """Count what a call does, whether it refuses its input, by ValueError or `refusals`, or not."""
    lines = allocated = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal lines, allocated, before
        lines += 1
        now, most = tracemalloc.get_traced_memory()
        allocated += max(most - before, 0)
        before = now
        tracemalloc.reset_peak()
        return count

    traced = sys.gettrace()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    sys.settrace(count)
    try:
        with suppress(ValueError, *refusals):
            work()
    finally:
        sys.settrace(traced)
        allocated += max(tracemalloc.get_traced_memory()[1] - before, 0)
        tracemalloc.stop()
    return Cost(lines, allocated)
