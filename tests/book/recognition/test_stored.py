"""Pictures in S3: read where the tenant may, and refused so that nobody hears what S3 said, or that
it was asked."""

import pytest
from msgspec.structs import replace

from chalicelib.book.recognition.stored_pictures import FAILS_AFTER_S, StoredPictures
from chalicelib.domain.errors import Unusable
from chalicelib.domain.model import Profile, Tenant
from chalicelib.services import Services
from tests.support.fakes import FakeObjects

AT = {
    ("photos", "ann.jpg"): b"ann",
    ("photos", "ann.jpg", "v1"): b"ann, younger",
    ("photos", "big"): Unusable("big"),
}


class Watch:
    """A clock that S3 and sleeping move on."""

    def __init__(self, takes_s: float) -> None:
        self.now = 100.0
        self.takes_s = takes_s
        self.objects = FakeObjects(AT)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read_object(
        self, bucket: str, key: str, version: str | None, most_bytes: int
    ) -> bytes | None:
        self.now += self.takes_s
        return self.objects.read_object(bucket, key, version, most_bytes)


@pytest.fixture
def tenant(services: Services) -> Tenant:
    services.tenants.add("shop", Profile.CLOUD)
    return replace(
        services.tenants.get_by_name("shop"), picture_buckets=frozenset({"photos", "own-data"})
    )


def stored(watch: Watch) -> StoredPictures:
    return StoredPictures(lambda: watch, ["own-data"], watch.monotonic, watch.sleep)


def test_an_object_of_an_allowed_bucket_is_read_at_once_in_the_version_that_was_asked_for(
    tenant: Tenant,
) -> None:
    watch = Watch(0.1)
    assert stored(watch).read_picture(tenant, "photos", "ann.jpg") == b"ann"
    assert stored(watch).read_picture(tenant, "photos", "ann.jpg", "v1") == b"ann, younger"
    assert watch.now == pytest.approx(100.2)


def test_a_bucket_that_is_not_allowed_is_asked_of_nobody(tenant: Tenant) -> None:
    watch = Watch(0.1)
    for bucket in ("photos2", "archive", "own-data"):
        assert stored(watch).read_picture(tenant, bucket, "ann.jpg") is None
    assert watch.objects.asked == []


@pytest.mark.parametrize("takes_s", [0.0, 0.05, 1.9])
def test_not_allowed_and_not_there_take_the_same_time(tenant: Tenant, takes_s: float) -> None:
    for bucket, key in (("photos", "absent"), ("archive", "ann.jpg"), ("photos", "../ann.jpg")):
        watch = Watch(takes_s)
        assert stored(watch).read_picture(tenant, bucket, key) is None
        assert watch.now - 100 == pytest.approx(FAILS_AFTER_S)


def test_a_slow_no_takes_a_whole_number_of_the_same_time(tenant: Tenant) -> None:
    watch = Watch(2.5)
    assert stored(watch).read_picture(tenant, "photos", "absent") is None
    assert watch.now - 100 == pytest.approx(2 * FAILS_AFTER_S)


def test_a_tenant_without_buckets_is_answered_at_once(tenant: Tenant) -> None:
    watch = Watch(1)
    assert (
        stored(watch).read_picture(
            replace(tenant, picture_buckets=frozenset()), "photos", "ann.jpg"
        )
        is None
    )
    assert (watch.now, watch.objects.asked) == (100.0, [])


def test_what_is_too_large_is_said(tenant: Tenant) -> None:
    with pytest.raises(Unusable, match="big"):
        stored(Watch(0.1)).read_picture(tenant, "photos", "big")
