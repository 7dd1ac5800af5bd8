from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.regulars.mqtt.mosquitto import Listener, Mosquitto, listening, mosquitto
from tests.regulars.mqtt.shop import Shop
from tests.regulars.serve.box import serving


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with serving(tmp_path / "data") as box:
        shop = Shop(box)
        with shop.client:
            yield shop


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path / "mosquitto") as running:
        yield running


@pytest.fixture
def listener(broker: Mosquitto) -> Iterator[Listener]:
    with listening(broker) as hears:
        yield hears
