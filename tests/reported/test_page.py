"""The page and the tests name the same cases, by the same numbers of the same trackers."""

import re
from importlib import import_module
from pathlib import Path

from tests.support.reported import CASES

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
NOBODY = "nobody; asked with the others"


def test_each_case_of_the_page_is_replayed_and_each_that_is_replayed_is_on_the_page() -> None:
    for file in (ROOT / "tests").rglob("test_*.py"):
        if "\n@replays(" in file.read_text():
            import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    rows = ROW.findall((ROOT / "docs/reported.md").read_text())
    told = {
        int(number): () if where == NOBODY else tuple(where.split(", ")) for number, where in rows
    }
    assert len(told) == len(rows), "each case has one row"
    assert told == CASES
