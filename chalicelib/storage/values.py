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
from email.utils import parsedate_to_datetime
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

    The last two patterns are kept, since an erasure asks for the same one for each item: to make
    one of 400 ids takes longer than to read an item.
    """
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, faceids))})(?![A-Za-z0-9])")


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts in a JSON value, or an item's, at any depth, but no field's name."""
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
    """Return the form, how to write and read, of a named tuple that is stored as a list.

    `kind` makes the tuple of its values, and `forms` has the form of each, in order. A later
    version may add values at the end, with defaults. So further values in the list are passed over,
    and missing ones have the defaults of `kind`.
    """
    forms = tuple(forms)

    def write_values(values: Iterable[Any]) -> list[Any]:
        return [form.write(value) for form, value in zip(forms, values, strict=True)]

    def read_values(stored: Iterable[Any]) -> Any:
        # not strict: the list may be longer or shorter, of another version
        return kind(*(form.read(value) for form, value in zip(forms, stored, strict=False)))

    return Form(write_values, read_values)


def _pack(*values: Any) -> tuple[Any, ...]:
    return values


def numbers(kind: Any, digits: int = 1) -> Form:
    """Return the form of a named tuple of floats, which is stored as a list."""
    return row(kind, [number(f".{digits}f")] * len(kind._fields))


def form_of(kind: Any) -> Form | Codec[Any]:
    """Return the form, how to write and read, of the values of a field with this annotation.

    `int | None` has the form of `int`, since None is not stored by it. A StrEnum is stored as its
    text, a Struct as its fields by name, a tuple as a list. Other types have the form in _FORMS, or
    are stored as they are (_SAME).
    """
    annotation = kind.__origin__ if get_origin(kind) is Annotated else kind
    types = [annotation]
    if NoneType in get_args(annotation):  # it is `... | None`
        types = [part for part in get_args(annotation) if part is not NoneType]
    if len(types) != 1:  # `int | str`: which one it is cannot be told of what is stored
        return _SAME
    (only,) = types
    origin = get_origin(only) or only  # of `tuple[int, str]` it is `tuple`
    if not isinstance(origin, type):  # such as Any
        return _SAME

    if issubclass(origin, tuple):
        if hints := get_type_hints(origin):  # a NamedTuple
            return row(origin, map(form_of, hints.values()))
        *value_types, last = get_args(only)
        if last is Ellipsis:  # `tuple[int, ...]`
            return many(form_of(*value_types))
        return row(_pack, map(form_of, (*value_types, last)))  # `tuple[int, str]`
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

        `names` has the attributes of fields that are stored under another name. `rare`, `nulls` and
        `apart` are fields' names with spaces between them. A rare field is left out with its
        default. Of `nulls` None is stored. Those `apart` are not stored here. `forms` are forms by
        field.
        """
        self._kind, self._names, self._forms = kind, names, forms
        self._rare, self._nulls, self._apart = rare.split(), nulls.split(), apart.split()

    whole = False

    @cached_property
    def _fields(self) -> list[_StoredField]:
        """List how each field is stored, of all fields of the class but those `apart`."""
        stored_fields = []
        for field in fields(self._kind):
            name = field.name
            if name in self._apart:
                continue
            default = field.default
            if field.default_factory is not NODEFAULT:
                default = field.default_factory()
            form = self._forms.get(name) or form_of(field.type)
            stored_fields.append(
                _StoredField(
                    name=name,
                    attribute=self._names.get(name, name),
                    form=Form(form.write, form.read, form.whole),
                    # only of a `rare` field: it is left out where it has its default
                    value_if_missing=default if name in self._rare else NODEFAULT,
                    stores_none=name in self._nulls,
                )
            )
        return stored_fields

    def write(self, record: _Record, *only_fields: str) -> dict[str, Any]:
        """Return the attributes by which a record is stored, by name.

        `only_fields` are names of fields; without any, all are meant. A field that is None is left
        out, unless the codec stores its None (`nulls`). So is a `rare` field with its default.
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
        """Return the record that `write` stored as these attributes.

        `record` has the attributes by name, `given` the values of fields that are not stored among
        them (`apart`). A field without an attribute has its default in the class.
        """
        for field in self._fields:
            if field.form.whole:  # it reads several attributes
                given[field.name] = field.form.read(record)
            elif (stored := record.get(field.attribute)) is not None:
                given[field.name] = field.form.read(stored)
            elif field.stores_none and field.attribute in record:  # its default may be another
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

    Spreadsheets take some texts for more. A name such as `=1+2` becomes a formula, an id of 16
    digits or more a number. An apostrophe before these keeps them as texts. `divider` is `;` for
    countries where a comma stands before decimals.
    """
    import csv  # not at each process's start: downloads alone need it

    def mark_text(value: Any) -> Any:
        return re.sub(_BEGIN + _NO_TEXT, r"\1'", value) if isinstance(value, str) else value

    file.write("\ufeff")  # the byte order mark, by which Excel knows UTF-8
    marked_rows = ([mark_text(value) for value in row] for row in rows)
    csv.writer(file, delimiter=divider, quoting=csv.QUOTE_ALL).writerows(marked_rows)


def one_line(text: str) -> str:
    """Return a text that no terminal obeys: control characters in it are spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


_EPOCH_MS = milliseconds(datetime(2020, 1, 1, tzinfo=UTC))
_lock = threading.Lock()
_last_ms = 0


def time_ordered_id(at: datetime) -> str:
    """Return a new id as text, a positive number of 63 bits.

    It is the milliseconds since 2020, then 21 random bits. Ids rise from call to call in a process,
    even if its clock goes back. Two processes make the same id in one millisecond once in two
    million times. So the caller stores it on condition that nothing has it. The 42 bits of
    milliseconds last until the year 2159.
    """
    global _last_ms  # the process's last id's
    with _lock:
        # at least one more than the last
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
    """Choose the version number of a new record whose key a deleted one may have had.

    It is random: a writer that read the deleted record, and writes on condition of its version,
    must not change the new one.
    """
    return secrets.randbits(_VERSION_BITS)


def format_count(number: int, one: str, many: str) -> str:
    """Say how many there are of something, as `1 hour` or `2 hours`."""
    return f"{number:,} {one if number == 1 else many}"


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def parse_retry_after_s(text: str, answered_at: str) -> float | None:
    """Return the seconds that a Retry-After means (RFC 9110, 10.2.3); None: it means none.

    `answered_at`: the answer's Date, from which a date counts: clocks differ.
    """
    if _SECONDS.fullmatch(text.strip()):
        return float(text.strip())
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answered_at)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())
