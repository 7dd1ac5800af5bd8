"""A box with a camera and a mailbox, people who come, and `regulars mqtt` beside it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from regulars_client import Regulars, models
from regulars_mqtt import bridge
from regulars_mqtt.broker import Address, Broker
from regulars_mqtt.discovery import Descriptions, Topics
from regulars_mqtt.publishing import Publisher

from tests.support.box.box import Box
from tests.support.fakes import Person, picture
from tests.support.mqtt.mosquitto import Mosquitto

ARRIVALS = "regulars/shop/cameras/door"
ANN = 1
TIDY_S = 0.3


@dataclass
class Shop:
    box: Box
    mailbox: str = ""
    client: Regulars = field(init=False)
    _minutes: int = 0

    def __post_init__(self) -> None:
        self.client = self.box.client()
        self.client.add_camera(id="door", name="Front door")
        self.mailbox = self.client.add_hook(url=None, events=["face.arrived"]).id

    def enrol(self, name: str, who: int = ANN) -> models.Face:
        return self.client.enrol_face(group="regular", picture=picture(Person(who)), name=name)

    def arrives(self, who: int = ANN, ago: timedelta = timedelta()) -> str:
        """Somebody comes, an hour after the last; returns the capture."""
        return self.sees(who, datetime.now(UTC) - ago, "door")

    def sees(self, who: int, at: datetime, camera: str) -> str:
        """A camera sees somebody; returns the capture."""
        capture = self.client.take_capture(
            picture=picture(Person(who, quality=90)), camera=camera, captured_at=at
        )
        self.box.services.sightings.ingest.resolve_capture("shop", camera, capture.id)
        return capture.id

    def resolve(self) -> None:
        """What the service does by itself a moment after a picture came."""
        for capture in [
            one
            for camera in self.client.list_cameras().cameras
            for one in self._captures(camera.id)
        ]:
            self.box.services.sightings.ingest.resolve_capture("shop", capture.camera, capture.id)

    def _captures(self, camera: str) -> list[models.Capture]:
        return [*self.client.list_captures(camera=camera, state="stored")]

    def waiting(self) -> int:
        return len([*self.client.list_deliveries(self.mailbox, state="pending")])


@contextmanager
def told(
    shop: Shop,
    broker: Mosquitto,
    *,
    names: bool = False,
    client: Regulars | None = None,
    book: str = "shop",
) -> Iterator[Broker]:
    """`regulars mqtt`, in this process.

    `book`: whose topics it has; the tenant's name: those of an older service.
    """
    topics, stop = Topics(book), threading.Event()
    connection = Broker(
        Address("127.0.0.1", broker.port, False), f"regulars-{shop.box.url[-5:]}", topics.available
    )
    with client or shop.box.client() as service:
        publisher = Publisher(
            service,
            shop.mailbox,
            connection,
            Descriptions(topics, "shop", service.url, "1"),
            names=names,
            tidy_s=TIDY_S,
        )
        thread = threading.Thread(target=bridge.run, args=(connection, [publisher.step], stop, 0.3))
        thread.start()
        try:
            yield connection
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()
