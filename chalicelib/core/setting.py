"""A setting of a tenant or a camera: what it means, and its bounds. Checks and v1 are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from chalicelib.core.errors import InvalidInput


@dataclass(frozen=True)
class Setting:
    """A setting: what it means, in a sentence, and what it may be.

    `least`, `most`: of a number, or for a text and a set the most characters or names; `above`: `least` itself is too
    little. `nothing`: what None means; "": it is never None. `is_own`: the tenant sets it, too; else its operator
    alone. `option`: what the command line calls it; "=": as the field; "": it is not there. `name` and `kind` (int,
    float, bool, str or frozenset) are those of the field.
    """

    says: str
    least: float | None = None
    most: float | None = None
    above: bool = False
    nothing: str = ""
    is_own: bool = True
    option: str = "="
    name: str = ""
    kind: type = str

    def require(self, value: Any) -> None:
        """Raise InvalidInput if the value is out of bounds."""
        if value is None or self.kind is bool:
            return
        if self.kind is str:
            if self.most is not None and (len(value) > self.most or not value.isprintable()):
                raise InvalidInput(f"{self.name} is one line of up to {self.most:g} characters")
        elif self.kind is not frozenset and not self.holds(value):
            raise InvalidInput(f"{self.name} is {self.bounds}{self.or_none}, not {_said(value)}")

    def holds(self, value: float) -> bool:
        least = self.least is None or (value > self.least if self.above else value >= self.least)
        return least and (self.most is None or value <= self.most)

    @property
    def bounds(self) -> str:
        """Say which numbers are legal."""
        least = "" if self.least is None else f"{'more than ' if self.above else ''}{_said(self.least)}"
        return f"{least} at least" if self.most is None else f"{least} to {_said(self.most)}"

    @property
    def or_none(self) -> str:
        return f", or none: {self.nothing}" if self.nothing else ""


def _said(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def setting(default: Any, says: str, least: float | None = None, most: float | None = None, **more: Any) -> Any:
    return field(default=default, metadata={"setting": Setting(says, least, most, **more)})


def settings_of(kind: type) -> Mapping[str, Setting]:
    """Return the settings among the fields of a dataclass, by name."""
    hints = get_type_hints(kind)
    made: dict[str, Setting] = {}
    for one in fields(kind):
        if of := one.metadata.get("setting"):
            kinds = get_args(hints[one.name]) if isinstance(hints[one.name], UnionType) else (hints[one.name],)
            (plain,) = (get_origin(kind) or kind for kind in kinds if kind is not NoneType)
            made[one.name] = replace(of, name=one.name, kind=plain)
    return MappingProxyType(made)


def require(table: Mapping[str, Setting], settings: object) -> None:
    """Raise InvalidInput if one of these settings is out of bounds."""
    for name, one in table.items():
        one.require(getattr(settings, name))
