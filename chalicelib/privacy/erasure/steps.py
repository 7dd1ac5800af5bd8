"""The steps that follow a deletion.

An erasure leaves nothing of the person, a plain deletion no template, name, age or gender. Of a
person who is remembered after consent ended, only the face with its template stays. A record
(records) holds the progress of the steps. The function that a message calls does them, and so does
each sweep, until they are done: each may be cut off anywhere and repeated. An erasure ends with a
receipt, signed with the tenant's key (docs/decisions/0049).
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate, groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.errors import Busy, StorageUnavailable, Unusable
from chalicelib.domain.hooks import FULL, MOST_LEAVING, UNASKED
from chalicelib.domain.jobs import STOPS_AT_S, find_night
from chalicelib.domain.local_time import Span
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import ChangedObservation, Observation, ObservationKind, is_of
from chalicelib.domain.rules.ended import Mark
from chalicelib.privacy.data_map import Step
from chalicelib.privacy.erasure.naming import Place, make_nameless
from chalicelib.privacy.erasure_progress import (
    COUNT,
    HASHED,
    MOST_NAMED,
    SETTLED,
    Erasure,
    add_face_hashes,
    erasure_fields,
    erasure_from,
    erasure_item,
    make_statement,
    receipt_name,
)
from chalicelib.privacy.signing import canonical_json
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, write_unless_changed
from chalicelib.storage.ports import Action, Delete, Put, Update, equals, exists
from chalicelib.storage.records.merges import IN_FLIGHT, MAX_MERGES
from chalicelib.storage.records.observations import STORABLE, days_of
from chalicelib.storage.values import milliseconds, time_text
from chalicelib.telemetry import report_failure

if TYPE_CHECKING:
    from chalicelib.services import Services

_A_TRANSACTION = 20
"""Observations that get another name in one transaction: each is deleted and put anew."""
_JOINED = MOST_LEAVING - 1 - MAX_MERGES
"""Faces in records that are made one: a face that they are cut at comes with those that were merged
into it."""
_APART_S = 60
"""Seconds until an erasure looks again whether its group has been erased, or others are as far."""
_DAYS_ERASURES = timedelta(days=1, hours=1)
"""How old an erasure may be that ends together with another one."""
_SCRUBS_TOGETHER = timedelta(minutes=10)
"""Wait of an erasure for others, from its request on, so that one scrub does for all: each writes
the whole database of a box anew."""


class Wait(Struct, frozen=True):
    """Reason for which an erasure waits.

    `what`: until when, or for what. `again_s`: the seconds until it is worth another look; None: a
    sweep looks.
    """

    what: str
    why: str
    again_s: int | None

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


class ErasureSteps(Service["Services"]):
    """The steps of erasures, and those after other deletions.

    `most_named`: the most faces that one record names.
    """

    most_named: int = MOST_NAMED

    def continue_all(
        self, tenant: Tenant, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> None:
        """Go on with all unfinished erasures.

        One that needs more time, or has to wait, gets a message.

        Then the witness gets the receipts that it lacks. Raises the errors of the witness.
        """
        erasure_progress = list(self.services.erasure.records.list_all(tenant.name))
        unfinished = [erasure for erasure in erasure_progress if erasure.done_at is None]
        joined_ids = self._join_records(tenant, unfinished)
        for erasure in (erasure for erasure in unfinished if erasure.id not in joined_ids):
            if remaining_s() < STOPS_AT_S:
                self.services.erasure.records.send_message(tenant.name, erasure)
            else:
                self.go_on(tenant, erasure.id, remaining_s)
        for erasure in erasure_progress:
            self._give_witness_receipt(tenant, erasure)

    def go_on(
        self, tenant: Tenant, id_: str, remaining_s: Callable[[], float] = lambda: float("inf")
    ) -> None:
        """Do the steps that are left.

        May be cut off anywhere, and called again, also by two at once.
        """
        while True:
            item = self.services.items.get(keys.ERASURES, (tenant.name, id_))
            if item is None or item.get("done_at") is not None:
                return None
            erasure = self._date_again(tenant, erasure_from(item))
            wait = self.find_wait(tenant, erasure)
            if wait is not None:
                if wait.again_s is not None:
                    self.services.erasure.records.send_message(tenant.name, erasure, wait.again_s)
                return None
            if not self._do_next_step(tenant, erasure, remaining_s):
                return self.services.erasure.records.send_message(tenant.name, erasure)

    def _date_again(self, tenant: Tenant, erasure: Erasure) -> Erasure:
        """Date an erasure by the clock of now if it was asked for while the clock was ahead: its
        steps would wait until then, and look at no time before."""
        now = self.services.clock.now()
        if erasure.at <= now + SETTLED:
            return erasure
        dated = replace(erasure, at=now)
        self._replace_record(tenant, dated)
        return dated

    def find_wait(self, tenant: Tenant, erasure: Erasure) -> Wait | None:
        """Return the reason for which the next step of an erasure waits; None if it does not."""
        if erasure.at > self.services.clock.now() + SETTLED:
            return None  # the clock was ahead when it was asked for (`_date_again`)
        wait_s = (erasure.goes_on_at - self.services.clock.now()).total_seconds()
        if wait_s > 0:
            why = "requests that began before the deletion may run until then"
            return Wait(f"until {erasure.goes_on_at:%H:%M:%S} UTC", why, int(wait_s) + 1)
        if erasure.next_step is Step.GALLERY and self._waits_for_group(tenant, erasure):
            return Wait("for its group", "which is erased first", _APART_S)
        if not erasure.faceids and self._waits_for_night(erasure):
            night = f"until {find_night(erasure.at):%H:%M} UTC"
            return Wait(night, "one scrub of the database does for all that nobody asked for", None)
        if erasure.next_step is Step.RECEIPT and self._waits_for_others(tenant, erasure):
            latest = f"until {erasure.at + _SCRUBS_TOGETHER:%H:%M:%S} UTC at most"
            why = "others are erased as well, and one scrub of the database does for all"
            return Wait(latest, why, _APART_S)
        return None

    def _join_records(self, tenant: Tenant, unfinished: Iterable[Erasure]) -> set[str]:
        """Join the records of strangers who were deleted to make room, since the steps of each
        record read a lot.

        Return the ids of the records that are in others now.
        """
        joined_ids = set[str]()
        unbegun = sorted(
            (erasure for erasure in unfinished if erasure.by == FULL and not erasure.step),
            key=lambda erasure: erasure.erases,
        )
        face_counts = accumulate(len(erasure.faceids) for erasure in unbegun)
        numbered = zip(unbegun, face_counts, strict=True)
        for _, batch in groupby(numbered, key=lambda pair: (pair[0].erases, pair[1] // _JOINED)):
            *other_erasures, last_erasure = erasure_progress = [erasure for erasure, _ in batch]
            joined_erasure = replace(
                last_erasure,
                faceids=tuple(faceid for erasure in erasure_progress for faceid in erasure.faceids),
                number=sum(erasure.number for erasure in erasure_progress),
                names=tuple(
                    sorted({name for erasure in erasure_progress for name in erasure.names})
                ),
                groups=dict(ChainMap(*(dict(erasure.groups) for erasure in erasure_progress))),
                staff=tuple(faceid for erasure in erasure_progress for faceid in erasure.staff),
                firsts=dict(ChainMap(*(dict(erasure.firsts) for erasure in erasure_progress))),
                hashes={
                    kind: tuple(
                        sha for erasure in erasure_progress for sha in erasure.hashes.get(kind, ())
                    )
                    for kind in HASHED
                },
            )
            if_unbegun = (equals("step", 0, "step-same"),)
            deletes = [
                Delete(keys.ERASURES, (tenant.name, erasure.id), if_unbegun)
                for erasure in other_erasures
            ]
            put = Put(keys.ERASURES, erasure_item(tenant.name, joined_erasure), if_unbegun)
            if deletes and write_unless_changed(self.services.items, [put, *deletes]):
                joined_ids |= {erasure.id for erasure in other_erasures}
        return joined_ids

    def _waits_for_group(self, tenant: Tenant, erasure: Erasure) -> bool:
        """Tell if a face of the erasure is of a deleted group that has not been erased so far
        (deletion)."""
        face_keys = [(tenant.name, faceid) for faceid in erasure.faceids] if tenant.gone else []
        return any(
            item and item["group"] in tenant.gone
            for item in self.services.items.get_many(keys.FACES, face_keys)
        )

    def _waits_for_night(self, erasure: Erasure) -> bool:
        """Tell if the night's scrub does for an erasure: no person asked for it, and no restore
        that erases it again. On AWS nothing is scrubbed."""
        return (
            not self.services.storage.expires_items
            and erasure.next_step is Step.RECEIPT
            and erasure.by in UNASKED
            and not erasure.is_told
            and erasure.at <= self.services.clock.now() < find_night(erasure.at)
        )

    def _waits_for_others(self, tenant: Tenant, erasure: Erasure) -> bool:
        """Tell if others were asked for meanwhile that are not as far. On AWS nothing is
        scrubbed."""
        now = self.services.clock.now()
        return (
            not self.services.storage.expires_items
            and now < erasure.at + _SCRUBS_TOGETHER
            and any(
                other.next_step is not Step.RECEIPT
                for other in self.services.erasure.records.list_running(
                    tenant.name, now - _SCRUBS_TOGETHER
                )
            )
        )

    def _do_next_step(
        self, tenant: Tenant, erasure: Erasure, remaining_s: Callable[[], float]
    ) -> bool:
        """Do the next step. Return False if the time has run out before its end."""
        match erasure.next_step:
            case Step.TRACES:
                self._erase_traces(tenant, erasure)
            case Step.SIGHTINGS:
                if not self._erase_sightings(tenant, erasure, STORABLE, remaining_s):
                    return False
            case Step.DAYS:
                self.services.statistics.sealing.forget_other_zones(tenant)
                self.services.statistics.sealing.seal_tenant(tenant)
            case Step.LATE:
                at_ms = milliseconds(erasure.at)
                span = Span(
                    at_ms - IN_FLIGHT // timedelta(milliseconds=1),
                    milliseconds(self.services.clock.now()),
                )
                if not self._erase_sightings(tenant, erasure, span, remaining_s):
                    return False
                self._erase_traces(tenant, erasure)
                self._erase_traces(tenant, erasure, Step.LATE)
            case Step.GALLERY:
                self.services.index.purge_before(tenant.name, self._note_seq(tenant, erasure))
                faceids = self._note_absorbed(tenant, erasure)
                read_others = partial(self._read_later_enrolments, tenant, erasure, faceids)
                # waits for a lost signing key
                self.services.audit.erasing.erase(tenant.name, faceids, erasure.id, read_others)
            case Step.RECEIPT | None:
                self._finish(tenant, erasure)
                return True
        if erasure.step + 1 == len(erasure.steps):
            self._finish(tenant, erasure)
        else:
            self._save(tenant, erasure, {"step": erasure.step + 1})
        return remaining_s() >= STOPS_AT_S

    def _erase_traces(self, tenant: Tenant, erasure: Erasure, step: Step = Step.TRACES) -> None:
        before_ms, traces = milliseconds(erasure.at), self.services.erasure.traces
        traces.erase(tenant, step, erasure.faceids, before_ms, erases=erasure.is_whole)
        if step is Step.TRACES and erasure.names:
            traces.delete_acts_of_names(tenant, erasure.names, before_ms)

    def _erase_sightings(
        self, tenant: Tenant, erasure: Erasure, span: Span, remaining_s: Callable[[], float]
    ) -> bool:
        """Change the faces' observations of a time span, and the captures of an erasure.

        Return False if time ran out.

        For an erasure they get another name, and the captures lose the person. Else they lose age
        and gender, and their days are sealed anew behind it; an erasure has a step of its own for
        that.
        """
        changed_days: set[int] = set()
        is_complete = self._change_sightings(tenant, erasure, span, remaining_s, changed_days)
        if not erasure.is_whole:
            self.services.statistics.request_seals(tenant, changed_days)
        return is_complete

    def _change_sightings(
        self,
        tenant: Tenant,
        erasure: Erasure,
        span: Span,
        remaining_s: Callable[[], float],
        changed_days: set[int],
    ) -> bool:
        """Change the observations, and add their UTC days. Return False if time ran out."""
        rejections = self.services.erasure.traces.list_rejections_by_sighting(tenant)
        marks = self._plan_marks(tenant, erasure, span)
        for observations in self._list_in_chunks(tenant, erasure, span, marks):
            own_observations = self._without_others(tenant, erasure, observations)
            for id_ in (
                id_
                for observation in own_observations
                for id_ in rejections.get(observation.id, ())
            ):
                self.services.erasure.traces.forget_rejection(tenant, id_)
            if not erasure.is_whole:
                own_observations = [
                    observation
                    for observation in own_observations
                    if _remove_age_and_gender(observation) != observation
                ]
            if not own_observations:
                continue
            changed_days |= days_of(own_observations)
            if erasure.is_whole:
                picture_counts = self._hide_in_captures(tenant, own_observations)
                self._rename_observations(tenant, erasure, own_observations, marks, picture_counts)
            else:
                self._remove_estimates(tenant, own_observations)
            if remaining_s() < STOPS_AT_S:
                return False
        return True

    def _plan_marks(self, tenant: Tenant, erasure: Erasure, span: Span) -> Mapping[Place, Mark]:
        """Return the mark of each observation that gets another name."""
        if not erasure.is_whole:
            return {}
        is_late = erasure.next_step is Step.LATE
        return self.services.erasure.naming.plan(tenant, erasure, span, is_late=is_late)

    def _list_in_chunks(
        self, tenant: Tenant, erasure: Erasure, span: Span, marks: Mapping[Place, Mark]
    ) -> Iterator[list[Observation]]:
        """Yield the faces' observations that a transaction changes each: in the order of the
        marks, if they get some."""
        mover, faceids = self.services.merges.mover, {*erasure.faceids}
        if not erasure.is_whole:
            yield from mover.list_in_chunks(tenant, faceids, span, _A_TRANSACTION)
        for places in cut_in_parts([*marks], _A_TRANSACTION):
            keys_of_part = [keys.observation(tenant.name, *place) for place in places]
            yield mover.read_by_keys(faceids, keys_of_part)

    def _without_others(
        self, tenant: Tenant, erasure: Erasure, observations: Sequence[Observation]
    ) -> list[Observation]:
        """Leave out the observations of another face that was enrolled with one of the ids since.

        Of a stripped face all go, also those of a clock that was ahead: it has none of its own.
        The faces are read after their observations: a face is stored with its first one.
        """
        present_faces = self.services.faces.by_id(
            tenant, {observation.faceid for observation in observations}, restricted=True
        )
        return [
            observation
            for observation in observations
            if observation.faceid not in present_faces
            or (erasure.strips and present_faces[observation.faceid].stripped_at is not None)
            or not is_of(present_faces[observation.faceid], observation)
        ]

    def _hide_in_captures(
        self, tenant: Tenant, observations: Sequence[Observation]
    ) -> Counter[str]:
        """Take the sightings out of their captures. Return the receipt's counts of the pictures."""
        numbers_of: dict[tuple[str, str], set[int]] = {}
        for camera_id, capture_id, number in _list_sighting_places(observations):
            numbers_of.setdefault((camera_id, capture_id), set()).add(number)
        hide = self.services.erasure.captures.hide
        fates = Counter(
            hide(tenant, *capture_ids, numbers) for capture_ids, numbers in numbers_of.items()
        )
        return Counter(captures_deleted=fates["deleted"], captures_hidden=fates["hidden"])

    def _rename_observations(
        self,
        tenant: Tenant,
        erasure: Erasure,
        observations: Sequence[Observation],
        marks: Mapping[Place, Mark],
        counts: Counter[str],
    ) -> None:
        """Leave only what statistics count of the observations, under another name.

        Count them in the same transaction.

        `counts`: what else was done for these observations, as the receipt counts it.
        """
        nameless_observations = [
            make_nameless(observation, erasure, marks[Place(observation.at_ms, observation.id)])
            for observation in observations
        ]
        deletions = [ChangedObservation(observation, None) for observation in observations]
        added_counts = {
            f"{COUNT}{name}": number
            for name, number in (counts + Counter(observations=len(nameless_observations))).items()
        }
        progress = Update(
            keys.ERASURES,
            (tenant.name, erasure.id),
            (equals("done_at", None, "running"),),
            add=added_counts,
        )
        # another worker did it, or a writer changed one: the next look finds it
        write_unless_changed(
            self.services.items,
            [
                progress,
                *self.services.statistics.make_actions(
                    tenant.name, nameless_observations, deletions
                ),
            ],
        )

    def _remove_estimates(self, tenant: Tenant, observations: Sequence[Observation]) -> None:
        """Take age and gender out of the observations, and delete what was cut out of their
        captures."""
        for place in _list_sighting_places(observations):
            self.services.erasure.captures.delete_crop(tenant, *place)
        changes = [
            ChangedObservation(observation, _remove_age_and_gender(observation))
            for observation in observations
        ]
        write_unless_changed(
            self.services.items, self.services.statistics.make_actions(tenant.name, [], changes)
        )

    def _note_absorbed(self, tenant: Tenant, erasure: Erasure) -> Sequence[str]:
        """Note also the faces that only the audit knows, before their entries go: the next try
        would not find them.

        Those that one item has no room for get further records. Their ids follow from this one's:
        so each is made once.
        """
        if not erasure.number:
            return erasure.faceids
        enrolled_since = self.services.erasure.traces.read_later_enrolments(tenant, erasure.faceids)
        faceids = self.services.audit.erasing.with_absorbed(
            tenant.name, erasure.faceids, enrolled_since
        )
        if len(faceids) == len(erasure.faceids):
            return faceids
        first_faceids, *other_parts = cut_in_parts(
            faceids, max(self.most_named, len(erasure.faceids))
        )
        template = replace(erasure, number=0, names=(), hashes={}, counts={}, refused=())
        refusals, known_faceids = self.services.refusals, {*erasure.faceids}

        def name_faces(record: Erasure, ids: Sequence[str]) -> Erasure:
            if erasure.refused:
                record = refusals.add_refused(tenant.name, record, {*ids} - known_faceids)
            return replace(record, faceids=(*ids,))

        first_erasure = name_faces(erasure, first_faceids)
        further_erasures = [
            name_faces(replace(template, id=str(int(erasure.id) + number)), ids)
            for number, ids in enumerate(other_parts, 1)
        ]
        refusals.write(tenant.name, first_erasure.refused)
        puts = self.services.erasure.records.make_put_actions(tenant, *further_erasures)
        self._save(tenant, erasure, erasure_fields(first_erasure, "faceids", "refused"), puts)
        for further_erasure in further_erasures:
            self.services.erasure.records.send_message(tenant.name, further_erasure)
        return first_faceids

    def _read_later_enrolments(
        self, tenant: Tenant, erasure: Erasure, faceids: Sequence[str]
    ) -> Mapping[str, datetime]:
        """Return since when an id is somebody else's; for a strip, no longer of what went: its own
        entry names all ids, by which a restore withdraws them."""
        stripped_at = dict.fromkeys(faceids, erasure.at) if erasure.strips else {}
        enrolled_since = self.services.erasure.traces.read_later_enrolments(tenant, faceids)
        return {**stripped_at, **enrolled_since}

    def _note_seq(self, tenant: Tenant, erasure: Erasure) -> int:
        """Return a seq of the gallery at which the faces are gone, and note it: it is the same for
        every try."""
        if erasure.seq is not None:
            return erasure.seq
        seq = self.services.writer.read_seq(tenant.name)
        self._save(tenant, erasure, {"seq": seq})
        return seq

    def _save(
        self,
        tenant: Tenant,
        erasure: Erasure,
        fields: Mapping[str, Any],
        further: Sequence[Action] = (),
    ) -> None:
        """Change fields of the record, unless another worker is further.

        `further`: actions of the same transaction.
        """
        same = (equals("step", erasure.step, "step-same"), equals("done_at", None, "running"))
        update = Update(keys.ERASURES, (tenant.name, erasure.id), same, set=fields)
        write_unless_changed(self.services.items, [update, *further])

    def _finish(self, tenant: Tenant, erasure: Erasure) -> None:
        """Forget the faces' ids, too: only the receipt is left of the erasure, which may wait for
        the night. Finish the others of the box that have come as far. Of strips and other deletions
        nothing is left.

        Raises Busy while a file cannot be wiped.
        """
        if not erasure.is_whole:
            self._delete_record(tenant, erasure)
            return
        # The ids go first, so that nothing has to be wiped once it is done: nobody would try again.
        wiped_erasure = self._wipe_record(tenant, erasure)
        if wiped_erasure is None or self._waits_for_night(wiped_erasure):
            return
        wiped_others = self._wipe_others(tenant, wiped_erasure)
        self.services.storage.scrub()
        self._end(tenant, wiped_erasure)
        for owner, wiped_other in wiped_others:
            with suppress(Busy, StorageUnavailable):  # its own steps end it
                self._end(owner, wiped_other)

    def _end(self, tenant: Tenant, wiped_erasure: Erasure) -> None:
        if wiped_erasure.strips:
            self._delete_record(tenant, wiped_erasure)
        else:
            self._sign_receipt(tenant, wiped_erasure)

    def _wipe_others(self, tenant: Tenant, erasure: Erasure) -> list[tuple[Tenant, Erasure]]:
        """Wipe the records of all other erasures of the last day, or since this one, of which the
        receipt alone is left to do; return them with their tenants.

        A box has one database for all shops. On AWS only those of the tenant.
        """
        since = min(self.services.clock.now() - _DAYS_ERASURES, erasure.at)
        tenants = (
            [tenant] if self.services.storage.expires_items else self.services.tenants.list_all()
        )
        wiped_others = []
        for owner in tenants:
            try:
                wiped_others += [
                    (owner, wiped)
                    for other in self.services.erasure.records.list_running(owner.name, since)
                    if other.id != erasure.id and other.next_step is Step.RECEIPT
                    if (wiped := self._wipe_record(owner, other))
                ]
            except Exception as error:
                report_failure(error, f"erasures of {owner.name} wait for another scrub")
        return wiped_others

    def _delete_record(self, tenant: Tenant, erasure: Erasure) -> None:
        if_running = (equals("done_at", None, "running"),)
        delete = Delete(keys.ERASURES, (tenant.name, erasure.id), if_running)
        write_unless_changed(self.services.items, [delete])

    def _wipe_record(self, tenant: Tenant, erasure: Erasure) -> Erasure | None:
        """Take the ids out of the record; return None if another worker has finished it."""
        hashed_erasure = erasure
        if erasure.faceids and erasure.erases:
            present_faces = self.services.faces.by_id(
                tenant, erasure.faceids, restricted=True
            ).values()
            hashed_erasure = add_face_hashes(
                erasure, self.services.audit.signing.read_face_key(tenant.name), present_faces
            )
        wiped_erasure = replace(
            hashed_erasure,
            faceids=(),
            names=(),
            hashes=hashed_erasure.hashes if erasure.erases else {},
            pseudonym="",
            groups={},
            staff=(),
            firsts={},
            step=erasure.steps.index(Step.RECEIPT),
        )
        return wiped_erasure if self._replace_record(tenant, wiped_erasure) else None

    def _sign_receipt(self, tenant: Tenant, wiped_erasure: Erasure) -> None:
        now = self.services.clock.now()
        statement = make_statement(
            tenant.name,
            tenant.app_id,
            wiped_erasure,
            time_text(now),
            time_text(wiped_erasure.at),
        )
        receipt = self.services.audit.signing.sign_statement(tenant.name, statement)
        done_erasure = replace(
            wiped_erasure, step=len(wiped_erasure.steps), done_at=now, receipt=receipt
        )
        if self._replace_record(tenant, done_erasure):
            name = receipt_name(tenant.app_id, done_erasure.id)
            self.services.ports.backups.keep(name, canonical_json(receipt))
            with suppress(Busy, StorageUnavailable, Unusable):  # the sweep tells it
                self._give_witness_receipt(tenant, done_erasure)

    def _replace_record(self, tenant: Tenant, erasure: Erasure) -> bool:
        """Write a record of an erasure that is not done; return False if it is."""
        if_running = (equals("done_at", None, "running"),)
        put = Put(keys.ERASURES, erasure_item(tenant.name, erasure), if_running)
        return write_unless_changed(self.services.items, [put])

    def _give_witness_receipt(self, tenant: Tenant, erasure: Erasure) -> None:
        """Give the witness a receipt, if it has it not: a restore of an older backup then knows
        whom to erase again.

        May be cut off anywhere and repeated. Raises StorageUnavailable, Unusable, Busy.
        """
        if (
            erasure.receipt is None
            or erasure.is_told
            or (witness := self.services.ports.witness) is None
        ):
            return
        witness.keep(receipt_name(tenant.app_id, erasure.id), canonical_json(erasure.receipt))
        update = Update(
            keys.ERASURES,
            (tenant.name, erasure.id),
            (exists("still-there"),),
            set={"is_told": True},
        )
        write_unless_changed(self.services.items, [update])


def _list_sighting_places(observations: Iterable[Observation]) -> Iterator[tuple[str, str, int]]:
    """Yield camera, capture and number of each sighting."""
    for observation in observations:
        if observation.kind is ObservationKind.SIGHTING:
            yield observation.camera, *parts_of_sighting(observation.id)


def _remove_age_and_gender(observation: Observation) -> Observation:
    return replace(
        observation, estimates=observation.estimates.without(frozenset({"age", "gender"}))
    )
