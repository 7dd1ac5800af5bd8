from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SUNMI = (ROOT / "docs/sunmi.md").read_text()
DOCS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_commands_of_a_page_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link


def test_contributing_maps_the_folders_that_there_are() -> None:
    section = CONTRIBUTING.partition("\n## Where things are\n")[2].partition("\n## ")[0]
    mapped = {Path(name) for name in re.findall(r"^\| `([\w/.]+)` \|", section, re.MULTILINE)}
    folders = {path.parent for path in ROOT.glob("*/__init__.py")} | {p.parent for p in ROOT.glob("chalicelib/*/*.py")}
    there = {folder.relative_to(ROOT) for folder in folders} - {Path("chalicelib")}
    assert there <= mapped
    assert all((ROOT / path).exists() for path in mapped)


def test_the_page_of_sunmi_names_the_endpoints_that_there_are() -> None:
    served = {path.rsplit("/", 1)[1] for path in app.app.routes if path.startswith("/openapi/face/")}
    assert (
        served
        == {name for name in served | {"noSuchEndpoint"} if re.search(rf"\b{name}\b", SUNMI.partition("\n## ")[0])}
        | {"getFaceIDList"} & served
    )


def test_every_decision_is_in_the_list_of_decisions() -> None:
    pages = {page.name for page in (ROOT / "docs/decisions").glob("[0-9]*.md")}
    assert pages == set(re.findall(r"\]\(([0-9][^)]+)\)", (ROOT / "docs/decisions/README.md").read_text()))


QUESTIONS = {"what", "who", "whoever", "that", "how", "where", "whatever", "whether", "when"}


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    sources = [*ROOT.glob("[!t.]*/**/*.py"), ROOT / "app.py"]
    found = [
        f"{source.relative_to(ROOT)}: {node.name}"
        for source in sources
        if "tests" not in source.parts and "build" not in source.parts
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        if (ast.get_docstring(node) or "").partition(" ")[0].lower() in QUESTIONS
    ]
    assert len(sources) > 400
    assert found == []


def test_app_stays_short() -> None:
    assert len((ROOT / "app.py").read_text().splitlines()) <= 80


def test_the_figures_of_readme_are_those_of_the_page_on_accuracy() -> None:
    readme, accuracy = (ROOT / "README.md").read_text(), (ROOT / "docs/accuracy.md").read_text()
    one_photo = r"^\| 1,000 enrolled, one photo \| [\d.]+ \| [\d.]+ \| ([\d.]+) \| ([\d.]+) \|"
    [(fpir, fnir)] = re.findall(one_photo, accuracy, re.MULTILINE)
    assert f"{100 * float(fnir):.1f} % are missed, and {100 * float(fpir):.2f} % of strangers' searches" in readme
    [highest] = re.findall(r"^\| 100 of each of .* \| 0.000 to ([\d.]+) \(at most", accuracy, re.MULTILINE)
    assert f"whom the model takes to be alike 0 to {100 * float(highest):.1f} %" in readme
    [before] = re.findall(r"^\| without learning \| .* \| ([\d.]+) \| [\d.]+ \|$", accuracy, re.MULTILINE)
    [row] = re.findall(r"^\| with learning and joining \| (.*) \|$", accuracy, re.MULTILINE)
    precision, recall, _, split, _ = row.split(" | ")
    assert f"{split} are split in the end, where {before} were" in readme
    assert f"precision {precision}, recall {recall}" in readme
