"""A bill by service: quantities times AWS's list prices, which come from a dated file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True)
class Prices:
    """Prices by charged quantity. `usd`: of one; `service_of`: its service; `free`: how many a month cost nothing.

    `names`: the services of a bill, in its order; `pages`: the address of each price list.
    """

    date: str
    region: str
    usd: Mapping[str, float]
    service_of: Mapping[str, str]
    pages: Mapping[str, str]
    free: Mapping[str, float]
    names: Mapping[str, str]


def load() -> Prices:
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    sections = {name: section for name, section in document.items() if isinstance(section, dict) and "page" in section}
    each = [(what, service, usd) for service, section in sections.items() for what, usd in section.items()]
    priced = [(what, service, float(usd)) for what, service, usd in each if what not in ("page", "name")]
    return Prices(
        date=document["date"],
        region=document["region"],
        usd={what: usd for what, _, usd in priced},
        service_of={what: service for what, service, _ in priced},
        pages={service: section["page"] for service, section in sections.items()},
        free=document["always_free"],
        names={service: section["name"] for service, section in sections.items() if "name" in section},
    )


def bill(quantities: Mapping[str, float], prices: Prices, *, with_free: bool) -> dict[str, float]:
    """Price the quantities: US dollars by service. `with_free` deducts what is always free.

    Raises KeyError if a quantity has no price.
    """
    by_service = dict.fromkeys(prices.names, 0.0)
    for what, quantity in quantities.items():
        free = prices.free.get(what, 0.0) if with_free else 0.0
        by_service[prices.service_of[what]] += max(0.0, quantity - free) * prices.usd[what]
    return by_service
