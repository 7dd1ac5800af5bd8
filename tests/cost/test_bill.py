"""The measured table times given numbers times prices, and what the pages say of it."""

import re
from collections.abc import Mapping

import pytest

from chalicelib.domain.tenant_settings import OBSERVATION_DAYS, SIGHTING_DAYS
from chalicelib.storage.aws import spread
from tests.support.bill import table
from tests.support.bill.table import (
    Load,
    count_held,
    count_units,
    find_cold_share,
    price_by_service,
)
from tests.support.box.session import ROOT, read

SHOP, NOTHING = Load(1_000, 1_000, 1_000), Load(0, 0, 0)


def usd(load: Load) -> float:
    return sum(
        price_by_service(
            count_units(table.read_table(), load), table.read_prices(), with_free=False
        ).values()
    )


def test_a_bill_is_quantities_times_list_prices() -> None:
    made = price_by_service(
        {"dynamodb_write_units": 2e6, "dynamodb_read_units": 1e6, "keys": 1},
        table.read_prices(),
        with_free=False,
    )
    assert made["dynamodb"] == pytest.approx(2 * 0.625 + 0.125)
    assert made["kms"] == 1.0
    assert sum(made.values()) == pytest.approx(2.375)


def test_what_is_always_free_is_taken_off_each_thing_and_no_more_of_it_than_there_is() -> None:
    made = price_by_service(
        {"sqs_requests": 1_500_000, "lambda_requests": 10}, table.read_prices(), with_free=True
    )
    assert made["sqs"] == pytest.approx(0.20)
    assert made["lambda"] == 0.0


def test_everything_that_is_used_has_a_price_and_all_that_is_free_too() -> None:
    listed = table.read_prices()
    priced = {what for service in listed.services.values() for what in service.usd}
    assert {what for row in table.read_table().rows.values() for what in row} | {
        *listed.always_free
    } <= priced


def test_a_month_is_the_sum_of_what_is_in_it() -> None:
    rows = {
        kind: sum(price_by_service(row, table.read_prices(), with_free=False).values())
        for kind, row in table.read_table().rows.items()
    }
    assert usd(NOTHING) == pytest.approx(rows["stage"] + rows["tenant"] + rows["start"])
    more = 30 * 1_000 * (rows["capture"] + rows["search"]) + rows["camera"] + rows["traffic"]
    assert usd(Load(0, 1_000, 1_000)) == pytest.approx(usd(NOTHING) + more)
    more = 3 * 500 * rows["face"] + 2 * (rows["tenant"] + rows["start"])
    assert usd(Load(500, 0, 0, tenants=3)) == pytest.approx(usd(NOTHING) + more)
    assert all(amount > 0 for amount in rows.values())


def test_a_bill_of_many_shops_is_one_shops_times_their_number() -> None:
    """All of a load is one shop's: its faces, cameras, captures and searches."""
    one, rows = Load(30_000, 5_000, 500, cameras=2), table.read_table().rows
    each = usd(one) - usd(NOTHING) - _usd_of(rows["traffic"]) + _usd_of(rows["tenant"])
    many = usd(Load(30_000, 5_000, 500, tenants=1_000, cameras=2))
    fixed = (
        _usd_of(rows["stage"])
        + _usd_of(rows["traffic"])
        + table.SWEEPS_AT_ONCE * _usd_of(rows["start"])
    )
    searches = 30 * (5_000 + 500)
    cold = find_cold_share(1_000, count_held(30_000)) * 30_000 * _usd_of(rows["cold_face"])
    assert many == pytest.approx(1_000 * (each + searches * cold) + fixed)
    assert many > 100 * usd(one)


def test_searches_in_galleries_that_no_function_keeps_are_billed() -> None:
    """A small gallery calls no search function; a large one calls it for each capture and search; a
    cold one loads."""
    rows = table.read_table().rows
    assert _usd_of_capture(Load(5_000, 1, 0)) == pytest.approx(_usd_of(rows["capture"]))
    warm = _usd_of(rows["capture"]) + _usd_of(rows["far_search"])
    assert _usd_of_capture(Load(5_001, 1, 0)) == pytest.approx(warm)
    assert _usd_of_capture(Load(30_000, 1, 0, tenants=1_000)) == pytest.approx(warm, rel=0.001)
    cold = warm + 0.883 * 30_000 * _usd_of(rows["cold_face"])
    assert _usd_of_capture(Load(30_000, 1, 0, tenants=10_000)) == pytest.approx(cold, rel=0.001)


def _usd_of_capture(load: Load) -> float:
    return _usd_of(load.list_rows(table.read_table())["capture"])


def _usd_of(row: Mapping[str, float]) -> float:
    return sum(price_by_service(row, table.read_prices(), with_free=False).values())


def test_what_is_kept_is_priced_for_as_long_as_it_is_kept() -> None:
    """A capture's record 120 days and its observation 400, so that an old shop pays no more than is
    said."""
    months = SIGHTING_DAYS / 30 + OBSERVATION_DAYS / 30
    per_capture = table.read_table().rows["capture"]["dynamodb_gb"]
    assert per_capture > 300e-9 * months, "a month of each would be a shop's that began a month ago"


def test_pictures_are_priced_by_their_size_and_the_days_that_they_are_kept() -> None:
    """Crops of 10 kB, which the uploader may send, cost next to nothing; nothing else of a capture
    becomes cheaper."""
    gb_price = table.read_prices().services["s3"].usd["s3_gb"]
    many = Load(0, 1_000, 0)
    assert usd(many) - usd(Load(0, 1_000, 0, picture_days=7)) == pytest.approx(
        30_000 * 150e-6 * 23 / 30 * gb_price
    )
    assert usd(many) - usd(Load(0, 1_000, 0, picture_kb=10)) == pytest.approx(
        30_000 * 140e-6 * gb_price
    )


def test_sweeps_that_follow_others_start_warm() -> None:
    """So a thousand tenants pay no more cold starts an hour than there are runs at once."""
    each = [
        usd(Load(0, 0, 0, tenants=number)) - usd(Load(0, 0, 0, tenants=number - 1))
        for number in (5, 6, 1_000)
    ]
    assert each[0] > 2 * each[1] == pytest.approx(2 * each[2])


def test_the_page_says_what_each_costs() -> None:
    rows, page = (
        Load(1_000, 1_000, 1_000).list_rows(table.read_table()),
        read(ROOT / "docs/deploy.md"),
    )
    for what, kind, count in (
        ("a stage that gets captures, a month, for metrics", "traffic", 1),
        ("a thousand captures", "capture", 1_000),
        ("a thousand searches", "search", 1_000),
        ("a thousand faces, a month", "face", 1_000),
        ("a camera, a month", "camera", 1),
        ("a tenant, a month", "tenant", 1),
    ):
        assert f"| {what} | {count * _usd_of(rows[kind]):.4f} |" in page
    idle = Load(0, 0, 0)
    assert f"costs {usd(idle):.2f} a month at list prices, and {_say_idle()}" in page
    large = usd(Load(1_000_000, 1_000_000, 0))
    assert f"costs {large:.0f} a month" in page
    assert f"pays {large:.2f} USD a month" in read(ROOT / "docs/lab/cost.md")


def test_the_pages_table_adds_up_to_readmes_figure() -> None:
    page, readme = read(ROOT / "docs/deploy.md"), read(ROOT / "README.md")
    said = dict(re.findall(r"^\| (a [^|]+) \| (\d+\.\d+) \|$", page, re.MULTILINE))
    idle = float(re.findall(r"costs ([\d.]+) a month at list prices", page)[0])
    once = ("a stage that gets captures, a month, for metrics", "a camera, a month")
    shop = idle + sum(float(said[what]) for what in (*once, "a thousand faces, a month"))
    shop += 30 * float(said["a thousand captures"])
    assert f"| a thousand captures a day | {shop:.2f} |" in readme


OF_CUSTOMER_KEY = "1.20"
"""An estimate that no table has: it depends on the requests that DynamoDB makes of the key."""


def test_the_page_of_costs_has_no_figure_that_is_not_the_tables() -> None:
    """Nor do README and CHANGELOG, which say some of them again."""
    rows, usd_of = Load(1_000, 1_000, 1_000).list_rows(table.read_table()), table.read_prices()
    prices = {
        what: one for service in usd_of.services.values() for what, one in service.usd.items()
    }
    thousands = [rows[kind] for kind in ("capture", "search", "face", "far_search")]
    reckoned = [1_000 * _usd_of(row) for row in thousands]
    reckoned += [_usd_of(rows[kind]) for kind in ("camera", "tenant", "start", "traffic")]
    reckoned.append(1_000 * prices["api_requests"])
    said = {f"{one:.4f}" for one in reckoned}
    said |= {f"{usd(NOTHING):.2f}", _say_idle(), f"{usd(Load(1_000, 1_000, 0)):.2f}"}
    said |= {f"{number * prices['alarms']:.2f}" for number in (1, spread.FUNCTIONS)}
    costs = read(ROOT / "docs/deploy.md").partition("## What it costs\n")[2].partition("\n## ")[0]
    [in_aws] = re.findall("^- AWS as one stack.*", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    readme = read(ROOT / "README.md").partition("## Cost\n")[2].partition("\n## ")[0]
    for text in (costs, in_aws, readme):
        figures = {*re.findall(r"\d+\.\d{2,4}", text)} - {OF_CUSTOMER_KEY}
        assert figures, text
        assert figures <= said, f"{sorted(figures - said)} are none of {sorted(said)}"


def _say_idle() -> str:
    """What an idle stage pays that has what is always free to itself."""
    units = count_units(table.read_table(), NOTHING)
    return f"{sum(price_by_service(units, table.read_prices(), with_free=True).values()):.2f}"


def test_the_decision_on_an_idle_stage_says_what_it_costs_now() -> None:
    decided = read(ROOT / "docs/decisions/0018-the-stage-on-aws.md")
    assert f"An idle stage costs {_say_idle()} USD a month" in decided


def test_the_lab_says_of_what_a_capture_and_a_large_tenant_are_made() -> None:
    lab, listed = read(ROOT / "docs/lab/cost.md").replace("\n", " "), table.read_prices()
    row = table.read_table().rows["capture"]
    by_service = price_by_service(row, listed, with_free=False)
    s3 = listed.services["s3"].usd
    parts = {
        "Lambda": by_service["lambda"],
        "the uploads": s3["s3_puts"],
        "their pictures": row["s3_gb"] * s3["s3_gb"],
        "SQS": by_service["sqs"],
    }
    made = ", ".join(f"{name} {1_000 * one:.4f}" for name, one in parts.items())
    assert (
        f"Of the {1_000 * _usd_of(row):.4f} of a thousand captures, "
        f"{1_000 * sum(parts.values()):.4f} is four things beside the database: {made}."
    ) in lab
    large = price_by_service(
        count_units(table.read_table(), Load(1_000_000, 1_000_000, 0)), listed, with_free=False
    )
    named = {"DynamoDB": "dynamodb", "S3": "s3", "Lambda": "lambda", "SQS": "sqs"}
    said = ", ".join(f"{name} {large[key]:.0f}" for name, key in named.items())
    rest = sum(large.values()) - sum(large[key] for key in named.values())
    assert f"USD a month: {said}, the rest {rest:.0f}." in lab


def test_deploy_says_what_the_lab_adds_to_a_large_tenant() -> None:
    """By arithmetic: without cold starts, and with the most of them."""
    lab = " ".join(read(ROOT / "docs/lab/cost.md").split())
    said = lab.partition("By arithmetic: slower searches ")[2].partition(". ")[0]
    [searches, waits, cold, snapshots] = map(
        int, re.findall(r"^(\d+) and .* wait (\d+) more; .* up to (\d+); .* a day (\d+)", said)[0]
    )
    least = searches + waits + snapshots
    assert f"add {least} to {least + cold} a month" in read(ROOT / "docs/deploy.md")


def test_the_lab_says_what_cold_galleries_and_heartbeats_cost() -> None:
    lab, rows = read(ROOT / "docs/lab/cost.md"), table.read_table().rows
    cold_30_000 = 30_000 * 1_000 * _usd_of(rows["cold_face"])
    assert f"no function's memory costs {cold_30_000:.3f} a thousand more" in lab
    hour = 500 * _usd_of(rows["camera"]) / 720
    assert (
        f"500 cameras are {2 * hour:.2f} USD an hour at one a minute, {hour:.2f} at one in two, "
        f"{hour / 2.5:.2f} at one in five"
    ) in lab
    reckoned = {}
    for line in re.findall(r"^\| [\d,]+ \| \d+ \|.*", lab, re.MULTILINE):
        shops, functions, sizes, kept, _, share, _, more = [
            cell.strip() for cell in line.strip("|").split("|")
        ]
        held = count_held(30_000, *map(float, sizes.split(", ")))
        cold = find_cold_share(int(shops.replace(",", "")), held, int(functions))
        price = 1_000 * _usd_of(rows["far_search"]) + cold * cold_30_000
        assert (kept, more) == (f"{held}", f"{price:.4f}"), line
        assert float(share.removesuffix(" %")) == round(100 * cold, 1), line
        reckoned[shops, sizes, functions] = more
    stage = read(ROOT / "docs/stage.md")
    for first, more in re.findall(r"^\| ([^|]+) \| [\d.]+ % \| ([\d.]+) \|", stage, re.MULTILINE):
        shops, *sizes = re.findall(r"\d[\d,]+", first)
        used = ", ".join((sizes * 2)[:2]) or "3008, 3584"
        assert reckoned[shops.rstrip(","), used, f"{spread.FUNCTIONS}"] == more, first


def test_readme_says_what_a_shop_of_a_thousand_pictures_a_day_pays() -> None:
    readme = read(ROOT / "README.md")
    shop, idle = usd(Load(1_000, 1_000, 0)), usd(Load(0, 0, 0))
    assert (
        f"| no captures (idle) | {idle:.2f} |\n| a thousand captures a day | {shop:.2f} |" in readme
    )
