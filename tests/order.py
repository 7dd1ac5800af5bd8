"""The order of files: those that take longest come first, so that no worker is alone with one of them in the end.

xdist's own order, by the number of tests, ends with single tests that take minutes each. So the fewer tests a file has
the sooner it comes, and before all others the few files of many long tests. `--durations=100` finds new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

LONGEST = (
    "tests/faults/test_every_call.py",
    "tests/vision/test_detect.py",
    "tests/infra/test_functions.py",
    "tests/vision/test_quality.py",
    "tests/hostile/test_fuzz.py",
    "tests/api/v1/test_any_request.py",
    "tests/hostile/test_growth.py",
    "tests/api/test_isolation.py",
    "tests/vision/test_image.py",
    "tests/vision/test_picture_kinds.py",
)
"""Files of more than forty tests that take half a minute of processor time and more, the longest first."""


def ordered(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests by their files; those of a file stay as they are."""
    sizes = Counter(map(file_of, items))
    places = {file: place for place, file in enumerate(LONGEST)}
    return sorted(items, key=lambda item: (places.get(file_of(item), len(LONGEST)), sizes[file_of(item)]))


def file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
