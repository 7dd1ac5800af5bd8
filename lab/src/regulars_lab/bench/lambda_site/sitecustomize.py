"""In a function's process, when it is split: where the time of its first answer goes. Python
imports it by itself.

Each kind of work is timed at the call of a library that does it, in the main thread, without what
it calls of another kind; imports wherever they happen. Written to the file that BENCH_SPLIT names,
whenever an answer is sent.
"""

from __future__ import annotations

import importlib._bootstrap as bootstrap
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

_spawned_at = float(os.environ["BENCH_SPAWNED_AT"])
_spent = {"python": time.time() - _spawned_at, "imports": 0.0}
_doing: list[str] = []
_since = [0.0]
_main = threading.get_ident()


def _switch(now: float) -> None:
    if _doing:
        _spent[_doing[-1]] = _spent.get(_doing[-1], 0.0) + now - _since[0]
    _since[0] = now


def _time_calls(kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def time_call(*arguments: Any, **named: Any) -> Any:
        # The index's load is told as a whole, with the reads and imports in it.
        if threading.get_ident() != _main or "index load" in _doing:
            return call(*arguments, **named)
        _switch(time.perf_counter())
        _doing.append(kind)
        try:
            return call(*arguments, **named)
        finally:
            _switch(time.perf_counter())
            _doing.pop()

    return time_call


def _watch(module: str, name: str, kind: str) -> None:
    owner: Any = sys.modules[module]
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    setattr(owner, last, _time_calls(kind, getattr(owner, last)))


_CALLS = {
    "botocore.session": ("Session.create_client", "clients"),
    "botocore.httpsession": ("URLLib3Session.send", "AWS calls"),
    "chalicelib.book.vision.packs.session": ("Sessions._make", "session load"),
}
_import = _time_calls("imports", bootstrap._find_and_load)


def _find_and_load(name: str, importer: Any) -> Any:
    module = _import(name, importer)
    if not _doing or _doing[-1] != "imports":
        for known in filter(_is_imported, list(_CALLS)):
            _watch(known, *_CALLS.pop(known))
        _watch_stages()
        _watch_answers()
    return module


def _is_imported(module: str) -> bool:
    """Tell whether it is all there: another thread may just be importing it."""
    found = sys.modules.get(module)
    return found is not None and not getattr(found.__spec__, "_initializing", False)


def _watch_stages() -> None:
    timing = sys.modules.get("chalicelib.telemetry")
    if timing is None or hasattr(timing, "not_split"):
        return
    timing.not_split = timing.count_stage

    @contextmanager
    def count_stage(name: str) -> Any:
        with timing.not_split(name):
            if name != "load":
                yield
                return
            _switch(time.perf_counter())
            _doing.append("index load")
            try:
                yield
            finally:
                _switch(time.perf_counter())
                _doing.pop()

    timing.count_stage = count_stage


def _watch_answers() -> None:
    client = sys.modules.get("awslambdaric.lambda_runtime_client")
    if client is None or hasattr(client, "not_split"):
        return
    client.not_split = client.LambdaRuntimeClient.post_invocation_result

    def post_invocation_result(*arguments: Any, **named: Any) -> Any:
        _write()
        return client.not_split(*arguments, **named)

    client.LambdaRuntimeClient.post_invocation_result = post_invocation_result


bootstrap._find_and_load = _find_and_load


def _write() -> None:
    _switch(time.perf_counter())
    with open(os.environ["BENCH_SPLIT"], "w", encoding="utf-8") as out:  # noqa: PTH123 - without what pathlib imports
        json.dump({kind: 1000 * spent for kind, spent in _spent.items()}, out)
