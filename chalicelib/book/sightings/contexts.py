"""Contexts of the decision about a sighting: whose face it is, and the facts of that face
(domain/rules/sighting)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import GalleryMoved
from chalicelib.book.faces import face_deletes
from chalicelib.book.recognition.recognition import CANDIDATES, list_searched_groups
from chalicelib.domain.captures import SeenFace
from chalicelib.domain.consent import EndedRecords
from chalicelib.domain.errors import WrongModel
from chalicelib.domain.grounds import has_ground, more_than_a_stranger
from chalicelib.domain.hooks import FULL
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Decision, Face, Group, Tenant
from chalicelib.domain.observations import NearFace
from chalicelib.domain.rules.decision import subtract_demand
from chalicelib.domain.rules.recognised import Probes, Recognised, SightingTime
from chalicelib.domain.rules.sighting import (
    Context,
    EvictedStranger,
    Judge,
    OpenSighting,
    UnrememberedSighting,
    choose_by_views,
    is_lesser,
    plan_visits,
)
from chalicelib.domain.rules.templates import of_model, parse_vector
from chalicelib.domain.rules.visits import FaceVisits, Visits
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.records.observations import observation_from
from chalicelib.storage.values import moment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.book.book import Book
    from chalicelib.domain.rules.visits import DefaultGroups

_MOST_DELETES = 24
"""Of a transaction's hundred actions: three events for each of twenty hooks and the new face's own
need the others."""


@dataclass
class SightingSearch:
    """The search for the face that a sighting is.

    At one seq of the gallery it finds nobody once only.

    If nobody is found, or somebody of whom people are asked, further views are looked at; then the
    faces of the same visit. `fuse_views`: gives the mean of a face and its further views, if any.
    """

    services: Book
    open_sighting: OpenSighting
    fuse_views: Callable[[SeenFace], NDArray[np.float32] | None]
    unmatched: dict[int, Recognised] = field(default_factory=dict)
    """By the gallery's seq, what was found if that was nobody, or the face of the same visit."""

    def find(self, groups: DefaultGroups) -> Recognised:
        """Find the face, with its visits. `groups`: the tenant's, which were read just before.

        Raises WrongModel, GalleryMoved, and the errors of a search.
        """
        if groups.model != self.open_sighting.seen_face.template.model:
            raise WrongModel(
                "the tenant is searched with another model by now: embed the picture with it"
            )
        return self._search(SightingTime(self.open_sighting.at_ms, groups))

    def find_again(self, seq: int | None = None) -> Recognised:
        """Find the face in the gallery as it is at this moment: at `seq`, if that was just read.

        Raises as `find`.
        """
        known_result = None if seq is None else self.unmatched.get(seq)
        return known_result or self._search()

    def decision_of(self, recognised: Recognised) -> Decision | None:
        """Return the decision that found nobody; None: somebody said so."""
        return recognised.decision if self.open_sighting.instead is None else None

    def _search(self, sighting_time: SightingTime | None = None) -> Recognised:
        """Search for the face, by its views and its visit if nobody is found by the face alone.

        A search at a seq is made once.
        """
        open_sighting, face = self.open_sighting, self.open_sighting.seen_face
        probes = Probes(
            face.template.model, parse_vector(face.template)[None, :], [face.estimates.quality]
        )
        search = partial(
            self.services.recognition.recognise,
            open_sighting.tenant,
            group_ids=list_searched_groups(open_sighting.camera),
            excluded_faceid=open_sighting.rejected_faceid,
            sighting_time=sighting_time,
        )
        (found,) = search(probes)
        if open_sighting.instead is not None:
            return self.unmatched.setdefault(found.seq, replace(found, face=None))
        if found.face is None and found.seq in self.unmatched:
            return self.unmatched[found.seq]
        found = self._search_by_views(found, probes, search)
        if found.face is not None:
            return found
        if found.seq not in self.unmatched:
            other_faces = [other for other in open_sighting.faces_of_capture if other is not face]
            self.unmatched[found.seq] = self.services.recognition.recognise_by_visit(
                open_sighting.tenant,
                open_sighting.camera,
                open_sighting.capture,
                face,
                other_faces=other_faces,
                searched=found,
                excluded_faceid=open_sighting.rejected_faceid,
            )
        return self.unmatched[found.seq]

    def _search_by_views(
        self,
        found: Recognised,
        probes: Probes,
        search: Callable[[Probes], list[Recognised]],
    ) -> Recognised:
        """Return `found`, or the enrolled person whom the mean of all views finds more surely.

        A correction has no views: somebody has looked at its picture. Whoever withdrew consent by
        the picture stays so: views find nobody for them. Nor do they find a face for a picture that
        is more like one that was rejected for it.
        """
        open_sighting = self.open_sighting
        is_sure = found.face is not None and not open_sighting.is_uncertain(found.decision)
        if is_sure or open_sighting.correction:
            return found
        mean = self.fuse_views(open_sighting.seen_face)
        if mean is None:
            return found
        (found_by_views,) = search(replace(probes, vectors=mean[None, :]))
        chosen = choose_by_views(found, found_by_views, open_sighting)
        if chosen is found or self._is_withdrawn(found) or self._is_rejected(chosen):
            return found
        return chosen

    def _is_rejected(self, found: Recognised) -> bool:
        """Return whether the picture is more like one that people rejected for the face found."""
        face, template = found.face, self.open_sighting.seen_face.template
        own = None if face is None else of_model(face.templates, template.model)
        if face is None or own is None:
            return False
        probe = parse_vector(template)
        return self.services.recognition.negatives.turns_down(
            self.open_sighting.tenant.name,
            face,
            probe,
            template.model,
            float(probe @ parse_vector(own)),
        )

    def _is_withdrawn(self, found: Recognised) -> bool:
        """Return whether the picture shows somebody whose record of consent has ended."""
        groups = self.services.face_visits.read_default_groups(self.open_sighting.tenant)
        contexts = self.services.sightings.contexts
        return contexts.is_withdrawn(self.open_sighting, found, groups.ended_records)


class Contexts(Service["Book"]):
    """The reader of contexts."""

    def read_context(
        self, open_sighting: OpenSighting, search: SightingSearch, new_face: Face
    ) -> Context | UnrememberedSighting:
        """Find the sighting's face, and read what the sighting may change.

        The first of these that is true decides: nobody may be searched for; somebody said whose
        sighting it is; it is of somebody who withdrew consent; a face was found; nothing is kept of
        strangers; the sighting makes a new face. Return an UnrememberedSighting, with the reason,
        if the sighting is not to be stored.
        `new_face`: the face that is made if no face is found, without number and pictures. Raises
        GalleryMoved if the face is gone, WrongModel if the tenant is searched with another model by
        now, TenantNotFound.
        """
        if open_sighting.why_unsearched:
            return UnrememberedSighting(open_sighting, self._find_why_unsearched(open_sighting))
        if open_sighting.right_faceid is not None:
            return self._read_said(open_sighting, open_sighting.right_faceid)
        groups = self.services.face_visits.read_default_groups(open_sighting.tenant)
        recognised = search.find(groups)
        if self.is_withdrawn(open_sighting, recognised, groups.ended_records):
            return UnrememberedSighting(open_sighting, open_sighting.why_nothing_kept)
        if recognised.face is not None:
            return self._read_found(open_sighting, recognised.face.faceid, recognised)
        decision = search.decision_of(recognised)
        if open_sighting.why_not_kept:
            return UnrememberedSighting(open_sighting, open_sighting.why_not_kept, decision)
        return self._read_new(open_sighting, new_face, groups, decision)

    def _find_why_unsearched(self, open_sighting: OpenSighting) -> str:
        """Return why nobody is searched for: a picture that does not seem alive may still show
        somebody whose record of consent has ended."""
        if open_sighting.instead is None:
            groups = self.services.face_visits.read_default_groups(open_sighting.tenant)
            if self._is_newcomer_withdrawn(open_sighting, groups.ended_records):
                return open_sighting.why_nothing_kept
        return open_sighting.why_unsearched

    def _is_newcomer_withdrawn(
        self, open_sighting: OpenSighting, ended_records: EndedRecords
    ) -> bool:
        seen_face = open_sighting.seen_face
        return self.services.recognition.verification.is_newcomer_withdrawn(
            open_sighting.tenant,
            ended_records,
            parse_vector(seen_face.template),
            seen_face.estimates.quality,
            excluded_faceid=open_sighting.rejected_faceid,
        )

    def is_withdrawn(
        self, open_sighting: OpenSighting, recognised: Recognised, ended_records: EndedRecords
    ) -> bool:
        """Return whether a sighting is of somebody whose record of consent has ended
        (docs/decisions/0102).

        Such a person goes before strangers. If no more than a stranger was found, less likeness
        than a match needs is enough. Somebody who has a record of consent always goes first. If
        the rival was named or enrolled without a record, the one with the higher score goes first.
        """
        rival, seen_face = recognised.face, open_sighting.seen_face
        if rival is not None and has_ground(rival.consent):
            return False
        is_known = rival is not None and [*more_than_a_stranger(rival)]
        if not is_known and open_sighting.instead is None:
            return self._is_newcomer_withdrawn(open_sighting, ended_records)
        score = self.services.recognition.verification.find_withdrawn(
            open_sighting.tenant,
            ended_records,
            parse_vector(seen_face.template),
            seen_face.estimates.quality,
            excluded_faceid=open_sighting.rejected_faceid,
        )
        candidate = recognised.verdict.candidate
        if score is None or candidate is None or not is_known:
            return score is not None
        return score > subtract_demand(candidate.score, recognised.verdict.demand)

    def read_again(self, before: Context) -> Context:
        """Read again what the sighting that makes a new face changes.

        Raises GalleryMoved if nobody can go for the face any more, TenantNotFound.
        """
        groups = self.services.face_visits.read_default_groups(before.open_sighting.tenant)
        context = self._read_new(
            before.open_sighting, before.face_visits.face, groups, before.decision
        )
        if isinstance(context, UnrememberedSighting):
            raise GalleryMoved
        return context

    def _read_said(self, open_sighting: OpenSighting, faceid: str) -> Context:
        """Read what a sighting changes of a face that somebody said it is.

        Raises GalleryMoved if the face is gone.
        """
        restored_sighting = self._restore_earlier(open_sighting, faceid)
        earlier = restored_sighting.earlier_observation
        face_visits = self._read_visits(open_sighting, faceid)
        return self._read_known(
            restored_sighting, face_visits, earlier.decision if earlier else None
        )

    def _read_found(
        self, open_sighting: OpenSighting, faceid: str, recognised: Recognised
    ) -> Context:
        """Read what a sighting changes of a face that a search has found.

        Raises GalleryMoved if the face is gone.
        """
        face_visits = recognised.face_visits or self._read_visits(open_sighting, faceid)
        shown_twice = is_lesser(open_sighting, face_visits.face, self._make_judge(open_sighting))
        return self._read_known(
            replace(open_sighting, shown_twice=shown_twice), face_visits, recognised.decision
        )

    def _read_visits(self, open_sighting: OpenSighting, faceid: str) -> FaceVisits:
        face_visits = self.services.face_visits.read_face(
            open_sighting.tenant, faceid, open_sighting.at_ms
        )
        if face_visits is None:
            raise GalleryMoved
        return face_visits

    def _read_known(
        self, open_sighting: OpenSighting, face_visits: FaceVisits, decision: Decision | None
    ) -> Context:
        """Read what a sighting of a known face changes: the face with its visits, and how these
        then are.

        An uncertain sighting also gets the faces that are most like it, among which somebody may
        choose. `decision`: the search's; None: somebody said who it is.
        """
        sighting = open_sighting
        if open_sighting.is_uncertain(decision) and not open_sighting.nearest_faces:
            nearest = self.services.recognition.find_nearest(
                open_sighting.tenant, open_sighting.camera, open_sighting.seen_face, CANDIDATES
            )
            near_faces = (
                NearFace(candidate.faceid, min(candidate.score, 1.0)) for candidate in nearest
            )
            sighting = replace(open_sighting, nearest_faces=tuple(near_faces))
        plan, judge = plan_visits(sighting, face_visits), self._make_judge(sighting)
        return self._complete_context(Context(sighting, face_visits, plan, decision, judge=judge))

    def _make_judge(self, open_sighting: OpenSighting) -> Judge:
        vision = self.services.tenant_vision.choose_vision(open_sighting.seen_face.template.model)
        return Judge(vision.impostor_curve, vision.population)

    def _restore_earlier(self, open_sighting: OpenSighting, faceid: str) -> OpenSighting:
        """Return the sighting with what it was, if it comes back to a face that it was taken
        from."""
        negative = self.services.recognition.negatives.find_by_sighting(
            open_sighting.tenant.name, faceid, open_sighting.id
        )
        if negative is None or not negative.was:
            return open_sighting
        return replace(
            open_sighting,
            earlier_observation=observation_from(negative.was),
            was_reviewed=negative.asked,
        )

    def _read_new(
        self,
        open_sighting: OpenSighting,
        new_face: Face,
        groups: DefaultGroups,
        decision: Decision | None,
    ) -> Context | UnrememberedSighting:
        """Read what the sighting that makes a new face changes, and who goes for it.

        `decision`: why it is no other.
        """
        face_visits = FaceVisits(
            replace(new_face, number=groups.numbered + 1), Visits(), groups, groups.stranger
        )
        context = Context(
            open_sighting,
            face_visits,
            plan_visits(open_sighting, face_visits),
            decision,
            is_new=True,
        )
        if not context.has_room:
            evicted = self._choose_evicted(
                open_sighting.tenant, groups.stranger, open_sighting.rejected_faceid
            )
            if evicted is None:
                return UnrememberedSighting(
                    open_sighting, "the group of strangers is full, and nobody could go for it"
                )
            context = replace(context, evicted=evicted)
        return self._complete_context(context)

    def _complete_context(self, context: Context) -> Context:
        """Read what the plan of the face's visits asks for.

        These are the sightings whose group's name it may change, the day's month of the calendar,
        when hooks were last told that the group is full, and, if there are events, the hooks.
        """
        open_sighting = context.open_sighting
        full_group = context.full_group
        tenant = context.open_sighting.tenant.name
        touched_sightings = (
            self.services.face_visits.list_touched_sightings(
                tenant, context.face_visits, context.plan
            )
            if open_sighting.is_of_arrival
            else ()
        )
        full_item = full_group and self.services.items.get(
            keys.DIRECTORY, (tenant, keys.full_item(full_group.id))
        )
        context_of_plan = replace(
            context,
            sightings=tuple(touched_sightings),
            full_reported_at=moment(full_item["at"]) if full_item else None,
            months=self.services.statistics.calendar.read_months(
                tenant, [open_sighting.at_ms // DAY_MS]
            ),
        )
        if not context_of_plan.has_events:
            return context_of_plan
        return replace(context_of_plan, hooks=self.services.webhooks.hooks.list_all(tenant))

    def _choose_evicted(
        self, tenant: Tenant, strangers: Group, excluded_faceid: str | None
    ) -> EvictedStranger | None:
        """Choose the stranger who is deleted to make room: the one without a name last seen longest
        ago.

        It is not `excluded_faceid`, and not under legal hold. Its observations are not being moved,
        and what goes with it has room in one transaction. None: nobody can go.
        """
        for face in self.services.faces.list_by_arrival(tenant, strangers):
            if face.faceid == excluded_faceid or face.name or face.moving or face.hold is not None:
                continue
            merges, pictures = self.services.merges.records.make_delete_actions(tenant.name, face)
            negatives = self.services.recognition.negatives.make_delete_actions(tenant.name, face)
            deletes = [*face_deletes(self.services.items, tenant.name, face), *negatives, *merges]
            if len(deletes) <= _MOST_DELETES:
                departure = self.services.book_hooks.faces_leave(
                    tenant, [face], FULL, erases=tenant.deletes_erase
                )
                return EvictedStranger(
                    face, [*deletes, *departure.actions], (*face.picture_keys, *pictures)
                )
        return None
