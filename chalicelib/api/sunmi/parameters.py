"""An endpoint's own parameters, read as leniently as the camera's documented examples need.

Names are trimmed and their first letter may have either case, `facdid` means `faceid`, and a list may have typographic
quotes or none. Signatures are checked on the text that was sent, before any of this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.api.forms import Form
from chalicelib.api.named import Texts, each_once, is_unicode
from chalicelib.core.errors import InvalidInput

if TYPE_CHECKING:
    from chalicelib.api.multipart import Part

PUBLIC = frozenset({"app_id", "random", "timestamp", "sign", "sign_type", "sn"})
ITEMS = frozenset(f"item{place}" for place in range(1, 6))
"""Attributes of a group by place; addFace may also send them by name."""

ALIASES = {"facdid": "faceid"}
_NUMBER = re.compile(r"-?[0-9]+")
_LONGEST_NUMBER = 18
_LONGEST_ID = 250
"""Far longer than any id that exists, and 100 of them still fit into a stored answer."""
_DOUBLE_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\uff02", '"'))
_QUOTES = str.maketrans(dict.fromkeys("\u201c\u201d\uff02\u2018\u2019'", '"'))
"""Typographic double, full-width and single quotes; also those of a list as Python prints it."""
_ANY_QUOTE = "\"\u201c\u201d\uff02\u2018\u2019'"
_COMMAS = re.compile("[,\uff0c]")
"""ASCII and full-width."""


def own_name(sent: str, own: Collection[str]) -> str:
    """Return our parameter's name that was meant, or the trimmed name if none was."""
    name = sent.strip()
    lowered = name[:1].lower() + name[1:]
    return lowered if lowered in own else name


def chosen(uploads: Iterable[Part]) -> list[Part]:
    """Return the files, without the empty ones that a browser sends for file fields left empty."""
    return [upload for upload in uploads if upload.filename or upload.data]


@dataclass(frozen=True)
class Parameters(Texts):
    """Parameters and files by name. Unless a method says otherwise, an empty parameter counts as not sent."""

    files: Mapping[str, bytes]
    own: frozenset[str]
    """Names of this endpoint's parameters; others may be a group's attributes."""

    @classmethod
    def of(cls, form: Form, own: frozenset[str]) -> Parameters:
        """Read the parameters of a form. Raises InvalidInput if one name, leniently read, was sent twice."""
        known = own | PUBLIC | {alias for alias, name in ALIASES.items() if name in own}

        def meant(sent: str) -> str:
            name = own_name(sent, known)
            return ALIASES.get(name, name) if name in known else name

        fields = [(meant(name), value) for name, value in form.fields]
        files = [(meant(upload.name), upload.data) for upload in chosen(form.uploads)]
        each_once([*fields, *files])
        return cls(dict(fields), dict(files), own)

    def required_maybe_empty(self, name: str) -> str:
        if name not in self.values:
            raise InvalidInput(f"{name} is missing: it is required")
        return self.values[name]

    def number(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        """Read a whole number in ASCII digits, within `low` .. `high` if given; None if not sent.

        Raises InvalidInput.
        """
        text = self.text(name)
        return None if text is None else _number(name, text, low, high)

    def required_number(self, name: str) -> int:
        return _number(name, self.required(name))

    def texts(self, name: str) -> list[str]:
        """Read a required list of texts of any length."""
        return read_list(name, self.required(name))

    def ids(self, name: str) -> list[str]:
        """Read a required list of texts of 1 to _LONGEST_ID characters."""
        items = self.texts(name)
        if not all(0 < len(item) <= _LONGEST_ID for item in items):
            raise InvalidInput(f"each text of {name} has 1 to {_LONGEST_ID} characters")
        return items

    def file(self, name: str) -> bytes | None:
        """Return the bytes of an uploaded file; None if there is none.

        Raises InvalidInput for a file sent as text.
        """
        if self.text(name) is not None:
            raise InvalidInput(f"{name} is sent as a file, in multipart/form-data with a file name")
        return self.files.get(name)

    def required_file(self, name: str) -> bytes:
        data = self.file(name)
        if data is None:
            raise InvalidInput(f"{name} is missing: send it as a file, in multipart/form-data")
        return data

    def others(self) -> dict[str, str]:
        """Return `itemN` and all names that are not the endpoint's own; they may be attributes of the group.

        Empty ones are included.
        """
        taken = (self.own - ITEMS) | PUBLIC
        return {name: value for name, value in self.values.items() if name not in taken}


def read_list(name: str, text: str) -> list[str]:
    """Read a JSON array of texts, also with other quotes; a text that is not JSON is split at its commas."""
    # Single quotes last: within double ones they are apostrophes.
    for written in (text, text.translate(_DOUBLE_QUOTES), text.translate(_QUOTES)):
        try:
            parsed = json.loads(written, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            continue
        if isinstance(parsed, list):
            return _texts(name, parsed)
        if isinstance(parsed, dict):
            raise InvalidInput(f'{name} is a list such as ["105"], not an object')
    inner = text.strip().removeprefix("[").removesuffix("]")
    return _texts(name, [item.strip().strip(_ANY_QUOTE).strip() for item in _COMMAS.split(inner)])


def _texts(name: str, items: list[Any]) -> list[str]:
    for item in items:
        if not isinstance(item, str) or not is_unicode(item):
            raise InvalidInput(f'{name} is a list of texts such as ["105"]')
    return items


def _number(name: str, text: str, low: int | None = None, high: int | None = None) -> int:
    value = _whole(text)
    if value is None or not (low is None or low <= value) or not (high is None or value <= high):
        limits = f" from {low} to {high}" if low is not None and high is not None else ""
        limits = f" from {low}" if low is not None and high is None else limits
        raise InvalidInput(f"{name} is a whole number{limits}, not {text[:40]!r}")
    return value


def _whole(text: str) -> int | None:
    """Parse a number; None if the text is none.

    A number of more than 18 digits counts as the largest of 18, because no parameter allows either.
    """
    if not _NUMBER.fullmatch(text):
        return None
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text)
    digits = digits.lstrip("0") or "0"
    return sign * int(digits if len(digits) <= _LONGEST_NUMBER else "9" * _LONGEST_NUMBER)
