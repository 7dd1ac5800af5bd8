"""One ruler counts the lines: what holds code, by the part that it is of."""

from pathlib import Path

import pytest

from infra.dependencies import Failed, run_command
from infra.lines import (
    Count,
    count_files,
    count_others,
    count_parts,
    count_python,
    find_excess,
    name_part,
)

PYTHON = '''"""What it is."""

# why
def add(a, b):
    """Add."""
    text = """two
lines"""
    return (
        a
        + b  # and why
    )
'''


def test_a_line_of_python_counts_if_code_stands_on_it() -> None:
    assert count_python(PYTHON) == (6, 17), "a text of two lines counts where it begins"


def test_a_line_of_another_language_counts_unless_it_is_empty_or_a_comment() -> None:
    assert count_others("/* what\n * it is */\n\n// why\nconst a = 1; // b\n  a\n") == 2


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("app.py", "product"),
        ("edge/src/regulars_edge/page.py", "product"),
        ("edge/tests/test_page.py", "tests"),
        ("lab/tests/test_week.py", "tests"),
        ("lab/src/regulars_lab/page.py", "lab"),
        ("console/tests_of_it.js", "console"),
        ("infra/package.py", "product"),
        ("infra/releases/wheels.py", "releases"),
        ("lab/README.md", "docs"),
    ],
)
def test_a_file_is_of_one_part(path: str, part: str) -> None:
    assert name_part(path) == part


def test_what_git_knows_is_counted_and_what_is_generated_apart(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text("made.py linguist-generated\n")
    (tmp_path / "a.py").write_text(PYTHON)
    (tmp_path / "made.py").write_text("a = 1\n")
    (tmp_path / "data.json").write_text("{}\n")
    run_command(["git", "init", "--quiet"], cwd=tmp_path)
    run_command(["git", "add", "."], cwd=tmp_path)
    (tmp_path / "new.py").write_text("a = 1\n")
    assert [*count_files(tmp_path)] == [
        Count("product", 6, 17, is_core=True),
        Count("generated", 1, 3, is_core=False),
    ]


def test_the_core_is_the_product_without_the_distributions_that_can_be_left_out() -> None:
    counts = [
        Count("product", 6, 17, is_core=True),
        Count("product", 5, 9, is_core=False),
        Count("tests", 2, 4, is_core=False),
    ]
    lines, _, tokens = count_parts(counts)
    assert lines == {"product": 11, "core": 6, "tests": 2}
    assert tokens == {"product": 26, "core": 17, "tests": 4}


def test_a_part_above_its_budget_is_named_with_how_far() -> None:
    assert find_excess({"product": 100, "docs": 7}, {"product": 100, "docs": 7}, {}) == []
    [said] = find_excess({"product": 1101, "docs": 7}, {"product": 1100, "docs": 7}, {})
    assert said.startswith("product: 1,101 lines are 1 above the budget of 1,100")


def test_a_budget_that_was_raised_is_refused() -> None:
    lines = {"product": 90}
    assert find_excess(lines, {"product": 90}, {"product": 95}) == [], "it fell"
    assert find_excess(lines, {"product": 90}, {"core": 80}) == [], "it is new"
    [said] = find_excess(lines, {"product": 96}, {"product": 95})
    assert said == "product: the budget in infra/budget.toml only falls; 96 is above the 95 before"


def test_outside_of_a_clone_nothing_is_counted(tmp_path: Path) -> None:
    with pytest.raises(Failed):
        [*count_files(tmp_path)]
