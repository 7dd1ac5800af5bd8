"""Genders as people's tables have them: in any case, by first letter, and in the nine languages of
the console."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from chalicelib.domain.pictures import Gender

_WORDS = {
    Gender.FEMALE: (
        "female woman girl f w v weiblich frau femme feminin feminine femenino femenina mujer "
        "femminile femmina donna vrouw vrouwelijk feminino mulher feminina أنثى امرأة 女 女性 女士"
    ),
    Gender.MALE: (
        "male man boy m h männlich maennlich mann herr homme masculin masculine masculino hombre "
        "varón maschile maschio uomo mannelijk homem masculina ذكر رجل 男 男性 先生"
    ),
}


def _fold(text: str) -> str:
    """Return a word without accents, cases, blanks and its last dot."""
    decomposed = unicodedata.normalize("NFKD", text.strip().rstrip("."))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign)).casefold()


_GENDERS = {_fold(word): gender for gender, words in _WORDS.items() for word in words.split()}
_SPANISH = frozenset({"h", "m"})
"""Letters of `hombre` and `mujer`."""

_UNKNOWN = frozenset({"", "-", "?", "unknown"})


def choose_words(column: Iterable[str]) -> Mapping[str, Gender]:
    """Return the genders by their words, as the cells of a column mean them.

    M is `mujer` if there is H beside it, and neither F nor V nor W.
    """
    letters = {folded for folded in map(_fold, column) if len(folded) == 1}
    if letters >= _SPANISH and letters.isdisjoint("fvw"):
        return {**_GENDERS, "m": Gender.FEMALE}
    return _GENDERS


def find_gender(text: str, words: Mapping[str, Gender]) -> Gender:
    """Return the gender that a cell says; Gender.UNKNOWN: it says none that we have."""
    return words.get(_fold(text), Gender.UNKNOWN)


def is_unread(text: str, words: Mapping[str, Gender]) -> bool:
    """Tell whether a cell says something that is no gender of ours."""
    return _fold(text) not in {*words, *_UNKNOWN}
