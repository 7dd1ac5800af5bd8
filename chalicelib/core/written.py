"""Fields of the dataclasses that a package has written out (infra/compiled.py), made when they are asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

_making = threading.RLock()


class Fields:
    """A stand-in for `__dataclass_fields__` until somebody asks for it, as `fields`, `replace` and `asdict` do."""

    def __init__(self, **options: bool) -> None:
        self._options = options

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, _one: object, _class: type) -> Any:
        with _making:
            if vars(self._owner)[self._name] is self:  # and not what another thread has just made
                dataclass(init=False, repr=False, eq=False, **self._options)(self._owner)
        return vars(self._owner)[self._name]
