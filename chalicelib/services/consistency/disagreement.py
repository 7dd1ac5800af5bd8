"""Two records of a tenant that do not agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Disagreement:
    """Two stored things that do not agree. Two looks found the same one if text and versions are equal.

    `says`: an English sentence. `at`: the versions of what was compared, each read before the things that change with
    it. `mend`: makes the two agree, if they are still as they were read, else raises a RegularsError; None: nobody can
    know what would be right.
    """

    says: str
    at: tuple[Any, ...] = ()
    mend: Callable[[], object] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.says
