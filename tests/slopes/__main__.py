"""`make slopes`: what each act costs in a year of a shop, and in one with a tenth of its visits.

    python -m tests.slopes [--visits 36500] [--faces 11000] [--all]

It prints a table of the acts that grow and of the dearest others (--all: of all). It fails if one
grows that tests/slopes/growing.py does not name.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.slopes.acts import list_use_cases, withhold_strangers
from tests.slopes.counted import MEASURES, CountedBox, CountedShop
from tests.slopes.growing import (
    BY_SIZE,
    GROWS_IN_A_YEAR,
    GROWS_TO_A_BOUND,
    GROWS_WITH_VISITS,
    MUST_GROW,
    OF_PRESENCES,
    find_growth,
)
from tests.slopes.walk import Counted, count_acts, fill
from tests.support.book.years import Year
from tests.support.faults.shop import Shop, furnished
from tests.support.hooks.receiver import answers, receiving

TENTH = 10
DEAREST = 12


def count_year(folder: Path, year: Year) -> Iterator[tuple[str, Counter[str]]]:
    """Count all acts that the first shop has, after a year; behind one that writes, its database is
    put back."""
    with receiving(answers(200)) as receiver:
        shop = furnished(folder / "shop", receiver, CountedShop)
        with closing(_open(shop)) as box:
            filled = fill(box, year)
        database, kept = shop.folder / "regulars.sqlite", folder / "kept.sqlite"
        shutil.copyfile(database, kept)
        read = set[str]()
        with closing(_open(shop)) as box:
            for name, counted in count_acts(box, filled):
                read.add(" ".join(name.split()[:2]))
                yield name, counted
        shutil.copyfile(kept, database)
        with closing(_open(shop)) as box:
            act = withhold_strangers(box)
            yield act.name, box.count(act.do)
        for case in list_use_cases():
            if case.shop == "shop" and case.route not in read:
                shutil.copyfile(kept, database)
                with closing(_open(shop)) as box:
                    yield str(case), box.count(partial(case.do, box))


def _open(shop: Shop) -> CountedBox:
    box = shop.opened(shop.folder)
    assert isinstance(box, CountedBox)
    return box


def write_table(few: Counted, many: Counted, *, shows_all: bool) -> list[str]:
    """Write the acts that grow, then the dearest others."""
    growing = [name for name in many if find_growth(few[name], many[name])]
    flat = sorted(many.keys() - {*growing}, key=lambda name: -many[name]["CPU ms"])
    shown = [*growing, *(flat if shows_all else flat[:DEAREST])]
    head = ["act", *MEASURES, "CPU ms", "slope"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name in shown:
        columns = (_format(few[name], many[name], measure) for measure in (*MEASURES, "CPU ms"))
        slope = "grows" if name in growing else "constant"
        lines.append(f"| {name} | {' | '.join(columns)} | {slope} |")
    most = {measure: max(many[name][measure] for name in flat) for measure in MEASURES}
    return [*lines, f"{len(flat)} are constant, and take at most: {most}"]


def _format(few: Counter[str], many: Counter[str], measure: str) -> str:
    return f"{few[measure]:,} → {many[measure]:,}"


def main() -> int:
    parser = argparse.ArgumentParser("tests.slopes", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--visits", type=int, default=36_500, help="(default: %(default)s)")
    parser.add_argument("--faces", type=int, default=11_000, help="(default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="show all acts")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    counted = list[Counted]()
    for share in (TENTH, 1):
        year = Year(asked.visits // share, asked.faces // share, has_pictures=False)
        with tempfile.TemporaryDirectory() as folder:
            counted.append(dict(count_year(Path(folder), year)))
    few, many = counted
    print("\n".join(write_table(few, many, shows_all=asked.all)))
    named = {*MUST_GROW, *GROWS_TO_A_BOUND, *GROWS_IN_A_YEAR, *GROWS_WITH_VISITS}
    growths = {name: find_growth(few[name], many[name]).keys() for name in many.keys() - named}
    unnamed = [
        name
        for name, growth in growths.items()
        if growth and not (name.startswith(OF_PRESENCES) and growth <= BY_SIZE)
    ]
    print(*(f"{name} grows, and nothing says why" for name in unnamed), sep="\n")
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main())
