"""Holds calls between services to the order of imports, finds circles of imports, and holds the
core to what it may import.

    python -m infra.arrows

A service that calls another as `self.services.faces` is above it. The order is that of
import-linter's contracts of layers in pyproject.toml, which see imports between packages alone.
Circles are of modules; imports in functions count, those for types do not. The core is what makes
a visit of a picture: its modules stand in pyproject.toml's [tool.core], and it imports no others.
No conditional expression there goes over a line: such a one has to be read twice.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKAGE = "chalicelib"
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


def find_circle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """Return modules that import each other in a circle, the first once more at the end; none: [].

    `imports`: what each module imports.
    """
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def read_imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return what each module of the product imports, at its head or in a function."""
    import grimp  # comes with the linters, which `make test` does without

    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    packages = settings["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def find_reach(imports: Mapping[str, Iterable[str]], begins: Iterable[str]) -> dict[str, str]:
    """Return all modules that `begins` reach by imports, each with one that imports it.

    `imports`: what each module imports. `begins`: are among those returned, with "".
    """
    importers = dict.fromkeys(begins, "")
    waiting = list(importers)
    while waiting:
        module = waiting.pop()
        new = [imported for imported in imports.get(module, ()) if imported not in importers]
        importers |= dict.fromkeys(new, module)
        waiting += new
    return importers


def list_long_choices(content: ast.Module) -> list[int]:
    """Return the lines on which a conditional expression begins and does not end."""
    choices = (node for node in ast.walk(content) if isinstance(node, ast.IfExp))
    return [node.lineno for node in choices if node.end_lineno != node.lineno]


def report_core(imports: Mapping[str, Iterable[str]]) -> bool:
    """Print what in the core is against its contract, and tell whether there is something.

    A name in [tool.core] stands for a module, or for all modules of a package.
    """
    core = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["core"]
    names, importers = [*core["begins"], *core["may_import"]], find_reach(imports, core["begins"])
    complaints, met = [], set()
    for module, importer in sorted(importers.items()):
        name = next((name for name in names if f"{module}.".startswith(f"{name}.")), None)
        met.add(name)
        if name is None:
            complaints.append(f"{importer} imports {module}, which is not of the core")
    complaints += [f"the core does not import {name}" for name in names if name not in met]
    for module in read_modules(ROOT):
        if module.name in importers:
            complaints += [
                f"{module.file.relative_to(ROOT)}:{line}: a conditional expression over a line"
                for line in list_long_choices(module.content)
            ]
    for complaint in complaints:
        sys.stderr.write(f"{complaint} (pyproject.toml, tool.core)\n")
    return bool(complaints)


def report_circle(imports: Mapping[str, Iterable[str]]) -> bool:
    """Print a circle of imports, if there is one, and tell so."""
    circle = find_circle(imports)
    if circle:
        sys.stderr.write(f"imports in a circle: {' <- '.join(circle)}\n")
    return bool(circle)


def report_arrows() -> bool:
    """Print the arrows against the order.

    Tell whether there are some, or none at all was found.
    """
    arrows, all_orders = list_arrows(), read_orders()
    upward = [arrow for arrow in arrows if any(is_against(order, arrow) for order in all_orders)]
    for arrow in upward:
        sys.stderr.write(
            f"{arrow.at}: {arrow.source} calls {arrow.target}, which is not below it "
            "(pyproject.toml)\n"
        )
    sys.stdout.write(f"{len(arrows)} calls between services, {len(upward)} against the order\n")
    return bool(upward) or not arrows


if __name__ == "__main__":
    all_imports = read_imports()
    sys.exit(any([report_arrows(), report_circle(all_imports), report_core(all_imports)]))
