"""A bill by service, from quantities and prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from regulars.cost.prices import Prices
from regulars.cost.usage import Quantities


@dataclass(frozen=True)
class Bill:
    """US dollars by service, with or without AWS's always-free allowances deducted."""

    by_service: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.by_service.values())


def bill(quantities: Quantities, prices: Prices, *, with_free: bool) -> Bill:
    """Price the quantities; `with_free` deducts the always-free ones. Raises KeyError if a quantity has no price."""
    by_service = dict.fromkeys(prices.services, 0.0)
    for what, quantity in quantities.items():
        free = prices.free.get(what, 0.0) if with_free else 0.0
        by_service[prices.service_of[what]] += max(0.0, quantity - free) * prices.usd[what]
    return Bill(by_service)
