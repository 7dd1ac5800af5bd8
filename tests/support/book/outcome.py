"""The book by the definitions of the contract, counted without the service."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta

from chalicelib.domain.captures import Capture
from chalicelib.domain.errors import Busy
from chalicelib.domain.model import PromotionSettings
from tests.support.book.book import Book, Entry, Shot

GAP_MINUTES = 30
RULE = PromotionSettings(3, 2)


def outcome(shots: Sequence[Shot]) -> Counter[Entry]:
    """The book by the definitions of the contract, counted without the service."""
    entries: Counter[Entry] = Counter()
    times: dict[int, list[datetime]] = {}
    for one in set(shots):
        for person in one.people:
            times.setdefault(person.seed, []).append(one.at)
    for seen in times.values():
        seen.sort()
        gap = timedelta(minutes=GAP_MINUTES)
        starts = [at for place, at in enumerate(seen) if place == 0 or at - seen[place - 1] >= gap]
        period = timedelta(days=RULE.period_days)
        promoted = next(
            (
                at
                for at in starts
                if sum(at - period <= other <= at for other in starts) >= RULE.arrive_times
            ),
            None,
        )
        groups = tuple(
            (at, "regular" if promoted is not None and at >= promoted else "stranger")
            for at in seen
        )
        entries[Entry("regular" if promoted else "stranger", len(starts), starts[-1], groups)] += 1
    return entries


def deliver(book: Book, captures: Sequence[Capture], workers: int) -> None:
    """As a queue does: a worker that is told Busy gets the capture again."""

    def one(capture: Capture) -> None:
        while True:
            with suppress(Busy):
                book.deliver(capture)
                return

    if workers == 1:
        for capture in captures:
            one(capture)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, captures))
