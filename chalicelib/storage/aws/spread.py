"""The choice of the search function for a tenant's gallery.

A function keeps the galleries that it searched last, and each of its instances keeps its own. If
all shops shared one function, each instance would have to keep all their galleries. So each shop
has one of several functions, by a hash of its name: then a function has a part of the galleries,
and one shop's searches keep one function warm.
"""

from __future__ import annotations

from collections.abc import Sequence
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
