"""The table of rules in CONTRIBUTING leads to files and names that there are."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.box.session import ROOT, read

SECTION = (
    read(ROOT / "CONTRIBUTING.md")
    .partition("\n## Where is the rule for …?\n")[2]
    .partition("\n## ")[0]
)
ROWS = re.findall(r"^\| (.+\?) \| (\S+|edge: \S+) \| (`.+`) \|$", SECTION, re.MULTILINE)


def find_file(shown: str) -> Path:
    if shown.startswith("edge: "):
        return ROOT / "edge/src/regulars_edge" / shown.removeprefix("edge: ")
    return next(path for path in (ROOT / "chalicelib" / shown, ROOT / shown) if path.is_file())


def defined_names(body: list[ast.stmt], within: str = "") -> set[str]:
    names = set[str]()
    for node in body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name} | defined_names(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            names.add(within + node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {
                within + part.id
                for one in targets
                for part in ast.walk(one)
                if isinstance(part, ast.Name)
            }
    return names


@pytest.mark.parametrize(
    ("question", "shown", "names"), ROWS, ids=[question for question, _, _ in ROWS]
)
def test_a_rule_is_where_the_table_says(question: str, shown: str, names: str) -> None:
    assert set(re.findall(r"`([\w.]+)`", names)) <= defined_names(
        ast.parse(read(find_file(shown))).body
    ), question


def test_every_line_of_the_table_is_read() -> None:
    assert len(ROWS) == SECTION.count("\n| ") - 1 >= 30
