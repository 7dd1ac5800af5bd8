import pytest
from chalice.app import Chalice

from chalicelib.core.model import Credentials
from tests.api.v1.client import V1Client


@pytest.fixture
def v1(app: Chalice, shop: Credentials) -> V1Client:
    """With the tenant's own key."""
    return V1Client(app, shop.api_key)
