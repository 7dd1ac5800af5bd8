import pytest

from chalicelib.domain.errors import InvalidInput, TenantExists, TenantNotFound
from chalicelib.domain.model import Profile, SharedKey
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from tests.support.book.book_with import book_with
from tests.support.book.recount_statistics import items_of
from tests.support.consistency.consistency import list_disagreements
from tests.support.meanwhile import Meanwhile


def test_a_bearer_key_is_found_and_nothing_that_is_none(services: Services) -> None:
    made = services.tenants.add("shop-1", Profile.CLOUD)
    services.tenants.add("shop-2", Profile.CLOUD)

    assert services.tenants.find_by_api_key(made.api_key) == services.tenants.get_by_name("shop-1")
    for wrong in (
        "",
        "rk_",
        made.api_key[3:],
        made.api_key[:-1],
        made.api_key + "0",
        made.appcode,
        "rk_\ud800" + "0" * 31,
    ):
        assert services.tenants.find_by_api_key(wrong) is None
        assert services.tenants.find_by_appcode(made.api_key) is None


def test_second_tenant_of_a_name_is_refused_and_all_are_listed(services: Services) -> None:
    services.tenants.add("b", Profile.CAMERA)
    services.tenants.add("a", Profile.CLOUD)

    with pytest.raises(TenantExists):
        services.tenants.add("a", Profile.CAMERA)
    assert [tenant.name for tenant in services.tenants.list_all()] == ["a", "b"]
    with pytest.raises(TenantNotFound):
        services.tenants.rotate_keys("c")
    for nobody in ("c", "", "c" * 2_000):
        with pytest.raises(TenantNotFound):
            services.tenants.disable(nobody)


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "x" * 41, "a/b", "\u00e4"])
def test_illegal_name_is_refused(services: Services, name: str) -> None:
    with pytest.raises(InvalidInput):
        services.tenants.add(name, Profile.CAMERA)


@pytest.mark.parametrize(
    ("dialect", "key"), [("sunmi", SharedKey.APP_KEY), ("icredit", SharedKey.APPCODE)]
)
def test_keys_that_are_renewed_meanwhile_stop_with_a_rotation(
    services: Services, dialect: str, key: SharedKey
) -> None:
    services.tenants.add("shop", Profile.CLOUD)
    meanwhile = Meanwhile(items_of(services))
    meanwhile.first = [
        lambda: services.tenants.renew_key(services.tenants.get_by_name("shop"), dialect, key)
    ]
    made = book_with(services, items=meanwhile).tenants.rotate_keys("shop")
    tenant = services.tenants.get_by_name("shop")
    assert tenant.renewals == {}
    item = services.items.get(keys.TENANTS, keys.tenant_item("shop"))
    assert item is not None
    assert not [name for name in item if name.startswith("old_")]
    assert services.tenants.find_by_appcode(made.appcode) == tenant
    assert services.tenants.read_old_app_key(tenant, dialect) is None
    assert list_disagreements(services, "shop") == []


@pytest.mark.parametrize(
    ("dialect", "key"), [("sunmi", SharedKey.APP_KEY), ("icredit", SharedKey.APPCODE)]
)
def test_of_two_keys_that_are_asked_for_at_once_both_hold(
    services: Services, dialect: str, key: SharedKey
) -> None:
    services.tenants.add("shop", Profile.CLOUD)
    tenant = services.tenants.get_by_name("shop")
    meanwhile, made = Meanwhile(items_of(services)), []
    meanwhile.first = [lambda: made.append(services.tenants.renew_key(tenant, dialect, key))]
    book_with(services, items=meanwhile).tenants.renew_key(tenant, dialect, key)
    tenant = services.tenants.get_by_name("shop")
    if key is SharedKey.APP_KEY:
        assert services.tenants.read_old_app_key(tenant, dialect) == made[0]
    else:
        assert services.tenants.find_by_old_appcode(made[0], dialect) == tenant


def test_a_book_has_an_id_that_stays_and_lives_that_follow_each_other(services: Services) -> None:
    services.tenants.add("shop", Profile.CLOUD)
    services.tenants.add("second", Profile.CLOUD)
    second, shop = services.tenants.list_all()
    assert shop.book_id != second.book_id
    assert shop.life != second.life
    services.tenants.begin_life("shop")
    services.tenants.rotate_keys("shop")
    later = services.tenants.get_by_name("shop")
    assert later.book_id == shop.book_id
    assert later.life != shop.life
    assert services.tenants.get_by_name("second").book == second.book
    with pytest.raises(TenantNotFound):
        services.tenants.begin_life("third")


def test_a_tenant_of_before_there_were_lives_has_life_0(services: Services) -> None:
    services.tenants.add("shop", Profile.CLOUD)
    services.items.transact(
        [Update(keys.TENANTS, keys.tenant_item("shop"), (exists("there"),), remove=("life",))]
    )
    assert services.tenants.get_by_name("shop").book.endswith(".0")
