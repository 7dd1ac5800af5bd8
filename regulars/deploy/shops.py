"""For how many shops are a stage's limits enough? The tightest of five decides.

The shop is that of the documentation: it has 30,000 faces and takes 5,000 captures in twelve hours,
twice as many an hour when it is full.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from math import ceil

from chalicelib.cost import table
from chalicelib.domain.rules.galleries import DISK_MB, MEMORY_MB, find_disk_mb, find_memory_mb
from chalicelib.storage.aws.spread import find_cold_share

FACES, A_DAY, OPEN_S, PEAK = 30_000, 5_000, 12 * 3600, 2
"""Faces of a shop, its captures in a day, seconds in which they come, and how many times the
average the busiest hour has."""

HEARTBEAT_S = 120
"""A camera sends one so often. The shop has one camera."""

MANY = 1_000
"""The shops for which the needed limits are told, if there is room for fewer."""

COLD_AT_MOST = 0.05
"""The share of searches without their gallery in memory up to which SearchMemory and SearchDisk are
enough."""

_MOST_SHOPS = 100_000
_API, _MEMORY, _DISK = "ApiRate", "SearchMemory", "SearchDisk"


def list_needs(memory_mb: float, disk_mb: float) -> dict[str, Callable[[int], float]]:
    """Return by parameter how much of a limit so many shops need, as functions of their number.

    ApiRate: an offer for each capture, and heartbeats. IngestConcurrency: the runs that captures
    keep busy, which wait for cold galleries, too, if search functions have `memory_mb` and
    `disk_mb`. BuildIndexConcurrency: runs that end a shop's worst night within three hours (lab:
    bench/jobs.py). SearchMemory, SearchDisk: they keep galleries warm.
    """
    captures_a_s = A_DAY / OPEN_S * PEAK

    def count_ingest_runs(shops: int) -> float:
        load = table.Load(FACES, A_DAY, 0, tenants=shops)
        busy_s = load.count_busy_s(table.read_table(), load.find_cold_share(memory_mb, disk_mb))
        return shops * captures_a_s * busy_s

    return {
        _API: lambda shops: shops * (captures_a_s + 1 / HEARTBEAT_S),
        "IngestConcurrency": count_ingest_runs,
        "BuildIndexConcurrency": lambda shops: shops / 66,
        _MEMORY: lambda shops: find_memory_mb(FACES, _count_galleries(shops)),
        _DISK: lambda shops: find_disk_mb(FACES, _count_galleries(shops)),
    }


def _count_galleries(shops: int) -> int:
    """Count the galleries that a search function has to keep, so that COLD_AT_MOST of searches are
    cold."""
    return bisect_left(
        range(shops + 1), -COLD_AT_MOST, 1, key=lambda held: -find_cold_share(shops, held)
    )


def describe(limits: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each limit that says for how many shops it is enough, the tightest first.

    If one is not enough for MANY shops, a line follows with the parameters that are. `limits`:
    values of the stack's parameters; a parameter that is not there limits nothing.
    """
    memory_mb, disk_mb = float(limits.get(_MEMORY, MEMORY_MB)), float(limits.get(_DISK, DISK_MB))
    needs = list_needs(memory_mb, disk_mb)
    values = {name: float(limits[name]) for name in needs if name in limits}
    counts = sorted((_count_shops(needs[name], limit), name) for name, limit in values.items())
    for number, (count, name) in enumerate(counts):
        unit = (
            f" shops of {A_DAY:,} captures a day and {FACES:,} faces, by the tightest limit"
            if not number
            else ""
        )
        yield f"{name} {values[name]:g} is enough for {count:,}{unit}"
    raised = list_needs(max(memory_mb, needs[_MEMORY](MANY)), max(disk_mb, needs[_DISK](MANY)))
    wanted = {name: ceil(round(raised[name](MANY), 6)) for _, name in counts}
    if parameters := [
        f"--parameter {name}={more}" for name, more in wanted.items() if more > values[name]
    ]:
        yield f"for {MANY:,} shops deploy with {' '.join(parameters)}"
    if counts and counts[0][1] == _API:
        yield f"cameras that call the output CameraEndpoint need nothing of {_API}"


def _count_shops(need: Callable[[int], float], limit: float) -> int:
    """Count the shops for which a limit is enough. What they need grows with their number."""
    return bisect_right(range(_MOST_SHOPS), limit, 1, key=lambda shops: round(need(shops), 6)) - 1
