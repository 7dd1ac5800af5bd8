"""A function says what it does: verb and object. Of all functions at most three in a hundred are a
participle alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("chalicelib", "regulars", "edge/src", "client/src", "lab/src", "infra")
SHARE = 0.03
IRREGULAR = (
    "kept|seen|shown|written|said|taken|left|done|given|known|held|told|gone|made|found|sent|meant|"
    "built|read|lost|begun|chosen|"
    "drawn|spoken|spent"
)
PARTICIPLE = re.compile(rf"_*(\w+ed|{IRREGULAR})_*")
READ_AS_VALUES = {"property", "cached_property", "lazy"}
"""Decorators of a function that is read like a field: a noun or a participle is its right name."""


def function_names() -> Iterator[str]:
    """Name each function of the product and the lab, with its file."""
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef
            ) and not node.name.startswith("__"):
                decorators = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
                if not decorators & READ_AS_VALUES:
                    yield f"{path.relative_to(ROOT)}: {node.name}"


def test_functions_are_called_by_a_verb_and_its_object() -> None:
    names = list(function_names())
    alone = [
        name
        for name in names
        if "_" not in name.split()[1].strip("_") and PARTICIPLE.fullmatch(name.split()[1])
    ]
    assert len(names) > 4_000
    assert len(alone) <= SHARE * len(names), "\n".join(alone)


def test_a_participle_is_seen_behind_underscores() -> None:
    assert [
        bool(PARTICIPLE.fullmatch(name))
        for name in ("kept", "_told", "named_", "keep_face", "open")
    ] == [True] * 3 + [False] * 2
