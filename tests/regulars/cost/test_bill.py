"""Quantities times prices, and what the command prints."""

from __future__ import annotations

import re

import pytest

from regulars.cli import main
from regulars.cost import figures, prices
from regulars.cost.prices import bill
from regulars.cost.usage import DAYS, GROUPED, LEAST_COLD, OUTCOMES, Load, Model, Quantities

SHOP = Load(faces=1_000, captures_a_day=1_000, searches_a_day=1_000)
_ROW = re.compile(r"^  (.{32}) +([\d.]+) +([\d.]+)$", re.MULTILINE)
NOTHING = Load(faces=0, captures_a_day=0, searches_a_day=0)


def model(load: Load = SHOP) -> Model:
    return Model(figures.load(), load)


def total(quantities: Quantities) -> float:
    return sum(bill(quantities, prices.load(), with_free=False).values())


def test_a_bill_is_quantities_times_list_prices() -> None:
    made = bill(Quantities(dynamodb_write_units=2e6, dynamodb_read_units=1e6, keys=1), prices.load(), with_free=False)
    assert made["dynamodb"] == pytest.approx(2 * 0.625 + 0.125)
    assert made["kms"] == 1.0
    assert sum(made.values()) == pytest.approx(2.375)


def test_what_is_always_free_is_taken_off_each_thing_and_no_more_of_it_than_there_is() -> None:
    listed = prices.load()
    made = bill(Quantities(sqs_requests=1_500_000, lambda_requests=10), listed, with_free=True)
    assert made["sqs"] == pytest.approx(0.20)
    assert made["lambda"] == 0.0


def test_everything_that_is_used_has_a_price_and_all_that_is_free_too() -> None:
    listed = prices.load()
    assert set(model().month()) <= set(listed.usd)
    assert set(listed.free) <= set(listed.usd)
    assert all(page.startswith("https://aws.amazon.com/") for page in listed.pages.values())


def test_more_of_anything_costs_more() -> None:

    def month(load: Load) -> float:
        return total(model(load).month())

    least = month(SHOP)
    assert month(Load(2_000_000, 1_000, 1_000)) > least
    assert month(Load(1_000, 2_000, 1_000)) > least
    assert month(Load(1_000, 1_000, 2_000)) > least
    assert month(Load(1_000, 1_000, 1_000, tenants=50)) > least


def test_a_thousand_shops_cost_at_most_a_thousand_times_one_shop() -> None:
    one, many = (
        model(Load(30_000 * shops, 5_000 * shops, 1_000 * shops, tenants=shops, cameras=5 * shops))
        for shops in (1, 1_000)
    )
    assert total(many.month()) <= 1_000 * total(one.month())
    assert total(many.search()) <= total(one.search())


def test_a_months_sweeps_of_30_000_faces_cost_cents() -> None:
    def idle(faces: int, tenants: int = 1) -> float:
        return total(model(Load(faces, 0, 0, tenants)).idle())

    assert 0.02 < idle(30_000) - idle(1_000) < 0.04
    assert idle(0, 1_000) - idle(0, 1) < 1_000 * 0.03


def test_the_month_of_nobody_is_what_stands_there_and_runs_by_itself() -> None:
    assert total(model(NOTHING).month()) == pytest.approx(total(model(NOTHING).idle()))


def test_a_customers_key_costs_itself_and_what_dynamodb_asks_of_it_at_most_once_in_five_minutes() -> None:
    key = "CustomerKey for tables, buckets"
    idle, shop, crowd = (
        model(load).besides()[key]["kms_requests"] for load in (NOTHING, SHOP, Load(1_000, 1_000_000, 1_000_000))
    )
    roles_and_tables = sum(model().figures.used[name].tables for name in model().figures.used)
    assert 20_000 < idle < shop == crowd < 8_756 * roles_and_tables
    assert model().besides()[key]["keys"] == 1


def test_what_a_month_may_cost_besides_are_alarms_a_customers_key_and_rotations() -> None:
    usd = {name: total(quantities) for name, quantities in model(NOTHING).besides().items()}
    assert usd["alarms that AlarmTopic is told of"] == pytest.approx(1.5)
    assert usd["key of secrets, rotated twice"] == 2
    assert 1.2 < usd["CustomerKey for tables, buckets"] < 2


def test_without_a_key_of_its_own_an_idle_stage_pays_nothing_to_kms() -> None:
    idle = model(Load(faces=1_000, captures_a_day=0, searches_a_day=0)).idle()
    without = idle + model().without_key(idle)
    assert bill(without, prices.load(), with_free=True)["kms"] == 0
    assert sum(bill(without, prices.load(), with_free=True).values()) < 0.5


def test_an_idle_stage_without_a_key_and_without_limits_of_its_queues_costs_less_than_a_dime() -> None:
    idle = model(Load(faces=1_000, captures_a_day=0, searches_a_day=0)).idle()
    without = idle + model().without_key(idle) + model().without_limits()
    made = bill(without, prices.load(), with_free=True)
    assert made["sqs"] == 0
    assert sum(made.values()) <= 0.10


def test_the_rarer_the_requests_the_more_of_them_start_cold() -> None:
    shares = [model().cold_share(a_day) for a_day in (0, 10, 100, 1_000, 100_000)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1.0, LEAST_COLD)


def test_the_outcomes_of_a_months_captures_are_all_there_are() -> None:
    assert sum(OUTCOMES.values()) == pytest.approx(1)


def test_a_thousand_searches_cost_less_than_two_cents_list_price_with_cold_starts() -> None:
    each = {name: total(used) for name, used in model().per_thousand().items()}
    assert each["API search, somebody known"] <= 0.02
    assert each["API search, nobody"] <= 0.02


def test_a_thousand_captures_cost_no_more_than_docs_say() -> None:
    each = {name: total(used) for name, used in model().per_thousand().items()}
    assert each["new 10 %, again 40 %, there 50 %"] < 0.0220  # the aim is 0.02: see docs/cost.md
    assert total(model().mean_capture()) < total(model().capture("capture_new"))


def test_a_capture_without_a_face_pays_for_no_search() -> None:
    far, near = model(Load(1_000_000, 1_000, 1_000)), model(Load(1_000, 1_000, 1_000))
    assert far.capture("capture_empty") == near.capture("capture_empty")
    assert total(far.capture("capture_within")) > total(near.capture("capture_within"))
    each = {name: total(used) for name, used in near.per_thousand().items()}
    assert each["capture without a face"] < each["one-face capture, still there"]


def test_the_command_prints_the_bill_by_service_and_the_peers_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--faces", "30000", "--captures-per-day", "2000", "--searches-per-day", "500"]) == 0
    said = capsys.readouterr().out
    assert "30,000 faces, 2,000 captures and 500 searches a day" in said
    assert prices.load().date in said
    for word in (
        "DynamoDB",
        "Lambda",
        "API Gateway",
        "SQS",
        "KMS",
        "CloudWatch",
        "Rekognition",
        "nobody comes",
        "QueueLimits off",
        "a second stage",
    ):
        assert word in said
    _, _, beside = said.partition("The two bills")
    bills = {name.strip(): (float(ours), float(theirs)) for name, ours, theirs in _ROW.findall(beside)}
    assert [theirs for _, theirs in bills.values()] == pytest.approx([1, 1, 0.01, 82.4408])
    assert bills["the month above"][0] == pytest.approx(total(model(Load(30_000, 2_000, 500)).month()), abs=1e-4)
    assert "its public page as known on" in beside


@pytest.mark.parametrize(
    ("calls", "usd"), [(1e6, 1_000), (3e6, 1_000 + 1_600), (6e6, 1_000 + 3_200 + 600), (36e6, 4_200 + 18_000 + 400)]
)
def test_the_peers_calls_get_cheaper_in_its_steps(calls: float, usd: float) -> None:
    theirs = model(Load(0, 0, calls / DAYS)).peer()
    assert sum(prices.load().usd[what] * quantity for what, quantity in theirs.items()) == pytest.approx(usd)


def test_an_amount_that_is_none_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--faces", "-1"]) == 2
    assert "a whole number from 0" in capsys.readouterr().err


def test_each_camera_adds_its_heartbeats_to_a_month_and_a_hook_what_it_is_told() -> None:
    one, two = (total(model(Load(1_000, 1_000, 1_000, cameras=n)).month()) for n in (1, 2))
    assert two - one == pytest.approx(total(model().camera()))
    assert 0.04 < total(model().camera()) < 0.06
    told = model().hook()
    assert told["sqs_requests"] == pytest.approx(3 * GROUPED * 500 * DAYS)
    assert 0 < total(told) < 0.15
