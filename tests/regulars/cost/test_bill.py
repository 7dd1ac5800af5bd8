"""The measured table times given numbers times prices, and what the command prints."""

import pytest

from regulars.cli import main
from regulars.cost import table
from regulars.cost.table import Load, bill, month
from tests.support.box.session import ROOT, read

SHOP, NOTHING = Load(1_000, 1_000, 1_000), Load(0, 0, 0)


def usd(load: Load) -> float:
    return sum(bill(month(table.load(), load), table.prices(), with_free=False).values())


def test_a_bill_is_quantities_times_list_prices() -> None:
    made = bill({"dynamodb_write_units": 2e6, "dynamodb_read_units": 1e6, "keys": 1}, table.prices(), with_free=False)
    assert made["dynamodb"] == pytest.approx(2 * 0.625 + 0.125)
    assert made["kms"] == 1.0
    assert sum(made.values()) == pytest.approx(2.375)


def test_what_is_always_free_is_taken_off_each_thing_and_no_more_of_it_than_there_is() -> None:
    made = bill({"sqs_requests": 1_500_000, "lambda_requests": 10}, table.prices(), with_free=True)
    assert made["sqs"] == pytest.approx(0.20)
    assert made["lambda"] == 0.0


def test_everything_that_is_used_has_a_price_and_all_that_is_free_too() -> None:
    listed = table.prices()
    priced = {what for service in listed.services.values() for what in service.usd}
    assert {what for row in table.load().rows.values() for what in row} | {*listed.always_free} <= priced


def test_a_month_is_the_sum_of_what_is_in_it() -> None:
    rows = {kind: sum(bill(row, table.prices(), with_free=False).values()) for kind, row in table.load().rows.items()}
    assert usd(NOTHING) == pytest.approx(rows["stage"] + rows["tenant"] + rows["start"])
    more = 30 * 1_000 * (rows["capture"] + rows["search"]) + rows["camera"] + rows["traffic"]
    assert usd(Load(0, 1_000, 1_000)) == pytest.approx(usd(NOTHING) + more)
    more = 500 * rows["face"] + 2 * (rows["tenant"] + rows["start"])
    assert usd(Load(500, 0, 0, tenants=3)) == pytest.approx(usd(NOTHING) + more)
    assert all(amount > 0 for amount in rows.values())


def test_sweeps_that_follow_others_start_warm() -> None:
    """So a thousand tenants pay no more cold starts an hour than there are runs at once."""
    each = [usd(Load(0, 0, 0, tenants=number)) - usd(Load(0, 0, 0, tenants=number - 1)) for number in (5, 6, 1_000)]
    assert each[0] > 2 * each[1] == pytest.approx(2 * each[2])


def test_the_command_prints_the_bill_by_service_and_what_each_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--faces", "30000", "--captures-per-day", "2000", "--searches-per-day", "500"]) == 0
    said = capsys.readouterr().out
    assert "30,000 faces, 2,000 captures and 500 searches a day" in said
    for word in (table.prices().date, table.load().measured, "DynamoDB", "Lambda", "KMS", "nobody comes"):
        assert word in said
    assert f"{usd(Load(30_000, 2_000, 500)):.2f}" in said
    assert "a thousand captures" in said


def test_the_page_says_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost"]) == 0
    said = {line[:34].strip(): line.split()[-1] for line in capsys.readouterr().out.splitlines() if line}
    page = read(ROOT / "docs/deploy.md")
    for what in (
        "a thousand captures",
        "a thousand searches",
        "a thousand faces, a month",
        "a camera, a month",
        "a tenant, a month",
    ):
        assert f"| {what} | {said[what]} |" in page
    idle = Load(0, 0, 0)
    free = sum(bill(month(table.load(), idle), table.prices(), with_free=True).values())
    assert f"costs {usd(idle):.2f} a month at list prices, and {free:.2f}" in page
    large = usd(Load(1_000_000, 1_000_000, 0))
    assert f"costs {large:.0f} a month" in page
    assert f"prints {large:.2f} USD a month" in read(ROOT / "docs/lab/cost.md")
