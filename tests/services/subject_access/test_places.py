"""Every table either holds something about people, which an archive gives, or nothing about any."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.core import keys
from chalicelib.services.subject_access.page import CHINESE, CHINESE_PLACES, ENGLISH
from chalicelib.services.subject_access.places import NOBODYS, PLACES

ROOT = Path(__file__).resolve().parents[3]


def test_each_table_is_a_place_or_one_of_nobody() -> None:
    read = {place.name for place in PLACES if place.read is not None}
    assert read | set(NOBODYS) == {table.name for table in keys.TABLES}, "a new table: say what it holds about a person"
    assert not read & set(NOBODYS)


def test_the_page_says_the_same_in_both_languages() -> None:
    assert set(ENGLISH) == set(CHINESE)
    assert set(CHINESE_PLACES) == {place.name for place in PLACES}
    assert all(re.search("[\u4e00-\u9fff]", text) for text in (*CHINESE.values(), *CHINESE_PLACES.values()))
