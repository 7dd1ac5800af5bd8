"""Count every act on a shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from tests.slopes.acts import (
    list_commands,
    list_jobs,
    list_page_reads,
    list_reads,
    withhold_strangers,
)
from tests.slopes.counted import CountedBox, CountedShop
from tests.support.book.years import Filled, Year, fill_year
from tests.support.faults.shop import Box, Shop, prepared
from tests.support.faults.use_cases import UseCase

Counted = Mapping[str, Counter[str]]


def fill(box: Box, year: Year) -> Filled:
    """Fill a shop, and do all that is due by the clock then."""
    filled = fill_year(box.services, box.tenant, year, box.clock.now())
    box.services.index.build("shop")
    for _ in range(2):
        box.sweep()
        box.tick("watch")
        box.clock.advance(timedelta(hours=1))
    return filled


def count_shops(folder: Path, year: Year, cases: Sequence[UseCase]) -> Counted:
    """Count all acts on a filled shop, and the cases that are none of these, each on a copy of its
    shop."""
    filled = list[Filled]()
    with prepared(folder, CountedShop, lambda box: filled.append(fill(box, year))) as shops:
        with _opened_copy(shops["shop"], folder) as box:
            counted = dict(count_acts(box, filled[0]))
        with _opened_copy(shops["shop"], folder) as box:
            act = withhold_strangers(box)
            counted[act.name] = box.count(act.do)
        read = {" ".join(name.split()[:2]) for name in counted}
        for case in (case for case in cases if case.route not in read):
            with _opened_copy(shops[case.shop], folder) as box:
                counted[str(case)] = box.count(partial(case.do, box))
    return counted


def count_acts(box: CountedBox, filled: Filled) -> Iterator[tuple[str, Counter[str]]]:
    """Count what changes nothing, or nothing that another act reads."""
    acts = (*list_reads(box, filled), *list_page_reads(box, filled), *list_jobs(box))
    for act in (*acts, *list_commands(box)):
        yield act.name, box.count(act.do)


@contextmanager
def _opened_copy(shop: Shop, folder: Path) -> Iterator[CountedBox]:
    with shop.copied(folder) as box:
        assert isinstance(box, CountedBox)
        yield box
