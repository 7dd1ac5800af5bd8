"""All operations of v1. A new module is named here; `python -m regulars.openapi --write` finds its paths (paths.py)."""

from __future__ import annotations

import time
from importlib import import_module

from chalice.app import Response

from chalicelib.api.http import Dialect
from chalicelib.api.v1 import errors
from chalicelib.api.v1.endpoint import TIME_HEADER, Operation

_MODULES = """
    document sessions members keys book captures cameras groups faces data_protection pictures looking merges hooks
    account
"""

OPERATIONS: tuple[Operation, ...] = tuple(
    operation for name in _MODULES.split() for operation in import_module(f"{__package__}.{name}").operations
)


_BODIES = {(one.method, one.path): one.most_bytes for one in OPERATIONS}


def _failed(error: Exception, _path: str) -> Response:
    """Answer an error before any operation was reached."""
    response = errors.failed(error)[1]
    response.headers[TIME_HEADER] = str(int(time.time() * 1000))
    return response


DIALECT = Dialect(("/",), _failed, errors.UNKNOWN, errors.TOO_LONG, _BODIES)
SIGN_IN = {(one.method, one.path) for one in OPERATIONS if one.is_sign_in}
"""The requests by which people sign in. Only the bodies have credentials."""
