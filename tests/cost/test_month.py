"""A tenant's month in dollars: by hand from the prices of docs/deploy.md, on first days of months
and of tenants."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from chalicelib.cost.month import PACE_DAYS, Month, Traffic, find_first_day, reckon_month
from chalicelib.cost.table import Load, count_units, read_prices, read_table, sum_up_usd

CAPTURE = 0.0329 / 1_000
SEARCH = 0.0156 / 1_000
FACE = 0.0016 / 1_000
CAMERA = 0.0309
TENANT = 0.0212
"""US dollars of one, as docs/deploy.md says them: to 0.0001."""

ALWAYS = date(2020, 1, 1)
APRIL = date(2026, 4, 1)


def stock(faces: int = 0, cameras: int = 0, **pictures: int) -> Load:
    return Load(faces, 0, 0, cameras=cameras, **pictures)


def days(first: date, count: int) -> Iterator[date]:
    return (first + timedelta(number) for number in range(count))


def usd(month: Month) -> tuple[float, float]:
    return month.usd_to_date, month.usd_forecast


def test_a_month_is_what_came_times_its_price_and_what_stands_by_the_day() -> None:
    """In April, 30 days: after ten of them a third of what stands, and the rest at the same
    pace."""
    traffic = dict.fromkeys(days(APRIL, 10), Traffic(1_000, 100))
    month = reckon_month(stock(3_000, 2), traffic, APRIL + timedelta(10), ALWAYS)
    stands = 3_000 * FACE + 2 * CAMERA + TENANT
    expected = (
        10_000 * CAPTURE + 1_000 * SEARCH + stands / 3,
        30_000 * CAPTURE + 3_000 * SEARCH + stands,
    )
    # prices are rounded, and 30,000 are multiplied by them
    assert usd(month) == pytest.approx(expected, abs=2e-3)
    assert usd(month) == pytest.approx((0.3730, 1.1191), abs=2e-3)
    assert (month.prices.date, month.prices.region) == (read_prices().date, read_prices().region)


def test_the_forecast_of_a_month_of_thirty_days_is_that_of_the_command_without_the_stage() -> None:
    traffic = dict.fromkeys(days(APRIL, 10), Traffic(1_000, 100))
    month = reckon_month(stock(3_000, 2), traffic, APRIL + timedelta(10), ALWAYS)
    rows, whole = read_table().rows, Load(3_000, 1_000, 100, cameras=2)
    of_stage = sum(sum_up_usd(rows[kind], read_prices()) for kind in ("stage", "start", "traffic"))
    assert month.usd_forecast == pytest.approx(
        sum_up_usd(count_units(read_table(), whole), read_prices()) - of_stage
    )


def test_on_the_first_day_nothing_was_spent_and_the_forecast_is_at_the_pace_of_the_last_week() -> (
    None
):
    traffic = dict.fromkeys(days(APRIL - timedelta(7), 7), Traffic(200))
    now, whole = usd(reckon_month(stock(), traffic, APRIL, ALWAYS))
    assert now == 0
    assert whole == pytest.approx(30 * 200 * CAPTURE + TENANT, abs=1e-3)
    assert find_first_day(APRIL, ALWAYS) == APRIL - timedelta(7)


def test_the_pace_is_the_last_weeks_and_not_the_months() -> None:
    """Each weekday counts once: a shop that is closed on Sundays is not forecast higher on a
    Sunday."""
    traffic = dict.fromkeys(days(APRIL, 20), Traffic(0)) | dict.fromkeys(
        days(APRIL + timedelta(13), 7), Traffic(70)
    )
    now, whole = usd(reckon_month(stock(), traffic, APRIL + timedelta(20), ALWAYS))
    assert whole - now == pytest.approx(10 * 70 * CAPTURE + TENANT / 3, abs=1e-4)
    assert find_first_day(APRIL + timedelta(20), ALWAYS) == APRIL


def test_what_came_today_is_not_counted_yet() -> None:
    today = APRIL + timedelta(10)
    traffic = dict.fromkeys(days(APRIL, 10), Traffic(10))
    assert usd(reckon_month(stock(), traffic | {today: Traffic(9_999)}, today, ALWAYS)) == usd(
        reckon_month(stock(), traffic, today, ALWAYS)
    )


@pytest.mark.parametrize("age", range(10))
def test_a_young_tenant_pays_from_its_first_day_and_its_pace_is_that_of_its_own_days(
    age: int,
) -> None:
    made_on = APRIL + timedelta(4)
    today = made_on + timedelta(age)
    traffic = dict.fromkeys(days(made_on, age), Traffic(100))
    now, whole = usd(reckon_month(stock(), traffic, today, made_on))
    assert now == pytest.approx(age * 100 * CAPTURE + TENANT * age / 30, abs=1e-4)
    expected = 26 * 100 * CAPTURE + TENANT * 26 / 30 if age else TENANT * 26 / 30
    assert whole == pytest.approx(expected, abs=1e-3)
    assert find_first_day(today, made_on) == made_on


def test_on_the_last_day_of_december_the_month_ends_with_it() -> None:
    december = date(2026, 12, 1)
    traffic = dict.fromkeys(days(december, 30), Traffic(100))
    now, whole = usd(reckon_month(stock(), traffic, date(2026, 12, 31), ALWAYS))
    assert whole - now == pytest.approx(100 * CAPTURE + TENANT / 30, abs=1e-4)


def test_pictures_count_by_their_size_and_days() -> None:
    traffic = dict.fromkeys(days(APRIL, PACE_DAYS), Traffic(10_000))
    today = APRIL + timedelta(PACE_DAYS)
    usual, small, gone = (
        reckon_month(one, traffic, today, ALWAYS).usd_to_date
        for one in (stock(), stock(picture_kb=15), stock(picture_days=0))
    )
    pictures = 70_000 * 150e-6 * 0.023
    assert (usual - small, usual - gone) == (pytest.approx(0.9 * pictures), pytest.approx(pictures))
