from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from chalicelib.core.model import Tenant
from chalicelib.services import Services
from chalicelib.services.commit.idempotency import Answer, RequestId
from chalicelib.services.sweep import PICTURE_GRACE
from tests.fakes import FakeClock, Person, picture
from tests.services.conftest import RULES


def pictures(services: Services) -> set[str]:
    assert isinstance(services.settings.storage, Path)
    return {path.name for path in (services.settings.storage / "blobs").rglob("*.jpg")}


def test_pictures_that_no_face_names_are_removed_after_a_day(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    face = services.enrolment.of_largest_face(camera, "regular", picture(Person(1)), RULES)
    blobs = services.sweep._blobs
    blobs.put_if_absent("camera/faces/123/lost.jpg", b"x", "image/jpeg")
    blobs.put_if_absent(f"camera/faces/{face.faceid}/older.jpg", b"x", "image/jpeg")
    stored_at = blobs.list("camera/faces/")[0].stored_at

    clock.advance(stored_at - clock.now() + PICTURE_GRACE - timedelta(minutes=1))
    assert services.sweep.orphaned_pictures("camera") == []
    clock.advance(timedelta(minutes=2))
    removed = services.sweep.orphaned_pictures("camera")

    assert sorted(key.rsplit("/", 1)[1] for key in removed) == ["lost.jpg", "older.jpg"]
    assert pictures(services) == {face.picture_key.rsplit("/", 1)[1]}


def test_answers_are_forgotten_when_nobody_can_ask_for_them_any_more(services: Services, clock: FakeClock) -> None:
    for n in range(120):
        services.requests.store("camera", RequestId(f"k{n}", "d"), Answer("ok", {}))
    assert services.requests.forget_expired("camera") == 0

    clock.advance(timedelta(hours=2))

    assert services.requests.forget_expired("camera") == 120
    assert services.requests.find("camera", RequestId("k1", "d")) is None
