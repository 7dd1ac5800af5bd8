"""Measure how often a search finds its gallery not in memory, by shops and search functions.

    python -m regulars_lab.bench.cold_galleries [--shops 100,1000,10000] [--functions 1,8] [--faces
    30000]
        [--a-day 5000] [--memory 3008] [--disk 3584] [--seconds 600] [--json FILE]

Each shop searches in its busiest hour as often as it takes captures. Its function is the one that
the product chooses. A function starts an instance if all are busy, and ends one that was idle for
ten minutes. An instance keeps the galleries that it searched last. Beside the share that is played
stands the one that a bill reckons with. What comes before the last fifth of the time fills
the memories, and is not counted.
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.rules.galleries import DISK_MB, MEMORY_MB
from chalicelib.storage.aws.spread import FUNCTIONS, choose_function
from regulars_lab.bench.measuring import parser, write
from tests.support.bill import table
from tests.support.bill.table import count_held, find_cold_share
from tests.support.storage import prices

OPEN_S, PEAK = 12 * 3600, 2
"""Seconds of a day in which a shop's captures come, and how many times the average the busiest hour
has."""

IDLE_S = 600.0
"""Assumed: seconds after which Lambda ends an idle instance."""

COUNTED = 0.2


@dataclass
class Instance:
    """An instance of a function: when it is free, when it was last, and the galleries in its
    memory."""

    idle_since: float = 0.0
    galleries: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def find_or_load(self, shop: int, held: int) -> bool:
        """Tell whether the shop's gallery was in memory, where it is afterwards."""
        was_there = shop in self.galleries
        self.galleries[shop] = None
        self.galleries.move_to_end(shop)
        if len(self.galleries) > held:
            self.galleries.popitem(last=False)
        return was_there


@dataclass
class Played:
    searches: int = 0
    cold: int = 0
    started: int = 0


@dataclass
class Stage:
    """Search functions, each with its idle instances, and the busy ones by the time at which they
    are free."""

    functions: int
    held: int
    cold_s: float
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    busy: list[tuple[float, int, int, Instance]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.idle: list[list[Instance]] = [[] for _ in range(self.functions)]

    def search(self, now: float, number: int, shop: int, function: int) -> tuple[bool, bool]:
        """Search in a shop's gallery.

        Tell whether an instance was started, and whether the gallery was loaded.
        """
        while self.busy and self.busy[0][0] <= now:
            free_at, _, of, instance = heapq.heappop(self.busy)
            instance.idle_since = free_at
            self.idle[of].append(instance)
        alive = [instance for instance in self.idle[function] if now - instance.idle_since < IDLE_S]
        self.idle[function] = alive
        chosen = alive.pop(self.draw.randrange(len(alive))) if alive else None
        instance = chosen or Instance()
        is_cold = not instance.find_or_load(shop, self.held)
        takes_s = prices.SEARCH_MS / 1000 + is_cold * self.cold_s
        heapq.heappush(self.busy, (now + takes_s, number, function, instance))
        return chosen is None, is_cold


def play(
    shops: int, functions: int, *, faces: int, a_day: int, held: int, seconds: float
) -> Played:
    """Play a busy hour's searches of so many shops for so many seconds, and count those of the last
    fifth."""
    stage, played = Stage(functions, held, faces * table.read_table().cold_face_s), Played()
    names = [*map(str, range(functions))]
    function_by_shop = [int(choose_function(f"shop-{shop}", names)) for shop in range(shops)]
    for number, (now, shop) in enumerate(_list_searches(shops, a_day, seconds)):
        started, is_cold = stage.search(now, number, shop, function_by_shop[shop])
        if now > seconds * (1 - COUNTED):
            played.searches, played.cold, played.started = (
                played.searches + 1,
                played.cold + is_cold,
                played.started + started,
            )
    return played


def _list_searches(shops: int, a_day: int, seconds: float) -> Iterator[tuple[float, int]]:
    """Yield time and shop of each search."""
    draw, now = random.Random(2), 0.0
    rate = a_day / OPEN_S * PEAK * shops
    while (now := now + draw.expovariate(rate)) < seconds:
        yield now, draw.randrange(shops)


def price(share: float, faces: int) -> float:
    """Return US dollars that a thousand captures cost more, if such a share of their searches is
    cold."""
    rows = table.read_table().rows
    return 1_000 * table.sum_up_usd(
        table.add_up_rows(rows, {"far_search": 1, "cold_face": share * faces}), table.read_prices()
    )


def main() -> None:
    options = parser("cold_galleries", __doc__)
    options.add_argument("--shops", default="100,1000,10000")
    options.add_argument("--functions", default=f"1,{FUNCTIONS}")
    options.add_argument("--faces", type=int, default=30_000)
    options.add_argument(
        "--a-day", type=int, default=5_000, help="captures of a shop (default: %(default)s)"
    )
    options.add_argument(
        "--memory", type=int, default=MEMORY_MB, help="SearchMemory (default: %(default)s)"
    )
    options.add_argument(
        "--disk", type=int, default=DISK_MB, help="SearchDisk (default: %(default)s)"
    )
    options.add_argument("--seconds", type=float, default=600)
    asked = options.parse_args()
    held = count_held(asked.faces, asked.memory, asked.disk)
    print(f"an instance keeps {held} galleries of {asked.faces:,} faces")
    print(
        " shops functions  cold: played  reckoned  starts   USD more a thousand: played  reckoned"
    )
    rows: list[dict[str, Any]] = []
    for shops in map(int, asked.shops.split(",")):
        for functions in map(int, asked.functions.split(",")):
            played = play(
                shops,
                functions,
                faces=asked.faces,
                a_day=asked.a_day,
                held=held,
                seconds=asked.seconds,
            )
            cold, reckoned = played.cold / played.searches, find_cold_share(shops, held, functions)
            usd, reckoned_usd = price(cold, asked.faces), price(reckoned, asked.faces)
            rows.append(
                {
                    "shops": shops,
                    "functions": functions,
                    "cold": cold,
                    "reckoned": reckoned,
                    "usd": usd,
                }
            )
            print(
                f"{shops:6} {functions:9} {cold:13.1%} {reckoned:9.1%} "
                f"{played.started / played.searches:7.2%} "
                f"{usd:28.4f} {reckoned_usd:9.4f}"
            )
    write(rows, asked.json)


if __name__ == "__main__":
    main()
