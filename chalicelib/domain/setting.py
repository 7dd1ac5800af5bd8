"""Settings: fields of a class, each declared with its description, bounds and default.

Those of a tenant (tenant_settings), of a camera (captures) and of the operator
(chalicelib/settings) are made so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_origin

from msgspec import Struct, field
from msgspec.structs import fields, replace

from chalicelib.domain.errors import InvalidInput


class Setting(Struct, frozen=True):
    """A setting: its description, in a sentence, and its valid values.

    `default`: NODEFAULT, if it has to be set. `least`, `most`: of a number, or for a text and a set
    the most characters or names; `above`: `least` itself is too little. `nothing`: what None means,
    or a default that is no value; "": it is never None. `name` and `kind` (int, float, bool, str,
    frozenset, tuple or Path) are those of the field.

    Of a tenant's: `is_own`: the tenant sets it, too; else its operator alone. Of an operator's:
    `read`: the reader of its text, which raises ValueError; None: a number between `least` and
    `most`, else the text as it is. `choices`: all that it may be.
    """

    says: str
    least: float | None = None
    most: float | None = None
    above: bool = False
    nothing: str = ""
    is_own: bool = True
    default: Any = None
    name: str = ""
    kind: type = str
    read: Callable[[str], Any] | None = None
    choices: tuple[str, ...] = ()

    def __call__(self) -> Any:
        return self.default

    def require(self, value: Any) -> None:
        """Raise InvalidInput if the setting may not have this value: it is out of its bounds.

        `kind` is the type that the setting's values have. By it the bounds are choices, a text's
        length, or a number's range. None passes, and so does a set, since others look at these.
        """
        if value is None or self.kind is bool:
            return
        if self.choices:
            if value not in self.choices:
                choices = " or ".join(self.choices)
                raise InvalidInput(
                    f"{self.name} is {choices}, not {str(value)[:40]!r}", field=self.name
                )
        elif self.kind is str:
            if self.most is not None and (len(value) > self.most or not value.isprintable()):
                raise InvalidInput(
                    f"{self.name} is one line of up to {self.most:g} characters", field=self.name
                )
        elif self.kind is not frozenset and not self.holds(value):
            raise InvalidInput(
                f"{self.name} is {self.bounds}{self.or_none}, not {_format_number(value)}",
                field=self.name,
            )

    def holds(self, value: float) -> bool:
        is_large_enough = self.least is None or (
            value > self.least if self.above else value >= self.least
        )
        return is_large_enough and (self.most is None or value <= self.most)

    @property
    def bounds(self) -> str:
        """Return the valid numbers in words: `1 at least`, `more than 0 to 24`."""
        least_text = ""
        if self.least is not None:
            least_text = f"{'more than ' if self.above else ''}{_format_number(self.least)}"
        if self.most is None:
            return f"{least_text} at least"
        return f"{least_text} to {_format_number(self.most)}"

    @property
    def or_none(self) -> str:
        return f", or none: {self.nothing}" if self.nothing else ""


def _format_number(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def setting(
    default: Any, says: str, least: float | None = None, most: float | None = None, **more: Any
) -> Any:
    """Make a field that is a setting: its row makes the default."""
    return field(default_factory=Setting(says, least, most, default=default, **more))


def settings_of(kind: type[Struct]) -> Mapping[str, Setting]:
    """Return the settings among the fields of a class, by the fields' names.

    A setting is a field whose default is made by a Setting. It takes its name, if it has none, and
    its type from the field. `int | None` counts as `int`, and `tuple[str, ...]` as `tuple`.
    """
    settings: dict[str, Setting] = {}
    for struct_field in fields(kind):
        declared = struct_field.default_factory  # a Setting can be called: it makes the default
        if not isinstance(declared, Setting):
            continue
        types = [struct_field.type]
        if isinstance(struct_field.type, UnionType):
            types = [part for part in get_args(struct_field.type) if part is not NoneType]
        name, plain_type = struct_field.name, get_origin(types[0]) or types[0]
        settings[name] = replace(declared, name=declared.name or name, kind=plain_type)
    return MappingProxyType(settings)


def require(table: Mapping[str, Setting], settings: object) -> None:
    """Raise InvalidInput if one of these settings is out of bounds."""
    for name, row in table.items():
        row.require(getattr(settings, name))
