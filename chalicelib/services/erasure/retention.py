"""Retention: what a tenant keeps no longer, deleted in steps by the sweep, or told beforehand by a dry run.

Both walk the list of places (core/places), whose clocks are the kinds here. Faces leave by the ordinary deletion.

Captures: on AWS, S3 deletes pictures after the deployment's days and DynamoDB records after 120, whatever is said here:
a tenant may want it sooner. On one box nothing else deletes them. Faces whose consent has expired are erased if the
tenant says so, and learnt pictures go `learnt_days` after their capture.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import capture_of, captured_ms
from chalicelib.core.chores import STOPS_AT_S
from chalicelib.core.errors import Busy, FaceHeld, FaceNotFound
from chalicelib.core.items import camera_ids, every, write, write_in_parts
from chalicelib.core.model import Face, Group, Picture, Tenant
from chalicelib.core.places import PLACES, Marked
from chalicelib.core.ports import BlobInfo, Delete, Put
from chalicelib.core.records.faces import face_from
from chalicelib.core.retention import (
    FEW,
    OVERDUE,
    SHARE,
    SWEPT,
    Due,
    Kind,
    Withheld,
    captures_kept,
    erased_at,
    goes_at,
    sightings_kept,
    unseen_kept,
    unseen_since,
    withheld,
)
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.captures.captures import shown_faces
from chalicelib.services.erasure.erasure import MAX_DELETED
from chalicelib.services.rooms import UseCase

SOON = timedelta(days=7)
"""How far ahead a dry run looks."""

MOST_COUNTED = 10_000
"""Things of one kind that a dry run counts at most: each has to be read."""

_A_STEP = 80
"""Things that are deleted between two looks at the clock: as many observations as one transaction takes."""


_EVER = timedelta(days=40_000)
"""By then all that is stored now is due."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """Records of one kind that will go. `group`: of faces, its name; `days`: for how long it is kept, None: for ever.

    `now`: how many the next sweep deletes; `soon`: how many are gone within SOON, these included; `more`: there are
    more than were counted. `oldest`: since when the oldest of them was kept; None: nothing goes. `waits_until`: when
    the sweep deletes those of `now`, if it withholds them.
    """

    kind: Kind
    group: str | None
    days: int | None
    now: int = 0
    soon: int = 0
    more: bool = False
    oldest: datetime | None = None
    waits_until: datetime | None = None


@dataclass(frozen=True)
class _Kept:
    """A kind with its setting, the things that are `due` by a time, and how to delete some of them."""

    kind: Kind
    group: str | None
    days: int | None
    due: Callable[[datetime], Iterator[Due[Any]]]
    delete: Callable[[Sequence[Any]], object]

    @property
    def name(self) -> str:
        words = self.kind.replace("_", " ")
        return words if self.group is None else f"{words} of group {self.group}"


class BulkDeleteGuard(UseCase):
    """Things that no sweep deletes yet, since they are too many for one (core/retention)."""

    def all(self, tenant: Tenant) -> Mapping[str, Withheld]:
        """Return what the last sweep withheld, by kind and group."""
        return {name: one for name, one in self._noted(tenant).items() if not one.is_over}

    def look(
        self, tenant: Tenant, kinds: Mapping[str, Callable[[datetime], Iterable[Any]]], *, yes: bool = False
    ) -> Mapping[str, Withheld]:
        """Note and return what is to wait of these kinds: nothing, if somebody said `yes` to it.

        `kinds`: by name what reads all that is due by a time.
        """
        now, before = self.book.clock.now(), self._noted(tenant)
        found = {name: one for name, one in before.items() if name not in kinds and now - one.at <= OVERDUE}
        for name, due in kinds.items() if not yes else ():
            overdue = _number(due(now - OVERDUE))
            of = _number(islice(due(now + _EVER), overdue * SHARE + 1)) if overdue > FEW else overdue
            if one := withheld(before.get(name), overdue, of, now):
                found[name] = one
        for name, one in found.items():
            if one.since == now:
                _log.warning(
                    "tenant %s keeps %d %s no longer, more than a fifth: they wait until %s. If clock and days are "
                    "right, `regulars retention --tenant %s --all` deletes them at once",
                    tenant.name,
                    one.number,
                    name,
                    time_text(one.goes_at),
                    tenant.name,
                )
        self._note(tenant, before, found)
        return {name: one for name, one in found.items() if name in kinds and not one.is_over}

    def _noted(self, tenant: Tenant) -> Mapping[str, Withheld]:
        item = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.WITHHELD_ITEM))
        kinds = json.loads(item["kinds"]) if item else {}
        return {name: Withheld(number, moment(since), moment(at)) for name, (number, since, at) in kinds.items()}

    def _note(self, tenant: Tenant, before: Mapping[str, Withheld], found: Mapping[str, Withheld]) -> None:
        key = {"tenant": tenant.name, "item": keys.WITHHELD_ITEM}
        kinds = {name: (one.number, milliseconds(one.since), milliseconds(one.at)) for name, one in found.items()}
        if found:
            write(self.book.items, [Put(keys.DIRECTORY, {**key, "kinds": json.dumps(kinds)})])
        elif before:
            write(self.book.items, [Delete(keys.DIRECTORY, (key["tenant"], key["item"]))])


class Retention(UseCase):
    """`in_review`: reads the faces that somebody is to look at. `expires_items`: storage deletes captures by itself."""

    def tenant(
        self,
        tenant: Tenant,
        left_s: Callable[[], float] = lambda: float("inf"),
        *,
        of: Collection[Kind] = SWEPT,
        yes: bool = False,
    ) -> bool:
        """Delete what the tenant keeps no longer of these kinds; return False if the time ran out first.

        What is too much for one sweep (core/retention) waits, unless somebody said `yes` to it. May be cut off anywhere
        and repeated. Raises Busy, StorageUnavailable.
        """
        now = self.book.clock.now()
        kinds = [
            kept
            for kept in self._kinds(tenant, of)
            if kept.days is not None
            and not (self.book.storage.expires_items and self._is_left_to_storage(tenant, kept.kind))
        ]
        if not kinds:
            return True
        waits = self.book.erasure.withholding.look(tenant, {kept.name: kept.due for kept in kinds}, yes=yes)
        for kept in kinds:
            if kept.name in waits:
                continue
            due = kept.due(now)
            while some := [one.what for one in islice(due, _A_STEP)]:
                kept.delete(some)
                if left_s() < STOPS_AT_S:
                    return False
        if Kind.OBSERVATIONS in of:
            self.book.statistics.expiry.forget_days(tenant, now)
        return True

    def plan(self, tenant: Tenant) -> list[Planned]:
        """Say what goes now and soon, of each kind and group. Deletes nothing, and reads what it counts."""
        now, waits = self.book.clock.now(), self.book.erasure.withholding.all(tenant)
        return [self._planned(kept, now, waits.get(kept.name)) for kept in self._kinds(tenant, tuple(Kind))]

    def _planned(self, kept: _Kept, now: datetime, waits: Withheld | None) -> Planned:
        if kept.days is None:
            return Planned(kept.kind, kept.group, None)
        due = list(islice(kept.due(now + SOON), MOST_COUNTED + 1))
        counted = due[:MOST_COUNTED]
        return Planned(
            kept.kind,
            kept.group,
            kept.days,
            now=sum(one.goes_at <= now for one in counted),
            soon=len(counted),
            more=len(due) > MOST_COUNTED,
            oldest=min((one.since for one in counted), default=None),
            waits_until=waits.goes_at if waits else None,
        )

    def _kinds(self, tenant: Tenant, of: Collection[Kind]) -> Iterator[_Kept]:
        """Walk the kinds, each in the place that it ends (core/places), which says what is spared there."""
        marked = Marked(self.book.items, tenant.name)
        places = {kind: place.name for place in PLACES for kind in place.clocks}
        for kind in of:
            yield from self._of_kind(tenant, kind, partial(marked.spared, places[kind]))

    def _of_kind(self, tenant: Tenant, kind: Kind, spared: Callable[[], Collection[str]]) -> Iterator[_Kept]:
        """Yield what is kept of a kind. `spared`: reads the faces of which nothing goes."""
        captures, observations = self.book.erasure.captures, self.book.statistics.expiry
        match kind:
            case Kind.CAPTURES:
                days = captures_kept(tenant, self.book.settings.capture_days)
                pictures = partial(captures.pictures, tenant, held=spared())
                yield _Kept(kind, None, days, pictures, captures.delete_pictures)
            case Kind.SIGHTINGS:
                records = partial(captures.records, tenant, held=spared())
                yield _Kept(kind, None, sightings_kept(tenant), records, partial(write_in_parts, self.book.items))
            case Kind.OBSERVATIONS:
                due = partial(observations.due, tenant, held=spared())
                yield _Kept(kind, None, tenant.observation_days, due, partial(observations.delete, tenant))
            case Kind.FACES:
                for group in self.book.groups.all(tenant):
                    unseen = partial(self._unseen, tenant, group)
                    yield _Kept(kind, group.name, unseen_kept(tenant, group), unseen, partial(self._forget, tenant))
            case Kind.CONSENTS:
                if tenant.expired_consent_erases:
                    yield _Kept(kind, None, 0, partial(self._expired, tenant), partial(self._erase, tenant))
            case Kind.LEARNT:
                if tenant.learnt_days is not None:
                    learnt = partial(self._learnt, tenant, spared=spared())
                    yield _Kept(kind, None, tenant.learnt_days, learnt, partial(self._unlearn, tenant))

    def _unseen(self, tenant: Tenant, group: Group, at: datetime) -> Iterator[Due[str]]:
        """Yield the faces of a group that nobody saw or changed for too long by then.

        The index by arrival has those first that were away longest, so it reads no more than these.
        """
        kept, in_review = timedelta(days=unseen_kept(tenant, group) or 0), None
        for face in self.book.faces.by_arrival(tenant, group, until=at - kept, at_once=_A_STEP):
            goes = goes_at(tenant, group, face)
            if goes is not None and goes <= at:
                in_review = self.book.sightings.reviews.faces(tenant) if in_review is None else in_review
                if face.faceid not in in_review:
                    yield Due(unseen_since(face), goes, face.faceid)

    def _forget(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Delete faces that are still unseen when they are deleted. Raises Busy if some were not."""
        now, groups = self.book.clock.now(), {group.id: group for group in self.book.groups.all(tenant)}

        def is_unseen(face: Face) -> bool:
            goes = goes_at(tenant, groups[face.group_id], face) if face.group_id in groups else None
            return goes is not None and goes <= now

        if self.book.erasure.deletion.of_faces(tenant, faceids, by="retention", only=is_unseen).failed:
            raise Busy(
                f"faces of tenant {tenant.name} that were not seen for long are changed by others: they go later"
            )

    def _is_left_to_storage(self, tenant: Tenant, kind: Kind) -> bool:
        own = {Kind.CAPTURES: tenant.capture_days, Kind.SIGHTINGS: tenant.sighting_days}
        return kind in own and own[kind] is None

    def _expired(self, tenant: Tenant, at: datetime) -> Iterator[Due[str]]:
        """Yield the faces whose record of consent expires before then, page by page, but those under legal hold."""
        token: str | None = None
        while True:
            page = self.book.consents.page(tenant, at, MAX_DELETED, token)
            for face in page.rows:
                goes = erased_at(face)
                if goes is not None and goes <= at and face.consent:
                    yield Due(face.consent.given_at, goes, face.faceid)
            token = page.next_token
            if token is None:
                return

    def _erase(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Erase faces whose consent has still expired: somebody may renew a record, or hold a face, meanwhile."""

        def has_expired(face: Face) -> bool:
            goes = erased_at(face)
            return goes is not None and goes <= self.book.clock.now()

        self.book.erasure.deletion.of_faces(tenant, faceids, by="expired consent", erase=True, only=has_expired)

    def _learnt(self, tenant: Tenant, at: datetime, spared: Collection[str]) -> Iterator[Due[str]]:
        """Yield the face of each learnt picture that is over by then."""
        kept = timedelta(days=tenant.learnt_days or 0)
        for face in map(face_from, every(self.book.items, keys.FACES, tenant.name)):
            for since in (one.learnt.captured_at for one in face.pictures if one.learnt is not None):
                if since + kept < at and face.faceid not in spared:
                    yield Due(since, since + kept, face.faceid)

    def _unlearn(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Remove the learnt pictures of faces that are over now."""
        since = self.book.clock.now() - timedelta(days=tenant.learnt_days or 0)

        def left(face: Face) -> tuple[Picture, ...]:
            return tuple(one for one in face.pictures if one.learnt is None or one.learnt.captured_at >= since)

        for faceid in dict.fromkeys(faceids):
            with suppress(FaceHeld, FaceNotFound):  # or it was deleted meanwhile
                self.book.enrolment.pictures.keep(tenant, faceid, left)


class CaptureExpiry(UseCase):
    """`capture_days`: the deployment's. `held`: faces; what shows one of them is not due."""

    def pictures(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[str]]:
        """Yield the keys of pictures and crops that are over by then.

        They lie by camera and time, so that of each camera only those are listed that are old enough.
        """
        kept = timedelta(days=captures_kept(tenant, self.book.settings.capture_days))
        for blob in self._taken_until(tenant.name, at - kept):
            is_crop = blob.key.startswith(keys.crops(tenant.name))  # stored later than its capture
            since = _taken_at(blob) if is_crop else blob.stored_at
            if since + kept > at:  # or written anew since, by a restore or by an erasure that hid somebody
                since = min(since, self._offered_at(tenant.name, blob.key) or since)
            if since + kept <= at and not self._shows(tenant, blob.key, held):
                yield Due(since, since + kept, blob.key)

    def delete_pictures(self, picture_keys: Iterable[str]) -> None:
        for key in picture_keys:
            self.book.storage.uploads.delete(key)

    def records(self, tenant: Tenant, at: datetime, held: Collection[str]) -> Iterator[Due[Delete]]:
        """Yield the deletions of the records of captures that were offered too long ago by then."""
        kept = timedelta(days=sightings_kept(tenant))
        for camera_id in camera_ids(self.book.items, tenant.name):
            partition = keys.captures(tenant.name, camera_id)
            for item in every(
                self.book.items,
                keys.CAPTURES,
                partition,
                between=keys.capture_range(0, max(milliseconds(at - kept), 0)),
            ):
                since = moment(item["offered_at"])
                if since + kept <= at and not self._shows(tenant, item["capture"], held):
                    yield Due(since, since + kept, Delete(keys.CAPTURES, (partition, item["capture"])))

    def _taken_until(self, tenant: str, limit: datetime) -> Iterator[BlobInfo]:
        """Yield the pictures and crops of captures that were taken until then. Two reads find that a camera has none.

        Of a camera whose clock is ahead, those that were stored before may come later.
        """
        after: str | None = None
        while found := next(self.book.storage.uploads.walk(keys.capture_pictures(tenant), after), None):
            folder = found.key.rpartition("/")[0] + "/"
            after = folder + keys.BEHIND_CAPTURES
            for blob in self.book.storage.uploads.walk(folder):
                if _taken_at(blob) > limit:
                    break
                yield blob

    def _offered_at(self, tenant: str, key: str) -> datetime | None:
        """Return when the capture of a picture was offered; None if that is not known any more."""
        _, camera_id, capture_id = key.split("/")
        item = self.book.items.get(keys.CAPTURES, (keys.captures(tenant, camera_id), capture_id))
        return None if item is None else moment(item["offered_at"])

    def _shows(self, tenant: Tenant, key: str, held: Collection[str]) -> bool:
        """Tell whether a capture shows one of these faces."""
        capture_id = capture_of(key.rpartition("/")[2])
        return bool(held) and not shown_faces(self.book.items, tenant.name, capture_id).isdisjoint(held)


def _taken_at(blob: BlobInfo) -> datetime:
    return moment(captured_ms(blob.key.rpartition("/")[2]))


def _number(due: Iterable[Any]) -> int:
    return sum(1 for _ in due)
