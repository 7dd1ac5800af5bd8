"""The outcome of a sighting (core/sighting) is written here, in one transaction.

That transaction changes arrivals, counts, group, observation and events. It requires that its face is the capture's
next one. So a capture that is delivered twice, or cut off anywhere, continues where it stopped and repeats nothing. A
face's visits have a version, so that no writer misses another's sighting.

The commit of a new face requires that the gallery has not changed since the search, so two captures of one new person
make one stranger. If the group or the tenant is full, the same transaction deletes the stranger last seen longest ago.

The capture of a rejected sighting goes back to state STORED, and an attribute names the sighting. The next worker on
the capture continues: the request that rejected it, the same request sent again, or a worker that the watch calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, Instead, Resolution, SeenFace, Sighting
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import write
from chalicelib.core.model import STRANGER, Decision, Edit, Face, JournalEntry
from chalicelib.core.observations import ChangedObservation, Observation
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.ports import Action, Check, Condition, Item, Put, Update, absent, equals
from chalicelib.core.records.captures import (
    AGAIN,
    ATTEMPTS,
    SENT_AT,
    capture_key,
    seen_item,
    sides_fields,
    sighting_item,
)
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.sighting_entries import sighting_put
from chalicelib.core.sighting import NoRoom, OpenSighting, Outcome, founding_picture
from chalicelib.core.values import known, milliseconds, time_ordered_id
from chalicelib.services.commit import Change, deleted
from chalicelib.services.faces import face_deletes, name_puts
from chalicelib.services.portraits import keys_of
from chalicelib.services.rooms import UseCase
from chalicelib.services.sightings.reviews import review_put
from chalicelib.services.tenants import NUMBERED
from chalicelib.services.visits import FACE_SAME, face_update, visits_puts

STEP = "capture-step"
"""The name of the condition that this face of the capture is the next one to be resolved."""

_WAITING = "rejected for the face that it matched; being resolved again"


class Overtaken(Exception):
    """Another worker resolved this face of the capture first: read the capture again."""


@dataclass(frozen=True)
class Prepared:
    """A new face that is ready to be committed. `told`: the actions that tell of it; `seq`: the gallery's as read.

    `merges`: the actions that delete the merges of the face that goes, and the keys of the pictures only those name.
    """

    outcome: Outcome
    told: Sequence[Action]
    merges: tuple[Sequence[Action], Sequence[str]]

    @property
    def seq(self) -> int:
        return self.outcome.held.groups.seq


class SightingWriter(UseCase):
    def skipped(self, one: OpenSighting, reason: str, decision: Decision | None = None) -> Capture:
        """Record a face that is nobody's, in the capture only. Raises Overtaken."""
        sighting = one.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        try:
            write(self.book.items, _resolved(one, sighting))
        except ConditionFailed as error:
            raise Overtaken from error
        return one.resolved_capture(sighting)

    def write_known(self, outcome: Outcome, crop: Callable[[], FaceJpeg]) -> None:
        """Write the sighting of a known face, which may learn it. `crop`: cuts the face out of its capture.

        Raises ConditionFailed if anything was changed meanwhile, WrongModel if the face is to learn.
        """
        tenant, held = outcome.sighted.tenant.name, outcome.held
        with self._taught(outcome, crop) as face:
            if not outcome.sighted.arrives:
                present = Check(keys.FACES, (tenant, face.faceid), (equals("group", face.group_id, FACE_SAME),))
                return write(self.book.items, [present, *self._seen(outcome), *self._told(outcome)])
            held, renamed = self.book.face_visits.renamed(tenant, held, outcome.renamed)
            actions: list[Action] = visits_puts(tenant, face.faceid, held.visits, outcome.visits)
            if face != held.face:
                actions.append(face_update(tenant, held.face, face))
            actions += [*self._seen(outcome, renamed), *self._told(outcome)]
            self.book.face_visits.save(tenant, held, face, actions)
            return self.book.webhooks.outbox.announce(tenant, actions)

    @contextmanager
    def _taught(self, outcome: Outcome, crop: Callable[[], FaceJpeg]) -> Iterator[Face]:
        """Give the face with the keys of its pictures; the commit in the block stores it.

        The crop is stored before the commit, and deleted if the commit is refused. The pictures that the new one pushes
        out are deleted afterwards.
        """
        face, new = outcome.face, outcome.learnt
        if new is None:
            yield face
            return
        # Without a thumbnail, which would cost as much to store again: a learnt picture is no portrait.
        stored = self.book.portraits.kept(outcome.sighted.tenant, outcome.held.face, new, FaceJpeg(crop().data))
        face = replace(face, pictures=tuple(stored if one is new else one for one in face.pictures))
        with self.book.portraits.discarded_if_refused([stored.key]):
            yield face
        self.book.portraits.discard(keys_of(one for one in outcome.held.face.pictures if one not in face.pictures))

    @contextmanager
    def portrayed(self, one: OpenSighting, jpeg: FaceJpeg) -> Iterator[Face]:
        """Give a new face, whose picture is stored, and deleted if the commit in the block is refused."""
        new = Face(time_ordered_id(one.now), STRANGER, one.now, ())
        picture = self.book.portraits.kept(one.tenant, new, founding_picture(one), jpeg)
        with self.book.portraits.discarded_if_refused([picture.key]):
            try:
                yield replace(new, pictures=(picture,))
            except NoRoom:
                self.book.portraits.discard([picture.key])
                raise

    def exclusive(self, tenant: str) -> AbstractContextManager[None]:
        """Hold up this process's other commits for the tenant until a new face is committed."""
        return self.book.writer.exclusive(tenant)

    def prepared(self, outcome: Outcome) -> Prepared:
        """Read what the commit of a new face needs beside the outcome: whom to tell, and what goes with who goes."""
        tenant, evicted = outcome.sighted.tenant.name, outcome.context.evicted
        merges = self.book.merges.records.deletes(tenant, evicted) if evicted else ([], [])
        return Prepared(outcome, self._told(outcome), merges)

    def write_new(self, new: Prepared, decision: Decision | None, seq: int) -> Prepared:
        """Write the sighting that makes a new face, if the gallery is still at the seq of the search that found nobody.

        Return it with the `decision` of that search; None: somebody said that it is nobody known. Raises
        GalleryMoved, ConditionFailed.
        """
        sighting = replace(new.outcome.sighting, decision=decision)
        new = replace(new, outcome=replace(new.outcome, sighting=sighting))
        self.book.writer.commit(new.outcome.sighted.tenant.name, self._change(new, seq))
        return new

    def announce(self, new: Prepared) -> None:
        """Tell of a new face that is written, and delete the pictures of the one that went for it."""
        evicted = new.outcome.context.evicted
        self.book.webhooks.outbox.announce(new.outcome.sighted.tenant.name, new.told)
        if evicted:
            self.book.portraits.discard([*evicted.picture_keys, *new.merges[1]])

    def _change(self, new: Prepared, seq: int) -> Change:
        outcome, evicted = new.outcome, new.outcome.context.evicted
        tenant, face, held = outcome.sighted.tenant.name, outcome.face, outcome.held
        journal = [JournalEntry(Edit.PUT, face.faceid, face.group_id, face.templates)]
        actions: list[Action] = [
            Put(keys.FACES, face_item(tenant, face), (absent("face-free"),)),
            *name_puts(tenant, face),
            *visits_puts(tenant, face.faceid, held.visits, outcome.visits),
            *self._seen(outcome),
            *new.told,
        ]
        counts = {face.group_id: 1}
        if evicted:
            actions += [
                *face_deletes(self.book.items, tenant, evicted),
                *self.book.recognition.negatives.deletes(tenant, evicted),
                *new.merges[0],
            ]
            journal.insert(0, deleted(evicted))
            counts[STRANGER] = counts.get(STRANGER, 0) - 1
        numbered = {NUMBERED: 1}  # based on the seq at which the last number was read: so each is given once
        return Change(tuple(actions), tuple(journal), counts, held.limited_groups, tenant=numbered, based_on=seq)

    def _seen(self, outcome: Outcome, renamed: Sequence[ChangedObservation] = ()) -> list[Action]:
        """Return the actions that store the sighting in its capture, and the observation. `renamed`: earlier ones."""
        stored = self.book.statistics.recorder.actions(outcome.sighted.tenant.name, [outcome.observation], renamed)
        return [*_resolved(outcome.sighted, outcome.sighting), *stored]

    def _told(self, outcome: Outcome) -> list[Action]:
        """Return the actions that put the events into the outbox, and those that ask for reviews."""
        tenant, full = outcome.sighted.tenant.name, outcome.context.full
        actions: list[Action] = [review_put(tenant, one) for one in outcome.reviews]
        if full is not None and outcome.context.tells_full:
            noted = {"tenant": tenant, "item": keys.full_item(full.id), "at": milliseconds(outcome.sighted.now)}
            actions.append(Put(keys.DIRECTORY, noted))
        return [*actions, *self.book.webhooks.outbox.actions(tenant, outcome.events)]


def _resolved(one: OpenSighting, sighting: Sighting) -> list[Action]:
    """Return the actions that store the outcome in the capture, once: condition STEP."""
    tenant, after = one.tenant.name, one.resolved_capture(sighting)
    if one.correction:
        waits = (equals("state", CaptureState.STORED, STEP), equals("corrections", one.correction, STEP))
        update = _sightings_update(tenant, after, waits, remove=(AGAIN, ATTEMPTS, SENT_AT))
    else:
        update = progress_update(tenant, after, one.number)
    return [update, *sighting_put(tenant, one.capture, sighting)]


def progress_update(tenant: str, capture: Capture, done_before: int) -> Update:
    """Return the update that stores a capture's state and sightings.

    It requires that `done_before` of the capture's faces were resolved before: condition STEP.
    """
    resolved = capture.state is CaptureState.RESOLVED
    return Update(
        keys.CAPTURES,
        capture_key(tenant, capture.camera_id, capture.id),
        (equals("done", done_before or None, STEP),),
        set={
            "state": capture.state,
            "sightings": [sighting_item(one) for one in capture.sightings],
            **({"done": len(capture.sightings)} if capture.sightings else {}),
            **sides_fields(capture),
        },
        remove=("detection", "reason", ATTEMPTS, SENT_AT) if resolved else ("reason",),
    )


def waiting(
    tenant: str,
    item: Item,
    capture: Capture,
    number: int,
    seen: SeenFace,
    *,
    observation: Observation,
    other: str | None,
    instead: Instead | None,
) -> Update:
    """Return the update that makes a rejected sighting wait to be resolved again: condition STEP.

    `item`: the capture as stored; `observation`: the rejected sighting's; `other`, `instead`: as in OpenSighting.
    """
    before = int(item.get("corrections", 0))
    again = {
        "n": number,
        "faceid": observation.faceid,
        "seen": seen_item(seen),
        "gap_s": observation.gap_s,
        "labels": list(observation.labels),
        **known({"other": other, "instead": instead}),
    }
    old = capture.sightings[number]
    nobody = Sighting(number, Resolution.SKIPPED, old.box, quality=old.quality, reason=_WAITING)
    settled = (
        equals("state", CaptureState.RESOLVED, STEP),
        equals("corrections", before or None, STEP),
    )
    after = capture.with_sighting(nobody, CaptureState.STORED)
    return _sightings_update(tenant, after, settled, fields={AGAIN: again, "corrections": before + 1})


def is_waiting_for(item: Item, faceid: str) -> bool:
    """Return whether the capture has a sighting that was rejected for this face and is not resolved again yet."""
    return AGAIN in item and item[AGAIN]["faceid"] == faceid


def _sightings_update(
    tenant: str,
    capture: Capture,
    when: Sequence[Condition],
    *,
    fields: Item | None = None,
    remove: tuple[str, ...] = (),
) -> Update:
    sightings = [sighting_item(one) for one in capture.sightings]
    return Update(
        keys.CAPTURES,
        capture_key(tenant, capture.camera_id, capture.id),
        tuple(when),
        set={"state": capture.state, "sightings": sightings, **(fields or {})},
        remove=remove,
    )
