import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.model import MAX_COMPARED, Decision, Learnt, Picture
from chalicelib.domain.pictures import Estimates
from chalicelib.domain.rules import templates
from chalicelib.domain.rules.decision import anchor_threshold
from chalicelib.domain.rules.templates import (
    MAX_LEARNT,
    choose_pictures_to_keep,
    is_sure,
    make_template,
)
from tests.support.fakes import CURVE, embedding_of

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def learnt(number: int, hours: float, quality: float) -> Picture:
    at = FIRST + timedelta(hours=hours)
    template = make_template("fake", embedding_of(number))
    how = Learnt(f"{int(at.timestamp() * 1000):013d}-{number:024x}-0", "door", at)
    return Picture(
        f"{number:032x}", f"{number}.jpg", at, (template,), Estimates(quality=quality), learnt=how
    )


def owned(number: int) -> Picture:
    return Picture(
        f"{number + 1000:032x}", "", FIRST, (make_template("fake", embedding_of(number + 1000)),)
    )


sightings = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.integers(0, 192).map(lambda quarter: quarter / 4),
        st.sampled_from([39.9, 40.0, 55.5, 60.0, 80.0]),
    ),
    max_size=14,
    unique_by=lambda one: one[0],
)
seen = sightings.map(lambda found: [learnt(*one) for one in found])
own = st.integers(1, MAX_COMPARED).map(lambda number: [owned(one) for one in range(number)])


def by_definition(pictures: Sequence[Picture], room: int) -> set[str]:
    """Of the best of each hour, take in turns the best left of each day; of equal turns the better
    one first."""
    left = {
        one.id: one
        for one in pictures
        if not any(_before(other, one) for other in pictures if _hour(other) == _hour(one))
    }
    chosen: list[str] = []
    while left:
        days: dict[object, Picture] = {}
        for one in left.values():
            day = one.learnt.captured_at.date()
            if day not in days or _before(one, days[day]):
                days[day] = one
        turn = sorted(days.values(), key=_key)
        chosen += [one.id for one in turn]
        for one in turn:
            del left[one.id]
    return set(chosen[:room])


def _hour(one: Picture) -> int:
    return int((one.learnt.captured_at - FIRST).total_seconds()) // 3600


def _key(one: Picture) -> tuple[int, datetime, str]:
    step = sum((one.estimates.quality or 0) >= quality for quality in (20, 40, 60, 80, 100))
    return -step, one.learnt.captured_at, one.learnt.sighting_id


def _before(one: Picture, other: Picture) -> bool:
    return _key(one) < _key(other)


@given(own, seen)
def test_the_best_of_each_day_is_kept_then_the_second_best_of_another_hour(
    own: list[Picture], seen: list[Picture]
) -> None:
    found = choose_pictures_to_keep([*own, *seen])
    assert list(found[: len(own)]) == own
    room = min(MAX_LEARNT, MAX_COMPARED - len(own))
    assert {one.id for one in found[len(own) :]} == by_definition(seen, room)


@given(own, seen, st.randoms())
def test_one_after_the_other_in_any_order_and_twice_the_same_are_kept(
    own: list[Picture], seen: list[Picture], rng: random.Random
) -> None:
    held = choose_pictures_to_keep(own)
    for one in rng.sample(seen * 2, 2 * len(seen)):
        held = choose_pictures_to_keep([*held, one])
    assert held == choose_pictures_to_keep([*own, *seen])


@given(own, seen, st.sets(st.integers(0, 30)), st.randoms())
def test_one_look_in_a_mask_is_kept_beside_the_bare_ones_in_any_order(
    own: list[Picture], seen: list[Picture], masked: set[int], rng: random.Random
) -> None:
    """The best one, in the place of the last bare one; the only place is for a bare one."""
    looks = [
        replace(one, estimates=replace(one.estimates, masked=int(one.id, 16) in masked))
        for one in seen
    ]
    found = choose_pictures_to_keep([*own, *looks])[len(own) :]
    in_masks = [one for one in looks if one.estimates.masked]
    bare = [one for one in looks if not one.estimates.masked]
    room = min(MAX_LEARNT, MAX_COMPARED - len(own))
    best_bare = choose_pictures_to_keep([*own, *bare])[len(own) :]
    best_masked = choose_pictures_to_keep([*own, *in_masks])[len(own) :][:1]
    is_masked_kept = len(best_bare) < room or room > 1
    expected = [*best_bare[: room - 1], *best_masked] if in_masks and is_masked_kept else best_bare
    assert set(found) == set(expected)
    held = choose_pictures_to_keep(own)
    for one in rng.sample(looks * 2, 2 * len(looks)):
        held = choose_pictures_to_keep([*held, one])
    assert held == choose_pictures_to_keep([*own, *looks])


@given(st.lists(st.tuples(st.integers(1, 4), sightings), min_size=2, max_size=4), st.randoms())
def test_faces_merged_in_any_grouping_keep_the_same(
    found: list[tuple[int, list[tuple[int, float, float]]]], rng: random.Random
) -> None:
    faces = [
        (
            [owned(100 * number + one) for one in range(photos)],
            [learnt(100 * number + one, hours, quality) for one, hours, quality in shots],
        )
        for number, (photos, shots) in enumerate(found)
    ]
    given_ones = list(dict.fromkeys(one for own, _ in faces for one in own))[:MAX_COMPARED]
    everything = choose_pictures_to_keep([*given_ones, *(one for _, seen in faces for one in seen)])
    groups = [choose_pictures_to_keep([*own, *seen]) for own, seen in faces]
    while len(groups) > 1:
        first, second = (groups.pop(rng.randrange(len(groups))) for _ in range(2))
        both = list(
            dict.fromkeys(
                [*templates.list_given_pictures(first), *templates.list_given_pictures(second)]
            )
        )[:MAX_COMPARED]
        groups.append(
            choose_pictures_to_keep([*both, *(one for one in (*first, *second) if one.learnt)])
        )
    assert [one for one in groups[0] if one.learnt] == [one for one in everything if one.learnt]


def test_the_hour_that_made_a_stranger_teaches_a_better_picture_or_another_view() -> None:
    first = replace(
        owned(1), estimates=Estimates(quality=45), founded_at=FIRST + timedelta(hours=0.1)
    )

    def adds(to: Picture, hours: float, quality: float, likeness: float = 0.8) -> bool:
        row = likeness * embedding_of(1001) + np.sqrt(1 - likeness**2) * embedding_of(2)
        seen = (make_template("fake", (row / np.linalg.norm(row)).astype(np.float32)),)
        new = replace(learnt(2, hours, quality), templates=seen)
        return templates.shows_more_than([to], new, FIRST + timedelta(hours=hours))

    assert not adds(first, 0.9, 59)
    assert adds(first, 0.9, 60), "a better one"
    assert adds(first, 0.9, 59, likeness=0.7), "another view"
    assert adds(first, 1.0, 59), "of another hour"
    assert adds(owned(1), 0.9, 59), "nobody was made from this one"
    unknown = replace(first, templates=(replace(first.templates[0], model="other"),))
    assert not adds(unknown, 0.9, 59, likeness=0.7), "they cannot be compared"


def test_of_good_pictures_those_of_the_first_three_days_are_kept_for_good() -> None:
    three = [learnt(day, 24 * day, 80 + day) for day in range(3)]
    later = [learnt(day, 24 * day + 5, 99) for day in range(3, 40)]
    assert choose_pictures_to_keep([owned(100), *three, *later]) == (owned(100), *three)


def test_a_photo_that_was_given_is_not_learnt_as_well() -> None:
    one = learnt(1, 0, 90)
    mine = Picture(one.id, "mine.jpg", FIRST, one.templates)
    assert choose_pictures_to_keep([one, mine]) == (mine,)


def test_of_one_photo_the_picture_of_the_first_sighting_is_learnt() -> None:
    first = learnt(1, 0, 60)
    again = replace(learnt(2, 24, 80), id=first.id)
    assert (
        choose_pictures_to_keep([owned(1), again, first])
        == choose_pictures_to_keep([owned(1), first, again])
        == (owned(1), first)
    )


def test_without_a_given_picture_the_first_choice_counts_as_given() -> None:
    first, second = learnt(1, 0, 90), learnt(2, 0, 80)
    anchored = templates.ensure_given_picture((first, second))
    assert [one.learnt is None for one in anchored] == [True, False]
    assert templates.ensure_given_picture((owned(1), second)) == (owned(1), second)


def test_a_rejection_takes_what_is_nearer_to_it_than_to_the_given_pictures() -> None:
    person, look_alike = embedding_of(1), embedding_of(2)

    def of(number: int, share: float) -> Picture:
        mixed = share * person + (1 - share) * look_alike
        mixed = (mixed / np.linalg.norm(mixed)).astype(np.float32)
        one = learnt(number, 24 * number, 60)
        return Picture(one.id, "", FIRST, (make_template("fake", mixed),), learnt=one.learnt)

    mine = Picture("f" * 32, "", FIRST, (make_template("fake", person),))
    pictures = (mine, of(1, 0.7), of(2, 0.3), of(3, 0.1))
    left = templates.remove_rejected_pictures(pictures, look_alike, of(3, 0.1).id, "fake")
    assert left == (mine, of(1, 0.7))
    assert templates.remove_rejected_pictures(pictures, look_alike, "0" * 32, "fake") == left
    assert templates.remove_rejected_pictures(pictures, look_alike, "0" * 32, "other") == pictures


def test_a_sighting_is_sure_by_its_own_match_and_quality() -> None:
    assert is_sure(Decision(0.7, 0.5, 1_000, 0.0009), 35)
    assert not is_sure(Decision(0.7, 0.5, 1_000, 0.0009), 34.9)
    assert not is_sure(Decision(0.7, 0.5, 1_000, 0.0009), None)
    assert not is_sure(Decision(0.7, 0.5, 1_000, 0.0009, by="a-0"), 35), (
        "another sighting vouches for it"
    )
    assert (
        CURVE.operating_threshold(10, 0.1) < anchor_threshold(CURVE) < CURVE.operating_threshold(10)
    )
