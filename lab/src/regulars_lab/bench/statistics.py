"""A year of observations: what counting it takes from sealed days, and how that grows from one
month to one year.

    python -m regulars_lab.bench.statistics [--days 365] [--per-day 10000] [--json FILE] [--data
    FOLDER]

Fills an embedded store with synthetic observations, seals every day, then measures analysis and
query: time, the read units that the same reads would cost on DynamoDB, and objects read from blob
storage. The peer is counting the raw observations one by one, which is what every amount must
equal: the ratio says how often a sealed answer is faster.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from chalicelib.book.statistics.calendar import Calendar
from chalicelib.book.statistics.statistics import Question, Statistics
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.model import Labels, Profile, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    Measure,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.items import observed_on, write_in_parts
from chalicelib.storage.ports import ItemStore, Storage
from chalicelib.storage.records.observations import days_of, make_observation_actions
from regulars_lab.bench.measuring import parser, time_call, write
from regulars_lab.rigs.stand_ins import SteppedClock
from tests.support.book.book_with import book_of
from tests.support.book.synthetic import visits
from tests.support.storage.meter import Meter, meter_storage

ZONE = ZoneInfo("Asia/Shanghai")
FIRST = datetime(2025, 1, 1, tzinfo=ZONE)
TENANT = Tenant("bench", Profile.CLOUD, "BENCH", FIRST, "none", time_zone=ZONE.key)
REGULAR = 4_242
"""Number of a person whose few observations are looked for."""

BRAND, STORE = Labels("brand-2"), Labels("brand-2", "store-07")
LIMIT_S = 10.0
LONG_AFTER = FIRST + timedelta(days=20_000)
"""When the questions are asked, all seals are of the past."""


def main() -> None:
    options = parser("statistics", __doc__)
    options.add_argument(
        "--days", type=int, default=365, help="days of history (default: %(default)s)"
    )
    options.add_argument(
        "--per-day", type=int, default=10_000, help="observations a day (default: %(default)s)"
    )
    options.add_argument(
        "--data", type=Path, help="folder to fill and keep, or to use again if it is filled"
    )
    arguments = options.parse_args()
    with (
        tempfile.TemporaryDirectory()
        if arguments.data is None
        else nullcontext(arguments.data) as folder
    ):
        figures = measure_statistics(Path(folder), arguments.days, arguments.per_day)
    report(figures)
    write(figures, arguments.json)


def measure_statistics(folder: Path, days: int, per_day: int) -> dict[str, Any]:
    storage = open_storage(Settings(storage=folder), SystemClock())
    with closing(storage):
        figures: dict[str, Any] = {"days": days, "per_day": per_day, "observations": days * per_day}
        if not storage.items.query(keys.SUMMARIES, keys.calendar(TENANT.name)).items:
            figures["fill_s"] = time_call(lambda: fill(storage.items, days, per_day))[1] / 1e3
        sealing = _statistics(storage, FIRST + timedelta(days=days + 1, hours=1)).sealing
        sealed, seal_ms = time_call(lambda: sealing.seal_tenant(TENANT))
        figures |= {"seal_s": seal_ms / 1e3, "days_sealed": len(sealed)}
        figures["sweep_of_sealed_s"] = time_call(lambda: sealing.seal_tenant(TENANT))[1] / 1e3
        spans = {"1 month": min(31, days), f"{days} days": days}
        return figures | {
            "spans": {name: of_span(storage, length) for name, length in spans.items()}
        }


def _statistics(storage: Storage, at: datetime) -> Statistics:
    return book_of(storage.items, SteppedClock(at), blobs=storage.blobs).statistics


def fill(items: ItemStore, days: int, per_day: int) -> None:
    calendar, random = Calendar(items), np.random.default_rng(1)
    for day in range(days):
        begin = FIRST + timedelta(days=day)
        seen = list(visits(begin, per_day, random, first_id=day * per_day))
        months = calendar.read_months(TENANT.name, days_of(seen))
        write_in_parts(
            items,
            make_observation_actions(TENANT.name, seen, (), months, begin + timedelta(days=1)),
        )


def of_span(storage: Storage, days: int) -> dict[str, Any]:
    """Figures of every kind of question about the first `days` days."""
    end = FIRST + timedelta(days=days)
    start, last = int(FIRST.timestamp()), int(end.timestamp()) - 1
    on_meter, meter = meter_storage(storage)
    statistics = _statistics(on_meter, LONG_AFTER)
    observations = statistics.observations
    face = f"{1_000_000_000_000_000_000 + REGULAR}"

    def analysis(
        granularity: Granularity, wanted: ObservationFilter = EVERYTHING, **how: bool
    ) -> Callable[[], Any]:
        return lambda: statistics.count_by_time(TENANT, wanted, start, last, granularity, **how)

    def split(measure: Measure, by: Split | None = None) -> Callable[[], Any]:
        wanted = ObservationFilter(kind=ObservationKind.SIGHTING)
        question = Question(Span.of_seconds(start, last), Granularity.DAY, measure, by, wanted)
        return lambda: statistics.list_buckets(TENANT, question, fill=True)

    def query(wanted: ObservationFilter = EVERYTHING) -> Callable[[], Any]:
        return lambda: observations.query(TENANT, wanted, start, last, 1000).total

    asked: dict[str, Callable[[], Any]] = {
        f"by {granularity}{about}": analysis(granularity, wanted)
        for granularity in (Granularity.MONTH, Granularity.DAY, Granularity.HOUR)
        for about, wanted in (
            ("", EVERYTHING),
            (", one label", ObservationFilter(BRAND)),
            (", two labels and group", ObservationFilter(STORE, "regular")),
        )
    }
    asked |= {
        "by month, one face": analysis(Granularity.MONTH, ObservationFilter(faceid=face)),
        "DISTINCT by month": analysis(Granularity.MONTH, distinct=True),
        "DISTINCT by day, one label": analysis(
            Granularity.DAY, ObservationFilter(BRAND), distinct=True
        ),
        "DISTINCT by hour": analysis(Granularity.HOUR, distinct=True),
        "sightings by day": split(Measure.OBSERVATIONS),
        "sightings by day and camera": split(Measure.OBSERVATIONS, Split.CAMERA),
        "sightings by day and gender": split(Measure.OBSERVATIONS, Split.GENDER),
        "present by day and group": split(Measure.PRESENT, Split.GROUP),
        "arrivals by day": split(Measure.ARRIVALS),
        "arrivals by day and camera": split(Measure.ARRIVALS, Split.CAMERA),
        "arrivals by day and age": split(Measure.ARRIVALS, Split.AGE),
        "query, page of 1000 and TOTAL": query(),
        "query, two labels and group": query(ObservationFilter(STORE, "regular")),
        "query, one face": query(ObservationFilter(faceid=face)),
    }
    raw = answer_of(lambda: recount(on_meter.items, start, last), meter)
    figures: dict[str, Any] = {
        "counting raw (peer)": {key: raw[key] for key in raw if key != "answer"}
    }
    for name, ask in asked.items():
        answer = min((answer_of(ask, meter) for _ in range(2)), key=lambda figure: figure["s"])
        found = answer.pop("answer")
        if name == "by month" and found != raw["answer"]:
            raise SystemExit(
                f"bench.statistics: sealed days say {found}, a recount {raw['answer']}"
            )
        figures[name] = {
            **answer,
            "times_faster_than_raw": round(raw["s"] / max(answer["s"], 1e-6), 1),
        }
    return figures


def recount(items: ItemStore, start: int, end: int) -> dict[str, int]:
    """By month, from the raw observations alone."""
    span = Span.of_seconds(start, end)
    observed = Calendar(items).read_days(TENANT.name, span.utc_days)
    amounts: Counter[str] = Counter()
    for day in observed.list_within(span.utc_days):
        for item in observed_on(items, TENANT.name, day, span.first_ms, span.last_ms):
            at_ms, _ = keys.parts_of_observation(item["time_id"])
            amounts[datetime.fromtimestamp(at_ms / 1000, ZONE).strftime("%Y%m")] += 1
    return dict(sorted(amounts.items()))


def answer_of(ask: Callable[[], Any], meter: Meter) -> dict[str, Any]:
    meter.clear()
    answer, elapsed_ms = time_call(ask)
    units, objects = sum(meter.reads.values()), meter.calls["s3 get"]
    return {
        "s": round(elapsed_ms / 1e3, 4),
        "read_units": units,
        "objects": objects,
        "answer": answer,
    }


def report(figures: dict[str, Any]) -> None:
    print(
        f"{figures['observations']:,} observations: {figures['days']} days of "
        f"{figures['per_day']:,}"
    )
    for name in ("fill_s", "seal_s", "sweep_of_sealed_s"):
        if name in figures:
            print(f"  {name}: {figures[name]:.1f}")
    short, long = figures["spans"].values()
    for span, asked in figures["spans"].items():
        print(f"\n{span:30} {'s':>9} {'units':>9} {'objects':>8} {'x faster':>9}")
        for name, one in asked.items():
            faster = one.get("times_faster_than_raw", 1.0)
            print(
                f"{name:30} {one['s']:>9.3f} {one['read_units']:>9,} {one['objects']:>8} "
                f"{faster:>9.1f}"
            )
    print("\ngrowth from the first span to the second, time and units:")
    for name, one in long.items():
        before = short[name]
        slower = one["s"] / max(before["s"], 1e-6)
        print(
            f"  {name:30} {slower:>7.1f} {one['read_units'] / max(before['read_units'], 1):>7.1f}"
        )
    slow = [
        name for name, one in long.items() if "times_faster_than_raw" in one and one["s"] > LIMIT_S
    ]
    print(f"\nover {LIMIT_S:.0f} s: {slow or 'none'}")


if __name__ == "__main__":
    main()
