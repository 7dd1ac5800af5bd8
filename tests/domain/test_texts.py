"""Each text of messages is there in English and asked for; other languages have some, with the same
values."""

import json
import re
from datetime import UTC, datetime
from gettext import c2py  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain import texts as module
from chalicelib.domain.texts import LANGUAGES, READ_BY, Texts

DOMAIN = Path(module.__file__).parent
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in DOMAIN.glob("languages/*.json")}
ENGLISH = FILES["en"]
NAMES = [name for name in ENGLISH if re.match("months|weekdays", name)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_of_a_language_stands_for_an_english_one(language: str) -> None:
    texts: dict[str, Any] = {
        name: text for name, text in FILES[language].items() if name != READ_BY
    }
    assert list(texts) == sorted(texts)
    assert texts.keys() <= ENGLISH.keys()
    names = [name for name in NAMES if name in texts]
    assert {name: len(texts[name].split()) for name in names} == {
        name: len(ENGLISH[name].split()) for name in names
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_plural_has_the_forms_that_the_language_says(language: str) -> None:
    texts = FILES[language]
    own = {*texts.get("plurals", "").split()}
    others = {name for name, forms in texts.items() if isinstance(forms, dict) and {*forms} != own}
    assert others == set()
    if "plural" in texts:
        places = {c2py(texts["plural"])(count) for count in range(1000)}
        assert places == {*range(len(texts["plurals"].split()))}


def test_each_text_is_asked_for() -> None:
    code = "".join(path.read_text("utf-8") for path in [*DOMAIN.parent.rglob("*.py"), *REPORTS])
    made = ("camera.", "column.", "group.", "sample.", "week.")
    unused = [name for name in ENGLISH if f'"{name}"' not in code and f"'{name}'" not in code]
    assert [name for name in unused if not name.startswith(made)] == []


REPORTS = [DOMAIN.parents[1] / "regulars" / "report.py"]
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_arabic_has_six_forms_of_a_word_beside_a_number() -> None:
    counts = (0, 1, 2, 3, 10, 11, 99, 100, 102, 103, 111)
    assert [Texts("ar").write("people", count=count) for count in counts] == [
        *("لا أحد", "شخص واحد", "شخصين", "3 أشخاص", "10 أشخاص", "11 شخصًا", "99 شخصًا"),
        *("100 شخص", "102 شخص", "103 أشخاص", "111 شخصًا"),
    ]


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", ["1 visit", "1,234 visits", "2026-03-02", "Monday, 02 March, 09:00", ","]),
        ("de", ["1 Besuch", "1.234 Besuche", "02.03.2026", "Montag, 2. März, 9 Uhr", ";"]),
        (
            "es",
            ["1 visita", "1.234 visitas", "02/03/2026", "lunes, 2 de marzo, 9:00", ";"],
        ),
        (
            "fr",
            ["1 visite", "1\u202f234 visites", "02/03/2026", "lundi 2 mars, 9 h", ";"],
        ),
        (
            "it",
            ["1 visita", "1.234 visite", "02/03/2026", "lunedì 2 marzo, ore 9", ";"],
        ),
        (
            "nl",
            ["1 bezoek", "1.234 bezoeken", "02-03-2026", "maandag 2 maart, 9 uur", ";"],
        ),
        (
            "pt",
            ["1 visita", "1.234 visitas", "02/03/2026", "segunda-feira, 2 de março, 9h00", ";"],
        ),
        (
            "ar",
            ["زيارة واحدة", "1,234 زيارة", "02/03/2026", "الاثنين، 2 مارس، 09:00", ","],
        ),
        ("zh", ["到访1次", "到访1,234次", "2026-03-02", "3月2日星期一 09:00", ","]),
        (
            "of a later version",
            ["1 visit", "1,234 visits", "2026-03-02", "Monday, 02 March, 09:00", ","],
        ),
    ],
)
def test_numbers_and_days_are_written_as_the_language_does(
    language: str, written: list[str]
) -> None:
    texts = Texts(language)
    counts = [texts.write("visits", count=count) for count in (1, 1234)]
    days = [texts.write_day(form, AT) for form in ("date", "date.hour")]
    assert [*counts, *days, texts.separator] == written
