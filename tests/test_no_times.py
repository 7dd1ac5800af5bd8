"""No test of the gate says how long something may take: the machines that run it are shared, and do
other things.

Work is counted, or an event is waited for; what is about time stands in a target of `make proofs`
or in a bench. That something takes at least so long may be said: a busy machine does not make it
shorter.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("tests", "edge/tests", "client/tests", "mqtt/tests", "transfer/tests", "lab/tests")
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS} | {"time", "time_ns", "now", "utcnow"}


def is_reading(node: ast.AST) -> bool:
    """Whether a clock is read: `time.monotonic()`, `datetime.now(UTC)`.

    A clock of a test's own is none.
    """
    called = node.func if isinstance(node, ast.Call) else None
    whose = called.value if isinstance(called, ast.Attribute) else None
    return (
        isinstance(whose, ast.Name) and whose.id in ("time", "datetime") and called.attr in CLOCKS
    )


def measured_in(function: ast.AST) -> Iterator[int]:
    """The lines of asserts that say what a measured duration is at most."""
    read, took = set[str](), set[str]()

    def reads(node: ast.AST) -> bool:
        return any(
            is_reading(one) or (isinstance(one, ast.Name) and one.id in read)
            for one in ast.walk(node)
        )

    def is_duration(node: ast.AST) -> bool:
        differences = (
            one
            for one in ast.walk(node)
            if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Sub)
        )
        named = any(isinstance(one, ast.Name) and one.id in took for one in ast.walk(node))
        return named or any(reads(one.left) and reads(one.right) for one in differences)

    for node in sorted(ast.walk(function), key=lambda one: getattr(one, "lineno", 0)):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {
                one.id
                for target in targets
                for one in ast.walk(target)
                if isinstance(one, ast.Name)
            }
            if is_duration(node.value):
                took |= names
            elif is_reading(node.value):
                read |= names
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and (node.func.attr, type(node.func.value)) == ("append", ast.Name)
            and any(map(is_duration, node.args))
        ):
            took |= {one.id for one in ast.walk(node.func.value) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.Assert) and any(map(is_duration, _smaller_sides(node))):
            yield node.lineno


def _smaller_sides(node: ast.AST) -> Iterator[ast.AST]:
    """What the comparisons below say to be less than something."""
    for compared in (one for one in ast.walk(node) if isinstance(one, ast.Compare)):
        sides = [compared.left, *compared.comparators]
        for at, operator in enumerate(compared.ops):
            if isinstance(operator, ast.Lt | ast.LtE):
                yield sides[at]
            elif isinstance(operator, ast.Gt | ast.GtE):
                yield sides[at + 1]


def found_in(code: str) -> list[int]:
    functions = [
        one
        for one in ast.walk(ast.parse(code))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted({line for function in functions for line in measured_in(function)})


def test_no_test_says_how_long_something_may_take() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    named = {str(file.relative_to(ROOT)): found_in(file.read_text("utf-8")) for file in files}
    assert {name: lines for name, lines in named.items() if lines} == {}


@pytest.mark.parametrize(
    "lines",
    [
        "began = time.monotonic()\nwork()\nassert time.monotonic() - began < 30",
        "began = time.perf_counter()\ntook = time.perf_counter() - began\nassert took <= 1",
        "began = time.time()\ntook.append(time.time() - began)\nassert 0.5 > min(took)",
        "at = datetime.now(UTC)\nassert (datetime.now(UTC) - at).total_seconds() < 3",
        "began = time.monotonic()\nassert 1.0 <= time.monotonic() - began < 30",
    ],
)
def test_what_says_it_is_found(lines: str) -> None:
    assert (
        len(
            found_in(
                "def test() -> None:\n" + "".join(f"    {line}\n" for line in lines.split("\n"))
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    "lines",
    [
        "began = time.monotonic()\nassert time.monotonic() - began >= 0.2",
        "end = time.monotonic() + 60\nwhile not there():\n    assert time.monotonic() < end",
        "assert captured_at < time.time() + 60",
        "assert clock.now() - began < timedelta(hours=1)",
    ],
)
def test_what_does_not_is_not(lines: str) -> None:
    assert (
        found_in("def test() -> None:\n" + "".join(f"    {line}\n" for line in lines.split("\n")))
        == []
    )
