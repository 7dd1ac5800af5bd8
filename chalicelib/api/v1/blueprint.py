"""The routes of v1. Their modules are loaded at their first request, so that a cold start pays for
one route."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module

from chalice.app import Blueprint, Response

from chalicelib.api.http import Answer, Failure, Provide, add_route
from chalicelib.api.v1.paths import PATHS


def make_blueprint(provide: Provide) -> Blueprint:
    """Register all operations of the dialect.

    `provide` returns the services; the first request calls it.
    """

    def refusal(refused: Failure) -> Response:
        from chalicelib.api.v1 import endpoint  # not at the cold starts of other dialects

        return endpoint.answer_refusal(provide, refused)

    routes = Blueprint(__name__)
    for module, paths in PATHS.items():
        for path in paths.split():
            add_route(routes, path, cache(partial(_load_answers, provide, module, path)), refusal)
    return routes


def _load_answers(provide: Provide, module: str, path: str) -> Mapping[str, Answer]:
    """Return the views of a path, by method."""
    from chalicelib.api.v1 import endpoint  # not at the cold starts of other dialects

    operations = import_module(f"{__package__}.{module}").operations
    return endpoint.make_answers(
        provide, [operation for operation in operations if operation.path == path]
    )
