"""Visits in a head and pages: whatever is written one by one is what the whole visits are, and
little is written."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.visits import visits_puts
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, STRANGER
from chalicelib.domain.rules.promotion import PromotionRule
from chalicelib.domain.rules.visits import MOST_IN_HEAD, MOST_KEPT, Arrival, Arrivals, Visits
from chalicelib.storage.ports import Delete, Item, Put
from chalicelib.storage.records.observations import pages_from, visits_from, visits_item
from tests.support.examples import examples

MINUTE = 60_000
RULE = PromotionRule(3, DAY_MS)
BEGIN = 1_700_000_000_000


class Shelf:
    """One face's visits, as they are stored."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.written = 0

    def head(self) -> Visits:
        return visits_from(self.items.get("eva"))

    def whole(self) -> Visits:
        head = self.head()
        return head if head.is_whole else head.with_pages(pages_from(self.pages()))

    def pages(self) -> list[Item]:
        return [item for key, item in sorted(self.items.items()) if key != "eva"]

    def write(self, before: Visits, after: Visits) -> None:
        for action in visits_puts("shop", "eva", before, after):
            if isinstance(action, Put):
                self.items[action.item["faceid"]] = action.item
                self.written += 1 + len(action.item["recent"]) // 1024
            elif isinstance(action, Delete):
                del self.items[action.key[1]]

    def see(self, at_ms: int, gap_ms: int = MINUTE, group: str = REGULAR) -> None:
        before = self.head()
        if before.needs_pages(group, at_ms, RULE):
            before = self.whole()
        arrivals = before.arrivals.add_sighting(at_ms, gap_ms)
        self.write(
            before,
            replace(before, arrivals=arrivals.fold_oldest() if before.is_whole else arrivals),
        )


def long_known(number: int, folded: int = 0) -> Shelf:
    """A face whose visits stand in one item, as the first format had them."""
    shelf = Shelf()
    recent = tuple(
        Arrival(at, at, at + 1_000) for at in range(BEGIN, BEGIN + 2_000 * number, 2_000)
    )
    visits = Visits(Arrivals(recent, folded, folded), version=1)
    shelf.items["eva"] = visits_item("shop", "eva", visits)
    return shelf


in_order = st.integers(30, 120)
late = st.lists(st.tuples(st.integers(0, 1_000), st.sampled_from([1, 7, 400])), max_size=12)


@examples(20, 300)
@given(in_order, late, st.sampled_from([STRANGER, REGULAR]))
def test_written_by_heads_they_are_the_same_visits(
    number: int, late: list[tuple[int, int]], group: str
) -> None:
    shelf, meant = Shelf(), Arrivals()
    seen = [(BEGIN + 7 * MINUTE * place, MINUTE) for place in range(number)]
    seen += [(BEGIN + at * MINUTE, gap * MINUTE) for at, gap in late]
    for at_ms, gap_ms in [*seen, *((at_ms + 10**9, gap_ms) for at_ms, gap_ms in seen)]:
        shelf.see(at_ms, gap_ms, group)
        meant = meant.add_sighting(at_ms, gap_ms)
        assert (shelf.head().arrivals.count, shelf.head().arrivals.sightings) == (
            meant.count,
            meant.sightings,
        )
        assert len(shelf.head().arrivals.recent) <= MOST_IN_HEAD
    assert shelf.whole().arrivals == meant


@examples(10, 100)
@given(st.lists(st.integers(0, 899), max_size=900, unique=True))
def test_what_is_taken_out_is_in_no_page(out: list[int]) -> None:
    shelf = long_known(900)
    shelf.see(BEGIN + 10**8)
    before = shelf.whole()
    left = tuple(one for place, one in enumerate(before.arrivals.recent) if place not in out)
    shelf.write(before, replace(before, arrivals=Arrivals(left)))
    assert shelf.whole().arrivals == Arrivals(left)
    shelf.see(BEGIN + 10**9)
    assert shelf.whole().arrivals == Arrivals(left).add_sighting(BEGIN + 10**9, MINUTE)
    assert bool(shelf.pages()) == (len(shelf.whole().arrivals.recent) > MOST_IN_HEAD)


def test_a_visit_more_costs_the_same_after_25_000() -> None:
    shelf = long_known(MOST_KEPT, folded=25_000 - MOST_KEPT)
    for place in range(1_200):
        if place == 400:  # by then the one item has become small pages
            shelf.written = 0
        shelf.see(BEGIN + 2_000 * (MOST_KEPT + place), 1_000)
    assert shelf.written / 800 < 1.5
    head = shelf.head()
    assert (head.arrivals.count, head.arrivals.sightings) == (26_200, 26_200)
    assert len(shelf.whole().arrivals.recent) <= 1.1 * MOST_KEPT + MOST_IN_HEAD


def test_a_late_sighting_of_a_folded_arrival_is_counted_in_it() -> None:
    shelf = long_known(5_000)
    shelf.see(BEGIN + 2_000 * 5_000, 1_000)
    before = shelf.head().arrivals
    shelf.see(BEGIN + 3_000, 1_000)
    after = shelf.head().arrivals
    assert (after.count, after.sightings) == (before.count, before.sightings + 1)


def test_what_stands_in_one_item_goes_to_pages_at_the_next_visit() -> None:
    shelf = long_known(900)
    whole = shelf.whole().arrivals
    shelf.see(BEGIN + 10**9)
    assert shelf.whole().arrivals == whole.add_sighting(BEGIN + 10**9, MINUTE)
    assert shelf.pages()


def test_no_visit_writes_more_than_four_items_of_one_that_came_for_years() -> None:
    shelf = long_known(MOST_KEPT)
    for place in range(1_000):
        before = dict(shelf.items)
        shelf.see(BEGIN + (2_000 * MOST_KEPT + place if place % 2 else 4_000 * place) + 1_500, 100)
        assert len([key for key, item in shelf.items.items() if before.get(key) != item]) <= 4
    assert max(len(item["recent"]) for item in shelf.pages()) <= 400 * 20
