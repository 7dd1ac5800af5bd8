"""The bill of the runs that a log tells of, by tenant and by function, at the prices of prices.toml.

Each line of a function has what its run was charged with (chalicelib/aws/charges), its time and memory. What is kept,
the uploads of cameras, the gateway, Lambda's polls and the start of a function are in no line.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from regulars.cost import table

CAPTURES = "CapturesResolved"
STAGE = "(no tenant)"


class Runs(Struct):
    """Runs of one tenant, or of one function: how many, the captures that they resolved, and what was charged."""

    number: int = 0
    captures: int = 0
    units: Counter[str] = field(default_factory=Counter)

    def add(self, line: Mapping[str, Any], units: Mapping[str, float]) -> None:
        self.number += 1
        self.captures += int(line.get(CAPTURES, 0))
        self.units.update(units)


def read_runs(lines: Iterable[str]) -> tuple[dict[str, Runs], dict[str, Runs]]:
    """Read the runs of a log's lines, by tenant and by function. What is before a line's JSON does not matter."""
    by_tenant: defaultdict[str, Runs] = defaultdict(Runs)
    by_function: defaultdict[str, Runs] = defaultdict(Runs)
    for line in map(_read_line, lines):
        if not line.keys() >= {"function", "mb", "ms"}:
            continue  # no line of a run on AWS
        seconds = line["ms"] / 1000
        run = {"lambda_requests": 1, "lambda_gb_s": seconds * line["mb"] / 1024, **line.get("units", {})}
        by_tenant[line.get("tenant") or STAGE].add(line, run)
        by_function[line["function"]].add(line, run)
    return dict(by_tenant), dict(by_function)


def print_runs(lines: Iterable[str]) -> None:
    """Print what the runs of a log cost at list prices, without what is always free."""
    by_tenant, by_function = read_runs(lines)
    listed = table.read_prices()
    print(f"US dollars, list prices of {listed.region} as of {listed.date}, of the runs in the log alone:")
    print("nothing that is kept, no upload, gateway, poll or cold start is in it\n")
    for title, found in (("Tenant", by_tenant), ("Function", by_function)):
        print(f"{title:34}{'runs':>10}{'captures':>10}{'USD':>12}{'each 1,000 captures':>22}")
        for name, runs in sorted(found.items()):
            print(f"  {name:32}{runs.number:>10,}{runs.captures:>10,}{''.join(_show_usd(runs, listed))}")
        print()


def _show_usd(runs: Runs, listed: table.Prices) -> Iterator[str]:
    usd = sum(table.price_by_service(runs.units, listed, with_free=False).values())
    yield f"{usd:>12.4f}"
    if runs.captures:
        yield f"{1000 * usd / runs.captures:>22.4f}"


def _read_line(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line[line.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
