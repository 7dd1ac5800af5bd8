"""What follows a deletion: an erasure leaves nothing of the person; a plain deletion no template, name, age or gender.

The transaction that deletes the faces stores the record. Its steps are then done by the function that a message calls,
and by each sweep, until they are done: each may be cut off anywhere and repeated. At the end of an erasure stands a
receipt, signed with the tenant's key (docs/decisions/0049).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, groupby
from typing import Any

from chalicelib.core import keys
from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.chores import STOPS_AT_S
from chalicelib.core.erasures import (
    COUNT,
    ERASED,
    FULL,
    HASHED,
    MOST_ERASED,
    MOST_NAMED,
    Erasure,
    erasure_from,
    erasure_item,
    hashed,
    names_of,
    statement,
)
from chalicelib.core.errors import ConditionFailed, ErasureNotFound
from chalicelib.core.items import (
    ListPage,
    PageTokens,
    directory_of,
    every,
    parts,
    require_page_size,
    write,
    write_unless_changed,
)
from chalicelib.core.local_time import Span
from chalicelib.core.merges import IN_FLIGHT
from chalicelib.core.model import Face, Labels, Tenant
from chalicelib.core.observations import ChangedObservation, Observation, ObservationKind, is_of
from chalicelib.core.places import Step, done_in
from chalicelib.core.ports import Delete, Put, Update, absent, equals
from chalicelib.core.records.observations import STORABLE
from chalicelib.core.values import milliseconds, time_ordered_id, time_text
from chalicelib.services.merges.merges import MAX_MERGES
from chalicelib.services.rooms import UseCase

_A_TRANSACTION = 20
"""Observations that get another name in one transaction: each is deleted and put anew."""
_JOINED = MOST_ERASED - 1 - MAX_MERGES
"""Faces in records that are made one: a face that they are cut at comes with those that were merged into it."""
_APART_S = 60
"""Seconds until an erasure looks again whether its group has been erased."""


class Erasures(UseCase):
    """The records of erasures, and of what follows deletions."""

    def of(self, tenant: Tenant, faces: Sequence[Face], by: str, *, erases: bool) -> Erasure:
        """Make the record of faces that are about to be deleted: of all that later nobody could find by them."""
        now = self.book.clock.now()
        absorbed = [
            one for face in faces if face.merges for one in self.book.merges.records.below(tenant.name, face.faceid)
        ]
        faceids = (*(face.faceid for face in faces), *(one.other for one in absorbed if one.is_active))
        erasure = Erasure(time_ordered_id(now), now, by, erases, tuple(dict.fromkeys(faceids)), len(faces))
        if not erases:
            return erasure
        given = [one.kept.face for one in absorbed if one.is_active and one.kept is not None]
        names = {name for face in (*faces, *given) for name in names_of(face)}
        return replace(_unnamed(erasure), hashes=self._hashes([*faces, *given]), names=tuple(sorted(names)))

    def of_gone(self, faceid: str, by: str) -> Erasure:
        """Make the record of a face that was deleted before."""
        now = self.book.clock.now()
        return _unnamed(Erasure(time_ordered_id(now), now, by, True, (faceid,), 1))

    def put(self, tenant: Tenant, erasure: Erasure) -> Put:
        """Return the action that stores a new record."""
        return Put(keys.ERASURES, erasure_item(tenant.name, erasure), (absent("erasure-new"),))

    def announce(self, tenant: str, erasure: Erasure, delay_s: int = 0) -> None:
        """Send the message for the next step. If it is lost, the sweep goes on."""
        self.book.wake(tenant, delay_s, erasure=erasure.id)

    def get(self, tenant: str, id_: str) -> Erasure:
        """Read an erasure. Raises ErasureNotFound."""
        item = self.book.items.get(keys.ERASURES, (tenant, id_)) if id_.isascii() and id_.isdigit() else None
        if item is None or not item["erases"]:
            raise ErasureNotFound(f"there is no erasure {id_[:40]!r}: see the list of erasures")
        return erasure_from(item)

    def page(self, tenant: str, limit: int, token: str | None = None) -> ListPage[Erasure]:
        """Return a page of erasures, newest first.

        Raises InvalidInput if the limit is not 1 to 100, or the token is damaged.
        """
        require_page_size(limit)
        pages = PageTokens(f"erasures of {tenant}")
        behind = pages.place(token, str)
        stored = every(self.book.items, keys.ERASURES, tenant, behind=behind, reverse=True, page_size=limit + 1)
        return pages.first((erasure_from(item) for item in stored if item["erases"]), limit, lambda one: one.id)

    def unfinished(self, tenant: str) -> Iterator[Erasure]:
        """Yield the records that have steps left, oldest first."""
        found = map(erasure_from, every(self.book.items, keys.ERASURES, tenant))
        return (one for one in found if one.done_at is None)

    def _hashes(self, faces: Iterable[Face]) -> Mapping[str, tuple[str, ...]]:
        templates = {one.vector for face in faces for one in face.templates}
        stored = {key for face in faces for key in face.picture_keys}
        pictures = [self.book.storage.blobs.get(one) for key in sorted(stored) for one in (key, keys.thumbnail(key))]
        return {
            "templates": tuple(sorted(hashlib.sha256(one).hexdigest() for one in templates)),
            "pictures": tuple(hashlib.sha256(one).hexdigest() for one in pictures if one is not None),
        }


class Erasing(UseCase):
    """The steps. `a_record`: the most faces that the record of an erasure names."""

    a_record: int = MOST_NAMED

    def tenant(self, tenant: Tenant, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Go on with all that is unfinished. What needs more time, or has to wait, gets a message."""
        unfinished = list(self.book.erasure.records.unfinished(tenant.name))
        joined = self._join(tenant, unfinished)
        for erasure in (one for one in unfinished if one.id not in joined):
            if left_s() < STOPS_AT_S:
                self.book.erasure.records.announce(tenant.name, erasure)
            else:
                self.go_on(tenant, erasure.id, left_s)

    def _join(self, tenant: Tenant, unfinished: Iterable[Erasure]) -> set[str]:
        """Make one record of those of strangers who went for others: the steps of each read a lot.

        Return the ids of the records that are in others now.
        """
        done = set[str]()
        new = sorted((one for one in unfinished if one.by == FULL and not one.step), key=lambda one: one.erases)
        ends = accumulate(len(one.faceids) for one in new)
        for _, some in groupby(zip(new, ends, strict=True), key=lambda one: (one[0].erases, one[1] // _JOINED)):
            *others, last = all_ = [one for one, _ in some]
            joined = replace(
                last,
                faceids=tuple(faceid for one in all_ for faceid in one.faceids),
                number=sum(one.number for one in all_),
                names=tuple(sorted({name for one in all_ for name in one.names})),
                hashes={kind: tuple(of for one in all_ for of in one.hashes.get(kind, ())) for kind in HASHED},
            )
            same = (equals("step", 0, "step-same"),)
            gone = [Delete(keys.ERASURES, (tenant.name, one.id), same) for one in others]
            put = Put(keys.ERASURES, erasure_item(tenant.name, joined), same)
            if gone and write_unless_changed(self.book.items, [put, *gone]):
                done |= {one.id for one in others}
        return done

    def go_on(self, tenant: Tenant, id_: str, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Do the steps that are left. May be cut off anywhere, and called again, also by two at once."""
        while True:
            item = self.book.items.get(keys.ERASURES, (tenant.name, id_))
            if item is None or item.get("done_at") is not None:
                return None
            erasure = erasure_from(item)
            wait_s = (erasure.goes_on_at - self.book.clock.now()).total_seconds()
            if wait_s > 0:
                return self.book.erasure.records.announce(tenant.name, erasure, int(wait_s) + 1)
            if erasure.next_step is Step.GALLERY and self._is_stored(tenant, erasure):
                return self.book.erasure.records.announce(tenant.name, erasure, _APART_S)
            if not self._step(tenant, erasure, left_s):
                return self.book.erasure.records.announce(tenant.name, erasure)

    def _is_stored(self, tenant: Tenant, erasure: Erasure) -> bool:
        """Tell if a face of the erasure is of a deleted group that has not been erased so far (erasure/erasure)."""
        places = [(tenant.name, faceid) for faceid in erasure.faceids] if tenant.gone else []
        return any(item and item["group"] in tenant.gone for item in self.book.items.get_many(keys.FACES, places))

    def _step(self, tenant: Tenant, erasure: Erasure, left_s: Callable[[], float]) -> bool:
        """Do the next step. Return False if the time has run out before its end."""
        match erasure.next_step:
            case Step.TRACES:
                self._traces(tenant, erasure)
            case Step.SIGHTINGS:
                if not self._sightings(tenant, erasure, STORABLE, left_s):
                    return False
            case Step.DAYS:
                self.book.statistics.sealing.forget_other_zones(tenant)
                self.book.statistics.sealing.tenant(tenant)
            case Step.LATE:
                at_ms = milliseconds(erasure.at)
                span = Span(at_ms - IN_FLIGHT // timedelta(milliseconds=1), milliseconds(self.book.clock.now()))
                if not self._sightings(tenant, erasure, span, left_s):
                    return False
                self._traces(tenant, erasure)
                self._traces(tenant, erasure, Step.LATE)
            case Step.GALLERY:
                self.book.index.purge(tenant.name, self._gone_at(tenant, erasure))
                faceids = self._with_absorbed(tenant, erasure)
                self.book.audit.erasing.erase(  # waits for a lost signing key
                    tenant.name, faceids, erasure.id, lambda: self.book.erasure.traces.since(tenant, faceids)
                )
            case Step.RECEIPT | None:
                self._finish(tenant, erasure)
                return True
        if erasure.step + 1 == len(erasure.steps):
            self._finish(tenant, erasure)
        else:
            self._save(tenant, erasure, {"step": erasure.step + 1})
        return left_s() >= STOPS_AT_S

    def _traces(self, tenant: Tenant, erasure: Erasure, step: Step = Step.TRACES) -> None:
        for place in done_in(step, erases=erasure.erases):
            self.book.erasure.traces.of(place, erases=erasure.erases)(tenant, erasure.faceids, milliseconds(erasure.at))

    def _sightings(self, tenant: Tenant, erasure: Erasure, span: Span, left_s: Callable[[], float]) -> bool:
        rejected = self.book.erasure.traces.rejected_elsewhere(tenant)
        for observations in self.book.merges.observations.chunks(tenant, {*erasure.faceids}, span, _A_TRANSACTION):
            own = self._without_others(tenant, observations)
            for id_ in (id_ for one in own for id_ in rejected.get(one.id, ())):
                self.book.erasure.traces.forget_rejection(tenant, id_)
            if not erasure.erases:
                own = [one for one in own if _ageless(one) != one]
            if not own:
                continue
            if erasure.erases:
                counts = self._hide(tenant, own)
                self._rename(tenant, erasure, own, counts)
            else:
                self._bare(tenant, own)
            if left_s() < STOPS_AT_S:
                return False
        return True

    def _without_others(self, tenant: Tenant, observations: Sequence[Observation]) -> list[Observation]:
        """Leave out the observations of another face that was enrolled with one of the ids since.

        The faces are read after their observations: a face is stored with its first one.
        """
        there = {
            face.faceid: face for face in self.book.erasure.traces.there(tenant, {one.faceid for one in observations})
        }
        return [one for one in observations if one.faceid not in there or not is_of(there[one.faceid], one)]

    def _hide(self, tenant: Tenant, observations: Sequence[Observation]) -> Counter[str]:
        """Take the sightings out of their captures. Return what became of the pictures."""
        captures: dict[tuple[str, str], set[int]] = {}
        for camera, capture, number in _sighted(observations):
            captures.setdefault((camera, capture), set()).add(number)
        done = Counter(self.book.erasure.shown.hide(tenant, *place, numbers) for place, numbers in captures.items())
        return Counter(captures_deleted=done["deleted"], captures_hidden=done["hidden"])

    def _rename(
        self, tenant: Tenant, erasure: Erasure, observations: Sequence[Observation], counts: Counter[str]
    ) -> None:
        """Leave of the observations what is counted, under another name; count what was done in that transaction."""
        bare = [_nameless(one, erasure) for one in observations]
        gone = [ChangedObservation(one, None) for one in observations]
        counted = {f"{COUNT}{name}": n for name, n in (counts + Counter(observations=len(bare))).items()}
        progress = Update(keys.ERASURES, (tenant.name, erasure.id), (equals("done_at", None, "running"),), add=counted)
        # another worker did it, or a writer changed one: the next look finds it
        write_unless_changed(
            self.book.items, [progress, *self.book.statistics.recorder.actions(tenant.name, bare, gone)]
        )

    def _bare(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        for place in _sighted(observations):
            self.book.erasure.shown.delete_crop(tenant, *place)
        changed = [ChangedObservation(one, _ageless(one)) for one in observations]
        write_unless_changed(self.book.items, self.book.statistics.recorder.actions(tenant.name, [], changed))

    def _with_absorbed(self, tenant: Tenant, erasure: Erasure) -> Sequence[str]:
        """Note also the faces that only the audit knows, before their entries go: the next try would not find them.

        Those that one item has no room for get further records, which the hourly sweep finds. Their ids follow from
        this one's: so each is made once.
        """
        if not erasure.number:
            return erasure.faceids
        since = self.book.erasure.traces.since(tenant, erasure.faceids)
        found = self.book.audit.erasing.with_absorbed(tenant.name, erasure.faceids, since)
        own, *others = parts(found, self.a_record)
        if len(found) > len(erasure.faceids):
            bare = replace(erasure, number=0, names=(), hashes={}, counts={})
            further = [replace(bare, id=str(int(erasure.id) + n), faceids=(*some,)) for n, some in enumerate(others, 1)]
            self._save(
                tenant, erasure, {"faceids": own}, [self.book.erasure.records.put(tenant, one) for one in further]
            )
        return own

    def _gone_at(self, tenant: Tenant, erasure: Erasure) -> int:
        """Return a change of the gallery after which the faces are gone, the same for every try."""
        if erasure.seq is not None:
            return erasure.seq
        seq = int(directory_of(self.book.items, tenant.name)["seq"])
        self._save(tenant, erasure, {"seq": seq})
        return seq

    def _save(self, tenant: Tenant, erasure: Erasure, fields: Mapping[str, Any], further: Sequence[Put] = ()) -> None:
        same = (equals("step", erasure.step, "step-same"), equals("done_at", None, "running"))
        update = Update(keys.ERASURES, (tenant.name, erasure.id), same, set=fields)
        write_unless_changed(self.book.items, [update, *further])  # else another worker is further

    def _finish(self, tenant: Tenant, erasure: Erasure) -> None:
        """Forget the ids, too; what is left of an erasure is its receipt. Raises Busy while a file cannot be wiped."""
        key, same = (tenant.name, erasure.id), (equals("done_at", None, "running"),)
        if not erasure.erases:
            write_unless_changed(self.book.items, [Delete(keys.ERASURES, key, same)])
            return
        if erasure.faceids:
            erasure = hashed(erasure, self.book.audit.signing.face_key(tenant.name))
        # The ids go first, so that nothing has to be wiped once it is done: nobody would try again.
        wiped = replace(erasure, faceids=(), names=(), pseudonym="", step=erasure.steps.index(Step.RECEIPT))
        with suppress(ConditionFailed):  # another worker did it
            write(self.book.items, [Put(keys.ERASURES, erasure_item(tenant.name, wiped), same)])
            self.book.storage.scrub()
            now = self.book.clock.now()
            said = statement(tenant.name, wiped, time_text(now), time_text(wiped.at))
            receipt = self.book.audit.signing.sign(tenant.name, said)
            done = replace(wiped, step=len(wiped.steps), done_at=now, receipt=receipt)
            write(self.book.items, [Put(keys.ERASURES, erasure_item(tenant.name, done), same)])


def _sighted(observations: Iterable[Observation]) -> Iterator[tuple[str, str, int]]:
    """Yield camera, capture and number of each sighting."""
    for one in observations:
        if one.kind is ObservationKind.SIGHTING:
            yield one.camera, *parts_of_sighting(one.id)


def _unnamed(erasure: Erasure) -> Erasure:
    """Give an erasure the name that its faces' observations get."""
    return replace(erasure, pseudonym=ERASED + secrets.token_hex(12))


def _nameless(observation: Observation, erasure: Erasure) -> Observation:
    """Return what is counted of an observation, without labels that are the person's name.

    Its id has the form of a sighting's, and names no capture.
    """
    return Observation(
        at=observation.at,
        id=f"{milliseconds(observation.at):013d}-{secrets.token_hex(12)}-0",
        faceid=erasure.pseudonym,
        group_name=observation.group_name,
        labels=Labels(*("" if one in erasure.names else one for one in observation.labels)),
        kind=observation.kind,
        camera=observation.camera,
        gap_s=observation.gap_s,
    )


def _ageless(observation: Observation) -> Observation:
    return replace(observation, estimates=observation.estimates.without(frozenset({"age", "gender"})))
