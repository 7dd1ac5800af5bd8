"""An update changes what is sent, and nothing else."""

import pytest

from chalicelib.domain.model import Profile
from chalicelib.services import Services
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.book.tenants import KEEPING
from tests.support.fakes import FakeClock, Person, picture


@pytest.fixture
def camera(services: Services, clock: FakeClock) -> CameraClient:
    """A client of a tenant whose groups need no capacity."""
    made = services.tenants.add("office", Profile.CLOUD, KEEPING)
    return CameraClient(make_stage(services).app, made.app_id, made.app_key, clock)


@pytest.mark.shows(
    "sunmi", "A tenant of profile `cloud` that sends no capacity leaves it as it is."
)
def test_an_update_without_a_capacity_leaves_it(services: Services, camera: CameraClient) -> None:
    camera.create_group("vip", 100)
    changes = {"old_name": "vip", "name": "gold", "description": "cards"}
    assert camera.call("updateGroup", changes)["code"] == 0
    tenant = services.tenants.get_by_name("office")
    assert services.groups.get_by_name(tenant, "gold").capacity == 100


def test_an_update_of_a_face_without_any_field_leaves_all(
    services: Services, camera: CameraClient
) -> None:
    camera.create_group("vip", 100)
    fields = {"group_name": "vip", "age": "30", "gender": "1"}
    faceid = camera.call("addFace", fields, picture(Person(1)))["data"]["faceid"]
    before = camera.call("getFace", {"faceid": faceid})
    assert camera.call("updateFace", {"group_name": "vip", "faceid": faceid})["code"] == 0
    assert camera.call("getFace", {"faceid": faceid}) == before


def test_an_update_of_the_rule_leaves_settings_that_it_does_not_have(
    services: Services, camera: CameraClient
) -> None:
    assert camera.call("updateMigration", {"arrive_times": "3", "period": "20"})["code"] == 0
    tenant = services.tenants.get_by_name("office")
    services.groups.change_promotion_settings(tenant, {"period_days": 30})
    rule = services.groups.read_promotion_settings(tenant)
    assert (rule.arrive_times, rule.period_days) == (3, 30)
