"""Attributes that are made when they are first asked for, so that a cold start imports what its route needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")

_making = threading.RLock()
"""One for all objects: what is made asks others for what it is made of."""


class once(Generic[_T]):  # noqa: N801 -- a decorator, as functools.cached_property
    """functools.cached_property with the lock that it has not had since Python 3.12."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self._make, self._name = make, make.__name__

    def __get__(self, owner: Any, _class: type | None = None) -> _T:
        with _making:
            if self._name not in owner.__dict__:
                owner.__dict__[self._name] = self._make(owner)
        made: _T = owner.__dict__[self._name]  # which Python finds before this descriptor from now on
        return made
