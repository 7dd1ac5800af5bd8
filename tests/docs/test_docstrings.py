"""Docstrings explain what is there: no parameter, field or class that has gone."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.support.box.session import ROOT, read

FOLDERS = ("chalicelib", "regulars", "infra", "edge/src", "dialects/src")
SOURCES = [
    *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "app.py",
]
OTHERS_NAMES = {
    *(
        "CodeProject",
        "CropImage",
        "DateTimeDigitized",
        "DateTimeOriginal",
        "DeMenthon",
        "JavaScript",
    ),
    *("LambdaContext", "PublicKeyCredential", "UserGuide", "to_image"),
}
"""Programs, people, and names in the code of others."""
EXAMPLES = {"IndexQueueUrl", "_at", "ann_lee", "itemN", "lisa", "lisa_zoom", "xywh"}

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_a_docstring_explains_parameters_and_fields_that_there_are() -> None:
    found = [
        f"{place(source, node)} {node.name}: {', '.join(gone)}"
        for source in SOURCES
        for node in nodes_of(source)
        if isinstance(node, Documented)
        if (explained := explained_names(ast.get_docstring(node) or ""))
        if (gone := sorted(explained - names_inside(node)))
    ]
    assert found == []


def test_a_name_of_code_in_a_docstring_is_in_the_code() -> None:
    known = words_of_code() | OTHERS_NAMES | EXAMPLES
    found = [
        f"{place(source, node)}: {', '.join(gone)}"
        for source in SOURCES
        for body in bodies_of(source)
        for node in body
        if (gone := sorted(names_of_code(text_of(node)) - known))
    ]
    assert found == []


def test_no_exception_is_left_that_no_docstring_needs() -> None:
    used = {
        name
        for source in SOURCES
        for body in bodies_of(source)
        for node in body
        for name in names_of_code(text_of(node))
    }
    assert (OTHERS_NAMES | EXAMPLES) - (used - words_of_code()) == set()


def place(source: Path, node: ast.stmt) -> str:
    return f"{source.relative_to(ROOT)}:{node.lineno}"


def names_of_code(text: str) -> set[str]:
    """Return words of several humps, and names in backticks."""
    return {
        *re.findall(r"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+\b", text),
        *re.findall(r"`([a-z_]\w*)`", text),
    }


def explained_names(text: str) -> set[str]:
    """Return the names that are followed by a colon and so explained: `first` and `last`: of the
    span."""
    groups = re.findall(r"((?:`\w+`(?:, | and )?)+):", text)
    return {name for group in groups for name in re.findall(r"`(\w+)`", group)}


def names_inside(node: Documented) -> set[str]:
    """Return what a docstring may explain: a function's names; a class's fields, methods and their
    parameters."""
    inside = list(ast.walk(node))
    if not isinstance(node, ast.ClassDef):
        return {
            str(getattr(one, field, ""))
            for one in inside
            for field in ("arg", "id", "attr", "name")
        }
    methods = [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    fields = [one for one in node.body if isinstance(one, ast.Assign | ast.AnnAssign)]
    own = {one.name for one in node.body if isinstance(one, Documented)}
    own |= {
        one.arg for method in methods for one in ast.walk(method.args) if isinstance(one, ast.arg)
    }
    own |= {one.id for field in fields for one in ast.walk(field) if isinstance(one, ast.Name)}
    return own | {
        one.attr
        for one in inside
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self"
    }


@cache
def nodes_of(source: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(read(source))))


@cache
def bodies_of(source: Path) -> list[list[ast.stmt]]:
    return [
        body for node in nodes_of(source) if isinstance(body := getattr(node, "body", None), list)
    ]


def text_of(node: ast.stmt) -> str:
    """Return the text of a docstring, be it of a module, a class, a function or a value above it;
    else nothing."""
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


@cache
def words_of_code() -> set[str]:
    """Return all names and words of the sources but those of docstrings and comments, and those of
    templates."""
    written: set[str] = set()
    for source in SOURCES:
        texts = {id(node.value) for body in bodies_of(source) for node in body if text_of(node)}
        for node in nodes_of(source):
            written |= {
                str(getattr(node, field, "") or "")
                for field in ("id", "attr", "name", "arg", "asname")
            }
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in texts
            ):
                written.add(node.value)
    files = [
        *(ROOT / "infra").rglob("*.yaml"),
        ROOT / "regulars" / "requirements.txt",
        ROOT / "requirements.txt",
    ]
    return {word for text in (*written, *map(read, files)) for word in re.findall(r"\w+", text)}
