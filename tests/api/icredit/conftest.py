import pytest

from chalicelib.domain.tenant_settings import FORGET, KEEP, UNDECIDED
from tests.api.icredit.contract import Shop
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.fakes import FakeClock, FakePictures, Person, picture

ANN_URL = "https://pictures.example/ann.jpg"


@pytest.fixture(params=[UNDECIDED, FORGET, KEEP])
def floor(
    stage: Stage,
    market: MarketClient,
    camera: CameraClient,
    clock: FakeClock,
    request: pytest.FixtureRequest,
) -> Shop:
    """A shop whose only picture on the web is Ann's, by each choice for strangers."""
    stage.services.tenants.change_settings("shop", {"strangers": request.param})
    pictures = FakePictures({ANN_URL: picture(Person(1))})
    stage.services.ports.pictures_by_url = pictures
    return Shop(market, camera, stage, clock, pictures)
