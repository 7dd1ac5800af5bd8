"""Any history, in any order, with any duplicates, by one worker or eight: the same visitor book."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captures import Capture
from tests.support.book.book import Book, Shot, shot
from tests.support.book.outcome import RULE, deliver, outcome
from tests.support.examples import examples, parametrize
from tests.support.storage.failing import KILLED, Calls, Killed

histories = st.lists(
    st.builds(
        lambda minutes, seeds, camera: shot(minutes, *seeds, camera=camera),
        st.integers(0, 6 * 24 * 4).map(lambda quarter: quarter * 15),
        st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True),
        st.sampled_from(["door", "till"]),
    ),
    min_size=1,
    max_size=14,
)


def check(
    shots: Sequence[Shot], captures_order: Callable[[list[Capture]], list[Capture]], workers: int
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Book(Path(folder), cameras=("door", "till"))) as book,
    ):
        book.services.groups.set_promotion_settings(book.tenant, RULE)
        deliver(book, captures_order([book.put(one) for one in shots]), workers)
        expected = outcome(shots)
        assert book.entries() == expected
        assert book.group_counts() == {
            name: sum(number for entry, number in expected.items() if entry.group == name)
            for name in ("stranger", "regular")
        }
        names = Counter(
            (at, "", group)
            for entry, number in expected.items()
            for at, group in entry.sightings * number
        )
        assert book.observed() == names


@pytest.mark.shows("sunmi", "A stranger moves to regular as soon as it has at least")
@examples(8, 200)
@given(histories, st.randoms(), st.sampled_from([1, 8]))
def test_strangers_included_any_order_with_duplicates_gives_the_book_of_the_definitions(
    shots: list[Shot], rng: random.Random, workers: int
) -> None:
    def twice_and_shuffled(captures: list[Capture]) -> list[Capture]:
        doubled = [*captures, *rng.sample(captures, len(captures) // 2)]
        rng.shuffle(doubled)
        return doubled

    check(shots, twice_and_shuffled, workers)


def test_a_long_history_shuffled_over_eight_workers() -> None:
    rng = random.Random(11)
    shots = [
        shot(
            15 * rng.randrange(10 * 96),
            *rng.sample(range(1, 9), rng.choice([1, 1, 1, 2])),
            camera="door",
        )
        for _ in range(150)
    ]
    check(shots, lambda captures: rng.sample(captures * 2, 2 * len(captures)), workers=8)


def test_sixteen_captures_of_one_new_person_at_once_make_one_stranger(book: Book) -> None:
    captures = [book.put(shot(number / 60, 1)) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(book.deliver, captures))
    [face] = book.faces()
    assert face.arrive_count == 1
    assert sum(book.observed().values()) == 16


FIRST, SECOND = shot(0, 1), shot(20 * 60, 1)
DENSE = [shot(40 * 60 + minutes, 1) for minutes in range(0, 950, 10)]


def test_a_late_first_visit_renames_a_long_third_one_in_pieces(book: Book) -> None:
    """The promotion moves 95 observations from one group to the other, too many for one
    transaction."""
    book.services.groups.set_promotion_settings(book.tenant, RULE)
    book.see(SECOND, *DENSE, FIRST)
    assert book.entries() == outcome([FIRST, SECOND, *DENSE])
    assert book.observed()[DENSE[0].at, "", "regular"] == 1


@parametrize("at", range(7, 18, 2), gate=3)
def test_killed_while_it_renames_another_sighting_finishes_it(tmp_path: Path, at: int) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.services.groups.set_promotion_settings(book.tenant, RULE)
        book.see(SECOND, *DENSE)
        captures = [book.put(FIRST), book.put(shot(10, 1))]
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        calls.fail(at, KILLED)
        with pytest.raises(Killed):
            book.deliver(captures[0])
    with closing(Book(tmp_path / "data")) as book:
        book.deliver(captures[1])
        book.deliver(captures[0])
        assert book.entries() == outcome([FIRST, SECOND, *DENSE, shot(10, 1)])
