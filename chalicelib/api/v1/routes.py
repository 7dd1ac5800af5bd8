"""All operations of v1, of each module that has some; `python -m regulars.openapi --write` finds their paths."""

from __future__ import annotations

import time
from importlib import import_module
from pkgutil import iter_modules

from chalice.app import Response

from chalicelib.api import v1
from chalicelib.api.http import Dialect
from chalicelib.api.v1 import errors
from chalicelib.api.v1.endpoint import TIME_HEADER, Operation

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for module in iter_modules(v1.__path__)
    for operation in getattr(import_module(f"{v1.__name__}.{module.name}"), "operations", ())
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
