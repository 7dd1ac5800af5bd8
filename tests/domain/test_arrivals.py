"""Arrivals: whatever order sightings come in, they make the same visits; promotions follow the
contract to the ms."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.domain.rules.visits import KEPT_MS, Arrival, Arrivals, Visits
from chalicelib.storage.records.observations import visits_from, visits_item

MINUTE = 60_000
GAP = 30 * MINUTE
RULE = PromotionRule(3, 7 * DAY_MS)

sightings = st.lists(
    st.tuples(st.integers(0, 3_000 * MINUTE), st.sampled_from([MINUTE, GAP, 50 * MINUTE])),
    min_size=1,
    max_size=40,
)


def after(seen: list[tuple[int, int]]) -> Arrivals:
    arrivals = Arrivals()
    for at_ms, gap_ms in seen:
        arrivals = arrivals.add_sighting(at_ms, gap_ms)
    return arrivals


def by_definition(seen: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """First, last and number of each visit: sorted, one goes on while the next comes within a gap
    of one before."""
    visits: list[tuple[int, int, int]] = []
    until = -1
    for at_ms, gap_ms in sorted(seen):
        if visits and at_ms < until:
            first, _, number = visits[-1]
            visits[-1] = (first, at_ms, number + 1)
        else:
            visits.append((at_ms, at_ms, 1))
        until = max(until, at_ms + gap_ms)
    return visits


@given(sightings, st.randoms())
def test_any_order_makes_the_visits_of_the_definition(
    seen: list[tuple[int, int]], rng: random.Random
) -> None:
    shuffled = list(seen)
    rng.shuffle(shuffled)
    assert [(a.first_ms, a.last_ms, a.sightings) for a in after(shuffled).recent] == by_definition(
        seen
    )


@given(sightings, sightings)
def test_joining_two_faces_is_adding_all_sightings_to_one(
    one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    assert after(one).join_arrivals(after(two)) == after(one + two)


@given(sightings, st.integers(0, 39))
def test_taking_a_sighting_out_is_never_having_added_it(
    seen: list[tuple[int, int]], place: int
) -> None:
    place %= len(seen)
    rest = seen[:place] + seen[place + 1 :]
    whole = after(seen)
    arrival = whole.find_around(seen[place][0])
    assert arrival is not None
    inside = [(at, gap) for at, gap in rest if arrival.first_ms <= at <= arrival.last_ms]
    assert whole.recount_arrival(arrival, inside) == after(rest)


def test_exactly_the_gap_apart_are_two_arrivals_and_a_millisecond_less_is_one() -> None:
    apart = after([(GAP, GAP), (0, GAP)])
    assert apart == after([(0, GAP), (GAP, GAP)])
    assert apart.count == 2
    assert [apart.find_around(at) for at in (0, GAP - 1, GAP, 2 * GAP)] == [
        *[apart.recent[0]] * 2,
        apart.recent[1],
        None,
    ]
    assert after([(0, GAP), (GAP - 1, GAP)]).count == 1


@given(sightings)
def test_what_is_stored_is_read_back(seen: list[tuple[int, int]]) -> None:
    visits = Visits(after(seen), Promotion(seen[0][0], RULE), is_regrouped=True, version=3)
    assert visits_from(visits_item("t", "1", visits)) == visits


def test_a_presence_that_does_not_fit_the_record_is_refused() -> None:
    with pytest.raises(ValueError, match="49 days"):
        Arrivals((Arrival(0, 50 * DAY_MS, 51 * DAY_MS),)).pack_arrivals()


@given(sightings, st.integers(0, 3_000 * MINUTE))
def test_folding_keeps_the_counts_and_whatever_a_sighting_can_still_reach(
    seen: list[tuple[int, int]], now_after_ms: int
) -> None:
    arrivals = after(seen)
    now_ms = KEPT_MS + 7 * DAY_MS + now_after_ms
    folded = arrivals.fold_before(now_ms, 7 * DAY_MS)
    assert (folded.count, folded.sightings) == (arrivals.count, arrivals.sightings)
    earliest = now_ms - KEPT_MS
    assert folded.add_sighting(earliest, GAP).count == arrivals.add_sighting(earliest, GAP).count


@given(
    st.lists(st.integers(0, 20 * 48).map(lambda n: n * 25 * MINUTE), min_size=1, max_size=25),
    st.randoms(),
)
def test_in_any_order_a_face_ends_promoted_as_of_the_same_time_or_not_at_all(
    times: list[int], rng: random.Random
) -> None:
    """A promotion that a late sighting undoes (it joined two arrivals) is undone."""
    assert _promotion(sorted(times)) == _promotion(rng.sample(times, len(times)))


def _promotion(times: list[int]) -> Promotion | None:
    visits = Visits()
    for at_ms in times:
        arrivals = visits.arrivals.add_sighting(at_ms, GAP)
        visits = Visits(arrivals, visits.promotion)
        joined = arrivals.find_around(at_ms)
        assert joined is not None
        promotion = (
            visits.promotion_of_promoted(20 * DAY_MS)
            if visits.promotion
            else visits.promotion_of_stranger(RULE, joined)
        )
        visits = Visits(arrivals, promotion)
    return visits.promotion


def test_a_promotion_out_of_reach_stays_though_its_arrivals_are_folded_away() -> None:
    promotion = Promotion(0, RULE)
    visits = Visits(Arrivals(folded=5), promotion)
    assert visits.promotion_of_promoted(KEPT_MS + 2 * DAY_MS) == promotion
