"""Every use case runs by a new tenant's own settings (test_every_call.py); a day of the shop goes
by every setting's other value, too, and all agrees with itself afterwards."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.setting import Setting
from chalicelib.domain.tenant_settings import SETTINGS, TenantSettings
from tests.faults.agreement import disagreeing
from tests.support.book.book import shot
from tests.support.book.tenants import CHOICE
from tests.support.fakes import Person
from tests.support.faults.shop import EVA, Shop

OTHERS: dict[str, Any] = {
    "time_zone": "America/St_Johns",
    "language": "zh",
    "opening": "Mon-Sat 09:00-18:00",
    "attributes_off": frozenset({"age"}),
    "no_pictures_of": frozenset({"stranger"}),
    "picture_buckets": frozenset({"shop-pictures"}),
    "notice_url": "https://shop.example/notice",
    "faces": 25_000,
    "enrol_quality": 21.0,
    "capture_days": 20,
    "least_liveness": 0.01,
}
"""Other values of settings that have neither bounds nor choices."""
UNLIKE = {"time_zone", *CHOICE}
"""Settings that the shop of the use cases has otherwise: it counts by UTC."""


def choose_other(name: str, setting: Setting, default: Any) -> Any:
    if name in OTHERS:
        return OTHERS[name]
    if setting.choices:
        return next(choice for choice in setting.choices if choice != default)
    if setting.kind is bool:
        return not default
    if setting.kind in (int, float):
        assert setting.most is not None
        if setting.nothing and default is not None:
            return None
        value = min(setting.most, 2_000 if default is None else 2 * default + 1)
        return setting.kind(value)
    return "somebody"


def test_every_use_case_runs_by_a_new_tenants_own_settings(
    shops: dict[str, Shop], tmp_path: Path
) -> None:
    with shops["shop"].copied(tmp_path) as box:
        unlike = {
            name
            for name, default in asdict(TenantSettings()).items()
            if getattr(box.tenant, name) != default
        }
    assert unlike == UNLIKE


@pytest.mark.parametrize(
    "name", sorted(SETTINGS.keys() - {"restore_gap"})
)  # which a restore alone sets
def test_a_day_of_the_shop_agrees_with_itself_by_the_settings_other_value(
    name: str, shops: dict[str, Shop], tmp_path: Path
) -> None:
    default = getattr(TenantSettings(), name)
    other = choose_other(name, SETTINGS[name], default)
    assert other != default
    with shops["shop"].copied(tmp_path) as box:
        box.services.tenants.change_settings("shop", {name: other})
        stored = getattr(box.tenant, name)
        assert stored != default
        consent = Consent(Basis.CONSENT, box.clock.now(), "form 7")
        ann = box.enrol(Person(51), name="Ann", consent=consent).faceid
        box.see(shot(24 * 60 * 20, EVA), shot(24 * 60 * 20 + 90, 51), shot(24 * 60 * 20 + 95, 52))
        box.settle()
        box.services.consents.withdraw_consent(box.tenant, ann)
        box.services.deletion.delete_faces(box.tenant, [box.ids["eva"]])
        assert disagreeing(box) == []
