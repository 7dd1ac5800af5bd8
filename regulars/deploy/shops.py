"""For how many shops are a stage's limits enough? The tightest of three decides.

The shop is that of the documentation: it takes 5,000 captures in twelve hours, twice as many an hour when it is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from chalicelib.aws.cost import table

A_DAY, OPEN_S, PEAK = 5_000, 12 * 3600, 2
"""Captures of a shop in a day, seconds in which they come, and how many times the average the busiest hour has."""

HEARTBEAT_S = 120
"""A camera sends one so often. The shop has one camera."""

MANY = 1_000
"""The shops for which the needed limits are told, if there is room for fewer."""

_API = "ApiRate"


def list_needs() -> dict[str, float]:
    """Return how much of each limit one shop needs, by parameter.

    ApiRate: an offer for each capture, and heartbeats. IngestConcurrency: the runs that captures keep busy.
    BuildIndexConcurrency: runs that end a shop's worst night within three hours (lab: bench/chores.py).
    """
    captures_a_s = A_DAY / OPEN_S * PEAK
    return {
        _API: captures_a_s + 1 / HEARTBEAT_S,
        "IngestConcurrency": captures_a_s * table.read_table().ingest_s,
        "BuildIndexConcurrency": 1 / 66,
    }


def describe(limits: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each limit that says for how many shops it is enough, the tightest first.

    If one is not enough for MANY shops, a line follows with the parameters that are. `limits`: values of the stack's
    parameters; a parameter that is not there limits nothing.
    """
    values = {name: float(limits[name]) for name in list_needs() if name in limits}
    counts = sorted((int(round(limit / list_needs()[name], 6)), name) for name, limit in values.items())
    for number, (count, name) in enumerate(counts):
        unit = f" shops of {A_DAY:,} captures a day, by the tightest limit" if not number else ""
        yield f"{name} {values[name]:g} is enough for {count:,}{unit}"
    if parameters := [
        f"--parameter {name}={ceil(list_needs()[name] * MANY)}" for count, name in counts if count < MANY
    ]:
        yield f"for {MANY:,} shops deploy with {' '.join(parameters)}"
    if counts and counts[0][1] == _API:
        yield f"cameras that call the output CameraEndpoint need nothing of {_API}"
