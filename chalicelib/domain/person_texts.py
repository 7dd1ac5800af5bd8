"""Texts about a person beside the name: each is declared here, once.

A text is stored with its face, and as long; an erasure, a restriction, a legal hold and a merge
treat it as the face's other fields. It is exported and imported, in the archive of its person, in
the data map and the record of processing, and one of a line has a row in the console. To add one,
write it and its change here, and into the three Structs of chalicelib/api/v1/faces.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Struct
from msgspec.structs import fields

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.names import is_one_line, normalise_name


class Text(Struct, frozen=True):
    """Declaration of a text of a person."""

    most: int
    """Most characters."""
    word: str
    """English name of the text in papers."""
    has_lines: bool = False
    """It may have several lines. One of a line has a row in the console by itself."""
    is_listed: bool = False
    """Lists of faces say it: `ListedFace` and the index by arrival have it, which a stage on AWS
    cannot change."""


class PersonTexts(Struct, frozen=True, kw_only=True):
    """The texts of a person; "" for a missing one."""

    note: Annotated[str, Text(500, "note", has_lines=True, is_listed=True)] = ""
    counter_note: Annotated[str, Text(200, "note for the counter")] = ""
    """A screen on the wall shows this one; the note it does not."""


class PersonTextChanges(Struct, frozen=True, kw_only=True):
    """Changes of them; None leaves one as it is."""

    note: str | None = None
    counter_note: str | None = None


TEXTS: Mapping[str, Text] = {
    field.name: said
    for field in fields(PersonTexts)
    for said in field.type.__metadata__
    if isinstance(said, Text)
}
"""Declaration of each text, by its name."""

LINES: Mapping[str, int] = {name: text.most for name, text in TEXTS.items() if not text.has_lines}
"""The most characters of each text of one line."""

WORDS = ", ".join(text.word for text in TEXTS.values())
"""Names of all of them in papers."""


def parse_texts(of: object) -> dict[str, str]:
    """Return the texts about a person, such as a note, in the form in which they are stored.

    They come by their names in TEXTS. `of` is a face, or a request with attributes of these names;
    those that are None are left out. Raises InvalidInput if a text is too long, or has several
    lines and may not.
    """
    parsed = {}
    for name, text in TEXTS.items():
        value = getattr(of, name)
        if value is not None:
            parsed[name] = _parse_text(name, text, value)
    return parsed


def _parse_text(name: str, text: Text, value: str) -> str:
    normal = normalise_name(value, text.most)
    if len(normal) > text.most:
        raise InvalidInput(
            f"{name} has up to {text.most} characters, not {len(normal)}", field=name
        )
    if not text.has_lines and not is_one_line(normal):
        raise InvalidInput(f"{name} is one line of text, without control characters", field=name)
    return normal


def copy_texts(of: object) -> dict[str, Any]:
    """Return the texts of an object, as rows of lists have them; None for each that it lacks."""
    return {name: getattr(of, name, None) for name in TEXTS}
