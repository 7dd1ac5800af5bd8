"""Counts the lines of a clone by one ruler: those that hold more than comment, docstring or space.

    python -m infra.lines

Files that git knows count if they are code, pages, styles or Markdown: no data, no settings.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from infra.dependencies import ROOT, Failed, run_command

PARTS = ("product", "generated", "console", "lab", "releases", "tests", "docs")
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
    """The lines of a file. `tokens`: those of Python; 0 in another language."""

    part: str
    lines: int
    tokens: int


def count_files(root: Path = ROOT) -> Iterator[Count]:
    """Yield the count of each file. Raises Failed if `root` is no clone."""
    patterns = [f"*{ending}" for ending in _ENDINGS]
    paths = run_command(["git", "ls-files", "-z", *patterns], cwd=root).split("\0")[:-1]
    asked = ["git", "check-attr", "-z", "linguist-generated", "--", *paths]
    attributes = run_command(asked, cwd=root).split("\0")
    for path, value in zip(attributes[:-1:3], attributes[2::3], strict=True):
        text = (root / path).read_text(encoding="utf-8")
        lines, tokens = count_python(text) if path.endswith(".py") else (count_others(text), 0)
        yield Count("generated" if value == "set" else name_part(path), lines, tokens)


def name_part(path: str) -> str:
    """Name the part that a file of ours is of: `lab/tests/test_week.py` is of the tests."""
    folder, _, _ = path.removeprefix("infra/").partition("/")
    if path.endswith(".md"):
        return "docs"
    if "/tests/" in f"/{path}":
        return "tests"
    return folder if folder in PARTS else "product"


def count_python(text: str) -> tuple[int, int]:
    """Return how many lines hold code, and how many tokens stand on them."""
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
    """Print the lines of each part, and how many tokens a line of its Python has."""
    lines, python_lines, tokens = Counter[str](), Counter[str](), Counter[str]()
    for count in count_files():
        lines[count.part] += count.lines
        python_lines[count.part] += count.lines if count.tokens else 0
        tokens[count.part] += count.tokens
    for part in PARTS:
        density = f"{tokens[part] / python_lines[part]:5.1f} tokens a line" if tokens[part] else ""
        sys.stdout.write(f"{part:10}{lines[part]:8,} lines {density}\n")


if __name__ == "__main__":
    try:
        main()
    except (Failed, FileNotFoundError) as error:
        sys.stderr.write(f"lines are counted in a clone alone: {error}\n")
