"""What a sighting changes, by what was read before it: visits, promotion, group, learnt pictures,
events, reviews."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from chalicelib.domain.captures import Camera, Capture, CaptureState, Resolution, SeenFace, Sighting
from chalicelib.domain.events import EventKind, GroupFull
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import (
    REGULAR,
    STRANGER,
    Decision,
    Face,
    Group,
    Hold,
    Learnt,
    Picture,
    Profile,
    Tenant,
)
from chalicelib.domain.observations import NearFace, Observation, ReviewKind
from chalicelib.domain.pictures import BoundingBox, DetectedFace, Estimates, Gender
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.sighting import (
    FULL_AGAIN_AFTER,
    LikenessScorer,
    OpenSighting,
    SightingFacts,
    SightingOutcome,
    make_founding_picture,
    plan_visits,
    resolve_sighting,
)
from chalicelib.domain.rules.templates import make_template
from chalicelib.domain.rules.visits import (
    Arrivals,
    DefaultGroups,
    FaceVisits,
    Visits,
    apply_plan,
    list_touched_arrivals,
    plan_group,
    plan_without_sighting,
    rename_sightings,
)
from chalicelib.storage.values import milliseconds
from tests.support.fakes import CURVE, NO_POPULATION, embedding_of

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = MONDAY + timedelta(days=14)
MINUTE = timedelta(minutes=1)
DAY = 24 * 60
TENANT = Tenant("shop", Profile.CLOUD, "7", MONDAY, "fake")
DOOR = Camera("door", "door", MONDAY)
MATCH = Decision(0.9, 0.5, 7, 0.0001)
SCORER = LikenessScorer(CURVE, NO_POPULATION)
VIP = Group("9", "vip", "", 1, None)
A_WEEK = 7 * DAY_MS


def groups(
    times: int = 3, *, stranger: tuple[int, int | None] = (1, None), regular: Any = (1, None)
) -> DefaultGroups:
    """The default groups with their counts and capacities.

    `times`: arrivals in a week that make a regular.
    """
    both = (
        Group(id_, f"the {id_}s", "", *size)
        for id_, size in ((STRANGER, stranger), (REGULAR, regular))
    )
    return DefaultGroups(
        *both, PromotionRule(times, A_WEEK), faces_left=10, seq=1, model="m", numbered=0
    )


def seen(
    quality: float | None = 60.0, who: int = 1, likeness: float = 0.9, side: float = 100.0
) -> SeenFace:
    """Somebody's face; the less `likeness`, the less it looks like the others of that person."""
    row = likeness * embedding_of(who) + np.sqrt(1 - likeness**2) * embedding_of(5_000)
    template = make_template("fake", (row / np.linalg.norm(row)).astype(np.float32))
    return SeenFace(
        DetectedFace(BoundingBox(1, 2, side, side + 9), (), 0.9),
        template,
        Estimates(quality=quality),
        "blurred",
    )


def sighted(minutes: float, face: SeenFace | None = None, **changes: Any) -> OpenSighting:
    at = MONDAY + minutes * MINUTE
    fields = {"tenant": TENANT, "camera": DOOR, "now": NOW, **changes}
    photo = f"{round(minutes * 60) % 10**9:032x}{7:032x}"
    id_ = f"{milliseconds(at):013d}-{photo[:24]}"
    capture = Capture(id_, "door", at, photo, 9, "image/jpeg", CaptureState.STORED)
    return OpenSighting(**fields, capture=capture, seen_face=face or seen(), number=0, total=1)


def given_picture(who: int = 1, quality: float = 70.0) -> Picture:
    return Picture(
        "f" * 32,
        "one.jpg",
        MONDAY,
        (seen(who=who, likeness=1.0).template,),
        Estimates(quality=quality),
    )


@dataclass
class Story:
    """A face, sighted again and again, and its observations: a book of one page, without
    storage."""

    groups: DefaultGroups
    group: Group | None = None
    face: Face = field(default_factory=lambda: Face("7", STRANGER, MONDAY, (given_picture(),)))
    visits: Visits = field(default_factory=Visits)
    observations: dict[str, Observation] = field(default_factory=dict)

    @property
    def held(self) -> FaceVisits:
        group = self.group or self.groups.of_id(self.face.group_id)
        assert group is not None
        return FaceVisits(self.face, self.visits, self.groups, group)

    def see(self, *minutes: float, **changes: Any) -> SightingOutcome:
        """Resolve sightings at these minutes after Monday nine o'clock; return the outcome of the
        last one."""
        return [self.take(sighted(at, **changes)) for at in minutes][-1]

    def take(self, one: OpenSighting, **read: Any) -> SightingOutcome:
        stored = tuple(self.observations.values())
        outcome = resolve_sighting(
            SightingFacts(
                one,
                self.held,
                plan_visits(one, self.held),
                MATCH,
                scorer=SCORER,
                sightings=stored,
                **read,
            )
        )
        self.face, self.visits = outcome.face, outcome.visits
        changed = [change.after for change in outcome.renamed if change.after is not None]
        self.observations |= {one.id: one for one in (*changed, outcome.observation)}
        return outcome

    def names(self) -> list[str]:
        return [one.group_name.split()[-1] for _, one in sorted(self.observations.items())]

    def kept(self) -> tuple[str, int]:
        return self.face.group_id, self.face.arrive_count


def kinds(outcome: SightingOutcome) -> list[EventKind]:
    return [event.kind for event in outcome.events]


# --- visits and promotion
# ---------------------------------------------------------------------------------------------


@pytest.mark.shows("sunmi", "rolling and to the second")
@pytest.mark.parametrize(
    ("rule", "minutes", "group", "count"),
    [
        (3, (0, DAY), STRANGER, 2),
        (3, (0, DAY, 2 * DAY), REGULAR, 3),
        (3, (0, 29, 58, 90), STRANGER, 2),
        (3, (0, DAY, 7 * DAY), REGULAR, 3),
        (3, (0, DAY, 7 * DAY + 1 / 60_000), STRANGER, 3),
        (1, (0,), REGULAR, 1),
        (2, (0, 40, 20), STRANGER, 1),
        (2, (0, 40, 20, 80), REGULAR, 2),
        (3, (2 * DAY, DAY, 0), REGULAR, 3),
    ],
    ids=[
        "too few",
        "enough",
        "two visits",
        "to the millisecond",
        "a millisecond late",
        "at once",
        "two visits that a late sighting joins are one",
        "and the next one counts",
        "in any order",
    ],
)
def test_who_arrives_often_enough_is_a_regular(
    rule: int, minutes: Sequence[float], group: str, count: int
) -> None:
    story = Story(groups(rule))
    story.see(*minutes)
    assert story.kept() == (group, count)
    promotion = story.visits.promotion
    first = [name for name in story.names() if name == "strangers"]
    assert story.names() == first + ["regulars"] * (len(minutes) - len(first)), (
        "the group of their time"
    )
    assert (promotion is None) == (group == STRANGER) == (len(first) == len(minutes))


@pytest.mark.shows("sunmi", "A new rule holds from the next arrival of each face on.")
def test_an_easier_rule_counts_from_the_next_arrival_on_and_not_within_one() -> None:
    story = Story(groups(3))
    story.see(0, 60)
    story.groups = groups(2)
    story.see(70)
    assert story.kept() == (STRANGER, 2)
    story.see(120)
    assert story.kept() == (REGULAR, 3)


def test_a_person_who_was_put_into_a_group_stays_there_and_keeps_its_name() -> None:
    story = Story(groups(2), VIP, face=Face("7", VIP.id, MONDAY, (given_picture(),)))
    story.see(0, DAY, 2 * DAY)
    assert (story.kept(), story.names()) == ((VIP.id, 3), ["vip", "vip", "vip"])
    by_hand = Story(groups(2), face=Face("7", REGULAR, MONDAY, (given_picture(),)))
    by_hand.see(0, 40, 20)
    assert by_hand.kept() == (REGULAR, 1), "no promotion that could be undone"
    assert (story.held.is_grouped_by_visits, by_hand.held.is_grouped_by_visits) == (False, False)
    assert Story(groups()).held.is_grouped_by_visits


def test_sightings_of_a_group_of_ones_own_keep_its_name_when_a_promotion_moves() -> None:
    story = Story(groups(2))
    story.see(DAY, 2 * DAY)
    held = replace(story.held, visits=replace(story.visits, is_regrouped=True))
    [first, second] = story.observations.values()
    own = replace(first, group_name="vip")
    assert list_touched_arrivals(held.visits, held.visits) == held.visits.arrivals.recent, (
        "cut off: all are looked at"
    )
    assert rename_sightings(held.groups, held.visits, [own, first, second]) == []
    wrong = replace(second, group_name=held.groups.stranger.name)
    assert [one.after for one in rename_sightings(held.groups, held.visits, [wrong])] == [second]


def test_a_promotion_that_is_undone_and_one_that_moves_touch_the_arrivals_between() -> None:
    arrivals = Arrivals()
    for day in range(5):
        arrivals = arrivals.add_sighting(day * DAY_MS, 60_000)
    at = [Visits(arrivals, Promotion(day * DAY_MS, PromotionRule(2, A_WEEK))) for day in range(5)]
    recent, never = arrivals.recent, Visits(arrivals)
    assert list_touched_arrivals(at[1], at[3]) == list_touched_arrivals(at[3], at[1]) == recent[1:3]
    assert list_touched_arrivals(at[2], never) == list_touched_arrivals(never, at[2]) == recent[2:]
    assert list_touched_arrivals(at[2], at[2]) == list_touched_arrivals(never, never) == ()


@pytest.mark.shows("sunmi", "If regular is full, the face stays a stranger")
def test_a_full_group_refuses_and_is_tried_again_at_the_next_arrival() -> None:
    story = Story(groups(2, regular=(1, 1)))
    outcome = story.see(0, DAY)
    assert story.kept() == (STRANGER, 2)
    assert kinds(outcome) == [EventKind.FACE_ARRIVED, EventKind.GROUP_FULL]
    story.groups = groups(2, regular=(1, 2))
    last = story.see(2 * DAY)
    assert story.kept() == (REGULAR, 3)
    assert kinds(last) == [
        EventKind.FACE_ARRIVED,
        EventKind.STRANGER_PROMOTED,
        EventKind.GROUP_FULL,
    ], "it took the last place"
    back = Story(groups(2))
    back.see(0, 40)
    back.groups = groups(2, stranger=(1, 1))
    assert kinds(back.see(20)) == [EventKind.GROUP_FULL]
    assert back.kept() == (REGULAR, 1), "no room to be a stranger again"


def test_a_sighting_of_over_a_hundred_days_ago_is_an_observation_and_no_arrival() -> None:
    story = Story(groups(2))
    story.see(0)
    before = story.face
    outcome = story.see(-101 * DAY)
    assert (story.face, outcome.events, outcome.new_picture) == (before, (), None)
    assert (outcome.observation.gap_s, story.see(DAY).observation.gap_s) == (None, 1800)
    story.groups = groups(1)
    assert story.see(14 * DAY - 100 * DAY).observation.gap_s == 1800, "to the millisecond"


def test_folding_keeps_what_the_longer_of_two_rules_may_still_ask_for() -> None:
    monday_ms, arrivals = milliseconds(MONDAY), Arrivals()
    for days_ago in (120, 60):
        arrivals = arrivals.add_sighting(monday_ms - days_ago * DAY_MS, 60_000)
    promotion = Promotion(monday_ms - 60 * DAY_MS, PromotionRule(2, 90 * DAY_MS))
    for visits, left in ((Visits(arrivals, promotion), 3), (Visits(arrivals), 2)):
        story = Story(groups(), face=Face("7", REGULAR, MONDAY, (given_picture(),)), visits=visits)
        assert len(story.see(0).visits.arrivals.recent) == left
        assert (story.face.arrive_count, story.visits.promotion) == (3, visits.promotion)


def test_who_changes_the_group_leaves_the_face_set() -> None:
    story = Story(groups(2), face=Face("7", STRANGER, MONDAY, (given_picture(),), face_set="eva"))
    story.see(0)
    assert story.face.face_set == "eva"
    story.see(DAY)
    assert (story.face.group_id, story.face.face_set) == (REGULAR, "")


def test_a_visit_that_falls_in_two_may_make_a_regular_and_one_that_goes_a_stranger() -> None:
    story = Story(groups(3))
    story.see(0, DAY, DAY + 25, DAY + 50)
    assert story.kept() == (STRANGER, 2)
    at = [milliseconds(MONDAY + minutes * MINUTE) for minutes in (DAY, DAY + 25, DAY + 50)]
    arrival = story.visits.arrivals.find_around(at[0])
    assert arrival is not None
    gap_ms, now_ms = 1_800_000, milliseconds(NOW)
    left = plan_without_sighting(story.held, arrival, [(at[0], gap_ms), (at[2], gap_ms)], now_ms)
    assert (left.group_id, left.visits.arrivals.count) == (REGULAR, 3)
    assert left.visits.promotion == Promotion(at[2], story.groups.rule)
    held = replace(story.held, face=apply_plan(story.face, left), visits=left.visits)
    last = left.visits.arrivals.recent[-1]
    again = plan_without_sighting(held, last, [], now_ms)
    assert (again.group_id, again.visits.promotion, again.visits.arrivals.count) == (
        STRANGER,
        None,
        2,
    )
    assert (
        plan_without_sighting(held, last, [(at[2] + 60_000, gap_ms)], now_ms).group_id == REGULAR
    ), "the visit goes on"


def test_the_first_of_two_new_arrivals_that_promote_counts() -> None:
    story = Story(groups(2, regular=(1, None)))
    story.groups = groups(9)
    story.see(0, 3 * DAY, 3 * DAY + 25, 3 * DAY + 50)
    story.groups = groups(2)
    at = [milliseconds(MONDAY + minutes * MINUTE) for minutes in (3 * DAY, 3 * DAY + 50)]
    arrival = story.visits.arrivals.find_around(at[0])
    assert arrival is not None
    left = plan_without_sighting(
        story.held, arrival, [(one, 1_800_000) for one in at], milliseconds(NOW)
    )
    assert left.visits.promotion == Promotion(at[0], story.groups.rule)


def test_only_an_arrival_promotes_and_only_a_promotion_is_undone() -> None:
    arrivals = Arrivals().add_sighting(0, 60_000).add_sighting(DAY_MS, 60_000)
    plan = partial(plan_group, now_ms=DAY_MS, groups=groups(2))
    assert plan(STRANGER, Visits(arrivals)).group_id == STRANGER
    assert plan(STRANGER, Visits(arrivals), changed_arrival=arrivals.recent[-1]).group_id == REGULAR
    assert plan(REGULAR, Visits(Arrivals())).group_id == REGULAR
    assert plan(VIP.id, Visits(Arrivals(), Promotion(0, groups(2).rule))).group_id == VIP.id


# --- somebody new
# --------------------------------------------------------------------------------------------------


def newcomer(default: DefaultGroups, one: OpenSighting | None = None, **read: Any) -> SightingFacts:
    face = Face("8", STRANGER, NOW, ())
    one, held = one or sighted(0), FaceVisits(face, Visits(), default, default.stranger)
    return SightingFacts(one, held, plan_visits(one, held), is_new=True, **read)


def test_somebody_new_is_a_stranger_with_one_arrival_or_a_regular_at_once() -> None:
    outcome = resolve_sighting(newcomer(groups(3), decision=Decision(None, 0.5, 7)))
    assert (outcome.face.group_id, outcome.face.arrive_count, outcome.face.last_arrival_at) == (
        STRANGER,
        1,
        MONDAY,
    )
    assert (outcome.sighting.resolution, outcome.sighting.faceid) == (Resolution.STRANGER, "8")
    assert (outcome.observation.decision, outcome.observation.group_name) == (None, "the strangers")
    assert (kinds(outcome), outcome.reviews) == (
        [EventKind.STRANGER_CREATED, EventKind.FACE_ARRIVED],
        (),
    )
    assert outcome.face.pictures == (make_founding_picture(outcome.facts.open_sighting),)
    assert outcome.new_picture is outcome.face.portrait, "it is stored when all is decided"
    regular = resolve_sighting(newcomer(groups(1)))
    assert (regular.face.group_id, regular.observation.group_name) == (REGULAR, "the regulars")
    assert kinds(regular)[-1] == EventKind.STRANGER_PROMOTED
    assert [(one.kind, one.decision) for one in regular.reviews] == [(ReviewKind.PROMOTED, None)]
    late = resolve_sighting(newcomer(groups(1), sighted(-101 * DAY)))
    assert (late.face.group_id, late.face.arrive_count, kinds(late)) == (
        STRANGER,
        0,
        [EventKind.STRANGER_CREATED],
    )


GONE = Face("3", STRANGER, MONDAY, ())


@pytest.mark.parametrize(
    ("default", "evicted", "has_room", "full"),
    [
        (groups(stranger=(5, None)), None, True, None),
        (groups(stranger=(1, 3)), None, True, None),
        (groups(stranger=(2, 3)), None, True, STRANGER),
        (groups(stranger=(3, 3)), GONE, False, STRANGER),
        (replace(groups(), faces_left=1), None, True, None),
        (replace(groups(), faces_left=0), GONE, False, STRANGER),
        (groups(1, stranger=(3, 3), regular=(1, 3)), None, True, None),
        (groups(1, stranger=(1, 3), regular=(2, 3)), None, True, REGULAR),
        (groups(1, stranger=(1, 3), regular=(3, 3)), None, True, REGULAR),
    ],
)
def test_a_new_face_needs_a_place_and_it_is_told_when_the_last_one_is_taken(
    default: DefaultGroups, evicted: Face | None, has_room: bool, full: str | None
) -> None:
    facts = newcomer(default, evicted=evicted)
    assert facts.has_room == has_room
    told = [event for event in resolve_sighting(facts).events if event.kind is EventKind.GROUP_FULL]
    assert [event.group for event in told] == ([f"the {full}s"] if full else [])


def test_it_is_told_once_an_hour_that_a_group_is_full() -> None:
    default = groups(stranger=(2, 3))
    for since, told in ((FULL_AGAIN_AFTER, True), (FULL_AGAIN_AFTER - timedelta(seconds=1), False)):
        events = resolve_sighting(newcomer(default, full_reported_at=NOW - since)).events
        assert (EventKind.GROUP_FULL in [event.kind for event in events]) == told
    [event] = [
        one
        for one in resolve_sighting(newcomer(default)).events
        if one.kind is EventKind.GROUP_FULL
    ]
    assert event.id == f"group.full-stranger-{milliseconds(NOW)}"
    assert (event.at, event.camera, event.data) == (NOW, "door", GroupFull(capacity=3))


@pytest.mark.parametrize(
    ("face", "camera", "enrol_quality", "reason"),
    [
        (seen(40), {}, None, ""),
        (seen(39.9), {}, None, "nobody, and too poor to be remembered, blurred: 39 of 40"),
        (seen(None), {}, 90, ""),
        (seen(55), {}, 60, "nobody, and too poor to be remembered, blurred: 55 of 60"),
        (seen(60), {}, 60, ""),
        (seen(39), {}, 25, "nobody, and too poor to be remembered, blurred: 39 of 40"),
        (
            seen(19),
            {"stranger_quality": 0.0},
            None,
            "nobody, and too poor to be remembered, blurred: 19 of 20",
        ),
        (seen(60, side=32), {}, None, ""),
        (seen(60, side=31.5), {}, None, "nobody, and too small to be remembered: 31 of 32 px"),
        (seen(60), {"keeps_strangers": False}, None, "nobody; this camera keeps no strangers"),
        (
            replace(seen(60), estimates=Estimates(quality=60.0, masked=True)),
            {},
            None,
            "nobody, and in a mask: strangers are remembered bare",
        ),
        (replace(seen(60), estimates=Estimates(quality=60.0, masked=False)), {}, None, ""),
    ],
)
def test_who_is_worth_remembering(
    face: SeenFace, camera: dict[str, Any], enrol_quality: float | None, reason: str
) -> None:
    one = sighted(
        0, face, camera=replace(DOOR, **camera), tenant=replace(TENANT, enrol_quality=enrol_quality)
    )
    assert one.why_no_stranger == reason


# --- what is said of it
# -----------------------------------------------------------------------------------------------


def test_a_sighting_says_who_it_was_and_by_what_it_was_decided() -> None:
    story = Story(
        groups(2),
        face=Face("7", STRANGER, MONDAY, (given_picture(),), name="Ann", gender=Gender.FEMALE),
    )
    outcome = story.see(0)
    assert (outcome.sighting.resolution, outcome.sighting.decision) == (Resolution.MATCHED, MATCH)
    assert (outcome.observation.decision, outcome.observation.estimates.gender) == (
        MATCH,
        Gender.FEMALE,
    )
    [event] = outcome.events
    id_ = outcome.observation.id
    assert (event.id, event.at, event.group, event.camera) == (
        f"face.arrived-{id_}",
        MONDAY,
        "the strangers",
        "door",
    )
    assert event.data.write() == {
        "faceid": "7",
        "name": "Ann",
        "number": None,
        "arrive_count": 1,
        "capture": id_[:-2],
        "sighting": id_,
        "crop_url": f"/v1/captures/{id_[:-2]}/crops/0?camera=door",
        "captured_at": "2026-03-02T09:00:00.000Z",
        "score": 0.9,
        "threshold": 0.5,
        "gallery_size": 7,
        "false_match_probability": 0.0001,
    }
    assert (kinds(story.see(5)), kinds(story.see(DAY))) == (
        [],
        [EventKind.FACE_ARRIVED, EventKind.STRANGER_PROMOTED],
    )
    corrected = replace(sighted(3 * DAY), correction=2)
    assert story.take(corrected).events[0].id.endswith("-0-again2")


@pytest.mark.parametrize(
    ("margin", "asked"), [(0.5, True), (0.4001, True), (0.4, False), (0.0, False)]
)
def test_a_close_match_is_asked_about_with_the_faces_that_it_was_like(
    margin: float, asked: bool
) -> None:
    near = (NearFace("7", 0.9), NearFace("3", 0.4))
    outcome = Story(groups()).take(
        replace(sighted(0, tenant=replace(TENANT, review_margin=margin)), nearest_faces=near)
    )
    assert [one.kind for one in outcome.reviews] == ([ReviewKind.UNCERTAIN] if asked else [])
    for one in outcome.reviews:
        assert (one.faceid, one.sighting_id, one.decision, one.near) == (
            "7",
            outcome.observation.id,
            MATCH,
            near,
        )
        assert (one.at, one.camera, one.box) == (MONDAY, "door", outcome.sighting.box)


def test_a_match_at_its_threshold_is_close_and_nobody_is_none() -> None:
    for decision, close in (
        (Decision(0.5, 0.5, 7), True),
        (Decision(0.499, 0.5, 7), False),
        (Decision(None, 0.5, 7), False),
    ):
        assert sighted(0, tenant=replace(TENANT, review_margin=0.1)).is_uncertain(decision) == close
    assert not sighted(0).is_uncertain(None)


def test_a_resolved_face_is_put_at_its_place_in_the_capture() -> None:
    one = replace(sighted(0), total=2)
    first = one.make_sighting(Resolution.SKIPPED, reason="a")
    second = replace(one, number=1).make_sighting(Resolution.SKIPPED)
    half = one.resolved_capture(first)
    assert (half.state, half.sightings) == (CaptureState.STORED, (first,))
    whole = replace(one, number=1, capture=half).resolved_capture(second)
    assert (whole.state, whole.sightings) == (CaptureState.RESOLVED, (first, second))
    other: Sighting = replace(first, reason="b")
    again = replace(one, capture=whole).resolved_capture(other)
    assert (again.state, again.sightings) == (CaptureState.RESOLVED, (other, second))


# --- learning
# --------------------------------------------------------------------------------------------------


def learns(
    one: OpenSighting,
    face: Face | None = None,
    *,
    group: Group | None = None,
    decision: Decision = MATCH,
) -> bool:
    """Whether the face, by default one of a good given picture, learns the sighting."""
    face, default = face or Face("7", STRANGER, MONDAY, (given_picture(),)), groups()
    held = FaceVisits(face, Visits(), default, group or default.stranger)
    outcome = resolve_sighting(
        SightingFacts(one, held, plan_visits(one, held), decision, scorer=SCORER)
    )
    assert (outcome.new_picture is None) == (outcome.face.pictures == face.pictures)
    return outcome.new_picture is not None


def test_a_held_face_learns_until_an_older_learnt_picture_would_go() -> None:
    story = Story(groups())
    story.face = replace(story.face, hold=Hold("case 7", MONDAY))
    for day in range(1, 9):
        story.see(day * DAY, face=seen(quality=40.0 + 7 * day))
    learnt = sorted(one.learnt.captured_at for one in story.face.pictures if one.learnt)
    assert learnt == [MONDAY + day * DAY * MINUTE for day in (1, 2, 3)]
    assert story.face.group_id == STRANGER


def test_a_sure_sighting_becomes_a_picture_of_its_face() -> None:
    story = Story(groups())
    outcome = story.see(DAY)
    given_one, new = story.face.pictures
    assert (given_one.learnt, outcome.new_picture) == (None, new)
    assert new.learnt == Learnt(outcome.observation.id, "door", MONDAY + DAY * MINUTE)
    assert (new.id, new.key) == (outcome.facts.open_sighting.capture.sha256[:32], "")
    assert new.templates == (outcome.facts.open_sighting.seen_face.template,)
    assert story.take(outcome.facts.open_sighting).new_picture is None, "the same photo"


@pytest.mark.parametrize(
    ("changes", "does"),
    [
        ({}, True),
        ({"tenant": replace(TENANT, learns=False)}, False),
        ({"camera": replace(DOOR, learns=False)}, False),
        ({"group": Group(STRANGER, "", "", 1, None, learns=False)}, False),
        ({"minutes": -101 * DAY}, False),
        ({"face": seen(35)}, True),
        ({"face": seen(34.9)}, False),
        ({"face": seen(None)}, False),
        ({"tenant": replace(TENANT, enrol_quality=60)}, True),
        ({"tenant": replace(TENANT, enrol_quality=60.1)}, False),
        ({"decision": replace(MATCH, by="a-0")}, False),
        ({"face": seen(who=2)}, False),
        ({"face": seen(likeness=0.5)}, True),
        ({"face": seen(likeness=0.2)}, False),
    ],
)
def test_what_a_face_learns_from(changes: dict[str, Any], does: bool) -> None:
    more = {name: changes[name] for name in ("group", "decision") if name in changes}
    rest = {name: value for name, value in changes.items() if name not in more}
    assert learns(sighted(rest.pop("minutes", DAY), **rest), **more) == does


def test_nothing_is_learnt_from_whom_only_the_learnt_pictures_look_like() -> None:
    drifted = replace(given_picture(who=2), id="e" * 32, learnt=Learnt("a-0", "door", MONDAY))
    face = Face("7", STRANGER, MONDAY, (given_picture(who=1), drifted))
    assert not learns(sighted(DAY, seen(who=2)), face)
    assert learns(sighted(DAY, seen(who=1)), face)
    other = replace(
        given_picture(), templates=(replace(given_picture().templates[0], model="other"),)
    )
    assert not learns(sighted(DAY), replace(face, pictures=(other,))), (
        "the model knows none of the given ones"
    )


def test_the_hour_that_made_a_stranger_teaches_only_what_is_better() -> None:
    face = Face("7", STRANGER, MONDAY, (replace(given_picture(), founded_at=MONDAY),))
    assert [learns(sighted(10, seen(quality)), face) for quality in (75, 79, 80)] == [
        False,
        False,
        True,
    ]
    assert learns(sighted(60, seen(75)), face), "of another hour"


def test_a_visit_teaches_once_unless_a_later_picture_is_better() -> None:
    story = Story(groups())
    told = [
        story.take(sighted(DAY + n, seen(q))).new_picture is not None
        for n, q in enumerate((50, 55, 59, 60))
    ]
    assert (told, len(story.face.pictures)) == ([True, False, False, True], 2)


def test_a_face_that_becomes_a_regular_by_a_sighting_learns_from_it_too() -> None:
    story = Story(groups(1))
    assert story.see(DAY).new_picture is not None
    assert story.face.group_id == REGULAR
