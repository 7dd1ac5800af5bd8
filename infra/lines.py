"""Counts a clone's lines of code and text, and fails above the budget in infra/budget.toml.

    python -m infra.lines

A line counts if it has more than a comment, a docstring or space. Files in git count if they are
code, pages, styles or Markdown; data and settings do not.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from infra.dependencies import ROOT, Failed, run_command

BUDGET = "infra/budget.toml"
PARTS = ("product", "core", "generated", "console", "lab", "releases", "tests", "docs")
APART = ("dialects", "edge", "mqtt", "transfer")
"""Folders of distributions that an installation of the service can leave out."""
_ENDINGS = (".py", ".c", ".js", ".mjs", ".css", ".html", ".md")
_COMMENTS = ("//", "/*", "* ", "*/", "<!--")
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


class Count(NamedTuple):
    """The lines of a file. `tokens`: those of Python; 0 in another language. `is_core`: every
    installation of the service has the file."""

    part: str
    lines: int
    tokens: int
    is_core: bool


def count_files(root: Path = ROOT) -> Iterator[Count]:
    """Yield the count of each file. Raises Failed if `root` is no clone."""
    patterns = [f"*{ending}" for ending in _ENDINGS]
    paths = run_command(["git", "ls-files", "-z", *patterns], cwd=root).split("\0")[:-1]
    asked = ["git", "check-attr", "-z", "linguist-generated", "--", *paths]
    attributes = run_command(asked, cwd=root).split("\0")
    for path, value in zip(attributes[:-1:3], attributes[2::3], strict=True):
        text = (root / path).read_text(encoding="utf-8")
        lines, tokens = count_python(text) if path.endswith(".py") else (count_others(text), 0)
        part = "generated" if value == "set" else name_part(path)
        is_core = part == "product" and path.partition("/")[0] not in APART
        yield Count(part, lines, tokens, is_core)


def name_part(path: str) -> str:
    """Name the part that a file of ours is of: `lab/tests/test_week.py` is of the tests."""
    folder, _, _ = path.removeprefix("infra/").partition("/")
    if path.endswith(".md"):
        return "docs"
    if "/tests/" in f"/{path}" or path.startswith("testing/"):
        return "tests"
    return folder if folder in PARTS else "product"


def count_python(text: str) -> tuple[int, int]:
    """Return the number of lines with code, and the number of tokens on them."""
    statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr)]
    docstrings = {
        line
        for node in statements
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = [token for token in tokens if token.type not in _LAYOUT]
    rows = [token.start[0] for token in code if token.start[0] not in docstrings]
    return len(set(rows)), len(rows)


def count_others(text: str) -> int:
    """Return how many lines of another language are neither empty nor begin as a comment does."""
    lines = [line.strip() for line in text.splitlines()]
    return sum(bool(line) and not line.startswith(_COMMENTS) for line in lines)


def main() -> None:
    """Print the lines of each part beside its budget and the last release's; exit with 1 above a
    budget."""
    table = tomllib.loads((ROOT / BUDGET).read_text(encoding="utf-8"))
    lines, python_lines, tokens = count_parts(count_files())
    for part in PARTS:
        said = [f"{name} {table[name][part]:,}" for name in table if part in table[name]]
        if tokens[part]:
            said.append(f"{tokens[part] / python_lines[part]:.1f} tokens a line")
        sys.stdout.write(f"{part:10}{lines[part]:8,} lines  {', '.join(said)}\n")
    complaints = find_excess(lines, table["budget"], _read_lowest_budget())
    sys.exit("\n".join(complaints) or 0)


def count_parts(counts: Iterable[Count]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return by part: lines, lines of Python, tokens. `core` is the part of `product` without
    distributions of its own."""
    lines, python_lines, tokens = Counter[str](), Counter[str](), Counter[str]()
    for count in counts:
        for part in (count.part, *(["core"] if count.is_core else [])):
            lines[part] += count.lines
            python_lines[part] += count.lines if count.tokens else 0
            tokens[part] += count.tokens
    return lines, python_lines, tokens


def find_excess(
    lines: Mapping[str, int], budget: Mapping[str, int], before: Mapping[str, int]
) -> list[str]:
    """Return a complaint for each part above its budget, and for each budget that was raised.

    `before`: the lowest budget in earlier commits.
    """
    above = [
        f"{part}: {lines[part]:,} lines are {lines[part] - most:,} above the budget of {most:,} "
        f"({BUDGET}); delete as many"
        for part, most in budget.items()
        if lines[part] > most
    ]
    raised = [
        f"{part}: the budget in {BUDGET} only falls; {most:,} is above the {before[part]:,} before"
        for part, most in budget.items()
        if most > before.get(part, most)
    ]
    return above + raised


def _read_lowest_budget() -> Mapping[str, int]:
    """Return the lowest budget of each part in the commits of its file."""
    lowest: dict[str, int] = {}
    for commit in run_command(["git", "log", "--format=%H", "--", BUDGET], cwd=ROOT).split():
        table = tomllib.loads(run_command(["git", "show", f"{commit}:{BUDGET}"], cwd=ROOT))
        for part, most in table["budget"].items():
            lowest[part] = min(most, lowest.get(part, most))
    return lowest


if __name__ == "__main__":
    try:
        main()
    except (Failed, FileNotFoundError) as error:
        sys.stderr.write(f"lines are counted in a clone alone: {error}\n")
