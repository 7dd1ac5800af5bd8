"""All services, with something else in place of some."""

from __future__ import annotations

from copy import copy
from inspect import getattr_static
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chalicelib.lazy import lazy
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import defer_call


def book_with(book: Services, **other: Any) -> Services:
    """The book with these attributes instead of its own.

    Its services are made anew, so that they use them, too.
    """
    made = copy(book)
    for name in [
        name for name in vars(made) if isinstance(getattr_static(Services, name, None), lazy)
    ]:
        del made.__dict__[name]
    made.__dict__.update(other)
    return made


def book_of(items: Any, clock: Any, **ports: Any) -> Services:
    """A book of these items, which keeps no audit.

    `ports`: others of storage, such as `blobs`; `model`, `vision`.
    """
    storage = SimpleNamespace(items=items, begin_call=defer_call, **ports)
    made: Any = SimpleNamespace(clock=clock, storage=storage, **ports)
    return book_with(Services(Settings(storage=Path("nowhere")), made), items=items)
