"""How a capture enters the book may be rearranged; what comes of it stays, and costs no more."""

import json
import os
import subprocess
import sys

from tests import week


def test_a_week_gives_the_answers_hooks_and_visits_that_are_committed_and_reads_no_more() -> None:
    """`python -m tests.week` leaves the texts in build/week; if the change is meant, `--write`
    commits it."""
    # In a process of its own: ids rise within one, so after tests of a later time they are ahead of
    # the week's clock.
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.week", "--json"]
    played = subprocess.run(command, env=path, capture_output=True, text=True, check=True)
    said, found = json.loads(week.FILE.read_text()), json.loads(played.stdout)
    assert {part: found[part] for part in week.PARTS} == {part: said[part] for part in week.PARTS}
    for used in ("reads", "calls"):
        assert {what: n for what, n in found[used].items() if n > said[used].get(what, 0)} == {}
    # An id's digits are drawn by lot, and those at its end that are zeros take no room: of 3,000
    # units one or two.
    assert sum(found["writes"].values()) <= sum(said["writes"].values()) + 3
