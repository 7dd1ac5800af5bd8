import pytest
from chalice.app import Chalice

from chalicelib.core.model import Credentials
from tests.api.v1.client import V1Client


@pytest.fixture
def v1(app: Chalice, shop: Credentials) -> V1Client:
    """With the tenant's own key."""
    return V1Client(app, shop.api_key)


@pytest.fixture
def door(v1: V1Client) -> V1Client:
    """A shop with one camera, `door`."""
    v1.add_camera("door")
    return v1


@pytest.fixture
def browser(v1: V1Client) -> V1Client:
    """It sends no key."""
    return v1.with_key(None)
