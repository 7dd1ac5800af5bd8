from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.model import MAX_COMPARED, Picture
from chalicelib.domain.rules.choice import Chooser
from chalicelib.domain.rules.decision import Population
from chalicelib.domain.rules.templates import fuse_embeddings, make_template, parse_vector
from tests.support.fakes import CURVE, DIMENSIONS, embedding_of

AT = datetime(2026, 3, 1, tzinfo=UTC)
CHOOSER = Chooser("fake", CURVE, Population(np.zeros((0, DIMENSIONS), np.float32), 0.0))


def picture(number: int, person: int = 1, likeness: float = 0.8, *, spare: bool = False) -> Picture:
    row = likeness * embedding_of(person) + np.sqrt(1 - likeness**2) * embedding_of(1_000 + number)
    row = (row / np.linalg.norm(row)).astype(np.float32)
    return Picture(f"{number:032x}", "", AT, (make_template("fake", row),), spare=spare)


def compared_seeds(pictures: tuple[Picture, ...]) -> list[int]:
    return [int(one.id, 16) for one in pictures if not one.spare]


given_ones = st.lists(
    st.tuples(st.sampled_from([1, 1, 1, 2]), st.booleans()), min_size=1, max_size=14
).map(
    lambda found: tuple(
        picture(number, person, spare=spare) for number, (person, spare) in enumerate(found)
    )
)


@given(given_ones, st.integers(1, MAX_COMPARED))
def test_none_is_lost_one_at_least_is_compared_and_no_more_than_may_be(
    pictures: tuple[Picture, ...], most: int
) -> None:
    after = CHOOSER.choose_pictures(pictures, most)
    assert [one.id for one in after] == [one.id for one in pictures]
    assert 1 <= len(compared_seeds(after)) <= most
    again = CHOOSER.choose_pictures(after, most)
    assert len(compared_seeds(again)) <= most


def test_of_more_than_eight_those_stay_whose_mean_is_nearest_to_the_mean_of_all() -> None:
    pictures = tuple(picture(number) for number in range(12))
    mean = fuse_embeddings(np.stack([parse_vector(one.templates[0]) for one in pictures]))

    def nearness(numbers: list[int]) -> float:
        return float(
            fuse_embeddings(
                np.stack([parse_vector(pictures[number].templates[0]) for number in numbers])
            )
            @ mean
        )

    chosen = compared_seeds(CHOOSER.choose_pictures(pictures))
    assert len(chosen) == MAX_COMPARED
    assert nearness(chosen) > nearness(list(range(MAX_COMPARED)))


def test_a_spare_picture_of_somebody_else_stays_spare_and_one_of_the_person_does_not() -> None:
    pictures = (picture(0), picture(1, spare=True), picture(2, person=2, spare=True))
    assert compared_seeds(CHOOSER.choose_pictures(pictures)) == [0, 1]


def test_a_picture_that_somebody_vouched_for_is_compared_whatever_it_looks_like() -> None:
    assert compared_seeds(CHOOSER.choose_pictures((picture(0), picture(1, person=2)))) == [0, 1]


def test_without_a_compared_one_the_first_is() -> None:
    pictures = (picture(0, person=2, spare=True), picture(1, spare=True))
    assert compared_seeds(CHOOSER.choose_pictures(pictures)) == [0]


def test_a_picture_without_a_template_of_the_model_stays_as_it_is() -> None:
    other = replace(picture(9), templates=(replace(picture(9).templates[0], model="other"),))
    for one in (other, replace(other, spare=True)):
        assert CHOOSER.choose_pictures((one, picture(0)))[0] == one
        assert CHOOSER.choose_pictures((one,)) == (one,)
