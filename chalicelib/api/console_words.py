"""The console's texts, by language; English ones replace those that a language lacks.

A folder's English file says which words its pages have; those of events and of a person's texts
stand where these are declared (domain/events, domain/person_texts). Another language has them in a
file of that folder, or all of them in one: `words/pl.json`. What is wrong with a camera is said as
messages say it, in each language (domain/languages).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain import texts as messages
from chalicelib.domain.events import EVENTS
from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.rules.camera_states import TROUBLES
from chalicelib.domain.texts import DEFAULT_LANGUAGE, READ_BY, is_like
from chalicelib.privacy import texts as papers

Table = Mapping[str, Any]
"""Texts by name; a mapping has a text's plurals."""

_FILE = re.compile(r"\./console/(\w+)/(?:words\.)?(\w+)\.json")
"""Names of files of words, of which the language is the last or the last but one:
`words/de.json`, `admin/words.de.json`."""
_OF_EVERY_PAGE = re.compile(r"\./console/(\w+)/words\.json")
"""Name of a file as it is served, of the words of every page."""

OF_MESSAGES = tuple(f"camera.{trouble}" for trouble in TROUBLES)
"""Words of every page that messages say, too."""

DECLARED: Mapping[str, Table] = {
    "words": messages.read_own(DEFAULT_LANGUAGE, OF_MESSAGES),
    "admin": {f"set.events.{kind}": event.WORDS for kind, event in EVENTS.items()},
    "people": {f"person.{name}": text.word.capitalize() for name, text in TEXTS.items()},
}
"""English words that stand beside what they name, by the folder of their pages."""

_WAITS = "page.waits"
"""Words of the page before it has any other file."""


def read_tables(texts: Mapping[str, str]) -> dict[str, dict[str, Table]]:
    """Return the words by language and folder.

    `texts`: files by the names that modules import; others than words are left out.
    """
    tables: dict[str, dict[str, Table]] = {}
    for name, text in texts.items():
        if match := _FILE.fullmatch(name):
            folder, language = match.groups()
            declared = _list_declared(folder, language)
            tables.setdefault(language, {})[folder] = {**json.loads(text), **declared}
    return tables


def _list_declared(folder: str, language: str) -> Table:
    if language == DEFAULT_LANGUAGE:
        return DECLARED.get(folder, {})
    return messages.read_own(language, OF_MESSAGES) if folder == "words" else {}


def join_tables(tables: Mapping[str, Table]) -> Table:
    """Return all words of a language. `tables`: by their folders."""
    return {name: text for table in tables.values() for name, text in table.items()}


def fill_table(english: Table, own: Table) -> Table:
    """Return the texts of an English table in another language.

    English stands in, too, for a text that has not its values, since it has changed. Plurals that
    stand in say so: `in` is the language whose rules choose among them.
    """
    return {
        name: own[name] if name in own and is_like(own[name], text) else _stand_in(text)
        for name, text in english.items()
    }


def _stand_in(text: Any) -> Any:
    return text if isinstance(text, str) else {**text, "in": DEFAULT_LANGUAGE}


def fill_words(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the words as they are served: a folder a language, with a file for each English one.

    `texts`: as for `read_tables`.
    """
    tables = read_tables(texts)
    served = {}
    for language, own_tables in tables.items():
        own = join_tables(own_tables)
        for folder, english in tables[DEFAULT_LANGUAGE].items():
            table = english if language == DEFAULT_LANGUAGE else fill_table(english, own)
            if folder == "words" and READ_BY in own:
                table = {**table, READ_BY: own[READ_BY]}
            served[f"./console/{language}/{folder}.json"] = json.dumps(
                table, ensure_ascii=False, separators=(",", ":")
            )
    return served


def list_languages(served: Mapping[str, str]) -> dict[str, dict[str, bool]]:
    """Return the languages of the console, of messages and of printed documents, each with whether
    its texts were reviewed."""
    words = _of_every_page(served)
    names = sorted(words, key=lambda name: (name != DEFAULT_LANGUAGE, name))
    return {
        "console": {name: name == DEFAULT_LANGUAGE or READ_BY in words[name] for name in names},
        "messages": {name: messages.is_read(name) for name in messages.LANGUAGES},
        "papers": {name: papers.is_read(name) for name in papers.LANGUAGES},
    }


def list_waiting(served: Mapping[str, str]) -> dict[str, str]:
    """Return the page's loading text in each language that has one."""
    words = {name: str(table[_WAITS]) for name, table in _of_every_page(served).items()}
    english = words[DEFAULT_LANGUAGE]
    own = {name: text for name, text in words.items() if text != english}
    return {DEFAULT_LANGUAGE: english, **own}


def _of_every_page(served: Mapping[str, str]) -> dict[str, Table]:
    return {
        match[1]: json.loads(text)
        for name, text in served.items()
        if (match := _OF_EVERY_PAGE.fullmatch(name))
    }
