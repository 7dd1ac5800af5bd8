"""A language is a file, from its first word on: the console, mails and papers say the rest in
English."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.api.console_words import DECLARED
from infra.dependencies import Failed
from infra.releases.release import require_releasable
from regulars import words
from regulars.words import MESSAGES, PAPERS, ROOT, WHOLE, list_missing

CONSOLE = {
    "again.in": "Ponownie",
    "close": "Zamknij",
    "person.name": "Imię",
    "visits": {"one": "{count} wizyta", "few": "{count} wizyty", "other": "{count} wizyt"},
}
MAILS = {
    "plural": "n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2",
    "plurals": "one few many",
    "visits": {"one": "{count} wizyta", "few": "{count} wizyty", "many": "{count} wizyt"},
    "report.title": "{shop}",
    "thousands": "\u00a0",
}
PAPER = {"notice": {"title": "Kamery rozpoznają twarze"}, "archive": {"title": "Twoje dane"}}

OUTDATED = ("again.in", "report.title")
"""Texts without the values that the English ones have."""

PROGRAM = """
import json
from chalicelib.api import console_files
from chalicelib.domain.texts import LANGUAGES, Texts
from chalicelib.privacy.texts import choose_language, words_of
from chalicelib.api.v1.document import make_document
from chalicelib.api.v1.routes import OPERATIONS
from regulars.libraries import find_modules

folder = console_files.locate_folder()
served = console_files.read_texts(console_files.list_paths(folder, find_modules()))
texts = Texts("pl")
print(json.dumps({
    "console": {
        name: json.loads(served[f"./console/pl/{name}.json"]) for name in ("words", "people")
    },
    "page": console_files.make_page(folder, served, []).text,
    "messages": LANGUAGES,
    "title": texts.write("report.title", shop="Shop", first="1", last="2", zone="UTC"),
    "visits": [texts.write("visits", count=count) for count in (1, 3, 5, 1234)],
    "people": [texts.write("people", count=count) for count in (1, 3)],
    "papers": [choose_language("pl", kind) for kind in ("notice", "archive")],
    "archive": [words_of("archive", "pl")[name] for name in ("title", "when")],
    "document": json.dumps(make_document(OPERATIONS)).count('"pl"'),
}))
"""


@pytest.fixture(scope="module")
def polish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to which a file of Polish was added for each part."""
    root = tmp_path_factory.mktemp("polish")
    for folder in ("chalicelib", "console"):
        heavy = shutil.ignore_patterns("model_packs", "__pycache__", "*.onnx", "*.so")
        shutil.copytree(ROOT / folder, root / folder, ignore=heavy)
    for place, texts in (("console/words", CONSOLE), (MESSAGES, MAILS), (PAPERS, PAPER)):
        (root / place / "pl.json").write_text(json.dumps(texts), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def said(polish: Path) -> Mapping[str, Any]:
    """What the checkout with Polish says."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(polish)},
        cwd=polish,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: Mapping[str, Any] = json.loads(run.stdout)
    return found


def test_the_console_has_its_words_whatever_page_they_are_of_and_english_ones(
    said: Mapping[str, Any],
) -> None:
    english = {
        folder: {
            **json.loads((ROOT / "console" / file).read_text("utf-8")),
            **DECLARED.get(folder, {}),
        }
        for folder, file in {"words": "words/en.json", "people": "people/words.en.json"}.items()
    }
    for folder, table in said["console"].items():
        assert table.keys() == english[folder].keys()
        for name, text in table.items():
            word = english[folder][name]
            stands_in = word if isinstance(word, str) else {**word, "in": "en"}
            known = {} if name in OUTDATED else CONSOLE
            assert text == known.get(name, stands_in), name


def test_the_page_offers_it_and_says_that_nobody_has_read_it(said: Mapping[str, Any]) -> None:
    assert "&#34;pl&#34;: false" in said["page"]
    assert 'class="waits-for-files" lang="pl"' not in said["page"]
    assert 'class="waits-for-files" lang="de"' in said["page"]


def test_mails_have_its_plurals_and_those_of_english_for_english_words(
    said: Mapping[str, Any],
) -> None:
    assert "pl" in said["messages"]
    assert said["visits"] == ["1 wizyta", "3 wizyty", "5 wizyt", "1\u00a0234 wizyty"]
    assert said["people"] == ["1 person", "3 people"]
    assert said["title"] == "Shop: 1 to 2, UTC"
    assert said["document"] > 0, "v1 takes it"


def test_a_notice_that_lacks_a_sentence_is_english_as_a_whole(said: Mapping[str, Any]) -> None:
    assert said["papers"] == ["en", "en"]
    assert said["archive"] == ["Twoje dane", "when"]


def test_a_command_lists_the_words_that_it_lacks(polish: Path) -> None:
    lacking = {(one.file, one.name) for one in list_missing("pl", polish)}
    assert {
        ("console/words", "copy"),
        ("console/words", "again.in"),
        (MESSAGES, "people"),
        (MESSAGES, "report.title"),
        (f"{PAPERS}: notice", "who"),
    } <= lacking
    assert lacking.isdisjoint(
        {("console/words", "close"), ("console/people", "person.name"), (MESSAGES, "visits")}
    )
    said = CliRunner().invoke(words.main, ["--missing", "pl"], catch_exceptions=False).output
    assert 'console/words: close: "Close"' in said


@pytest.mark.parametrize("language", WHOLE)
def test_no_release_is_made_while_a_whole_language_lacks_a_word(
    polish: Path, language: str
) -> None:
    file = polish / "console" / "words" / "en.json"
    before = file.read_text("utf-8")
    file.write_text(json.dumps({**json.loads(before), "new": "A new word"}), encoding="utf-8")
    with pytest.raises(Failed, match=f"words of {language} are missing.*--missing {language}"):
        require_releasable("1.2.3", "", "main", "", _releasable(polish))
    file.write_text(before, encoding="utf-8")


def _releasable(root: Path) -> Path:
    (root / "tests" / "releases").mkdir(parents=True)
    (root / "tests" / "releases" / "1.2.3.tar.xz").touch()
    return root
