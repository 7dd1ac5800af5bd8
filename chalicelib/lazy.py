"""Attributes that are made at their first use, so that a cold start imports only the modules that
its route needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")

_making = threading.RLock()
"""One lock for all objects, since making one attribute may make others."""


class lazy(Generic[_T]):  # noqa: N801 -- a decorator, as functools.cached_property
    """A functools.cached_property with a lock, which that one lacks since Python 3.12."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make = make

    def __set_name__(self, _class: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, _class: type | None = None) -> _T:
        with _making:
            if self._name not in owner.__dict__:
                owner.__dict__[self._name] = self._make(owner)
        value: _T = owner.__dict__[self._name]  # Python finds it before this descriptor from now on
        return value
