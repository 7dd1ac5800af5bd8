"""The routes of v1. Their modules are loaded at their first request, so that a cold start pays for one route."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module

from chalice.app import Blueprint, Response

from chalicelib.api.http import Answer, Failure, Provide, route
from chalicelib.api.v1.paths import PATHS


def blueprint(provide: Provide) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""

    def refusal(refused: Failure) -> Response:
        from chalicelib.api.v1 import endpoint  # not at the cold starts of other dialects

        return endpoint.refusal(provide, refused)

    routes = Blueprint(__name__)
    for module, paths in PATHS.items():
        for path in paths.split():
            route(routes, path, _Answers(provide, path, module), refusal)
    return routes


class _Answers(Mapping[str, Answer]):
    """The views of a path, by method."""

    def __init__(self, provide: Provide, path: str, module: str) -> None:
        self._provide, self._path, self._module = provide, path, module

    def __getitem__(self, method: str) -> Answer:
        return self._loaded[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)

    @cached_property
    def _loaded(self) -> Mapping[str, Answer]:
        from chalicelib.api.v1 import endpoint  # not at the cold starts of other dialects

        module = import_module(f"{__package__}.{self._module}")
        operations = [one for one in module.operations if one.path == self._path]
        return endpoint.answers(self._provide, operations)
