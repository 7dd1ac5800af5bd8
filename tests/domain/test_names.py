import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.model import NewFace
from chalicelib.domain.names import (
    MAX_TERMS,
    face_name,
    fold_letters,
    is_found,
    make_terms,
    normalise_name,
    split_words,
    wanted_words,
)
from chalicelib.domain.person_texts import parse_texts
from chalicelib.storage import keys


def test_a_name_is_composed() -> None:
    assert normalise_name("Cafe\u0301", 10) == "Caf\u00e9"
    assert normalise_name("a\u0308" * 10, 10) == "\u00e4" * 10


def test_a_name_that_is_too_long_in_any_form_stays_as_it_is() -> None:
    long = "e\u0301" * 21
    assert normalise_name(long, 10) == long


def test_no_name_that_fits_when_composed_is_taken_for_too_long() -> None:
    apart = [unicodedata.normalize("NFD", chr(code)) for code in range(sys.maxunicode + 1)]
    assert max(len(each) for each in apart if len(unicodedata.normalize("NFC", each)) == 1) == 4
    for each in apart:
        assert normalise_name(each * 10, 10) == unicodedata.normalize("NFC", each * 10)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ()),
        ("Ann Lee", ("ann", "lee")),
        ("  O\u2019Brien-Stra\u00dfe  ", ("o", "brien", "strasse", "obrienstrasse")),
        ("Ann ANN ann", ("ann",)),
        ("\uff21\uff4e\uff4e", ("ann",)),
        ("\u738b\u5c0f\u660e", ("\u738b\u5c0f\u660e", "\u5c0f\u660e", "\u660e")),
        ("\u738b\u5c0f\u660eAnn", ("\u738b\u5c0f\u660e", "\u5c0f\u660e", "\u660e", "ann")),
        ("\uae40\ubbfc \uc218", ("\uae40\ubbfc", "\ubbfc", "\uc218")),
        ("a b c d e f g h i", ("a", "b", "c", "d", "e", "f", "g", "h")),
        ("\u2605 7", ("7",)),
    ],
)
def test_a_name_is_found_by_its_words_and_by_all_endings_of_a_run_without_spaces(
    name: str, expected: tuple[str, ...]
) -> None:
    assert make_terms(name) == expected


UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u202a\u202e\u2060\u3164\ufe0f\ufeff\uffa0"
)
"""Signs that nothing is drawn for, by Unicode's DerivedCoreProperties.txt."""


@pytest.mark.parametrize("sign", UNSEEN)
def test_names_that_are_the_same_to_the_eye_are_found_by_each_other(sign: str) -> None:
    plain = "Ann Lee"
    for place in range(len(plain) + 1):
        odd = plain[:place] + sign + plain[place:]
        for name, typed in ((odd, plain), (plain, odd), (odd, odd)):
            words = wanted_words(typed)
            assert is_found(make_terms(name), words), (name, typed)


@given(st.text(max_size=100))
def test_terms_fit_keys_and_find_their_name(name: str) -> None:
    held = make_terms(name)
    assert len(held) == len(set(held)) <= MAX_TERMS
    for term in held:
        key = keys.name_term(term, "f" * 64)
        assert len(key.encode("utf-8", "surrogatepass")) <= 1024
        assert keys.parts_of_name_term(key) == (term, "f" * 64)
        low, high = keys.name_terms_range(term[: len(term) // 2 + 1])
        assert low <= key <= high
        assert is_found(held, [term])


@given(st.text(max_size=100))
def test_words_are_folded_once_and_for_all(name: str) -> None:
    assert all(
        split_words(fold_letters(word)) == [word]
        for word in split_words(fold_letters(name))
        if word.isascii()
    )


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines", "\x00", "tab\tin it"])
def test_a_name_that_is_too_long_or_no_line_of_text_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        face_name(name)


def test_names_and_notes_are_kept_in_nfc() -> None:
    assert face_name(" Cafe\u0301 ") == "Caf\u00e9"
    assert parse_texts(NewFace(note="Two\nlines: e\u0301"))["note"] == "Two\nlines: \u00e9"
    with pytest.raises(InvalidInput, match="500"):
        parse_texts(NewFace(note="x" * 501))
