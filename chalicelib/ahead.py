"""Work that a cold start is spared: app.py and search_function.py import this first, and then call `imported`.

The package has the patterns that imports compile (infra/patterns.py). What imports make stays, so the garbage collector
would look through all of it again and again for nothing. Modules that libraries import, and a start does not use, wait
until they are used.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

LATER = (
    "ast",
    "configparser",
    "ctypes",
    "inspect",
    "jmespath",
    "locale",
    "mimetypes",
    "pickle",
    "shlex",
    "shutil",
    "signal",
)
"""Modules that a first request imports and does not use: `inspect` alone takes 5 % of a list of groups."""

_looking = threading.Lock()


def later(name: str, **known: object) -> None:
    """Let `import` give a module in place of this one, which imports it when it is first asked for something.

    `known`: what it answers by itself. What the whole binds anew later, the one in its place does not see.
    """
    module: Any = ModuleType(name)

    def of_the_whole(attribute: str) -> Any:
        if attribute == "__path__":  # an import of a part of it asks: the whole would import that part, too, as another
            spec = PathFinder.find_spec(name)
            if spec and spec.submodule_search_locations:
                return spec.submodule_search_locations
            raise AttributeError(attribute)
        with _looking:
            if sys.modules.get(name) is module:
                del sys.modules[name]
        whole = import_module(name)
        vars(module).update(vars(whole))
        return getattr(whole, attribute)

    vars(module).update(known, __getattr__=of_the_whole)
    sys.modules[name] = module


def annotated(of: Any, **options: Any) -> dict[str, Any]:
    """Do what `inspect.get_annotations` does: a dataclass asks that large module for its own annotations alone."""
    if isinstance(of, type) and not options:
        return dict(vars(of).get("__annotations__") or {})
    inspect: Any = import_module("inspect").signature and import_module("inspect")  # the whole from here on
    found: dict[str, Any] = inspect.get_annotations(of, **options)
    return found


gc.disable()
with suppress(ModuleNotFoundError):
    import_module("compiled_patterns")
for one in LATER:
    if one not in sys.modules:
        later(one, **({"get_annotations": annotated} if one == "inspect" else {}))


def imported() -> None:
    """Let the garbage collector begin with what is made from now on."""
    gc.freeze()
    gc.enable()
