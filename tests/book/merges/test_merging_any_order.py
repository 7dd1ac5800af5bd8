"""Merges, their undoing and rejections between sightings, in any order, at once: the book is
exact."""

import random
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captures import Instead
from chalicelib.storage.records.merges import MergeState
from tests.support.book.book import Shot, shot
from tests.support.book.deeds import (
    Deed,
    deeds,
    eight_at_once,
    give,
    merge,
    opened,
    reject,
    right,
    see,
    sightings,
    undo,
)
from tests.support.examples import examples
from tests.support.fakes import Person


@examples(10, 200)
@given(st.lists(sightings, min_size=3, max_size=10), st.lists(deeds, min_size=4, max_size=20))
def test_whatever_is_done_in_whatever_order_the_book_equals_its_recount(
    first: list[Deed], done: list[Deed]
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(opened(folder)) as book:
        for number, deed in enumerate([*first, *done]):
            with suppress(ZeroDivisionError):  # there is nothing to choose from
                deed(book)
            if number % 8 == 7:
                right(book)
        right(book)


@examples(8, 200)
@given(
    st.lists(
        st.tuples(st.integers(0, 4 * 96), st.integers(1, 4)), min_size=4, max_size=16, unique=True
    ),
    st.lists(
        st.tuples(st.integers(0, 4 * 96), st.sampled_from([1, 3, 4])), max_size=8, unique=True
    ),
    st.booleans(),
)
def test_an_undone_merge_is_as_if_it_had_never_been(
    before: list[tuple[int, int]], since: list[tuple[int, int]], chained: bool
) -> None:
    """While one and two are merged, others come, and one itself; all of the other's sightings were
    before."""
    shots = [shot(15 * quarter, seed) for quarter, seed in [(0, 1), (1, 2), (2, 3), *before]]
    later = [shot(15 * quarter + 7, seed) for quarter, seed in since]
    with tempfile.TemporaryDirectory() as folder, closing(opened(Path(folder) / "a")) as book:
        book.see(*shots)
        faceids = {
            seed: book.see(shot(-60 * 24 * 120, seed))[0].sightings[0].faceid for seed in (1, 2, 3)
        }
        merging = book.services.merges.merging
        merges = [merging.merge(book.tenant, faceids[1] or "", faceids[2] or "")]
        if chained:
            merges.append(merging.merge(book.tenant, faceids[3] or "", faceids[1] or ""))
            merges.reverse()
        book.see(*(one for one in later if not chained or one.people[0].seed != 1))
        for one in merges:
            assert book.services.merges.merging.undo(book.tenant, one.id).state is MergeState.UNDONE
        right(book)
        with closing(opened(Path(folder) / "b")) as never:
            never.see(*shots, *(shot(-60 * 24 * 120, seed) for seed in (1, 2, 3)))
            never.see(*(one for one in later if not chained or one.people[0].seed != 1))
            assert book.entries() == never.entries()
            assert book.observed() == never.observed()
            assert book.group_counts() == never.group_counts()


def test_eight_at_once_merge_undo_reject_and_see(tmp_path: Path) -> None:
    rng = random.Random(5)
    with closing(opened(tmp_path / "data")) as book:
        book.see(*(shot(60 * number, number % 6) for number in range(24)))
        kinds: list[Callable[[], Deed]] = [
            lambda: see(
                Shot(shot(15 * rng.randrange(200)).at, (Person(rng.randrange(6), side_px=70.0),))
            ),
            lambda: merge(rng.randrange(9), rng.randrange(9)),
            lambda: undo(rng.randrange(9)),
            lambda: reject(rng.randrange(9), rng.randrange(9)),
            lambda: give(rng.randrange(9), rng.randrange(9), rng.choice([*Instead, *range(9)])),
        ]
        done = [rng.choice(kinds)() for _ in range(120)]

        eight_at_once(book, done)
        book.sweep()
        right(book)
