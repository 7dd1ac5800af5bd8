"""The bill of the runs that a log tells of, by tenant and by function, at the prices of prices.toml.

Each line of a function has what its run was charged with (chalicelib/aws/charges), its time and memory. What is kept,
the uploads of cameras, the gateway, Lambda's polls and the start of a function are in no line.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from chalicelib.aws.cost import table
from chalicelib.book.words.errors import InvalidInput

STAGE = "(no tenant)"


class Run(Struct, rename={"captures": "CapturesResolved"}):
    """A run, as its line of the log says it: `ms` that it took, `mb` of its function, what it was charged with."""

    function: str
    ms: float
    mb: float
    tenant: str | None = None
    captures: float = 0
    units: dict[str, float] = {}


class Runs(Struct):
    """Runs of one tenant, or of one function: how many, the captures that they resolved, and what was charged."""

    number: int = 0
    captures: int = 0
    units: Counter[str] = field(default_factory=Counter)

    def add(self, run: Run) -> None:
        self.number += 1
        self.captures += int(run.captures)
        self.units.update({"lambda_requests": 1, "lambda_gb_s": run.ms / 1000 * run.mb / 1024, **run.units})


def read_runs(lines: Iterable[str]) -> tuple[dict[str, Runs], dict[str, Runs]]:
    """Read the runs of functions from the lines of a log. Return their sums by tenant, and by function.

    Text before a line's JSON is passed over, and so are lines that are no run.

    Raises InvalidInput for a run of another form than this version writes, or with a unit that has no price.
    """
    by_tenant: defaultdict[str, Runs] = defaultdict(Runs)
    by_function: defaultdict[str, Runs] = defaultdict(Runs)
    priced = {unit for service in table.read_prices().services.values() for unit in service.usd}
    for number, line in enumerate(lines, start=1):
        if (run := _read_run(line, number)) is None:
            continue
        if unknown := sorted(run.units.keys() - priced):
            raise InvalidInput(
                f"line {number} of the log has the unit {unknown[0]!r}, which has no price here; these have one: "
                f"{', '.join(sorted(priced))}. Call `regulars cost` of the version that the stage has"
            )
        by_tenant[run.tenant or STAGE].add(run)
        by_function[run.function].add(run)
    return dict(by_tenant), dict(by_function)


def print_runs(lines: Iterable[str]) -> None:
    """Print what the runs of a log cost at list prices, without what is always free. Raises as `read_runs`."""
    by_tenant, by_function = read_runs(lines)
    listed = table.read_prices()
    print(f"US dollars, list prices of {listed.region} as of {listed.date}, of the runs in the log alone:")
    print("nothing that is kept, no upload, gateway, poll or cold start is in it\n")
    for title, runs_by_name in (("Tenant", by_tenant), ("Function", by_function)):
        print(f"{title:34}{'runs':>10}{'captures':>10}{'USD':>12}{'each 1,000 captures':>22}")
        for name, runs in sorted(runs_by_name.items()):
            print(f"  {name:32}{runs.number:>10,}{runs.captures:>10,}{''.join(_show_usd(runs, listed))}")
        print()


def _show_usd(runs: Runs, listed: table.Prices) -> Iterator[str]:
    usd = table.sum_up_usd(runs.units, listed)
    yield f"{usd:>12.4f}"
    if runs.captures:
        yield f"{1000 * usd / runs.captures:>22.4f}"


def _read_run(line: str, number: int) -> Run | None:
    """Read a line of a run on AWS; None: it is another line. Raises InvalidInput."""
    try:
        value: Any = json.loads(line[line.index("{") :])
    except ValueError:
        return None
    if not isinstance(value, dict) or not value.keys() >= {"function", "mb", "ms"}:
        return None
    try:
        return msgspec.convert(value, Run)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"line {number} of the log is no run as this version writes it: {error}") from None
