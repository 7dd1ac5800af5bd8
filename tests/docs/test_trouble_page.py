"""docs/tasks/trouble.md lists errors as the code writes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.session import ROOT

PAGE = ROOT / "docs/tasks/trouble.md"
SOURCES = ("chalicelib", "regulars", "edge/src", "client/src")
OF_OTHERS = {"Connection refused", "wrong version number", "self-signed certificate", "database or disk is full"}
"""What the system, OpenSSL and SQLite say: it is within ours."""


def test_every_error_of_the_page_is_written_by_the_code() -> None:
    written = {text for folder in SOURCES for file in (ROOT / folder).rglob("*.py") for text in texts(file)}
    rows = re.findall(r"^\| (`.*?) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {error for row in rows for error in re.findall(r"`([^`]+)`", row)}
    assert len(listed) > 30
    assert [error for error in sorted(listed - OF_OTHERS) if not any(error in text for text in written)] == []


def texts(file: Path) -> Iterator[str]:
    """The strings of a module; what an f-string fills in is `…`."""
    nodes = list(ast.walk(ast.parse(file.read_bytes())))
    told = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in told:
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
