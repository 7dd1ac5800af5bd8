"""The operations of v1, and their paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chalice.app import Blueprint

from chalicelib.api.v1 import (
    about,
    account,
    book,
    cameras,
    captures,
    face_changes,
    faces,
    groups,
    hooks,
    keys,
    looking,
    merges,
    picture_bodies,
    pictures,
    rejections,
    reviews,
    sessions,
)
from chalicelib.api.v1.endpoint import Operation, register

if TYPE_CHECKING:
    from chalicelib.services import Services

_MODULES = (
    about,
    sessions,
    keys,
    book,
    captures,
    cameras,
    groups,
    faces,
    face_changes,
    pictures,
    looking,
    rejections,
    merges,
    hooks,
    reviews,
    account,
)

OPERATIONS: tuple[Operation, ...] = tuple(operation for module in _MODULES for operation in module.OPERATIONS)


LARGER_BODIES = {(one.method, one.path): picture_bodies.MAX_BYTES for one in OPERATIONS if one.takes_picture}
"""Most bytes of a body, by method and path, of the operations that take pictures."""


def blueprint(provide: Callable[[], Services]) -> Blueprint:
    """Register all operations of the dialect. `provide` returns the services; the first request calls it."""
    routes = Blueprint(__name__)
    register(routes, provide, OPERATIONS)
    return routes
