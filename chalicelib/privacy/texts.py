"""Texts that people read. chalicelib/privacy/languages has a file a language, so that a lawyer
reads one file.

A file has the texts by kind of page, and by what they say: the notice, the receipt, the archive and
the places in it. The English of places is theirs (privacy/data_map).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "zh", "de", "fr", "es", "it", "nl", "pt", "ar"]
"""Languages of the notice, the receipt and the archive."""

LANGUAGES: tuple[Language, ...] = get_args(Language)

_RIGHT_TO_LEFT = frozenset({"ar"})
_ISOLATE, _END = "\u2068", "\u2069"
"""Of Unicode: what stands between them keeps its own direction (UAX 9, first strong isolate)."""

_FOLDER = Path(__file__).resolve().parent / "languages"


@cache
def _file_of(language: str) -> Mapping[str, Mapping[str, str]]:
    words: Mapping[str, Mapping[str, str]] = json.loads(
        (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    )
    return words


def words_of(kind: str, language: str) -> Mapping[str, str]:
    """Return the words of a kind of page, by what they say."""
    return _file_of(language)[kind]


def direction_of(language: str) -> Literal["ltr", "rtl"]:
    """Return in which direction the language is written."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def isolate(text: str, language: str) -> str:
    """Keep a name, an address or a number as it is in a sentence that runs from right to left."""
    return f"{_ISOLATE}{text}{_END}" if language in _RIGHT_TO_LEFT and text else text
