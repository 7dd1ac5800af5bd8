"""Compiled modules of a folder, with dataclasses written out: `python infra/compiled.py FOLDER ROOT`.

`@dataclass` writes the text of `__init__`, `__eq__` and the like, and compiles it, each time that a module is imported,
and makes an object of each field, which few ask for: together half of what a cold start spends on importing our code.
So the methods are written here, with the same meaning, before the module is compiled, and the fields wait until they
are asked for (chalicelib/core/written.py). Sources stay as they are, and the lines of tracebacks fit them. `ROOT`:
where Lambda unpacks them. The target's Python runs this file, with nothing but its own library.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_UNCHECKED = b"\1\0\0\0"
"""The flags of a compiled module that is never compared with its source (PEP 552)."""

_OPTIONS = {"frozen": False, "eq": True, "kw_only": False}
"""Options of the decorator that are known here, with their defaults."""

_MADE = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"}
"""Methods that are written: a class with one of its own stays."""

_FIELD_OPTIONS = {"default", "default_factory", "compare", "repr"}


@dataclass(frozen=True)
class Field:
    """A field: the texts of its default and its factory, "" if it has none, and its options."""

    default: str = ""
    factory: str = ""
    compare: bool = True
    repr: bool = True
    kw_only: bool = False


Fields = dict[str, Field]


def compile_folder(folder: Path, root: str) -> None:
    """Write the compiled module of each source below `folder` beside it."""
    sources = {path: path.read_bytes() for path in sorted(folder.rglob("*.py"))}
    trees = {path: ast.parse(source) for path, source in sources.items()}
    inherited = parents(trees.values())
    for path, tree in trees.items():
        code = compile(written_out(tree, inherited), f"{root}/{path.relative_to(folder)}", "exec", dont_inherit=True)
        compiled = Path(importlib.util.cache_from_source(str(path)))
        compiled.parent.mkdir(exist_ok=True)
        head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(sources[path])
        compiled.write_bytes(head + marshal.dumps(code))


def parents(trees: Collection[ast.Module]) -> dict[str, Fields | None]:
    """Return the fields of the classes that dataclasses inherit from, by name. None: they and their heirs stay.

    They do if one of them cannot be written out, if a parent inherits itself, and if two classes have its name.
    """
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    heirs = [(name, node) for node in classes if _is_dataclass(node) for name in _bases(node)]
    found: dict[str, Fields | None] = {}
    for name, heir in heirs:
        named = [node for node in classes if node.name == name]
        alone = len(named) == 1 and not named[0].bases and _fields(heir) is not None and len(heir.bases) == 1
        fields = _fields_of_parent(named[0]) if alone else None
        found[name] = fields if found.get(name, fields) is not None else None
    return found


def written_out(tree: ast.Module, inherited: Mapping[str, Fields | None]) -> ast.Module:
    """Add to each dataclass of a module what its decorator would make, and take that away.

    Classes stay as they are if a field or the decorator has an option that is not known here. `inherited`: `parents`.
    """
    written = [_write_out(node, inherited) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    if any(written):
        told = ast.parse("from chalicelib.core.written import Fields as _Fields").body
        at = next(n for n, one in enumerate(tree.body) if not isinstance(one, ast.Expr) and not _is_future(one))
        tree.body[at:at] = [ast.copy_location(one, tree.body[at]) for one in told]
        ast.fix_missing_locations(tree)
    return tree


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(one) for one in node.decorator_list)


def _bases(node: ast.ClassDef) -> list[str]:
    """Return the names of a class's parents, without those of types that it is generic in."""
    return [ast.unparse(base).split(".")[-1] for base in node.bases if not isinstance(base, ast.Subscript)]


def _fields_of_parent(node: ast.ClassDef) -> Fields | None:
    return _fields(node) if _is_dataclass(node) or _own(node) & _MADE else {}


def _write_out(node: ast.ClassDef, inherited: Mapping[str, Fields | None]) -> bool:
    """Write the class out, and tell whether it could be."""
    options, own, bases = _options(node), _fields(node), _bases(node)
    above = [inherited.get(base) for base in bases]
    if options is None or own is None or None in above or inherited.get(node.name, own) is None:
        return False
    theirs = {name: field for fields in above for name, field in (fields or {}).items()}
    # A default of a parent's field is the class's attribute of that name.
    theirs = {name: replace(one, default=one.default and f"{bases[0]}.{name}") for name, one in theirs.items()}
    fields = theirs | own
    text = "\n".join(
        _methods(fields, frozen=options["frozen"], eq=options["eq"], has_post_init="__post_init__" in _own(node))
    )
    asked = "kw_only=True" if options["kw_only"] else ""
    text += f"\n__dataclass_fields__ = _Fields({asked})"
    text += f"\n__match_args__ = {tuple(name for name, one in fields.items() if not one.kw_only)!r}"
    if ast.get_docstring(node, clean=False) is None:  # which the decorator would make, from the signature
        text += f"\n__doc__ = {node.name!r}"
    methods = ast.parse(text).body
    for made in (one for method in methods for one in ast.walk(method)):
        ast.copy_location(made, node)
    node.body += methods
    node.decorator_list = []
    ast.fix_missing_locations(node)
    return True


def _own(node: ast.ClassDef) -> set[str]:
    return {one.name for one in node.body if isinstance(one, ast.FunctionDef)}


def _options(node: ast.ClassDef) -> dict[str, bool] | None:
    """Read the options of `@dataclass`. None: the class is none, has other options or decorators, or own methods."""
    if len(node.decorator_list) != 1 or len(node.bases) > 1 or node.keywords:
        return None
    if _own(node) & _MADE:
        return None
    match node.decorator_list[0]:
        case ast.Name("dataclass"):
            return dict(_OPTIONS)
        case ast.Call(ast.Name("dataclass"), [], keywords):
            given = {one.arg: ast.unparse(one.value) == "True" for one in keywords if one.arg in _OPTIONS}
            return {**_OPTIONS, **given} if len(given) == len(keywords) else None
    return None


def _fields(node: ast.ClassDef) -> Fields | None:
    """Read the fields. None: one has an option that is not known here, or a name that the methods use."""
    options = _options(node)
    if options is None:
        return None
    fields: Fields = {}
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
                fields[name] = Field(kw_only=options["kw_only"])
            case ast.Call(ast.Name("field"), [], keywords):
                given = {one.arg: ast.unparse(one.value) for one in keywords}
                if not given.keys() <= _FIELD_OPTIONS:
                    return None
                shown = {name: given[name] == "True" for name in ("compare", "repr") if name in given}
                default, factory = given.get("default", ""), given.get("default_factory", "")
                fields[name] = Field(default, factory, kw_only=options["kw_only"], **shown)
            case ast.Call(ast.Name("frozenset"), []):
                fields[name] = Field(name, kw_only=options["kw_only"])
            case ast.Call():  # of a function that may make a field
                return None
            case _:
                fields[name] = Field(name, kw_only=options["kw_only"])
    return fields


def _methods(fields: Fields, *, frozen: bool, eq: bool, has_post_init: bool) -> Iterator[str]:
    defaults = {name: "=..." if one.factory else one.default and f"={one.default}" for name, one in fields.items()}
    positional = [name + defaults[name] for name, one in fields.items() if not one.kw_only]
    named = [name + defaults[name] for name, one in fields.items() if one.kw_only]
    yield f"def __init__({', '.join(['self', *positional, *(['*'] if named else []), *named])}):"
    for name, one in fields.items():
        value = f"({one.factory})() if {name} is ... else {name}" if one.factory else name
        yield f" object.__setattr__(self, {name!r}, {value})" if frozen else f" self.{name} = {value}"
    yield " self.__post_init__()" if has_post_init else " return None"
    shown = ", ".join(f"{name}={{self.{name}!r}}" for name, one in fields.items() if one.repr)
    yield f"def __repr__(self):\n return f'{{self.__class__.__qualname__}}({shown})'"
    compared = [name for name, one in fields.items() if one.compare]
    if eq:
        alike = " and ".join(f"self.{name} == other.{name}" for name in compared) or "True"
        yield "def __eq__(self, other):\n if self is other:\n  return True\n if other.__class__ is self.__class__:"
        yield f"  return {alike}\n return NotImplemented"
    if eq and frozen:
        yield f"def __hash__(self):\n return hash(({''.join(f'self.{name}, ' for name in compared)}))"
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
