"""Scheduled jobs: the hourly ones of each tenant, and the watch that runs every few minutes.

Jobs of every hour: snapshots, merges, seals, joins, lost captures, and deletions. The schedule
sends a message for each tenant, so that no tenant waits for another, and one that fails is tried
again.

The watch reports cameras that need somebody, sends overdue events, and resolves captures whose
event was lost. On one box it also joins faces that are one person. book/cameras decides when a
camera is silent, captures/redrive how often a capture is tried.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.book.cameras import Silence, silent_at
from chalicelib.book.webhooks import OVERDUE
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import job
from chalicelib.domain.captures import Camera
from chalicelib.domain.errors import Busy, TenantNotFound
from chalicelib.domain.events import CameraSilent, CameraUnwell, CameraWell
from chalicelib.domain.jobs import (
    JOINS,
    NIGHT_HOUR,
    OWED,
    STOPS_AT_S,
    TRUSTED,
    Called,
    Job,
    JobContext,
    Jobs,
    Unfinished,
    judge_clock,
)
from chalicelib.domain.model import Tenant
from chalicelib.domain.rules.camera_states import Trouble, choose_trouble, judge_anew
from chalicelib.domain.webhooks import Event
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import write, write_unless_changed
from chalicelib.storage.ports import Put, Update, absent, equals, exists
from chalicelib.storage.records.captures import trouble_update
from chalicelib.storage.values import Codec, milliseconds, moment, parse_optional, time_text
from chalicelib.telemetry import STUCK_AGE, SWEEP_AGE, log_failure, report_failure

if TYPE_CHECKING:
    from chalicelib.services import Services

_log = logging.getLogger(__name__)

_CALLED = Codec(Called)


class Sweep(Service["Services"]):
    """The hourly jobs of all services that have some."""

    def request_sweeps(self, hour: datetime) -> None:
        """Inspect the storage, and send a message for each tenant.

        `hour`: the time at which the schedule called.
        """
        self.services.readiness.inspect()
        for tenant in self.services.tenants.list_all():
            try:
                self._send_message(tenant, hour, self._list_due_jobs(tenant, hour))
            except Exception as error:
                report_failure(error, f"tenant {tenant.name} is swept in the next hour")

    def handle_message(self, body: str, received: int, remaining_s: Callable[[], float]) -> None:
        """Do the work of a message of the index queue. Its members say which work that is.

        - "hour", "chores" and "after": do these jobs of a tenant.
        - "erasure": go on with this erasure.
        - "group": go on with deleting the faces of this group.
        - "consents": restrict all people whose consent has expired.
        - none of these: build a snapshot, and on AWS have faces joined that are one person, behind
          all that waits. On one box the watch joins them, so that no day waits to be sealed.

        `received`: how often the message was received. The second time, each of its jobs gets a
        message of its own, so that one that never ends holds up no other. `remaining_s`: returns
        how long this run may still take. Raises Busy if a job failed, and what `build` raises.
        """
        message = json.loads(body)
        telemetry.of_tenant(message["tenant"])
        # here is time for all of them: who reads the tenant restricts some only
        if "consents" in message:
            with suppress(TenantNotFound):
                self.services.restrictions.restrict_expired(
                    self.services.tenants.read_stored(message["tenant"]), remaining_s=remaining_s
                )
            return
        tenant = self.services.tenants.find(message["tenant"])
        if tenant is None:
            return  # it was erased since
        if "erasure" in message:
            self.services.erasure.steps.go_on(tenant, message["erasure"], remaining_s)
        elif "group" in message:
            if message["group"] in tenant.gone:  # else an earlier run, or the sweep, has erased it
                self.services.deletion.groups.erase_faces(tenant, message["group"], remaining_s)
        elif "hour" not in message:
            self.services.index.build(message["tenant"], erase=False)
            if self.services.storage.expires_items:
                self.services.request_jobs(tenant.name, [JOINS])
        else:
            self._sweep_by_message(tenant, message, received, remaining_s)

    def _sweep_by_message(
        self,
        tenant: Tenant,
        message: Mapping[str, Any],
        received: int,
        remaining_s: Callable[[], float],
    ) -> None:
        """Do the jobs that a message names.

        A message that came before is cut into one for each of its jobs.
        """
        hour, names = moment(message["hour"]), message["chores"]
        if (
            not self.services.storage.expires_items
            and abs(self.services.clock.now() - hour) > TRUSTED
        ):
            # it waited while the box was off, or the clock has jumped: the next call of the
            # schedule asks anew
            return
        if received > 1 and len(names) > 1:
            for name in names:
                self._send_message(tenant, hour, [name], is_part=True)
            return
        self.sweep_tenant(
            tenant,
            hour,
            names,
            message["after"],
            remaining_s,
            is_part=message.get("is_part", False),
        )

    def sweep_tenant(
        self,
        tenant: Tenant,
        hour: datetime,
        jobs: Sequence[str] = (),
        after: str = "",
        remaining_s: Callable[[], float] = lambda: float("inf"),
        *,
        is_part: bool = False,
    ) -> None:
        """Do a tenant's jobs.

        Each may be cut off anywhere and repeated; one that fails stops no other.

        `jobs`: their names; none: all. `after`: the place from which the first job goes on.
        `remaining_s`: returns how long this run may still take. `is_part`: whether other messages
        ask for other jobs, so that this does not count as a whole sweep.

        If the time runs out, a message for the jobs that are left is sent, which comes at once. The
        first job is always begun, so each run does something. Raises Busy if a job failed.
        """
        is_settled = partial(self._is_settled, tenant.name)
        all_jobs = self._list_jobs(hour)
        context = JobContext(tenant, hour, remaining_s, after, is_settled)
        failed: list[str] = []
        # another version may have others
        names = [name for name in jobs if name in all_jobs] or list(all_jobs)
        for number, name in enumerate(names):
            if number and remaining_s() < STOPS_AT_S:
                if failed:
                    failed += names[number:]
                    break
                self._send_message(tenant, hour, names[number:], is_part=is_part)
                return
            try:
                with audit_events.begin_audit_event(job(f"sweep {name}", tenant.name)):
                    result = all_jobs[name].do(context)
                    if isinstance(result, Unfinished):
                        self._send_message(tenant, hour, [name], result.after, is_part=True)
                    elif name in OWED:
                        self._note_sweep(tenant, name)
            except Exception as error:
                log_failure(error, f"the {name} of tenant {tenant.name} are swept again")
                failed.append(name)
        if failed:
            raise Busy(f"the sweep of tenant {tenant.name} did not do all: {', '.join(failed)}")
        if not is_part:
            self._note_sweep(tenant)

    def _note_sweep(self, tenant: Tenant, field: str = "at") -> None:
        """Note the time in a field of the tenant's record of sweeps: a job's name, or `at` for all
        jobs."""
        noted = {field: milliseconds(self.services.clock.now())}
        sweep_key = {"tenant": tenant.name, "item": keys.SWEPT_ITEM}
        update = Update(
            keys.DIRECTORY, (tenant.name, keys.SWEPT_ITEM), (exists("swept-before"),), set=noted
        )
        first = Put(keys.DIRECTORY, {**sweep_key, **noted}, (absent("not-swept"),))
        # Another sweep may make the record between the two, and note in it whom it told of: that is
        # not overwritten.
        any(
            write_unless_changed(self.services.items, [action])
            for action in (update, first, update)
        )

    def _list_due_jobs(self, tenant: Tenant, hour: datetime) -> list[str]:
        """Return the names of this hour's jobs.

        If the clock may be wrong, only those that do not depend on it.
        """
        is_doubted = self._doubts_clock(tenant)
        return [
            name
            for name, job in self._list_jobs(hour).items()
            if job.ignores_clock or not is_doubted
        ]

    def _doubts_clock(self, tenant: Tenant) -> bool:
        """Return whether the clock may be wrong.

        Note this call of the schedule, too: the next one is compared with it.

        On AWS, where storage expires items by itself, the clock is trusted.
        """
        if self.services.storage.expires_items:
            return False
        call = judge_clock(self._read_call(tenant.name), self.services.clock.now())
        if call.doubted_since is not None:
            _log.warning(
                "tenant %s was to be swept at %s last, and the clock says %s: set it if it is "
                "wrong. A sweep deletes "
                "what is kept no longer once the clock has run on for half an hour, or `regulars "
                "retention` does",
                tenant.name,
                time_text(call.believed_at),
                time_text(call.at),
            )
        item = {"tenant": tenant.name, "item": keys.CALLED_ITEM, **_CALLED.write(call)}
        write(self.services.items, [Put(keys.DIRECTORY, item)])
        return call.doubted_since is not None

    def _is_settled(self, tenant: str, at: datetime) -> bool:
        """Tell whether an earlier call of the schedule was behind a time, too.

        A clock that is trusted needs none, and neither does a sweep that no schedule asked for.
        """
        call = None if self.services.storage.expires_items else self._read_call(tenant)
        return call is None or (call.settled_at is not None and call.settled_at > at)

    def _read_call(self, tenant: str) -> Called | None:
        item = self.services.items.get(keys.DIRECTORY, (tenant, keys.CALLED_ITEM))
        return parse_optional(_CALLED.read, item)

    def _list_jobs(self, hour: datetime) -> dict[str, Job]:
        """Return this hour's jobs by name, in their order.

        First those that run whatever the clock says, such as erasures; last the storage's files,
        which all others leave traces in.
        """
        snapshots = Job(
            "snapshots",
            lambda context: self.services.index.build(context.tenant.name),
            ignores_clock=True,
        )
        wiping = Job(
            "files", lambda _: self.services.storage.wipe(), of_expired=True, ignores_clock=True
        )
        services = self.services
        owners: Sequence[Jobs] = (
            *(
                services.deletion,
                services.erasure,
                services.merges,
                services.statistics,
                services.cameras,
                services.counts.checks,
                services.captures,
                services.audit,
                services.done,
            ),
            *(
                services.sightings,
                services.requests,
                services.access,
                services.webhooks,
                services.face_sets,
                services.joining,
                services.tenants,
            ),
        )
        jobs = [*(job for owner in owners for job in owner.list_jobs()), snapshots]
        jobs.sort(key=lambda job: not job.ignores_clock)

        def is_due(job: Job) -> bool:
            if job.of_expired and services.storage.expires_items:
                return False
            return not job.nightly or hour.hour == NIGHT_HOUR

        return {job.name: job for job in [*jobs, wiping] if is_due(job)}

    def _send_message(
        self,
        tenant: Tenant,
        hour: datetime,
        jobs: Sequence[str],
        after: str = "",
        *,
        is_part: bool = False,
    ) -> None:
        """Send a message that asks for hourly jobs of a tenant.

        `jobs`: their names; `after`: the place at which the first of them goes on, "" for its
        begin. `is_part`: whether other messages do the rest of that hour's jobs.
        """
        body = {
            "tenant": tenant.name,
            "hour": milliseconds(hour),
            "chores": jobs,
            "after": after,
            "is_part": is_part,
        }
        self.services.storage.index_queue.send(json.dumps(body), group=tenant.name)


WATCHED_CAPTURES = timedelta(minutes=25)
"""How far back the watch looks for captures that are stuck, or whose event was lost: two runs can
send each again. The sweep looks further (captures/redrive)."""

_EVERY = timedelta(minutes=5)
"""How often the watch runs (infra/schedules and serve's scheduler)."""
_GOLDEN_RATIO = 0.618034
"""Multiples of it, modulo 1, spread evenly, however many there are."""


class Watch(Service["Services"]):
    """The jobs of every five minutes, for all tenants.

    On one box faces are joined, too: it costs nothing to look more often. A function would load the
    gallery each time.
    """

    def run(self, remaining_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Report the oldest sweep and stuck capture.

        Do all jobs of all tenants; one that fails holds up no other.

        `remaining_s`: returns how long this run may still take. Each run begins with another
        tenant, so that none waits for long if the time runs out. Silent cameras of a disabled
        tenant are not reported.
        """
        tenants = self.services.tenants.list_all()
        try:
            self._report_oldest_sweep(tenants)
        except Exception as error:
            report_failure(error, "how long tenants wait for a sweep is reported later")
        if (
            not self.services.storage.expires_items
        ):  # AWS charges for the hours in which a metric has a value: there none
            telemetry.at_least(STUCK_AGE, 0)
        first = choose_first_tenant(len(tenants), self.services.clock.now())
        for done_count, tenant in enumerate([*tenants[first:], *tenants[:first]]):
            if remaining_s() < STOPS_AT_S:
                waiting_count = len(tenants) - done_count
                _log.warning(
                    "the time ran out: %s of %s tenants wait for the next run",
                    waiting_count,
                    len(tenants),
                )
                return
            self._do_job("cameras", tenant, self._report_cameras)
            self._do_job("boxes", tenant, self.services.cameras.advance_wave)
            self._do_job("consents", tenant, self.services.restrictions.request_expiry)
            self._do_job("captures", tenant, self._watch_captures)
            self._announce_overdue(tenant, OVERDUE)
            if not self.services.storage.expires_items:
                self._do_job("faces", tenant, self.services.joining.join_tenant)

    def resume_all(self) -> None:
        """Resume all work that was cut off.

        Call this when a box starts: nothing else is at work then.

        A message that a killed process held comes again by itself, when the time is over for which
        it is hidden.
        """
        redrive = self.services.captures.redrive
        for tenant in self.services.tenants.list_all():
            self._do_job(
                "captures", tenant, lambda tenant: redrive.send_all_lost(tenant, after=timedelta(0))
            )
            self._announce_overdue(tenant, timedelta(0))

    def _watch_captures(self, tenant: Tenant) -> None:
        self.services.captures.redrive.watch_recent(tenant, WATCHED_CAPTURES)

    def _announce_overdue(self, tenant: Tenant, overdue: timedelta) -> None:
        """Begin again with deliveries whose message is lost.

        `overdue`: the age from which on one counts as lost.
        """
        outbox = self.services.webhooks.outbox
        self._do_job("outbox", tenant, lambda tenant: outbox.announce_overdue(tenant.name, overdue))

    def _do_job(self, subject: str, tenant: Tenant, work: Callable[[Tenant], object]) -> None:
        try:
            with audit_events.begin_audit_event(job(f"watch {subject}", tenant.name)):
                work(tenant)
        except Exception as error:
            report_failure(
                error, f"the {subject} of tenant {tenant.name} are looked at again later"
            )

    def _report_oldest_sweep(self, tenants: Sequence[Tenant]) -> None:
        """Report how long the tenant waits that waits longest for a whole sweep, so that no tenant
        is forgotten.

        The nightly jobs that people were told a date for (OWED) count as late a day after they were
        done.
        """
        items = self.services.items.get_many(
            keys.DIRECTORY, [(tenant.name, keys.SWEPT_ITEM) for tenant in tenants]
        )
        for tenant, item in zip(tenants, items, strict=True):
            done_ms = {
                **dict.fromkeys(("at", *OWED), milliseconds(tenant.created_at)),
                **(item or {}),
            }
            due_at = [moment(done_ms[name]) + timedelta(days=1) for name in OWED]
            age = self.services.clock.now() - min(moment(done_ms["at"]), *due_at)
            telemetry.at_least(SWEEP_AGE, age.total_seconds())

    def _report_cameras(self, tenant: Tenant) -> None:
        """Make an event of each camera that needs somebody since it was looked at, or does not any
        more, and log it."""
        if tenant.disabled:
            return
        now = self.services.clock.now()
        for camera, silence in self.services.cameras.list_watched(tenant, now):
            if silence is not None:
                self._report_silence(tenant, camera, silence, now)
            # one that gives nothing falls silent soon, which is told, unless it never does
            elif camera.failing_at is None or camera.silent_after_s is None:
                trouble = choose_trouble(camera, None, now)
                self._report_heard(tenant, camera, trouble, now)

    def _report_heard(
        self, tenant: Tenant, camera: Camera, trouble: Trouble | None, now: datetime
    ) -> None:
        """Note what is wrong with a camera that is heard, and tell it if it lasts, or has ended."""
        after = judge_anew(camera, trouble, now)
        is_told = after.told_trouble != camera.told_trouble
        event = make_trouble_event(after, camera, trouble, now) if is_told else None
        if after != camera:
            self._write_report(tenant, camera, trouble_update(tenant.name, camera, after), event)

    def _report_silence(
        self, tenant: Tenant, camera: Camera, silence: Silence, now: datetime
    ) -> None:
        trouble = choose_trouble(camera, silence, now) or Trouble(silence, is_blind=True)
        event = make_silence_event(camera, silence, trouble, now)
        update = _silence_update(tenant.name, camera, trouble, now)
        self._write_report(tenant, camera, update, event)

    def _write_report(
        self, tenant: Tenant, camera: Camera, update: Update, event: Event | None
    ) -> None:
        """Write an update of a camera and send its event, unless the camera was heard meanwhile, or
        another process reported it."""
        outbox = self.services.webhooks.outbox
        puts = outbox.make_delivery_puts(tenant.name, [event] if event else [])
        if not write_unless_changed(self.services.items, [update, *puts]) or event is None:
            return
        _log.warning("camera %s of tenant %s %s", camera.id, tenant.name, _describe(event))
        outbox.send_messages(tenant.name, puts)


def choose_first_tenant(count: int, now: datetime) -> int:
    """Return the number, from 0 to `count` - 1, of the tenant with which the run at this time
    begins.

    Multiples of the golden ratio, modulo 1, spread evenly. So runs that follow each other begin far
    apart.
    """
    run_number = now.timestamp() // _EVERY.total_seconds()
    return int(count * (run_number * _GOLDEN_RATIO % 1))


def make_silence_event(camera: Camera, silence: Silence, trouble: Trouble, now: datetime) -> Event:
    """Return the event of a silent camera, at the time when its silence became too long, or was
    noticed.

    The id depends only on the silence, so a silence that is reported twice has one event.
    """
    heard_at = camera.last_seen_at or camera.created_at
    is_quiet = silence is Silence.QUIET
    data = CameraSilent(
        name=camera.name,
        last_seen_at=None if camera.last_seen_at is None else time_text(camera.last_seen_at),
        state=silence,
        silent_after_s=None if is_quiet else camera.silent_after_s,
        error=None if camera.failing_at is None else camera.status.get("error"),
        trouble=trouble.name,
    )
    return Event(
        id=f"{data.KIND}-{camera.id}-{milliseconds(heard_at)}",
        data=data,
        at=now if is_quiet else silent_at(camera),
        camera=camera.id,
    )


def make_trouble_event(
    after: Camera, before: Camera, trouble: Trouble | None, now: datetime
) -> Event:
    """Return the event that something is wrong with a camera that is heard, or is no more.

    It is at the time since when something is wrong; if that became worse or has ended, at `now`.
    `before`: the camera with what was told until now.
    """
    since = after.trouble_since or after.created_at
    begins = before.told_trouble == ""
    data = (
        CameraWell(name=after.name, was=before.told_trouble)
        if trouble is None
        else CameraUnwell(
            name=after.name,
            trouble=trouble.name,
            blind=trouble.is_blind,
            error=after.status.get("error"),
        )
    )
    id_ = f"{data.KIND}-{after.id}-{after.trouble or before.told_trouble}-{milliseconds(since)}"
    return Event(id=id_, data=data, at=since if begins else now, camera=after.id)


def _describe(event: Event) -> str:
    """Say an event of a camera in a line of the log."""
    data = event.data
    if isinstance(data, CameraSilent):
        since = "ever" if data.last_seen_at is None else f"since {data.last_seen_at}"
        is_silent = data.state == Silence.SILENT
        state = "fell silent" if is_silent else "is quieter than usual"
        return f"{state}: nothing came from it {since}"
    return f"needs somebody: {data.trouble}" if isinstance(data, CameraUnwell) else "is well again"


def _silence_update(tenant: str, camera: Camera, trouble: Trouble, now: datetime) -> Update:
    """Return the update that marks the camera as silent, and that as told, unless it was heard
    since it was read, or marked already."""
    last_seen_ms = parse_optional(milliseconds, camera.last_seen_at)
    when = (
        equals("last_seen_at", last_seen_ms, "still-silent"),
        equals("silent_since", None, "not-reported"),
    )
    told = replace(camera, trouble=trouble.name, trouble_since=now, told_trouble=trouble.name)
    update = trouble_update(tenant, camera, told)
    return replace(update, when=when, set={**update.set, "silent_since": milliseconds(now)})
