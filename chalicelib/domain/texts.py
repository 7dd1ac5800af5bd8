"""Texts that people read in mails, reports and messages to phones.

domain/languages has a file a language. A file has each text by its name, and how the
language writes numbers and days. The console has its own texts (console/words), and the notice has,
too (privacy/texts).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

Language = Literal["en", "zh", "de", "es", "fr", "it", "nl", "pt", "ar"]
"""Languages of messages; the console speaks the same ones."""

LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "en"


def _choose_arabic(count: int) -> str:
    if count < 3:
        return ("zero", "one", "two")[count]
    last = count % 100
    return "other" if last < 3 else "few" if last < 11 else "many"


_PLURALS: Mapping[str, Callable[[int], str]] = {
    "fr": lambda count: "one" if count < 2 else "other",
    "pt": lambda count: "one" if count < 2 else "other",
    "ar": _choose_arabic,
}
"""Forms of words beside a number, by Unicode's CLDR, of languages that differ from English."""

_FOLDER = Path(__file__).with_name("languages")


class Texts:
    """The texts of a language. A number in a text is written as the language writes it."""

    def __init__(self, language: str) -> None:
        # of a later version
        self._language = language if language in LANGUAGES else DEFAULT_LANGUAGE
        self._texts = _read_file(self._language)

    def write(self, name: str, **values: object) -> str:
        """Return the text of this name.

        `{word}` in it stands for a value; `count` chooses among its plurals.
        """
        found = self._texts[name]
        if not isinstance(found, str):
            found = found.get(self._choose_plural(int(str(values["count"]))), found["other"])
        return str(
            found.format_map({word: self._write_value(value) for word, value in values.items()})
        )

    def _choose_plural(self, count: int) -> str:
        choose = _PLURALS.get(self._language)
        return choose(count) if choose else "one" if count == 1 else "other"

    def write_day(self, name: str, day: date) -> str:
        """Return a day, or the hour of a datetime, in the form of this name, such as
        `date.first`."""
        return str(self._texts[name]).format(
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
        """Return what stands between the cells of CSV: a semicolon if the language has a decimal
        comma."""
        return ";" if self._texts["decimal"] == "," else ","

    def _name(self, names: str, place: int) -> str:
        return str(self._texts[names]).split()[place]

    def _write_value(self, value: object) -> str:
        return self.write_number(value) if isinstance(value, int) else str(value)


@cache
def _read_file(language: str) -> Mapping[str, Any]:
    texts: Mapping[str, Any] = json.loads(
        (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    )
    return texts
