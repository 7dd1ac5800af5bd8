"""No class of ours overrides or calls what another library keeps private (ruff's SLF001 sees all
but subclasses)."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator

import pytest

OURS = (
    "chalicelib",
    "regulars",
    "regulars_edge",
    "regulars_client",
    "regulars_mqtt",
    "regulars_transfer",
    "regulars_dialects",
    "infra",
)


def classes(package: str) -> Iterator[type]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if found.name.endswith("__main__") or "-" in found.name:  # "-": a library of C, for ctypes
            continue
        module = importlib.import_module(found.name)
        yield from (
            one
            for _, one in inspect.getmembers(module, inspect.isclass)
            if one.__module__ == found.name
        )


def private_of_others(one: type) -> set[str]:
    """What a class touches of its foreign bases' private names."""
    bases = [
        base for base in one.__mro__ if base.__module__.partition(".")[0] not in (*OURS, "builtins")
    ]
    private = {
        name
        for base in bases
        for name in vars(base)
        if name.startswith("_") and not name.startswith("__")
    }
    if not private:
        return set()
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(one)))))
    called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    made = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    named = {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return (called | made | named) & private


@pytest.mark.parametrize("package", OURS)
def test_no_class_touches_what_its_foreign_bases_keep_private(package: str) -> None:
    touched = {
        f"{one.__module__}.{one.__qualname__}": private_of_others(one) for one in classes(package)
    }
    assert {name: found for name, found in touched.items() if found} == {}


def test_one_that_does_is_seen() -> None:
    class Loop(importlib.import_module("asyncio").SelectorEventLoop):  # type: ignore[name-defined,misc]
        def _make_ssl_transport(self) -> None: ...

    assert private_of_others(Loop) == {"_make_ssl_transport"}
