from datetime import timedelta

from chalicelib.book.deletion.orphans import PICTURE_GRACE
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from tests.support.fakes import RULES, FakeClock, Person, picture, with_thumbnails


def pictures(services: Services) -> set[str]:
    return {path.name for path in (services.settings.storage / "blobs").rglob("*.jpg")}


def test_pictures_that_no_face_names_are_removed_after_hours(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    face = services.enrolment.enrol_largest_face(camera, "regular", picture(Person(1)), RULES)
    orphans = services.deletion.orphans
    blobs = services.storage.blobs
    blobs.put_if_absent("camera/faces/123/lost.jpg", b"x", "image/jpeg")
    blobs.put_if_absent("camera/faces/123/lost.jpg.160.jpg", b"x", "image/jpeg")
    blobs.put_if_absent(f"camera/faces/{face.faceid}/older.jpg", b"x", "image/jpeg")
    stored_at = next(blobs.walk("camera/faces/")).stored_at

    clock.advance(stored_at - clock.now() + PICTURE_GRACE - timedelta(minutes=1))
    assert orphans.delete("camera", clock.now().replace(hour=9)) is None
    assert len(pictures(services)) == 5
    clock.advance(timedelta(minutes=2))
    orphans.delete("camera", clock.now().replace(hour=10))
    assert len(pictures(services)) == 5, "not an hour of LISTED"
    orphans.delete("camera", clock.now().replace(hour=9))

    assert pictures(services) == {
        key.rsplit("/", 1)[1] for key in with_thumbnails([face.picture_key])
    }
