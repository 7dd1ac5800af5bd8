"""Work that a cold start is spared: app.py and search_function.py import this first, and then call `imported`.

The package has the patterns that imports compile (infra/patterns.py). What imports make stays, so the garbage collector
would look through all of it again and again for nothing.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module

gc.disable()
with suppress(ModuleNotFoundError):
    import_module("compiled_patterns")


def imported() -> None:
    """Let the garbage collector begin with what is made from now on."""
    gc.freeze()
    gc.enable()
