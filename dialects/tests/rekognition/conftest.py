from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from chalicelib.storage.in_process import SystemClock
from tests.support.api.rekognition.client import client
from tests.support.api.stage import Stage, make_stage


@pytest.fixture
def now(clock: Any) -> None:
    """Set the fake clock to the time by which boto3 signs."""
    clock.advance(SystemClock().now() - clock.now())


@pytest.fixture
def shop(services: Services) -> Credentials:
    return services.tenants.add("shop", Profile.CLOUD)


@pytest.fixture
def rekognition(app: Chalice, shop: Credentials, now: None) -> Any:
    """A client of a tenant of the cloud profile."""
    return client(app, shop)


@pytest.fixture
def real(real_services: Services, pipeline: FacePipeline, now: None) -> Any:
    """A client of a tenant that has the real models."""
    stage: Stage = make_stage(real_services)
    return client(stage.app, real_services.tenants.add("shop", Profile.CLOUD))
