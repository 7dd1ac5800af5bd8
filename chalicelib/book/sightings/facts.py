"""Search for the face that a sighting shows, and read all that is needed to store it.

A sighting is one face in a camera's picture.

What is read are `SightingFacts`, and domain/rules/sighting decides by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
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
    EvictedStranger,
    LikenessScorer,
    OpenSighting,
    SightingFacts,
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
    results: dict[int, Recognised] = field(default_factory=dict)
    """By the gallery's seq, the result of all steps, if the searches themselves found nobody."""

    def find(self, groups: DefaultGroups) -> Recognised:
        """Return the match of the sighting, with its visits; or None.

        `groups` are the tenant's strangers and regulars, as read just before, with the face model
        that is searched. Raises WrongModel if the picture was embedded with another one. The search
        raises Busy, and GalleryMoved if a found face was deleted meanwhile.
        """
        if groups.model != self.open_sighting.seen_face.template.model:
            raise WrongModel(
                "the tenant is searched with another model by now: embed the picture with it"
            )
        return self._search(SightingTime(self.open_sighting.at_ms, groups))

    def find_again(self, seq: int | None = None) -> Recognised:
        """Find the face once more, in the gallery (the faces that are searched) as it is now.

        `seq`: the gallery's version, if it was just read: a result of the same version is returned
        without a search. Raises GalleryMoved, as `find`.
        """
        known_result = None if seq is None else self.results.get(seq)
        return known_result or self._search()

    def decision_of(self, recognised: Recognised) -> Decision | None:
        """Return the decision that found no match; None if a person decided it."""
        return recognised.decision if self.open_sighting.instead is None else None

    def _search(self, sighting_time: SightingTime | None = None) -> Recognised:
        """Return the face that the sighting is, or nobody (`face` is None).

        There are three steps, until one finds somebody. The face itself is searched for; then the
        mean of further views of it in the picture's file. Then it is compared with the few faces
        that the camera saw just before and after. `sighting_time`: with it, the visits come, too.
        """
        found = self._recognise(parse_vector(self.open_sighting.seen_face.template), sighting_time)
        if self.open_sighting.instead is not None:  # a person said that it is nobody of the book
            nobody = replace(found, face=None)
            return self.results.setdefault(found.seq, nobody)  # a seq's first result is kept
        if found.face is None and found.seq in self.results:  # all steps were done at this version
            return self.results[found.seq]
        found = self._search_by_views(found, sighting_time)
        return self._search_by_visit(found) if found.face is None else found

    def _recognise(
        self, vector: NDArray[np.float32], sighting_time: SightingTime | None
    ) -> Recognised:
        """Return the face that a search finds for a unit vector of the sighting, or nobody.

        The groups are those that the camera searches. The face that a person rejected for the
        sighting is left out.
        """
        open_sighting, seen_face = self.open_sighting, self.open_sighting.seen_face
        qualities = [seen_face.estimates.quality]
        (found,) = self.services.recognition.recognise(
            open_sighting.tenant,
            Probes(seen_face.template.model, vector[None, :], qualities=qualities),
            group_ids=list_searched_groups(open_sighting.camera),
            excluded_faceid=open_sighting.rejected_faceid,
            sighting_time=sighting_time,
        )
        return found

    def _search_by_views(self, found: Recognised, sighting_time: SightingTime | None) -> Recognised:
        """Return `found`, or the enrolled person whom the mean of all views finds more surely.

        Views are further pictures of the same face in the capture's file. `found` is what a search
        found by the picture alone. It stays if the picture shows somebody who withdrew consent. It
        stays, too, if the picture is more like one that people rejected for the person of the
        views.
        """
        open_sighting = self.open_sighting
        if not needs_views(found, open_sighting):  # the picture alone is sure, or hopeless
            return found
        mean = self.fuse_views(open_sighting.seen_face)
        if mean is None:  # no view shows this face
            return found
        found_by_views = self._recognise(mean, sighting_time)
        surer = choose_by_views(found, found_by_views, open_sighting)
        if surer is found or self._is_withdrawn(found) or self._is_rejected(surer):
            return found
        return surer

    def _search_by_visit(self, searched: Recognised) -> Recognised:
        """Return the face that the camera saw just before or after, if the sighting is that; or
        nobody.

        `searched` is what the searches found: nobody. At one version (seq) of the gallery this is
        asked once, and the result kept.
        """
        if searched.seq not in self.results:
            open_sighting, seen_face = self.open_sighting, self.open_sighting.seen_face
            other_faces = [face for face in open_sighting.faces_of_capture if face is not seen_face]
            self.results[searched.seq] = self.services.recognition.recognise_by_visit(
                open_sighting.tenant,
                open_sighting.camera,
                open_sighting.capture,
                seen_face,
                other_faces=other_faces,
                searched=searched,
                excluded_faceid=open_sighting.rejected_faceid,
            )
        return self.results[searched.seq]

    def _is_rejected(self, found: Recognised) -> bool:
        """Return whether the picture is more like one that people rejected for the found face.

        A rejected picture (a negative) was taken for the face by mistake. So a picture that is
        more like it than like the face does not show the face. False if nobody was found.
        """
        face, template = found.face, self.open_sighting.seen_face.template
        if face is None:
            return False
        face_template = of_model(face.templates, template.model)
        if face_template is None:
            return False
        probe = parse_vector(template)
        score = float(probe @ parse_vector(face_template))  # a negative must be above this
        return self.services.recognition.negatives.turns_down(
            self.open_sighting.tenant.name, face, probe, template.model, score
        )

    def _is_withdrawn(self, found: Recognised) -> bool:
        """Return whether the picture shows somebody whose record of consent has ended."""
        groups = self.services.face_visits.read_default_groups(self.open_sighting.tenant)
        fact_reader = self.services.sightings.fact_reader
        return fact_reader.is_withdrawn(self.open_sighting, found, groups.ended_records)


class FactReader(Service["Book"]):
    """The reader of contexts: of all that the decision about a sighting needs."""

    def read_facts(
        self, open_sighting: OpenSighting, search: SightingSearch, new_face: Face
    ) -> SightingFacts | UnrememberedSighting:
        """Find the match of a sighting, and return everything needed to store it.

        The facts tell of a face of the book, which a person named or `search` found. If nobody is
        found, they tell of `new_face`, a stranger that has neither number nor pictures yet. If the
        sighting is not to be stored, the result is an UnrememberedSighting, which says why.

        `search.find` raises WrongModel if the tenant changed its face model meanwhile. It raises
        GalleryMoved if the found face was deleted meanwhile; so do the reads of visits. Each read
        of the groups raises TenantNotFound.
        """
        if open_sighting.why_unsearched:  # it may be a photo held before the camera, for example
            return UnrememberedSighting(open_sighting, self._find_why_unsearched(open_sighting))
        if open_sighting.right_faceid is not None:  # a person said who it is
            return self._read_said(open_sighting, open_sighting.right_faceid)
        groups = self.services.face_visits.read_default_groups(open_sighting.tenant)
        recognised = search.find(groups)
        # No search finds people who withdrew consent. The sighting is compared with them here,
        # before a found face counts, since it may be more like one of them.
        if self.is_withdrawn(open_sighting, recognised, groups.ended_records):
            return UnrememberedSighting(open_sighting, open_sighting.why_withdrawn)
        if recognised.face is not None:
            return self._read_found(open_sighting, recognised.face.faceid, recognised)

        # Nobody was found. `why_nobody` has the scores, for the audit; None: a person said so.
        why_nobody = search.decision_of(recognised)
        if open_sighting.why_no_stranger:  # the tenant keeps none, say, or the face is too poor
            return UnrememberedSighting(open_sighting, open_sighting.why_no_stranger, why_nobody)
        return self._read_new(open_sighting, new_face, groups, why_nobody)

    def _find_why_unsearched(self, open_sighting: OpenSighting) -> str:
        """Return why nobody is searched for, as the capture is to say it.

        A picture that does not seem alive may still show somebody who withdrew consent. Then the
        reason is theirs, and nothing of the face is kept.
        """
        if open_sighting.instead is None:  # else a person said what it is
            groups = self.services.face_visits.read_default_groups(open_sighting.tenant)
            if self._is_newcomer_withdrawn(open_sighting, groups.ended_records):
                return open_sighting.why_withdrawn
        return open_sighting.why_unsearched

    def _is_newcomer_withdrawn(
        self, open_sighting: OpenSighting, ended_records: EndedRecords
    ) -> bool:
        """Return whether a face that no search found is a person's who withdrew consent.

        Less likeness than a match needs is enough. It is better to lose a stranger than to keep
        somebody who said no.
        """
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
        """Return whether a sighting is of a person who withdrew consent, so that nothing is kept.

        `recognised` has the face that a search found, the rival, or nobody. A rival with a record
        of consent is believed: False. A rival whom people named or enrolled loses only to somebody
        who withdrew, matches, and is more alike. A mere stranger, or nobody, loses to anybody who
        withdrew and has some likeness, even less than a match needs (docs/decisions/0102).

        `ended_records` says as of when those who withdrew are known.
        """
        rival, seen_face = recognised.face, open_sighting.seen_face
        if rival is not None and has_ground(rival.consent):
            return False
        is_known = rival is not None and bool([*more_than_a_stranger(rival)])
        # `instead`: a person said that it is nobody of the book. Then no less than a match counts.
        if not is_known and open_sighting.instead is None:
            return self._is_newcomer_withdrawn(open_sighting, ended_records)
        score = self.services.recognition.verification.find_withdrawn(
            open_sighting.tenant,
            ended_records,
            probe=parse_vector(seen_face.template),
            quality=seen_face.estimates.quality,
            excluded_faceid=open_sighting.rejected_faceid,
        )
        if score is None:  # nobody who withdrew matches
            return False
        candidate = recognised.verdict.candidate
        if candidate is None or not is_known:
            return True
        # A pair's demand is what many look-alikes add to its threshold. `score` is less it already.
        rival_score = subtract_demand(candidate.score, recognised.verdict.demand)
        return score > rival_score

    def read_again(self, before: SightingFacts) -> SightingFacts:
        """Read again what is needed to make a new face from a sighting, in its current state.

        It is called since others have written meanwhile. `before` is what was read the last time.
        Reading the groups raises TenantNotFound. Raises GalleryMoved, so that all begins anew, if
        strangers are full by now and none can be deleted.
        """
        groups = self.services.face_visits.read_default_groups(before.open_sighting.tenant)
        facts = self._read_new(
            before.open_sighting, before.face_visits.face, groups, before.decision
        )
        if isinstance(facts, UnrememberedSighting):  # no room any more
            raise GalleryMoved
        return facts

    def _read_said(self, open_sighting: OpenSighting, faceid: str) -> SightingFacts:
        """Return what is needed to store a sighting of the face (`faceid`) that a person named.

        The sighting may have been this face's before, and been taken from it. Then it comes back
        with the decision that it had. `_read_visits` raises GalleryMoved if the face is gone.
        """
        restored_sighting = self._restore_earlier(open_sighting, faceid)
        earlier = restored_sighting.earlier_observation
        decision = earlier.decision if earlier else None
        face_visits = self._read_visits(open_sighting, faceid)
        return self._read_known(restored_sighting, face_visits, decision)

    def _read_found(
        self, open_sighting: OpenSighting, faceid: str, recognised: Recognised
    ) -> SightingFacts:
        """Return what is needed to store a sighting of the face (`faceid`) that a search found.

        If another face in the same picture is more like this person, the person is shown twice.
        Then this sighting is marked as the lesser of the two (`shown_twice`), and a person will be
        asked. `_read_visits` raises GalleryMoved if the face is gone.
        """
        face_visits = recognised.face_visits
        if face_visits is None:  # it was found among those just before and after, without visits
            face_visits = self._read_visits(open_sighting, faceid)
        scorer = self._make_scorer(open_sighting)  # says how alike two faces are
        shown_twice = is_lesser(open_sighting, face_visits.face, scorer)
        sighting = replace(open_sighting, shown_twice=shown_twice)
        return self._read_known(sighting, face_visits, recognised.decision)

    def _read_visits(self, open_sighting: OpenSighting, faceid: str) -> FaceVisits:
        face_visits = self.services.face_visits.read_face(
            open_sighting.tenant, faceid, open_sighting.at_ms
        )
        if face_visits is None:  # the face was deleted
            raise GalleryMoved
        return face_visits

    def _read_known(
        self, open_sighting: OpenSighting, face_visits: FaceVisits, decision: Decision | None
    ) -> SightingFacts:
        """Return what is needed to store a sighting of a known face, one of the book.

        `face_visits` has the face with its visits. `decision` says by which score the search found
        it; None: a person named it. If the match is uncertain, a review will ask a person, who may
        choose another face. So the most similar faces are read, too.
        """
        sighting = open_sighting
        if open_sighting.is_uncertain(decision) and not open_sighting.nearest_faces:
            sighting = replace(open_sighting, nearest_faces=self._find_nearest(open_sighting))
        facts = SightingFacts(
            open_sighting=sighting,
            face_visits=face_visits,
            plan=plan_visits(sighting, face_visits),  # the visits with this sighting
            decision=decision,
            scorer=self._make_scorer(sighting),
        )
        return self._complete_facts(facts)

    def _find_nearest(self, open_sighting: OpenSighting) -> tuple[NearFace, ...]:
        """Return the faces that a sighting is most like, whether they match or not."""
        candidates = self.services.recognition.find_nearest(
            open_sighting.tenant,
            open_sighting.camera,
            open_sighting.seen_face,
            max_faces=CANDIDATES,
        )
        # A rounded template may be a little longer than 1, and the score with it.
        return tuple(NearFace(face.faceid, min(face.score, 1.0)) for face in candidates)

    def _make_scorer(self, open_sighting: OpenSighting) -> LikenessScorer:
        vision = self.services.tenant_vision.choose_vision(open_sighting.seen_face.template.model)
        return LikenessScorer(vision.impostor_curve, vision.population)

    def _restore_earlier(self, open_sighting: OpenSighting, faceid: str) -> OpenSighting:
        """Return the sighting with its earlier observation, if it was taken from this face before.

        When a person rejects a sighting for a face, the face notes it in a negative, and there
        stands the observation, too.
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
    ) -> SightingFacts | UnrememberedSighting:
        """Return what is needed to make a new face, a stranger, of a sighting.

        The plan is the new face's visits, with this sighting alone, and the group that they put it
        in: strangers, or regulars if one visit is enough. If that group or the tenant is full,
        another stranger is chosen, who will be deleted for it. If none can be, an
        UnrememberedSighting is returned.

        `groups` are the tenant's strangers and regulars, with their room. `decision` is that of the
        search that found nobody; None: a person said that it is nobody's.
        """
        numbered_face = replace(new_face, number=groups.numbered + 1)  # `stranger 17`, for people
        face_visits = FaceVisits(numbered_face, Visits(), groups, group=groups.stranger)
        facts = SightingFacts(
            open_sighting=open_sighting,
            face_visits=face_visits,
            plan=plan_visits(open_sighting, face_visits),
            decision=decision,
            is_new=True,
        )
        if not facts.has_room:  # in the plan's group, and in the tenant
            evicted = self._choose_evicted(
                open_sighting.tenant, groups.stranger, open_sighting.rejected_faceid
            )
            if evicted is None:
                return UnrememberedSighting(
                    open_sighting, "the group of strangers is full, and nobody could go for it"
                )
            facts = replace(facts, evicted=evicted)
        return self._complete_facts(facts)

    def _complete_facts(self, facts: SightingFacts) -> SightingFacts:
        """Return the facts with what can be read only once the face's visits are planned.

        The plan (`plan`) has the visits with this sighting. By it are read: earlier sightings to
        rename; when hooks were last told that a group is full; and the calendar's month. The hooks
        are read only if there is an event for them.
        """
        open_sighting, full_group = facts.open_sighting, facts.full_group
        tenant = open_sighting.tenant.name
        # A sighting keeps the group's name of its time. If the plan moves the promotion, at which a
        # stranger became a regular, earlier sightings get the other group's.
        touched_sightings: Iterable[Observation] = ()
        if open_sighting.is_of_arrival:
            touched_sightings = self.services.face_visits.list_touched_sightings(
                tenant, facts.face_visits, facts.plan
            )
        # Hooks are told once an hour that a group is full.
        full_reported_at = None
        if full_group is not None:
            full_reported_at = self._find_last_report(tenant, full_group)
        # The calendar has a mark for each day with sightings; this day may lack it.
        day = open_sighting.at_ms // DAY_MS
        completed = replace(
            facts,
            sightings=tuple(touched_sightings),
            full_reported_at=full_reported_at,
            months=self.services.statistics.calendar.read_months(tenant, [day]),
        )
        if not completed.has_events:  # there is nothing to tell hooks (webhooks)
            return completed
        return replace(completed, hooks=self.services.webhooks.hooks.list_all(tenant))

    def _find_last_report(self, tenant: str, full_group: Group) -> datetime | None:
        """Return when hooks were last told that a group is full; None: they never were."""
        note_key = (tenant, keys.full_item(full_group.id))
        note = self.services.items.get(keys.DIRECTORY, note_key)
        return moment(note["at"]) if note else None

    def _choose_evicted(
        self, tenant: Tenant, strangers: Group, excluded_faceid: str | None
    ) -> EvictedStranger | None:
        """Choose the stranger to delete to make room for a new one; None: no one can be deleted.

        It is the one last seen longest ago, but not `excluded_faceid`, nor a face that must stay
        (`_may_be_evicted`), nor one with too much to delete.
        """
        for face in self.services.faces.list_by_arrival(tenant, strangers):
            if face.faceid == excluded_faceid or not _may_be_evicted(face):
                continue
            evicted = self._plan_eviction(tenant, face)
            if evicted is not None:
                return evicted
        return None

    def _plan_eviction(self, tenant: Tenant, face: Face) -> EvictedStranger | None:
        """Return a stranger with the deletes by which it goes; None: one transaction has no room.

        With the face go its merges, and the pictures that people rejected for it (negatives).
        """
        merges, pictures = self.services.merges.records.make_delete_actions(tenant.name, face)
        negatives = self.services.recognition.negatives.make_delete_actions(tenant.name, face)
        deletes = [*face_deletes(self.services.items, tenant.name, face), *negatives, *merges]
        if len(deletes) > _MOST_DELETES:
            return None
        # Those who keep other data of a face, as the audit does, are told that it leaves, since its
        # group is FULL. What they write goes into the same transaction.
        departure = self.services.book_hooks.faces_leave(
            tenant, [face], FULL, erases=tenant.deletes_erase
        )
        all_deletes = [*deletes, *departure.actions]
        return EvictedStranger(face, all_deletes, picture_keys=(*face.picture_keys, *pictures))


def _may_be_evicted(face: Face) -> bool:
    """Return whether a stranger may be deleted to make room for another one.

    It may not if it has a name, is under legal hold, or its observations are just being moved to
    another face (`moving`).
    """
    return not face.name and not face.moving and face.hold is None
