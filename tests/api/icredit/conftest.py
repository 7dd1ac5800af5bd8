import pytest

from tests.api.icredit.contract import Shop
from tests.support.api.icredit.client import MarketClient
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.fakes import FakeClock, FakePictures, Person, picture

ANN_URL = "https://pictures.example/ann.jpg"


@pytest.fixture
def floor(stage: Stage, market: MarketClient, camera: CameraClient, clock: FakeClock) -> Shop:
    """A shop whose only picture on the web is Ann's."""
    pictures = FakePictures({ANN_URL: picture(Person(1))})
    stage.services.ports.pictures_by_url = pictures
    return Shop(market, camera, stage, clock, pictures)
