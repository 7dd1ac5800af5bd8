"""Tells whether files changed lately. What a test shows of few files stays true until they change.

`python -m tests.support.changed PATH...` ends with 0 if one changed, else with 1.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import is_long

ROOT = Path(__file__).parents[2]
RECENT = 300
"""How many commits are recent: more than a push brings, so no change passes the gate untried."""


def is_changed(*paths: str, root: Path = ROOT, recent: int = RECENT) -> bool:
    """Tell whether a file of these differs from what it was `recent` commits ago.

    True, too, if git cannot tell, as in a copy without its history.
    """
    since = ["git", "diff", "--quiet", f"HEAD~{recent}", "--", *paths]
    return subprocess.run(since, cwd=root, capture_output=True, check=False).returncode != 0


def lately(*paths: str) -> pytest.MarkDecorator:
    """Skip tests unless one of these changed lately; `make functions` skips none."""
    assert all((ROOT / path).exists() for path in paths), "a path that is gone never changes"
    reason = f"{', '.join(paths)}: none changed in the last {RECENT} commits"
    return pytest.mark.skipif(not is_long() and not is_changed(*paths), reason=reason)


if __name__ == "__main__":
    sys.exit(not is_changed(*sys.argv[1:]))
