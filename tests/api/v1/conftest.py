import pytest

from tests.support.api.v1.client import V1Client


@pytest.fixture
def door(v1: V1Client) -> V1Client:
    """A shop with one camera, `door`."""
    v1.add_camera("door")
    return v1


@pytest.fixture
def browser(v1: V1Client) -> V1Client:
    """It sends no key."""
    return v1.with_key(None)
