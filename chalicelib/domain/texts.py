"""Texts that people read in mails, reports and messages to phones.

domain/languages has a file a language. A file has texts by their names, and how the language writes
numbers and days; of what it lacks, the English is taken. Its `plurals` are the forms of a word
beside a number, and `plural` chooses among them, both as in the header of a file of gettext. The
console has its own texts (console/words), and the notice has, too (privacy/texts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT_LANGUAGE = "en"
"""The source: its words stand in for those that another language lacks."""
READ_BY = "read.by"
"""Name of a text of a file that says who has read its words; without, nobody has."""

_FOLDER = Path(__file__).with_name("languages")


_VALUE = re.compile(r"\{(\w+)")


def is_like(text: Any, english: Any) -> bool:
    """Tell whether a text has the same placeholders as the English one; otherwise that one has
    changed since."""
    return _list_values(text) == _list_values(english)


def _list_values(text: Any) -> set[str]:
    forms = [text] if isinstance(text, str) else text.values()
    return {name for form in forms for name in _VALUE.findall(form)}


def list_languages(folder: Path) -> tuple[str, ...]:
    """Return the languages of a folder with a file for each, English first."""
    languages = {path.stem for path in folder.glob("*.json")}
    return DEFAULT_LANGUAGE, *sorted(languages - {DEFAULT_LANGUAGE})


LANGUAGES = list_languages(_FOLDER)
"""Languages of messages."""


class Texts:
    """The texts of a language. A number in a text is written as the language writes it."""

    def __init__(self, language: str) -> None:
        # of a later version
        self._language = language if language in LANGUAGES else DEFAULT_LANGUAGE
        self._own = _read_own(self._language)
        self._texts = {**_read_file(DEFAULT_LANGUAGE), **self._own}

    def write(self, name: str, **values: object) -> str:
        """Return the text of this name in the language, with the values put in.

        `{word}` in the text stands for the value `word`. A text may have several forms ("one",
        "other"), of which the value `count` chooses one. What the language lacks is in English,
        with the rule of English plurals.
        """
        found = self._texts[name]
        if not isinstance(found, str):  # plurals
            language = self._language if name in self._own else DEFAULT_LANGUAGE
            plural = _choose_plural(language, int(str(values["count"])))
            found = found[plural] if plural in found else found["other"]
        written_values = {word: self._write_value(value) for word, value in values.items()}
        return str(found.format_map(written_values))

    def write_day(self, name: str, day: date) -> str:
        """Return a day, or the hour of a datetime, as the language writes it in the form `name`.

        Forms, such as `date.first`, are texts of the language. Their fields stand for parts of a
        date, such as `{day} {month_name} {year}`.
        """
        form = str(self._texts[name])
        return form.format(
            year=day.year,
            month=day.month,
            day=day.day,
            hour=day.hour if isinstance(day, datetime) else 0,
            month_name=self._name("months", day.month - 1),
            month_short=self._name("months.short", day.month - 1),
            weekday_name=self._name("weekdays", day.weekday()),
            weekday_short=self._name("weekdays.short", day.weekday()),
        )

    def write_number(self, number: int) -> str:
        """Return a whole number with the marks of its thousands."""
        return f"{number:,}".replace(",", str(self._texts["thousands"]))

    @property
    def separator(self) -> str:
        """Return the separator of CSV cells: a semicolon if the language has a decimal comma."""
        return ";" if self._texts["decimal"] == "," else ","

    def _name(self, names: str, place: int) -> str:
        return str(self._texts[names]).split()[place]

    def _write_value(self, value: object) -> str:
        return self.write_number(value) if isinstance(value, int) else str(value)


def is_read(language: str) -> bool:
    """Tell whether the texts of a language were reviewed; the English ones count as such."""
    return language == DEFAULT_LANGUAGE or READ_BY in _read_file(language)


def read_own(language: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the texts of these names that a language has itself; none if it has no file."""
    own = _read_own(language) if language in LANGUAGES else {}
    return {name: own[name] for name in names if name in own}


def _choose_plural(language: str, count: int) -> str:
    """Return which form of a word stands beside a number."""
    plurals, choose = _read_plurals(language)
    return plurals[choose(count)]


@cache
def _read_own(language: str) -> Mapping[str, Any]:
    """Return the texts of a language that fit the English ones: they have the same `{values}`.

    Others were translated before the English changed, and are left out. Forms of dates (`date...`)
    are kept always, since each language may name other values in them.
    """
    english = _read_file(DEFAULT_LANGUAGE)
    return {
        name: text
        for name, text in _read_file(language).items()
        if name.startswith("date") or is_like(text, english.get(name, text))
    }


@cache
def _read_plurals(language: str) -> tuple[list[str], Callable[[int], int]]:
    """Return the forms of a word beside a number, and which of them it is; English ones unless the
    language says others."""
    from gettext import c2py

    own = _read_file(language)
    texts = own if "plural" in own else _read_file(DEFAULT_LANGUAGE)
    return texts["plurals"].split(), c2py(texts["plural"])


@cache
def _read_file(language: str) -> Mapping[str, Any]:
    texts: Mapping[str, Any] = json.loads(
        (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    )
    return texts
