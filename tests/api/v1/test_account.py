import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.api.account import OF_PROMOTION_SETTINGS
from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.captures.captures import Shot
from chalicelib.domain.model import PROMOTION_SETTINGS, Credentials, NewFace
from chalicelib.domain.pictures import ATTRIBUTES
from chalicelib.domain.rules.decision import MIN_QUALITY
from chalicelib.domain.tenant_settings import OF_NOTICE, OF_TENANT, RETENTION
from chalicelib.domain.tenant_settings import SETTINGS as TABLE
from chalicelib.services import Services
from chalicelib.storage import keys
from regulars.cli import main
from tests.support.api.samples import OTHER_SETTINGS as OTHER
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client, document
from tests.support.book.book import Book, shot
from tests.support.book.tenants import CHOICE
from tests.support.expected import COMMAND, read_expected
from tests.support.fakes import RULES, FakeClock, Person, photo, picture

SETTINGS, USAGE, SIGNING_KEY = "/v1/settings", "/v1/usage", "/v1/signing-key"

FIRST = {**read_expected("first_settings"), **CHOICE, "deletes_erase": False}
"""Of the fixture's tenant, which keeps strangers, and in which a deletion erases nothing."""


def test_each_setting_is_read_and_changed_alone_and_all_together(v1: V1Client) -> None:
    assert v1.done("GET", SETTINGS) == FIRST, COMMAND
    now = dict(FIRST)
    for name, value in OTHER.items():
        now[name] = value
        now["captures_kept_days"] = min(now["capture_days"] or 30, 30)
        assert v1.done("PATCH", SETTINGS, {name: value}) == now
    back = {name: FIRST[name] for name in OTHER}
    assert v1.done("PATCH", SETTINGS, back) == FIRST
    assert v1.done("PATCH", SETTINGS, OTHER) == now == v1.done("GET", SETTINGS)


def test_what_is_set_here_holds_in_the_dialects(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    v1.done("PATCH", SETTINGS, OTHER)
    tenant = services.tenants.get_by_name(shop.tenant)
    assert (tenant.time_zone, tenant.enrol_quality) == ("Europe/Berlin", 33.5)
    assert services.groups.read_promotion_settings(tenant).arrive_times == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "send what to change"),
        ({"time_zone": "Mars/Olympus"}, "a time zone has a name such as"),
        ({"time_zone": "berlin"}, "not 'berlin': did you mean Europe/Berlin?"),
        ({"time_zone": "america/new york"}, "did you mean America/New_York?"),
        ({"least_liveness": 0}, "least_liveness is a number above 0, up to 1 or null, not 0"),
        ({"min_age": 0.5}, "min_age is a number from 1 to 21 or null, not 0.5"),
        ({"language": "xx"}, "language is"),
        ({"contact": "one\ntwo"}, "contact is one line"),
        (
            {"notice_url": "javascript:alert(1)"},
            "notice_url is as https://shop.example/cameras, not 'javascript",
        ),
        (
            {"notice_url": "https://shop.example/a b"},
            "notice_url is as https://shop.example/cameras",
        ),
        (
            {"capture_days": 31},
            "capture_days is 30 at most, for which this service keeps the pictures of captures",
        ),
        ({"sighting_days": 19}, "sighting_days is"),
        (
            {"observation_days": 149},
            "observation_days is a whole number from 150 to 3650 or null, not 149",
        ),
    ],
)
def test_what_no_setting_can_be_is_refused_and_nothing_is_changed(
    v1: V1Client, changes: dict[str, Any], says: str
) -> None:
    for body in (changes, {**OTHER, **changes} if changes else {}):
        assert says in v1.failed(400, "PATCH", SETTINGS, body)["detail"]
    assert v1.done("GET", SETTINGS) == FIRST


def test_usage_counts_what_there_is_and_names_every_limit(
    v1: V1Client, services: Services, shop: Credentials
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
        "pictures_of_a_face": 100,
        "requests_a_day": None,
        "capture_mb_a_day": 10_000,
        "capture_bytes": 20_971_520,
        "body_bytes": 4_194_304,
    }
    tenant = services.tenants.get_by_name(shop.tenant)
    services.enrolment.enrol_largest_face(
        tenant, "regular", picture(Person(1, side_px=90)), RULES, NewFace(faceid="ann")
    )
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
    services.storage = replace(services.storage, disk=None)
    assert v1.done("GET", USAGE)["disk"] is None


def test_requests_of_today_are_counted_if_they_are_limited(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    services.tenants.change_settings(shop.tenant, {"requests_a_day": 10, "time_zone": "UTC"})
    assert v1.done("GET", USAGE)["requests_today"] == 0
    for _ in range(3):
        services.daily_limits.take_request(services.tenants.get_by_name(shop.tenant))
    assert v1.done("GET", USAGE)["requests_today"] == 3
    clock.advance(timedelta(days=1))
    assert v1.done("GET", USAGE)["requests_today"] == 0


def test_captures_that_are_kept_are_counted_once_a_day(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    v1.add_camera("door")
    for seed in range(3):
        v1.send(
            "POST",
            "/v1/captures",
            picture(Person(seed)),
            query={"camera": "door"},
            content_type="image/jpeg",
        )
    services.ports.storage.uploads.put_if_absent(
        keys.crop("shop", "door", "1772366400000-" + "0" * 24, 0), b"crop", "image/jpeg"
    )
    size = sum(len(picture(Person(seed))) for seed in range(3)) + len(b"crop")
    services.captures.pictures.count(shop.tenant)
    counted = {"captures": 3, "bytes": size, "counted_at": "2026-03-01T12:00:00.000Z"}
    assert v1.done("GET", USAGE)["captures_kept"] == counted
    v1.send(
        "POST",
        "/v1/captures",
        picture(Person(9)),
        query={"camera": "door"},
        content_type="image/jpeg",
    )
    clock.advance(timedelta(hours=19))
    services.captures.pictures.count(shop.tenant)
    assert v1.done("GET", USAGE)["captures_kept"] == counted
    clock.advance(timedelta(hours=2))
    services.sweep.sweep_tenant(services.tenants.get_by_name(shop.tenant), clock.now())
    assert v1.done("GET", USAGE)["captures_kept"]["captures"] == 4


def test_the_signing_keys_before_the_one_in_use_are_told_with_their_times(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    first = v1.done("GET", SIGNING_KEY)
    clock.advance(timedelta(days=1))
    services.audit.signing.renew_key(shop.tenant)
    second = v1.done("GET", SIGNING_KEY)
    times = {"since": "2026-03-01T12:00:00.000Z", "until": "2026-03-02T12:00:00.000Z"}
    same = {name: first[name] for name in ("public_key", "fingerprint")}
    assert (first["earlier"], second["earlier"]) == ([], [{**same, **times, "signed_next": True}])
    assert second["public_key"] != first["public_key"]


def test_the_document_has_the_bounds_and_the_names_of_the_settings() -> None:
    schemas = document().all["components"]["schemas"]
    names = schemas["SettingsChanges"]["properties"]
    assert set(names) == {*OF_TENANT, *OF_PROMOTION_SETTINGS}
    for name, row in PROMOTION_SETTINGS.items():
        assert (names[name]["minimum"], names[name]["maximum"]) == (row.least, row.most)
    for name in RETENTION:
        [number] = [one for one in names[name]["anyOf"] if "minimum" in one]
        assert (number["minimum"], number["maximum"]) == (TABLE[name].least, TABLE[name].most)
    assert names["review_margin"]["maximum"] == TABLE["review_margin"].most
    assert set(names["attributes_off"]["items"]["enum"]) == set(ATTRIBUTES)
    assert [one["minimum"] for one in names["enrol_quality"]["anyOf"] if "minimum" in one] == [
        MIN_QUALITY
    ]


def test_a_dry_run_says_what_goes_and_deletes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book(tmp_path)
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    book.clock.advance(timedelta(days=-14))
    [seen] = book.see(shot(0, 1))
    book.services.groups.create(book.tenant, "staff", 5, "")
    book.clock.advance(timedelta(days=85))
    told = v1.done("GET", "/v1/retention")
    by_kind = {(one["kind"], one["group"]): one for one in told["kinds"]}
    assert by_kind["faces", "stranger"] == {
        "kind": "faces",
        "group": "stranger",
        "days": 90,
        "now": 0,
        "within_7_days": 1,
        "more": False,
        "oldest": "2026-03-02T09:00:00.000Z",
        "waits_until": None,
    }
    assert [by_kind["faces", name]["days"] for name in ("regular", "staff")] == [1095, 1095]
    assert [by_kind[kind, None]["days"] for kind in ("captures", "sightings", "observations")] == [
        30,
        120,
        400,
    ]
    assert (told["held"], len(book.faces())) == (0, 1)
    book.services.faces.holds.set(book.tenant, str(seen.sightings[0].faceid), "case 7")
    told = v1.done("GET", "/v1/retention")
    assert told["held"] == 1
    assert next(one for one in told["kinds"] if one["group"] == "stranger")["within_7_days"] == 0
    book.close()

    assert main(["retention", "--dry-run", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "observations" in said
    assert "deleted" not in said


def test_the_command_deletes_all_at_once_only_if_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = Book(tmp_path)
    book.clock.advance(timedelta(days=-900))
    book.see(*(shot(number, number) for number in range(6)))
    book.close()
    for options, code, left, said in (
        ([], 1, 6, "no terminal to ask for confirmation"),
        (["--yes"], 0, 6, "6 kept until"),
        (["--all", "--dry-run"], 0, 6, ""),
        (["--all", "--yes"], 0, 0, "expired data deleted\n"),
    ):
        assert main(["retention", "--data", str(tmp_path), *options]) == code
        assert said in "".join(capsys.readouterr())
        with closing(Book(tmp_path)) as after:
            assert len(after.faces()) == left


def test_a_choice_is_counted_before_it_is_made_and_refused_without_who_decided_it(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    tenant = services.tenants.get_by_name(shop.tenant)
    services.cameras.add(tenant, "door", "door")
    for seed in range(3):
        at = services.clock.now()
        stored = services.captures.store_shot(
            tenant, Shot("door", picture(Person(seed)), "image/jpeg", at)
        )
        services.sightings.ingest.resolve_capture(tenant.name, "door", stored.id)

    def count(**query: Any) -> int:
        return int(v1.done("GET", "/v1/retention", **query)["strangers"])

    assert (count(), count(strangers="keep", stranger_days=1)) == (0, 0)
    assert count(strangers="forget") == count(strangers="undecided") == 3
    assert len(v1.done("GET", "/v1/faces")["faces"]) == 3, "they are counted alone"
    v1.done("PATCH", "/v1/settings", {"strangers": "undecided", "strangers_decided_by": ""})
    refused = v1.failed(400, "PATCH", "/v1/settings", {"strangers": "keep"})
    assert (refused["code"], refused["field"]) == ("InvalidInput", "strangers_decided_by")
    assert v1.done("GET", "/v1/settings")["strangers"] == "undecided"


OWN = {"controller": "Ann & Bob <Ltd>, 1 High Street", "contact": "privacy@shop.example"}


def test_the_notice_says_who_is_responsible_what_for_and_for_how_long(v1: V1Client) -> None:
    v1.done("PATCH", "/v1/settings", OWN)
    english, chinese = (
        v1.done("GET", "/v1/notice", language=language) for language in ("en", "zh")
    )
    for notice in (english, chinese):
        assert OWN["controller"] in notice["text"]
        assert notice["text"].count(OWN["contact"]) == 2
        assert notice["missing"] == ["officer", "authority", "recipients", "transfers"]
        assert re.search(r"30 ?(days|天)", notice["text"])
        assert [one["heading"] in notice["html"] for one in notice["sections"]] == [True] * 6
    assert [re.search("[一-鿿]", one["text"]) is not None for one in (english, chinese)] == [
        False,
        True,
    ]
    assert len(english["sections"]) == len(chinese["sections"])


def test_what_is_not_set_is_a_blank_to_fill_in(v1: V1Client) -> None:
    v1.done("PATCH", "/v1/settings", {"basis": ""})
    notice = v1.done("GET", "/v1/notice")
    assert notice["missing"] == [*OF_NOTICE]
    assert notice["text"].count("_" * 20) == len(OF_NOTICE) + 1, "the contact stands twice"
    v1.done("PATCH", "/v1/settings", {"contact": "at the till", "officer": "-", "transfers": "-"})
    assert v1.done("GET", "/v1/notice")["missing"] == [
        "controller",
        "basis",
        "authority",
        "recipients",
    ]


def test_the_sheet_has_the_code_of_the_page_that_has_the_whole(v1: V1Client) -> None:
    sheet = v1.done("GET", "/v1/notice", layer="sheet")
    assert (sheet["qr_path"], sheet["qr_size"]) == (None, None)
    assert "<svg" not in sheet["html"]
    v1.done("PATCH", "/v1/settings", {"notice_url": "https://shop.example/cameras"})
    sheet, whole = (
        v1.done("GET", "/v1/notice", layer=layer, language="ar") for layer in ("sheet", "whole")
    )
    assert sheet["qr_path"] in sheet["html"]
    assert (sheet["qr_size"], whole["qr_path"]) == (29 + 2 * 4, None)
    assert "https://shop.example/cameras" in sheet["text"]
    assert sheet["html"].startswith('<!doctype html><html lang="ar" dir="rtl">')


def test_whom_hooks_tell_is_proposed_as_recipients(v1: V1Client) -> None:
    v1.done("POST", "/v1/hooks", {"url": None, "name": "home", "passes_to": "broker.lan"})
    notice = v1.done("GET", "/v1/notice")
    assert notice["recipients"] == ["broker.lan"]
    assert "Recipients: broker.lan." in notice["text"]


def test_it_says_what_holds_for_small_children_and_who_is_left_out(v1: V1Client) -> None:
    assert "It does not tell small children apart reliably" in v1.done("GET", "/v1/notice")["text"]
    assert "younger than" not in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"min_age": 12.5})
    assert "estimates to be younger than 12.5" in v1.done("GET", "/v1/notice")["text"]
    assert "12.5 岁" in v1.done("GET", "/v1/notice", language="zh")["text"]


def test_own_words_are_text_on_the_page_and_no_markup(v1: V1Client) -> None:
    v1.done("PATCH", "/v1/settings", {**OWN, "purposes": "<script>alert(1)</script>"})
    html = v1.done("GET", "/v1/notice")["html"]
    assert "Ann &amp; Bob &lt;Ltd&gt;" in html
    assert "<script" not in html
    assert "size:A4" in html


def test_estimates_that_are_switched_off_are_not_announced(v1: V1Client) -> None:
    assert "estimates age, gender from" in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"feelings": True})
    assert "age, gender, expression, beauty" in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"attributes_off": ["age", "emotion", "beauty"]})
    assert "estimates gender from" in v1.done("GET", "/v1/notice")["text"]
    v1.done("PATCH", "/v1/settings", {"attributes_off": ["age", "gender", "emotion", "beauty"]})
    assert "estimates gender" not in v1.done("GET", "/v1/notice")["text"]


def test_the_notice_says_what_the_tenant_keeps_as_it_is_set(v1: V1Client) -> None:
    days = {"capture_days": 3, "stranger_days": 45, "regular_days": None, "observation_days": 200}
    v1.done("PATCH", "/v1/settings", days)
    english, chinese = (v1.done("GET", "/v1/notice", language=one)["text"] for one in ("en", "zh"))
    for line in (
        "3 days",
        "do not know: 45 days",
        "come often: no fixed period",
        "Times of visits: 200 days",
    ):
        assert line in english
    assert all(f"{number} 天" in chinese for number in (3, 45, 200))
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert "3 days" not in v1.done("GET", "/v1/notice")["text"]
    assert "no picture" in v1.done("GET", "/v1/notice")["text"]


def test_another_language_is_refused(v1: V1Client) -> None:
    assert "language" in v1.failed(400, "GET", "/v1/notice", language="la")["detail"]


def enrolled(v1: V1Client, *faceids: str) -> None:

    for seed, id_ in enumerate(faceids, 1):
        v1.done("POST", "/v1/faces", {"group": "regular", "id": id_, "picture": photo(seed)})


def test_entries_say_what_was_done_by_which_key(v1: V1Client) -> None:
    enrolled(v1, "21")
    (entry,) = v1.done("GET", "/v1/audit", what="POST /v1/faces")["entries"]
    assert (entry["by"], entry["hour"], entry["details"]["faces"]) == ("key first", None, ["21"])
    assert entry["at"].endswith("Z")


def test_to_read_the_audit_is_an_entry_itself(v1: V1Client) -> None:
    v1.done("GET", "/v1/audit")
    assert [one["what"] for one in v1.done("GET", "/v1/audit", by="key first")["entries"]][:1] == [
        "GET /v1/audit"
    ]
