"""A sighting, decided: one detected face of a capture, and what follows for the book from the person it is.

book/sightings/contexts reads a `Context`, `resolve` decides, book/sightings/rows makes actions of the
`Outcome`, and book/sightings/ingest writes them, whole or not at all. Whose face it is: book/rules/decision. When a
face is a regular: book/rules/visits. Which pictures a face keeps: book/rules/templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.book.rules.decision import (
    MIN_QUALITY,
    MIN_SIDE_PX,
    ImpostorCurve,
    Population,
    anchor_threshold,
    comparable,
    judged_score,
)
from chalicelib.book.rules.hold import loses
from chalicelib.book.rules.templates import adds_to, anchor, choose_kept_pictures, is_sure, of_model, vector
from chalicelib.book.rules.visits import (
    KEPT_MS,
    FaceVisits,
    VisitPlan,
    Visits,
    apply_plan,
    rename_sightings,
    with_sighting,
)
from chalicelib.book.words.captures import (
    Camera,
    Capture,
    CaptureState,
    Instead,
    Resolution,
    SeenFace,
    Sighting,
    sighting_id,
)
from chalicelib.book.words.model import REGULAR, STRANGER, Decision, Face, Group, Learnt, Picture, Tenant
from chalicelib.book.words.observations import (
    ChangedObservation,
    NearFace,
    Observation,
    ObservationKind,
    Review,
    ReviewKind,
    observed_estimates,
)
from chalicelib.book.words.pictures import Box, Quality
from chalicelib.book.words.ports import Action, Item
from chalicelib.book.words.values import milliseconds, time_text
from chalicelib.book.words.webhooks import Event, EventKind, Hook

FULL_AGAIN_AFTER = timedelta(hours=1)
"""The shortest time between two events that one group is full."""


_SAID = {Instead.STRANGER: "a stranger", Instead.NEW: "somebody new", Instead.NOBODY: "no face"}


FORGOTTEN = "nobody; this tenant forgets strangers"
_NOWHERE = Box(0.0, 0.0, 0.0, 0.0)


class OpenSighting(Struct, frozen=True, dict=True):
    """One detected face of a capture, while it is being resolved.

    `capture.sightings`: the faces resolved already; `number`: its place among them; `total`: the faces detected;
    `beside`: all of these, but of a correction none.
    `correction`: how many sightings of the capture were rejected so far, with this one; 0: it is resolved for the first
    time. `not_face`: the face that it was rejected for; `other`, `instead`: who it is instead, if somebody said so.
    `was`: what it was before it was taken from the face that it comes back to; `was_asked`: if a review asked about it.
    `near`: the nearest faces, if the match is uncertain; `twice`: whether it is the lesser of two, by `is_lesser`.
    """

    tenant: Tenant
    camera: Camera
    capture: Capture
    seen: SeenFace
    number: int
    total: int
    now: datetime
    correction: int = 0
    not_face: str | None = None
    other: str | None = None
    instead: Instead | None = None
    was: Observation | None = None
    was_asked: bool = False
    near: tuple[NearFace, ...] = ()
    beside: Sequence[SeenFace] = ()
    twice: bool = False

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
        """True if the sighting belongs to an arrival. One resolved over 100 days late is only an observation."""
        return self.at_ms >= milliseconds(self.now) - KEPT_MS

    @property
    def why_unsearched(self) -> str:
        """Say why nobody is searched for; "" if somebody is."""
        if self.instead is Instead.NOBODY:
            return self.said
        is_said = self.other is not None or self.instead is Instead.NEW
        return "" if is_said else self.seen.spoof or ""

    @property
    def why_not_kept(self) -> str:
        """Say why a face without a match is not remembered; "" if it is.

        Its quality must satisfy the camera's limit for strangers as well as the tenant's limit for all enrolments.
        """
        if self.instead is Instead.NEW:
            return ""
        camera, quality = self.camera, self.seen.estimates.quality
        side = min(self.seen.detected.box.width, self.seen.detected.box.height)
        if self.tenant.forgets_strangers:
            return FORGOTTEN
        if not camera.keeps_strangers:
            return "nobody; this camera keeps no strangers"
        if side < MIN_SIDE_PX:
            return f"nobody, and too small to be remembered: {int(side)} of {MIN_SIDE_PX} px"
        least = max(camera.stranger_quality, self.tenant.enrol_quality or 0.0, MIN_QUALITY)
        if quality is not None and quality < least:
            short = Quality(quality, self.seen.flaw, quality).short_of(least)
            return f"nobody, and too poor to be remembered, {short}"
        return ""

    def is_uncertain(self, decision: Decision | None) -> bool:
        """Return whether somebody should look at a match: it scored little above the threshold, or is a lesser one."""
        if decision is None or decision.score is None:
            return False
        if self.was is not None:
            return self.was_asked
        return self.twice or decision.threshold <= decision.score < decision.threshold + self.tenant.review_margin

    @property
    def said(self) -> str:
        """Say what somebody said of the sighting; "" if nobody did."""
        if self.other is not None:
            return "somebody said that it is this face" if self.was is None else ""
        return "" if self.instead is None else f"somebody said that it is {_SAID[self.instead]}"

    def sighting(
        self,
        resolution: Resolution,
        faceid: str | None = None,
        decision: Decision | None = None,
        reason: str = "",
    ) -> Sighting:
        if resolution is Resolution.SKIPPED and self.tenant.forgets_strangers:
            return Sighting(self.number, resolution, _NOWHERE, reason=reason, correction=self.correction)
        return Sighting(
            number=self.number,
            resolution=resolution,
            box=self.seen.detected.box,
            faceid=faceid,
            quality=self.seen.estimates.quality,
            reason=reason or self.said,
            decision=decision,
            resolved_at=self.now,
            model=self.seen.template.model,
            correction=self.correction,
        )

    def resolved_capture(self, sighting: Sighting) -> Capture:
        """Return the capture with this face resolved."""
        done = max(len(self.capture.sightings), self.number + 1)
        state = CaptureState.RESOLVED if done == self.total else CaptureState.STORED
        return self.capture.with_sighting(sighting, state)


class Nobody(Struct, frozen=True):
    """A sighting that the book does not remember, and why not. `decision`: that of a search, if there was one."""

    sighted: OpenSighting
    reason: str
    decision: Decision | None = None

    @property
    def sighting(self) -> Sighting:
        return self.sighted.sighting(Resolution.SKIPPED, reason=self.reason, decision=self.decision)


class Judge(Struct, frozen=True):
    """The means to tell by a model how much a sighting looks like a face."""

    curve: ImpostorCurve
    population: Population

    def likeness(self, seen: SeenFace, face: Face) -> float | None:
        """Return the score of a face that was seen with one of the book, less their demand; None: not compared."""
        own = of_model(face.templates, seen.template.model)
        if own is None or seen.spoof or not comparable(seen.estimates.quality):
            return None
        probe, mean = vector(seen.template), vector(own)
        return judged_score(float(probe @ mean), self.population.demand(probe, mean))


def is_lesser(one: OpenSighting, face: Face, judge: Judge) -> bool:
    """Return whether the same picture shows the face twice, and the other sighting is more like it, or is before this.

    Nobody stands twice before a camera: one of the two is somebody alike, a mirror or a poster. The one of a correction
    counts as the lesser, since what is stored of the other has no template.
    """
    if one.correction:
        others = (each for each in one.capture.sightings if each.number != one.number)
        return any(each.faceid == face.faceid for each in others)
    beside = [(number, seen) for number, seen in enumerate(one.beside) if number != one.number]
    if not beside or (like := judge.likeness(one.seen, face)) is None:
        return False
    scores = ((judge.likeness(seen, face), -number) for number, seen in beside)
    return any(score is not None and (score, place) > (like, -one.number) for score, place in scores)


class Evicted(Struct, frozen=True):
    """A stranger that is deleted to make room for a new one. `deletes`: the actions that delete the face;
    `picture_keys`: pictures to delete afterwards.
    """

    face: Face
    deletes: Sequence[Action] = ()
    picture_keys: Sequence[str] = ()


def plan_of(one: OpenSighting, held: FaceVisits) -> VisitPlan:
    """Plan the face's visits with the sighting: as they were, if it comes too late to be part of an arrival.

    A face under legal hold stays in its group. Its arrivals are folded into a count only if they are too many.
    """
    if not one.is_of_arrival:
        return VisitPlan(held.visits, held.face.group_id)
    gap_ms = one.camera.gap_s * 1000
    if held.face.hold is not None:
        arrivals = held.visits.arrivals.with_sighting(one.at_ms, gap_ms).at_most()
        return VisitPlan(replace(held.visits, arrivals=arrivals, regrouping=False), held.face.group_id)
    return with_sighting(held.face.group_id, held.visits, one.at_ms, gap_ms, milliseconds(one.now), held.groups)


class Context(Struct, frozen=True, dict=True):
    """The facts that the decision about a sighting needs, as they were read.

    `held`: the sighting's face with its visits; a new face has neither these nor pictures. `plan`: by `plan_of`.
    `decision`: why it is that face; for a new one, why it is no other; None: somebody said so. `sightings`: the face's,
    of the arrivals that the plan touches (book/rules/visits). `told_at`: time of the last event that the group `full`
    is full. `hooks`: read only if `tells`. `months`: items of the calendar that may lack these days.
    """

    sighted: OpenSighting
    held: FaceVisits
    plan: VisitPlan
    decision: Decision | None = None
    is_new: bool = False
    judge: Judge | None = None
    evicted: Evicted | None = None
    sightings: Sequence[Observation] = ()
    told_at: datetime | None = None
    hooks: Sequence[Hook] = ()
    months: Mapping[str, Item | None] = field(default_factory=dict)

    @property
    def is_promoted(self) -> bool:
        return (self.held.face.group_id, self.plan.group_id) == (STRANGER, REGULAR)

    @property
    def entered(self) -> Group | None:
        """The default group that the face enters; None: it stays where it is, or is a stranger again."""
        if self.is_promoted:
            return self.held.groups.regular
        return self.held.groups.stranger if self.is_new else None

    @property
    def has_room(self) -> bool:
        """Return whether the group that a new face enters and the tenant have room for it."""
        return self.entered is None or not (self.entered.is_full or self.held.groups.faces_left < 1)

    @cached_property
    def full(self) -> Group | None:
        """The group that refuses the face, or has no room left after it; None: there is none."""
        entered = self.entered
        if self.plan.refused or entered is None:
            return self.plan.refused
        return entered if self.evicted or entered.room == 1 else None

    @property
    def tells_full(self) -> bool:
        """Return whether an event says that a group is full: it does so once an hour."""
        return self.full is not None and (self.told_at is None or self.sighted.now - self.told_at >= FULL_AGAIN_AFTER)

    @cached_property
    def begins_arrival(self) -> bool:
        """Return whether an arrival begins with the sighting."""
        return self.held.visits.has_fewer_arrivals(self.plan.visits)

    @property
    def tells(self) -> bool:
        """Return whether there are events."""
        return self.is_new or self.begins_arrival or self.is_promoted or self.tells_full


class Outcome(Struct, frozen=True):
    """The changes that one sighting makes, all in one transaction.

    `face`, `visits`, `capture`: as they are afterwards. `new_picture`: the one of the face's pictures that is not
    stored yet, if any. `renamed`: earlier sightings, in another group since the promotion moved.
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


def resolve(context: Context) -> Outcome:
    """Decide what a sighting of a face, known or new, changes."""
    one, held, plan = context.sighted, context.held, context.plan
    face = apply_plan(held.face, plan) if one.is_of_arrival else held.face
    face = replace(face, pictures=(founding_picture(one),) if context.is_new else pictures_after(context))
    new_picture = next((picture for picture in face.pictures if picture not in held.face.pictures), None)
    resolution = Resolution.STRANGER if context.is_new else Resolution.MATCHED
    sighting = one.sighting(resolution, face.faceid, context.decision)
    return Outcome(
        context,
        face,
        plan.visits,
        sighting,
        one.resolved_capture(sighting),
        _observation(context, face, sighting),
        renamed=rename_sightings(held.groups, plan.visits, context.sightings),
        events=_events(context, face, sighting),
        reviews=_reviews(context, face, sighting),
        new_picture=new_picture,
    )


def founding_picture(one: OpenSighting) -> Picture:
    """Return the picture that a new face is made from."""
    seen = one.seen
    return Picture(one.capture.photo, "", one.now, (seen.template,), seen.estimates, founded_at=one.capture.captured_at)


def pictures_after(context: Context) -> tuple[Picture, ...]:
    """Return the pictures of a known face after a sighting, and among them the sighting's if the face learns it.

    Learning is off if the tenant, the camera, or the group that the face is in says so. A held face learns only what
    pushes nothing out.
    """
    one, face, decision = context.sighted, context.held.face, context.decision
    own = face.pictures
    tenant, quality = one.tenant, one.seen.estimates.quality
    learns = tenant.learns and one.camera.learns and context.held.group.learns and one.is_of_arrival
    if not learns or one.twice or one.was is not None or not is_sure(decision, quality):
        return own
    if (quality or 0) < (tenant.enrol_quality or 0):
        return own
    new = Picture(
        one.capture.photo,
        "",
        one.now,
        (one.seen.template,),
        one.seen.estimates,
        learnt=Learnt(one.id, one.camera.id, one.capture.captured_at),
    )
    after = own if any(picture.id in one.capture.photos for picture in own) else choose_kept_pictures((*own, new))
    adds = new in after and adds_to(own, new, one.capture.captured_at)
    adds = adds and (face.hold is None or not loses(face, replace(face, pictures=after)))
    return after if adds and _is_like_given(context.judge, new, own) else own


def _is_like_given(judge: Judge | None, new: Picture, own: tuple[Picture, ...]) -> bool:
    """Return whether the picture looks like the given ones; False if none of them has a template of its model."""
    (template,) = new.templates
    mean = anchor(own, template.model)
    if mean is None or judge is None:
        return False
    probe = vector(template)
    limit = anchor_threshold(judge.curve) + judge.population.demand(probe, mean)
    return float(probe @ mean) >= limit


def _observation(context: Context, face: Face, sighting: Sighting) -> Observation:
    one, plan = context.sighted, context.plan
    group_name = context.held.name_at(plan.visits, plan.group_id, one.at_ms)
    made = Observation(
        at=one.capture.captured_at,
        id=one.id,
        faceid=face.faceid,
        group_name=group_name,
        labels=one.camera.labels,
        kind=ObservationKind.SIGHTING,
        camera=one.camera.id,
        box=one.seen.detected.box,
        estimates=observed_estimates(face, one.seen.estimates),
        decision=sighting.decision if sighting.resolution is Resolution.MATCHED else None,
        gap_s=one.camera.gap_s if one.is_of_arrival else None,
        written_at=one.now if one.capture.captured_at < face.enrolled_at and not context.is_new else None,
    )
    if (was := one.was) is None:
        return made
    named = was.group_name if plan.visits.promotion is None else group_name  # a promotion may have moved meanwhile
    return replace(made, group_name=named, passages=was.passages, written_at=was.written_at)


def _events(context: Context, face: Face, sighting: Sighting) -> tuple[Event, ...]:
    if context.sighted.was is not None:  # all of it was told when the face had it first
        return ()
    kinds = [EventKind.STRANGER_CREATED] if context.is_new else []
    if context.begins_arrival:
        kinds.append(EventKind.FACE_ARRIVED)
    if context.is_promoted:
        kinds.append(EventKind.STRANGER_PROMOTED)
    events = [_event(kind, context, face, sighting) for kind in kinds]
    full, one = context.full, context.sighted
    if full is not None and context.tells_full:
        id_ = f"{EventKind.GROUP_FULL}-{full.id}-{milliseconds(one.now)}"
        data = {"capacity": full.capacity}
        events.append(Event(id_, EventKind.GROUP_FULL, one.now, full.name, one.camera.id, data))
    return tuple(events)


def _event(kind: EventKind, context: Context, face: Face, sighting: Sighting) -> Event:
    """Return an event of a sighting, with the score and the threshold of its decision if it has a score."""
    one, decision = context.sighted, sighting.decision
    at, capture, camera = one.capture.captured_at, one.capture.id, one.camera.id
    data: dict[str, Any] = {
        "faceid": face.faceid,
        "name": face.name,
        "number": face.number or None,
        "arrive_count": face.arrive_count,
        "capture": capture,
        "sighting": one.id,
        "crop_url": f"/v1/captures/{capture}/crops/{one.number}?camera={camera}",
        "captured_at": time_text(at),
    }
    if decision is not None and decision.score is not None:
        data |= {
            "score": round(decision.score, 6),
            "threshold": round(decision.threshold, 6),
            "gallery_size": decision.gallery_size,
        }
        if decision.false_match_probability is not None:
            data["false_match_probability"] = float(f"{decision.false_match_probability:.3g}")
    return Event(f"{kind}-{one.event_id}", kind, at, context.held.name_of(face.group_id), camera, data)


def _reviews(context: Context, face: Face, sighting: Sighting) -> tuple[Review, ...]:
    """Return what somebody should look at: a close match, and a stranger who became a regular."""
    one, kinds = context.sighted, []
    matched = sighting.resolution is Resolution.MATCHED
    if matched and one.is_uncertain(sighting.decision):
        kinds.append(ReviewKind.UNCERTAIN)
    if context.is_promoted and one.was is None:  # else it was asked when the face was promoted first
        kinds.append(ReviewKind.PROMOTED)
    return tuple(
        Review(
            kind=kind,
            at=one.capture.captured_at,
            faceid=face.faceid,
            camera=one.camera.id,
            sighting_id=one.id,
            decision=sighting.decision if matched else None,
            box=sighting.box,
            near=one.near if kind is ReviewKind.UNCERTAIN else (),
            twice=one.twice and kind is ReviewKind.UNCERTAIN,
        )
        for kind in kinds
    )


class Rejected(Struct, frozen=True):
    """The outcome of a rejection: the sighting as it is now, and the face that it was detached from."""

    capture: Capture
    sighting: Sighting
    face: Face


class Gift(Struct, frozen=True):
    """The person to whom a visit is given instead. `name`: of somebody new; `only`: these sightings of it, if any."""

    other: str | None = None
    instead: Instead | None = None
    name: str = ""
    only: tuple[str, ...] = ()
