"""A sighting, decided: one detected face of a capture, and what follows for the book from the
person it is.

book/sightings/contexts reads a `Context`, `resolve` decides, book/sightings/changes makes actions
of the `SightingOutcome`, and book/sightings/ingest writes them, whole or not at all. Whose face it
is: domain/rules/decision. When a face is a regular: domain/rules/visits. Which pictures a face
keeps: domain/rules/templates.
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
        """Say why nobody is searched for; "" if somebody is."""
        if self.instead is Instead.NOBODY:
            return self.what_people_said
        is_said = self.right_faceid is not None or self.instead is Instead.NEW
        return "" if is_said else self.seen_face.spoof or ""

    @property
    def why_not_kept(self) -> str:
        """Say why a face without a match is not remembered; "" if it is.

        Its quality must satisfy the camera's limit for strangers as well as the tenant's limit for
        all enrolments.
        """
        if self.instead is Instead.NEW:
            return ""
        camera, quality = self.camera, self.seen_face.estimates.quality
        side = min(self.seen_face.detected.box.width, self.seen_face.detected.box.height)
        if self.tenant.forgets_strangers:
            return FORGOTTEN
        if not camera.keeps_strangers:
            return "nobody; this camera keeps no strangers"
        if self.seen_face.estimates.masked:
            return "nobody, and in a mask: strangers are remembered bare"
        if side < MIN_SIDE_PX:
            return f"nobody, and too small to be remembered: {int(side)} of {MIN_SIDE_PX} px"
        least_quality = max(camera.stranger_quality, self.tenant.enrol_quality or 0.0, MIN_QUALITY)
        if quality is not None and quality < least_quality:
            shortfall = Quality(quality, self.seen_face.flaw, quality).short_of(least_quality)
            return f"nobody, and too poor to be remembered, {shortfall}"
        return ""

    @property
    def why_nothing_kept(self) -> str:
        """Say why nothing is kept of somebody whose record of consent has ended: where strangers
        are forgotten, as of any of them, so that nobody can tell them apart."""
        return FORGOTTEN if self.tenant.forgets_strangers else UNKEPT

    def is_uncertain(self, decision: Decision | None) -> bool:
        """Return whether somebody should look at a match: it scored little above the threshold, or
        is a lesser one."""
        if decision is None or decision.score is None:
            return False
        if self.earlier_observation is not None:
            return self.was_reviewed
        return (
            self.shown_twice
            or decision.threshold <= decision.score < decision.threshold + self.tenant.review_margin
        )

    @property
    def what_people_said(self) -> str:
        """Say what somebody said of the sighting; "" if nobody did."""
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
        """Make the face's entry in its capture: who it is, or why it is nobody.

        `reason`: "": what people said.

        If the tenant forgets strangers, the entry of nobody says neither where the face was nor how
        good. Nor does that of somebody of whom nothing may be kept.
        """
        is_forgotten = self.tenant.forgets_strangers or reason == UNKEPT
        if resolution is Resolution.SKIPPED and is_forgotten:
            return Sighting(
                self.number, resolution, _NOWHERE, reason=reason, correction=self.correction
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


class Judge(Struct, frozen=True):
    """The means to tell by a model how much a sighting looks like a face."""

    curve: ImpostorCurve
    population: Population

    def score_likeness(self, seen_face: SeenFace, face: Face) -> float | None:
        """Return the score of a face that was seen with one of the book, less their demand; None:
        not compared."""
        template = of_model(face.templates, seen_face.template.model)
        if template is None or seen_face.spoof or not is_comparable(seen_face.estimates.quality):
            return None
        probe, mean = parse_vector(seen_face.template), parse_vector(template)
        return subtract_demand(float(probe @ mean), self.population.compute_demand(probe, mean))


def is_lesser(open_sighting: OpenSighting, face: Face, judge: Judge) -> bool:
    """Return whether another face in the same picture is the better sighting of this person.

    Nobody stands twice before a camera: one of the two is somebody who looks alike, a mirror or a
    poster. The better one has the higher score with the person's face; of equal scores, the first
    in the picture is better. In a correction, each other sighting of the person is better: it is
    stored without a template, so there is no score.
    """
    if open_sighting.correction:
        other_sightings = (
            sighting
            for sighting in open_sighting.capture.sightings
            if sighting.number != open_sighting.number
        )
        return any(sighting.faceid == face.faceid for sighting in other_sightings)
    own_number = open_sighting.number
    other_faces = [
        (number, seen_face)
        for number, seen_face in enumerate(open_sighting.faces_of_capture)
        if number != own_number
    ]
    if (
        not other_faces
        or (own_score := judge.score_likeness(open_sighting.seen_face, face)) is None
    ):
        return False
    scores = ((judge.score_likeness(seen_face, face), -number) for number, seen_face in other_faces)
    return any(
        score is not None and (score, negated_number) > (own_score, -own_number)
        for score, negated_number in scores
    )


def choose_by_views(
    found: Recognised, found_by_views: Recognised, open_sighting: OpenSighting
) -> Recognised:
    """Return whom the mean of all views finds, decided by the sighting itself; else `found`.

    It counts only if it finds somebody who was enrolled: the means of two strangers in one blur are
    alike (docs/decisions/0108). The picture itself must be somewhat like that person. If `found` is
    somebody, it must be the same face, and surely.
    """
    face, seen_template = found_by_views.face, open_sighting.seen_face.template
    template = None if face is None else of_model(face.templates, seen_template.model)
    if face is None or template is None or not is_enrolled(face):
        return found
    if float(parse_vector(seen_template) @ parse_vector(template)) < SAME_PASSAGE:
        return found
    decision = replace(found_by_views.verdict.decision, by=open_sighting.id)
    if found.face is not None and (
        face.faceid != found.face.faceid or open_sighting.is_uncertain(decision)
    ):
        return found
    return replace(found_by_views, verdict=replace(found_by_views.verdict, decision=decision))


class EvictedStranger(Struct, frozen=True):
    """A stranger that is deleted to make room for a new one.

    `deletes`: the actions that delete the face; `picture_keys`: pictures to delete afterwards.
    """

    face: Face
    deletes: Sequence[Action] = ()
    picture_keys: Sequence[str] = ()


def plan_visits(open_sighting: OpenSighting, face_visits: FaceVisits) -> VisitPlan:
    """Plan the face's visits with the sighting.

    If it comes too late to be part of an arrival, nothing changes.

    A face under legal hold stays in its group. Its arrivals are folded into a count only if they
    are too many.
    """
    if not open_sighting.is_of_arrival:
        return VisitPlan(face_visits.visits, face_visits.face.group_id)
    gap_ms = open_sighting.camera.gap_s * 1000
    if face_visits.face.hold is not None:
        arrivals = face_visits.visits.arrivals.add_sighting(
            open_sighting.at_ms, gap_ms
        ).fold_oldest()
        return VisitPlan(
            replace(face_visits.visits, arrivals=arrivals, is_regrouped=False),
            face_visits.face.group_id,
        )
    return plan_with_sighting(
        face_visits.face.group_id,
        face_visits.visits,
        open_sighting.at_ms,
        gap_ms,
        milliseconds(open_sighting.now),
        face_visits.groups,
    )


class Context(Struct, frozen=True, dict=True):
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
    judge: Judge | None = None
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
        """Return whether an event says that a group is full: it does so once an hour."""
        return self.full_group is not None and (
            self.full_reported_at is None
            or self.open_sighting.now - self.full_reported_at >= FULL_AGAIN_AFTER
        )

    @cached_property
    def begins_arrival(self) -> bool:
        """Return whether an arrival begins with the sighting."""
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

    context: Context
    face: Face
    visits: Visits
    sighting: Sighting
    capture: Capture
    observation: Observation
    renamed: Sequence[ChangedObservation] = ()
    events: Sequence[Event] = ()
    reviews: Sequence[Review] = ()
    new_picture: Picture | None = None


def resolve_sighting(context: Context) -> SightingOutcome:
    """Return all that a sighting changes: the face, its visits, capture and observation, events and
    reviews."""
    open_sighting, face_visits, plan = context.open_sighting, context.face_visits, context.plan
    planned_face = (
        apply_plan(face_visits.face, plan) if open_sighting.is_of_arrival else face_visits.face
    )
    pictures = (
        (make_founding_picture(open_sighting),)
        if context.is_new
        else choose_pictures_after(context)
    )
    face = replace(planned_face, pictures=pictures)
    new_picture = next(
        (picture for picture in face.pictures if picture not in face_visits.face.pictures), None
    )
    resolution = Resolution.STRANGER if context.is_new else Resolution.MATCHED
    sighting = open_sighting.make_sighting(resolution, face.faceid, context.decision)
    return SightingOutcome(
        context,
        face,
        plan.visits,
        sighting,
        open_sighting.resolved_capture(sighting),
        _make_observation(context, face, sighting),
        renamed=rename_sightings(face_visits.groups, plan.visits, context.sightings),
        events=_make_events(context, face, sighting),
        reviews=_make_reviews(context, face, sighting),
        new_picture=new_picture,
    )


def make_founding_picture(open_sighting: OpenSighting) -> Picture:
    """Return the picture that a new face is made from."""
    capture, face = open_sighting.capture, open_sighting.seen_face
    founded_at = capture.captured_at
    return Picture(
        capture.photo,
        "",
        open_sighting.now,
        (face.template,),
        face.estimates,
        founded_at=founded_at,
    )


def choose_pictures_after(context: Context) -> tuple[Picture, ...]:
    """Return the pictures of a known face after a sighting.

    They have the sighting's picture if the face learns it.

    It learns the picture if all of this is so: it has no picture of this photo, `_may_learn` allows
    it, the picture shows more than the others, and it is like the given ones. A face under legal
    hold loses no picture for it.
    """
    face, capture = context.face_visits.face, context.open_sighting.capture
    has_photo = any(picture.id in capture.photos for picture in face.pictures)
    if has_photo or not _may_learn(context):
        return face.pictures
    new_picture = _make_learnt_picture(context)
    pictures_after = choose_pictures_to_keep((*face.pictures, new_picture))
    is_gain = new_picture in pictures_after and shows_more_than(
        face.pictures, new_picture, capture.captured_at
    )
    is_allowed = face.hold is None or not loses_anything(
        face, replace(face, pictures=pictures_after)
    )
    return (
        pictures_after
        if is_gain and is_allowed and _is_like_given(context.judge, new_picture, face.pictures)
        else face.pictures
    )


def _may_learn(context: Context) -> bool:
    """Return whether tenant, camera and group let their faces learn, and the sighting is sure and
    good enough.

    If the tenant asks for consent, somebody from before that setting without a record learns
    nothing.
    """
    open_sighting = context.open_sighting
    quality = context.open_sighting.seen_face.estimates.quality
    tenant, camera, group = open_sighting.tenant, open_sighting.camera, context.face_visits.group
    if not (tenant.learns and camera.learns and group.learns and open_sighting.is_of_arrival):
        return False
    if not may_learn(tenant, context.face_visits.face):
        return False
    if open_sighting.shown_twice or open_sighting.earlier_observation is not None:
        return False
    return is_sure(context.decision, quality) and (quality or 0) >= (tenant.enrol_quality or 0)


def _make_learnt_picture(context: Context) -> Picture:
    open_sighting = context.open_sighting
    capture, face = open_sighting.capture, open_sighting.seen_face
    estimates = context.face_visits.group.leave_kept(face.estimates)
    learnt = Learnt(open_sighting.id, open_sighting.camera.id, capture.captured_at)
    return Picture(capture.photo, "", open_sighting.now, (face.template,), estimates, learnt=learnt)


def _is_like_given(
    judge: Judge | None, new_picture: Picture, pictures: tuple[Picture, ...]
) -> bool:
    """Return whether the picture looks like the given ones; False if none of them has a template of
    its model."""
    (template,) = new_picture.templates
    mean = mean_of_given(pictures, template.model)
    if mean is None or judge is None:
        return False
    probe = parse_vector(template)
    limit = anchor_threshold(judge.curve) + judge.population.compute_demand(probe, mean)
    return float(probe @ mean) >= limit


def _make_observation(context: Context, face: Face, sighting: Sighting) -> Observation:
    """Make the observation of a sighting, which statistics count.

    If the face had the sighting before, the observation keeps the passages and the time of writing
    that it had. Of a face that was never promoted, it keeps the group's name, too.
    """
    open_sighting, plan = context.open_sighting, context.plan
    is_before_enrolment = (
        open_sighting.capture.captured_at < face.enrolled_at and not context.is_new
    )
    group_name = context.face_visits.name_at(plan.visits, plan.group_id, open_sighting.at_ms)
    estimates = observed_estimates(face, open_sighting.seen_face.estimates)
    observation = Observation(
        at=open_sighting.capture.captured_at,
        id=open_sighting.id,
        faceid=face.faceid,
        group_name=group_name,
        labels=open_sighting.camera.labels,
        kind=ObservationKind.SIGHTING,
        camera=open_sighting.camera.id,
        box=open_sighting.seen_face.detected.box,
        estimates=context.face_visits.group.leave_kept(estimates),
        decision=sighting.decision if sighting.resolution is Resolution.MATCHED else None,
        gap_s=open_sighting.camera.gap_s if open_sighting.is_of_arrival else None,
        written_at=open_sighting.now if is_before_enrolment else None,
    )
    if (earlier := open_sighting.earlier_observation) is None:
        return observation
    # else it may have moved meanwhile, and the group's name with it
    if plan.visits.promotion is None:
        group_name = earlier.group_name
    return replace(
        observation, group_name=group_name, passages=earlier.passages, written_at=earlier.written_at
    )


def _make_events(context: Context, face: Face, sighting: Sighting) -> tuple[Event, ...]:
    """Make the events of a sighting: a new face, the begin of an arrival, a promotion, a full
    group.

    If the face had the sighting before, there are none: they were sent then.
    """
    if context.open_sighting.earlier_observation is not None:
        return ()
    kinds: list[type[SightingEvent]] = [StrangerCreated] if context.is_new else []
    if context.begins_arrival:
        kinds.append(FaceArrived)
    if context.is_promoted:
        kinds.append(StrangerPromoted)
    events = [_make_event(kind, context, face, sighting) for kind in kinds]
    full_group, open_sighting = context.full_group, context.open_sighting
    if full_group is not None and context.tells_full:
        data = GroupFull(capacity=full_group.capacity)
        id_ = f"{data.KIND}-{full_group.id}-{milliseconds(open_sighting.now)}"
        camera = open_sighting.camera.id
        events.append(Event(id_, data, open_sighting.now, full_group.name, camera))
    return tuple(events)


def _make_event(
    kind: type[SightingEvent], context: Context, face: Face, sighting: Sighting
) -> Event:
    """Return an event of a sighting, with the score and the threshold of its decision if it has a
    score."""
    open_sighting, decision = context.open_sighting, sighting.decision
    captured_at = open_sighting.capture.captured_at
    capture = open_sighting.capture.id
    camera = open_sighting.camera.id
    scores: dict[str, Any] = {}
    if decision is not None and decision.score is not None:
        scores = {
            "score": round(decision.score, 6),
            "threshold": round(decision.threshold, 6),
            "gallery_size": decision.gallery_size,
        }
        if decision.false_match_probability is not None:
            scores["false_match_probability"] = float(f"{decision.false_match_probability:.3g}")
    data = kind(
        faceid=face.faceid,
        name=face.name,
        number=face.number or None,
        arrive_count=face.arrive_count,
        capture=capture,
        sighting=open_sighting.id,
        crop_url=f"/v1/captures/{capture}/crops/{open_sighting.number}?camera={camera}",
        captured_at=time_text(captured_at),
        **scores,
    )
    group_name = context.face_visits.name_of(face.group_id)
    event_id = f"{data.KIND}-{open_sighting.event_id}"
    return Event(event_id, data, captured_at, group_name, camera)


def _make_reviews(context: Context, face: Face, sighting: Sighting) -> tuple[Review, ...]:
    """Return the reviews that ask a person to look at the sighting.

    UNCERTAIN: it matched by a score near the threshold. PROMOTED: it made a stranger a regular. If
    the face had the sighting before, the promotion was reviewed then.
    """
    open_sighting, kinds = context.open_sighting, []
    is_matched = sighting.resolution is Resolution.MATCHED
    if is_matched and open_sighting.is_uncertain(sighting.decision):
        kinds.append(ReviewKind.UNCERTAIN)

    if context.is_promoted and open_sighting.earlier_observation is None:
        kinds.append(ReviewKind.PROMOTED)
    return tuple(
        Review(
            kind=kind,
            at=open_sighting.capture.captured_at,
            faceid=face.faceid,
            camera=open_sighting.camera.id,
            sighting_id=open_sighting.id,
            decision=sighting.decision if is_matched else None,
            box=sighting.box,
            near=open_sighting.nearest_faces if kind is ReviewKind.UNCERTAIN else (),
            twice=open_sighting.shown_twice and kind is ReviewKind.UNCERTAIN,
        )
        for kind in kinds
    )


def list_offered(review: Review) -> list[NearFace]:
    """List the nearest faces of a review that are offered: the one that it is about, and those that
    are alike."""
    threshold = review.decision.threshold if review.decision else 0.0
    return [
        near
        for near in review.near
        if near.faceid == review.faceid or is_alike(near.score, threshold)
    ]


class Rejected(Struct, frozen=True):
    """The outcome of a rejection: the sighting as it is now, and the face that it was detached
    from."""

    capture: Capture
    sighting: Sighting
    face: Face


class Reassignment(Struct, frozen=True):
    """The person to whom a visit is given instead.

    `name`: of somebody new; `only`: these sightings of it, if any.
    """

    other: str | None = None
    instead: Instead | None = None
    name: str = ""
    only: tuple[str, ...] = ()
