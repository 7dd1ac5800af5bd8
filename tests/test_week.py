"""How a capture enters the book may be rearranged; what comes of it stays, and costs no more."""

from __future__ import annotations

import json
from pathlib import Path

from tests import week


def test_a_week_gives_the_answers_hooks_and_visits_that_are_committed_and_reads_no_more(tmp_path: Path) -> None:
    """`python -m tests.week` leaves both texts in build/week; if the change is meant, `--write` commits it."""
    said, found = json.loads(week.FILE.read_text()), week.digest(week.played(tmp_path))
    assert {part: found[part] for part in week.PARTS} == {part: said[part] for part in week.PARTS}
    for used in ("reads", "calls"):
        assert {what: n for what, n in found[used].items() if n > said[used].get(what, 0)} == {}
    # An id's digits are drawn by lot, and those at its end that are zeros take no room: of 3,000 units one or two.
    assert sum(found["writes"].values()) <= sum(said["writes"].values()) + 3
