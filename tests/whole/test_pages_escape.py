"""HTML and XML of ours are put together by MarkupSafe, which escapes each value: none is
forgotten."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TAG = re.compile(r"</[\w{]|<!doctype|<\w+ [\w-]+=|<(a|h\d|img|li|p|t[dhr]|ul)[ >]")


def list_filled_tags(code: str) -> Iterator[int]:
    """Yield the lines of texts with tags that are filled without MarkupSafe: f-strings, `+`, `%`,
    `format`, `join`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.JoinedStr):
            values = [
                value.value if isinstance(value, ast.Constant) else "{}" for value in node.values
            ]
            parts = ["".join(map(str, values))] if "{}" in values else []
        elif isinstance(node, ast.BinOp):
            parts = [
                part.value for part in (node.left, node.right) if isinstance(part, ast.Constant)
            ]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            fills = node.func.attr in ("format", "format_map", "join", "replace")
            parts = [owner.value] if fills and isinstance(owner, ast.Constant) else []
        else:
            parts = []
        if any(isinstance(part, str) and _TAG.search(part) for part in parts):
            yield node.lineno


@pytest.mark.parametrize("package", ["chalicelib", "regulars"])
def test_no_page_is_put_together_without_markupsafe(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert [
        f"{file}:{line}" for file in files for line in list_filled_tags(file.read_text("utf-8"))
    ] == []


@pytest.mark.parametrize(
    "code",
    [
        'f"<li>{name}</li>"',
        'f"<{tag}>{name}</{tag}>"',
        '"<p>" + name',
        '"<p>%s" % name',
        '"<td title={}>".format(name)',
        "'</li><li>'.join(names)",
    ],
)
def test_one_that_is_would_be_found(code: str) -> None:
    assert [*list_filled_tags(code)]


@pytest.mark.parametrize(
    "code", ['Markup("<li>{}</li>").format(name)', 'f"a < {limit}, <n>"', '"<p>a</p>"']
)
def test_what_escapes_or_fills_nothing_is_not(code: str) -> None:
    assert not [*list_filled_tags(code)]
