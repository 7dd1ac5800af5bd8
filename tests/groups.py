"""A plugin for `make test`: which tests go to one worker, and which go first.

A file's tests go together, and all tests on an emulated AWS, since importing the emulation takes each worker ten
seconds of CPU. The groups that take longest go first, so that no worker is left with one of them at the end.
"""

from __future__ import annotations

from collections import Counter

import pytest

AWS = "aws"
LONGEST = (AWS, "test_every_call.py", "test_isolation.py", "test_merging_any_order.py", "test_any_order.py")


def group_of(item: pytest.Item) -> str:
    module = vars(getattr(item, "module", object))
    is_on_aws = any(
        str(getattr(one, "__module__", "")).startswith("tests.adapters.emulated") for one in module.values()
    )
    return AWS if is_on_aws or AWS in getattr(item, "fixturenames", ()) else item.nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_aws = {item.path for item in items if group_of(item) == AWS}
    groups = {item: AWS if item.path in on_aws else group_of(item) for item in items}
    size = Counter(groups.values())

    def turn(item: pytest.Item) -> tuple[int, int, str]:
        group = groups[item]
        rank = next((at for at, name in enumerate(LONGEST) if group.endswith(name)), len(LONGEST))
        return rank, -size[group], group

    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=turn)
