"""How long each stage of a request took: collected where somebody listens, free where nobody does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_stages: ContextVar[dict[str, float] | None] = ContextVar("stages", default=None)


@contextmanager
def collected() -> Iterator[dict[str, float]]:
    """Milliseconds by stage name of what runs inside, in this thread or task; a stage entered twice adds up.

    Whoever collects around it gets the same stages when it ends.
    """
    stages: dict[str, float] = {}
    around = _stages.get()
    token = _stages.set(stages)
    try:
        yield stages
    finally:
        _stages.reset(token)
        if around is not None:
            for name, ms in stages.items():
                around[name] = around.get(name, 0.0) + ms


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the block's time under `name` (letters, digits and `_`)."""
    stages = _stages.get()
    if stages is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        stages[name] = stages.get(name, 0.0) + (time.perf_counter() - began) * 1000
