"""Each text of the console is there in English and used; other languages have some, with the same
values."""

import re

import pytest

from chalicelib.api.console_words import DECLARED, OF_MESSAGES
from chalicelib.domain.names import wanted_words
from chalicelib.domain.texts import READ_BY
from chalicelib.domain.webhooks import Hindrance
from chalicelib.privacy.retention import MISSED
from tests.console.spoken import FILES, LANGUAGES, OURS, OWN, TABLES

MODULES = {path: path.read_text(encoding="utf-8") for path in OURS.rglob("*.js")}
_LITERAL = re.compile(r'"([A-Za-z][\w.]*)"')
_CALLED = re.compile(r'\bt\("([^"]+)"')
_MADE = re.compile(r"\bt(?:Or)?\(`([^`$]*)\$\{[^}]*\}([^`]*)`")
_CHOICES = ("language.", "theme.", "blur.", "shortcuts.")
"""Names that admin/settings.js makes of the name of a choice and of what is chosen."""


def values(text: str | dict[str, str]) -> set[str]:
    return {
        name
        for one in ([text] if isinstance(text, str) else text.values())
        for name in re.findall(r"\{(\w+)\}", one)
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_stands_for_an_english_one_and_is_shown_with_its_values(language: str) -> None:
    english, own, shown = OWN["en"], OWN[language], TABLES[language]
    assert own.keys() - {READ_BY} <= english.keys()
    assert {name: values(shown[name]) for name in english} == {
        name: values(text) for name, text in english.items()
    }


PLURALS = {"zh": {"other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}
"""The forms of a word beside a whole number, of languages that have more or fewer than two."""

NAMES = {
    *("App ID", "App key", "AppCode", "Discord", "Frigate", "Pushover", "Slack", "Teams"),
    *("Telegram", "URL", "USB / Raspberry Pi", "https://shop.example/notice", "iCREDIT", "ntfy"),
}
"""Names, which are the same in each language."""

SAME = {
    "de": {"Box", "Box {name}", "Id", "Mail", "Name", "Person", "System", "Webcam"},
    "es": {"Editor", "No", "no"},
    "it": {"No", "no"},
    "pt": {"Editor", "Pose"},
    "nl": {
        *("Camera", "Label A", "Label B", "Label C", "Label D", "Label {name}", "Later", "Open"),
        *("Privacy", "Score", "Score {score}", "Webcam", "Week", "camera"),
    },
    "fr": {
        *("Note", "Page", "Photo {n}", "Photos", "Portrait", "Pose", "Score", "Score {score}"),
        *("Sections", "Strict", "Webcam", "date", "minutes"),
    },
}
"""Other texts that are the same in English, by language."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_its_own_plurals_wherever_english_has_some(language: str) -> None:
    table, forms = OWN[language], PLURALS.get(language, {"one", "other"})
    for name in table:
        if isinstance(OWN["en"].get(name), dict):
            of_it = table[name] if isinstance(table[name], dict) else {"other": table[name]}
            assert {*of_it} == forms, name


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
def test_no_text_of_another_language_is_english(language: str) -> None:
    same = {
        str(text) for name, text in OWN["en"].items() if text == OWN[language].get(name)
    } - NAMES
    worded = {text for text in same if re.search(r"[^\W\d_]", re.sub(r"\{\w+\}", "", text))}
    assert worded == SAME.get(language, set())


@pytest.mark.parametrize("language", LANGUAGES)
def test_somebody_without_a_name_is_found_by_what_the_console_calls_them(language: str) -> None:
    table = TABLES[language]
    for name in ("face.number.regular", "face.number.stranger"):
        assert wanted_words(str(table[name]).replace("{n}", "135")) == ["135"]


def test_each_kind_of_what_keeps_a_delivery_has_its_words() -> None:
    assert {f"problem.hook.{one}" for one in Hindrance} == {
        name for name in TABLES["en"] if name.startswith("problem.hook.")
    }


def test_each_text_stands_in_one_file_and_files_are_sorted() -> None:
    for language, table in OWN.items():
        of_it = [found for path, found in FILES.items() if path.endswith(f"{language}.json")]
        declared = sum(map(len, DECLARED.values())) if language == "en" else len(OF_MESSAGES)
        assert sum(map(len, of_it)) == len(table) - declared
        assert all(list(found) == sorted(found) for found in of_it)


def test_each_text_that_a_module_asks_for_is_there() -> None:
    for path, code in MODULES.items():
        missing = [name for name in _CALLED.findall(code) if name not in TABLES["en"]]
        assert missing == [], path


def test_each_text_is_used() -> None:
    literals = {name for code in MODULES.values() for name in _LITERAL.findall(code)}
    made = tuple(start for code in MODULES.values() for start, _ in _MADE.findall(code) if start)
    unused = [
        name
        for name in TABLES["en"]
        if name not in literals and not name.startswith((*made, *_CHOICES))
    ]
    assert unused == []


def test_no_module_has_words_between_its_tags() -> None:
    for path, code in MODULES.items():
        shown = re.findall(
            r">\s*([A-Za-z][a-z]+(?: [a-z]+)+)[^<`]*<",
            re.sub(r"<code>.*?</code>|\$\{[^{}]*\}", "", code),
        )
        assert shown == [], path


def test_the_page_is_the_only_file_beside_those_of_the_map() -> None:
    assert list(OURS.rglob("*.html")) == [OURS / "index.html"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rates_at_a_withdrawal_are_those_that_were_measured(language: str) -> None:
    said = re.findall(r"\d+", TABLES[language]["consent.withdraw.misses"])
    assert said == ["100", *map(str, MISSED.values())]
    page = (OURS.parent / "docs/tasks/consent.md").read_text(encoding="utf-8")
    assert all(f"| {count} of 100 |" in page for count in MISSED.values())
