"""A failed update loses nothing: two versions of the code write one folder in turn."""

import shutil
from pathlib import Path

import pytest

from chalicelib.domain.local_time import DAY_MS
from chalicelib.storage.formats import FORMAT, Due, upgrade_format
from tests.releases.back import HERE, STEPS, Version, expected_outcomes, go_back_and_forth

NOW = 1_700_000_000_000
FIRST = 2


@pytest.fixture
def older(tmp_path: Path) -> Version:
    """This code as it was with the first format: it knows no pages of visits."""
    root = tmp_path / "older"
    shutil.copytree(
        HERE / "chalicelib", root / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "app.py").write_bytes((HERE / "app.py").read_bytes())
    for folder in ("regulars", "console", "client"):
        (root / folder).symlink_to(HERE / folder)
    for name, now, then in (
        ("chalicelib/storage/formats.py", f"FORMAT = {FORMAT}", f"FORMAT = {FIRST}"),
        ("chalicelib/storage/formats.py", f"KNOWN = ({FIRST}, 3, 4, FORMAT)", "KNOWN = (FORMAT,)"),
        ("chalicelib/storage/records/observations.py", 'item.get("paged", (0, 0))', "(0, 0)"),
    ):
        file = root / name
        text = file.read_text()
        assert text.count(now) == 1
        file.write_text(text.replace(now, then))
    return Version(root, FIRST)


def test_upgrade_back_and_upgrade_lose_no_visit(older: Version, tmp_path: Path) -> None:
    newer = Version(HERE, FORMAT)
    steps = STEPS[:3]  # `make back` does all
    assert [*go_back_and_forth(older, newer, tmp_path / "data", steps)] == expected_outcomes(
        older, newer, steps
    )


@pytest.mark.parametrize(
    ("number", "due", "after"),
    [
        (FORMAT, None, (FORMAT, None)),
        (FORMAT, (FORMAT + 1, NOW - DAY_MS), (FORMAT, None)),
        (FORMAT - 1, None, (FORMAT - 1, (FORMAT, NOW + DAY_MS))),
        (FORMAT - 1, (FORMAT, NOW + 1), (FORMAT - 1, (FORMAT, NOW + 1))),
        (FORMAT - 1, (FORMAT, NOW), (FORMAT, (FORMAT, NOW + DAY_MS))),
        (FORMAT, (FORMAT, NOW + 1), (FORMAT, (FORMAT, NOW + 1))),
        (FORMAT, (FORMAT, NOW), (FORMAT, (FORMAT, NOW))),
    ],
    ids=[
        "nothing to do",
        "a newer version was taken back",
        "first sweep",
        "too soon",
        "a day later",
        "another day for what is written meanwhile",
        "that day is over: who has redone it all forgets the note",
    ],
)
def test_a_format_is_raised_a_day_after_the_first_sweep(
    number: int, due: Due | None, after: tuple[int, Due | None]
) -> None:
    assert upgrade_format(number, due, NOW) == after
