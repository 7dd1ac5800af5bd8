"""A bill by service, from quantities and prices."""

from __future__ import annotations

from regulars.cost.prices import Prices
from regulars.cost.usage import Quantities


def bill(quantities: Quantities, prices: Prices, *, with_free: bool) -> dict[str, float]:
    """Price the quantities: US dollars by service. `with_free` deducts what is always free.

    Raises KeyError if a quantity has no price.
    """
    by_service = dict.fromkeys(prices.names, 0.0)
    for what, quantity in quantities.items():
        free = prices.free.get(what, 0.0) if with_free else 0.0
        by_service[prices.service_of[what]] += max(0.0, quantity - free) * prices.usd[what]
    return by_service
