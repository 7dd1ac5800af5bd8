"""The last month of a stage by AWS's own counts, against what `regulars cost` reckons of as much
traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalicelib.cost.table import (
    DAYS,
    SWEEPS_AT_ONCE,
    add_up_rows,
    read_prices,
    read_table,
    sum_up_usd,
)
from chalicelib.domain.errors import RegularsError
from regulars.errors import OperatorError

if TYPE_CHECKING:
    from chalicelib.domain.model import Tenant
    from chalicelib.services import Services
    from regulars.deploy.stack import Account

COMPARED = ("dynamodb_read_units", "dynamodb_write_units", "lambda_gb_s", "lambda_requests")
"""Units that CloudWatch has counts of anyway: half of a capture's price."""

SHARE, LEAST_USD = 1 / 3, 1.0
"""The share of the forecast, and the dollars, by which a month has to differ. An idle stage has
some cents of these."""

_AT_ONCE = 16
"""Shops that are counted at once: each is some ten calls, and an operator may be far from the
region."""


def compare_month(account: Account, stage: str, stack: str, now: datetime) -> Iterator[str]:
    """Yield a line if the costs of the stack's last DAYS days differ by more than a third from the
    forecast.

    Nothing is yielded for a younger stack. If the costs cannot be read, a warning is yielded and
    nothing raised, since the deployment is done by then.
    """
    from regulars.options import choose_settings, open_services

    since = now - timedelta(DAYS)
    try:
        if account.made_at(stack) > since:
            return
        units, captures = account.count_units(stack, since, now)
        with closing(open_services(choose_settings(stage=stage))) as services:
            number_by_kind = count_shops(services, now) | {"capture": captures}
    except (RegularsError, OperatorError, *account.failures) as error:
        yield (
            f"warning     the last {DAYS} days were not compared with what `regulars cost` "
            f"reckons: {error}"
        )
        return
    yield from describe_difference(units, number_by_kind)


def count_shops(services: Services, now: datetime) -> dict[str, float]:
    """Count the tenants, cameras and faces of a stage, and its searches of the last DAYS days.

    The names are those of the rows of the cost table.
    """

    def count_shop(tenant: Tenant) -> dict[str, int]:
        usage = services.account.measure_usage(tenant)
        today = now.astimezone(ZoneInfo(tenant.time_zone)).date()
        by_day = services.account.count_traffic(tenant, today - timedelta(DAYS), today)
        searches = sum(int(traffic.searches) for traffic in by_day.values())
        return {"tenant": 1, "camera": usage.cameras, "face": usage.faces, "search": searches}

    counts = Counter[str]()
    with ThreadPoolExecutor(_AT_ONCE) as counters:
        for shop_counts in counters.map(count_shop, services.tenants.list_all()):
            counts.update(shop_counts)
    return {"stage": 1, "start": min(counts["tenant"], SWEEPS_AT_ONCE), **counts}


def describe_difference(
    units: Mapping[str, float], number_by_kind: Mapping[str, float]
) -> Iterator[str]:
    """Yield a line if the price of `units` differs from that of the table's rows by more than SHARE
    and LEAST_USD."""
    reckoned_units, prices = add_up_rows(read_table().rows, number_by_kind), read_prices()
    spent, reckoned = (
        sum_up_usd({unit: counted.get(unit, 0.0) for unit in COMPARED}, prices)
        for counted in (units, reckoned_units)
    )
    if abs(spent - reckoned) > max(SHARE * reckoned, LEAST_USD):
        captures, searches = (number_by_kind.get(kind, 0) for kind in ("capture", "search"))
        yield (
            f"costs       the last {DAYS} days of DynamoDB and Lambda were {spent:.2f} USD by "
            "CloudWatch's counts, and "
            f"`regulars cost` reckons {reckoned:.2f} for {captures:,.0f} captures and "
            f"{searches:,.0f} searches "
            "(docs/deploy.md, What it costs)"
        )
