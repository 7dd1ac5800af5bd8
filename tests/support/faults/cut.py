"""Commands that are cut off at one of their writes, and how two folders differ afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct, to_builtins

from chalicelib.open_storage import DATABASE
from tests.support.faults.stored import DRAWN, list_rows

REGULARS, EDGE = "regulars.cli:main", "regulars_edge.cli:main"
ROOT = Path(__file__).parents[3]
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")


class Cut(Struct, frozen=True):
    """A cut: before the write of this number, or before the first of this name, by this signal."""

    at: int = 0
    signal: str = "SIGKILL"
    name: str = ""


class Ended(Struct, frozen=True):
    """How a command ended. `writes`: those that it had done, by name."""

    code: int
    writes: list[str]
    said: str
    is_late: bool


class Runner:
    """Runs commands, each in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.faults.runner"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._folder = TemporaryDirectory()

    def close(self) -> None:
        self._process.communicate()
        self._folder.cleanup()

    def run(
        self,
        words: Sequence[str],
        below: Path,
        cut: Cut | None = None,
        *,
        program: str = REGULARS,
        environment: Mapping[str, str] | None = None,
        reads: Path | None = None,
        waits_only: bool = False,
    ) -> Ended:
        """Run a command in the folder `below`, whose writes there are counted.

        `reads`: folder whose files are counted, too, when they are read. `waits_only`: kill it when
        it does nothing but wait.
        """
        said = Path(self._folder.name) / "said"
        said.write_text("")
        asked: dict[str, Any] = {
            "program": program,
            "words": [*words],
            "below": str(below),
            "folder": str(below),
            "environment": dict(environment or {}),
            "said": str(said),
            "reads": str(reads or ""),
            "waits_only": waits_only,
            **to_builtins(cut or Cut()),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return Ended(**answer, said=said.read_text())


_TIMES = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d)*(?:\.\d+)?)?(?:Z|\+00:00)?|\b\d{9,}(?:\.\d+)?\b"
)
"""Times as texts, in seconds or in milliseconds."""
_SECRETS = re.compile(r"(?<=\")(?=[^\"]*\d)[A-Za-z0-9+/_-]{16,}={0,2}(?=\\*\")|\b[A-Z2-7]{16,}\b")
"""Keys, signatures and ids, some of which have no digit."""
_COUNTED = re.compile(
    r'("(?:version|n|revision|changes|seq|number)":\{"N":|"former_secret":\{"B":)"[^"]*"'
    r'|((?:captures_deleted(?:\\"|")|"number"):) *\d+'
)
"""Fields that say how often a row was changed, or what was there before; where a change stands in
the journal, since an import sends several people at once; and what a receipt counts at least."""
_AT_LEAST = re.compile(r'"n_captures_deleted":\{"N":"\d+"\},?')
_OF_THE_PLACE = ("place.json", ".tar", ".zip")
"""Files that say where they are, or whose size depends on what was drawn."""
_UNTOLD = re.compile(
    r".*\.lock|.*-wal|.*-shm|.*\.sqlite(\.b|\.anew)?|(.*/)?\.temporary/.*"
    r"|.*/audit/.*\.(entries|head)"
)
"""Files that are not read as such: locks, the database's, what a start takes away when it is an
hour old, and the audit, of which the deeds are told."""


_SEALED_TWICE = re.compile(r"data/blobs/\w+/observations/.*\.columns ")
"""A day's columns that no seal names: the sweep takes them away, a day later."""


class Stored(Struct, frozen=True):
    """What lies in a folder, but for times and what was drawn at random.

    `rows`: those of the database, and the files; `deeds`: what the audit says was done, each once,
    since a command that is repeated is entered again; `messages`: those that wait, each once.
    """

    rows: Counter[str]
    deeds: frozenset[str]
    messages: frozenset[str]

    def list_unlike(self, right: Stored, leaves: str = "") -> list[str]:
        """Say what differs from what is right: a line each.

        `leaves`: pattern of rows that may be too much, and of messages that may lack.
        """
        left = [row for row in (self.rows - right.rows).elements() if not _SEALED_TWICE.match(row)]
        return [
            *(f"missing: {row}" for row in (right.rows - self.rows).elements()),
            *(f"too much: {row}" for row in left if not (leaves and re.match(leaves, row))),
            *(f"not in the audit: {deed}" for deed in sorted(right.deeds - self.deeds)),
            *(
                f"no message: {body}"
                for body in sorted(right.messages - self.messages)
                if not (leaves and re.match(leaves, f"message {body}"))
            ),
        ]


class Reader:
    """Reads folders that were made of one, of which it knows what was drawn before."""

    def __init__(self, before: Path) -> None:
        text = "\n".join(
            [*(json.dumps(row) for row in _list_all_rows(before)), *map(str, _list_files(before))]
        )
        self._known = {
            found for pattern in (DRAWN, _TIMES, _SECRETS) for found in pattern.findall(text)
        }

    def read(self, folder: Path) -> Stored:
        """Read a folder and those in it."""
        rows, deeds, messages = Counter[str](), set[str](), set[str]()
        for table, *cells in _list_all_rows(folder):
            if table == "generation":
                continue  # one more, and another mark, for each time that the file was scrubbed
            if table == "messages":
                messages.add(self._mask(cells[-1]))
            elif table == "items" and cells[0] == "audit":
                entry = json.loads(cells[-1]).get("entry", {}).get("S", "{}")
                deeds |= {self._mask(one) for one in _list_deeds(entry)}
            else:
                row = " ".join([table, *cells[:-1], _leave_renewals_out(cells[-1])])
                rows[_COUNTED.sub(r"\1\2?", self._mask(row))] += 1
        for entries in folder.rglob("audit/*.entries"):
            for line in entries.read_text().splitlines():
                deeds |= {self._mask(one) for one in _list_deeds(json.loads(line)[-1] or "{}")}
        for name, content in _list_files(folder):
            text = f"{name} {'' if name.endswith(_OF_THE_PLACE) else content}"
            rows[_COUNTED.sub(r"\1\2?", self._mask(text))] += 1
        return Stored(rows, frozenset(deeds), frozenset(messages))

    def _mask(self, text: str) -> str:
        for pattern in (_SECRETS, _TIMES, DRAWN):
            text = pattern.sub(lambda found: found[0] if found[0] in self._known else "?", text)
        return _AT_LEAST.sub("", text)


def _list_all_rows(folder: Path) -> Iterator[list[str]]:
    """Yield the rows of all databases, each with its table first."""
    for database in sorted(folder.rglob(DATABASE)):
        yield from list_rows(database)


def _list_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each file with its text; of one that is no text, its size in KiB."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or _UNTOLD.fullmatch(str(path.relative_to(folder))):
            continue
        data = path.read_bytes()
        try:
            yield str(path.relative_to(folder)), data.decode()
        except UnicodeDecodeError:
            yield str(path.relative_to(folder)), f"{len(data) // 1024} KiB"


def _list_deeds(entry: str) -> Iterable[str]:
    """List what an entry of the audit says was done."""
    for kind, what in json.loads(entry).get("does", {}).items():
        yield from (f"{kind} {one}" for one in (what if isinstance(what, list) else [what]))


def _leave_renewals_out(body: str) -> str:
    """Leave out the keys that were before: a command that is repeated makes one more."""
    if '"renewals"' not in body:
        return body
    fields = json.loads(body)
    return json.dumps({name: value for name, value in fields.items() if name != "renewals"})
