from contextlib import suppress
from functools import partial

import pytest

from chalicelib.book.tenants import FACES_LEFT
from chalicelib.domain.errors import (
    Busy,
    GroupExists,
    IllegalCapacity,
    InvalidInput,
    TenantFull,
    TooManyGroups,
)
from chalicelib.domain.model import NO_LABELS, Profile, Tenant
from chalicelib.domain.tenant_settings import MAX_FACES, MAX_GROUPS, TenantSettings
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from tests.support.book.recount import disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import side_by_side


def enrol(services: Services, *people: int) -> None:
    """Enrol people in a group without a capacity."""
    shop = services.tenants.get_by_name("shop")
    for person in people:
        services.enrolment.everybody.enrol_all_in_picture(
            shop, "vip", picture(Person(person)), RULES, NO_LABELS
        )


@pytest.fixture
def shop(services: Services) -> Tenant:
    services.tenants.add("shop", Profile.CLOUD)
    return services.tenants.get_by_name("shop")


def test_more_faces_fit_once_the_limit_is_raised_and_fewer_once_it_is_lowered(
    services: Services,
) -> None:
    services.tenants.add("shop", Profile.CAMERA, TenantSettings(faces=MAX_FACES))
    shop = services.tenants.get_by_name("shop")
    assert services.face_visits.read_default_groups(shop).faces_left == MAX_FACES
    services.groups.create(shop, "all", MAX_FACES - 10_000, "")
    with pytest.raises(IllegalCapacity, match=f"sum to {MAX_FACES}"):
        services.groups.create(shop, "more", 1, "")

    services.groups.delete(shop, "all")
    services.tenants.change_settings("shop", {"faces": None})
    shop = services.tenants.get_by_name("shop")
    with pytest.raises(IllegalCapacity, match="from 1 to 30000"):
        services.groups.create(shop, "all", MAX_FACES - 10_000, "")
    assert services.face_visits.read_default_groups(shop).faces_left == 30_000


@pytest.mark.parametrize("profile", Profile)
def test_no_tenant_may_have_more_faces_than_were_shown_to_fit(
    services: Services, profile: Profile
) -> None:
    services.tenants.add("shop", profile)
    shop = services.tenants.get_by_name("shop")
    assert shop.limits.faces <= MAX_FACES
    with pytest.raises(
        InvalidInput,
        match="faces is 2 to 1,000,000, or none: as many as its profile says, not 1,000,001",
    ):
        services.tenants.change_settings("shop", {"faces": 1_000_001, "requests_a_day": 5})
    assert services.tenants.get_by_name("shop") == shop


def test_an_enrolment_beyond_the_limit_says_so_and_changes_nothing(
    services: Services, shop: Tenant
) -> None:
    """As if a million were there."""
    full = Update(
        keys.DIRECTORY, (shop.name, keys.TENANT_ITEM), (exists("tenant"),), set={FACES_LEFT: 0}
    )
    services.requests._items.transact([full])
    seq = services.face_visits.read_default_groups(shop).seq
    with pytest.raises(TenantFull, match="may hold 1000000 faces, and this would pass that"):
        services.enrolment.enrol_largest_face(shop, "regular", picture(Person(1)), RULES)
    with pytest.raises(TenantFull, match="may hold 1000000 faces, and this would pass that"):
        enrol(services, 1)
    assert services.face_visits.read_default_groups(shop).seq == seq
    assert [group.count for group in services.groups.list_all(shop)] == [0, 0]


def test_default_groups_share_a_limit_that_is_too_small_for_their_usual_capacity(
    services: Services,
) -> None:
    services.tenants.add("shop", Profile.CAMERA, TenantSettings(faces=101))
    shop = services.tenants.get_by_name("shop")
    assert [group.capacity for group in services.groups.list_all(shop)] == [50, 50]
    assert services.groups.read_capacity_left(shop) == 1


def test_a_limit_below_what_the_tenant_holds_is_refused_and_nothing_is_changed(
    services: Services, shop: Tenant
) -> None:
    enrol(services, 1, 2, 3)
    for limits, why in (
        ({"faces": 2}, "shop holds 3 faces, more than 2: delete some first"),
        (
            {"faces": 9_999},
            "the capacities of shop's groups sum to 10000, more than 9999: lower some first",
        ),
        ({"groups": 2}, "shop has 3 groups, more than 2: delete some first"),
    ):
        with pytest.raises(InvalidInput, match=why):
            services.tenants.change_settings("shop", {**limits, "requests_a_day": 5})
    assert services.tenants.get_by_name("shop") == shop
    assert disagreements(services, shop) == []


@pytest.mark.parametrize(
    "limits",
    [
        {"faces": 1},
        {"faces": MAX_FACES + 1},
        {"groups": 1},
        {"groups": MAX_GROUPS + 1},
        {"requests_a_day": 10**36},
        {"capture_mb_a_day": 10**36},
    ],
)
def test_a_limit_that_cannot_be_is_refused(
    services: Services, shop: Tenant, limits: dict[str, int]
) -> None:
    with pytest.raises(InvalidInput, match=r" is \d+ to "):
        services.tenants.change_settings("shop", limits)
    assert services.tenants.get_by_name("shop") == shop


def test_limits_that_change_side_by_side_with_faces_and_groups_stay_right(
    services: Services, shop: Tenant
) -> None:
    def change(limit: int) -> None:
        for turn in range(8):
            with suppress(Busy):  # another change of the limits came between
                services.tenants.change_settings(
                    "shop", {"faces": limit + turn, "groups": 100 + limit % 7 + turn}
                )

    def create() -> None:
        for number in range(8):
            with suppress(GroupExists):
                services.groups.create(shop, f"g{number}", 10, "")

    calls = [
        partial(change, 20_000),
        partial(change, 30_000),
        partial(enrol, services, *range(8)),
        create,
    ]
    assert side_by_side(calls) == [None] * 4
    now = services.tenants.get_by_name("shop")
    assert disagreements(services, now) == []
    groups = services.groups.list_all(now)
    assert len(groups) == 11
    assert services.groups.read_capacity_left(now) == now.limits.faces - 10_080
    services.tenants.change_settings("shop", {"groups": 11})
    with pytest.raises(TooManyGroups):
        services.groups.create(services.tenants.get_by_name("shop"), "one more", 1, "")
