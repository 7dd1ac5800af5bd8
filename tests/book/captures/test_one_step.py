import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.book.captures.captures import Offer, Shot
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.captures import CaptureState
from chalicelib.domain.errors import CameraDisabled
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from tests.book.captures.listed import written
from tests.support.fakes import FakeClock, Person, picture

PICTURE = picture(Person(1))
SHOT = Shot("door", PICTURE, "image/jpeg")


@pytest.fixture
def shop(services: Services, cloud: Tenant) -> Tenant:
    """With one camera, `door`."""
    services.cameras.add(cloud, None, "door")
    return cloud


def resolved(services: Services) -> int:
    """Do what the queue asks for; return how many events that were."""
    done = 0
    while messages := services.ports.storage.captures_queue.receive(10, 60):
        for message in messages:
            services.sightings.ingest.take_message(message.body)
            services.ports.storage.captures_queue.delete(message.receipt)
            done += 1
    return done


def test_a_capture_that_was_offered_and_uploaded_is_the_same_in_one_step(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    at = clock.now() - timedelta(minutes=5)
    offer = Offer("door", hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), "image/jpeg", at)
    (offered,) = services.captures.offer_uploads(shop, [offer])
    capture = services.captures.store_shot(shop, replace(SHOT, captured_at=at))
    assert capture.id == offered.capture.id
    (again,) = services.captures.offer_uploads(shop, [offer])
    assert again.request is None
    assert written(services, shop) == [capture.id]
    assert resolved(services) == 1


def test_the_same_picture_and_time_from_many_at_once_is_one_capture(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    shot = replace(SHOT, captured_at=clock.now())
    with ThreadPoolExecutor(8) as pool:
        ids = {
            one.id for one in pool.map(lambda _: services.captures.store_shot(shop, shot), range(8))
        }
    assert written(services, shop) == list(ids)
    assert resolved(services) == 1
    assert services.captures.store_shot(shop, shot).state is CaptureState.RESOLVED


def test_a_request_that_died_before_its_picture_was_stored_stores_it_when_repeated(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    request = RequestId("snapshot-7", "digest")
    capture = services.captures.store_shot(shop, SHOT, request)
    services.ports.storage.uploads.delete(keys.capture_picture(shop.name, "door", capture.id))
    clock.advance(timedelta(minutes=3))
    assert services.captures.store_shot(shop, SHOT, request) == capture
    assert (
        services.ports.storage.uploads.get(keys.capture_picture(shop.name, "door", capture.id))
        == PICTURE
    )


def test_the_event_is_that_of_an_upload(services: Services, shop: Tenant) -> None:
    capture = services.captures.store_shot(shop, SHOT)
    (message,) = services.ports.storage.captures_queue.receive(10, 60)
    (record,) = json.loads(message.body)["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["object"]["key"] == keys.capture_picture(shop.name, "door", capture.id)


def test_a_disabled_camera_sends_nothing(services: Services, shop: Tenant) -> None:
    services.cameras.change(shop, "door", {"enabled": False})
    with pytest.raises(CameraDisabled):
        services.captures.store_shot(shop, SHOT)
    assert written(services, shop) == []
