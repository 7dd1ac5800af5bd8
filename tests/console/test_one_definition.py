"""One shop, and all who count its visits: they give the same figures, by
book/statistics/visitors."""

import csv
import io
import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace
from playwright.sync_api import Browser, expect
from regulars_client import Regulars
from regulars_mqtt import discovery

from chalicelib.book.captures.captures import Shot
from chalicelib.domain.model import Profile, PromotionSettings
from regulars.report import format_csv, format_text
from tests.console.conftest import Book, save_as, visiting
from tests.console.shop import SETTINGS, Shop, box
from tests.support.box.box import Box
from tests.support.fakes import Person, picture

__all__ = ["box"]

WEEK = timedelta(7)
CAME = {
    0: (1, 3, 5),
    1: (2,),
    20: (1, 2, 3),
    21: (4,),
    30: (1, 2, 3, 4, 5),
    31: (2, 4),
    40: (2, 3, 4, 5, 6),
    50: (6,),
}
"""Days of the week on which people came: two regulars, strangers, two of VIP, somebody who works
there, and one who does since, without a name."""
STAFF, STAFF_SINCE = 40, 50
VIP = (30, 31)


def see(shop: Shop, seed: int, at: datetime) -> None:
    services = shop.box.services
    capture = services.captures.store_shot(
        shop.tenant, Shot("door", picture(Person(seed)), "image/jpeg", at)
    )
    services.sightings.ingest.resolve_capture(shop.name, "door", capture.id)


def fill(shop: Shop, client: Regulars, monday: datetime) -> None:
    """Let the people of CAME come in the week of that Monday, and some of them in the one
    before."""
    client.add_camera(id="door", name="Front door", labels={})
    for seed in (0, 1):
        client.enrol_face(picture=picture(Person(seed)), group="regular", name=f"Nr {seed}")
    for name in ("VIP", "Team"):
        client.add_group(name=name, capacity=10)
    for group, seed in (("Team", STAFF), *(("VIP", one) for one in VIP)):
        client.enrol_face(picture=picture(Person(seed)), group=group, name=f"Nr {seed}")
    shop.box.services.groups.set_promotion_settings(shop.tenant, PromotionSettings(10, 1))
    for seed, days in sorted(CAME.items()):
        for day in (days[0] - 7, *days):
            if day >= 0 or seed in (0, 20, STAFF):
                see(shop, seed, monday + timedelta(days=day, hours=9 + seed % 3))
    for one in client.list_groups():
        if one.name == "Team":
            client.change_group(one.id, staff=True)
    last = next(
        one for one in client.list_arrivals(from_=monday, staff=True) if one.first.weekday() == 6
    )
    client.change_face(last.face, group="Team")


def amounts(answer: Any) -> Counter[str]:
    return sum((Counter(one.amounts) for one in answer.buckets), Counter[str]())


def count_by_icredit(url: str, appcode: str, **asked: str) -> int:
    """Return the amount of the only bucket."""
    sent = {"Authorization": f"APPCODE {appcode}"}
    answer = httpx.post(f"{url}/icredit/face/analysis", data=asked, headers=sent).json()
    [[one]] = [value for name, value in answer.items() if isinstance(value, list)][:1]
    return int(one["AMOUNT"])


def test_every_figure_of_a_week_is_the_same_wherever_it_stands(
    box: Box, browser: Browser, tmp_path: Path
) -> None:
    made = box.services.tenants.add("one", Profile.CAMERA, SETTINGS)
    own = replace(box, key=made.api_key)
    with visiting(browser, Book(box.url, tmp_path, own.key, own.key)) as visitor:
        compare_all(Shop(own, "one", visitor), made.appcode)


def compare_all(shop: Shop, appcode: str) -> None:
    services = shop.box.services
    today = services.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(today.weekday()) - 2 * WEEK
    since, until = monday, monday + WEEK
    with shop.box.client() as client:
        fill(shop, client, monday)
        span = {"from_": since, "to": until}
        by_visit = client.get_statistics(**span, by="week", split="visit")
        kinds = amounts(by_visit)
        visits = kinds.total()
        people = amounts(client.get_statistics(**span, by="week", measure="persons")).total()
        staff = by_visit.staff
        seen = Counter(seed for seed, days in CAME.items() for _ in days)
        assert (visits, staff) == (
            seen.total() - seen[STAFF] - seen[STAFF_SINCE],
            seen[STAFF] + seen[STAFF_SINCE],
        )
        assert kinds["known"] + kinds["new"] + kinds["returning"] == visits
        later = sum(seen[one] for one in (*VIP, 0, 1)) - len((*VIP, 1))
        assert (people, kinds["known"]) == (len(CAME) - 2, later), "VIPs are known, as regulars are"

        totals = next(client.list_arrivals(**span, limit=1, totals=True).pages()).totals
        assert (totals.arrivals, totals.persons, totals.staff) == (visits, people, staff)
        assert Counter(totals.kinds) == kinds
        assert Counter(totals.groups) == amounts(client.get_statistics(**span, split="group"))
        everybody = next(
            client.list_arrivals(**span, limit=1, totals=True, staff=True).pages()
        ).totals
        assert (everybody.arrivals, everybody.kinds["staff"]) == (visits + staff, staff)
        shown = {
            one.face: one.group
            for capture in client.list_captures(**span)
            for one in capture.sightings
        }
        groups = {one.id: one.group for one in client.list_faces(ids=[*shown])}
        assert shown == groups, "a capture calls somebody by the group that the face is in"
        assert {*groups.values()} == {"stranger", "regular", "VIP", "Team"}
        told = discovery.write_figures(totals, {})
        assert f'"visits": {visits}, "people": {people}, "new": {kinds["new"]}' in told

    span_s = {
        "START_TIME": str(int(since.timestamp())),
        "END_TIME": str(int(until.timestamp()) - 1),
    }
    assert (
        count_by_icredit(shop.box.url, appcode, **span_s, STATISTICAL="1", DISTINCT="1") == people
    )

    week = services.sightings.weeks.count_week(shop.tenant, monday.date())
    report = (visits, people, kinds["new"], kinds["returning"], kinds["known"])
    assert (*week.total, week.staff) == (*report, staff)
    assert f"without {staff} visits of staff" in format_text(week, shop.tenant)
    rows = list(csv.DictReader(io.StringIO(format_csv(week, shop.tenant))))
    assert sum(int(one["visits"]) for one in rows) == visits
    assert sum(int(one["known"]) for one in rows) == kinds["known"]

    page = shop.open(f"#/report?at={monday:%Y-%m-%d}")
    row = page.get_by_role("row", name=re.compile(r"^Week \d"))
    row.wait_for()
    assert tuple(map(int, row.get_by_role("cell").all_inner_texts())) == report
    before = page.get_by_role("row", name="Week before").get_by_role("cell").all_inner_texts()
    assert int(before[0]) == week.before.visits == 2
    page.get_by_text(f"Without {staff} visits of staff.").wait_for()
    download = save_as(page, "CSV")
    table = list(csv.DictReader(io.StringIO(download.path().read_text("utf-8-sig"))))
    assert sum(int(one["Visits"]) for one in table) == visits

    page = shop.visitor.open(f"#/traffic?at={monday:%Y-%m-%d}")
    page.get_by_text(f"Without {staff} of staff").wait_for()
    assert f"{visits} visits" in page.locator(".amount.sum").inner_text()
    known = page.get_by_role("listitem").filter(
        has=page.get_by_role("heading", name="Known", exact=True)
    )
    assert known.locator(".amount strong").inner_text() == str(kinds["known"])

    sunday = monday + timedelta(6)
    page = shop.visitor.open(f"#/visits?day={sunday:%Y-%m-%d}")
    page.get_by_role("button", name="2 of staff").wait_for()
    page.get_by_role("button", name="2 of staff").click()
    page.get_by_role("button", name="2 visits", exact=True).wait_for()
    compare_weeks_from_sunday(shop, monday)


def compare_weeks_from_sunday(shop: Shop, monday: datetime) -> None:
    """Compare the weeks of v1, the report, the week on paper and Traffic, once weeks begin on
    Sunday. A page that was open before follows."""
    sunday = monday - timedelta(1)
    page = shop.open(f"#/report?at={monday + WEEK:%Y-%m-%d}")
    days = page.get_by_role("row", name=re.compile("^(Sun|Mon|Tue|Wed|Thu|Fri|Sat)"))
    expect(days.first).to_have_accessible_name(re.compile("^Mon"))
    with shop.box.client() as client:
        client.change_settings(week_begins="sunday")
        answer = client.get_statistics(
            from_=sunday - WEEK, to=sunday + 2 * WEEK, by="week", split="visit"
        )
    by_week = {one.time: sum(one.amounts.values()) for one in answer.buckets}
    before, within = (by_week[f"{day:%Y-%m-%d}"] for day in (sunday - WEEK, sunday))
    tenant = shop.box.services.tenants.get_by_name("one")
    week = shop.box.services.sightings.weeks.count_week(tenant, sunday.date())
    assert (week.total.visits, week.before.visits) == (within, before)
    page.get_by_role("button", name="Earlier").click()
    expect(days).to_have_count(7)
    expect(days.first).to_have_accessible_name(re.compile(f"^Sun {sunday.day} "))
    row = page.get_by_role("row", name=re.compile(r"^Week \d"))
    expect(row.get_by_role("cell").first).to_have_text(f"{within}")
    page = shop.visitor.open(f"#/traffic?at={monday:%Y-%m-%d}")
    expect(page.locator(".amount.sum")).to_contain_text(f"{within} visits")
