"""The texts that each language lacks: `python -m regulars.words --missing pl` lists them for one
language. Without it: how many each language lacks, and whether it was reviewed.

English is the source. Its texts stand in for those that another language lacks, so a language may
start with a single one. The console's texts are in console, those of messages in
chalicelib/domain/languages, those of printed documents in chalicelib/privacy/languages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click

from chalicelib.api.console_files import list_paths, locate_folder
from chalicelib.api.console_words import fill_words, join_tables, list_languages, read_tables
from chalicelib.domain.texts import is_like
from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.texts import list_english

ROOT = locate_folder().parent
MESSAGES = "chalicelib/domain/languages"
PAPERS = "chalicelib/privacy/languages"

WHOLE = ("de",)
"""Languages without which no release is made: they lack no word."""


class Missing(NamedTuple):
    """An English word that a language lacks. `file`: the folder or file of the English one."""

    file: str
    name: str
    english: Any


def read_words(root: Path = ROOT) -> dict[str, str]:
    """Return the console's words as they are served."""
    return fill_words(_read_console(root))


def list_missing(language: str, root: Path = ROOT) -> list[Missing]:
    """Return the words that a language lacks, or that have not the values of the English ones any
    more. `root`: the checkout."""
    return [
        Missing(file, name, english)
        for file, english_words, own_words in _list_parts(language, root)
        for name, english in english_words.items()
        if name not in own_words
        or not (is_like(own_words[name], english) or name.startswith("date"))
    ]


def _list_parts(
    language: str, root: Path
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield each part of the words: where it is, its English words, and the language's own."""
    tables = read_tables(_read_console(root))
    own = join_tables(tables.get(language, {}))
    for folder, english in tables.get("en", {}).items():
        yield f"console/{folder}", english, own
    yield MESSAGES, _read_file(root / MESSAGES, "en"), _read_file(root / MESSAGES, language)
    papers = _read_file(root / PAPERS, "en")
    own_papers = papers if language == "en" else _read_file(root / PAPERS, language)
    for kind, english in papers.items():
        declared = list_english(kind) if language != "en" else {}
        yield f"{PAPERS}: {kind}", {**declared, **english}, own_papers.get(kind, {})
    if papers and language != "en":
        places = {place.name: place.holds for place in DATA_MAP if place.is_ours}
        yield f"{PAPERS}: places", places, own_papers.get("places", {})


def _read_console(root: Path) -> dict[str, str]:
    paths = list_paths(root / "console", {})
    return {
        name: path.read_text(encoding="utf-8")
        for name, path in paths.items()
        if path.suffix == ".json"
    }


def _read_file(folder: Path, language: str) -> Mapping[str, Any]:
    path = folder / f"{language}.json"
    found: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _list_all() -> Iterator[str]:
    for part, languages in list_languages(read_words()).items():
        yield f"{part}: {', '.join(languages)}"
        unread = [language for language, is_read in languages.items() if not is_read]
        yield f"  read by nobody: {', '.join(unread) or 'none'}"


@click.command(help="Say which words a language lacks.")
@click.option("--missing", metavar="LANGUAGE", help="Such as pl; also one that has no file yet.")
def main(missing: str | None) -> None:
    if missing is None:
        click.echo("\n".join(_list_all()))
        return
    lacking = list_missing(missing)
    for file, name, english in lacking:
        click.echo(f"{file}: {name}: {json.dumps(english, ensure_ascii=False)}")
    click.echo(f"{len(lacking)} words of {missing} are missing")


if __name__ == "__main__":
    main()
