"""Retention: the sweep deletes data whose time is over, in steps; a dry run reports them
beforehand.

Both walk the list of places (privacy/data_map), whose clocks are the kinds here. Faces leave by the
ordinary deletion.

Captures: on AWS, S3 deletes pictures after the deployment's days and DynamoDB records after 120,
whatever is said here: a tenant may want it sooner. On one box nothing else deletes them. Faces
whose consent has ended are erased, or lose all but the template first (privacy/retention), and
learnt pictures go `learnt_days` after their capture.

Beside it the removal of pictures that were stored before a tenant, or one of its groups, ceased to
keep any. Later ones are not stored (face_pictures, captures/pictures). But a face may move to such
a group, and a crash may leave a picture behind, so all is looked through once a day.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.face_pictures import drop_unwanted_pictures
from chalicelib.book.visits import face_put
from chalicelib.domain.captures import capture_of, captured_ms
from chalicelib.domain.counts import MINUTES_KEPT
from chalicelib.domain.errors import Busy, FaceHeld, FaceNotFound
from chalicelib.domain.hooks import ENDED, UNSEEN
from chalicelib.domain.jobs import STOPS_AT_S, Due
from chalicelib.domain.model import Face, Group, Picture, Tenant
from chalicelib.domain.tenant_settings import (
    count_capture_days,
    count_ended_days,
    count_remembered_days,
    count_sighting_days,
)
from chalicelib.privacy.data_map import DATA_MAP, Marked
from chalicelib.privacy.erasure.traces import delete_stills
from chalicelib.privacy.retention import (
    LEAST_A_SWEEP,
    ONE_IN_A_SWEEP,
    OVERDUE_AFTER,
    SWEPT,
    Kind,
    Withheld,
    find_outlook,
    find_unseen_days,
    find_withheld,
    goes_at,
    unseen_since,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    captures_of,
    cut_in_parts,
    walk_items,
    write,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.storage.ports import BlobInfo, Delete, Put
from chalicelib.storage.records.captures import capture_from
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.records.merges import make_backup_update
from chalicelib.storage.records.observations import list_shown_faces
from chalicelib.storage.values import milliseconds, moment, time_text

if TYPE_CHECKING:
    from chalicelib.services import Services

SOON = timedelta(days=7)
"""How far ahead a dry run looks."""

MOST_COUNTED = 2_000
"""Things of one kind that a dry run counts at most: each has to be read."""

_A_STEP = 80
"""Things that are deleted between two looks at the clock: as many observations as one transaction
takes."""


_EVER = timedelta(days=40_000)
"""By then all that is stored now is due."""

_log = logging.getLogger(__name__)


class Planned(Struct, frozen=True):
    """Records of one kind that will go.

    `group`: of faces, its name; `days`: for how long it is kept, None: for ever.

    `now`: how many the next sweep deletes; `soon`: how many are gone within SOON, these included;
    `more`: there are more than were counted. `oldest`: since when the oldest of them was kept;
    None: nothing goes. `waits_until`: when the sweep deletes those of `now`, if it withholds them.
    """

    kind: Kind
    group: str | None
    days: int | None
    now: int = 0
    soon: int = 0
    more: bool = False
    oldest: datetime | None = None
    waits_until: datetime | None = None


_COUNTED = (Kind.OBSERVATIONS, Kind.COUNTED_HOURS)
"""Kinds that the figures of a day are counted from."""


class _RetainedKind(Struct, frozen=True):
    """A kind of records, and for how many days it is kept; None: for ever.

    `list_due`: lists the records that are due by a time; `delete`: deletes some of them.
    """

    kind: Kind
    group: str | None
    days: int | None
    list_due: Callable[[datetime], Iterator[Due[Any]]]
    delete: Callable[[Sequence[Any]], object]

    @property
    def name(self) -> str:
        words = self.kind.replace("_", " ")
        return words if self.group is None else f"{words} of group {self.group}"


class Retention(Service["Services"]):
    """Deletion of all data whose retention is over, and a note of what is too much for one sweep
    (privacy/retention)."""

    def sweep_tenant(
        self,
        tenant: Tenant,
        remaining_s: Callable[[], float] = lambda: float("inf"),
        *,
        swept_kinds: Collection[Kind] = SWEPT,
        is_confirmed: bool = False,
    ) -> bool:
        """Delete the tenant's data of these kinds whose retention is over; return False if the time
        ran out first.

        What is too much for one sweep (privacy/retention) waits. `is_confirmed`: somebody has
        confirmed that it goes, so nothing waits. May be cut off anywhere and repeated. Raises Busy,
        StorageUnavailable.
        """
        now, kinds = self.services.clock.now(), self._list_swept(tenant, swept_kinds)
        if not kinds:
            return True
        waiting_kinds = self._withhold(tenant, kinds, is_confirmed=is_confirmed)
        if any(one.kind in _COUNTED and one.name not in waiting_kinds for one in kinds):
            self.services.statistics.expiry.note_expiry(tenant, now)
        for retained_kind in kinds:
            if retained_kind.name in waiting_kinds:
                continue
            due_entries = retained_kind.list_due(now)
            while batch := [entry.what for entry in islice(due_entries, _A_STEP)]:
                retained_kind.delete(batch)
                if remaining_s() < STOPS_AT_S:
                    return False
        if Kind.OBSERVATIONS in swept_kinds:
            self.services.statistics.expiry.forget_days(tenant, now)
        return True

    def plan(self, tenant: Tenant) -> list[Planned]:
        """Return what is deleted now and soon, by kind and group.

        Deletes nothing, and reads what it counts.
        """
        now, waits = self.services.clock.now(), self.read_withheld(tenant)
        return [
            self._plan_kind(kind, now, waits.get(kind.name))
            for kind in self._list_kinds(tenant, tuple(Kind))
        ]

    def list_waiting(self, tenant: Tenant) -> Mapping[str, Withheld]:
        """Return the kinds of which a sweep now would withhold due deletions, by kind and group.

        Notes nothing.
        """
        withheld_kinds = self._judge_kinds(
            self._list_swept(tenant, tuple(Kind)),
            self._read_withheld(tenant),
            self.services.clock.now(),
        )
        return {name: withheld for name, withheld in withheld_kinds.items() if not withheld.is_over}

    def read_withheld(self, tenant: Tenant) -> Mapping[str, Withheld]:
        """Return the counts that the last sweep withheld, by kind and group."""
        return {
            name: withheld
            for name, withheld in self._read_withheld(tenant).items()
            if not withheld.is_over
        }

    def _withhold(
        self, tenant: Tenant, kinds: Sequence[_RetainedKind], *, is_confirmed: bool
    ) -> Mapping[str, Withheld]:
        """Note and return the kinds of which too much is due for one sweep, by name. They wait.

        `is_confirmed`: somebody has confirmed the deletion, so nothing waits. The notes of other
        kinds are kept for OVERDUE_AFTER.
        """
        now, withheld_before = self.services.clock.now(), self._read_withheld(tenant)
        names = {retained_kind.name for retained_kind in kinds}
        withheld_kinds = {
            name: withheld
            for name, withheld in withheld_before.items()
            if name not in names and now - withheld.at <= OVERDUE_AFTER
        }
        withheld_kinds |= {} if is_confirmed else self._judge_kinds(kinds, withheld_before, now)
        for name, withheld_kind in withheld_kinds.items():
            if withheld_kind.since == now:
                _log.warning(
                    "tenant %s keeps %d %s no longer, more than a fifth: they wait until %s. If "
                    "clock and days are "
                    "right, `regulars retention --tenant %s --all` deletes them at once",
                    tenant.name,
                    withheld_kind.number,
                    name,
                    time_text(withheld_kind.goes_at),
                    tenant.name,
                )
        self._note(tenant, withheld_before, withheld_kinds)
        return {
            name: withheld
            for name, withheld in withheld_kinds.items()
            if name in names and not withheld.is_over
        }

    def _judge_kinds(
        self, kinds: Sequence[_RetainedKind], before: Mapping[str, Withheld], now: datetime
    ) -> dict[str, Withheld]:
        """Return the kinds of which too much is due now for one sweep, by name.

        `before`: as the last sweep noted.
        """
        withheld_kinds = {}
        for retained_kind in kinds:
            name, read_due = retained_kind.name, retained_kind.list_due
            noted = before.get(name)
            if noted is not None and noted.holds_at(now, retained_kind.days):
                withheld_kinds[name] = noted
                continue
            overdue = sum(1 for _ in read_due(now - OVERDUE_AFTER))
            # Of all that is stored, only so much is counted as tells whether `overdue` is more than
            # a fifth of it.
            total = (
                sum(1 for _ in islice(read_due(now + _EVER), overdue * ONE_IN_A_SWEEP + 1))
                if overdue > LEAST_A_SWEEP
                else overdue
            )
            if withheld := find_withheld(noted, overdue, total, now):
                withheld_kinds[name] = replace(withheld, days=retained_kind.days)
        return withheld_kinds

    def _plan_kind(
        self, retained_kind: _RetainedKind, now: datetime, waits: Withheld | None
    ) -> Planned:
        """Count the records of a kind that go now and soon, MOST_COUNTED at most."""
        if retained_kind.days is None:
            return Planned(retained_kind.kind, retained_kind.group, None)
        entries = list(islice(retained_kind.list_due(now + SOON), MOST_COUNTED + 1))
        counted_entries = entries[:MOST_COUNTED]
        return Planned(
            retained_kind.kind,
            retained_kind.group,
            retained_kind.days,
            now=sum(entry.goes_at <= now for entry in counted_entries),
            soon=len(counted_entries),
            more=len(entries) > MOST_COUNTED,
            oldest=min((entry.since for entry in counted_entries), default=None),
            waits_until=waits.goes_at if waits else None,
        )

    def _list_swept(self, tenant: Tenant, swept_kinds: Collection[Kind]) -> list[_RetainedKind]:
        """List the kinds that end by the tenant's days, but those that storage itself deletes."""
        return [
            retained_kind
            for retained_kind in self._list_kinds(tenant, swept_kinds)
            if retained_kind.days is not None
            and not (
                self.services.storage.expires_items
                and self._is_left_to_storage(tenant, retained_kind.kind)
            )
        ]

    def _list_kinds(self, tenant: Tenant, kinds: Collection[Kind]) -> Iterator[_RetainedKind]:
        """Walk the kinds, each in the place that it ends (privacy/data_map), which says what is
        spared there."""
        spared_marks = Marked(self.services.items, tenant.name)
        places = {kind: place.name for place in DATA_MAP for kind in place.clocks}
        for kind in kinds:
            yield from self._list_retained(
                tenant, kind, partial(spared_marks.list_spared_faces, places[kind])
            )

    def _list_retained(
        self, tenant: Tenant, kind: Kind, read_spared: Callable[[], Collection[str]]
    ) -> Iterator[_RetainedKind]:
        """Yield the rules of a kind: for faces one a group, else one or none.

        `read_spared`: reads the ids of the faces of which nothing goes, since they are under hold
        or restricted.
        """
        observations = self.services.statistics.expiry
        match kind:
            case Kind.CAPTURES:
                days = count_capture_days(tenant, self.services.settings.capture_days)
                pictures = partial(self._list_pictures, tenant, faceids_on_hold=read_spared())
                yield _RetainedKind(kind, None, days, pictures, self._delete_pictures)
            case Kind.SIGHTINGS:
                records = partial(self._list_records, tenant, faceids_on_hold=read_spared())
                yield _RetainedKind(
                    kind,
                    None,
                    count_sighting_days(tenant),
                    records,
                    partial(write_in_parts, self.services.items),
                )
            case Kind.OBSERVATIONS:
                due = partial(observations.list_due, tenant, faceids_on_hold=read_spared())
                yield _RetainedKind(
                    kind, None, tenant.observation_days, due, partial(observations.delete, tenant)
                )
            case Kind.COUNTED_MINUTES:
                counts = self.services.counts
                due_minutes = partial(counts.list_due_minutes, tenant)
                yield _RetainedKind(
                    kind, None, MINUTES_KEPT.days, due_minutes, partial(counts.sum_minutes, tenant)
                )
            case Kind.COUNTED_HOURS:
                counts = self.services.counts
                due_hours = partial(counts.list_due_hours, tenant)
                yield _RetainedKind(
                    kind, None, tenant.observation_days, due_hours, counts.delete_hours
                )
            case Kind.FACES:
                for group in self.services.groups.list_all(tenant):
                    unseen = partial(self._list_unseen, tenant, group)
                    unseen_days = find_unseen_days(tenant, group)
                    delete = partial(self._delete_unseen, tenant)
                    yield _RetainedKind(kind, group.name, unseen_days, unseen, delete)
            case Kind.CONSENTS | Kind.REMEMBERED:
                is_last = kind is Kind.REMEMBERED
                count_days = count_remembered_days if is_last else count_ended_days
                ended = partial(self._list_ended, tenant, is_last)
                yield _RetainedKind(
                    kind, None, count_days(tenant), ended, partial(self._end_consents, tenant)
                )
            case Kind.LEARNT:
                if tenant.learnt_days is not None:
                    learnt = partial(self._list_learnt, tenant, spared_faceids=read_spared())
                    yield _RetainedKind(
                        kind,
                        None,
                        tenant.learnt_days,
                        learnt,
                        partial(self._remove_learnt_pictures, tenant),
                    )

    def _list_unseen(self, tenant: Tenant, group: Group, at: datetime) -> Iterator[Due[str]]:
        """Yield the faces of a group that nobody saw or changed for too long by then.

        The index by arrival has those first that were away longest, so it reads no more than these.
        """
        retention_period, in_review = timedelta(days=find_unseen_days(tenant, group) or 0), None
        for face in self.services.faces.list_by_arrival(
            tenant, group, until=at - retention_period, at_once=_A_STEP
        ):
            goes = goes_at(tenant, group, face)
            if goes is not None and goes <= at:
                in_review = (
                    self.services.sightings.reviews.find_reviewed_faces(tenant)
                    if in_review is None
                    else in_review
                )
                if face.faceid not in in_review:
                    yield Due(unseen_since(face), goes, face.faceid)

    def _delete_unseen(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Delete faces that are still unseen when they are deleted.

        Raises Busy if some were not.
        """
        now = self.services.clock.now()
        groups = {group.id: group for group in self.services.groups.list_all(tenant)}

        def is_unseen(face: Face) -> bool:
            goes = goes_at(tenant, groups[face.group_id], face) if face.group_id in groups else None
            return goes is not None and goes <= now

        if self.services.deletion.delete_faces(tenant, faceids, by=UNSEEN, only=is_unseen).failed:
            raise Busy(
                f"faces of tenant {tenant.name} that were not seen for long are changed by others: "
                "they go later"
            )

    def _is_left_to_storage(self, tenant: Tenant, kind: Kind) -> bool:
        own_days = {Kind.CAPTURES: tenant.capture_days, Kind.SIGHTINGS: tenant.sighting_days}
        return kind in own_days and own_days[kind] is None

    def _list_ended(self, tenant: Tenant, is_last: bool, at: datetime) -> Iterator[Due[str]]:
        """Yield the faces whose record of consent has ended and of which something goes before
        then, but those under legal hold.

        `is_last`: list those of whom only the template is left.
        """
        faces = self.services.restrictions.list_all(tenant)
        if not is_last:
            faces += self.services.consents.list_until(tenant, at)
        for face in faces:
            outlook = find_outlook(tenant, face)
            if (face.stripped_at is not None) is is_last and outlook and outlook.next_at <= at:
                yield Due(outlook.since, outlook.next_at, face.faceid)

    def _end_consents(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Erase faces whose record still has ended, or all but the template of those who are
        remembered: somebody may write another one, or hold a face, meanwhile."""

        def is_due(face: Face) -> bool:
            outlook = find_outlook(tenant, face)
            return (
                outlook is not None
                and outlook.stripped_at is None
                and outlook.erased_at <= self.services.clock.now()
            )

        self.services.deletion.delete_faces(tenant, faceids, by=ENDED, erase=True, only=is_due)
        for faceid in faceids:
            self.services.erasure.stripping.strip(tenant, faceid)

    def _list_learnt(
        self, tenant: Tenant, at: datetime, spared_faceids: Collection[str]
    ) -> Iterator[Due[str]]:
        """Yield the face of each learnt picture that is over by then."""
        retention_period = timedelta(days=tenant.learnt_days or 0)
        for face in map(face_from, walk_items(self.services.items, keys.FACES, tenant.name)):
            for since in (
                picture.learnt.captured_at
                for picture in face.pictures
                if picture.learnt is not None
            ):
                if since + retention_period < at and face.faceid not in spared_faceids:
                    yield Due(since, since + retention_period, face.faceid)

    def _remove_learnt_pictures(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Remove the learnt pictures of faces that are over now."""
        since = self.services.clock.now() - timedelta(days=tenant.learnt_days or 0)

        def keep_recent(face: Face) -> tuple[Picture, ...]:
            return tuple(
                picture
                for picture in face.pictures
                if picture.learnt is None or picture.learnt.captured_at >= since
            )

        for faceid in dict.fromkeys(faceids):
            with suppress(FaceHeld, FaceNotFound):  # or it was deleted meanwhile
                self.services.enrolment.pictures.keep_pictures(tenant, faceid, keep_recent)

    def _list_pictures(
        self, tenant: Tenant, at: datetime, faceids_on_hold: Collection[str]
    ) -> Iterator[Due[str]]:
        """Yield the keys of pictures and crops that are over by then.

        They lie by camera and time, so that of each camera only those are listed that are old
        enough.
        """
        retention_period = timedelta(
            days=count_capture_days(tenant, self.services.settings.capture_days)
        )
        for blob in self._list_captured_until(tenant.name, at - retention_period):
            is_crop = blob.key.startswith(keys.crops(tenant.name))  # stored later than its capture
            since = _parse_capture_time(blob) if is_crop else blob.stored_at
            # or written anew since, by a restore or by an erasure that hid somebody
            if since + retention_period > at:
                since = min(since, self._offered_at(tenant.name, blob.key) or since)
            if since + retention_period <= at and not self._shows_one_of(
                tenant, blob.key, faceids_on_hold
            ):
                yield Due(since, since + retention_period, blob.key)

    def _delete_pictures(self, picture_keys: Iterable[str]) -> None:
        for key in picture_keys:
            self.services.storage.uploads.delete(key)

    def _list_records(
        self, tenant: Tenant, at: datetime, faceids_on_hold: Collection[str]
    ) -> Iterator[Due[Delete]]:
        """Yield the deletions of the records of captures that were offered too long ago by then."""
        retention_period = timedelta(days=count_sighting_days(tenant))
        for item in captures_of(
            self.services.items,
            tenant.name,
            None,
            last_ms=max(milliseconds(at - retention_period), 0),
        ):
            since = moment(item["offered_at"])
            if since + retention_period <= at and not self._shows_one_of(
                tenant, item["capture"], faceids_on_hold
            ):
                yield Due(
                    since,
                    since + retention_period,
                    Delete(keys.CAPTURES, (item["tenant_camera"], item["capture"])),
                )

    def _list_captured_until(self, tenant: str, limit: datetime) -> Iterator[BlobInfo]:
        """Yield the pictures and crops of captures that were taken until then.

        Two reads find that a camera has none.

        Of a camera whose clock is ahead, those that were stored before may come later.
        """
        after: str | None = None
        while blob := next(
            self.services.storage.uploads.walk(keys.capture_pictures(tenant), after), None
        ):
            folder = blob.key.rpartition("/")[0] + "/"
            after = folder + keys.BEHIND_CAPTURES
            for blob in self.services.storage.uploads.walk(folder):
                if _parse_capture_time(blob) > limit:
                    break
                yield blob

    def _offered_at(self, tenant: str, key: str) -> datetime | None:
        """Return when the capture of a picture was offered; None if that is not known any more."""
        item = self.services.items.get(keys.CAPTURES, keys.capture(tenant, *_capture_of(key)))
        return None if item is None else moment(item["offered_at"])

    def _shows_one_of(self, tenant: Tenant, key: str, faceids: Collection[str]) -> bool:
        """Tell whether a capture shows one of these faces."""
        capture_id = capture_of(key.rpartition("/")[2])
        return bool(faceids) and not list_shown_faces(
            self.services.items, tenant.name, capture_id
        ).isdisjoint(faceids)

    def _read_withheld(self, tenant: Tenant) -> Mapping[str, Withheld]:
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.WITHHELD_ITEM))
        kinds, days = (json.loads((item or {}).get(name, "{}")) for name in ("kinds", "days"))
        return {
            name: Withheld(number, moment(since), moment(at), days.get(name))
            for name, (number, since, at) in kinds.items()
        }

    def _note(
        self, tenant: Tenant, before: Mapping[str, Withheld], withheld_kinds: Mapping[str, Withheld]
    ) -> None:
        key = {"tenant": tenant.name, "item": keys.WITHHELD_ITEM}
        kinds = {
            name: (withheld.number, milliseconds(withheld.since), milliseconds(withheld.at))
            for name, withheld in withheld_kinds.items()
        }
        # apart: a version that knows no days reads the kinds as they are
        days = {name: withheld.days for name, withheld in withheld_kinds.items()}
        if withheld_kinds:
            item = {**key, "kinds": json.dumps(kinds), "days": json.dumps(days)}
            write(self.services.items, [Put(keys.DIRECTORY, item)])
        elif before:
            write(self.services.items, [Delete(keys.DIRECTORY, (key["tenant"], key["item"]))])


def _parse_capture_time(blob: BlobInfo) -> datetime:
    return moment(captured_ms(blob.key.rpartition("/")[2]))


class PicturesOff(Service["Services"]):
    """The removal of all pictures that a changed setting no longer allows."""

    def remove_pictures(
        self, tenant: Tenant, hour: datetime, remaining_s: Callable[[], float]
    ) -> bool:
        """Remove the pictures that the tenant may not keep.

        Return False if the time ran out: another call goes on.

        The steps are the pictures of faces, of merges and of captures. Step and last key are noted,
        so the next call goes on behind them. After a change of the settings, and each day, it
        begins anew.
        """
        keeps_all = tenant.keeps_pictures and not tenant.no_pictures_of
        if keeps_all and not tenant.forgets_strangers:
            return True
        if not tenant.keeps_pictures:
            delete_stills(self.services.items, tenant)
        day, groups = f"{hour:%Y-%m-%d}", sorted(tenant.no_pictures_of)
        run_id = json.dumps([day, tenant.keeps_pictures, groups, tenant.forgets_strangers])
        steps = (
            {}
            if keeps_all
            else {
                "faces": self._delete_pictures_of_faces,
                "merges": self._delete_pictures_of_merges,
            }
        )
        steps |= {"captures": self._delete_pictures_of_captures}
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.UNPICTURED_ITEM))
        first_step, after_key = (
            (item["step"], item["after"])
            if item and item["run"] == run_id
            else (next(iter(steps)), "")
        )
        for name in list(steps)[list(steps).index(first_step) :] if first_step != _DONE else []:
            for last_key in steps[name](tenant, after_key):
                if remaining_s() < STOPS_AT_S:
                    self._note(tenant, run_id, name, last_key)
                    return False
            after_key = ""
        if first_step != _DONE:
            self._note(tenant, run_id, _DONE, "")
        return True

    def _note(self, tenant: Tenant, run: str, step: str, after: str) -> None:
        item = {
            "tenant": tenant.name,
            "item": keys.UNPICTURED_ITEM,
            "run": run,
            "step": step,
            "after": after,
        }
        write(self.services.items, [Put(keys.DIRECTORY, item)])

    def _delete_pictures_of_faces(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Take the pictures of faces away, and yield the last faceid of each part.

        Templates stay.
        """
        faces = walk_items(
            self.services.items,
            keys.FACES,
            tenant.name,
            behind=after or None,
            page_size=_FACES_AT_ONCE,
        )
        for part in cut_in_parts(faces, _FACES_AT_ONCE):
            for face in map(face_from, part):
                if (after_it := drop_unwanted_pictures(tenant, face)) != face:
                    put = face_put(tenant, face, replace(after_it, revision=face.revision))
                    # else the next day finds it
                    if write_unless_changed(self.services.items, [put]):
                        self.services.face_pictures.discard_pictures(face.picture_keys)
            yield part[-1]["faceid"]

    def _delete_pictures_of_merges(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Do the same for the faces that merges keep for their undo, but not of those that came to
        a held face."""
        faceids_on_hold = Marked(self.services.items, tenant.name).list_spared_faces("merges")
        for part in cut_in_parts(
            self.services.merges.records.list_all(tenant.name, behind=after or None),
            _MERGES_AT_ONCE,
        ):
            for merge in part:
                if merge.backup is None or merge.survivor in faceids_on_hold:
                    continue
                if (face := drop_unwanted_pictures(tenant, merge.backup.face)) == merge.backup.face:
                    continue
                update = make_backup_update(tenant.name, merge, replace(merge.backup, face=face))
                if write_unless_changed(self.services.items, [update]):
                    self.services.face_pictures.discard_pictures(merge.backup.face.picture_keys)
            yield part[-1].id

    def _delete_pictures_of_captures(self, tenant: Tenant, after: str) -> Iterator[str]:
        """Delete the pictures of captures, and the faces that were cut out of them; not those that
        show a held face."""
        for part in cut_in_parts(
            self.services.storage.uploads.walk(keys.capture_pictures(tenant.name), after),
            _BLOBS_AT_ONCE,
        ):
            self._delete_unseen(tenant, part)
            yield part[-1].key

    def _delete_unseen(self, tenant: Tenant, blobs: Sequence[BlobInfo]) -> None:
        capture_ids_by_key = {blob.key: _capture_of(blob.key) for blob in blobs}
        unique_ids = list(dict.fromkeys(capture_ids_by_key.values()))
        items = self.services.items.get_many(
            keys.CAPTURES, [keys.capture(tenant.name, *capture_ids) for capture_ids in unique_ids]
        )
        captures = [capture_from(item) for item in items if item]
        forgotten_ids = {
            (capture.camera_id, capture.id)
            for capture in self.services.captures.pictures.list_to_forget(tenant, captures)
        }
        for key, capture_ids in capture_ids_by_key.items():
            if capture_ids in forgotten_ids:
                self.services.storage.uploads.delete(key)


_FACES_AT_ONCE, _MERGES_AT_ONCE, _BLOBS_AT_ONCE = 100, 10, 1_000
_DONE = "done"


def _capture_of(key: str) -> tuple[str, str]:
    """Read the camera and the capture's id from the key of a capture's picture, or of a face cut
    out of it."""
    *_, camera_id, name = key.split("/")
    return camera_id, capture_of(name)
