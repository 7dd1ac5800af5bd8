"""What AWS charges for, of calls that the meter has counted: assumed times, and quantities by
prices.toml's names.

What needs an AWS account to be measured is assumed here, with a name; docs/lab/cost.md says how to
replace each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

SLOWDOWN = 2.0
"""Assumed: processor time of Lambda's arm64 divided by that of the machine of the measurements."""

WAIT_MS: Mapping[str, float] = {
    "dynamodb": 5.0,
    "s3 get": 25.0,
    "s3 put": 40.0,
    "s3 delete": 15.0,
    "sqs": 10.0,
    "kms": 8.0,
}
"""Assumed: how long a function waits for one call of a service in its region. Lambda charges for
the wait."""

INVOKE_MS = 8.0
"""Assumed: time that the call of the search function adds to the search itself."""

SEARCH_MS = 6.0
"""Time of a small search by the search function: a consistent read, and the scan (lab:
bench/search.py) at SLOWDOWN."""

CORE_MB = 1769
"""Memory at which Lambda gives a function one whole core. The models run on one core."""

FREE_DISK_MB = 512
"""Disk of a function that Lambda does not charge for."""

COLD = 0.01
"""Assumed: the share of cold starts of a function that is called every five minutes. Lambda keeps
an idle one longer, but requests come together and deployments happen."""

LOG_BYTES = 435
"""Log of one run, a line of ours (275 to 665 bytes with CloudWatch's 26 a line): Lambda logs
failures only."""

ITEM_BYTES = 100
"""What DynamoDB charges for beside an item's own bytes ("DynamoDB item sizes and formats",
Developer Guide)."""

CHARGED_CALLS = {
    "s3 put": "s3_puts",
    "s3 get": "s3_gets",
    "sqs": "sqs_requests",
    "kms": "kms_requests",
}


def waiting_ms(calls: Mapping[str, int]) -> float:
    """Return how long these calls take, one after the other."""
    return sum(WAIT_MS[service] * count for service, count in calls.items())


@dataclass
class Spent:
    """Sums of the runs of one operation: units, calls, those that were waited for, and processor
    time."""

    runs: int = 0
    reads: int = 0
    writes: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    cpu_ms: float = 0.0


class Function(Struct, frozen=True):
    """A function as it is deployed.

    `cold_ms`: processor time of a start, on the machine of the measurements.
    """

    memory_mb: int
    disk_mb: int
    cold_ms: float

    def count_seconds(self, spent: Spent, cold: float) -> float:
        """Return how long these runs take, one after the other, if a share of them starts cold."""
        stretch = SLOWDOWN * max(1.0, CORE_MB / self.memory_mb)
        busy_ms = (spent.cpu_ms + spent.runs * cold * self.cold_ms) * stretch
        return (busy_ms + waiting_ms(spent.waits)) / 1000

    def count_charges(self, spent: Spent, cold: float) -> Counter[str]:
        """Return what AWS charges for these runs, of which a share starts cold, by prices.toml's
        names."""
        seconds = self.count_seconds(spent, cold)
        found = {what: spent.calls[service] for service, what in CHARGED_CALLS.items()}
        return Counter(
            {
                **found,
                "dynamodb_read_units": spent.reads,
                "dynamodb_write_units": spent.writes,
                "lambda_requests": spent.runs,
                "lambda_gb_s": seconds * self.memory_mb / 1024,
                "lambda_disk_gb_s": seconds * max(0, self.disk_mb - FREE_DISK_MB) / 1024,
                "log_gb": spent.runs * LOG_BYTES / 1e9,
                "log_stored_gb": spent.runs * LOG_BYTES / 1e9,
                # a cold start decrypts its secrets
                "kms_requests": found["kms_requests"] + spent.runs * cold,
            }
        )
