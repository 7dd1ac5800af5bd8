"""Finds circles: of imports between modules, and of imports and calls of services between the parts
of a package.

    python -m infra.arrows

A call of a service is one through `self.services`, such as `self.services.faces`. Imports in
functions count, those for types do not. The order of the packages themselves is import-linter's
(pyproject.toml).
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = "chalicelib"
_SEARCH = f"{PACKAGE}.book.search"
_OF_ALL = ("Services", "Book")
"""The classes whose attributes are the services. What the book itself has is its own, even if
others replace it."""


class Arrow(NamedTuple):
    """A call. `source`: the module that calls; `target`: the module of the service that it
    calls; `at`: file and line."""

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


def parse_services(content: ast.Module, name: str) -> Mapping[str, str]:
    """Return the module of each service that the class `name` has, by the service's attribute.

    The attribute is a method, whose first import names the module.
    """
    services: dict[str, str] = {}
    for owner in (
        node for node in content.body if isinstance(node, ast.ClassDef) and node.name == name
    ):
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                imported = [
                    line.module
                    for line in node.body
                    if isinstance(line, ast.ImportFrom) and line.module
                ]
                if imported:
                    services[node.name] = imported[0]
    return services


def read_all_services(root: Path = ROOT) -> Mapping[str, str]:
    """Return all services: the module of each, by its attribute."""
    contents = [module.content for module in read_modules(root)]
    services: dict[str, str] = {}
    for owner in _OF_ALL:
        for content in contents:
            services |= parse_services(content, owner)
    return services


def list_arrows(root: Path = ROOT) -> list[Arrow]:
    """Return the calls of services through `services`, of the book as well as around it."""
    services = read_all_services(root)
    return [
        Arrow(name, services[node.attr], f"{file.relative_to(root)}:{node.lineno}")
        for name, file, content in read_modules(root)
        for node in ast.walk(content)
        if isinstance(node, ast.Attribute) and node.attr in services and _is_services(node.value)
    ]


def _is_services(node: ast.expr) -> bool:
    """Tell whether this is `services`, or the `services` of something."""
    return (isinstance(node, ast.Name) and node.id == "services") or (
        isinstance(node, ast.Attribute) and node.attr == "services"
    )


def read_imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return what each module of the product imports, at its head or in a function."""
    import grimp  # comes with the linters, which `make test` does without

    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def find_circle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return names that lead to each other in a circle, the first once more at the end; []: none.

    `edges`: where each name leads to.
    """
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def find_sibling_circles(
    imports: Mapping[str, Iterable[str]], arrows: Iterable[Arrow], services: Iterable[str]
) -> list[list[str]]:
    """Return a circle of each package whose modules and packages need each other in one.

    One needs another if anything in it imports, or calls the service of, anything in the other.
    `services`: their modules. A package with one service may call that from within. In search two
    parts share how segments are laid out, so it is left out.
    """
    alone = {package for package, number in Counter(map(_parent, services)).items() if number == 1}
    called = [
        (source, target)
        for source, target, _ in arrows
        if not (_parent(target) in alone and source.startswith(f"{_parent(target)}."))
    ]
    imported = [(source, target) for source, targets in imports.items() for target in targets]
    edges: dict[str, dict[str, set[str]]] = {}
    for source, target in imported + called:
        package, one, other = _part(source, target)
        if package.startswith(f"{PACKAGE}.") and package != _SEARCH and one and other:
            edges.setdefault(package, {}).setdefault(f"{package}.{one}", set()).add(
                f"{package}.{other}"
            )
    return [circle for one in edges.values() if (circle := find_circle(one))]


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


def _part(source: str, target: str) -> tuple[str, str, str]:
    """Return the package that two modules have in common, and the name of each in it; "": it is
    the package."""
    one, other = source.split("."), target.split(".")
    common = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
    names = [next(iter(parts[common:]), "") for parts in (one, other)]
    return ".".join(one[:common]), names[0], names[1]


def main() -> int:
    imports, arrows = read_imports(), list_arrows()
    services = read_all_services().values()
    circles = [find_circle(imports), *find_sibling_circles(imports, arrows, services)]
    for circle in filter(None, circles):
        sys.stderr.write(f"a circle of imports or calls: {' <- '.join(circle)}\n")
    sys.stdout.write(f"{len(arrows)} calls between services\n")
    return int(any(circles) or not arrows)


if __name__ == "__main__":
    sys.exit(main())
