"""Thirty days of a shop on the meter, as the table that `regulars cost` multiplies (regulars/cost/table.json).

    python -m regulars_lab.rigs.shop             what AWS charges for, and what it costs, by kind
    python -m regulars_lab.rigs.shop --write     commit it

A camera offers and uploads 200 captures a day, one in ten of somebody new, four of somebody who comes again, five of
somebody who is still there. A client searches as often. Heartbeats, `watch`, sweeps and snapshots come as on
AWS, each through the application on metered storage. Processor time is that of figures.json where models run, else it
is measured in the run; what only an account shows is assumed (prices.py, and below).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.core import telemetry
from chalicelib.core.captures import Resolution
from regulars.cost import table
from regulars_lab.rigs.operations import FIGURES, deployed
from regulars_lab.rigs.prices import Function, Spent, cold_share
from regulars_lab.rigs.stage import Stage, staged
from regulars_lab.rigs.stand_ins import Eyes, drawn

DAYS = 30
A_DAY = 200
OPENS, CLOSES = 9, 21
AGAIN = timedelta(hours=1)
HEARTBEATS = 30 * 24
"""One in two minutes."""

OUTCOMES = ("capture_new", "capture_arrival", "capture_within")

FUNCTIONS = {
    "search": "api_handler",
    "offer": "api_handler",
    "heartbeat": "api_handler",
    "capture_new": "ingest",
    "capture_arrival": "ingest",
    "capture_within": "ingest",
    "watch": "watch",
    "send_sweeps": "sweep",
    "sweep": "build_index",
    "build_index": "build_index",
}
"""The function that does each operation."""

POLLS_A_MONTH = 15 * 60 * 24 * DAYS
"""Requests to one queue that a function listens to: Lambda has five pollers, each asking for 20 seconds at a time."""

GROUPED = 1.25
"""A request of SQS costs so many for a message with a group (0.10 a million more); S3's messages have none."""

PICTURE_BYTES, PORTRAIT_BYTES, SNAPSHOT_BYTES = 150_000, 20_000, 2 * 1_400
"""Assumed: bytes of a capture's JPEG, kept for 30 days, of a face's own picture with its thumbnail, and of its part of
the two snapshots (lab: bench/cold_search.py)."""

TRACED = 0.01

CANARIES = 12 * 24 * DAYS
CANARY_MS = 300.0
"""Assumed: how long the canary waits for its answer."""

STANDING_METRICS = (telemetry.SWEEP_AGE, telemetry.JOURNAL_TAIL, telemetry.SEARCH_MS)
"""Metrics that `watch`, sweeps and the canary send. Others cost nothing in the hours in which nobody sends them."""


class Shop:
    """A shop that is open for days, and what each operation of it spent."""

    def __init__(self, stage: Stage, here_ms: dict[str, float]) -> None:
        self.stage = stage
        self._modelled_ms = {name: here_ms[name] for name in OUTCOMES} | {"search": here_ms["search_match"]}
        self.spent: defaultdict[str, Spent] = defaultdict(Spent)
        self._seen: dict[int, datetime] = {}
        self._number = 0

    def day(self, a_day: int) -> None:
        """Let a day pass: its schedules, heartbeats, captures, each with a search of the same person."""
        begin = self.stage.clock.at
        events: list[tuple[timedelta, Callable[[], None]]] = [(timedelta(hours=n), self._sweep) for n in range(24)]
        events += [(timedelta(minutes=5 * n), self._watch) for n in range(12 * 24)]
        events += [(timedelta(minutes=2 * n, seconds=7), self._heartbeat) for n in range(HEARTBEATS)]
        apart = timedelta(hours=CLOSES - OPENS) / max(1, a_day)
        events += [(timedelta(hours=OPENS) + apart * n, self._visitor) for n in range(a_day)]
        for after, work in sorted(events, key=lambda event: event[0]):
            self.stage.clock.at = begin + after
            work()
        self.stage.clock.at = begin + timedelta(days=1)

    def _do(self, name: str, work: Callable[[], object]) -> Any:
        meter, spent = self.stage.meter, self.spent[name]
        meter.clear()
        began = time.process_time()
        found = work()
        took = (time.process_time() - began) * 1000
        spent.runs += 1
        spent.reads += sum(meter.reads.values())
        spent.writes += sum(meter.writes.values())
        spent.calls += meter.calls
        spent.waits += meter.waits
        spent.cpu_ms += self._modelled_ms.get(name, took)
        return found

    def _visitor(self) -> None:
        """Take in a capture, and search for the same person. Every second one shows who was there just before."""
        self._number += 1
        turn = self._number % 10
        now = self.stage.clock.at
        if turn % 2 == 0 and self._seen:
            kind, outcome, person = "capture_within", Resolution.MATCHED, max(self._seen, key=self._seen.__getitem__)
        elif turn == 1 or now - min(self._seen.values()) < AGAIN:
            kind, outcome, person = "capture_new", Resolution.STRANGER, 10_000 + self._number
        else:
            kind, outcome, person = "capture_arrival", Resolution.MATCHED, min(self._seen, key=self._seen.__getitem__)
        data = drawn(person, self._number % 50_000)
        id_ = self._do("offer", lambda: self.stage.offered(data, self.stage.camera_key))
        message, due = self.stage.uploaded(data, id_, outcome)
        self._do(kind, lambda: self.stage.services.sightings.ingest.message(message))
        due()
        self._seen[person] = now
        self._do("search", lambda: self.stage.camera_api.search(data))
        self._worked_off()

    def _heartbeat(self) -> None:
        self._do("heartbeat", self.stage.beat)

    def _watch(self) -> None:
        self._do("watch", self.stage.services.watch.run)

    def _sweep(self) -> None:
        self._do("send_sweeps", lambda: self.stage.services.sweep.all(self.stage.clock.at))
        self._worked_off()

    def _worked_off(self) -> None:
        """Do what the index queue asks for."""
        queue = self.stage.storage.index_queue
        while messages := queue.receive(10, 60):
            for message in messages:
                queue.delete(message.receipt)
                name = "sweep" if "chores" in json.loads(message.body) else "build_index"
                self._do(name, lambda body=message.body: self.stage.services.sweep.message(body, 1, lambda: 300.0))


def rows(shop: Shop, idle: Shop, figures: dict[str, Any], captures: int) -> dict[str, Counter[str]]:
    """Return by kind what AWS charges for: one capture, search and face kept, and a month of what runs by itself."""
    used, size = figures["used"], figures["used"]["bytes"]

    def charged(of: Shop, *names: str, cold: float, each: float = 1.0) -> Counter[str]:
        found = Counter[str]()
        for name in names:
            function = FUNCTIONS[name]
            made = Function(used["memory_mb"][function], used["disk_mb"].get(function, 0), figures["cold_ms"][function])
            found += made.charged(of.spent[name], cold)
        return times(found, each)

    def stored(size_bytes: int) -> Counter[str]:
        return Counter(dynamodb_gb=size_bytes / 1e9, dynamodb_recovery_gb=size_bytes / 1e9)

    warm, one = cold_share(A_DAY), 1 / captures
    # Offers, searches and heartbeats keep the API's function warm for each other.
    api = cold_share(2 * A_DAY + HEARTBEATS * (CLOSES - OPENS) / 24)
    capture = charged(shop, "offer", cold=api, each=one) + charged(shop, *OUTCOMES, cold=warm, each=one)
    capture += charged(shop, "build_index", cold=1.0, each=one) + stored(size["capture"] + size["observation"])
    swept = times(charged(shop, "sweep", cold=1.0), one) - times(charged(idle, "sweep", cold=1.0), one)
    capture += swept + Counter(s3_puts=1, sqs_requests=3, traces=TRACED, s3_gb=PICTURE_BYTES / 1e9)
    search = charged(shop, "search", cold=api, each=one) + stored(size["observation"])
    standing = used["standing"]
    canary = times(search, CANARIES) + Counter(
        lambda_requests=2 * CANARIES,
        lambda_gb_s=CANARIES * CANARY_MS / 1000 * used["memory_mb"]["canary"] / 1024,
        kms_requests=2 * CANARIES,
        api_requests=CANARIES,
    )
    stage = Counter({name: standing[name] for name in ("keys", "alarms", "dashboards")})
    stage += charged(idle, "watch", "send_sweeps", cold=1.0) + canary
    stage += Counter(sqs_requests=standing["pollers"] * POLLS_A_MONTH, metrics=len(STANDING_METRICS))
    return {
        "stage": stage,
        "tenant": charged(idle, "sweep", cold=1.0) + Counter(sqs_requests=2 * GROUPED * 24 * DAYS),
        "camera": charged(idle, "heartbeat", cold=cold_share(HEARTBEATS)),
        "traffic": Counter(metrics=standing["metrics"] - len(STANDING_METRICS)),
        "face": stored(size["face"]) + Counter(s3_gb=(PORTRAIT_BYTES + SNAPSHOT_BYTES) / 1e9, dynamodb_read_units=1),
        "capture": capture,
        "search": search + Counter(api_requests=1, traces=TRACED),
    }


def times(quantities: Counter[str], factor: float) -> Counter[str]:
    return Counter({name: quantity * factor for name, quantity in quantities.items()})


def passed(folder: Path, days: int, a_day: int, here_ms: dict[str, float]) -> Shop:
    """Return a shop after so many days, which ended yesterday."""
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days + 1)
    with staged(folder, Eyes(), drawn, begin) as stage:
        shop = Shop(stage, here_ms)
        for _ in range(days):
            shop.day(a_day)
        return shop


def measured(days: int, a_day: int) -> tuple[Shop, dict[str, Counter[str]]]:
    figures = json.loads(FIGURES.read_text())
    with tempfile.TemporaryDirectory() as folder:
        idle = passed(Path(folder, "idle"), days, 0, figures["here_ms"])
        shop = passed(Path(folder, "shop"), days, a_day, figures["here_ms"])
    return shop, rows(shop, idle, {**figures, "used": {**figures["used"], **deployed()}}, a_day * days)


def main() -> None:
    parser = argparse.ArgumentParser("regulars_lab.rigs.shop", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {table.FILE}")
    asked = parser.parse_args()
    shop, found = measured(DAYS, A_DAY)
    for name, spent in sorted(shop.spent.items()):
        print(f"{name:18}{spent.runs:8} runs{spent.reads:10} reads{spent.writes:10} writes  {dict(spent.calls)}")
    for name, quantities in found.items():
        per = 1_000 if name in ("capture", "search", "face") else 1
        usd = sum(table.bill(times(quantities, per), table.prices(), with_free=False).values())
        print(f"{per:>5} x {name:12}{usd:10.4f} USD")
    if asked.write:
        rounded = {
            name: {what: float(f"{row[what]:.4g}") for what in sorted(row) if row[what]} for name, row in found.items()
        }
        shop_was = f"{DAYS} days, {A_DAY:,} captures and searches a day"
        said = {"measured": datetime.now(UTC).date().isoformat(), "shop": shop_was, "rows": rounded}
        table.FILE.write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
