"""The changes that one sighting makes in the book: a sighting is one face in one picture (a
capture) of a camera.

book/sightings/facts reads `SightingFacts`, `resolve_sighting` decides, book/sightings/changes makes
actions of the `SightingOutcome`, and book/sightings/ingest writes them, whole or not at all. Whose
face it is: domain/rules/decision. When a face is a regular: domain/rules/visits. Which pictures a
face keeps: domain/rules/templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.captures import (
    UNKEPT,
    Camera,
    Capture,
    CaptureState,
    Instead,
    Resolution,
    SeenFace,
    Sighting,
    sighting_id,
)
from chalicelib.domain.events import (
    FaceArrived,
    GroupFull,
    SightingEvent,
    StrangerCreated,
    StrangerPromoted,
)
from chalicelib.domain.grounds import is_enrolled, may_learn
from chalicelib.domain.model import (
    REGULAR,
    STRANGER,
    Decision,
    Face,
    Group,
    Learnt,
    Picture,
    Tenant,
)
from chalicelib.domain.observations import (
    ChangedObservation,
    NearFace,
    Observation,
    ObservationKind,
    Review,
    ReviewKind,
    observed_estimates,
)
from chalicelib.domain.pictures import BoundingBox, Quality
from chalicelib.domain.rules.decision import (
    MIN_QUALITY,
    MIN_SIDE_PX,
    MOST_LIFT,
    SAME_PASSAGE,
    ImpostorCurve,
    Population,
    anchor_threshold,
    is_alike,
    is_comparable,
    subtract_demand,
)
from chalicelib.domain.rules.hold import loses_anything
from chalicelib.domain.rules.recognised import Recognised
from chalicelib.domain.rules.templates import (
    choose_pictures_to_keep,
    is_sure,
    mean_of_given,
    of_model,
    parse_vector,
    shows_more_than,
)
from chalicelib.domain.rules.visits import (
    KEPT_MS,
    FaceVisits,
    VisitPlan,
    Visits,
    apply_plan,
    plan_with_sighting,
    rename_sightings,
)
from chalicelib.domain.webhooks import Event, Hook
from chalicelib.storage.ports import Action, Item
from chalicelib.storage.values import milliseconds, time_text

FULL_AGAIN_AFTER = timedelta(hours=1)
"""The shortest time between two events that one group is full."""


_SAID = {Instead.STRANGER: "a stranger", Instead.NEW: "somebody new", Instead.NOBODY: "no face"}


FORGOTTEN = "nobody; this tenant forgets strangers"
_NOWHERE = BoundingBox(0.0, 0.0, 0.0, 0.0)


class OpenSighting(Struct, frozen=True, dict=True):
    """One detected face of a capture, while it is being resolved.

    `capture.sightings`: the faces resolved already; `number`: its place among them; `total`: the
    faces detected; `faces_of_capture`: all of these; a correction has none of them. `correction`:
    how many sightings of the capture were rejected so far, with this one; 0: it is resolved for the
    first time. `rejected_faceid`: the face that it was rejected for. `right_faceid`, `instead`: who
    it is, as a person said. `earlier_observation`: what it was before, if it comes back to a face;
    `was_reviewed`: if a review asked about it. `nearest_faces`: those of an uncertain match.
    `shown_twice`: whether it is the lesser of two, by `is_lesser`.
    """

    tenant: Tenant
    camera: Camera
    capture: Capture
    seen_face: SeenFace
    number: int
    total: int
    now: datetime
    correction: int = 0
    rejected_faceid: str | None = None
    right_faceid: str | None = None
    instead: Instead | None = None
    earlier_observation: Observation | None = None
    was_reviewed: bool = False
    nearest_faces: tuple[NearFace, ...] = ()
    faces_of_capture: Sequence[SeenFace] = ()
    shown_twice: bool = False

    @cached_property
    def id(self) -> str:
        """The id of the sighting and of its observation."""
        return sighting_id(self.capture.id, self.number)

    @property
    def event_id(self) -> str:
        """The id for this sighting's events. Retries keep it; a rejection changes it."""
        return f"{self.id}-again{self.correction}" if self.correction else self.id

    @cached_property
    def at_ms(self) -> int:
        return milliseconds(self.capture.captured_at)

    @cached_property
    def is_of_arrival(self) -> bool:
        """True if the sighting belongs to an arrival.

        One resolved over 100 days late is only an observation.
        """
        return self.at_ms >= milliseconds(self.now) - KEPT_MS

    @property
    def why_unsearched(self) -> str:
        """Return why no search is made; "" if one is."""
        if self.instead is Instead.NOBODY:
            return self.what_people_said
        is_said = self.right_faceid is not None or self.instead is Instead.NEW
        return "" if is_said else self.seen_face.spoof or ""

    @property
    def why_no_stranger(self) -> str:
        """Return why a face without a match is not remembered as a stranger; "" if it is.

        The tenant or the camera may keep no strangers. Or the face wears a mask or is too small, or
        its picture is too poor.
        """
        if self.instead is Instead.NEW:  # a person said that it is somebody new: that is enough
            return ""
        if self.tenant.forgets_strangers:
            return FORGOTTEN
        if not self.camera.keeps_strangers:
            return "nobody; this camera keeps no strangers"
        seen_face = self.seen_face
        if seen_face.estimates.masked:
            return "nobody, and in a mask: strangers are remembered bare"
        side = min(seen_face.detected.box.width, seen_face.detected.box.height)
        if side < MIN_SIDE_PX:
            return f"nobody, and too small to be remembered: {int(side)} of {MIN_SIDE_PX} px"

        # The strictest limit counts: the camera's, the tenant's for all enrolments, or our own.
        enrol_quality = self.tenant.enrol_quality or 0.0
        least_quality = max(self.camera.stranger_quality, enrol_quality, MIN_QUALITY)
        quality = seen_face.estimates.quality
        if quality is None or quality >= least_quality:  # None: not measured
            return ""
        shortfall = Quality(quality, seen_face.flaw, quality).short_of(least_quality)
        return f"nobody, and too poor to be remembered, {shortfall}"

    @property
    def why_withdrawn(self) -> str:
        """Return why nothing is kept of a person whose record of consent has ended.

        Where strangers are forgotten, the words are those for any stranger: nobody can tell them
        apart.
        """
        return FORGOTTEN if self.tenant.forgets_strangers else UNKEPT

    def is_uncertain(self, decision: Decision | None) -> bool:
        """Return whether a person should review this match, since it may be false.

        `decision` is that of the match. If it is None or has no score, a person said who it is:
        False. With a threshold of 0.45 and a review margin of 0.05, scores from 0.45 to below 0.50
        are uncertain.
        """
        if decision is None or decision.score is None:
            return False
        if self.earlier_observation is not None:  # it comes back to a face: as it was there
            return self.was_reviewed
        if self.shown_twice:  # the same picture shows this person better
            return True
        return decision.threshold <= decision.score < decision.threshold + self.tenant.review_margin

    @property
    def what_people_said(self) -> str:
        """Return what a person stated about the sighting; "" if nobody did."""
        if self.right_faceid is not None:
            return "somebody said that it is this face" if self.earlier_observation is None else ""
        return "" if self.instead is None else f"somebody said that it is {_SAID[self.instead]}"

    def make_sighting(
        self,
        resolution: Resolution,
        faceid: str | None = None,
        decision: Decision | None = None,
        reason: str = "",
    ) -> Sighting:
        """Return the capture's record of this face: its match, or why there is none.

        `resolution` SKIPPED says that it is nobody's. Else `faceid` and `decision` say whose, and
        by which score. `reason` is why it is nobody's; without one, what people said of it is
        stored in its place.

        Of nobody only the reason is stored if the tenant forgets strangers, or if nothing may be
        kept of the person (UNKEPT: consent has ended).
        """
        keeps_nothing = self.tenant.forgets_strangers or reason == UNKEPT
        if resolution is Resolution.SKIPPED and keeps_nothing:
            return Sighting(
                self.number, resolution, box=_NOWHERE, reason=reason, correction=self.correction
            )
        return Sighting(
            number=self.number,
            resolution=resolution,
            box=self.seen_face.detected.box,
            faceid=faceid,
            quality=self.seen_face.estimates.quality,
            masked=self.seen_face.estimates.masked,
            reason=reason or self.what_people_said,
            decision=decision,
            resolved_at=self.now,
            model=self.seen_face.template.model,
            correction=self.correction,
        )

    def resolved_capture(self, sighting: Sighting) -> Capture:
        """Return the capture with this face resolved."""
        done_count = max(len(self.capture.sightings), self.number + 1)
        state = CaptureState.RESOLVED if done_count == self.total else CaptureState.STORED
        return self.capture.with_sighting(sighting, state)


class UnrememberedSighting(Struct, frozen=True):
    """A sighting that the book does not remember, and why not.

    `decision`: that of a search, if there was one.
    """

    open_sighting: OpenSighting
    reason: str
    decision: Decision | None = None

    @property
    def sighting(self) -> Sighting:
        return self.open_sighting.make_sighting(
            Resolution.SKIPPED, reason=self.reason, decision=self.decision
        )


class LikenessScorer(Struct, frozen=True):
    """Scores, by one model, of the likeness of a sighting and faces of the book."""

    curve: ImpostorCurve
    population: Population

    def score_likeness(self, seen_face: SeenFace, face: Face) -> float | None:
        """Return how alike a face that was seen and one of the book are; None: not comparable.

        It is the cosine of their templates, less the pair's demand: what the pair needs beyond the
        usual if many people resemble the two. So 0.50 with a demand of 0.03 counts as 0.47.
        """
        template = of_model(face.templates, seen_face.template.model)
        # A photo of a photo, or a poor picture, tells nothing.
        if template is None or seen_face.spoof or not is_comparable(seen_face.estimates.quality):
            return None
        probe, mean = parse_vector(seen_face.template), parse_vector(template)
        demand = self.population.compute_demand(probe, mean)
        return subtract_demand(float(probe @ mean), demand)


def is_lesser(open_sighting: OpenSighting, face: Face, scorer: LikenessScorer) -> bool:
    """Return whether another face in the same picture is the better sighting of this person.

    `face` is the person's face, which the sighting matched. Nobody stands twice before a camera. So
    if two faces are like the person, one is somebody else, a mirror or a poster. The better one has
    the higher score with `face`; of equal scores, it is the first in the picture.
    """
    own_number = open_sighting.number
    # A correction (rejected, and resolved again) has no templates of the picture's other faces, so
    # there are no scores: any other sighting of the person is better.
    if open_sighting.correction:
        return any(
            sighting.faceid == face.faceid
            for sighting in open_sighting.capture.sightings
            if sighting.number != own_number
        )
    other_faces = [
        (number, seen_face)
        for number, seen_face in enumerate(open_sighting.faces_of_capture)
        if number != own_number
    ]
    if not other_faces:
        return False
    own_score = scorer.score_likeness(open_sighting.seen_face, face)
    if own_score is None:  # not comparable, so nothing is known
        return False
    for number, seen_face in other_faces:
        score = scorer.score_likeness(seen_face, face)
        if score is None:
            continue
        if score > own_score or (score == own_score and number < own_number):
            return True
    return False


def needs_views(found: Recognised, open_sighting: OpenSighting) -> bool:
    """Return whether further views of the same face, in the picture's file, are worth a search.

    They are if the picture alone found nobody, or somebody of whom a person would be asked. Views
    hardly lift a score by more than 0.10, so `found.shortfall` must not be more. It is by how much
    the nearest face missed its threshold. A correction needs none, since a person has looked at its
    picture.
    """
    if open_sighting.correction or found.shortfall > MOST_LIFT:
        return False
    return found.face is None or open_sighting.is_uncertain(found.decision)


def choose_by_views(
    found: Recognised, found_by_views: Recognised, open_sighting: OpenSighting
) -> Recognised:
    """Return the more certain of two results: `found` by the picture alone, or the one of all its
    views.

    Views are further pictures of the same face in the capture's file; their mean was searched for.
    Its answer counts under three conditions. A person enrolled the face, since means of two
    strangers in one blur are alike (docs/decisions/0108). The picture alone scores 0.40
    (SAME_PASSAGE) or more with it. If `found` is somebody, it is the same face, and the mean makes
    the match certain.
    """
    face, seen_template = found_by_views.face, open_sighting.seen_face.template
    if face is None or not is_enrolled(face):
        return found
    template = of_model(face.templates, seen_template.model)
    if template is None:
        return found
    score_of_picture = float(parse_vector(seen_template) @ parse_vector(template))
    if score_of_picture < SAME_PASSAGE:
        return found
    # `by` names the sighting by which this one was recognised: here its own views.
    decision = replace(found_by_views.verdict.decision, by=open_sighting.id)
    if found.face is not None:
        is_same = face.faceid == found.face.faceid
        if not is_same or open_sighting.is_uncertain(decision):
            return found
    verdict = replace(found_by_views.verdict, decision=decision)
    return replace(found_by_views, verdict=verdict)


class EvictedStranger(Struct, frozen=True):
    """A stranger that is deleted to make room for a new one, since the group is full.

    `deletes`: the actions that delete the face; `picture_keys`: pictures to delete afterwards.
    """

    face: Face
    deletes: Sequence[Action] = ()
    picture_keys: Sequence[str] = ()


def plan_visits(open_sighting: OpenSighting, face_visits: FaceVisits) -> VisitPlan:
    """Return a face's visits with one more sighting, and the group that the face is in then.

    An arrival is one visit: sightings with less than the camera's gap between them. Enough arrivals
    make a stranger a regular. A sighting that was resolved too late, and a face under legal hold,
    change no group.
    """
    face, visits = face_visits.face, face_visits.visits
    if not open_sighting.is_of_arrival:  # resolved over 100 days late: it changes nothing
        return VisitPlan(visits, face.group_id)
    gap_ms = open_sighting.camera.gap_s * 1000
    if face.hold is not None:
        # Under legal hold the face stays in its group. The oldest arrivals become a mere count
        # (fold) only if there are too many to store.
        arrivals = visits.arrivals.add_sighting(open_sighting.at_ms, gap_ms).fold_oldest()
        held_visits = replace(visits, arrivals=arrivals, is_regrouped=False)
        return VisitPlan(held_visits, face.group_id)
    return plan_with_sighting(
        face.group_id,
        visits,
        at_ms=open_sighting.at_ms,
        gap_ms=gap_ms,
        now_ms=milliseconds(open_sighting.now),
        groups=face_visits.groups,
    )


class SightingFacts(Struct, frozen=True, dict=True):
    """The facts that the decision about a sighting needs, as they were read.

    `face_visits`: the sighting's face with its visits; a new face has neither these nor pictures.
    `plan`: by `plan_visits`. `decision`: why it is that face; for a new one, why it is no other;
    None: somebody said so. `sightings`: the face's, of the arrivals that the plan touches
    (domain/rules/visits). `full_reported_at`: time of the last event that `full_group` is full.
    `hooks`: read only if it `has_events`. `months`: items of the calendar that may lack these days.
    """

    open_sighting: OpenSighting
    face_visits: FaceVisits
    plan: VisitPlan
    decision: Decision | None = None
    is_new: bool = False
    scorer: LikenessScorer | None = None
    evicted: EvictedStranger | None = None
    sightings: Sequence[Observation] = ()
    full_reported_at: datetime | None = None
    hooks: Sequence[Hook] = ()
    months: Mapping[str, Item | None] = field(default_factory=dict)

    @property
    def is_promoted(self) -> bool:
        return (self.face_visits.face.group_id, self.plan.group_id) == (STRANGER, REGULAR)

    @property
    def entered_group(self) -> Group | None:
        """The default group that the face enters; None: it stays where it is, or is a stranger
        again."""
        if self.is_promoted:
            return self.face_visits.groups.regular
        return self.face_visits.groups.stranger if self.is_new else None

    @property
    def has_room(self) -> bool:
        """Return whether the group that a new face enters and the tenant have room for it."""
        return self.entered_group is None or not (
            self.entered_group.is_full or self.face_visits.groups.faces_left < 1
        )

    @cached_property
    def full_group(self) -> Group | None:
        """The group that refuses the face, or has no room left after it; None: there is none."""
        entered = self.entered_group
        if self.plan.refused or entered is None:
            return self.plan.refused
        return entered if self.evicted or entered.room == 1 else None

    @property
    def tells_full(self) -> bool:
        """Return whether to report in an event that a group is full, at most once an hour."""
        return self.full_group is not None and (
            self.full_reported_at is None
            or self.open_sighting.now - self.full_reported_at >= FULL_AGAIN_AFTER
        )

    @cached_property
    def begins_arrival(self) -> bool:
        """Return whether the sighting starts an arrival."""
        return self.face_visits.visits.has_fewer_arrivals(self.plan.visits)

    @property
    def has_events(self) -> bool:
        """Return whether there are events."""
        return self.is_new or self.begins_arrival or self.is_promoted or self.tells_full


class SightingOutcome(Struct, frozen=True):
    """The changes that one sighting makes, all in one transaction.

    `face`, `visits`, `capture`: as they are afterwards. `new_picture`: the one of the face's
    pictures that is not stored yet, if any. `renamed`: earlier sightings, in another group since
    the promotion moved.
    """

    facts: SightingFacts
    face: Face
    visits: Visits
    sighting: Sighting
    capture: Capture
    observation: Observation
    renamed: Sequence[ChangedObservation] = ()
    events: Sequence[Event] = ()
    reviews: Sequence[Review] = ()
    new_picture: Picture | None = None


def resolve_sighting(facts: SightingFacts) -> SightingOutcome:
    """Return all that a sighting changes: face, visits, capture, observation, events and reviews.

    An observation is what statistics count. An event tells hooks of it, and a review asks a person
    to look. Nothing is written here. `facts.plan` has the face's visits with this sighting, and
    the group that they put the face in. If it came too late to count, the visits are as before.
    """
    open_sighting, face_visits, plan = facts.open_sighting, facts.face_visits, facts.plan
    face = face_visits.face
    if open_sighting.is_of_arrival:  # else the visits, and so the face, stay as they are
        face = apply_plan(face, plan)

    if facts.is_new:
        pictures: tuple[Picture, ...] = (make_founding_picture(open_sighting),)
        resolution = Resolution.STRANGER
    else:
        pictures = choose_pictures_after(facts)
        resolution = Resolution.MATCHED
    face = replace(face, pictures=pictures)
    new_pictures = [picture for picture in pictures if picture not in face_visits.face.pictures]

    sighting = open_sighting.make_sighting(resolution, face.faceid, facts.decision)
    return SightingOutcome(
        facts=facts,
        face=face,
        visits=plan.visits,
        sighting=sighting,
        capture=open_sighting.resolved_capture(sighting),
        observation=_make_observation(facts, face, sighting),
        renamed=rename_sightings(face_visits.groups, plan.visits, facts.sightings),
        events=_make_events(facts, face, sighting),
        reviews=_make_reviews(facts, face, sighting),
        new_picture=new_pictures[0] if new_pictures else None,
    )


def make_founding_picture(open_sighting: OpenSighting) -> Picture:
    """Return the picture that a new face is made from."""
    capture, seen_face = open_sighting.capture, open_sighting.seen_face
    return Picture(
        id=capture.photo,
        key="",  # it gets one when it is stored
        added_at=open_sighting.now,
        templates=(seen_face.template,),
        estimates=seen_face.estimates,
        founded_at=capture.captured_at,
    )


def choose_pictures_after(facts: SightingFacts) -> tuple[Picture, ...]:
    """Return the pictures that a known face has after a sighting; the face may learn this one.

    A face learns from sightings that are surely its own, so that later searches find it better. The
    picture must show more than those that it has, and look like those that people gave. Under legal
    hold it may push none out. If it is not learnt, the pictures are returned as they are.
    """
    face, capture = facts.face_visits.face, facts.open_sighting.capture
    has_photo = any(picture.id in capture.photos for picture in face.pictures)
    if has_photo or not _may_learn(facts):
        return face.pictures
    new_picture = _make_learnt_picture(facts)
    pictures_after = choose_pictures_to_keep((*face.pictures, new_picture))
    is_kept = new_picture in pictures_after
    if not is_kept or not shows_more_than(face.pictures, new_picture, capture.captured_at):
        return face.pictures
    is_held = face.hold is not None
    if is_held and loses_anything(face, replace(face, pictures=pictures_after)):
        return face.pictures
    if not _is_like_given(facts.scorer, new_picture, face.pictures):
        return face.pictures
    return pictures_after


def _may_learn(facts: SightingFacts) -> bool:
    """Return whether a known face may take this sighting's picture among its own.

    Tenant, camera and group must let faces learn. The sighting must be surely of this face, not
    over 100 days late (`is_of_arrival`), and its picture good.
    """
    open_sighting = facts.open_sighting
    tenant, camera, group = open_sighting.tenant, open_sighting.camera, facts.face_visits.group
    if not (tenant.learns and camera.learns and group.learns and open_sighting.is_of_arrival):
        return False
    # If the tenant asks for consent, somebody who was named before that has to have given it.
    if not may_learn(tenant, facts.face_visits.face):
        return False
    # Not if the picture shows the person better elsewhere, or if the sighting was taken from the
    # face before and comes back.
    if open_sighting.shown_twice or open_sighting.earlier_observation is not None:
        return False
    quality = open_sighting.seen_face.estimates.quality
    least_quality = tenant.enrol_quality or 0
    return is_sure(facts.decision, quality) and (quality or 0) >= least_quality


def _make_learnt_picture(facts: SightingFacts) -> Picture:
    """Return the sighting's picture as one that the face learns; its key comes when it is stored.

    `learnt` notes from which sighting it comes. Estimates (age and so on) that the face's group
    lets nobody keep are left out.
    """
    open_sighting = facts.open_sighting
    capture, seen_face = open_sighting.capture, open_sighting.seen_face
    return Picture(
        id=capture.photo,
        key="",
        added_at=open_sighting.now,
        templates=(seen_face.template,),
        estimates=facts.face_visits.group.leave_kept(seen_face.estimates),
        learnt=Learnt(open_sighting.id, open_sighting.camera.id, capture.captured_at),
    )


def _is_like_given(
    scorer: LikenessScorer | None, new_picture: Picture, pictures: tuple[Picture, ...]
) -> bool:
    """Return whether a picture looks like the mean of the face's given (not learnt) pictures.

    Given are those of people, and the one that made a stranger. So a face cannot drift to somebody
    else from one learnt picture to the next. False if no given one has a template of the model.
    """
    (template,) = new_picture.templates
    mean = mean_of_given(pictures, template.model)
    if mean is None or scorer is None:
        return False
    probe = parse_vector(template)
    # With 0.40 and a demand of 0.03, since many people resemble the two, the pair needs 0.43.
    demand = scorer.population.compute_demand(probe, mean)
    return float(probe @ mean) >= anchor_threshold(scorer.curve) + demand


def _make_observation(facts: SightingFacts, face: Face, sighting: Sighting) -> Observation:
    """Return the sighting's observation: the record that statistics count.

    A sighting may come back to a face that it was taken from. Then the observation has from the
    earlier one when it was written, and its passages (moves between faces).
    """
    open_sighting, plan, face_visits = facts.open_sighting, facts.plan, facts.face_visits
    captured_at = open_sighting.capture.captured_at
    is_matched = sighting.resolution is Resolution.MATCHED
    # An observation from before the face's enrolment notes when it was written.
    is_before_enrolment = captured_at < face.enrolled_at and not facts.is_new
    estimates = observed_estimates(face, open_sighting.seen_face.estimates)
    observation = Observation(
        at=captured_at,
        id=open_sighting.id,
        faceid=face.faceid,
        group_name=face_visits.name_at(plan.visits, plan.group_id, open_sighting.at_ms),
        labels=open_sighting.camera.labels,
        kind=ObservationKind.SIGHTING,
        camera=open_sighting.camera.id,
        box=open_sighting.seen_face.detected.box,
        estimates=face_visits.group.leave_kept(estimates),  # what the group lets us keep
        decision=sighting.decision if is_matched else None,
        gap_s=open_sighting.camera.gap_s if open_sighting.is_of_arrival else None,
        written_at=open_sighting.now if is_before_enrolment else None,
    )
    earlier = open_sighting.earlier_observation
    if earlier is None:
        return observation
    if plan.visits.promotion is None:
        # No promotion tells the group's name at that time, and the face may have moved since: the
        # earlier observation knows the name.
        observation = replace(observation, group_name=earlier.group_name)
    return replace(observation, passages=earlier.passages, written_at=earlier.written_at)


def _make_events(facts: SightingFacts, face: Face, sighting: Sighting) -> tuple[Event, ...]:
    """Return what hooks (webhooks) are told: a new face, an arrival, a promotion, a full group.

    An arrival begins with the first sighting of a visit. By a promotion a stranger becomes a
    regular. A sighting that comes back to a face tells nothing, since it did so the first time.
    """
    open_sighting = facts.open_sighting
    if open_sighting.earlier_observation is not None:
        return ()
    kinds: list[type[SightingEvent]] = []
    if facts.is_new:
        kinds.append(StrangerCreated)
    if facts.begins_arrival:
        kinds.append(FaceArrived)
    if facts.is_promoted:
        kinds.append(StrangerPromoted)
    events = [_make_event(kind, facts, face, sighting) for kind in kinds]

    full_group = facts.full_group
    if full_group is not None and facts.tells_full:
        data = GroupFull(capacity=full_group.capacity)
        now, camera = open_sighting.now, open_sighting.camera.id
        event_id = f"{data.KIND}-{full_group.id}-{milliseconds(now)}"
        events.append(Event(event_id, data, at=now, group=full_group.name, camera=camera))
    return tuple(events)


def _make_event(
    kind: type[SightingEvent], facts: SightingFacts, face: Face, sighting: Sighting
) -> Event:
    """Return an event of this kind about a sighting, as hooks (webhooks) get it.

    If a search found the face, the event has the score, the threshold, and how likely a stranger
    scores as high (`false_match_probability`).
    """
    open_sighting, decision = facts.open_sighting, sighting.decision
    capture, camera = open_sighting.capture, open_sighting.camera.id
    scores: dict[str, Any] = {}
    if decision is not None and decision.score is not None:
        scores = {
            "score": round(decision.score, 6),
            "threshold": round(decision.threshold, 6),
            "gallery_size": decision.gallery_size,  # how many faces were searched
        }
        chance = decision.false_match_probability
        if chance is not None:
            scores["false_match_probability"] = float(f"{chance:.3g}")  # three digits
    data = kind(
        faceid=face.faceid,
        name=face.name,
        number=face.number or None,
        arrive_count=face.arrive_count,
        capture=capture.id,
        sighting=open_sighting.id,
        crop_url=f"/v1/captures/{capture.id}/crops/{open_sighting.number}?camera={camera}",
        captured_at=time_text(capture.captured_at),
        **scores,
    )
    return Event(
        id=f"{data.KIND}-{open_sighting.event_id}",
        data=data,
        at=capture.captured_at,
        group=facts.face_visits.name_of(face.group_id),
        camera=camera,
    )


def _make_reviews(facts: SightingFacts, face: Face, sighting: Sighting) -> tuple[Review, ...]:
    """Return the reviews of a sighting: each asks a person to look at it.

    UNCERTAIN asks whether it matched by mistake. PROMOTED shows that it made a stranger a regular,
    and does not come twice if a sighting comes back to a face.
    """
    open_sighting = facts.open_sighting
    decision = None
    kinds = []
    if sighting.resolution is Resolution.MATCHED:
        decision = sighting.decision
        if open_sighting.is_uncertain(decision):
            kinds.append(ReviewKind.UNCERTAIN)
    if facts.is_promoted and open_sighting.earlier_observation is None:
        kinds.append(ReviewKind.PROMOTED)

    reviews = []
    for kind in kinds:
        review = Review(
            kind=kind,
            at=open_sighting.capture.captured_at,
            faceid=face.faceid,
            camera=open_sighting.camera.id,
            sighting_id=open_sighting.id,
            decision=decision,
            box=sighting.box,
        )
        if kind is ReviewKind.UNCERTAIN:  # show who else it may be, and if the picture has two
            near, twice = open_sighting.nearest_faces, open_sighting.shown_twice
            review = replace(review, near=near, twice=twice)
        reviews.append(review)
    return tuple(reviews)


def list_offered(review: Review) -> list[NearFace]:
    """List the faces of a review that a person may choose from: the one that it is about, and those
    that are alike enough."""
    threshold = review.decision.threshold if review.decision else 0.0
    offered_faces = []
    for near_face in review.near:
        is_matched = near_face.faceid == review.faceid
        if is_matched or is_alike(near_face.score, threshold):
            offered_faces.append(near_face)
    return offered_faces


class Rejected(Struct, frozen=True):
    """The outcome of a rejection: the sighting as it is now, and the face that it was detached
    from."""

    capture: Capture
    sighting: Sighting
    face: Face


class Reassignment(Struct, frozen=True):
    """The person to whom a visit is assigned instead.

    `name`: of somebody new; `only`: these sightings of it, if any.
    """

    other: str | None = None
    instead: Instead | None = None
    name: str = ""
    only: tuple[str, ...] = ()
