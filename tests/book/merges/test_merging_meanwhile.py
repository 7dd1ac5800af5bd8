"""Merges and undos, and what others do between two of their transactions: each order leaves the
book exact."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.model import NewFace, PromotionSettings
from chalicelib.domain.observations import ObservationFilter, ObservationKind
from chalicelib.storage.ports import Storage
from chalicelib.storage.records.merges import Merge, MergeState
from tests.support.book.book import Book, shot
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import Meanwhile

HOUR = 60
DAY = 24 * HOUR


class Shop:
    """A book in which things happen before a use case's next transactions, one each."""

    def __init__(self, folder: Path) -> None:
        self.book = Book(folder, wrap=self._wrapped)
        self.book.services.groups.set_promotion_settings(self.book.tenant, PromotionSettings(3, 7))

    def _wrapped(self, storage: Storage) -> Storage:
        self.meanwhile = Meanwhile(storage.items)
        return replace(storage, items=self.meanwhile)  # type: ignore[arg-type]

    def see(self, minutes: float, seed: int) -> str:
        """Who the person was taken for."""
        [capture] = self.book.see(shot(minutes, seed))
        return capture.sightings[0].faceid or ""

    def merge(self, survivor: str, other: str) -> Merge:
        return self.book.services.merges.merging.merge(self.book.tenant, survivor, other)

    def undo(self) -> Merge:
        [merge] = self.book.services.merges.records.read_page(self.book.tenant, 2).rows
        return self.book.services.merges.merging.undo(self.book.tenant, merge.id)

    def groups(self, faceid: str) -> list[str]:
        """The groups that the face's sightings name, oldest first."""
        sightings = self.book.services.sightings.read_timeline(self.book.tenant, faceid).sightings
        return [one.group_name for one in reversed(sightings)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "data")
    with closing(shop.book) as book:
        yield shop
        assert not shop.meanwhile.first
        assert disagreements_of_visits(book) == []
        assert book.disagreements() == []


def nothing() -> None:
    pass


def test_a_promotion_that_moves_while_observations_are_moved_renames_those_too(shop: Shop) -> None:
    survivor, other = shop.see(0, 1), shop.see(DAY, 2)
    shop.see(2 * DAY, 1)
    shop.meanwhile.first = [
        nothing,  # the faces are merged
        # the promotion is a day earlier, by the observations that it reads ...
        lambda: shop.see(12 * HOUR, 1),
        # ... before the other's is moved, and written after it
        lambda: shop.merge(survivor, other),
    ]
    assert shop.merge(survivor, other).state is MergeState.DONE
    assert shop.groups(survivor) == ["stranger", "stranger", "regular", "regular"]


def test_a_merge_that_was_undone_meanwhile_moves_nothing_any_more(shop: Shop) -> None:
    survivor, other = shop.see(0, 1), shop.see(DAY, 2)
    shop.meanwhile.first = [nothing, shop.undo]
    assert shop.merge(survivor, other).state is MergeState.UNDONE
    assert (shop.groups(survivor), shop.groups(other)) == (["stranger"], ["stranger"])


def test_a_sighting_that_is_renamed_while_an_undo_moves_it_back_gets_its_old_group(
    shop: Shop,
) -> None:
    survivor, other = shop.see(0, 1), shop.see(DAY + 10, 2)
    for minutes in (DAY, DAY + 20, 2 * DAY):
        shop.see(minutes, 1)
    shop.merge(survivor, other)
    shop.meanwhile.first = [nothing, lambda: shop.see(12 * HOUR, 1)]
    assert shop.undo().state is MergeState.UNDONE
    assert shop.groups(survivor) == ["stranger", "stranger", "regular", "regular", "regular"]
    assert shop.groups(other) == ["stranger"]


def test_a_face_enrolled_under_the_others_id_while_its_observations_move_keeps_its_own(
    shop: Shop,
) -> None:
    survivor, other, *_ = shop.see(0, 1), *(shop.see(DAY + minute, 2) for minute in range(41))
    shop.see(14 * DAY - HOUR, 2)
    tenant, at = shop.book.tenant, int(shop.book.clock.now().timestamp()) + 600

    def enrol_again() -> None:
        # so the id is too old to be one that the service has just made
        shop.book.clock.advance(timedelta(minutes=2))
        shop.book.services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(9)), RULES, NewFace(faceid=other)
        )

    shop.meanwhile.first = [nothing, enrol_again]
    assert shop.merge(survivor, other).state is MergeState.DONE
    left = shop.book.services.statistics.observations.query(
        tenant, ObservationFilter(faceid=other), 0, at
    ).observations
    assert [one.kind for one in left] == [ObservationKind.ENROLMENT]
