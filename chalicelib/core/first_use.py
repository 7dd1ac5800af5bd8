"""Things that are made, and whose modules are imported, when something is first asked of them.

A function that answers one endpoint pays at its cold start for what that endpoint uses, not for all that there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Lazy(Generic[_T]):
    """Makes its value once, at the first call, in whichever thread comes first."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._made: list[_T] = []
        self._lock = threading.Lock()

    def __call__(self) -> _T:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]


class MadeAtFirstUse:
    """Stands for the object that `make` gives: every public or private attribute is that object's, and a call is one of
    it. Not for other special methods (`len`, `with`), which Python looks for elsewhere.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self.__make = make
        self.__lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        # Only for what is not there: from the second use on, `__made` is.
        if name == "_MadeAtFirstUse__made":
            with self.__lock:
                if name not in self.__dict__:
                    self.__made = self.__make()
            return self.__dict__[name]
        return getattr(self.__made, name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.__made(*arguments, **named)


def module(path: str) -> Any:
    """The module of this path, imported when something is first asked of it."""
    return MadeAtFirstUse(lambda: import_module(path))


def classes(package: str, *names: str) -> dict[str, Callable[..., Any]]:
    """Constructors by the classes' names, for `names` given as `module.Class`: a module is imported at the first use of
    what its class makes.
    """
    return {name.rpartition(".")[2]: _constructor(f"{package}.{name}") for name in names}


def _constructor(path: str) -> Callable[..., Any]:
    module, _, name = path.rpartition(".")

    def construct(*arguments: Any, **named: Any) -> Any:
        return MadeAtFirstUse(lambda: getattr(import_module(module), name)(*arguments, **named))

    return construct
