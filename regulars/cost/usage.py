"""Quantities that AWS charges for, from measured figures: for one operation, a month, and a month without visitors.

Figures that need an AWS account to measure are named assumptions here; docs/cost.md says how to replace each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.core import telemetry
from chalicelib.core.chores import NIGHT_DAYS
from chalicelib.core.model import DEFAULT_CAPTURE_MB_A_DAY
from chalicelib.core.records.captures import KEPT
from chalicelib.services.access.access import MB, PARTS
from chalicelib.services.erasure.erasure import LISTED
from chalicelib.settings import NEAR_FACES
from regulars.cost.figures import Figures

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
"""Assumed: how long a function waits for one call of a service in its region. Lambda charges for the wait."""


def waiting_ms(calls: Mapping[str, int]) -> float:
    """Return how long these calls take, one after the other."""
    return sum(WAIT_MS[service] * count for service, count in calls.items())


CHARGED_CALLS = {"s3 put": "s3_puts", "s3 get": "s3_gets", "sqs": "sqs_requests", "kms": "kms_requests"}

INVOKE_MS = 8.0
"""Assumed: time that the call of the search function adds to the search itself."""

SEARCH_MS = 6.0
SEARCH_MS_PER_FACE = 2e-5
"""Time of one search by the search function: a consistent read, and the scan (lab: bench/search.py) at SLOWDOWN."""

SCAN_MS = 1.0
LOAD_MS = 60.0
"""Time of one search in a small gallery (index/routing.py) in the process that asks; its read counts among the
caller's. And time to load it, mostly waiting for storage."""

CORE_MB = 1769
"""Memory at which Lambda gives a function one whole core. The models run on one core."""

FREE_DISK_MB = 512
"""Disk of a function that Lambda does not charge for."""

OPEN_MINUTES_A_DAY = 720
KEPT_WARM_MINUTES = 10
"""Assumed: traffic comes in twelve hours of a day, and Lambda keeps an idle function for ten minutes."""

LEAST_COLD = 0.01
"""Assumed: the smallest share of cold starts, since requests come together and deployments happen."""

DAYS = 30.4
POLLS_A_MINUTE = 15
LEAST_POLLS_A_MINUTE = 6
"""Requests to one queue that a function listens to: Lambda has five pollers, each asking for 20 seconds at a time. AWS
says that it goes down to two if the queue is idle and has no limit of runs (QueueLimits off)."""

LOG_BYTES = 350
"""Log of one run, a line of ours (190 to 580 bytes with CloudWatch's 26 a line): Lambda logs failures only."""

OUTCOMES: Mapping[str, float] = {"capture_new": 0.1, "capture_arrival": 0.4, "capture_within": 0.5}
"""Assumed for a month's bill: shares of visitors who are new, come again, or are still there.

The report prices each on its own, too.
"""

PICTURE_BYTES = 150_000
PORTRAIT_BYTES = 20_000
CAPTURE_DAYS = 30
"""Assumed: sizes of a capture's JPEG and of a face's own picture with its thumbnail, and how long captures are kept
(the default)."""

SNAPSHOT_EVERY = 256
SNAPSHOT_BYTES_PER_FACE = 1_400
"""Changes after which a gallery gets a new snapshot, and its size (lab: bench/cold_search.py). Two stay."""

TRIMMED_UNITS = 4
"""Write units to delete one item of the journal, with one template, in a transaction."""

IDLE_METRICS = frozenset({telemetry.SWEEP_AGE, telemetry.JOURNAL_TAIL, telemetry.SEARCH_MS})
"""Metrics that `watch`, sweeps and the canary send. Others cost nothing in the hours in which nobody sends them."""

TABLE_KEY_MINUTES = 5
"""How long DynamoDB goes on without asking KMS for a table's key, for each table and role that calls it."""

ROTATIONS_CHARGED = 2
"""Rotations of a key after which KMS charges for one key more each; later ones cost nothing more."""

UNSEALED_MINUTES = 5
"""How long a warm function keeps a decrypted secret."""

TRACED = 0.01

HEARTBEATS_A_DAY = 24 * 30
"""Of a camera: an uploader sends one every two minutes, also when nobody comes (edge.toml's heartbeat_s)."""

HOOK_MS = 200.0
"""Assumed: how long a hook's receiver takes to answer."""

CANARY_A_DAY = 12 * 24
CANARY_MS = 300.0
"""Assumed: how long the canary waits for its answer."""

SCHEDULES = {"watch": ("watch", 12 * 24 * DAYS), "sweep": ("send_sweeps", 24 * DAYS)}
"""The operation of each function that a schedule calls, which it does for every tenant, and its runs a month."""

SWEEPS_AT_ONCE = 5
"""The most runs that work off the index queue at the same time (BuildIndexConcurrency)."""

LISTINGS = len(LISTED) * DAYS
"""Sweeps a month that list a tenant's pictures, a thousand by a call, and read the faces of the new ones."""

LOOKS = 3
"""How often a sweep looks at a new picture: in its first day, when it is over six hours old, every six hours."""


GROUPED = 1.25
"""A request of SQS costs so many for a message with a group (0.10 a million more); S3's messages have none."""

PEERS_STEPS = {"images": 0, "images_from_1m": 1e6, "images_from_5m": 5e6, "images_from_35m": 35e6}
"""Prices of Amazon Rekognition's calls, and from which call of a month on each holds."""


class Quantities(dict[str, float]):
    """Amounts by the name that prices.toml has for each charged quantity."""

    def __add__(self, other: Mapping[str, float]) -> Quantities:
        return Quantities({name: self.get(name, 0.0) + other.get(name, 0.0) for name in {**self, **other}})

    def times(self, factor: float) -> Quantities:
        return Quantities({name: factor * quantity for name, quantity in self.items()})


@dataclass(frozen=True)
class Load:
    """A shop's traffic. Faces are enrolled when the month begins; captures show one face each."""

    faces: int
    captures_a_day: float
    searches_a_day: float
    tenants: int = 1
    cameras: int = 1


@dataclass(frozen=True)
class Model:
    figures: Figures
    load: Load
    slowdown: float = SLOWDOWN

    def search(self, operation: str = "search_match") -> Quantities:
        """Return the quantities of one search over the API."""
        return self._api(operation, self.load.searches_a_day, searches=1) + self._searched(self.load.searches_a_day)

    def capture(self, outcome: str, offered_together: int = 1) -> Quantities:
        """Return the quantities of one capture with one face or none: its share of the offer, all the rest.

        Cameras offer at the function URL (the stack's output CameraEndpoint), which costs nothing besides Lambda. Their
        heartbeats note when they were seen last, so offers need not (`camera`).
        """
        a_day = self.load.captures_a_day
        offer = self._run("api_handler", "offer", a_day / offered_together)
        # Each capture pays for its own record, twice as much in the transaction of several; those offered together
        # share the rest of the offer.
        record = Quantities(dynamodb_write_units=math.ceil(self.figures.bytes["capture"] / 1024))
        shared = (offer + record.times(-1)).times(1 / offered_together)
        # The camera's bytes are counted ahead, a part of its limit by a write, and anew by a function that starts.
        counts = PICTURE_BYTES * PARTS / (DEFAULT_CAPTURE_MB_A_DAY * MB) + self.cold_share(a_day) / offered_together
        own = record.times(min(offered_together, 2)) + Quantities(
            s3_puts=1, sqs_requests=3, dynamodb_write_units=counts
        )
        if outcome == "capture_empty":
            return shared + own + self._run("ingest", outcome, a_day)  # nobody to search for
        return shared + own + self._run("ingest", outcome, a_day, searches=1) + self._searched(a_day)

    def mean_capture(self) -> Quantities:
        """Return the quantities of one capture, of visitors as OUTCOMES has them."""
        found = Quantities()
        for outcome, share in OUTCOMES.items():
            found += self.capture(outcome).times(share)
        return found

    def per_thousand(self) -> dict[str, Quantities]:
        """Return the quantities of a thousand of each operation that the report prices, by its printed name."""
        one = {
            "API search, somebody known": self.search("search_match"),
            "API search, nobody": self.search("search_nobody"),
            "one-face capture, still there": self.capture("capture_within"),
            "still there, offered in tens": self.capture("capture_within", 10),
            "one-face capture, comes again": self.capture("capture_arrival"),
            "comes again, offered in tens": self.capture("capture_arrival", 10),
            "one-face capture, new": self.capture("capture_new"),
            "capture without a face": self.capture("capture_empty"),
            "new 10 %, again 40 %, there 50 %": self.mean_capture(),
            "enrolment over the API": self._api("enrol", self.load.searches_a_day),
            "page of faces over the API": self._api("list_faces", self.load.searches_a_day),
        }
        return {name: quantities.times(1000) for name, quantities in one.items()}

    def month(self) -> Quantities:
        captures, searches = self.load.captures_a_day * DAYS, self.load.searches_a_day * DAYS
        found = self.idle() + self.search().times(searches)
        found += self.mean_capture().times(captures)
        if captures:
            found += self.camera().times(self.load.cameras)
        unsealed = min(searches, DAYS * OPEN_MINUTES_A_DAY / UNSEALED_MINUTES)
        found += Quantities(traces=TRACED * (captures + searches), kms_requests=unsealed)
        new = captures * OUTCOMES["capture_new"]
        # The nightly search for lost captures reads the records of some days, and one night a week all.
        looked_at = (6 * NIGHT_DAYS + KEPT.days) / 7
        records = self.load.captures_a_day * looked_at * self.figures.bytes["capture"] / 4096
        found += Quantities(dynamodb_read_units=LOOKS * new + DAYS * records)
        # All metrics, though those of failures are not sent in a good month.
        found += Quantities(metrics=self.figures.standing["metrics"] - len(IDLE_METRICS) if captures else 0)
        return found + self._snapshots(new) + self._stored(captures, searches)

    def camera(self) -> Quantities:
        """Return the quantities of a camera's heartbeats in a month."""
        return self._run("api_handler", "heartbeat", HEARTBEATS_A_DAY).times(HEARTBEATS_A_DAY * DAYS)

    def hook(self) -> Quantities:
        """Return the quantities of a month in which a hook is told of everybody who is new or comes again.

        Ingest stores the event in its transaction, and sends a message, which Lambda's poller receives and deletes.
        """
        a_day = self.load.captures_a_day * (OUTCOMES["capture_new"] + OUTCOMES["capture_arrival"])
        told = self._run("deliver", "deliver", a_day, besides_ms=HOOK_MS)
        return (told + Quantities(sqs_requests=3 * GROUPED, dynamodb_write_units=2)).times(a_day * DAYS)

    def idle(self) -> Quantities:
        """Return the quantities of a month without visitors: standing resources and scheduled runs."""
        standing = self.figures.standing
        found = Quantities({name: standing[name] for name in ("keys", "alarms", "dashboards")})
        found += self._polled(POLLS_A_MINUTE) + Quantities(metrics=len(IDLE_METRICS))
        for name, (operation, runs) in SCHEDULES.items():
            # Each run counts as cold. For `watch` that is an upper bound: it runs every five minutes, so may stay warm.
            found += self._run(name, operation, 0.0, repeats=self.load.tenants).times(runs)
        return found + self._canary().times(CANARY_A_DAY * DAYS) + self._swept()

    def peer(self) -> Quantities:
        """Return what Amazon Rekognition charges for the same month.

        That is one call a search or capture, one more to index somebody new, and the faces that it holds when it ends.
        """
        new = self.load.captures_a_day * DAYS * OUTCOMES["capture_new"]
        calls = DAYS * (self.load.searches_a_day + self.load.captures_a_day) + new
        ends = [*list(PEERS_STEPS.values())[1:], math.inf]
        steps = zip(PEERS_STEPS, PEERS_STEPS.values(), ends, strict=True)
        found = Quantities({name: min(max(calls - start, 0), end - start) for name, start, end in steps})
        return found + Quantities(faces=self.load.faces + new)

    def besides(self) -> dict[str, Quantities]:
        """Return what a month costs more with each choice or after some years, by its printed name."""
        rotated = Quantities(keys=ROTATIONS_CHARGED * self.figures.standing["keys"])
        return {
            "a further camera's heartbeats": self.camera(),
            "a hook that is told who comes": self.hook(),
            "alarms that AlarmTopic is told of": Quantities(alarms=self.figures.standing["alarms_told"]),
            "CustomerKey for tables, buckets": Quantities(keys=1, kms_requests=self._table_keys()),
            "key of secrets, rotated twice": rotated,
            "SecretsParameter, not that key": self.without_key(self.month()),
        }

    def without_key(self, quantities: Quantities) -> Quantities:
        """Return what is taken off these quantities if a parameter of SSM seals the secrets: KMS is not asked then."""
        return Quantities({name: -quantities[name] for name in ("keys", "kms_requests")})

    def without_limits(self) -> Quantities:
        """Return what is taken off a month in which nobody comes if queues have no limits of runs (QueueLimits off)."""
        return self._polled(LEAST_POLLS_A_MINUTE - POLLS_A_MINUTE)

    def _polled(self, a_minute: float) -> Quantities:
        """Return a month's requests to all queues that functions listen to, of so many a minute to each."""
        return Quantities(sqs_requests=self.figures.standing["pollers"] * a_minute * 60 * 24 * DAYS)

    def _table_keys(self) -> float:
        """Return how often DynamoDB asks KMS for tables' keys in a month, if a customer's key encrypts them."""
        captures, searches = self.load.captures_a_day * DAYS, self.load.searches_a_day * DAYS
        sweeps = 24 * DAYS
        runs = {
            "watch": SCHEDULES["watch"][1],
            "send_sweeps": sweeps,
            "sweep": sweeps,
            "search_nobody": CANARY_A_DAY * DAYS,
            "search_match": searches,
            "offer": captures,
            "capture_new": captures,
        }
        periods = 24 * 60 * DAYS / TABLE_KEY_MINUTES
        return sum(min(count, periods) * self.figures.used[name].tables for name, count in runs.items())

    def _canary(self) -> Quantities:
        """Return the quantities of one run of the canary, which is always warm, and of the search that it sends."""
        own = Quantities(
            lambda_requests=1,
            lambda_gb_s=CANARY_MS / 1000 * self.figures.memory_mb["canary"] / 1024,
            log_gb=LOG_BYTES / 1e9,
            log_stored_gb=LOG_BYTES / 1e9,
            dynamodb_read_units=1,  # the tenant's record
            kms_requests=2,  # the tenant's key, unsealed by the canary and by the api function
        )
        return own + self._api("search_nobody", CANARY_A_DAY, searches=1) + self._searched(CANARY_A_DAY)

    def _swept(self) -> Quantities:
        """Return the quantities of a month's sweeps of all tenants, which find nothing changed.

        Each hour, as many runs are cold as there are at once. Each night, one looks for what is kept no longer. Once a
        month, the face of each picture is read.
        """
        tenants = self.load.tenants
        cold = min(tenants, SWEEPS_AT_ONCE)
        hourly = self._run("build_index", "sweep", 0.0).times(cold)
        hourly += self._run("build_index", "sweep", math.inf).times(tenants - cold)
        hourly += Quantities(sqs_requests=2 * GROUPED * tenants)
        pages = tenants * max(1, math.ceil(self._gallery / 1000))
        listing_s = WAIT_MS["s3 put"] / 1000 * pages
        gigabytes = self.figures.memory_mb["build_index"] / 1024
        listed = Quantities(s3_puts=pages, lambda_gb_s=listing_s * gigabytes).times(LISTINGS)
        nightly = self._run("build_index", "retention", math.inf).times(tenants)
        found = hourly.times(24 * DAYS) + nightly.times(DAYS) + listed
        return found + Quantities(dynamodb_read_units=self.load.faces)

    def _api(self, operation: str, a_day: float, searches: int = 0) -> Quantities:
        return Quantities(api_requests=1) + self._run("api_handler", operation, a_day, searches=searches)

    def _run(
        self,
        function: str,
        operation: str,
        a_day: float,
        *,
        searches: int = 0,
        repeats: int = 1,
        besides_ms: float = 0.0,
    ) -> Quantities:
        """Return the quantities of one run that does the operation `repeats` times, with `searches` calls of search.

        `besides_ms`: how long each waits for others besides.
        """
        used = self.figures.used[operation]
        waited_ms = waiting_ms(used.waits) + besides_ms + searches * self._waiting_for_search_ms(a_day)
        busy_ms = self.figures.here_ms[operation] * self._stretch(function)
        calls = {what: float(used.calls.get(service, 0)) for service, what in CHARGED_CALLS.items()}
        once = Quantities(dynamodb_write_units=used.writes, dynamodb_read_units=used.reads, **calls)
        return self._charged(function, a_day, repeats * (busy_ms + waited_ms)) + once.times(repeats)

    def _searched(self, a_day: float) -> Quantities:
        """Return the quantities of the search function's own run, if any. Its reads count among the caller's."""
        return Quantities() if self._is_near else self._charged("search", a_day, self._search_ms())

    def _waiting_for_search_ms(self, a_day: float) -> float:
        if self._is_near:
            return SCAN_MS + self.cold_share(a_day) * LOAD_MS
        return INVOKE_MS + self._search_ms()

    @property
    def _is_near(self) -> bool:
        """Return whether galleries are so small that they are searched in the function that asks."""
        return self._gallery <= NEAR_FACES

    @property
    def _gallery(self) -> float:
        """Return how many faces one tenant has."""
        return self.load.faces / max(1, self.load.tenants)

    def _search_ms(self) -> float:
        return SEARCH_MS + SEARCH_MS_PER_FACE * self._gallery

    def _charged(self, function: str, a_day: float, warm_ms: float) -> Quantities:
        cold = self.cold_share(a_day)
        ms = warm_ms + cold * self.figures.cold_ms[function] * self._stretch(function)
        gigabytes = self.figures.memory_mb[function] / 1024
        disk_gigabytes = (self.figures.disk_mb.get(function, FREE_DISK_MB) - FREE_DISK_MB) / 1024
        return Quantities(
            lambda_requests=1,
            lambda_gb_s=ms / 1000 * gigabytes,
            lambda_disk_gb_s=ms / 1000 * disk_gigabytes,
            log_gb=LOG_BYTES / 1e9,
            log_stored_gb=LOG_BYTES / 1e9,
            # A cold start decrypts the secrets that it needs.
            kms_requests=cold,
        )

    def _stretch(self, function: str) -> float:
        """Return how many milliseconds the function takes on Lambda for one millisecond of the measurements.

        A function with less memory than CORE_MB has only a share of a core.
        """
        return self.slowdown * max(1.0, CORE_MB / self.figures.memory_mb[function])

    def cold_share(self, a_day: float) -> float:
        """Return the share of requests that find no warm function, if they come at random (a Poisson process)."""
        return max(LEAST_COLD, math.exp(-self._a_minute(a_day) * KEPT_WARM_MINUTES))

    def _a_minute(self, a_day: float) -> float:
        return a_day / OPEN_MINUTES_A_DAY

    def _snapshots(self, changes: float) -> Quantities:
        """Return the quantities of a month's snapshots: one for SNAPSHOT_EVERY changes, and one a tenant and day."""
        if not changes:
            return Quantities()
        used = self.figures.used["build_index"]
        built = self._charged("build_index", 0.0, 1000 + 0.02 * self._gallery * self.slowdown)
        built += Quantities(s3_puts=1, s3_gets=4, sqs_requests=3 * GROUPED)
        built += Quantities(dynamodb_write_units=used.writes, dynamodb_read_units=used.reads)
        # A snapshot deletes the journal behind it, an item a change. `capture_new` counts the write of that item.
        trimmed = Quantities(dynamodb_write_units=changes * TRIMMED_UNITS)
        return built.times(changes / SNAPSHOT_EVERY + min(changes, DAYS * self.load.tenants)) + trimmed

    def kept(self, faces: float) -> Quantities:
        """Return the gigabytes of so many faces, with their pictures and their part of the snapshots."""
        items = faces * self.figures.bytes["face"] / 1e9
        pictures = faces * (PORTRAIT_BYTES + 2 * SNAPSHOT_BYTES_PER_FACE) / 1e9
        return Quantities(dynamodb_gb=items, dynamodb_recovery_gb=items, s3_gb=pictures)

    def _stored(self, captures: float, searches: float) -> Quantities:
        """Return the gigabytes stored after one month. Each further month adds as many records again."""
        size = self.figures.bytes
        seen = (captures * (size["capture"] + size["observation"]) + searches * size["observation"]) / 1e9
        pictures = captures / DAYS * CAPTURE_DAYS * PICTURE_BYTES / 1e9
        seen_too = Quantities(dynamodb_gb=seen, dynamodb_recovery_gb=seen, s3_gb=pictures)
        return self.kept(self.load.faces + captures * OUTCOMES["capture_new"]) + seen_too
