"""Whose face a sighting shows, and all that must be read to store it: a sighting is one face in a
camera's picture.

What is read is a `Context`, and domain/rules/sighting decides by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from chalicelib.domain.observations import NearFace, Observation
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
    needs_views,
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
    """The search for the face that a sighting is, one face in a camera's picture.

    If nobody is found, or somebody of whom people are asked, further views of the face in the
    picture's file are looked at; then the faces that the camera saw just before and after.
    `fuse_views`: gives the mean of a face and its further views, if any. At one seq (version) of
    the gallery, the faces that are searched, nobody is found once only.
    """

    services: Book
    open_sighting: OpenSighting
    fuse_views: Callable[[SeenFace], NDArray[np.float32] | None]
    unmatched: dict[int, Recognised] = field(default_factory=dict)
    """By the gallery's seq, what was found if that was nobody, or the face of the same visit."""

    def find(self, groups: DefaultGroups) -> Recognised:
        """Return the face that the sighting is, with its visits; or nobody.

        `groups`: the tenant's strangers and regulars, as read just before. Raises WrongModel if the
        picture was embedded with a model that is not searched any more. Raises GalleryMoved if a
        found face was deleted meanwhile, and the errors of a search.
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
        """Return the face that the sighting is; or nobody, which is found once for each seq.

        The seq is the version of the gallery, the faces that are searched. If the face alone finds
        nobody, further views of it are looked at, and then the faces that the camera saw just
        before and after. `sighting_time`: with it, the face comes with its visits.
        """
        open_sighting, seen_face = self.open_sighting, self.open_sighting.seen_face
        template, quality = seen_face.template, seen_face.estimates.quality
        probes = Probes(template.model, parse_vector(template)[None, :], qualities=[quality])
        search = partial(
            self.services.recognition.recognise,
            open_sighting.tenant,
            group_ids=list_searched_groups(open_sighting.camera),
            excluded_faceid=open_sighting.rejected_faceid,
            sighting_time=sighting_time,
        )
        (found,) = search(probes)
        if open_sighting.instead is not None:  # a person said that it is nobody of the book
            return self.unmatched.setdefault(found.seq, replace(found, face=None))
        if found.face is None and found.seq in self.unmatched:
            return self.unmatched[found.seq]
        found = self._search_by_views(found, probes, search)
        if found.face is not None:
            return found
        if found.seq not in self.unmatched:
            self.unmatched[found.seq] = self.services.recognition.recognise_by_visit(
                open_sighting.tenant,
                open_sighting.camera,
                open_sighting.capture,
                seen_face,
                other_faces=[
                    other for other in open_sighting.faces_of_capture if other is not seen_face
                ],
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

        Views are further pictures of the same face in the capture's file. `search`: asks again as
        for `found`. Whoever withdrew consent by the picture stays so: views find nobody for them.
        Nor do they find a face for a picture that is more like one that was rejected for it.
        """
        open_sighting = self.open_sighting
        if not needs_views(found, open_sighting):
            return found
        mean = self.fuse_views(open_sighting.seen_face)
        if mean is None:  # no view shows this face
            return found
        (found_by_views,) = search(replace(probes, vectors=mean[None, :]))
        chosen = choose_by_views(found, found_by_views, open_sighting)
        if chosen is found or self._is_withdrawn(found) or self._is_rejected(chosen):
            return found
        return chosen

    def _is_rejected(self, found: Recognised) -> bool:
        """Return whether the picture is more like one that people rejected for the found face."""
        face, template = found.face, self.open_sighting.seen_face.template
        if face is None:
            return False
        face_template = of_model(face.templates, template.model)
        if face_template is None:
            return False
        probe = parse_vector(template)
        score = float(probe @ parse_vector(face_template))
        return self.services.recognition.negatives.turns_down(
            self.open_sighting.tenant.name, face, probe, template.model, score
        )

    def _is_withdrawn(self, found: Recognised) -> bool:
        """Return whether the picture shows somebody whose record of consent has ended."""
        groups = self.services.face_visits.read_default_groups(self.open_sighting.tenant)
        contexts = self.services.sightings.contexts
        return contexts.is_withdrawn(self.open_sighting, found, groups.ended_records)


class Contexts(Service["Book"]):
    """The reader of contexts: of all that the decision about a sighting needs."""

    def read_context(
        self, open_sighting: OpenSighting, search: SightingSearch, new_face: Face
    ) -> Context | UnrememberedSighting:
        """Find out whose face a sighting shows, and return all that is needed to store it.

        If it is not to be stored, return an UnrememberedSighting, which says why.

        `new_face`: what is made of it if nobody is found; it has no number and no pictures yet.
        Raises GalleryMoved if the face was deleted meanwhile, WrongModel if the tenant changed its
        face model meanwhile, TenantNotFound.
        """
        if open_sighting.why_unsearched:  # it may be a photo held before the camera, for example
            return UnrememberedSighting(open_sighting, self._find_why_unsearched(open_sighting))
        if open_sighting.right_faceid is not None:  # a person said who it is
            return self._read_said(open_sighting, open_sighting.right_faceid)
        groups = self.services.face_visits.read_default_groups(open_sighting.tenant)
        recognised = search.find(groups)
        if self.is_withdrawn(open_sighting, recognised, groups.ended_records):
            return UnrememberedSighting(open_sighting, open_sighting.why_nothing_kept)
        if recognised.face is not None:
            return self._read_found(open_sighting, recognised.face.faceid, recognised)
        why_nobody = search.decision_of(recognised)
        if open_sighting.why_not_kept:  # the tenant keeps no strangers, or the face is too poor
            return UnrememberedSighting(open_sighting, open_sighting.why_not_kept, why_nobody)
        return self._read_new(open_sighting, new_face, groups, why_nobody)

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
        """Return whether somebody whom no search found is a person whose record of consent has
        ended; less likeness than a match needs is enough."""
        seen_face = open_sighting.seen_face
        return self.services.recognition.verification.is_newcomer_withdrawn(
            open_sighting.tenant,
            ended_records,
            probe=parse_vector(seen_face.template),
            quality=seen_face.estimates.quality,
            excluded_faceid=open_sighting.rejected_faceid,
        )

    def is_withdrawn(
        self, open_sighting: OpenSighting, recognised: Recognised, ended_records: EndedRecords
    ) -> bool:
        """Return whether a sighting is of somebody who withdrew consent: nothing is kept of them.

        `recognised`: the face that a search found, their rival, or nobody. A rival with a record of
        consent always goes first. One whom people named or enrolled without a record goes first if
        it is more alike. Against a mere stranger, or nobody, even less likeness than a match needs
        is enough (docs/decisions/0102).
        """
        rival, seen_face = recognised.face, open_sighting.seen_face
        if rival is not None and has_ground(rival.consent):
            return False
        is_known = rival is not None and bool([*more_than_a_stranger(rival)])
        if not is_known and open_sighting.instead is None:
            return self._is_newcomer_withdrawn(open_sighting, ended_records)
        score = self.services.recognition.verification.find_withdrawn(
            open_sighting.tenant,
            ended_records,
            probe=parse_vector(seen_face.template),
            quality=seen_face.estimates.quality,
            excluded_faceid=open_sighting.rejected_faceid,
        )
        if score is None:
            return False
        candidate = recognised.verdict.candidate
        if candidate is None or not is_known:
            return True
        # Both scores are less their pair's demand: what is asked of two whom many people resemble.
        rival_score = subtract_demand(candidate.score, recognised.verdict.demand)
        return score > rival_score

    def read_again(self, before: Context) -> Context:
        """Read anew all that is needed to make a new face of a sighting, since others wrote
        meanwhile.

        Raises TenantNotFound, and GalleryMoved if the group of strangers is full and nobody can go
        any more.
        """
        groups = self.services.face_visits.read_default_groups(before.open_sighting.tenant)
        context = self._read_new(
            before.open_sighting, before.face_visits.face, groups, before.decision
        )
        if isinstance(context, UnrememberedSighting):
            raise GalleryMoved
        return context

    def _read_said(self, open_sighting: OpenSighting, faceid: str) -> Context:
        """Return what is needed to store a sighting of a face that a person said it is.

        If it was that face's before and taken from it, it comes back as it was. Raises GalleryMoved
        if the face is gone.
        """
        restored_sighting = self._restore_earlier(open_sighting, faceid)
        earlier = restored_sighting.earlier_observation
        decision = earlier.decision if earlier else None
        face_visits = self._read_visits(open_sighting, faceid)
        return self._read_known(restored_sighting, face_visits, decision)

    def _read_found(
        self, open_sighting: OpenSighting, faceid: str, recognised: Recognised
    ) -> Context:
        """Return what is needed to store a sighting of a face that a search has found.

        It notes whether the picture shows the same person better elsewhere (`is_lesser`). Raises
        GalleryMoved if the face is gone.
        """
        face_visits = recognised.face_visits or self._read_visits(open_sighting, faceid)
        judge = self._make_judge(open_sighting)
        shown_twice = is_lesser(open_sighting, face_visits.face, judge)
        sighting = replace(open_sighting, shown_twice=shown_twice)
        return self._read_known(sighting, face_visits, recognised.decision)

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
        """Return what is needed to store a sighting of a face of the book.

        `face_visits`: that face with its visits. `decision`: by which the search found it; None: a
        person said so. If it is uncertain, the most similar faces are added: a person may choose.
        """
        sighting = open_sighting
        if open_sighting.is_uncertain(decision) and not open_sighting.nearest_faces:
            nearest = self.services.recognition.find_nearest(
                open_sighting.tenant,
                open_sighting.camera,
                open_sighting.seen_face,
                max_faces=CANDIDATES,
            )
            # A rounded template may be a little longer than 1, and the score with it.
            near_faces = [NearFace(face.faceid, min(face.score, 1.0)) for face in nearest]
            sighting = replace(open_sighting, nearest_faces=tuple(near_faces))
        context = Context(
            open_sighting=sighting,
            face_visits=face_visits,
            plan=plan_visits(sighting, face_visits),  # the visits with this sighting
            decision=decision,
            judge=self._make_judge(sighting),
        )
        return self._complete_context(context)

    def _make_judge(self, open_sighting: OpenSighting) -> Judge:
        vision = self.services.tenant_vision.choose_vision(open_sighting.seen_face.template.model)
        return Judge(vision.impostor_curve, vision.population)

    def _restore_earlier(self, open_sighting: OpenSighting, faceid: str) -> OpenSighting:
        """Return the sighting with what it was, if it comes back to a face that it was taken from.

        That stands in the face's negative, the note that a person rejected the sighting for it. An
        old one notes nothing.
        """
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
        """Return what is needed to make a new face, a stranger, of a sighting.

        If there is no room for it, another stranger has to go; if none can, the sighting is not
        remembered. `groups`: the tenant's strangers and regulars. `decision`: the search's, which
        found nobody; None: a person said so.
        """
        numbered_face = replace(new_face, number=groups.numbered + 1)
        face_visits = FaceVisits(numbered_face, Visits(), groups, group=groups.stranger)
        context = Context(
            open_sighting=open_sighting,
            face_visits=face_visits,
            plan=plan_visits(open_sighting, face_visits),
            decision=decision,
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
        """Return the context with the rest that must be read, which the face's new visits tell."""
        open_sighting, full_group = context.open_sighting, context.full_group
        tenant = open_sighting.tenant.name
        # Earlier sightings get another group's name if the visits move the face's promotion.
        touched_sightings: Iterable[Observation] = ()
        if open_sighting.is_of_arrival:
            touched_sightings = self.services.face_visits.list_touched_sightings(
                tenant, context.face_visits, context.plan
            )
        # That a group is full is told once an hour: when was it last?
        full_reported_at = None
        if full_group is not None:
            note_key = (tenant, keys.full_item(full_group.id))
            note = self.services.items.get(keys.DIRECTORY, note_key)
            full_reported_at = moment(note["at"]) if note else None
        day = open_sighting.at_ms // DAY_MS  # the calendar may lack it
        completed = replace(
            context,
            sightings=tuple(touched_sightings),
            full_reported_at=full_reported_at,
            months=self.services.statistics.calendar.read_months(tenant, [day]),
        )
        if not completed.has_events:  # there is nothing to tell hooks (webhooks)
            return completed
        return replace(completed, hooks=self.services.webhooks.hooks.list_all(tenant))

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
            # With the face go its merges, and the pictures that people rejected for it (negatives).
            merges, pictures = self.services.merges.records.make_delete_actions(tenant.name, face)
            negatives = self.services.recognition.negatives.make_delete_actions(tenant.name, face)
            deletes = [*face_deletes(self.services.items, tenant.name, face), *negatives, *merges]
            if len(deletes) > _MOST_DELETES:
                continue
            departure = self.services.book_hooks.faces_leave(
                tenant, [face], FULL, erases=tenant.deletes_erase
            )
            all_deletes = [*deletes, *departure.actions]
            return EvictedStranger(face, all_deletes, picture_keys=(*face.picture_keys, *pictures))
        return None
