"""Which search function searches a tenant's gallery, and how often is a gallery in none of its
function's memory?

A function keeps the galleries that it searched last, and each of its instances keeps its own. If
all shops shared one function, each instance would have to keep all their galleries. So each shop
has one of several functions, by a hash of its name: then a function has a part of the galleries,
and one shop's searches keep one function warm.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, exp, pi, sqrt
from zlib import crc32

FUNCTIONS = 8
"""The search functions of a stage. An idle one costs nothing. An alarm takes ten metrics at most,
so there are no more (docs/decisions/0088)."""


def choose_function(tenant: str, names: Sequence[str]) -> str:
    """Choose the function that searches the tenant's gallery: the same in each process, for one
    number of functions.

    If their number changes, most tenants get another function, which loads their galleries once
    more. So it is after each deployment, which starts all functions anew.
    """
    return names[crc32(tenant.encode()) % len(names)]


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
