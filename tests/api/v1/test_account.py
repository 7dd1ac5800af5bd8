"""A tenant's own settings, changed together or not at all, and what it uses of its limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.core import keys
from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.model import Credentials
from chalicelib.core.pictures import ATTRIBUTES, PictureRules
from chalicelib.core.retention import RETENTION
from chalicelib.services import Services
from chalicelib.services.account.settings import OF_MIGRATION, OF_TENANT
from chalicelib.services.captures.cameras import MAX_CAMERAS
from chalicelib.services.groups.groups import ARRIVE_TIMES, PERIOD_DAYS
from chalicelib.services.tenants.settings import MOST_REVIEW_MARGIN
from tests.api.samples import OTHER_SETTINGS as OTHER
from tests.api.v1.client import V1Client, document
from tests.fakes import FakeClock, Person, picture

SETTINGS, USAGE, SIGNING_KEY = "/v1/settings", "/v1/usage", "/v1/signing-key"
RULES = PictureRules(frozenset({"JPEG"}), 10**7, 4_096, 4_096)
FIRST = {
    "time_zone": "Asia/Shanghai",
    "arrive_times": 5,
    "period_days": 7,
    "attributes_off": [],
    "least_liveness": None,
    "min_age": None,
    "enrol_quality": None,
    "review_margin": 0.03,
    "learns": True,
    "learnt_days": None,
    "consent_required": False,
    "expired_consent_erases": False,
    "deletes_erase": False,
    "controller": "",
    "contact": "",
    "purposes": "",
    "keeps_pictures": True,
    "no_pictures_of": [],
    "capture_days": None,
    "sighting_days": None,
    "stranger_days": 90,
    "regular_days": None,
    "observation_days": 400,
    "audit_days": 400,
    "model": "fake",
    "requests_a_day": None,
}


def test_each_setting_is_read_and_changed_alone_and_all_together(v1: V1Client) -> None:
    assert v1.done("GET", SETTINGS) == FIRST
    now = dict(FIRST)
    for name, value in OTHER.items():
        now[name] = value
        assert v1.done("PATCH", SETTINGS, {name: value}) == now
    back = {name: FIRST[name] for name in OTHER}
    assert v1.done("PATCH", SETTINGS, back) == FIRST
    assert v1.done("PATCH", SETTINGS, OTHER) == now == v1.done("GET", SETTINGS)


def test_what_is_set_here_holds_in_the_dialects(v1: V1Client, services: Services, shop: Credentials) -> None:
    v1.done("PATCH", SETTINGS, OTHER)
    tenant = services.tenants.named(shop.tenant)
    assert (tenant.time_zone, tenant.enrol_quality) == ("Europe/Berlin", 33.5)
    assert services.groups.migration(tenant).arrive_times == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "send what to change"),
        ({"time_zone": "Mars/Olympus"}, "a time zone has a name such as"),
        ({"time_zone": "berlin"}, "not 'berlin': did you mean Europe/Berlin?"),
        ({"time_zone": "america/new york"}, "did you mean America/New_York?"),
        ({"time_zone": None}, "time_zone"),
        ({"arrive_times": 11}, "arrive_times is a whole number from 1 to 10"),
        ({"arrive_times": 0}, "arrive_times is a whole number from 1 to 10"),
        ({"period_days": 101}, "period_days is a whole number from 1 to 100"),
        ({"attributes_off": ["height"]}, "attributes_off"),
        ({"attributes_off": "age"}, "attributes_off"),
        ({"least_liveness": 0}, "least_liveness is a number above 0, up to 1 or null, not 0"),
        ({"least_liveness": 1.5}, "least_liveness"),
        ({"min_age": 0.5}, "min_age is a number from 1 to 21 or null, not 0.5"),
        ({"min_age": 22}, "min_age"),
        ({"enrol_quality": 19}, "enrol_quality"),
        ({"learns": None}, "learns"),
        ({"learnt_days": 0}, "learnt_days"),
        ({"controller": "x" * 201}, "controller"),
        ({"contact": "one\ntwo"}, "contact is one line"),
        ({"review_margin": 0.6}, "review_margin"),
        ({"capture_days": 31}, "capture_days is 30 at most, for which this service keeps the pictures of captures"),
        ({"sighting_days": 19}, "sighting_days is"),
        ({"observation_days": 149}, "observation_days is a whole number from 150 to 3650 or null, not 149"),
        ({"stranger_days": 0}, "stranger_days is a whole number from 1 to 3650 or null, not 0"),
        ({"model": "other"}, "no field 'model'"),
        ({"requests_a_day": 5}, "no field 'requests_a_day'"),
    ],
)
def test_what_no_setting_can_be_is_refused_and_nothing_is_changed(
    v1: V1Client, changes: dict[str, Any], says: str
) -> None:
    for body in (changes, {**OTHER, **changes} if changes else {}):
        assert says in v1.failed(400, "PATCH", SETTINGS, body)["message"]
    assert v1.done("GET", SETTINGS) == FIRST


def test_usage_counts_what_there_is_and_names_every_limit(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    before = v1.done("GET", USAGE)
    assert (before["groups"], before["faces"], before["cameras"], before["hooks"]) == (2, 0, 0, 0)
    assert (before["requests_today"], before["captures_kept"]) == (None, None)
    assert before["limits"] == {
        "groups": 10,
        "faces": 30_000,
        "cameras": MAX_CAMERAS,
        "hooks": 20,
        "keys": 100,
        "pictures_of_a_face": 8,
        "requests_a_day": None,
        "capture_mb_a_day": 20_000,
        "capture_bytes": 20_971_520,
        "body_bytes": 4_194_304,
    }
    tenant = services.tenants.named(shop.tenant)
    services.enrolment.of_largest_face(tenant, "regular", picture(Person(1, side_px=90)), RULES, faceid="ann")
    services.groups.create(tenant, "VIP", 10, "")
    v1.add_camera("door")
    v1.add_camera("till")
    v1.done_without_body("DELETE", "/v1/cameras/till")
    v1.done("POST", "/v1/hooks", {"url": None})
    after = v1.done("GET", USAGE)
    assert (after["groups"], after["faces"], after["cameras"], after["hooks"]) == (3, 1, 1, 1)
    assert after["capacity_left"] == before["capacity_left"] - 10
    assert after["changes"] == after["snapshot_lag"] == before["changes"] + 1
    services.index.build(shop.tenant)
    assert v1.done("GET", USAGE)["snapshot_lag"] in (0, 1)


def test_usage_tells_how_much_of_the_disk_is_free(v1: V1Client, services: Services) -> None:
    disk = v1.done("GET", USAGE)["disk"]
    assert 0 < disk["free_bytes"] < disk["total_bytes"]
    services.usage.disk = None
    assert v1.done("GET", USAGE)["disk"] is None


def test_requests_of_today_are_counted_if_they_are_limited(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    services.tenants.change(shop.tenant, {"requests_a_day": 10, "time_zone": "UTC"})
    assert v1.done("GET", USAGE)["requests_today"] == 0
    for _ in range(3):
        services.quotas.take(services.tenants.named(shop.tenant))
    assert v1.done("GET", USAGE)["requests_today"] == 3
    clock.advance(timedelta(days=1))
    assert v1.done("GET", USAGE)["requests_today"] == 0


def test_captures_that_are_kept_are_counted_once_a_day(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    v1.add_camera("door")
    for seed in range(3):
        v1.send("POST", "/v1/captures", picture(Person(seed)), query={"camera": "door"}, content_type="image/jpeg")
    services.uploads.put_if_absent(keys.crop("shop", "door", "1772366400000-" + "0" * 24, 0), b"crop", "image/jpeg")
    size = sum(len(picture(Person(seed))) for seed in range(3)) + len(b"crop")
    services.kept.count(shop.tenant)
    counted = {"captures": 3, "bytes": size, "counted_at": "2026-03-01T12:00:00.000Z"}
    assert v1.done("GET", USAGE)["captures_kept"] == counted
    v1.send("POST", "/v1/captures", picture(Person(9)), query={"camera": "door"}, content_type="image/jpeg")
    clock.advance(timedelta(hours=19))
    services.kept.count(shop.tenant)
    assert v1.done("GET", USAGE)["captures_kept"] == counted
    clock.advance(timedelta(hours=2))
    services.sweep.tenant(services.tenants.named(shop.tenant), clock.now())
    assert v1.done("GET", USAGE)["captures_kept"]["captures"] == 4


def test_the_signing_keys_before_the_one_in_use_are_told_with_their_times(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    first = v1.done("GET", SIGNING_KEY)
    clock.advance(timedelta(days=1))
    services.signing.renew(shop.tenant)
    second = v1.done("GET", SIGNING_KEY)
    times = {"since": "2026-03-01T12:00:00.000Z", "until": "2026-03-02T12:00:00.000Z"}
    same = {name: first[name] for name in ("public_key", "fingerprint")}
    assert (first["earlier"], second["earlier"]) == ([], [{**same, **times, "signed_next": True}])
    assert second["public_key"] != first["public_key"]


def test_the_document_has_the_bounds_and_the_names_of_the_settings() -> None:
    schemas = document().all["components"]["schemas"]
    names = schemas["SettingsChanges"]["properties"]
    assert set(names) == {*OF_TENANT, *OF_MIGRATION}
    for name, bounds in (("arrive_times", ARRIVE_TIMES), ("period_days", PERIOD_DAYS)):
        assert (names[name]["minimum"], names[name]["maximum"]) == (bounds[0], bounds[-1])
    for name, bounds in RETENTION.items():
        [number] = [one for one in names[name]["anyOf"] if "minimum" in one]
        assert (number["minimum"], number["maximum"]) == (bounds[0], bounds[-1])
    assert names["review_margin"]["maximum"] == MOST_REVIEW_MARGIN
    assert set(names["attributes_off"]["items"]["enum"]) == set(ATTRIBUTES)
    assert [one["minimum"] for one in names["enrol_quality"]["anyOf"] if "minimum" in one] == [MIN_QUALITY]
