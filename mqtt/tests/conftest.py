from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.folders import pytest_configure, tmp_path
from testing.logs import former_logs
from tests.support.box.box import serving
from tests.support.mqtt.mosquitto import Listener, Mosquitto, listening, mosquitto
from tests.support.mqtt.shop import Shop

__all__ = ["former_logs", "pytest_configure", "tmp_path"]


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
