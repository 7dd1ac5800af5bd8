from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.errors import MemberExists, TenantDisabled, WrongCredentials
from chalicelib.domain.model import Credentials, Profile, Tenant
from chalicelib.services import Services
from chalicelib.storage.items import walk_items
from chalicelib.storage.keys import TENANTS
from chalicelib.storage.ports import ItemStore, Storage
from tests.support.book.book import Book
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Interrupted, Meanwhile

MINUTE = timedelta(minutes=1)
HOUR = 60 * MINUTE


@pytest.fixture
def credentials(services: Services) -> Credentials:
    return services.tenants.add("shop", Profile.CLOUD)


@pytest.fixture
def shop(services: Services, credentials: Credentials) -> Tenant:
    return services.tenants.get_by_name(credentials.tenant)


def stored(services: Services) -> int:
    items = services.ports.storage.items
    return sum(
        1 for kind in ("session", "code", "challenge") for _ in walk_items(items, TENANTS, kind)
    )


def test_no_two_sessions_have_one_token(services: Services, credentials: Credentials) -> None:
    tokens = {services.access.sessions.begin_by_key(credentials.api_key)[0] for _ in range(20)}
    assert len(tokens) == 20


def test_a_cameras_key_begins_none(services: Services, shop: Tenant) -> None:
    _, key = services.cameras.add(shop, None, "door")
    with pytest.raises(WrongCredentials):
        services.access.sessions.begin_by_key(key)


def test_a_session_ends_after_twelve_hours_or_with_its_key(
    services: Services, shop: Tenant, credentials: Credentials, clock: FakeClock
) -> None:
    _, guests = services.access.keys.add(shop, "guest", expires_at=clock.now() + HOUR)
    long, _ = services.access.sessions.begin_by_key(credentials.api_key)
    short, session = services.access.sessions.begin_by_key(guests)
    assert session.expires_at == clock.now() + HOUR
    clock.advance(HOUR)
    assert services.access.sessions.find(short) is None
    clock.advance(11 * HOUR - timedelta(seconds=1))
    assert services.access.sessions.find(long) is not None
    clock.advance(timedelta(seconds=1))
    assert services.access.sessions.find(long) is None


def test_signing_out_ends_this_session_and_no_other(
    services: Services, credentials: Credentials
) -> None:
    one, other = (services.access.sessions.begin_by_key(credentials.api_key)[0] for _ in range(2))
    for _ in range(2):
        services.access.sessions.end(one)
        assert services.access.sessions.find(one) is None
    assert services.access.sessions.find(other) is not None


def test_a_renewed_deleted_or_rotated_key_ends_its_sessions_and_codes_at_once(
    services: Services, shop: Tenant, credentials: Credentials
) -> None:
    ann, anns = services.access.keys.add(shop, "Ann")
    ben, bens = services.access.keys.add(shop, "Ben")
    tokens = {
        key: services.access.sessions.begin_by_key(key)[0]
        for key in (anns, bens, credentials.api_key)
    }
    code = services.access.sessions.make_code(shop, ann)
    services.access.keys.renew(shop, ann.id)
    assert [services.access.sessions.find(token) is None for token in tokens.values()] == [
        True,
        False,
        False,
    ]
    with pytest.raises(WrongCredentials, match="not good any more"):
        services.access.sessions.begin_by_code(code)
    services.access.keys.delete(shop, ben.id)
    assert [services.access.sessions.find(token) is None for token in tokens.values()] == [
        True,
        True,
        False,
    ]
    services.tenants.rotate_keys("shop")
    assert [services.access.sessions.find(token) is None for token in tokens.values()] == [
        True,
        True,
        True,
    ]


def test_a_disabled_tenant_begins_no_session_and_its_own_say_so(
    services: Services, shop: Tenant, credentials: Credentials
) -> None:
    token, _ = services.access.sessions.begin_by_key(credentials.api_key)
    code = services.access.sessions.make_code(shop, services.access.keys.get(shop, FIRST))
    services.tenants.disable("shop")
    session = services.access.sessions.find(token)
    assert session.tenant.disabled
    for begin, secret in (
        (services.access.sessions.begin_by_key, credentials.api_key),
        (services.access.sessions.begin_by_code, code),
    ):
        with pytest.raises(TenantDisabled):
            begin(secret)


def test_a_code_signs_in_once_within_ten_minutes(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    first = services.access.keys.get(shop, FIRST)
    code = services.access.sessions.make_code(shop, first)
    clock.advance(10 * MINUTE - timedelta(seconds=1))
    token, session = services.access.sessions.begin_by_code(code)
    assert session.key == first
    assert services.access.sessions.find(token) == session
    late = services.access.sessions.make_code(shop, first)
    clock.advance(10 * MINUTE)
    for wrong in (code, late, "", code[:-1], code + "0", "\ud800" * 43):
        with pytest.raises(WrongCredentials, match="this code is not good any more"):
            services.access.sessions.begin_by_code(wrong)


def test_a_code_that_many_send_at_once_signs_in_one_of_them(
    services: Services, shop: Tenant
) -> None:
    code = services.access.sessions.make_code(shop, services.access.keys.get(shop, FIRST))
    tokens = []

    def sign_in(_: int) -> None:
        with suppress(WrongCredentials):
            tokens.append(services.access.sessions.begin_by_code(code)[0])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sign_in, range(8)))
    assert len(tokens) == 1


def test_a_code_is_no_token_and_a_token_no_code_nor_key(services: Services, shop: Tenant) -> None:
    code = services.access.sessions.make_code(shop, services.access.keys.get(shop, FIRST))
    assert services.access.sessions.find(code) is None
    token, _ = services.access.sessions.begin_by_code(code)
    for begin in (services.access.sessions.begin_by_code, services.access.sessions.begin_by_key):
        with pytest.raises(WrongCredentials):
            begin(token)
    assert services.access.keys.find_by_api_key(token) is None


def test_the_sweep_forgets_what_is_over_of_this_tenant_and_nothing_else(
    services: Services, shop: Tenant, credentials: Credentials, clock: FakeClock
) -> None:
    other = services.tenants.add("shop-2", Profile.CLOUD)
    services.access.sessions.make_code(shop, services.access.keys.get(shop, FIRST))
    for key in (credentials.api_key, other.api_key):
        services.access.sessions.begin_by_key(key)
    clock.advance(12 * HOUR)
    token, _ = services.access.sessions.begin_by_key(credentials.api_key)
    services.sweep.sweep_tenant(shop, clock.now())
    assert stored(services) == 2
    assert services.access.sessions.find(token) is not None
    assert services.access.keys.find_by_api_key(credentials.api_key) is not None


def test_two_people_who_are_invited_at_once_have_two_names(tmp_path: Path) -> None:
    reads, writes = list[Interrupted](), list[Meanwhile]()

    def wrapped(storage: Storage) -> Storage:
        reads.append(Interrupted(storage.items))
        writes.append(Meanwhile(cast("ItemStore", reads[0])))
        return replace(storage, items=writes[0])

    with closing(Book(tmp_path)) as other, closing(Book(tmp_path, wrap=wrapped)) as book:
        tenant, add = book.tenant, other.services.access.members.add
        for read in (1, 2, 3):
            invited = partial(add, tenant, f"Ann {read}", Role.VIEWER)
            reads[0].reads, reads[0].at = 0, {} if read == 3 else {read: invited}
            writes[0].first = [invited] if read == 3 else []
            with pytest.raises(MemberExists):
                book.services.access.members.add(tenant, f"Ann {read}", Role.VIEWER)
        assert len(other.services.access.members.list_all(tenant)) == 3
