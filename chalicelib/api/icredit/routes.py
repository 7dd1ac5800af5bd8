"""The iCREDIT operations: their paths, and the views that answer them."""

from __future__ import annotations

from functools import partial

from chalice.app import Blueprint

from chalicelib.api.http import Dialect, Provide, route
from chalicelib.api.icredit import wire
from chalicelib.api.icredit.operation import Operation
from chalicelib.api.icredit.views import analysis, manage, query
from chalicelib.core.errors import InvalidInput

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
    InvalidInput("The body is larger than 4 MiB."),
)


def blueprint(provide: Provide) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    for operation in OPERATIONS:
        route(routes, PREFIX + operation.name, {"POST": partial(operation.answer, provide)})
    return routes
