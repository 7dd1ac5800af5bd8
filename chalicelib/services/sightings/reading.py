"""What the decision about a sighting needs is read here, all of it, before core/sighting decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.captures import Camera, Capture, Instead
from chalicelib.core.model import Decision, Face, Group, Labels, Tenant
from chalicelib.core.ports import Item
from chalicelib.core.records.captures import AGAIN, seen_from
from chalicelib.core.sighting import Context, Judge, NoRoom, OpenSighting
from chalicelib.core.values import moment, optional
from chalicelib.core.visits import FaceVisits, Visits
from chalicelib.services.rooms import UseCase


class SightingReader(UseCase):
    def of_known(self, one: OpenSighting, held: FaceVisits, decision: Decision | None) -> Context:
        """Read the rest about a sighting of a known face. `held`: the face as it was read."""
        vision = self.book.tenant_vision.of(one.seen.template.model)
        judge = Judge(vision.impostor_curve, vision.population)
        return self._completed(Context(one, held, decision, judge=judge))

    def of_new(self, one: OpenSighting, face: Face) -> Context:
        """Read what the sighting that makes a new face changes, its number, and who goes for it.

        Raises NoRoom, TenantNotFound.
        """
        groups = self.book.groups.defaults(one.tenant)
        face = replace(face, number=groups.numbered + 1)
        context = Context(one, FaceVisits(face, Visits(), groups, groups.stranger), is_new=True)
        if not context.has_room:
            context = replace(context, evicted=self._longest_unseen(one.tenant, groups.stranger, one.not_face))
        return self._completed(context)

    def _completed(self, context: Context) -> Context:
        """Read what the plan of the face's visits asks for: the sightings that it may rename, and who was told."""
        one, full = context.sighted, context.full
        between = self.book.face_visits.between(one.tenant.name, context.held, context.plan) if one.arrives else ()
        told = full and self.book.items.get(keys.DIRECTORY, (one.tenant.name, keys.full_item(full.id)))
        return replace(context, sightings=tuple(between), told_at=moment(told["at"]) if told else None)

    def _longest_unseen(self, tenant: Tenant, strangers: Group, besides: str | None) -> Face:
        """Find the stranger without a name last seen longest ago, but not `besides`.

        Nor one that is held or whose observations move. Raises NoRoom.
        """
        for face in self.book.faces.by_arrival(tenant, strangers):
            if face.faceid != besides and not face.name and not face.moving and face.hold is None:
                return face
        raise NoRoom


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
