"""The costs of a tenant's month: on AWS, for its admins, and reckoned from counts that are
there."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.auth.roles import ROLES, Role
from chalicelib.bootstrap import build
from chalicelib.cost.table import read_prices, read_table, sum_up_usd
from chalicelib.domain.model import NO_LABELS, Credentials, NewFace, Profile, Tenant
from chalicelib.domain.observations import Observation, ObservationKind
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, Settings
from tests.support.api.v1.client import V1Client
from tests.support.book.tenants import CHOICE
from tests.support.fakes import RULES, UNHURRIED, FakeClock, FakeVision, Person, picture
from tests.support.storage.meter import Meter, meter_storage

USAGE = "/v1/usage"
AWS = AwsStorage("regulars-test-", "data", "index", "captures", "queue", "deliveries", "key")
DAY = timedelta(days=1)


def usd_of(kind: str) -> float:
    return sum_up_usd(read_table().rows[kind], read_prices())


def observe(
    services: Services, at: datetime, number: int, kind: ObservationKind = ObservationKind.SIGHTING
) -> None:
    """Store observations of the shop, a second apart."""
    seen = [
        Observation(
            at + timedelta(seconds=n), f"{at:%m%d}{kind}{n}", f"{n}", "stranger", NO_LABELS, kind
        )
        for n in range(number)
    ]
    services.statistics.store_observations("shop", seen)


@pytest.fixture
def on_aws(services: Services, shop: Credentials) -> Services:
    """The services of the shop, with the settings of a stage on AWS."""
    services.settings = replace(services.settings, storage=AWS)
    return services


def test_one_box_has_no_dollars(v1: V1Client, shop: Credentials) -> None:
    assert v1.done("GET", USAGE)["cost"] is None


def test_a_month_is_told_with_its_forecast_and_the_prices_that_it_is_reckoned_by(
    v1: V1Client, on_aws: Services, clock: FakeClock
) -> None:
    """The shop began on the first of March at eight in the evening of Shanghai; ten days later it
    is the 11th."""
    tenant = on_aws.tenants.get_by_name("shop")
    on_aws.enrolment.enrol_largest_face(
        tenant, "regular", picture(Person(1, side_px=90)), RULES, NewFace(faceid="ann")
    )
    v1.add_camera("door")
    for day in range(10):
        observe(on_aws, clock.now() + day * DAY, 20)
        observe(on_aws, clock.now() + day * DAY, 3, ObservationKind.SEARCH)
    clock.advance(10 * DAY)
    observe(on_aws, clock.now(), 400)  # today counts tomorrow
    stands = usd_of("face") + usd_of("camera") + usd_of("tenant")
    a_day = 20 * usd_of("capture") + 3 * usd_of("search") + stands / 30
    assert v1.done("GET", USAGE)["cost"] == {
        "usd_to_date": pytest.approx(10 * a_day, abs=5.1e-5),
        "usd_forecast": pytest.approx(31 * a_day, abs=5.1e-5),
        "prices_of": read_prices().date,
        "region": read_prices().region,
    }


@pytest.mark.parametrize(
    ("zone", "passed", "month_days"),
    [("Pacific/Kiritimati", 0, 30), ("UTC", 30, 31), ("Pacific/Pago_Pago", 30, 31)],
)
def test_the_month_is_that_of_the_shop_however_far_from_utc_it_is(
    v1: V1Client, on_aws: Services, clock: FakeClock, zone: str, passed: int, month_days: int
) -> None:
    """At noon in UTC on 31 March it is April in Kiritimati, and one in the morning in Pago Pago."""
    on_aws.tenants.change_settings("shop", {"time_zone": zone})
    for day in range(30):
        observe(on_aws, clock.now() + day * DAY, 10)
    clock.advance(30 * DAY)
    cost = v1.done("GET", USAGE)["cost"]
    a_day = 10 * usd_of("capture") + usd_of("tenant") / 30
    assert cost["usd_to_date"] == pytest.approx(passed * a_day, abs=5.1e-5)
    assert cost["usd_forecast"] == pytest.approx(month_days * a_day, abs=5.1e-5)


def test_pictures_are_priced_by_their_counted_size_and_days(
    v1: V1Client, on_aws: Services, clock: FakeClock
) -> None:
    """The shop's pictures have next to nothing: a byte is less than a kB."""
    observe(on_aws, clock.now(), 50)
    v1.add_camera("door")
    v1.send(
        "POST",
        "/v1/captures",
        picture(Person(1)),
        query={"camera": "door"},
        content_type="image/jpeg",
    )
    clock.advance(DAY)
    usual = v1.done("GET", USAGE)["cost"]["usd_to_date"]
    on_aws.captures.pictures.count("shop")
    small = v1.done("GET", USAGE)["cost"]["usd_to_date"]
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    none = v1.done("GET", USAGE)["cost"]["usd_to_date"]
    assert usual > small >= none
    assert usual - none == pytest.approx(51 * 150e-6 * 0.023, abs=1.1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_not_administrate_sees_no_money(v1: V1Client, on_aws: Services, role: Role) -> None:
    _, key = on_aws.access.keys.add(on_aws.tenants.get_by_name("shop"), role.value, role)
    usage = v1.with_key(key).done("GET", USAGE)
    assert (usage["cost"] is not None) == (role is Role.ADMIN)


@pytest.fixture
def metered_shop(tmp_path: Path, clock: FakeClock) -> Iterator[tuple[Services, Tenant, Meter]]:
    settings, vision = Settings(storage=tmp_path / "metered_shop", **UNHURRIED), FakeVision()
    storage, meter = meter_storage(open_storage(settings, clock))
    services = build(settings, clock=clock, vision=lambda: vision, storage=storage)
    services.tenants.add("shop", Profile.CAMERA, TenantSettings(**CHOICE))
    services.settings = replace(services.settings, storage=AWS)
    yield services, services.tenants.get_by_name("shop"), meter
    services.close()


def test_a_month_costs_a_few_reads_and_no_write(
    metered_shop: tuple[Services, Tenant, Meter], clock: FakeClock
) -> None:
    """Days are sealed by the sweep, so a shop of any traffic reads one item a day."""
    services, tenant, meter = metered_shop
    for day in range(29):
        observe(services, clock.now() + day * DAY, 40)
    clock.advance(29 * DAY)
    services.statistics.sealing.seal_tenant(tenant)
    usage = services.account.measure_usage(tenant)
    meter.clear()
    assert services.account.reckon_month(tenant, usage)
    assert sum(meter.reads.values()) <= 5
    assert not meter.writes
    assert not {kind for kind in meter.calls if kind.startswith("s3")}
