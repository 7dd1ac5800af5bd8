"""No setting keeps, shows or sends more personal data than it could, but for a reason that
docs/tenants.md gives, or since somebody chose it."""

import re
from typing import Any

import pytest

from chalicelib.domain.captures import CAMERA_SETTINGS, CameraOptions
from chalicelib.domain.tenant_settings import SETTINGS, UNDECIDED, TenantSettings
from infra.dependencies import ROOT

CAMERAS = "a camera's "

DEFAULTS: dict[str, Any] = {
    **{name: getattr(TenantSettings(), name) for name in SETTINGS},
    **{CAMERAS + name: getattr(CameraOptions(), name) for name in CAMERA_SETTINGS},
}

LEAST = {
    "feelings": False,
    "deletes_erase": True,
    "expired_consent_erases": True,
    "picture_buckets": frozenset(),
    "answers_unknown": False,
}
"""Settings of which no value keeps, shows or sends less than this one."""

OF_NOBODY = {
    *("display_name", "language", "time_zone", "week_begins", "opening"),
    *("controller", "contact", "purposes", "basis", "officer", "authority", "recipients"),
    *("transfers", "notice_url", "strangers_decided_by", "restore_gap"),
    *("requests_a_day", "capture_mb_a_day", "faces", "groups"),
    *("refuse_md5", "numeric_faceids_only", "fpir", "review_margin", "least_liveness"),
    *(CAMERAS + name for name in ("gap_s", "enabled", "silent_after_s")),
}
"""Settings that say, count or judge, by whose value nothing more is kept, shown or sent."""

_ROW = re.compile(r"^\| (a camera's )?`(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def read_reasons() -> dict[str, tuple[str, str]]:
    """Read what the page says that a setting begins with, and why."""
    page = (ROOT / "docs" / "tenants.md").read_text(encoding="utf-8")
    table = page.partition('<a id="why"></a>')[2].partition("\n\nA face counts")[0]
    return {of + name: (begins, why) for of, name, begins, why in _ROW.findall(table)}


def write_value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case frozenset():
            return "nothing" if not value else ", ".join(sorted(value))
    return f"`{value}`"


def test_a_setting_that_could_keep_show_or_send_less_has_a_reason() -> None:
    assert read_reasons().keys() == DEFAULTS.keys() - LEAST.keys() - OF_NOBODY


@pytest.mark.parametrize("name", read_reasons())
def test_the_page_says_what_a_setting_begins_with(name: str) -> None:
    assert read_reasons()[name][0] == write_value(DEFAULTS[name])


@pytest.mark.parametrize("name", LEAST)
def test_a_new_tenant_begins_with_the_least(name: str) -> None:
    assert DEFAULTS[name] == LEAST[name]


def test_what_becomes_of_strangers_is_chosen_by_somebody() -> None:
    assert DEFAULTS["strangers"] == UNDECIDED
