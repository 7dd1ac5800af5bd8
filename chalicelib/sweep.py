"""What is done by the clock? Chores of every hour for each tenant, and the watch of every few minutes.

Chores of every hour: snapshots, merges, joins, seals, lost captures, and deletions. The schedule sends a message for
each tenant, so that no tenant waits for another, and one that fails is tried again.

The watch reports silent cameras, sends overdue events, and resolves captures whose event was lost. On one box it also
joins faces that are one person. cameras decides when a camera is silent, captures/redrive how often a capture is tried.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from chalicelib.book.cameras import Silence, silent_at
from chalicelib.book.webhooks import OVERDUE
from chalicelib.book.words import acts, keys, telemetry
from chalicelib.book.words.acts import chore
from chalicelib.book.words.captures import Camera
from chalicelib.book.words.chores import (
    NIGHT_HOUR,
    OWED,
    STOPS_AT_S,
    TRUSTED,
    Called,
    Chore,
    ChoreContext,
    Chores,
    Rest,
    judge_clock,
)
from chalicelib.book.words.errors import Busy, ConditionFailed, RegularsError, TenantNotFound
from chalicelib.book.words.items import write, write_unless_changed
from chalicelib.book.words.model import Tenant
from chalicelib.book.words.ports import Put, Update, equals, exists
from chalicelib.book.words.telemetry import SWEEP_AGE, log_failure, report_failure
from chalicelib.book.words.values import Codec, milliseconds, moment, optional, time_text
from chalicelib.book.words.webhooks import Event, EventKind
from chalicelib.rights.outside import Outside

_log = logging.getLogger(__name__)

_CALLED = Codec(Called)


class Sweep(Outside):
    """The hourly chores of all rooms that have some."""

    def all(self, hour: datetime) -> None:
        """Inspect the parts that all share, and send a message for each tenant. `hour`: when the schedule called."""
        self.book.readiness.inspect()
        for tenant in self.book.tenants.all():
            try:
                self._send(tenant, hour, self._due(tenant, hour))
            except RegularsError as error:
                report_failure(error, f"tenant {tenant.name} is swept in the next hour")

    def message(self, body: str, received: int, left_s: Callable[[], float]) -> None:
        """Do the work of a message of the index queue: a tenant's chores, an erasure, that of a group's faces,
        restrictions of people whose consent has expired or, if it names none, snapshots.

        `received`: how often the message was received. The second time, each of its chores gets a message of its own,
        so that one that never ends holds up no other. `left_s`: how long this run may still take. Raises Busy if a
        chore failed, and what `build` raises.
        """
        asked = json.loads(body)
        telemetry.of_tenant(asked["tenant"])
        if "consents" in asked:  # here is time for all of them: who reads the tenant restricts some only
            with suppress(TenantNotFound):
                self.book.restrictions.expire(self.book.tenants.read_stored(asked["tenant"]), left_s=left_s)
            return
        tenant = self.book.tenants.find(asked["tenant"])
        if tenant is None:
            return  # it was erased since
        if "erasure" in asked:
            self.book.erasure.steps.go_on(tenant, asked["erasure"], left_s)
            return
        if "group" in asked:
            if asked["group"] in tenant.gone:  # else an earlier run, or the sweep, has erased it
                self.book.deletion.groups.erase_faces(tenant, asked["group"], left_s)
            return
        if "hour" not in asked:
            self.book.index.build(asked["tenant"], erase=False)
            with acts.begin_act(chore("index joining", asked["tenant"])):
                self.book.joining.join_tenant(tenant, left_s)
            return
        hour = moment(asked["hour"])
        if not self.book.storage.expires_items and abs(self.book.clock.now() - hour) > TRUSTED:
            return  # it waited while the box was off, or the clock has jumped: the next call of the schedule asks anew
        if received > 1 and len(asked["chores"]) > 1:
            for name in asked["chores"]:
                self._send(tenant, hour, [name], is_part=True)
            return
        self.tenant(tenant, hour, asked["chores"], asked["after"], left_s, is_part=asked.get("is_part", False))

    def tenant(
        self,
        tenant: Tenant,
        hour: datetime,
        chores: Sequence[str] = (),
        after: str = "",
        left_s: Callable[[], float] = lambda: float("inf"),
        *,
        is_part: bool = False,
    ) -> None:
        """Do chores of one tenant, or all. Each may be cut off anywhere and repeated; one that fails stops no other.

        `after`: the place from which the first goes on; `is_part`: other messages ask for the rest, so the tenant is
        not swept whole. Raises Busy if a chore failed. If the time runs out before one does, a message is sent for the
        rest, which comes at once. So each has done something.
        """
        all_chores, this = self._chores(hour), ChoreContext(tenant, hour, left_s, after)
        failed: list[str] = []
        todo = [name for name in chores if name in all_chores] or list(all_chores)  # another version may have others
        for number, name in enumerate(todo):
            if number and left_s() < STOPS_AT_S:
                if failed:
                    failed += todo[number:]
                    break
                self._send(tenant, hour, todo[number:], is_part=is_part)
                return
            try:
                with acts.begin_act(chore(f"sweep {name}", tenant.name)):
                    rest = all_chores[name].do(this)
                    if isinstance(rest, Rest):
                        self._send(tenant, hour, [name], rest.after, is_part=True)
                    elif name in OWED:
                        self._note(tenant, name)
            except Exception as error:
                log_failure(error, f"the {name} of tenant {tenant.name} are swept again")
                failed.append(name)
        if failed:
            raise Busy(f"the sweep of tenant {tenant.name} did not do all: {', '.join(failed)}")
        if not is_part:
            self._note(tenant)

    def _note(self, tenant: Tenant, done: str = "at") -> None:
        """Note when a chore was done, and as `at` when all were."""
        now, place = {done: milliseconds(self.book.clock.now())}, (tenant.name, keys.SWEPT_ITEM)
        update = Update(keys.DIRECTORY, place, (exists("swept-before"),), set=now)
        if not write_unless_changed(self.book.items, [update]):
            write(self.book.items, [Put(keys.DIRECTORY, {"tenant": place[0], "item": place[1], **now})])

    def _due(self, tenant: Tenant, hour: datetime) -> list[str]:
        """Return the names of this hour's chores, if the clock is wrong perhaps those only that it does not decide."""
        doubted = self._doubts(tenant)
        return [name for name, one in self._chores(hour).items() if one.by_no_clock or not doubted]

    def _doubts(self, tenant: Tenant) -> bool:
        """Note the call of the schedule, and tell whether the clock is doubted.

        Storage that expires items has a clock that can be trusted.
        """
        if self.book.storage.expires_items:
            return False
        noted = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.CALLED_ITEM))
        call = judge_clock(optional(_CALLED.read, noted), self.book.clock.now())
        if call.doubted_since is not None:
            _log.warning(
                "tenant %s was to be swept at %s last, and the clock says %s: set it if it is wrong. A sweep deletes "
                "what is kept no longer once the clock has run on for half an hour, or `regulars retention` does",
                tenant.name,
                time_text(call.believed_at),
                time_text(call.at),
            )
        item = {"tenant": tenant.name, "item": keys.CALLED_ITEM, **_CALLED.write(call)}
        write(self.book.items, [Put(keys.DIRECTORY, item)])
        return call.doubted_since is not None

    def _chores(self, hour: datetime) -> dict[str, Chore]:
        """Return this hour's chores by name, in their order: first what erases."""
        own = Chore("snapshots", lambda this: self.book.index.build(this.tenant.name), by_no_clock=True)
        wiping = Chore("files", lambda _: self.book.storage.wipe(), of_expired=True, by_no_clock=True)
        book = self.book
        rooms: Sequence[Chores] = (
            *(book.deletion, book.erasure, book.merges, book.statistics, book.cameras, book.captures, book.audit),
            *(book.sightings, book.requests, book.access, book.webhooks, book.subjects, book.joining, book.tenants),
        )
        of_rooms = [one for room in rooms for one in room.chores()]
        chores = sorted([*of_rooms, own], key=lambda one: not one.by_no_clock)
        return {
            one.name: one
            for one in [*chores, wiping]
            if (not one.nightly or hour.hour == NIGHT_HOUR) and not (one.of_expired and self.book.storage.expires_items)
        }

    def _send(
        self, tenant: Tenant, hour: datetime, chores: Sequence[str], after: str = "", *, is_part: bool = False
    ) -> None:
        body = {"tenant": tenant.name, "hour": milliseconds(hour), "chores": chores, "after": after, "is_part": is_part}
        self.book.storage.index_queue.send(json.dumps(body), group=tenant.name)


WATCHED_CAPTURES = timedelta(minutes=25)
"""How far back the watch looks for captures whose event was lost: two runs read each. The sweep looks further
(captures/redrive)."""

_EVERY = timedelta(minutes=5)
_GOLDEN_RATIO = 0.618034


class Watch(Outside):
    """The chores of every few minutes, for all tenants.

    On one box faces are joined, too: it costs nothing to look more often. A function would load the gallery each time.
    """

    def run(self, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Report the age of the oldest sweep, and do all chores of all tenants; one that fails holds up no other.

        Silent cameras of a disabled tenant are not reported. Each run begins with other tenants, so that none waits for
        long if the time runs out.
        """
        tenants = self.book.tenants.all()
        self._report_sweeps(tenants)
        first = begins_with(len(tenants), self.book.clock.now())
        for number, tenant in enumerate([*tenants[first:], *tenants[:first]]):
            if left_s() < STOPS_AT_S:
                _log.warning(
                    "the time ran out: %s of %s tenants wait for the next run", len(tenants) - number, len(tenants)
                )
                return
            self._do("cameras", tenant, self._report_silent)
            self._do("boxes", tenant, self.book.cameras.advance_wave)
            self._do("consents", tenant, self.book.restrictions.request_expiry)
            self._resume(tenant, captured_in=WATCHED_CAPTURES)
            if not self.book.storage.expires_items:
                self._do("faces", tenant, self.book.joining.join_tenant)

    def start(self) -> None:
        """Resume all work that was cut off. Call this when a box starts: nothing else is at work then.

        A message that a killed process held comes again by itself, when the time is over for which it is hidden.
        """
        for tenant in self.book.tenants.all():
            self._resume(tenant, timedelta(0), after=timedelta(0))

    def _resume(self, tenant: Tenant, overdue: timedelta = OVERDUE, **lost: timedelta) -> None:
        """Begin again with captures whose event, and with deliveries whose message is lost."""
        self._do("captures", tenant, lambda known: self.book.captures.redrive.send_all_lost(known, **lost))
        self._do("outbox", tenant, lambda known: self.book.webhooks.outbox.announce_overdue(known.name, overdue))

    def _do(self, subject: str, tenant: Tenant, work: Callable[[Tenant], object]) -> None:
        try:
            with acts.begin_act(chore(f"watch {subject}", tenant.name)):
                work(tenant)
        except Exception as error:
            report_failure(error, f"the {subject} of tenant {tenant.name} are looked at again later")

    def _report_sweeps(self, tenants: Sequence[Tenant]) -> None:
        """Report how long ago the tenant was swept whole whose sweep is the oldest, so that no tenant is forgotten.

        What is owed each night counts from the next night on.
        """
        swept = self.book.items.get_many(keys.DIRECTORY, [(tenant.name, keys.SWEPT_ITEM) for tenant in tenants])
        for tenant, item in zip(tenants, swept, strict=True):
            noted = {**dict.fromkeys(("at", *OWED), milliseconds(tenant.created_at)), **(item or {})}
            dated = [moment(noted[name]) + timedelta(days=1) for name in OWED]
            late = self.book.clock.now() - min(moment(noted["at"]), *dated)
            telemetry.at_least(SWEEP_AGE, late.total_seconds())

    def _report_silent(self, tenant: Tenant) -> None:
        if tenant.disabled:
            return
        now = self.book.clock.now()
        for camera, silence in self.book.cameras.list_silences(tenant, now):
            actions = [
                _silence_update(tenant.name, camera, milliseconds(now)),
                *self.book.webhooks.outbox.make_delivery_puts(tenant.name, [make_event(camera, silence, now)]),
            ]
            try:
                write(self.book.items, actions)
            except ConditionFailed:  # the camera was heard meanwhile, or another process reported it
                continue
            heard = "ever" if camera.last_seen_at is None else f"since {time_text(camera.last_seen_at)}"
            fell = "fell silent" if silence is Silence.SILENT else "is quieter than usual"
            _log.warning("camera %s of tenant %s %s: nothing came from it %s", camera.id, tenant.name, fell, heard)
            self.book.webhooks.outbox.announce(tenant.name, actions)


def begins_with(count: int, now: datetime) -> int:
    """Return which of so many the run of this time begins with; runs that follow each other begin far apart."""
    return int(count * (now.timestamp() // _EVERY.total_seconds() * _GOLDEN_RATIO % 1))


def make_event(camera: Camera, silence: Silence, now: datetime) -> Event:
    """Return the event of a silent camera, at the time when its silence became too long, or was noticed.

    The id depends only on the silence, so a silence that is reported twice has one event.
    """
    heard_at = camera.last_seen_at or camera.created_at
    is_quiet = silence is Silence.QUIET
    return Event(
        id=f"{EventKind.CAMERA_SILENT}-{camera.id}-{milliseconds(heard_at)}",
        kind=EventKind.CAMERA_SILENT,
        at=now if is_quiet else silent_at(camera),
        camera=camera.id,
        data={
            "name": camera.name,
            "last_seen_at": None if camera.last_seen_at is None else time_text(camera.last_seen_at),
            "state": silence,
            "silent_after_s": None if is_quiet else camera.silent_after_s,
            "error": None if camera.failing_at is None else camera.status.get("error"),
        },
    )


def _silence_update(tenant: str, camera: Camera, now_ms: int) -> Update:
    """Return the update that marks the camera as silent, unless it was heard since it was read, or marked already."""
    seen = None if camera.last_seen_at is None else milliseconds(camera.last_seen_at)
    still = (equals("last_seen_at", seen, "still-silent"), equals("silent_since", None, "not-reported"))
    return Update(keys.CAMERAS, (tenant, camera.id), still, set={"silent_since": now_ms})
