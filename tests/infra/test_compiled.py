"""Dataclasses whose methods are written out before they are compiled: they are what their decorator would make."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chalicelib
from infra import compiled

SOURCE = '''
from __future__ import annotations
from dataclasses import dataclass, field
from typing import ClassVar

@dataclass(frozen=True)
class Frozen:
    """Told."""
    size: int
    name: str = "none"
    names: dict[str, int] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    unit: ClassVar[str] = "px"

    @property
    def twice(self) -> int:
        return 2 * self.size

@dataclass
class Open:
    seen: list[int] = field(default_factory=list)
    sum: int = 0
    marks: dict[str, int] = field(default_factory=lambda: {"a": 1})

    def __post_init__(self) -> None:
        self.sum += sum(self.seen)

@dataclass(frozen=True, eq=False)
class Itself:
    size: int

@dataclass(frozen=True)
class Empty: ...

@dataclass(frozen=True)
class Parent:
    size: int

@dataclass(frozen=True)
class Child(Parent):
    name: str = ""

class Plain(Frozen): ...

@dataclass(frozen=True)
class Odd:
    size: int = field(default=1, compare=False)
'''
WRITTEN = {"Frozen", "Open", "Itself", "Empty"}
PARTS = sorted(Path(next(iter(chalicelib.__path__))).rglob("*.py"))
INHERITED = {name for path in PARTS for name in compiled.parents(ast.parse(path.read_bytes()))}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    """The module as it is, and with methods written out."""
    tree = ast.parse(SOURCE)
    written = ast.unparse(compiled.written_out(tree, set(compiled.parents(tree))))
    modules = []
    for name, source in (("plain", SOURCE), ("written", written)):
        (tmp_path / f"{name}.py").write_text(source)
        spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        modules.append(module)
    return modules


def is_written(kind: Any) -> bool:
    return "__dataclass_params__" in vars(kind) and not vars(kind)["__dataclass_params__"].init


def test_classes_that_inherit_or_have_fields_with_options_stay_as_they_are(
    made: list[ModuleType],
) -> None:
    assert {name for name, kind in vars(made[1]).items() if is_dataclass(kind) and is_written(kind)} == WRITTEN


def test_objects_show_compare_and_refuse_alike(made: list[ModuleType]) -> None:
    shown = []
    for module in made:
        one, same = module.Frozen(3, names={"a": 1}), module.Frozen(size=3, names={"a": 1})
        assert one == same
        assert one != module.Frozen(4)
        assert one != 3
        assert replace(one, size=5).twice == 10
        assert hash(module.Parent(1)) == hash(module.Parent(1))
        assert {module.Itself(1)} != {module.Itself(1)}
        assert module.Empty() == module.Empty()
        assert len({module.Empty(), module.Empty()}) == 1
        assert module.Frozen(1).names is not module.Frozen(1).names
        plain = module.Plain(3)
        assert plain == module.Plain(3) != module.Frozen(3)
        plain.other = 4
        opened = module.Open([1, 2])
        assert (module.Open().marks, module.Open(marks={}).marks) == ({"a": 1}, {})
        opened.seen = []
        said = []
        for refused in (
            lambda module=module: module.Frozen(),
            lambda one=one: setattr(one, "size", 4),
            lambda one=one: setattr(one, "other", 4),
            lambda plain=plain: setattr(plain, "size", 4),
            lambda one=one: delattr(one, "name"),
            lambda opened=opened: hash(opened),
            lambda one=one: hash(one),
        ):
            with pytest.raises((FrozenInstanceError, TypeError)) as error:
                refused()
            said.append((type(error.value), str(error.value)))
        shown.append((repr(one), repr(opened), repr(plain), repr(module.Empty()), asdict(one), asdict(opened), said))
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "path", [path for path in PARTS if "@dataclass" in path.read_text()], ids=lambda path: path.stem
)
def test_each_dataclass_of_ours_is_made_by_the_same_arguments(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    name = ".".join(path.with_suffix("").relative_to(PARTS[0].parent.parent).parts)
    plain = vars(importlib.import_module(name))
    written: dict[str, Any] = {"__name__": name, "__file__": str(path)}
    tree = compiled.written_out(ast.parse(source), INHERITED)
    exec(compile(tree, name, "exec", dont_inherit=True), written)
    for kind in [
        one for one in plain.values() if isinstance(one, type) and is_dataclass(one) and one.__module__ == name
    ]:
        other = written[kind.__name__]
        assert [(one.name, one.compare) for one in fields(other)] == [(one.name, one.compare) for one in fields(kind)]
        assert arguments(other) == arguments(kind)
        assert (other.__hash__ is None) == (kind.__hash__ is None)
        assert kind.__doc__ is None or other.__doc__ is not None
        if is_written(other) and not hasattr(kind, "__post_init__"):
            holds_the_same(kind, other)


def holds_the_same(kind: Any, other: Any) -> None:
    """Made of anything, and of the defaults, both hold and show the same; another value makes another object."""
    parameters = inspect.signature(kind).parameters.values()
    given = {one.name: one.name for one in parameters if one.default is inspect.Parameter.empty}
    one, same = kind(**given), other(**given)
    assert [(name, type(value).__name__) for name, value in vars(same).items()] == [
        (name, type(value).__name__) for name, value in vars(one).items()
    ]
    full = {one.name: f"{one.name}!" for one in parameters}
    one, same = kind(**full), other(**full)
    assert [{name: vars(each)[name] for name in full} for each in (one, same)] == [full, full]
    assert repr(same) == repr(one)
    assert (same == other(**full)) == (one == kind(**full))
    for name in full:
        changed = full | {name: ""}
        assert (same == other(**changed)) == (one == kind(**changed))
    if kind.__hash__ not in (None, object.__hash__):
        assert hash(same) == hash(other(**full)) == hash(one)


def arguments(kind: type) -> list[tuple[str, bool]]:
    return [(one.name, one.default is inspect.Parameter.empty) for one in inspect.signature(kind).parameters.values()]


def test_a_folder_is_compiled_for_where_it_will_lie_and_never_checked(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(SOURCE)
    subprocess.run([sys.executable, compiled.__file__, tmp_path, "/var/task"], check=True)
    (made,) = tmp_path.glob("__pycache__/*.pyc")
    assert b"/var/task/ours.py" in made.read_bytes()
    (tmp_path / "ours.py").write_text("raise SystemExit('it read the source')")
    told = "import ours; print(ours.Frozen(2), ours.Frozen.__doc__)"
    done = subprocess.run([sys.executable, "-c", told], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Frozen(size=2, name='none', names={}, marks=frozenset()) Told."
