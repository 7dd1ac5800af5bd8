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
from contextlib import contextmanager
from dataclasses import replace

from chalicelib.core.captures import Capture, Resolution
from chalicelib.core.errors import ConditionFailed
from chalicelib.core.items import write
from chalicelib.core.model import STRANGER, Decision, Face
from chalicelib.core.pictures import FaceJpeg
from chalicelib.core.ports import Action
from chalicelib.core.records.recording import OBSERVATION_NEW, days_of
from chalicelib.core.sighting import OpenSighting, Outcome, Refused, founding_picture
from chalicelib.core.values import time_ordered_id
from chalicelib.services.portraits import keys_of
from chalicelib.services.rooms import UseCase
from chalicelib.services.sightings.rows import STEP, of_known, of_new, resolved


class Overtaken(Exception):
    """Another worker resolved this face of the capture first: read the capture again."""


@contextmanager
def once() -> Iterator[None]:
    """Raise Overtaken or Refused if the commit in the block was refused because the face was resolved before."""
    try:
        yield
    except ConditionFailed as error:
        if STEP in error.names:
            raise Overtaken from error
        if OBSERVATION_NEW in error.names:
            raise Refused("this sighting was counted before") from error
        raise


class SightingWriter(UseCase):
    def skipped(self, one: OpenSighting, reason: str, decision: Decision | None = None) -> Capture:
        """Record a face that is nobody's, in the capture only. Raises Overtaken."""
        sighting = one.sighting(Resolution.SKIPPED, reason=reason, decision=decision)
        with once():
            write(self.book.items, resolved(one, sighting))
        return one.resolved_capture(sighting)

    def known(self, outcome: Outcome, crop: Callable[[], FaceJpeg]) -> Capture:
        """Write the sighting of a known face, which may learn it. `crop`: cuts the face out of its capture.

        Raises ConditionFailed if anything was changed meanwhile, Overtaken, Refused, WrongModel if the face is to
        learn.
        """
        tenant, visits = outcome.sighted.tenant.name, self.book.face_visits
        with once(), self._taught(outcome, crop) as face:
            held, renamed = visits.renamed(tenant, outcome.held, outcome.renamed)
            actions = of_known(outcome, face, held, renamed)
            visits.save(tenant, held, face, actions)
        self._delivered(outcome, actions)
        return outcome.capture

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
            except (Overtaken, Refused):
                self.book.portraits.discard([picture.key])
                raise

    def new(self, outcome: Outcome, seq: int) -> Capture:
        """Write the sighting that makes a new face, if the gallery is still at the seq of the search that found nobody.

        Raises GalleryMoved, ConditionFailed, Overtaken, Refused.
        """
        change = of_new(outcome, seq)
        with once():
            self.book.writer.commit(outcome.sighted.tenant.name, change)
        self._delivered(outcome, change.actions)
        if outcome.context.evicted:
            self.book.portraits.discard(outcome.context.evicted.picture_keys)
        return outcome.capture

    def _delivered(self, outcome: Outcome, actions: Sequence[Action]) -> None:
        tenant = outcome.sighted.tenant.name
        self.book.statistics.calendar.holds(tenant, days_of([outcome.observation]))
        self.book.webhooks.outbox.announce(tenant, actions)
