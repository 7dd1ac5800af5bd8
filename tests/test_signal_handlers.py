"""No handler of a signal calls anything.

It may interrupt the main thread while that holds a lock, and the next signal may interrupt it: what
it calls would wait for itself. It may raise; what is to be done is done by a thread that reads
Python's wakeup pipe.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    "chalicelib",
    "client/src",
    "dialects/src",
    "edge/src",
    "lab/src",
    "mqtt/src",
    "regulars",
    "transfer/src",
)


def list_handlers(module: ast.Module) -> Iterator[ast.AST]:
    """What `signal.signal` is given: a lambda, or a function of this module; no constant, and
    nothing that stands in a variable."""
    functions = {node.name: node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "signal.signal":
            handler = node.args[1]
            if isinstance(handler, ast.Name):
                handler = functions.get(handler.id, handler)
            if isinstance(handler, (ast.Lambda, ast.FunctionDef)):
                yield handler


def list_calls(handler: ast.AST) -> list[str]:
    """What a handler calls, but for what it raises."""
    raised = [node.exc for node in ast.walk(handler) if isinstance(node, ast.Raise)]
    return [
        ast.unparse(node)
        for node in ast.walk(handler)
        if isinstance(node, ast.Call) and node not in raised
    ]


def test_no_handler_calls_anything() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    found = {
        f"{file.relative_to(ROOT)}:{handler.lineno}": list_calls(handler)
        for file in files
        for handler in list_handlers(ast.parse(file.read_text()))
    }
    assert len(found) >= 2, "of the client, for the uploader and the server, and of the demo"
    assert {where: calls for where, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    ("handler", "calls"),
    [
        ("lambda *_: event.set()", ["event.set()"]),
        ("lambda *_: None", []),
        ("end", ["os._exit(number)"]),
    ],
)
def test_a_call_is_seen(handler: str, calls: list[str]) -> None:
    module = ast.parse(
        f"def end(number, frame):\n    if number:\n        os._exit(number)\n"
        f"    raise SystemExit(number)\nsignal.signal(signal.SIGTERM, {handler})\n"
    )
    (found,) = list_handlers(module)
    assert list_calls(found) == calls
