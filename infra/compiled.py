"""Compiled modules of a folder, with the methods of dataclasses written out: `python infra/compiled.py FOLDER ROOT`.

`@dataclass` writes the text of `__init__`, `__eq__` and the like, and compiles it, each time that a module is imported:
40 % of what a cold start spends on importing our code. So they are written here, with the same meaning, before the
module is compiled. Sources stay as they are, and the lines of tracebacks fit them. `ROOT`: where Lambda unpacks them.
The target's Python runs this file, with nothing but its own library.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

_UNCHECKED = b"\1\0\0\0"
"""The flags of a compiled module that is never compared with its source (PEP 552)."""

_OPTIONS = {"frozen": False, "eq": True}
"""Options of the decorator that are known here, with their defaults."""


def compile_folder(folder: Path, root: str) -> None:
    """Write the compiled module of each source below `folder` beside it."""
    sources = {path: path.read_bytes() for path in sorted(folder.rglob("*.py"))}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    inherited = {name for tree in trees.values() for name in parents(tree)}
    for path, tree in trees.items():
        code = compile(written_out(tree, inherited), f"{root}/{path.relative_to(folder)}", "exec", dont_inherit=True)
        compiled = Path(importlib.util.cache_from_source(str(path)))
        compiled.parent.mkdir(exist_ok=True)
        head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(sources[path])
        compiled.write_bytes(head + marshal.dumps(code))


def written_out(tree: ast.Module, inherited: Collection[str]) -> ast.Module:
    """Add to each dataclass of a module the methods that its decorator would make, and tell the decorator so.

    Classes stay as they are if they inherit from another or a dataclass from them (`inherited`: names of such), and if
    a field or the decorator has an option that is not known here.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name not in inherited:
            _write_out(node)
    return tree


def parents(tree: ast.Module) -> Iterator[str]:
    """Iterate over the names of the classes that dataclasses of a module inherit from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(one) for one in node.decorator_list):
            yield from (base.id for base in node.bases if isinstance(base, ast.Name))
            yield from (base.attr for base in node.bases if isinstance(base, ast.Attribute))


def _write_out(node: ast.ClassDef) -> None:
    options, fields = _options(node), _fields(node)
    own = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
    if options is None or fields is None or own & {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__"}:
        return
    text = "\n".join(_methods(fields, has_post_init="__post_init__" in own, **options))
    methods = ast.parse(text).body
    if ast.get_docstring(node, clean=False) is None:  # which the decorator would make, from the signature
        methods += ast.parse(f"__doc__ = {node.name!r}").body
    for made in (one for method in methods for one in ast.walk(method)):
        ast.copy_location(made, node)
    node.body += methods
    (decorator,) = node.decorator_list
    told = ast.parse("dataclass(init=False, repr=False, eq=False)", mode="eval").body
    node.decorator_list = [ast.copy_location(told, decorator)]
    ast.fix_missing_locations(node)


def _options(node: ast.ClassDef) -> dict[str, bool] | None:
    """Read the options of `@dataclass`. None: the class is none, or has other options, decorators or bases."""
    if len(node.decorator_list) != 1 or node.bases or node.keywords:
        return None
    match node.decorator_list[0]:
        case ast.Name("dataclass"):
            return dict(_OPTIONS)
        case ast.Call(ast.Name("dataclass"), [], keywords):
            given = {one.arg: ast.unparse(one.value) == "True" for one in keywords if one.arg in _OPTIONS}
            return {**_OPTIONS, **given} if len(given) == len(keywords) else None
    return None


def _fields(node: ast.ClassDef) -> dict[str, str | None] | None:
    """Read the fields: "" for one without a default, None for one with, the factory of one that has that.

    Return None if a field has an option, or a name that the methods use.
    """
    fields: dict[str, str | None] = {}
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        kind, name = ast.unparse(one.annotation), one.target.id
        if "ClassVar" in kind:
            continue
        if "InitVar" in kind or "KW_ONLY" in kind or name in ("self", "object") or name.startswith("__"):
            return None
        match one.value:
            case None:
                fields[name] = ""
            case ast.Call(ast.Name("field"), [], [ast.keyword("default_factory", factory)]):
                fields[name] = ast.unparse(factory)
            case ast.Call(ast.Name("frozenset"), []):
                fields[name] = None
            case ast.Call():  # of a function that may make a field
                return None
            case _:
                fields[name] = None
    return fields


def _methods(fields: dict[str, str | None], *, frozen: bool, eq: bool, has_post_init: bool) -> Iterator[str]:
    defaults = {name: {"": "", None: f"={name}"}.get(of, "=...") for name, of in fields.items()}
    yield f"def __init__({', '.join(['self', *(name + default for name, default in defaults.items())])}):"
    for name, factory in fields.items():
        value = f"({factory})() if {name} is ... else {name}" if factory else name
        yield f" object.__setattr__(self, {name!r}, {value})" if frozen else f" self.{name} = {value}"
    yield " self.__post_init__()" if has_post_init else " return None"
    shown = ", ".join(f"{name}={{self.{name}!r}}" for name in fields)
    yield f"def __repr__(self):\n return f'{{self.__class__.__qualname__}}({shown})'"
    if eq:
        alike = " and ".join(f"self.{name} == other.{name}" for name in fields) or "True"
        yield "def __eq__(self, other):\n if self is other:\n  return True\n if other.__class__ is self.__class__:"
        yield f"  return {alike}\n return NotImplemented"
    if eq and frozen:
        yield f"def __hash__(self):\n return hash(({''.join(f'self.{name}, ' for name in fields)}))"
    for verb, method, more in (("assign to", "setattr", ", value"), ("delete", "delattr", "")) if frozen else ():
        yield f"def __{method}__(self, name{more}):\n if type(self) is __class__ or name in {tuple(fields)!r}:"
        yield "  from dataclasses import FrozenInstanceError"
        yield f"  raise FrozenInstanceError(f'cannot {verb} field {{name!r}}')"
        yield f" super().__{method}__(name{more})"


def main(arguments: Sequence[str]) -> None:
    folder, root = arguments
    compile_folder(Path(folder), root)


if __name__ == "__main__":
    main(sys.argv[1:])
