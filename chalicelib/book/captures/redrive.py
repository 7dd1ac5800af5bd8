"""Captures are sent again: when their event was lost or waited for long, when a box starts, and
when an operator asks for parked ones.

Sending parks nothing: a capture may only wait behind others. An attempt is counted just before the
picture is decoded, so that it survives a kill, and no longer when the picture's faces are read:
storage's failures count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING
from zlib import crc32

from chalicelib import telemetry
from chalicelib.domain.captures import Capture, CaptureState
from chalicelib.domain.errors import (
    Busy,
    ConditionFailed,
    RegularsError,
    StorageUnavailable,
    Unusable,
)
from chalicelib.domain.jobs import NIGHT_DAYS, NIGHT_HOUR, STOPS_AT_S, JobContext, Unfinished
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    camera_ids,
    captures_of,
    count_attempts,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import SENT_AGAIN, Item, Update, equals, exists, picture_event
from chalicelib.storage.records.captures import ATTEMPTS, SENT_AT, STEP, capture_from
from chalicelib.storage.values import milliseconds, moment
from chalicelib.telemetry import STUCK_AGE

if TYPE_CHECKING:
    from chalicelib.book.book import Book

LOST_AFTER = timedelta(minutes=15)
"""`watch` and the nightly sweep send a capture that was offered this long ago and is not resolved:
its event is lost, or waits behind others."""

STUCK_AFTER = timedelta(minutes=3)
"""A capture that was offered this long ago, and whose picture is here, should be resolved. `watch`
reports the oldest that is not: two reports in a row are at most 13 minutes behind the first such
capture, and raise an alarm."""

EACH_HOUR = timedelta(hours=3)
"""How far back the sweep looks for such captures, by the time when they were taken; at night for
NIGHT_DAYS. So it finds those of a camera that was away for an hour and a half, and those of a sweep
that failed. One night a week it looks at all of a camera: one that was away for long offers old
ones."""

SENT_AGAIN_AFTER = timedelta(hours=12)
"""It is sent once more after this long. A queue that stands still keeps its messages, so copies
help nobody."""


class Redrive(Service["Book"]):
    page_size: int = 1_000

    def list_parked(self, tenant: Tenant, camera_id: str | None = None) -> list[Capture]:
        """Return the parked captures of a camera, or of all cameras ever, by camera, oldest
        first."""
        items = captures_of(self.services.items, tenant.name, camera_id)
        return [capture_from(item) for item in items if item["state"] == CaptureState.PARKED]

    def redrive(self, tenant: Tenant, captures: list[Capture]) -> int:
        """Send parked captures again; return how many.

        Raises Busy, StorageUnavailable; some may be sent by then.
        """
        unparked = (capture for capture in captures if self._unpark(tenant, capture))
        return sum(self.send(tenant.name, capture.camera_id, capture.id) for capture in unparked)

    def send_all_lost(
        self, tenant: Tenant, captured_in: timedelta | None = None, after: timedelta = LOST_AFTER
    ) -> int:
        """Send again the unresolved captures whose picture is stored; return their number.

        Those that were offered less than `after` ago, or sent less than SENT_AGAIN_AFTER ago, are
        left out. `captured_in`: only those of that time before now that were also taken `after`
        ago, which are few to read.
        """
        now = self.services.clock.now()
        first_ms = 0 if captured_in is None else milliseconds(now - captured_in)
        last_ms = keys.LAST_MS if captured_in is None else milliseconds(now - after)
        items = captures_of(self.services.items, tenant.name, None, first_ms, last_ms)
        return sum(
            self._send_lost(tenant, item, now) for item in items if _is_overdue(item, now, after)
        )

    def watch_recent(self, tenant: Tenant, captured_in: timedelta) -> None:
        """Report the age of the oldest capture that is stuck, and send the lost ones, as
        `send_all_lost` does.

        `captured_in`: only those that were taken in that time before now, which are few to read.
        """
        now = self.services.clock.now()
        first_ms, last_ms = milliseconds(now - captured_in), milliseconds(now - STUCK_AFTER)
        items_by_camera = [
            [*captures_of(self.services.items, tenant.name, camera, first_ms, last_ms)]
            for camera in camera_ids(self.services.items, tenant.name)
        ]
        # reported first: if nothing can be sent, that is why they are stuck
        for items in items_by_camera:
            stuck = (item for item in list_stuck(items, now) if self._has_picture(tenant, item))
            if oldest := next(stuck, None):
                telemetry.at_least(STUCK_AGE, (now - moment(oldest["offered_at"])).total_seconds())
        for item in chain.from_iterable(items_by_camera):
            if _is_overdue(item, now, LOST_AFTER):
                self._send_lost(tenant, item, now)

    def send_lost_of_hour(self, context: JobContext) -> Unfinished | None:
        """Send lost captures, as `send_all_lost` does, camera by camera, as far back as this hour's
        sweep looks.

        If the time runs out, it returns the place `camera/capture`, from which the next call goes
        on.
        """
        now, (first_camera, _, first_capture) = (
            self.services.clock.now(),
            context.after.rpartition("/"),
        )
        is_night = context.hour.hour == NIGHT_HOUR
        look_back = timedelta(days=NIGHT_DAYS) if is_night else EACH_HOUR
        for camera in camera_ids(self.services.items, context.tenant.name):
            if camera < first_camera:
                continue
            looks_at_all = is_night and are_all_looked_at(
                keys.captures(context.tenant.name, camera), context.hour
            )
            low, high = keys.capture_range(
                0 if looks_at_all else milliseconds(now - look_back), keys.LAST_MS
            )
            capture_range = (max(low, first_capture) if camera == first_camera else low, high)
            size = self.page_size
            items = captures_of(
                self.services.items,
                context.tenant.name,
                camera,
                between=capture_range,
                page_size=size,
            )
            for number, item in enumerate(items, 1):
                if number > self.page_size and context.remaining_s() < STOPS_AT_S:
                    return Unfinished(f"{camera}/{item['capture']}")
                if _is_overdue(item, now, LOST_AFTER):
                    self._send_lost(context.tenant, item, now)
        return None

    def send(self, tenant: str, camera_id: str, capture_id: str) -> int:
        """Put the capture among those of its tenant; return 1. Raises Busy, StorageUnavailable."""
        event = picture_event(SENT_AGAIN, keys.capture_picture(tenant, camera_id, capture_id))
        self.services.storage.captures_queue.send(event, group=tenant)
        return 1

    @contextmanager
    def count_attempt(self, item: Item) -> Iterator[None]:
        """Count an attempt while the picture is open, so that it stays counted if the process dies
        in the block.

        `item`: the capture as it was read. When the block ends, or storage or contention ends it,
        nothing is counted any more, since the picture does no harm. Another error in the block
        stays counted. Raises Unusable if MAX_ATTEMPTS attempts have not ended, ConditionFailed
        (STEP) if another worker was first; Busy, StorageUnavailable.
        """
        attempts, key = int(item.get(ATTEMPTS, 0)), (item["tenant_camera"], item["capture"])
        if attempts >= MAX_ATTEMPTS:
            raise Unusable(
                f"its picture was opened {attempts} times and none came to an end: each time the "
                "service died or failed"
            )
        if_same = (equals(ATTEMPTS, item.get(ATTEMPTS), STEP), equals("state", item["state"], STEP))
        try:
            write(
                self.services.items,
                [
                    Update(
                        keys.CAPTURES, key, if_same, set={ATTEMPTS: attempts + 1}, repeatable=True
                    )
                ],
            )
            yield
        except ConditionFailed:
            raise
        except RegularsError:  # of the write, too: it may be done, and its answer lost
            self._forget_attempts(key)
            raise
        self._forget_attempts(key)

    def is_last_attempt(self, item: Item) -> bool:
        """Return whether no attempt follows this one if it does not end.

        `item`: the capture as it was read before the attempt.
        """
        return int(item.get(ATTEMPTS, 0)) >= MAX_ATTEMPTS - 1

    def _forget_attempts(self, key: tuple[str, str]) -> None:
        """Count nothing any more.

        If storage refuses all tries, the attempts stay until the next one ends.
        """
        action = Update(
            keys.CAPTURES,
            key,
            (exists("offered"),),
            remove=(ATTEMPTS,),
            repeatable=True,
            lasts=False,
        )
        for _ in count_attempts(_TRIES_TO_FORGET):
            with suppress(Busy, StorageUnavailable):
                write_unless_changed(self.services.items, [action])
                return

    def _send_lost(self, tenant: Tenant, item: Item, now: datetime) -> int:
        """Send the capture, then note it.

        If that is cut off in between, or another does it too, it is sent twice.
        """
        if not self._has_picture(tenant, item):
            return 0
        capture = capture_from(item)
        self.send(tenant.name, capture.camera_id, capture.id)
        key = keys.capture(tenant.name, capture.camera_id, capture.id)
        waits = (equals("state", item["state"], "still-waits"),)
        write_unless_changed(
            self.services.items,
            [Update(keys.CAPTURES, key, waits, set={SENT_AT: milliseconds(now)})],
        )
        return 1

    def _has_picture(self, tenant: Tenant, item: Item) -> bool:
        capture = capture_from(item)
        picture_key = keys.capture_picture(tenant.name, capture.camera_id, capture.id)
        return self.services.storage.uploads.size(picture_key) is not None

    def _unpark(self, tenant: Tenant, capture: Capture) -> bool:
        key = keys.capture(tenant.name, capture.camera_id, capture.id)
        if_parked = equals("state", CaptureState.PARKED, "still-parked")
        removed_fields = ("reason", ATTEMPTS, SENT_AT)
        action = Update(
            keys.CAPTURES,
            key,
            (if_parked,),
            set={"state": CaptureState.STORED},
            remove=removed_fields,
        )
        return write_unless_changed(self.services.items, [action])


def list_stuck(items: Sequence[Item], now: datetime) -> list[Item]:
    """Return the captures of one camera that were offered STUCK_AFTER ago and are not resolved,
    oldest first.

    Parked ones count if none behind them is resolved: so a camera is told that sends what nobody
    can read, and one bad picture among good ones is not.
    """
    last_resolved = max(
        (n for n, item in enumerate(items) if item["state"] == CaptureState.RESOLVED), default=-1
    )
    waiting = (CaptureState.WANTED, CaptureState.STORED)
    return [
        item
        for number, item in enumerate(items)
        if item["state"] in waiting
        or (item["state"] == CaptureState.PARKED and number > last_resolved)
        if now - moment(item["offered_at"]) >= STUCK_AFTER
    ]


def are_all_looked_at(partition: str, night: datetime) -> bool:
    """Tell whether tonight is the night of the week on which all captures of a camera are checked.

    Each camera has its own, so that not all tenants' long looks are in the same night.
    """
    return crc32(partition.encode()) % 7 == night.isoweekday() % 7


def _is_overdue(item: Item, now: datetime, after: timedelta) -> bool:
    if (
        item["state"] not in (CaptureState.WANTED, CaptureState.STORED)
        or now - moment(item["offered_at"]) < after
    ):
        return False
    return SENT_AT not in item or now - moment(item[SENT_AT]) >= SENT_AGAIN_AFTER


MAX_ATTEMPTS = 5
"""Attempts after one another that may begin with the picture and not end. The next one parks the
capture and does not open it."""

_TRIES_TO_FORGET = 5
"""Tries to delete the pictures of parked captures whose state changes meanwhile."""
