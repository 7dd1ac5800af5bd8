"""Thirty days of a shop on the meter, as the table that a bill multiplies
(tests/support/bill/table.json).

    python -m regulars_lab.rigs.shop             what AWS charges for, and what it costs, by kind
    python -m regulars_lab.rigs.shop --write     commit it

In one shop a camera offers and uploads 200 captures a day, one in ten of somebody new, four of
somebody who comes again, five of somebody who is still there. In another a client searches as
often, and in a third nobody comes but the canary. Heartbeats, `watch`, sweeps and snapshots come as
on AWS, each through the application on metered storage. What is kept is priced for as long as it is
kept, and with its deletion: so much does a shop cost that is old. Processor time is that of
figures.json where models run, else it is measured in the run; what only an account shows is assumed
(prices.py, and below).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib import telemetry
from chalicelib.api.sunmi.probe import NO_MATCH
from chalicelib.domain.captures import Resolution
from chalicelib.domain.model import Profile
from chalicelib.domain.rules.galleries import FACE_DISK_BYTES, FACE_MEMORY_BYTES
from chalicelib.domain.tenant_settings import OBSERVATION_DAYS, SIGHTING_DAYS, TenantSettings
from chalicelib.privacy.retention import Kind
from regulars_lab.rigs.operations import FIGURES, read_deployment
from regulars_lab.rigs.stage import Stage, open_stage, require
from regulars_lab.rigs.stand_ins import Eyes, draw_picture
from tests.support.api.over_http import Sunmi
from tests.support.bill import table
from tests.support.book.tenants import CHOICE
from tests.support.storage import prices
from tests.support.storage.prices import COLD, Function, Spent

DAYS = 30
A_DAY = 200
OPENS, CLOSES = 9, 21
AGAIN = timedelta(hours=1)
HEARTBEATS = 30 * 24
"""One in two minutes."""

Rows = dict[str, Counter[str]]

OUTCOMES = ("capture_new", "capture_arrival", "capture_within")

FUNCTIONS = {
    "search": "api_handler",
    "canary": "api_handler",
    "offer": "api_handler",
    "heartbeat": "api_handler",
    "capture_new": "ingest",
    "capture_arrival": "ingest",
    "capture_within": "ingest",
    "empty batch": "ingest",
    "watch": "watch",
    "send_sweeps": "sweep",
    "sweep": "build_index",
    "canary's sweep": "build_index",
    "expiry": "build_index",
    "build_index": "build_index",
}
"""The function that does each operation."""

POLLS_A_MONTH = 15 * 60 * 24 * DAYS
"""Requests to one queue that a function listens to: Lambda has five pollers, each asking for 20
seconds at a time."""

GROUPED = 1.25
"""A request of SQS costs so many for a message with a group (0.10 a million more); S3's messages
have none."""

PICTURE_BYTES, PORTRAIT_BYTES = 150_000, 20_000
"""Assumed: bytes of a capture's JPEG, kept for 30 days, and of a face's own picture with its
thumbnail."""

SNAPSHOT_BYTES = 2 * (FACE_MEMORY_BYTES + FACE_DISK_BYTES)
"""Of a face's part of the two snapshots."""

TRACED = 0.01

FAR_S = (prices.INVOKE_MS + prices.SEARCH_MS) / 1000
"""Seconds that a caller waits for the search function."""

LOADED_FACES, COLD_GETS, COLD_CPU_S, BYTES_A_S = 30_000, 11, 0.04, 80e6
"""A gallery that is loaded: its faces, parts of 4 MiB with two heads, processor time on the machine
of the measurements (bench/tenants.py), and assumed: bytes a second from S3."""

COLD_FACE_S = (
    FACE_MEMORY_BYTES + FACE_DISK_BYTES
) / BYTES_A_S + COLD_CPU_S * prices.SLOWDOWN / LOADED_FACES
"""Seconds that a search takes more for each face of a gallery that it has to load."""

CANARY = "canary"
CANARY_MS, EMPTY_MS = 300.0, 2.0
"""Assumed: how long the canary waits for its answer, and how long ingest computes for an empty
batch."""

PROMISE_S, PROMISE_LOOKS = 5.0, 10
"""Assumed: how long the canary's picture takes to its hook, and how often the canary looks
meanwhile."""

TOLD = {
    "lambda_requests": 1,
    "lambda_gb_s": 0.25,
    "sqs_requests": 3,
    "dynamodb_write_units": 4,
    "dynamodb_read_units": 3,
}
"""Assumed: what telling the canary's hook takes: deliver's run of half a second, and the delivery's
item."""

RARE_METRICS = (telemetry.SNAPSHOT_MEMORY,)
"""Metrics that only a gallery of some 700,000 faces has, or a function with less memory."""

STANDING_METRICS = (
    telemetry.SWEEP_AGE,
    telemetry.JOURNAL_TAIL,
    telemetry.SEARCH_MS,
    telemetry.CANARY_SECONDS,
)
"""Metrics that `watch`, sweeps and the canary send. Others cost nothing in the hours in which
nobody sends them."""


class Shop:
    """A shop that is open for days, and what each operation of it spent."""

    def __init__(self, stage: Stage, here_ms: dict[str, float]) -> None:
        self.stage = stage
        self._modelled_ms = {
            **{name: here_ms[name] for name in OUTCOMES},
            "search": here_ms["search_match"],
            "canary": here_ms["search_nobody"],
            "empty batch": EMPTY_MS,
        }
        self.spent: defaultdict[str, Spent] = defaultdict(Spent)
        self._seen: dict[int, datetime] = {}
        self._number = 0

    def day(self, captures: int, searches: int, canary: Sunmi | None) -> None:
        """Let a day pass: its schedules, heartbeats, captures, and searches of somebody who is
        known."""
        begin = self.stage.clock.at
        events: list[tuple[timedelta, Callable[[], None]]] = [
            (timedelta(hours=n), self._sweep) for n in range(24)
        ]
        events += [(timedelta(minutes=5 * n), self._watch) for n in range(12 * 24)]
        events += [
            (timedelta(minutes=2 * n, seconds=7), self._heartbeat) for n in range(HEARTBEATS)
        ]
        for a_day, work in ((captures, self._visitor), (searches, self._search)):
            apart = timedelta(hours=CLOSES - OPENS) / max(1, a_day)
            events += [(timedelta(hours=OPENS) + apart * n, work) for n in range(a_day)]
        if canary is not None:
            events += [
                (timedelta(minutes=5 * n), partial(self._ask, canary)) for n in range(12 * 24)
            ]
        for after, work in sorted(events, key=lambda event: event[0]):
            self.stage.clock.at = begin + after
            work()
        self.stage.clock.at = begin + timedelta(days=1)

    def end_observations(self) -> None:
        """Delete all observations, as the sweep does when OBSERVATION_DAYS are over."""
        self.stage.clock.at += timedelta(days=OBSERVATION_DAYS + 1)
        tenant, retention = self.stage.tenant, self.stage.services.erasure.retention
        self._do(
            "expiry",
            lambda: require(
                retention.sweep_tenant(tenant, swept_kinds=[Kind.OBSERVATIONS], is_confirmed=True)
            ),
        )

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
        """Take in a capture. Every second one shows the person who was there just before."""
        self._number += 1
        turn = self._number % 10
        now = self.stage.clock.at
        if turn % 2 == 0 and self._seen:
            kind = "capture_within"
            outcome = Resolution.MATCHED
            person = max(self._seen, key=self._seen.__getitem__)
        elif turn == 1 or now - min(self._seen.values()) < AGAIN:
            kind, outcome, person = "capture_new", Resolution.STRANGER, 10_000 + self._number
        else:
            kind = "capture_arrival"
            outcome = Resolution.MATCHED
            person = min(self._seen, key=self._seen.__getitem__)
        data = draw_picture(person, self._number % 50_000)
        id_ = self._do("offer", lambda: self.stage.offer_picture(data, self.stage.camera_key))
        message, due = self.stage.upload_picture(data, id_, outcome)
        self._do(kind, lambda: self.stage.services.sightings.ingest.take_message(message))
        due()
        self._seen[person] = now
        self._worked_off()

    def _search(self) -> None:
        self._do("search", self.stage.search_match())

    def _ask(self, canary: Sunmi) -> None:
        self._do(
            "canary", lambda: require(canary.search(self.stage.picture(1, 0)).code == NO_MATCH)
        )

    def _heartbeat(self) -> None:
        self._do("heartbeat", self.stage.beat)

    def _watch(self) -> None:
        self._do("watch", self.stage.services.watch.run)
        self._do("empty batch", lambda: None)

    def _sweep(self) -> None:
        self._do(
            "send_sweeps", lambda: self.stage.services.sweep.request_sweeps(self.stage.clock.at)
        )
        self._worked_off()

    def _worked_off(self) -> None:
        """Do what the index queue asks for."""
        queue = self.stage.storage.index_queue
        while messages := queue.receive(10, 60):
            for message in messages:
                queue.delete(message.receipt)
                asked = json.loads(message.body)
                swept = "canary's sweep" if asked["tenant"] == CANARY else "sweep"
                name = swept if "chores" in asked else "build_index"
                self._do(
                    name,
                    lambda body=message.body: self.stage.services.sweep.handle_message(
                        body, 1, lambda: 300.0
                    ),
                )


def rows(
    shop: Shop, caller: Shop, idle: Shop, figures: dict[str, Any], a_day: int, days: int
) -> Rows:
    """Return by kind what AWS charges for: one capture, search and face kept, and a month of what
    runs by itself.

    `shop`: has captures alone; `caller`: searches alone; `idle`: none, but a canary.
    """
    used, size = figures["used"], figures["used"]["bytes"]
    one, month = 1 / (a_day * days), DAYS / days

    def count_charges(of: Shop, *names: str, each: float, cold: float = COLD) -> Counter[str]:
        found = Counter[str]()
        for name in names:
            found += function_of(name, figures).count_charges(of.spent[name], cold)
        return times(found, each)

    def count_storage(kind: str, kept_days: int = DAYS) -> Counter[str]:
        """Charge for an item all the months that it is kept: so many of a month's are there at any
        time."""
        gb_months = size[kind] / 1e9 * kept_days / DAYS
        return Counter(dynamodb_gb=gb_months, dynamodb_recovery_gb=gb_months)

    def more(of: Shop, than: Shop, name: str, each: float) -> Counter[str]:
        return count_charges(of, name, each=each) - count_charges(than, name, each=each)

    # Every five minutes the canary calls the API, and a schedule ingest; what runs every hour
    # starts cold.
    capture = count_charges(shop, "offer", *OUTCOMES, each=one)
    capture += count_charges(shop, "build_index", cold=1.0, each=one) + count_storage(
        "capture", SIGHTING_DAYS
    )
    observation = count_storage("observation", OBSERVATION_DAYS) + count_charges(
        shop, "expiry", each=one, cold=0.0
    )
    capture += (
        observation
        + more(shop, idle, "sweep", one)
        + Counter(s3_puts=1, sqs_requests=3, traces=TRACED)
    )
    search = count_charges(caller, "search", each=one) + more(caller, idle, "sweep", one)
    standing, asked = used["standing"], idle.spent["canary"].runs * month
    canary = count_charges(idle, "canary", each=month) + Counter(
        lambda_requests=asked,
        lambda_gb_s=asked * CANARY_MS / 1000 * used["memory_mb"]["canary"] / 1024,
        kms_requests=2 * asked,
        api_requests=asked,
    )
    canary += count_promise(capture, used, asked)
    stage = Counter({name: standing[name] for name in ("keys", "alarms", "dashboards")})
    stage += count_charges(caller, "watch", "empty batch", each=month) + count_charges(
        idle, "send_sweeps", cold=1.0, each=month
    )
    stage += canary + count_charges(idle, "canary's sweep", cold=1.0, each=month)
    stage += Counter(
        sqs_requests=standing["pollers"] * POLLS_A_MONTH, metrics=len(STANDING_METRICS)
    )
    warm = count_charges(idle, "sweep", cold=0.0, each=month)
    tenant = warm + more(idle, caller, "watch", month)
    return {
        "stage": stage,
        "tenant": tenant + Counter(sqs_requests=2 * GROUPED * 24 * DAYS),
        "start": count_charges(idle, "sweep", cold=1.0, each=month) - warm,
        "camera": count_charges(idle, "heartbeat", each=month),
        "traffic": Counter(metrics=standing["metrics"] - len(STANDING_METRICS) - len(RARE_METRICS)),
        "face": count_storage("face")
        + Counter(s3_gb=(PORTRAIT_BYTES + SNAPSHOT_BYTES) / 1e9, dynamodb_read_units=1),
        "capture": capture + Counter(s3_gb=PICTURE_BYTES / 1e9),
        "search": search + observation + Counter(api_requests=1, traces=TRACED),
        "far_search": count_far_search(used),
        "cold_face": count_cold_face(used),
    }


def count_promise(capture: Counter[str], used: dict[str, Any], asked: float) -> Counter[str]:
    """Return the charges of the canary's pictures.

    `capture`: of one, without its picture, which is small and goes at once; `asked`: how many there
    are.
    """
    waits = PROMISE_S * used["memory_mb"]["canary"] / 1024
    looks = Counter(lambda_gb_s=waits, dynamodb_read_units=2 * PROMISE_LOOKS, kms_requests=1)
    return times(capture + looks + Counter(TOLD), asked)


def count_far_search(used: dict[str, Any]) -> Counter[str]:
    """Return the charges of the search function for a search: its run, the caller's wait, and the
    directory's item."""
    found = count_both_times(used, prices.SEARCH_MS / 1000, FAR_S)
    return found + Counter(
        lambda_requests=1,
        dynamodb_read_units=1,
        log_gb=prices.LOG_BYTES / 1e9,
        log_stored_gb=prices.LOG_BYTES / 1e9,
    )


def count_cold_face(used: dict[str, Any]) -> Counter[str]:
    """Return what a search costs more for each face of a gallery that it has to load."""
    return count_both_times(used, COLD_FACE_S, COLD_FACE_S) + Counter(
        s3_gets=COLD_GETS / LOADED_FACES
    )


def count_both_times(used: dict[str, Any], searching_s: float, waiting_s: float) -> Counter[str]:
    """Return the charges of a run of the search function and of the function that waits for it."""
    found = Counter[str]()
    for name, seconds in (("search", searching_s), ("ingest", waiting_s)):
        disk_mb = max(0, used["disk_mb"].get(name, 0) - prices.FREE_DISK_MB)
        found += Counter(
            lambda_gb_s=seconds * used["memory_mb"][name] / 1024,
            lambda_disk_gb_s=seconds * disk_mb / 1024,
        )
    return found


def function_of(name: str, figures: dict[str, Any]) -> Function:
    """Return the function that does an operation, as it is deployed."""
    used, function = figures["used"], FUNCTIONS[name]
    return Function(
        used["memory_mb"][function], used["disk_mb"].get(function, 0), figures["cold_ms"][function]
    )


def ingest_seconds(shop: Shop, figures: dict[str, Any]) -> float:
    """Return for how many seconds a capture keeps a run of ingest busy."""
    runs = sum(shop.spent[name].runs for name in OUTCOMES)
    return (
        sum(function_of(name, figures).count_seconds(shop.spent[name], COLD) for name in OUTCOMES)
        / runs
    )


def times(quantities: Counter[str], factor: float) -> Counter[str]:
    return Counter({name: quantity * factor for name, quantity in quantities.items()})


def pass_days(
    folder: Path, days: int, here_ms: dict[str, float], captures: int = 0, searches: int = 0
) -> Shop:
    """Return a shop after so many days, which ended yesterday.

    If nobody comes, there is a canary.
    """
    begin = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=days + 1
    )
    with open_stage(folder, Eyes(), draw_picture, begin) as stage:
        shop, canary = Shop(stage, here_ms), None
        if not captures + searches:
            made = stage.services.tenants.add(
                CANARY, Profile.CAMERA, TenantSettings(**CHOICE, time_zone="UTC")
            )
            canary = Sunmi(stage.transport, made)
        for _ in range(days):
            shop.day(captures, searches, canary)
        if captures:
            shop.end_observations()
        return shop


def measure_shops(days: int, a_day: int) -> tuple[list[Shop], Rows, float]:
    """Return the three shops, the table's rows, and for how many seconds a capture keeps a run of
    ingest busy."""
    figures = json.loads(FIGURES.read_text())
    figures["used"].update(read_deployment())
    shops = []
    for traffic in ({"captures": a_day}, {"searches": a_day}, {}):
        with tempfile.TemporaryDirectory() as folder:
            shops.append(pass_days(Path(folder), days, figures["here_ms"], **traffic))
    return shops, rows(*shops, figures, a_day, days), ingest_seconds(shops[0], figures)


def main() -> None:
    parser = argparse.ArgumentParser(
        "regulars_lab.rigs.shop", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--write", action="store_true", help=f"write {table.FILE}")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument(
        "--a-day", type=int, default=A_DAY, help="captures, and searches (default: %(default)s)"
    )
    asked = parser.parse_args()
    shops, found, ingest_s = measure_shops(asked.days, asked.a_day)
    for shop in shops:
        print()
        for name, spent in sorted(shop.spent.items()):
            print(
                f"{name:18}{spent.runs:8} runs{spent.reads:10} reads{spent.writes:10} writes  "
                f"{dict(spent.calls)}"
            )
    for name, quantities in found.items():
        per = 1_000 if name in ("capture", "search", "face") else 1
        usd = sum(
            table.price_by_service(
                times(quantities, per), table.read_prices(), with_free=False
            ).values()
        )
        print(f"{per:>5} x {name:12}{usd:10.4f} USD")
    if asked.write:
        rounded = {
            name: {what: float(f"{row[what]:.4g}") for what in sorted(row) if row[what]}
            for name, row in found.items()
        }
        shop_was = f"{asked.days} days, {asked.a_day:,} captures or searches a day"
        measured = datetime.now(UTC).date().isoformat()
        seconds = {"ingest_s": ingest_s, "far_s": FAR_S, "cold_face_s": COLD_FACE_S}
        said = {"measured": measured, "shop": shop_was}
        said |= {name: float(f"{value:.4g}") for name, value in seconds.items()} | {"rows": rounded}
        table.FILE.write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
