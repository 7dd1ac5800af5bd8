"""Holds calls through the book to the order of imports: a room that calls another as
`self.book.faces` is above it.

    python -m infra.arrows

import-linter sees imports alone. The order is that of its contracts of layers in pyproject.toml.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = "chalicelib"
_OF_ALL = ("Services", "Book")
"""The classes whose attributes are the rooms. What the book itself has is its own, even if others
replace it."""


class Arrow(NamedTuple):
    """A call. `source`: the module that calls; `target`: the module of the room that it calls;
    `at`: file and line."""

    source: str
    target: str
    at: str


class Module(NamedTuple):
    """A module of the package. `name`: with dots, as it is imported."""

    name: str
    file: Path
    content: ast.Module


def read_modules(root: Path) -> Iterator[Module]:
    """Yield the modules of the package, in the order of their files."""
    for file in sorted((root / PACKAGE).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        yield Module(name, file, ast.parse(file.read_text(encoding="utf-8")))


def parse_rooms(content: ast.Module, name: str) -> Mapping[str, str]:
    """Return the module of each room that the class `name` has, by the room's attribute.

    The attribute is a `Made("module.Class")`, or a method, whose first import names the module.
    """
    rooms: dict[str, str] = {}
    for owner in (
        node for node in content.body if isinstance(node, ast.ClassDef) and node.name == name
    ):
        for node in owner.body:
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Call)
            ):
                [class_path] = node.value.args
                if isinstance(class_path, ast.Constant):
                    rooms[node.target.id] = f"{PACKAGE}.{str(class_path.value).rpartition('.')[0]}"
            elif isinstance(node, ast.FunctionDef):
                imported = [
                    line.module
                    for line in node.body
                    if isinstance(line, ast.ImportFrom) and line.module
                ]
                rooms |= (
                    {node.name: imported[0]} if imported and not node.name.startswith("_") else {}
                )
    return rooms


def read_all_rooms(root: Path = ROOT) -> Mapping[str, str]:
    """Return all rooms: the module of each, by its attribute."""
    contents = [module.content for module in read_modules(root)]
    rooms: dict[str, str] = {}
    for owner in _OF_ALL:
        for content in contents:
            rooms |= parse_rooms(content, owner)
    return rooms


def list_arrows(root: Path = ROOT) -> list[Arrow]:
    """Return the calls of rooms through the book."""
    rooms = read_all_rooms(root)
    return [
        Arrow(name, rooms[node.attr], f"{file.relative_to(root)}:{node.lineno}")
        for name, file, content in read_modules(root)
        for node in ast.walk(content)
        if isinstance(node, ast.Attribute) and node.attr in rooms and _is_book(node.value)
    ]


def _is_book(node: ast.expr) -> bool:
    """Tell whether this is `book`, or the `book` of something."""
    return (isinstance(node, ast.Name) and node.id == "book") or (
        isinstance(node, ast.Attribute) and node.attr == "book"
    )


def read_orders(root: Path = ROOT) -> list[list[tuple[str, ...]]]:
    """Return the contracts of layers: for each the modules of its layers, the highest layer
    first."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    orders = []
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers":
            for container in contract.get("containers", [""]):
                begin = f"{container}." if container else ""
                layers = [
                    [name.strip(" ()") for name in layer.split("|")] for layer in contract["layers"]
                ]
                orders.append([tuple(begin + name for name in layer) for layer in layers])
    return orders


def is_against(order: Sequence[Sequence[str]], arrow: Arrow) -> bool:
    """Tell whether an arrow goes up, or aside, in an order of layers."""
    source, target = (_find_layer(order, module) for module in (arrow.source, arrow.target))
    return bool(source and target and source[1] != target[1] and target[0] <= source[0])


def _find_layer(order: Sequence[Sequence[str]], module: str) -> tuple[int, str] | None:
    """Return the number of the layer that a module is in, and the name in that layer; None: it is
    in none."""
    for number, layer in enumerate(order):
        for name in layer:
            if module == name or module.startswith(f"{name}."):
                return number, name
    return None


def main() -> int:
    """Print the arrows against the order.

    Return 1 if there are some, or if none at all was found.
    """
    arrows, all_orders = list_arrows(), read_orders()
    upward = [arrow for arrow in arrows if any(is_against(order, arrow) for order in all_orders)]
    for arrow in upward:
        sys.stderr.write(
            f"{arrow.at}: {arrow.source} calls {arrow.target}, which is not below it "
            "(pyproject.toml)\n"
        )
    sys.stdout.write(
        f"{len(arrows)} calls of rooms through the book, {len(upward)} against the order\n"
    )
    return int(bool(upward) or not arrows)


if __name__ == "__main__":
    sys.exit(main())
