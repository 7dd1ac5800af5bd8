import pytest

from chalicelib.book.words.errors import InvalidInput, TenantExists, TenantNotFound
from chalicelib.book.words.model import Profile
from chalicelib.services import Services


def test_a_bearer_key_is_found_and_nothing_that_is_none(services: Services) -> None:
    made = services.tenants.add("shop-1", Profile.CLOUD)
    services.tenants.add("shop-2", Profile.CLOUD)

    assert services.tenants.by_api_key(made.api_key) == services.tenants.get_by_name("shop-1")
    for wrong in (
        "",
        "rk_",
        made.api_key[3:],
        made.api_key[:-1],
        made.api_key + "0",
        made.appcode,
        "rk_\ud800" + "0" * 31,
    ):
        assert services.tenants.by_api_key(wrong) is None
        assert services.tenants.by_appcode(made.api_key) is None


def test_second_tenant_of_a_name_is_refused_and_all_are_listed(services: Services) -> None:
    services.tenants.add("b", Profile.CAMERA)
    services.tenants.add("a", Profile.CLOUD)

    with pytest.raises(TenantExists):
        services.tenants.add("a", Profile.CAMERA)
    assert [tenant.name for tenant in services.tenants.all()] == ["a", "b"]
    with pytest.raises(TenantNotFound):
        services.tenants.rotate("c")
    for nobody in ("c", "", "c" * 2_000):
        with pytest.raises(TenantNotFound):
            services.tenants.disable(nobody)


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "x" * 41, "a/b", "\u00e4"])
def test_illegal_name_is_refused(services: Services, name: str) -> None:
    with pytest.raises(InvalidInput):
        services.tenants.add(name, Profile.CAMERA)
