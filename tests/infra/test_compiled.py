"""Dataclasses whose methods are written out before they are compiled: they are what their decorator would make."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import chalicelib
from chalicelib.core.written import Fields
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

@dataclass(frozen=True, kw_only=True)
class Options:
    enabled: bool = True
    more: dict[str, int] = field(default_factory=dict)

@dataclass(frozen=True)
class Chosen(Options):
    size: int
    seen: int = field(default=1, compare=False)
    hidden: str = field(default="", repr=False)

class Bare: ...

@dataclass(frozen=True)
class Dressed(Bare):
    size: int

@dataclass(frozen=True)
class Odd:
    size: int = field(default=1, init=False)

@dataclass(frozen=True)
class OfOdd(Odd):
    name: str = ""

@dataclass(frozen=True)
class AboveOdd:
    size: int

@dataclass(frozen=True)
class BelowOdd(AboveOdd):
    odd: int = field(default=1, init=False)
'''
WRITTEN = {"Frozen", "Open", "Itself", "Empty", "Parent", "Child", "Options", "Chosen", "Dressed"}
PARTS = sorted(Path(next(iter(chalicelib.__path__))).rglob("*.py"))
INHERITED = compiled.parents([ast.parse(path.read_bytes()) for path in PARTS])


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModuleType]:
    """The module as it is, and with methods written out."""
    tree = ast.parse(SOURCE)
    written = ast.unparse(compiled.written_out(tree, compiled.parents([tree])))
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
    return isinstance(vars(kind).get("__dataclass_fields__"), Fields)


def test_families_stay_as_they_are_if_one_of_them_has_a_field_with_another_option(made: list[ModuleType]) -> None:
    kinds = {name: kind for name, kind in vars(made[1]).items() if isinstance(kind, type)}
    assert {name for name, kind in kinds.items() if is_written(kind)} == WRITTEN


def test_fields_are_made_when_they_are_asked_for(made: list[ModuleType]) -> None:
    for kind, other in ((vars(module)["Chosen"], vars(module)["Plain"]) for module in made):
        assert [(one.name, one.kw_only, one.compare, one.repr) for one in fields(kind)] == [
            ("enabled", True, True, True),
            ("more", True, True, True),
            ("size", False, True, True),
            ("seen", False, False, True),
            ("hidden", False, True, False),
        ]
        assert asdict(replace(kind(3), enabled=False)) == {
            "enabled": False,
            "more": {},
            "size": 3,
            "seen": 1,
            "hidden": "",
        }
        assert is_dataclass(other)
        assert not is_written(kind)


def test_threads_that_ask_for_fields_at_once_get_the_same(made: list[ModuleType]) -> None:
    begin = threading.Barrier(8)

    def asked() -> list[object]:
        begin.wait()
        return [fields(made[1].Chosen), made[1].Chosen.__dataclass_fields__["more"].default_factory]

    with ThreadPoolExecutor(8) as pool:
        found = [running.result() for running in [pool.submit(asked) for _ in range(8)]]
    assert all(one == found[0] for one in found)
    assert found[0][1] is dict


def test_patterns_match_by_position_alike(made: list[ModuleType]) -> None:
    assert made[1].Chosen.__match_args__ == made[0].Chosen.__match_args__ == ("size", "seen", "hidden")


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
            lambda module=module: module.Chosen(1, enabled=False, other=2),
            lambda module=module: setattr(module.Chosen(1), "enabled", 4),
            lambda opened=opened: hash(opened),
            lambda one=one: hash(one),
        ):
            with pytest.raises((FrozenInstanceError, TypeError)) as error:
                refused()
            said.append((type(error.value), str(error.value)))
        assert module.Chosen(1, seen=2) == module.Chosen(1) != module.Chosen(1, enabled=False)
        assert len({module.Parent(1), module.Child(1), module.Child(1)}) == 2
        chosen = module.Chosen(1, hidden="never", more={"a": 1})
        shown.append(
            (
                repr(chosen),
                repr(module.Child(1)),
                asdict(chosen),
                repr(one),
                repr(opened),
                repr(plain),
                repr(module.Empty()),
                asdict(one),
                asdict(opened),
                said,
            )
        )
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "path", [path for path in PARTS if "@dataclass" in path.read_text()], ids=lambda path: path.stem
)
def test_each_dataclass_of_ours_is_made_by_the_same_arguments(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = ".".join(path.with_suffix("").relative_to(PARTS[0].parent.parent).parts)
    plain = vars(importlib.import_module(name))
    written = vars(written_module(name, path, monkeypatch))
    for kind in [
        one for one in plain.values() if isinstance(one, type) and is_dataclass(one) and one.__module__ == name
    ]:
        other = written[kind.__name__]
        was_written = is_written(other)  # and is not any more when its fields were asked for
        assert [(one.name, one.compare) for one in fields(other)] == [(one.name, one.compare) for one in fields(kind)]
        assert arguments(other) == arguments(kind)
        assert (other.__hash__ is None) == (kind.__hash__ is None)
        assert kind.__doc__ is None or other.__doc__ is not None
        assert vars(other)["__match_args__"] == vars(kind)["__match_args__"]
        if was_written and not hasattr(kind, "__post_init__"):
            holds_the_same(kind, other)


def written_module(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Make the module as it is in the package, and first those of which it inherits classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in [one for one in ast.walk(tree) if isinstance(one, ast.ImportFrom) and one.module]:
        if any(alias.name in INHERITED for alias in node.names):
            above = importlib.import_module(str(node.module))
            written_module(above.__name__, Path(str(above.__file__)), monkeypatch)
    made = ModuleType(name)
    made.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(compiled.written_out(tree, INHERITED), name, "exec", dont_inherit=True), vars(made))
    return made


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
