from collections.abc import Iterator

import pytest

from tests.support.audit.desk import Desk, desk


@pytest.fixture
def made() -> Iterator[Desk]:
    with desk() as made:
        yield made
