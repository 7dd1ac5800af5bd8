"""A folder of tests needs itself, tests/support and testing: it can be moved, and run without the
lab."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests", "edge/tests", "client/tests", "mqtt/tests", "transfer/tests")
SUPPORT = "tests.support"


def test_no_test_imports_another_one_the_lab_or_another_folder_but_support() -> None:
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 500
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in sorted(foreign_imports(file))
    ]
    assert wrong == [], (
        "tests/support holds what several folders share, and a helper beside the tests what one "
        "does"
    )


def foreign_imports(file: Path) -> set[str]:
    """Return which modules of the lab, of other test files and of other folders the file
    imports."""
    folder = ".".join(file.parent.relative_to(ROOT).parts)
    is_support = is_in(SUPPORT, folder)
    return {
        name
        for name in imported_modules(file)
        if name.partition(".")[0] == "regulars_lab"
        or any(part.startswith("test_") for part in name.split("."))
        or (
            name.startswith("tests.")
            and not is_in(SUPPORT, name)
            and (is_support or parent(name) != folder)
        )
    }


def is_in(package: str, name: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def parent(name: str) -> str:
    return name.rpartition(".")[0]


def imported_modules(file: Path) -> Iterator[str]:
    """Name each module that is imported anywhere in the file: `from tests import week` names
    tests.week."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from [one for one in members if is_module(one)] or [node.module]


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").exists() or place.is_dir()
