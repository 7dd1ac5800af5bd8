"""`python -m tests.releases.back ROOT`: upgrade a folder from the version in ROOT, go back, and upgrade again.

Each version runs in a process of its own, from its own checkout: what `git archive` makes of an older commit is one.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import Struct

HERE = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from chalicelib.book.words import keys
from tests.support.book.book import Book, shot
first, end, days = map(int, sys.argv[2:])
with closing(Book(Path(sys.argv[1]))) as book:
    book.clock.advance(timedelta(days=days))
    book.see(*(shot(60 * hour, 1) for hour in range(first, end)))
    book.sweep()
    visits = sum(face.arrive_count for face in book.faces())
    print(json.dumps([book.storage.items.get(keys.TENANTS, keys.tenant_item("shop"))["format"], visits]))
"""
"""Plays a visit an hour, and sweeps; says the tenant's format and the visits that there are."""


class Version(Struct, frozen=True):
    """A checkout of some version."""

    root: Path

    def see(self, data: Path, first: int, end: int, days: int) -> tuple[int, int]:
        """Return the format and the visits. Raises ValueError with the last line that a version says that fails."""
        command = [sys.executable, "-c", PROGRAM, *map(str, (data, first, end, days))]
        done = subprocess.run(
            command, cwd=self.root, env={"PYTHONPATH": str(self.root)}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(done.stderr.strip().splitlines()[-1])
        number, visits = json.loads(done.stdout)
        return number, visits


def upgraded_and_back(older: Version, newer: Version, data: Path) -> list[tuple[int, int] | str]:
    """Return what each step says: of 40 visits each, in the order in which a deployment goes wrong."""
    steps = [(older, 0), (newer, 0), (older, 0), (newer, 3), (newer, 4), (older, 4), (newer, 4)]
    said: list[tuple[int, int] | str] = []
    for number, (version, days) in enumerate(steps):
        try:
            said.append(version.see(data, 40 * number, 40 * (number + 1), days))
        except ValueError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for one in upgraded_and_back(Version(Path(sys.argv[1]).resolve()), Version(HERE), Path(scratch) / "data"):
            print(one)
