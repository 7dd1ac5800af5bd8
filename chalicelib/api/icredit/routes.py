"""The iCREDIT operations: their paths, and the views that answer them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chalice.app import Blueprint

from chalicelib.api.http import Dialect, route
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.operation import Operation
from chalicelib.api.icredit.views import analysis, manage, query

if TYPE_CHECKING:
    from chalicelib.services import Services

PREFIX = "/icredit/face/"

OPERATIONS = (
    Operation("manage", manage),
    Operation("query", query),
    Operation("analysis", analysis, (wire.PERSONS, *wire.STATISTICS)),
)

_BY_NAME = {operation.name: operation for operation in OPERATIONS}

DIALECT = Dialect(
    (PREFIX,),
    lambda error, path: _BY_NAME.get(path.removeprefix(PREFIX), OPERATIONS[0]).failed(error)[1],
    f"There is no such call here: by POST, there are {', '.join(_BY_NAME)}.",
)


def blueprint(provide: Callable[[], Services]) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    for operation in OPERATIONS:
        route(routes, PREFIX + operation.name, {"POST": partial(operation.answer, provide)})
    return routes
