from __future__ import annotations

import re

import pytest

from chalicelib.core.errors import InvalidInput, TenantExists, TenantNotFound
from chalicelib.core.model import Profile
from chalicelib.services import Services


def test_tenant_is_found_by_either_credential(services: Services) -> None:
    made = services.tenants.add("shop-1", Profile.CLOUD)

    found = services.tenants.by_app_id(made.app_id)
    assert found is not None
    assert (found[0].name, found[0].profile, found[1]) == ("shop-1", Profile.CLOUD, made.app_key)
    assert services.tenants.by_appcode(made.appcode) == found[0]
    assert services.tenants.by_app_id("nobody") is None
    assert services.tenants.by_appcode(made.app_key) is None
    assert services.tenants.by_appcode("") is None


def test_a_bearer_key_is_found_and_nothing_that_is_none(services: Services) -> None:
    made = services.tenants.add("shop-1", Profile.CLOUD)
    services.tenants.add("shop-2", Profile.CLOUD)

    assert services.tenants.by_api_key(made.api_key) == services.tenants.named("shop-1")
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


def test_a_pair_of_access_keys_is_found_by_its_id(services: Services) -> None:
    made = services.tenants.add("shop-1", Profile.CLOUD)
    other = services.tenants.add("shop-2", Profile.CLOUD)

    assert re.fullmatch("RK[A-Z2-7]{18}", made.access_key_id)
    assert re.fullmatch("[A-Za-z0-9]{40}", made.secret_access_key)
    assert services.tenants.by_access_key(made.access_key_id) == (
        services.tenants.named("shop-1"),
        made.secret_access_key,
    )
    assert made.secret_access_key != other.secret_access_key
    for wrong in ("", made.access_key_id[:-1], made.secret_access_key, "RK" + "A" * 18):
        assert services.tenants.by_access_key(wrong) is None


def test_rotated_credentials_work_and_old_ones_stop_at_once(services: Services) -> None:
    old = services.tenants.add("shop", Profile.CAMERA)
    assert services.tenants.by_appcode(old.appcode) is not None

    new = services.tenants.rotate("shop")

    assert new.app_id == old.app_id
    assert services.tenants.by_appcode(old.appcode) is None
    assert services.tenants.by_appcode(new.appcode) is not None
    assert services.tenants.by_api_key(old.api_key) is None
    assert services.tenants.by_api_key(new.api_key) is not None
    found = services.tenants.by_app_id(old.app_id)
    assert found is not None
    assert found[1] == new.app_key != old.app_key
    assert services.tenants.by_access_key(old.access_key_id) is None
    found = services.tenants.by_access_key(new.access_key_id)
    assert found is not None
    assert found[1] == new.secret_access_key != old.secret_access_key


def test_disabled_tenant_is_told_apart_from_an_unknown_one(services: Services) -> None:
    made = services.tenants.add("shop", Profile.CAMERA)

    services.tenants.disable("shop")
    found = services.tenants.by_appcode(made.appcode)
    assert found is not None
    assert found.disabled
    services.tenants.enable("shop")
    found = services.tenants.by_appcode(made.appcode)
    assert found is not None
    assert not found.disabled


def test_second_tenant_of_a_name_is_refused_and_all_are_listed(services: Services) -> None:
    services.tenants.add("b", Profile.CAMERA)
    services.tenants.add("a", Profile.CLOUD)

    with pytest.raises(TenantExists):
        services.tenants.add("a", Profile.CAMERA)
    assert [tenant.name for tenant in services.tenants.all()] == ["a", "b"]
    with pytest.raises(TenantNotFound):
        services.tenants.rotate("c")
    with pytest.raises(TenantNotFound):
        services.tenants.disable("c")


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "x" * 41, "a/b", "\u00e4"])
def test_illegal_name_is_refused(services: Services, name: str) -> None:
    with pytest.raises(InvalidInput):
        services.tenants.add(name, Profile.CAMERA)
