"""Several programs that write, scrub, read, back up and are killed, all on one database.

    python -m tests.support.box.racing SECONDS [FOLDER]

Each writer says what it has committed. After each round, in which all are killed, each of these
rows must be there, once, with what a trigger made of it; and after a scrub no file may have a name
of a row that is not.
"""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.storage.box.items import SqliteFile

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS counts (writer TEXT NOT NULL, number INTEGER NOT NULL, "
    "PRIMARY KEY (writer)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY AUTOINCREMENT, writer TEXT NOT NULL, "
    "number INTEGER NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS by_body ON rows (body)",
    "CREATE TABLE IF NOT EXISTS seen (writer TEXT PRIMARY KEY NOT NULL, number INTEGER NOT NULL)",
    "CREATE TRIGGER IF NOT EXISTS sees AFTER INSERT ON rows BEGIN INSERT INTO seen VALUES "
    "(NEW.writer, 1) ON CONFLICT DO UPDATE SET number = number + 1; END",
)
NAME = re.compile(rb"<[0-9a-f]{10}>")
FAILURES = (Busy, StorageUnavailable, sqlite3.Error)
NOTE_BYTES = 100
"""Size of what stands in the place of a file that was replaced."""
KEPT = 300
"""So many rows of a writer stay."""


def find_current(path: Path) -> Path:
    """Return the larger of a database's two files."""
    second = path.with_name(f"{path.name}.b")
    return max(path, second, key=lambda one: one.stat().st_size if one.exists() else 0)


def write(connection: sqlite3.Connection, writer: str, drawn: random.Random) -> tuple[int, int]:
    """Write a row in an open transaction, delete an older one, and return the id and the number."""
    connection.execute(
        "INSERT INTO counts VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1", (writer,)
    )
    (number,) = connection.execute(
        "SELECT number FROM counts WHERE writer = ?", (writer,)
    ).fetchone()
    body = f"<{drawn.getrandbits(40):010x}>" * drawn.choice((1, 5, 30, 200))
    row = connection.execute(
        "INSERT INTO rows (writer, number, body) VALUES (?, ?, ?)", (writer, number, body)
    ).lastrowid
    connection.execute("DELETE FROM rows WHERE writer = ? AND number = ?", (writer, number - KEPT))
    return row or 0, number


class Program:
    """A program that goes on until it is killed: each line that it prints says what it did."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.drawn = random.Random(f"{name} {time.time_ns()}")
        self._said = threading.Lock()

    def say(self, *words: object) -> None:
        with self._said:
            os.write(1, (" ".join(map(str, words)) + "\n").encode())

    def keep_on(self, do: Callable[[], None], pause_s: float) -> None:
        while True:
            try:
                do()
            except FAILURES as failure:
                self.say("failed", self.name, type(failure).__name__, str(failure)[:120])
            time.sleep(self.drawn.random() * pause_s)

    def serve(self) -> None:
        """Write and read by several threads, as a service does, and scrub at times."""
        while True:
            with suppress(*FAILURES):
                file = SqliteFile(self.path)
                file.lay_out(SCHEMA)
                break

        def add(writer: str) -> None:
            with file.writing() as connection:
                written = write(connection, writer, self.drawn)
            self.say("wrote", writer, *written)

        def read() -> None:
            with file.reading() as connection:
                connection.execute("SELECT count(*), max(body) FROM rows").fetchone()

        def scrub() -> None:
            file.wipe()
            before = find_current(self.path).stat().st_ino
            file.scrub()
            self.say(
                "replaced" if find_current(self.path).stat().st_ino != before else "in_place",
                self.name,
            )

        for number in range(2):
            writer = f"{self.name}.{number}"
            threading.Thread(target=self.keep_on, args=(lambda w=writer: add(w), 0.01)).start()
        threading.Thread(target=self.keep_on, args=(read, 0.05)).start()
        threading.Thread(target=self.keep_on, args=(file.remove_left, 0.3)).start()
        self.keep_on(scrub, 0.05)

    def command(self) -> None:
        """Open the database, write or wipe, and close it, as a command does."""

        def do() -> None:
            with closing(SqliteFile(self.path)) as file:
                if self.drawn.random() < 0.2:
                    file.wipe()
                with file.writing() as connection:
                    written = write(connection, self.name, self.drawn)
                self.say("wrote", self.name, *written)

        self.keep_on(do, 0.6)

    def scrub(self) -> None:
        """Scrub from another program, beside the service's scrubs."""

        def do() -> None:
            with closing(SqliteFile(self.path)) as file:
                before = find_current(self.path).stat().st_ino
                file.scrub()
            self.say(
                "replaced" if find_current(self.path).stat().st_ino != before else "in_place",
                self.name,
            )

        self.keep_on(do, 2)

    def stranger(self) -> None:
        """Open the database without the product, wait before its first lock, then write."""

        def do() -> None:
            uri = f"file:{find_current(self.path)}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None)) as other:
                time.sleep(self.drawn.random() * 0.8)
                if self.drawn.random() < 0.3:
                    other.execute("PRAGMA journal_mode = WAL").fetchone()
                other.execute("BEGIN IMMEDIATE")
                written = write(other, self.name, self.drawn)
                other.execute("COMMIT")
                self.say("wrote", self.name, *written)

        self.keep_on(do, 0.1)

    def backup(self) -> None:
        """Copy the database page by page, as a backup does, and check the copy."""

        def do() -> None:
            with (
                closing(
                    sqlite3.connect(f"file:{find_current(self.path)}?mode=rw", uri=True)
                ) as live,
                closing(sqlite3.connect(":memory:")) as copy,
            ):
                live.backup(copy, pages=-1)
                verdicts = copy.execute("PRAGMA integrity_check").fetchall()
            self.say("backed_up", self.name, "ok" if verdicts == [("ok",)] else "DAMAGED")

        self.keep_on(do, 1.5)


ROLES = ("serve", "command", "scrub", "stranger", "backup")


class Race:
    """Rounds of programs on one database, and what was said in them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.sqlite"
        self.said: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.problems: list[str] = []
        self._last: dict[str, int] = {}
        """By writer, the number of the last row that it said it had committed."""
        self._ids: set[int] = set()

    def run(self, seconds: float) -> None:
        drawn, number, until = random.Random(seconds), 0, time.monotonic() + seconds
        while time.monotonic() < until and not self.problems:
            number += 1
            others = [role for role in ROLES[1:] if drawn.random() < 0.3]
            self._run_round(["serve", *others], drawn)
            self._require_sound(number, has_scrub=drawn.random() < 0.5)

    def _run_round(self, roles: list[str], drawn: random.Random) -> None:
        programs = [
            subprocess.Popen(
                [sys.executable, "-m", __spec__.name, role, str(self.path)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for role in roles
        ]
        timers = [
            threading.Timer(1.0 + drawn.random() * 4, program.send_signal, (signal.SIGKILL,))
            for program in programs
        ]
        for timer in timers:
            timer.start()
        for program in programs:
            for line in program.communicate()[0].splitlines():
                self._hear(line.split(" "))
        self.said["killed"] += len(programs)

    def _hear(self, words: list[str]) -> None:
        self.said[words[0]] += 1
        if words[0] == "wrote":
            writer, row, number = words[1], int(words[2]), int(words[3])
            self._last[writer] = max(number, self._last.get(writer, 0))
            if row in self._ids:
                self.problems.append(f"the id {row} was given twice")
            self._ids.add(row)
        elif words[0] == "failed":
            self.failures[f"{words[1].split('.')[0]}: {' '.join(words[2:])}"] += 1
        elif words[-1] == "DAMAGED":
            self.problems.append("a backup is damaged")

    def _require_sound(self, number: int, *, has_scrub: bool) -> None:
        """Look whether all that was committed is there, and what killed programs left."""
        for name in (one.name for one in self.path.parent.iterdir()):
            self.said["left " + re.sub("[0-9a-f]{8}", "N", name)] += 1
        try:
            with closing(SqliteFile(self.path)) as file:
                file.lay_out(SCHEMA)
                file.remove_left()
                if has_scrub:
                    file.scrub()
                with file.reading() as connection:
                    self._check_rows(connection)
            if has_scrub:
                self._check_names()
        except FAILURES as failure:
            self.problems.append(f"round {number}: {failure}")
        left = {
            one.name
            for one in self.path.parent.iterdir()
            if one != find_current(self.path)
            and one.stat().st_size != (0 if one.name.endswith("-wal") else NOTE_BYTES)
        }
        if left:
            self.problems.append(f"round {number}: left {sorted(left)}")

    def _check_rows(self, connection: sqlite3.Connection) -> None:
        verdicts = connection.execute("PRAGMA integrity_check").fetchall()
        if verdicts != [("ok",)]:
            self.problems.append(f"damaged: {verdicts[:3]}")
        counts = dict(connection.execute("SELECT * FROM counts").fetchall())
        if counts != dict(connection.execute("SELECT * FROM seen").fetchall()):
            self.problems.append("a trigger's table does not agree")
        for writer, last in self._last.items():
            if counts.get(writer, 0) < last:
                self.problems.append(f"{writer} wrote {last}, and {counts.get(writer)} are there")
        for writer, count in counts.items():
            numbers = [
                number
                for (number,) in connection.execute(
                    "SELECT number FROM rows WHERE writer = ? ORDER BY number", (writer,)
                )
            ]
            if numbers != list(range(max(1, count - KEPT + 1), count + 1)):
                self.problems.append(f"{writer}'s rows do not agree with its {count}")
            self._last[writer] = count

    def _check_names(self) -> None:
        with closing(sqlite3.connect(find_current(self.path))) as connection:
            rows = repr(connection.execute("SELECT body FROM rows").fetchall()).encode()
        files = [one.read_bytes() for one in self.path.parent.iterdir()]
        left = {name for file in files for name in NAME.findall(file)} - {*NAME.findall(rows)}
        if left:
            self.problems.append(f"{len(left)} names of deleted rows are left")


def main() -> int:
    if sys.argv[1] in ROLES:
        role, path = sys.argv[1:]
        getattr(Program(Path(path), role), role)()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(scratch)
        race = Race(folder)
        race.run(float(sys.argv[1]))
        print("said", dict(race.said), "failures", dict(race.failures.most_common(12)), sep="\n  ")
        print("problems", len(race.problems), *race.problems[:9], sep="\n  ")
    return 1 if race.problems else 0


if __name__ == "__main__":
    sys.exit(main())
