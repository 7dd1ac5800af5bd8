"""What a cold start is spared: app.py and search_function.py import this first, and call `imported` after the others.

What imports make stays, so the garbage collector would look through all of it again and again for nothing.
"""

from __future__ import annotations

import gc

gc.disable()


def imported() -> None:
    """Let the garbage collector begin with what is made from now on."""
    gc.freeze()
    gc.enable()
