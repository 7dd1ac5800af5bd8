"""Genders as people's tables have them: in any case, and in words and letters of the nine languages
of the console."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Gender = str
"""`female`, `male` or `unknown`."""


class _Language(NamedTuple):
    """Words of a language, and the ways in which its tables write letters in place of them, each
    the letters of women and of men."""

    female: str
    male: str
    codes: tuple[tuple[str, str], ...] = ()


_LANGUAGES = (
    _Language("female woman girl", "male man boy", (("fw", "m"),)),
    _Language("weiblich frau", "männlich maennlich mann herr", (("fw", "m"), ("fw", "h"))),
    _Language("femme feminin feminine", "homme masculin masculine", (("f", "m"), ("f", "h"))),
    _Language(
        "femenino femenina mujer",
        "masculino hombre varón",
        (("f", "m"), ("m", "h"), ("m", "v"), ("", "hv")),
    ),
    _Language("femminile femmina donna", "maschile maschio masculino uomo", (("f", "m"),)),
    _Language("vrouw vrouwelijk", "man mannelijk", (("v", "m"), ("v", "h"))),
    _Language("feminino feminina mulher", "masculino masculina homem", (("f", "m"), ("m", "h"))),
    _Language("أنثى امرأة", "ذكر رجل"),
    _Language("女 女性 女士", "男 男性 先生"),
)


def _fold(text: str) -> str:
    """Return a word without accents, cases, blanks and its last dot."""
    decomposed = unicodedata.normalize("NFKD", text.strip().rstrip("."))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).casefold()


_GENDERS = {
    **{_fold(word): "female" for one in _LANGUAGES for word in one.female.split()},
    **{_fold(word): "male" for one in _LANGUAGES for word in one.male.split()},
}
_LETTERS = frozenset("fhmvw")

_UNKNOWN = frozenset({"", "-", "?", "unknown"})


def choose_words(column: Iterable[str]) -> Mapping[str, Gender]:
    """Return the genders by their words, as the cells of a column mean them.

    A letter may be of two genders: M is `man` or `mujer`, V `vrouw` or `varón`. It is left out
    unless the column's words, or its other letters, tell which.
    """
    cells = set(map(_fold, column))
    letters = cells & _LETTERS
    named = [
        one for one in _LANGUAGES if cells & {*map(_fold, (*one.female.split(), *one.male.split()))}
    ]
    if letters == {"m"} and not named:
        return {**_GENDERS, "m": "male"}
    codes = [code for one in named for code in one.codes]  # Arabic and Chinese have none
    codes = codes or [code for one in _LANGUAGES for code in one.codes]
    fitting_codes = [code for code in codes if letters <= {*"".join(code)}] or codes
    genders_by_letter = {
        letter: {
            "female" if letter in female else "male"
            for female, male in fitting_codes
            if letter in female + male
        }
        for letter in letters
    }
    known = {letter: min(found) for letter, found in genders_by_letter.items() if len(found) == 1}
    return {**_GENDERS, **known}


def find_gender(text: str, words: Mapping[str, Gender]) -> Gender:
    """Return the gender that a cell says; "unknown": it says none that we have."""
    return words.get(_fold(text), "unknown")


def is_unread(text: str, words: Mapping[str, Gender]) -> bool:
    """Tell whether a cell says something that is no gender of ours."""
    return _fold(text) not in {*words, *_UNKNOWN}
