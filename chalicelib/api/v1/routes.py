"""All operations of v1. A new module is named here; `python -m regulars.openapi --write` finds its paths (paths.py)."""

from __future__ import annotations

from importlib import import_module

from chalicelib.api.v1 import picture_bodies
from chalicelib.api.v1.endpoint import Operation

_MODULES = """
    document sessions members keys book captures cameras groups faces data_protection pictures looking merges hooks
    account
"""

OPERATIONS: tuple[Operation, ...] = tuple(
    operation for name in _MODULES.split() for operation in import_module(f"{__package__}.{name}").OPERATIONS
)


LARGER_BODIES = {(one.method, one.path): picture_bodies.MAX_BYTES for one in OPERATIONS if one.takes_picture}
"""Most bytes of a body, by method and path, of the operations that take pictures."""
