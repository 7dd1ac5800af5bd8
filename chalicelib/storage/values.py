"""Forms, in which times, numbers, texts and records are stored and read again, and new identifiers.

Stored are whole milliseconds since 1970, UTC; Decimals with a number of digits.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType, NoneType
from typing import (
    IO,
    Annotated,
    Any,
    Generic,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

_T = TypeVar("_T")
_Record = TypeVar("_Record", bound=Struct)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_NO_TEXT = r"""(?='*["\s]*([=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\d{16}))"""
_BEGIN = r"(^|[;\t\r\n])"
"""The place before what a spreadsheet takes for a formula, or for a number of more digits than it
keeps. The last four signs are as wide as Chinese characters. It may divide cells by semicolons, and
then takes quotes for a part of them. Compiled with the first download: each function imports this
module."""

_RANDOM_BITS = 21

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_VERSION_BITS = 48


def milliseconds(at: datetime) -> int:
    """Return the whole milliseconds since 1970.

    From 2038 on `int(timestamp() * 1000)` is often one less.
    """
    return (at - _EPOCH) // timedelta(milliseconds=1)


def moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(ms))


def time_text(at: datetime) -> str:
    """Write a time as events and answers do, RFC 3339 in UTC: `2026-11-20T10:22:40.123Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of_text(text: str) -> datetime:
    """Invert `time_text`."""
    return datetime.fromisoformat(text)


def parse_optional(read: Callable[[Any], _T], value: Any) -> _T | None:
    """Read a value that may be None."""
    return None if value is None else read(value)


@lru_cache(maxsize=2)
def make_ids_pattern(faceids: frozenset[str]) -> re.Pattern[str]:
    """Return a pattern that finds one of the ids in a text, but not as a part of another id.

    It is made once for all items of an erasure: of 400 ids it takes longer than to read an item.
    """
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, faceids))})(?![A-Za-z0-9])")


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, or an item's: not a field's name, but all that is in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts_of(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_of(part)


def omit_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the fields that are None, so that they take no room."""
    return {name: value for name, value in fields.items() if value is not None}


class Form(NamedTuple):
    """The way in which a value that is not None is stored, and read again."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    whole: bool = False
    """`write` makes several attributes of the record, also of None, and `read` is given the whole
    record."""


def number(spec: str) -> Form:
    """Return the form of a float that keeps the digits of a format, such as ".3f"."""
    return Form(lambda value: Decimal(format(value, spec)), float)


def many(form: Form | Codec[Any]) -> Form:
    """Return the form of a tuple of values of this form."""
    return Form(
        lambda values: list(map(form.write, values)), lambda stored: tuple(map(form.read, stored))
    )


def row(kind: Callable[..., Any], forms: Iterable[Form | Codec[Any]]) -> Form:
    """Return the form in which a named tuple is stored: a list of its values, without names.

    `kind`: makes the tuple of its values; `forms`: one for each. A later version may add values at
    the end, with defaults. So what this one does not know is passed over, and what lacks has its
    default.
    """
    writes, reads = zip(*((form.write, form.read) for form in forms), strict=True)

    def write_values(values: Iterable[Any]) -> list[Any]:
        return [write(value) for write, value in zip(writes, values, strict=True)]

    def read_values(stored: Iterable[Any]) -> Any:
        return kind(*(read(value) for read, value in zip(reads, stored, strict=False)))

    return Form(write_values, read_values)


def _pack(*values: Any) -> tuple[Any, ...]:
    return values


def numbers(kind: Any, digits: int = 1) -> Form:
    """Return the form of a named tuple of floats, which is stored as a list."""
    return row(kind, [number(f".{digits}f")] * len(kind._fields))


def form_of(kind: Any) -> Form | Codec[Any]:
    """Return the form, how to write and read, of the values of a field with this annotation.

    `int | None` has the form of `int`. A StrEnum is its text, a Struct its fields by their names, a
    tuple a list: of its named fields, of so many values, or of any number (`tuple[int, ...]`).
    Other types have the form in _FORMS, or are stored as they are.
    """
    whole = kind.__origin__ if get_origin(kind) is Annotated else kind
    kinds = [whole]
    if NoneType in get_args(whole):  # it is `... | None`
        kinds = [part for part in get_args(whole) if part is not NoneType]
    if len(kinds) != 1:
        return _SAME
    (only,) = kinds
    origin = get_origin(only) or only  # of `tuple[int, str]` it is `tuple`
    if not isinstance(origin, type):
        return _SAME

    if issubclass(origin, tuple):
        if hints := get_type_hints(origin):
            return row(origin, map(form_of, hints.values()))
        *kinds, last = get_args(only)
        if last is Ellipsis:
            return many(form_of(*kinds))
        return row(_pack, map(form_of, (*kinds, last)))
    if issubclass(origin, Struct):
        return Codec(origin)
    if issubclass(origin, StrEnum):
        return Form(str, origin)
    form: Form = _FORMS.get(origin, _SAME)
    return form


class _StoredField(NamedTuple):
    """A field of a class, and the attribute in which it is stored."""

    name: str
    attribute: str
    form: Form
    value_if_missing: Any
    """the value that a reader takes for a missing attribute; NODEFAULT: there is none"""
    stores_none: bool
    """whether None is stored, too"""


class Codec(Generic[_Record]):
    """The way in which the records of a class are stored and read, field by field, by the fields'
    annotations.

    `names`: the attribute of a field, if it has another name. `rare`: fields that are left out if
    they have their default. `nulls`: fields whose None is stored; of the others, None is left out.
    `apart`: fields that are not stored here; `read` is given them. `forms`: the forms of fields
    that are stored otherwise than their annotation says.
    """

    def __init__(
        self,
        kind: type[_Record],
        names: Mapping[str, str] = MappingProxyType({}),
        *,
        rare: str = "",
        nulls: str = "",
        apart: str = "",
        **forms: Form | Codec[Any],
    ) -> None:
        """Take the class of the records, and what of it its annotations do not say.

        All are of fields; `rare`, `nulls` and `apart` are names with spaces between them.
        """
        self._kind, self._names, self._forms = kind, names, forms
        self._rare, self._nulls, self._apart = rare.split(), nulls.split(), apart.split()

    whole = False

    @cached_property
    def _fields(self) -> list[_StoredField]:
        """List the fields that are stored, each with its attribute, its form, and what a missing
        one means."""
        table = []
        for field in fields(self._kind):
            name = field.name
            if name in self._apart:
                continue
            default = field.default
            if field.default_factory is not NODEFAULT:
                default = field.default_factory()
            form = self._forms.get(name) or form_of(field.type)
            table.append(
                _StoredField(
                    name=name,
                    attribute=self._names.get(name, name),
                    form=Form(form.write, form.read, form.whole),
                    value_if_missing=default if name in self._rare else NODEFAULT,
                    stores_none=name in self._nulls,
                )
            )
        return table

    def write(self, record: _Record, *only_fields: str) -> dict[str, Any]:
        """Return the attributes by which a record is stored. `only_fields`: of these; none: of all.

        Left out are a None, but for the fields in `nulls`, and a `rare` field that has its default.
        """
        attributes: dict[str, Any] = {}
        for field in self._fields:
            if only_fields and field.name not in only_fields:
                continue
            value = getattr(record, field.name)
            if field.form.whole:  # it makes several attributes, also of None
                attributes.update(field.form.write(value))
            elif value is not None:
                if value != field.value_if_missing:
                    attributes[field.attribute] = field.form.write(value)
            elif field.stores_none:
                attributes[field.attribute] = None
        return attributes

    def read(self, record: Mapping[str, Any], **given: Any) -> _Record:
        """Return the record of these attributes, as `write` makes them.

        `given`: the values of the fields that are stored apart. A field without an attribute has
        the default of its class.
        """
        for field in self._fields:
            if field.form.whole:  # it reads several attributes
                given[field.name] = field.form.read(record)
            elif (stored := record.get(field.attribute)) is not None:
                given[field.name] = field.form.read(stored)
            elif field.stores_none and field.attribute in record:
                given[field.name] = None
        return self._kind(**given)

    def make_list_form(self) -> Form:
        """Return the form of a record that is stored as a list of its values; a further field comes
        behind."""
        return Form(
            lambda value: [*map(self.write(value).get, self._attributes)],
            lambda stored: self.read(self.name_values(stored)),
        )

    def name_values(self, stored: Iterable[Any]) -> Mapping[str, Any]:
        """Name the values of a list."""
        return dict(zip(self._attributes, stored, strict=False))

    @cached_property
    def _attributes(self) -> list[str]:
        return [field.attribute for field in self._fields]


def _same(value: Any) -> Any:
    return value


_SAME = Form(_same, _same)
_FORMS = {
    int: Form(_same, int),
    bytes: Form(_same, bytes),
    float: Form(lambda value: Decimal(str(value)), float),
    datetime: Form(milliseconds, moment),
    frozenset: Form(sorted, frozenset),
    Mapping: Form(dict, _same),
}
HEX = Form(bytes.fromhex, lambda stored: bytes(stored).hex())
"""Of a text of hexadecimal digits, stored as bytes."""


def write_rows(rows: Iterable[Iterable[Any]], file: IO[str], divider: str = ",") -> None:
    """Write a table as CSV for spreadsheets, into a file of UTF-8.

    It begins with the mark by which Excel knows UTF-8. An apostrophe keeps two things as texts: a
    formula, which a name might hold, and an id of 16 digits or more. `divider`: `;` where a comma
    stands before decimals.
    """
    import csv  # of a download alone

    def mark_text(value: Any) -> Any:
        return re.sub(_BEGIN + _NO_TEXT, r"\1'", value) if isinstance(value, str) else value

    file.write("\ufeff")
    marked_rows = ([mark_text(value) for value in row] for row in rows)
    csv.writer(file, delimiter=divider, quoting=csv.QUOTE_ALL).writerows(marked_rows)


def unmark_text(text: str) -> str:
    """Return a cell as it was before `write_rows` put apostrophes in."""
    return re.sub(f"{_BEGIN}'{_NO_TEXT}", r"\1", text)


def one_line(text: str) -> str:
    """Return a text that no terminal obeys: control characters in it are spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


_EPOCH_MS = milliseconds(datetime(2020, 1, 1, tzinfo=UTC))
_lock = threading.Lock()
_last_ms = 0


def time_ordered_id(at: datetime) -> str:
    """Return a new id as text, a positive 63-bit number: milliseconds, then 21 random bits.

    Ids rise from call to call within a process, even if its clock goes back. Storing one under a
    condition makes it unique: two processes in one millisecond collide once in two million. 63 - 21
    bits of milliseconds last until the year 2159.
    """
    global _last_ms
    with _lock:
        _last_ms = max(_last_ms + 1, milliseconds(at) - _EPOCH_MS)
        return str(_last_ms << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS))


def made_at(id_: str) -> datetime:
    """Return when an id was made by `time_ordered_id`."""
    return moment((int(id_) >> _RANDOM_BITS) + _EPOCH_MS)


def nonce() -> str:
    """Make a short random name, so that no two objects share one."""
    return secrets.token_hex(8)


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID as it is usually written, in any case."""
    return _UUID.fullmatch(text) is not None


def photo_id(sha256: str) -> str:
    """Make a photo's id, 32 hexadecimal digits, from the 64 of its bytes' SHA-256: the same photo
    has the same id."""
    return sha256[:32]


def first_version() -> int:
    """Choose the first version of a record whose key may be used again after a deletion.

    It is random, so that a writer that read the deleted record fails its condition on the new one.
    """
    return secrets.randbits(_VERSION_BITS)


def format_count(number: int, one: str, many: str) -> str:
    """Say how many there are of something, as `1 hour` or `2 hours`."""
    return f"{number:,} {one if number == 1 else many}"
