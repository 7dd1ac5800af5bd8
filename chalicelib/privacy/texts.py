"""Texts that people read. chalicelib/privacy/languages has a file a language, so that a lawyer
reads one file.

A file has the texts by kind of page, and by what they say: the notice, the receipt, the archive,
and the places and values in it. The English of places is theirs (privacy/data_map). Of what an
archive lacks, the English is taken. A notice or a receipt that lacks a sentence is English as a
whole, so that no sheet mixes two languages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.texts import DEFAULT_LANGUAGE, READ_BY, is_like, list_languages

_FOLDER = Path(__file__).with_name("languages")

LANGUAGES = list_languages(_FOLDER)
"""Languages of the notice, the receipt and the archive."""

if TYPE_CHECKING:
    Language = str
else:
    Language = Literal[LANGUAGES]

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ku", "ps", "ur", "yi"})
_ISOLATE, _END = "\u2068", "\u2069"
"""Of Unicode: what stands between them keeps its own direction (UAX 9, first strong isolate)."""


@cache
def _file_of(language: str) -> Mapping[str, Any]:
    words: Mapping[str, Any] = json.loads(
        (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    )
    return words


def words_of(kind: str, language: str) -> Mapping[str, str]:
    """Return the texts of a kind of page, by their names; English ones where the language lacks
    some."""
    return {**list_english(kind), **_read_own(kind, language)}


def _read_own(kind: str, language: str) -> Mapping[str, str]:
    """Return the words of a language without those of which the English has changed since."""
    english = list_english(kind)
    own: Mapping[str, str] = _file_of(language).get(kind, {})
    return {name: text for name, text in own.items() if is_like(text, english.get(name, text))}


def list_english(kind: str) -> Mapping[str, str]:
    """Return the English texts of a kind of page, including those about a person."""
    of_texts = {name: text.word for name, text in TEXTS.items()} if kind == "archive" else {}
    return {**_file_of(DEFAULT_LANGUAGE).get(kind, {}), **of_texts}


def choose_language(language: Language, *kinds: str) -> Language:
    """Return the language if it has all words of these kinds of pages, else English."""
    lacks_some = any(list_english(kind).keys() - _read_own(kind, language) for kind in kinds)
    return DEFAULT_LANGUAGE if lacks_some else language


def is_read(language: Language) -> bool:
    """Tell whether the texts of a language were reviewed; the English ones count as such."""
    return language == DEFAULT_LANGUAGE or READ_BY in _file_of(language)


def direction_of(language: str) -> Literal["ltr", "rtl"]:
    """Return in which direction the language is written."""
    return "rtl" if language in _RIGHT_TO_LEFT else "ltr"


def isolate(text: str, language: str) -> str:
    """Keep a name, an address or a number as it is in a sentence that runs from right to left."""
    return f"{_ISOLATE}{text}{_END}" if language in _RIGHT_TO_LEFT and text else text
