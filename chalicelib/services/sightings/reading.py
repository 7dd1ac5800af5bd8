"""What the decision about a sighting needs is read here, all of it, before core/sighting decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, Instead, SeenFace
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import Decision, Face, Group, Labels, Tenant
from chalicelib.core.ports import Item
from chalicelib.core.records.captures import AGAIN, seen_from
from chalicelib.core.reviews import NearFace
from chalicelib.core.sighting import Context, Evicted, Judge, OpenSighting, Refused
from chalicelib.core.values import moment, optional
from chalicelib.core.visits import FaceVisits, Visits
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.faces import face_deletes
from chalicelib.services.recognition.recognition import CANDIDATES, Recognised
from chalicelib.services.rooms import UseCase


class SightingReader(UseCase):
    def search(self, one: OpenSighting, others: Sequence[SeenFace]) -> Callable[[], Recognised]:
        """Return the search for the face that a sighting is. `others`: the other faces in its picture.

        If nobody is found, the faces of the same visit are looked at: once, unless the gallery has changed since.
        """
        looked_at: set[int] = set()

        def search() -> Recognised:
            found = self.book.recognition.of_seen_face(
                one.tenant, one.camera, one.seen, besides=one.not_face, at_ms=one.at_ms
            )
            if one.instead is not None:
                return replace(found, face=None)
            if found.face is not None or found.seq in looked_at:
                return found
            looked_at.add(found.seq)
            return self.book.recognition.same_visit.recognise(
                one.tenant, one.camera, one.capture, one.seen, others=others, found=found, not_face=one.not_face
            )

        return search

    def of_known(
        self, one: OpenSighting, faceid: str, decision: Decision | None, held: FaceVisits | None = None
    ) -> Context:
        """Read what a sighting of a known face changes. `held`: the face, if the search has read it.

        Raises GalleryMoved if the face is gone.
        """
        held = held or self.book.face_visits.read(one.tenant, faceid, one.at_ms)
        if held is None:
            raise GalleryMoved
        if one.is_uncertain(decision) and not one.near:
            found = self.book.recognition.nearest(one.tenant, one.camera, one.seen, CANDIDATES)
            one = replace(one, near=tuple(NearFace(near.faceid, min(near.score, 1.0)) for near in found))
        vision = self.book.tenant_vision.of(one.seen.template.model)
        return self._completed(
            Context(one, held, decision, judge=Judge(vision.impostor_curve, vision.population)),
        )

    def of_new(self, one: OpenSighting, face: Face) -> Context:
        """Read what the sighting that makes a new face changes, its number, and who goes for it.

        Raises Refused, TenantNotFound.
        """
        groups = self.book.groups.defaults(one.tenant)
        face = replace(face, number=groups.numbered + 1)
        context = Context(one, FaceVisits(face, Visits(), groups, groups.stranger), is_new=True)
        if not context.has_room:
            context = replace(context, evicted=self._evicted(one.tenant, groups.stranger, one.not_face))
        return self._completed(context)

    def _completed(self, context: Context) -> Context:
        """Read what the plan of the face's visits asks for: the sightings that it may rename, and who is told."""
        one, full, tenant = context.sighted, context.full, context.sighted.tenant.name
        between = self.book.face_visits.between(tenant, context.held, context.plan) if one.arrives else ()
        told = full and self.book.items.get(keys.DIRECTORY, (tenant, keys.full_item(full.id)))
        context = replace(
            context,
            sightings=tuple(between),
            told_at=moment(told["at"]) if told else None,
            months=self.book.statistics.calendar.months(tenant, [one.at_ms // DAY_MS]),
        )
        return replace(context, hooks=self.book.webhooks.hooks.all(tenant)) if context.tells else context

    def _evicted(self, tenant: Tenant, strangers: Group, besides: str | None) -> Evicted:
        """Find the stranger without a name last seen longest ago, but not `besides`, and what goes with that face.

        Nor one that is held or whose observations move. Raises Refused.
        """
        for face in self.book.faces.by_arrival(tenant, strangers):
            if face.faceid != besides and not face.name and not face.moving and face.hold is None:
                merges, pictures = self.book.merges.records.deletes(tenant.name, face)
                deletes = [
                    *face_deletes(self.book.items, tenant.name, face),
                    *self.book.recognition.negatives.deletes(tenant.name, face),
                    *merges,
                ]
                return Evicted(face, deletes, (*face.picture_keys, *pictures))
        raise Refused("the group of strangers is full, and nobody could go for it")


def corrected(tenant: Tenant, camera: Camera, capture: Capture, item: Item, now: datetime) -> OpenSighting:
    """Return the open sighting of a waiting capture, with the gap and the labels of the first time."""
    again = item[AGAIN]
    gap_s = camera.gap_s if again["gap_s"] is None else int(again["gap_s"])
    return OpenSighting(
        tenant,
        replace(camera, gap_s=gap_s, labels=Labels(*again["labels"])),
        capture,
        seen_from(again["seen"]),
        number=int(again["n"]),
        total=len(capture.sightings),
        now=now,
        correction=int(item["corrections"]),
        not_face=again["faceid"],
        other=again.get("other"),
        instead=optional(Instead, again.get("instead")),
    )
