"""A typed client of Regulars: enrol, find and name people, ask who came.

Its modules are imported when they are first asked for: programs use some that need no client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regulars_client import codes as codes
    from regulars_client.books import Book as Book
    from regulars_client.client import Regulars as Regulars
    from regulars_client.errors import ApiError as ApiError
    from regulars_client.errors import NoAnswer as NoAnswer
    from regulars_client.errors import NotConfigured as NotConfigured
    from regulars_client.errors import PictureTooLarge as PictureTooLarge
    from regulars_client.errors import RegularsError as RegularsError
    from regulars_client.errors import WrongAnswer as WrongAnswer

_MODULES = {"Book": "books", "Regulars": "client"}


def __getattr__(name: str) -> Any:
    module = import_module(f"regulars_client.{_MODULES.get(name, 'errors')}")
    try:
        return getattr(module, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
