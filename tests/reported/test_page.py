"""The page and the tests name the same cases, by the same numbers of the same trackers."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+)\. ([^|]+) \| [^|]+ \|$", re.MULTILINE)
NOBODY = "nobody; asked with the others"


def read_cases(file: Path) -> dict[int, tuple[str, ...]]:
    """Return the reports of each case that a test of the file replays."""
    text = file.read_text()
    nodes = ast.walk(ast.parse(text)) if "\n@replays(" in text else ()
    calls = [
        [
            one.value
            for argument in decorator.args
            for one in ast.walk(argument)
            if isinstance(one, ast.Constant)
        ]
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "replays"
    ]
    return {number: tuple(where) for number, *where in calls}


def read_reports(cell: str) -> tuple[str, ...]:
    """Return the reports of a cell: `one/project 4, 7` are 4 and 7 of that project."""
    reports: list[str] = []
    for told in () if cell == NOBODY else cell.split(", "):
        project = f"{reports[-1].rpartition(' ')[0]} " if told.isdigit() else ""
        reports.append(f"{project}{told}")
    return tuple(reports)


def test_each_case_of_the_page_is_replayed_and_each_that_is_replayed_is_on_the_page() -> None:
    files = [
        file
        for tests in ("tests", "edge/tests", "mqtt/tests", "transfer/tests")
        for file in (ROOT / tests).rglob("test_*.py")
    ]
    replayed = {number: where for file in files for number, where in read_cases(file).items()}
    rows = ROW.findall((ROOT / "docs/reported.md").read_text())
    told = {int(number): read_reports(cell) for number, cell in rows}
    assert len(told) == len(rows), "each case has one row"
    assert told == replayed
