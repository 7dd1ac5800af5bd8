"""A tenant's month in US dollars, from what is counted anyway: no run writes a count for it."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta

from msgspec import Struct

from chalicelib.cost.table import (
    DAYS,
    Load,
    Prices,
    add_up_rows,
    read_prices,
    read_table,
    sum_up_usd,
)

PACE_DAYS = 7
"""The days by whose pace the rest of a month is forecast: each weekday counts once."""


class Traffic(Struct, frozen=True):
    """Faces that the cameras of a tenant saw, each in a capture of its own, and faces that searches
    found."""

    captures: float = 0.0
    searches: float = 0.0


class Month(Struct, frozen=True):
    """US dollars of a tenant's month at the list prices: of its days before today, and of all of
    it."""

    usd_to_date: float
    usd_forecast: float
    prices: Prices


def find_first_day(today: date, made_on: date) -> date:
    """Find the first day of which `reckon_month` needs the traffic.

    `made_on`: the day that made the tenant.
    """
    return max(made_on, min(today.replace(day=1), today - timedelta(PACE_DAYS)))


def reckon_month(stock: Load, traffic: Mapping[date, Traffic], today: date, made_on: date) -> Month:
    """Reckon the costs of the month of `today`: up to yesterday, and up to its end.

    The days that remain are taken to have as much traffic as the last PACE_DAYS had on average.
    Days before `made_on`, on which the tenant was made, cost nothing. `stock`: the tenant's faces,
    cameras and pictures, which cost the same each day. `traffic`: by day; a day that is not in it
    had none.
    """
    first = max(made_on, today.replace(day=1))
    month_days = monthrange(today.year, today.month)[1]
    past_days, remaining_days = (today - first).days, month_days - today.day + 1
    so_far = _sum_up(traffic, first, today)
    begin = max(made_on, today - timedelta(PACE_DAYS))
    recent, pace = _sum_up(traffic, begin, today), remaining_days / max(1, (today - begin).days)
    whole = Traffic(
        so_far.captures + recent.captures * pace, so_far.searches + recent.searches * pace
    )
    prices = read_prices()
    return Month(
        _price(stock, so_far, past_days, prices),
        _price(stock, whole, past_days + remaining_days, prices),
        prices,
    )


def _sum_up(traffic: Mapping[date, Traffic], first: date, end: date) -> Traffic:
    of_days = [of_day for day, of_day in traffic.items() if first <= day < end]
    return Traffic(sum(one.captures for one in of_days), sum(one.searches for one in of_days))


def _price(stock: Load, traffic: Traffic, days: int, prices: Prices) -> float:
    months = days / DAYS
    number_by_kind = {
        "tenant": months,
        "camera": stock.cameras * months,
        "face": stock.faces * months,
        "capture": traffic.captures,
        "search": traffic.searches,
    }
    return sum_up_usd(add_up_rows(stock.list_rows(read_table()), number_by_kind), prices)
