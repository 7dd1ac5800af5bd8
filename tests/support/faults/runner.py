"""Runs commands in processes of their own, and ends them at a write: `python -m
tests.support.faults.runner`.

Requests are lines of JSON on standard input, answers lines on standard output. The process has
imported all that commands need and has no threads, so each command is a fork of it.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

PATIENCE_S, LOOK_S, IDLE_LOOKS = 120.0, 0.1, 5
BROKEN = 70
"""Exit code of a command that ends with an error that is not for people."""

_MAKE = os.O_CREAT | os.O_TRUNC
_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_APPEND
_FILES = ("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate")
_ALONE = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "ALTER")


class Writes:
    """The writes of this process below a folder, each told before it happens.

    A write is a change of files, a committed transaction, or a request that changes something.
    `end` is called at number `at`, and at the first whose name begins with `name`, if there is
    such a name.
    """

    def __init__(self, asked: Mapping[str, Any], told: int, end: Callable[..., object]) -> None:
        self._below, self._reads = f"{asked['below']}{os.sep}", asked["reads"]
        self._at, self._name_of_it = asked["at"], asked["name"]
        self._told, self._end = told, end
        self._opened = threading.local()
        self._changed: dict[int, int] = {}
        self._numbers, self._last = itertools.count(1), 0

    def begin(self) -> None:
        """Count from now on; nobody takes the hook out again."""
        sys.addaudithook(self._hear)

    def close(self) -> None:
        """The command is done: its last write is behind it."""
        if self._at == self._last + 1:
            self._end(is_in_sqlite=False)

    def _hear(self, event: str, given: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = given
            if flags & (_MAKE | _CHANGE) and not self._is_told_elsewhere(path):
                self._tell(f"open {self._name(path)}", path)
            elif self._reads and str(path).startswith(self._reads):
                self._tell(f"read {self._name(path)}", path)
        elif event in _FILES:
            if event == "os.mkdir" and Path(os.fsdecode(given[0])).is_dir():
                return
            at = given[1] if event in ("os.rename", "os.link", "os.symlink") else given[0]
            self._tell(f"{event} {self._name(at)}", at)
        elif event == "sqlite3.connect":
            self._opened.path = given[0]
        elif event == "sqlite3.connect/handle":
            if self._is_below(self._opened.path):
                # it takes a callback only when it is whole: at whatever is called next
                sys.setprofile(partial(self._listen, given[0]))
        elif event == "socket.bind":
            self._count(event)

    def _listen(self, connection: sqlite3.Connection, *_: Any) -> None:
        sys.setprofile(None)
        connection.set_trace_callback(partial(self._hear_statement, connection))

    def _hear_statement(self, connection: sqlite3.Connection, statement: str) -> None:
        words = statement.split(None, 2)
        verb = words[0].upper()
        if verb == "BEGIN":
            self._changed[id(connection)] = connection.total_changes
        elif verb in ("COMMIT", "END"):
            if connection.total_changes != self._changed.get(id(connection)):
                self._count("commit", is_in_sqlite=True)
        elif verb in _ALONE and not connection.in_transaction:
            self._count(" ".join(words[:2]).lower(), is_in_sqlite=True)

    def _tell(self, name: str, path: Any) -> None:
        if self._is_below(path):
            self._count(name)

    def _count(self, name: str, *, is_in_sqlite: bool = False) -> None:
        # no lock: an interrupt that came as it is taken would leave it to nobody
        self._last = next(self._numbers)
        is_it = self._last == self._at or (
            bool(self._name_of_it) and name.startswith(self._name_of_it)
        )
        if not is_it:
            os.write(self._told, f"{name}\n".encode())
        if is_it:
            self._end(is_in_sqlite=is_in_sqlite)

    def _is_below(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        return str(Path.cwd() / os.fsdecode(path)).startswith(self._below)

    @staticmethod
    def _is_told_elsewhere(path: Any) -> bool:
        """What is opened to be locked is not written, and a database tells its own writes."""
        return isinstance(path, str | os.PathLike) and str(path).endswith((".lock", ".sqlite"))

    @staticmethod
    def _name(path: Any) -> str:
        return "?" if isinstance(path, int) else Path(os.fsdecode(path)).name


def _run(asked: dict[str, Any], wanted: int, told: int) -> None:
    """Be the process that runs the command. `wanted`: the pipe by which it asks for a signal."""

    def end(*, is_in_sqlite: bool) -> None:
        how = signal.Signals[asked["signal"]]
        if how is not signal.SIGINT:
            os.kill(os.getpid(), how)
            return
        # SQLite swallows what is raised in its callback, so the signal comes from outside
        os.write(wanted, b"!")
        if not is_in_sqlite and threading.current_thread() is threading.main_thread():
            time.sleep(PATIENCE_S)

    writes, code = Writes(asked, told, end), BROKEN
    try:
        nobody, said = os.open(os.devnull, os.O_RDONLY), os.open(asked["said"], os.O_RDWR)
        for at, descriptor in enumerate((nobody, said, said)):
            os.dup2(descriptor, at)
        os.chdir(asked["folder"])
        os.environ.update(asked["environment"])
        writes.begin()
        code = int(resolve_name(asked["program"])(asked["words"]) or 0)
        sys.stdout.flush()
        writes.close()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else BROKEN
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    wanted, want = os.pipe()
    read, told = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _run(asked, want, told)
    os.close(want)
    os.close(told)
    patience, names = _Patience(child, waits_only=asked["waits_only"]), b""
    open_ends = {wanted, read}
    while open_ends:
        ready, _, _ = select.select([*open_ends], [], [], LOOK_S)
        for end in ready:
            piece = os.read(end, 65536)
            if not piece:
                open_ends.discard(end)
            elif end == wanted:
                os.kill(child, signal.SIGINT)
            else:
                names += piece
        if not ready and patience.is_over():
            os.kill(child, signal.SIGKILL)
    os.close(wanted)
    os.close(read)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"code": code, "is_late": patience.is_late, "writes": names.decode().splitlines()}


class _Patience:
    """How long a process may go on. `waits_only`: it is ended, too, when it only waits."""

    def __init__(self, child: int, *, waits_only: bool) -> None:
        self._stat, self._waits_only = Path(f"/proc/{child}/stat"), waits_only
        self._ends_at, self._seen = time.monotonic() + PATIENCE_S, ("", 0)
        self.is_late = False

    def is_over(self) -> bool:
        self.is_late = time.monotonic() > self._ends_at
        return self.is_late or (self._waits_only and self._waits())

    def _waits(self) -> bool:
        """Tell whether it has used no processor since some looks."""
        _, _, fields = self._stat.read_text().rpartition(") ")
        state, *rest = fields.split()
        used = " ".join(rest[10:12])
        before, looks = self._seen
        self._seen = (used, looks + 1 if used == before and state == "S" else 0)
        return self._seen[1] >= IDLE_LOOKS


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for program in ("regulars.cli:main", "regulars_edge.cli:main", "chalicelib.services:Services"):
        with suppress(ImportError):
            resolve_name(program)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
