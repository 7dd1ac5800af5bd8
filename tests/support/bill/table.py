"""Cost of a month of given numbers, from a table that the lab has measured.

`python -m regulars_lab.rigs.shop --write` writes table.json: AWS's charges for one capture, search
and face kept, and for a month of a stage, tenant and camera, as a shop of thirty days used it on
metered storage.

A bill is quantities times AWS's list prices, by service. The prices come from a dated file,
prices.toml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import erf, exp, pi, sqrt
from pathlib import Path

import msgspec
from msgspec import Struct

from chalicelib.domain.rules.galleries import (
    DISK_MB,
    FACE_DISK_BYTES,
    FACE_MEMORY_BYTES,
    MEMORY_MB,
    NEAR_FACES,
    SHARE_OF_DISK,
    share_memory,
)
from chalicelib.storage.aws.spread import FUNCTIONS

PRICES = Path(__file__).with_name("prices.toml")


class Service(Struct, frozen=True):
    """A service of AWS: the page of its prices, and the price of one of each quantity that it
    charges for."""

    name: str
    page: str
    usd: Mapping[str, float]


class Prices(Struct, frozen=True):
    """The services of a bill, in its order.

    `always_free`: how many of a quantity cost nothing in a month.
    """

    date: str
    region: str
    always_free: Mapping[str, float]
    services: Mapping[str, Service]


def read_prices() -> Prices:
    return msgspec.toml.decode(PRICES.read_bytes(), type=Prices)


def price_by_service(
    quantities: Mapping[str, float], prices: Prices, *, with_free: bool
) -> dict[str, float]:
    """Price the quantities: US dollars by service. `with_free` deducts what is always free.

    Raises KeyError if a quantity has no price.
    """
    by_service = dict.fromkeys(prices.services, 0.0)
    price_of = {
        unit: (name, usd)
        for name, service in prices.services.items()
        for unit, usd in service.usd.items()
    }
    for unit, quantity in quantities.items():
        free = prices.always_free.get(unit, 0.0) if with_free else 0.0
        service, usd = price_of[unit]
        by_service[service] += max(0.0, quantity - free) * usd
    return by_service


def sum_up_usd(quantities: Mapping[str, float], prices: Prices) -> float:
    """Price the quantities: US dollars of all services, without what is always free.

    Raises as `price_by_service`.
    """
    return sum(price_by_service(quantities, prices, with_free=False).values())


FILE = Path(__file__).with_name("table.json")
DAYS = 30
PICTURE_KB, PICTURE_DAYS = 150, 30
"""Size of a capture's picture in the measured table, and the days that it is kept there: the
default of CaptureDays."""

SWEEPS_AT_ONCE = 5
"""The most runs that work off the index queue at the same time (BuildIndexConcurrency). Those that
follow are warm."""


class Table(Struct, frozen=True):
    """`rows`: by kind, quantities by the names of prices.toml.

    `shop`: what was measured, on the day `measured`.

    `ingest_s`: seconds for which a capture keeps a run of ingest busy. If its gallery has more than
    NEAR_FACES, that is `far_s` longer; if no search function has it in memory, `cold_face_s` a
    face.
    """

    measured: str
    shop: str
    ingest_s: float
    far_s: float
    cold_face_s: float
    rows: Mapping[str, Mapping[str, float]]


class Load(Struct, frozen=True):
    """One shop's traffic, and how many such shops there are (`tenants`).

    `faces`: those that are kept, new ones too; captures show one face each. `picture_kb`,
    `picture_days`: the size of a capture's picture, and how long it is kept.
    """

    faces: int
    captures_a_day: int
    searches_a_day: int
    tenants: int = 1
    cameras: int = 1
    picture_kb: int = PICTURE_KB
    picture_days: int = PICTURE_DAYS

    def find_cold_share(self, memory_mb: float = MEMORY_MB, disk_mb: float = DISK_MB) -> float:
        """Find the share of searches whose gallery is in no search function's memory.

        Small galleries need none.
        """
        if self.faces <= NEAR_FACES:
            return 0.0
        return find_cold_share(self.tenants, count_held(self.faces, memory_mb, disk_mb))

    def list_rows(self, table: Table) -> dict[str, Mapping[str, float]]:
        """Return the table's rows, those of captures and searches as they are in this load.

        A capture has a picture of this size. Captures and searches pay for the search function, if
        they need it.
        """
        capture = Counter(table.rows["capture"])
        capture["s3_gb"] *= self.picture_kb / PICTURE_KB * self.picture_days / PICTURE_DAYS  # type: ignore[assignment]
        number_by_kind = {
            "far_search": float(self.faces > NEAR_FACES),
            "cold_face": self.find_cold_share() * self.faces,
        }
        elsewhere = add_up_rows(table.rows, number_by_kind)
        return {
            **table.rows,
            "capture": capture + elsewhere,
            "search": Counter(table.rows["search"]) + elsewhere,
        }


_MIB = 1024 * 1024


def count_held(faces: int, memory_mb: float = MEMORY_MB, disk_mb: float = DISK_MB) -> int:
    """Return how many galleries of so many faces an instance of a search function keeps; one at
    least."""
    by_memory = share_memory(int(memory_mb)) * _MIB // (max(1, faces) * FACE_MEMORY_BYTES)
    by_disk = int(disk_mb * SHARE_OF_DISK * _MIB) // (max(1, faces) * FACE_DISK_BYTES)
    return max(1, min(by_memory, by_disk))


def find_cold_share(shops: int, held: int, functions: int = FUNCTIONS) -> float:
    """Find the share of searches that find their gallery in no memory.

    All shops search equally often.

    An instance has the `held` galleries that were searched last. So of K shops of its function it
    lacks K - held, and a search is of each of them equally likely. K is binomial, as hashes spread
    shops; here it is taken to be normal.
    """
    if shops <= held:
        return 0.0
    mean, deviation = shops / functions, sqrt(shops / functions * (1 - 1 / functions))
    if not deviation:
        return 1 - held / shops
    distance = (mean - held) / deviation
    below, density = (1 + erf(distance / sqrt(2))) / 2, exp(-(distance**2) / 2) / sqrt(2 * pi)
    return functions * ((mean - held) * below + deviation * density) / shops


def read_table() -> Table:
    return msgspec.json.decode(FILE.read_bytes(), type=Table)


def count_units(table: Table, of: Load) -> Counter[str]:
    """Count the units that AWS charges for a month of all shops, by the names of prices.toml.

    `table.rows["capture"] = {"s3_puts": 1.4}`: each capture is charged with 1.4 writes to S3. If
    there are no captures, the cameras are not counted either: they send nothing.
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
    return add_up_rows(of.list_rows(table), number_by_kind)


def add_up_rows(
    units_by_kind: Mapping[str, Mapping[str, float]], number_by_kind: Mapping[str, float]
) -> Counter[str]:
    """Add up a table's rows, each as often as there are of its kind."""
    units = Counter[str]()
    for kind, number in number_by_kind.items():
        units.update({unit: number * quantity for unit, quantity in units_by_kind[kind].items()})
    return units
