"""Patterns that the package has compiled are what Python would make; a Python of other codes makes its own."""

from __future__ import annotations

import subprocess
import sys

from infra import package

PROGRAM = """
import re
import sys
from infra import patterns

def refuse(*_arguments):
    raise SystemExit("it was compiled again")

ASKED = (("a(?P<b>[0-9]+)", 0), ("(?i)ÄB[\\ud800-\\udfff]?", re.VERBOSE), (b"[^:\\s]*", 0))
made = {one: re.compile(*one) for one in ASKED}
text = patterns.module()
magic = str(re._constants.MAGIC)
assert magic in text
re.purge()
exec(text.replace(magic, "1"))
assert not re._cache
exec(text)
re._compiler.compile = refuse
for one, before in made.items():
    again = re.compile(*one)
    assert again == before and again is not before
match = re.match("a(?P<b>[0-9]+)", "a17")
assert match and match["b"] == "17" and match.lastgroup == "b"
assert re.match(ASKED[1][0], "äb", re.VERBOSE)
"""


def test_kept_patterns_are_those_that_python_compiles() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=package.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
