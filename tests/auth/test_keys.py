from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.auth.access import MAX_KEYS, KeyRing
from chalicelib.auth.roles import Role
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.errors import (
    InvalidInput,
    KeyNotFound,
    LastAdminKey,
    RegularsError,
    TooManyKeys,
)
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.services import Services
from chalicelib.storage.ports import Action
from tests.support.book.book_with import book_with
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Around

DAY = timedelta(days=1)


@pytest.fixture
def credentials(services: Services) -> Credentials:
    return services.tenants.add("shop", Profile.CLOUD)


@pytest.fixture
def shop(services: Services, credentials: Credentials) -> Tenant:
    return services.tenants.get_by_name(credentials.tenant)


def test_the_tenants_own_key_is_listed_as_first(
    services: Services, shop: Tenant, credentials: Credentials
) -> None:
    (key,) = services.access.keys.list_all(shop)
    assert (key.id, key.name, key.role, key.pictures) == (FIRST, FIRST, Role.ADMIN, True)
    assert (key.created_at, key.expires_at, key.last_used_at) == (shop.created_at, None, None)
    assert services.access.keys.find_by_api_key(credentials.api_key) == (shop, key)


def test_no_secret_is_stored(services: Services, shop: Tenant, tmp_path: Path) -> None:
    key, secret = services.access.keys.add(shop, "one")
    new = services.access.keys.renew(shop, key.id)
    code = services.access.sessions.make_code(shop, services.access.keys.get(shop, key.id))
    token, _ = services.access.sessions.begin_by_code(code)
    for file in (tmp_path / "data").rglob("*.db*"):
        for one in (secret, new, code, token):
            assert one.removeprefix("rk_").encode() not in file.read_bytes()


def test_a_camera_has_no_key_of_a_tenant(services: Services, shop: Tenant) -> None:
    with pytest.raises(InvalidInput, match="role is viewer, operator, admin"):
        services.access.keys.add(shop, "door", Role.CAMERA)
    _, of_camera = services.cameras.add(shop, None, "door")
    assert services.access.keys.find_by_api_key(of_camera) is None


def test_the_first_key_stays_as_it_is_but_can_be_deleted_and_comes_back_by_rotating(
    services: Services, shop: Tenant, credentials: Credentials
) -> None:
    for change in (
        lambda: services.access.keys.renew(shop, FIRST),
        lambda: services.access.keys.change(shop, FIRST, {"name": "x"}),
    ):
        with pytest.raises(InvalidInput, match="the first key stays as it is"):
            change()
    with pytest.raises(LastAdminKey):
        services.access.keys.delete(shop, FIRST)
    services.access.keys.add(shop, "mine", Role.ADMIN)
    services.access.keys.delete(shop, FIRST)
    assert services.access.keys.find_by_api_key(credentials.api_key) is None
    assert services.tenants.find_by_api_key(credentials.api_key) is None
    assert [key.name for key in services.access.keys.list_all(shop)] == ["mine"]
    assert (
        services.access.keys.find_by_api_key(services.tenants.rotate_keys("shop").api_key)
        is not None
    )
    assert [key.name for key in services.access.keys.list_all(shop)] == [FIRST, "mine"]


def test_the_last_admins_key_without_an_end_neither_goes_nor_becomes_less(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    services.access.keys.add(shop, "guest", Role.ADMIN, expires_at=clock.now() + DAY)
    key, _ = services.access.keys.add(shop, "mine", Role.ADMIN)
    services.access.keys.delete(shop, FIRST)
    for changes in ({"role": Role.OPERATOR}, {"expires_at": clock.now() + DAY}):
        with pytest.raises(LastAdminKey, match="'mine' is the last"):
            services.access.keys.change(shop, key.id, changes)
    with pytest.raises(LastAdminKey):
        services.access.keys.delete(shop, key.id)
    assert services.access.keys.change(shop, key.id, {"name": "still mine"}).name == "still mine"


def test_two_admins_who_delete_each_other_at_once_leave_one(
    services: Services, shop: Tenant
) -> None:
    for _ in range(5):
        ids = [
            services.access.keys.add(shop, f"admin {number}", Role.ADMIN)[0].id
            for number in range(4)
        ]

        def delete(id_: str) -> None:
            with suppress(LastAdminKey, KeyNotFound):
                services.access.keys.delete(shop, id_)

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(delete, [FIRST, *ids]))
        assert (
            len([key for key in services.access.keys.list_all(shop) if key.is_permanent_admin]) == 1
        )
        for key in services.access.keys.list_all(shop)[1:]:
            services.access.keys.delete(shop, key.id)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "change", "renew", "delete"]),
            st.integers(0, 5),
            st.sampled_from(list(Role)),
            st.booleans(),
        ),
        max_size=12,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_done_an_admin_without_an_end_is_left(
    services: Services, clock: FakeClock, steps: list[tuple[str, int, Role, bool]]
) -> None:
    name = f"t{clock.now().timestamp():.0f}"
    clock.advance(timedelta(seconds=5))
    tenant = services.tenants.get_by_name(services.tenants.add(name, Profile.CAMERA).tenant)
    for what, number, role, ends in steps:
        held = services.access.keys.list_all(tenant)
        id_ = held[number % len(held)].id
        fields = {"role": role, "expires_at": clock.now() + DAY if ends else None}
        with suppress(RegularsError):
            match what:
                case "add":
                    services.access.keys.add(tenant, "one", role, expires_at=fields["expires_at"])  # type: ignore[arg-type]
                case "change":
                    services.access.keys.change(tenant, id_, fields)
                case "renew":
                    services.access.keys.renew(tenant, id_)
                case "delete":
                    services.access.keys.delete(tenant, id_)
        assert any(key.is_permanent_admin for key in services.access.keys.list_all(tenant))


def test_there_is_an_end_to_the_number_of_keys_even_if_many_come_at_once(
    services: Services, shop: Tenant
) -> None:
    for number in range(MAX_KEYS - 3):
        services.access.keys.add(shop, f"{number}")

    def add(number: int) -> bool:
        try:
            services.access.keys.add(shop, f"late {number}")
        except TooManyKeys:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(add, range(6))) == 2
    assert len(services.access.keys.list_all(shop)) == MAX_KEYS


class Counted(Around):
    """The services' items; it counts the transactions that succeed."""

    written = 0

    def transact(self, actions: Sequence[Action]) -> None:
        self._items.transact(actions)
        self.written += 1


def test_the_hour_of_use_is_noted_once_an_hour_even_if_many_requests_come_at_once(
    services: Services, shop: Tenant, credentials: Credentials, clock: FakeClock
) -> None:
    _, secret = services.access.keys.add(shop, "one")
    items = Counted(services.ports.storage.items)
    ring = KeyRing(book_with(services, items=items))
    for _ in range(3):
        known = [
            found for one in (secret, credentials.api_key) if (found := ring.find_by_api_key(one))
        ]
        items.written = 0
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda both: ring.note_use(*both), known * 10))
        assert items.written == 2
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        assert [key.last_used_at for key in ring.list_all(shop)] == [hour, hour]
        for one in (secret, credentials.api_key):
            ring.note_use(*ring.find_by_api_key(one))  # type: ignore[misc] # no None: both keys exist
        assert items.written == 2
        clock.advance(timedelta(hours=1))
