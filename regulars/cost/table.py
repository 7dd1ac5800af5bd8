"""The month's bill of given numbers, from a table that the lab has measured, and its text.

`python -m regulars_lab.rigs.shop --write` writes table.json: AWS's charges for one capture, search and face kept, and
for a month of a stage, tenant and camera, as a shop of thirty days used it on metered storage.

A bill is quantities times AWS's list prices, by service. The prices come from a dated file, prices.toml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

PRICES = Path(__file__).with_name("prices.toml")


class Service(Struct, frozen=True):
    """A service of AWS: the page of its prices, and the price of one of each quantity that it charges for."""

    name: str
    page: str
    usd: Mapping[str, float]


class Prices(Struct, frozen=True):
    """The services of a bill, in its order. `always_free`: how many of a quantity cost nothing in a month."""

    date: str
    region: str
    always_free: Mapping[str, float]
    services: Mapping[str, Service]


def read_prices() -> Prices:
    return msgspec.toml.decode(PRICES.read_bytes(), type=Prices)


def price_by_service(quantities: Mapping[str, float], prices: Prices, *, with_free: bool) -> dict[str, float]:
    """Price the quantities: US dollars by service. `with_free` deducts what is always free.

    Raises KeyError if a quantity has no price.
    """
    by_service = dict.fromkeys(prices.services, 0.0)
    price_of = {what: (name, usd) for name, service in prices.services.items() for what, usd in service.usd.items()}
    for what, quantity in quantities.items():
        free = prices.always_free.get(what, 0.0) if with_free else 0.0
        service, usd = price_of[what]
        by_service[service] += max(0.0, quantity - free) * usd
    return by_service


FILE = Path(__file__).with_name("table.json")
DAYS = 30
PICTURE_KB, PICTURE_DAYS = 150, 30
"""Size of a capture's picture in the measured table, and the days that it is kept there: the default of CaptureDays."""

SWEEPS_AT_ONCE = 5
"""The most runs that work off the index queue at the same time (BuildIndexConcurrency). Those that follow are warm."""


class Table(Struct, frozen=True):
    """`rows`: by kind, quantities by the names of prices.toml. `shop`: what was measured, on the day `measured`.

    `ingest_s`: seconds for which a capture keeps a run of ingest busy.
    """

    measured: str
    shop: str
    ingest_s: float
    rows: Mapping[str, Mapping[str, float]]


class Load(Struct, frozen=True):
    """One shop's traffic, and how many such shops there are (`tenants`).

    `faces`: those that are kept, new ones too; captures show one face each. `picture_kb`, `picture_days`: the size of
    a capture's picture, and how long it is kept.
    """

    faces: int
    captures_a_day: int
    searches_a_day: int
    tenants: int = 1
    cameras: int = 1
    picture_kb: int = PICTURE_KB
    picture_days: int = PICTURE_DAYS

    def list_rows(self, table: Table) -> dict[str, Mapping[str, float]]:
        """Return the table's rows, that of a capture with its picture as it is in this load."""
        capture = table.rows["capture"]
        share = self.picture_kb / PICTURE_KB * self.picture_days / PICTURE_DAYS
        return {**table.rows, "capture": {**capture, "s3_gb": capture["s3_gb"] * share}}


def read_table() -> Table:
    return msgspec.json.decode(FILE.read_bytes(), type=Table)


def count_units(table: Table, of: Load) -> Counter[str]:
    """Count the units that AWS charges for a month of all shops, by the names of prices.toml.

    `table.rows["capture"] = {"s3_puts": 1.4}`: so many for each capture. Without traffic no camera sends.
    """
    numbers_of_shop = {
        "tenant": 1,
        "camera": of.cameras if of.captures_a_day else 0,
        "face": of.faces,
        "capture": of.captures_a_day * DAYS,
        "search": of.searches_a_day * DAYS,
    }
    number_by_kind = {
        "stage": 1,
        "start": min(of.tenants, SWEEPS_AT_ONCE),
        "traffic": int(of.captures_a_day > 0),
        **{kind: number * of.tenants for kind, number in numbers_of_shop.items()},
    }
    units, rows = Counter[str](), of.list_rows(table)
    for kind, number in number_by_kind.items():
        units.update({what: number * quantity for what, quantity in rows[kind].items()})
    return units


def sum_up_in_a_line(of: Load) -> str:
    """Write the costs of a month in a line, with this traffic and without any."""
    usd = [_usd(count_units(read_table(), one), read_prices()) for one in (of, Load(of.faces, 0, 0))]
    return (
        f"{usd[0]:.2f} USD a month for one shop with {of.faces:,} faces, {of.captures_a_day:,} captures and "
        f"{of.searches_a_day:,} searches a day, {usd[1]:.2f} if nobody comes; `regulars cost` reckons with your figures"
    )


def print_bill(of: Load) -> None:
    """Print the month's bill by service, with this traffic and without any, and the table of each kind's price."""
    table, price_list = read_table(), read_prices()
    shops, cameras = _count(of.tenants, "shop"), _count(of.cameras, "camera")
    traffic = f"{of.captures_a_day:,} captures and {of.searches_a_day:,} searches a day"
    print(
        f"Each shop has {of.faces:,} faces, {cameras}, {traffic};\n"
        f"captures are pictures of {of.picture_kb:,} kB, kept for {_count(of.picture_days, 'day')};\n"
        f"the bill is one shop's, times {shops}; US dollars, list prices of {price_list.region} "
        f"as of {price_list.date}\n"
        f"(regulars/cost/prices.toml names the pages: check them); measured {table.measured}: {table.shop}\n"
    )
    _show_bill(f"A month of {shops}", count_units(table, of), price_list)
    _show_bill("A month in which nobody comes", count_units(table, Load(of.faces, 0, 0, of.tenants)), price_list)
    title_by_kind = {
        "capture": "a thousand captures",
        "search": "a thousand searches",
        "face": "a thousand faces, a month",
    }
    print(f"{'Each, at list prices':34}{'USD':>10}")
    for kind in ("capture", "search", "face", "camera", "tenant"):
        count = 1_000 if kind in title_by_kind else 1
        units = Counter({what: count * quantity for what, quantity in of.list_rows(table)[kind].items()})
        print(f"  {title_by_kind.get(kind, f'a {kind}, a month'):32}{_usd(units, price_list):>10.4f}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _show_bill(title: str, quantities: Mapping[str, float], listed: Prices) -> None:
    without, with_free = (price_by_service(quantities, listed, with_free=free) for free in (False, True))
    print(f"{title:34}{'list':>10}{'less what is always free':>28}")
    for name, service in listed.services.items():
        if without[name]:
            print(f"  {service.name:32}{without[name]:>10.2f}{with_free[name]:>28.2f}")
    print(f"  {'in all':32}{sum(without.values()):>10.2f}{sum(with_free.values()):>28.2f}\n")


def _usd(quantities: Mapping[str, float], listed: Prices) -> float:
    return sum(price_by_service(quantities, listed, with_free=False).values())
