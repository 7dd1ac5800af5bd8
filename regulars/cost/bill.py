"""The month's bill of given numbers as text: what `regulars cost` prints, and the line of `regulars
deploy`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from chalicelib.cost.table import (
    Load,
    Prices,
    count_units,
    price_by_service,
    read_prices,
    read_table,
    sum_up_usd,
)


def sum_up_in_a_line(of: Load) -> str:
    """Write the costs of a month in a line, with this traffic and without any."""
    usd = [
        sum_up_usd(count_units(read_table(), one), read_prices())
        for one in (of, Load(of.faces, 0, 0))
    ]
    return (
        f"{usd[0]:.2f} USD a month for one shop with {of.faces:,} faces, {of.captures_a_day:,} "
        "captures and "
        f"{of.searches_a_day:,} searches a day, {usd[1]:.2f} if nobody comes; `regulars cost` "
        "reckons with your figures"
    )


def print_bill(of: Load) -> None:
    """Print a month's bill by service, the bill without any traffic, and the price of a capture, a
    search and so on."""
    table, price_list = read_table(), read_prices()
    shops, cameras = _count(of.tenants, "shop"), _count(of.cameras, "camera")
    traffic = f"{of.captures_a_day:,} captures and {of.searches_a_day:,} searches a day"
    print(
        f"Each shop has {of.faces:,} faces, {cameras}, {traffic};\n"
        f"captures are pictures of {of.picture_kb:,} kB, kept for "
        f"{_count(of.picture_days, 'day')};\n"
        f"the bill is one shop's, times {shops}; US dollars, list prices of {price_list.region} "
        f"as of {price_list.date}\n"
        f"(chalicelib/cost/prices.toml names the pages: check them); measured {table.measured}: "
        f"{table.shop}\n"
    )
    _show_bill(f"A month of {shops}", count_units(table, of), price_list)
    _show_bill(
        "A month in which nobody comes",
        count_units(table, Load(of.faces, 0, 0, of.tenants)),
        price_list,
    )
    title_by_kind = {
        "capture": "a thousand captures",
        "search": "a thousand searches",
        "face": "a thousand faces, a month",
    }
    print(f"{'Each, at list prices':34}{'USD':>10}")
    for kind in ("capture", "search", "face", "camera", "tenant"):
        count = 1_000 if kind in title_by_kind else 1
        units = Counter(
            {unit: count * quantity for unit, quantity in of.list_rows(table)[kind].items()}
        )
        title = title_by_kind.get(kind, f"a {kind}, a month")
        print(f"  {title:32}{sum_up_usd(units, price_list):>10.4f}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _show_bill(title: str, quantities: Mapping[str, float], listed: Prices) -> None:
    without, with_free = (
        price_by_service(quantities, listed, with_free=free) for free in (False, True)
    )
    print(f"{title:34}{'list':>10}{'less what is always free':>28}")
    for name, service in listed.services.items():
        if without[name]:
            print(f"  {service.name:32}{without[name]:>10.2f}{with_free[name]:>28.2f}")
    print(f"  {'in all':32}{sum(without.values()):>10.2f}{sum(with_free.values()):>28.2f}\n")
