"""Names in NFC, at a cost that their length bounds."""

from __future__ import annotations

import sys
import unicodedata

from chalicelib.core.names import composed


def test_a_name_is_composed() -> None:
    assert composed("Cafe\u0301", 10) == "Caf\u00e9"
    assert composed("a\u0308" * 10, 10) == "\u00e4" * 10


def test_a_name_that_is_too_long_in_any_form_stays_as_it_is() -> None:
    long = "e\u0301" * 21
    assert composed(long, 10) == long


def test_no_name_that_fits_when_composed_is_taken_for_too_long() -> None:
    apart = [unicodedata.normalize("NFD", chr(code)) for code in range(sys.maxunicode + 1)]
    assert max(len(each) for each in apart if len(unicodedata.normalize("NFC", each)) == 1) == 4
    for each in apart:
        assert composed(each * 10, 10) == unicodedata.normalize("NFC", each * 10)
