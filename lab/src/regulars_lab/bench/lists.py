"""Read units of each page of the lists: what a page costs must not grow with its number.

    python -m regulars_lab.bench.lists [--days 30] [--per-day 2000] [--faces 30000] [--pages 100]
    [--json FILE]

Fills an embedded store with synthetic sightings of some weeks, seals all days but the last, and
walks each list page by page; likewise the lists of a tenant of so many faces. Exits with 1 if a
page behind the first ten reads over twice as much as the dearest of those.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from chalicelib import bootstrap
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.local_time import Span
from chalicelib.domain.model import REGULAR, Face, Picture, Profile, Template
from chalicelib.domain.observations import EVERYTHING, ObservationFilter, ObservationKind
from chalicelib.domain.rules.visits import Arrivals, Visits
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.items import FaceOrder, write_in_parts
from chalicelib.storage.ports import ItemStore, Put
from chalicelib.storage.records.faces import face_item
from chalicelib.storage.records.observations import visits_item
from chalicelib.storage.values import milliseconds, moment
from regulars_lab.bench.measuring import parser, time_call, write
from regulars_lab.bench.statistics import FIRST, TENANT, fill
from regulars_lab.rigs.stand_ins import Eyes, SteppedClock
from tests.support.book.synthetic import visits, write_faces
from tests.support.book.tenants import KEEPING
from tests.support.storage.meter import meter_storage

PAGE = 50
FIRST_PAGES = 10
FEW, NAMED = 10, 100
MOST_GROWTH = 2
TEMPLATE = Template("none", bytes(1024))

Walk = Callable[[str | None], str | None]
"""Reads the page of a token; returns the next page's token."""


class Cost(Struct, frozen=True):
    """Read units and milliseconds of each page, in order."""

    units: list[int]
    ms: list[float]

    @property
    def grows(self) -> bool:
        later = self.units[FIRST_PAGES:]
        return bool(later) and max(later) > MOST_GROWTH * max(self.units[:FIRST_PAGES])


def main() -> int:
    options = parser("lists", __doc__)
    options.add_argument(
        "--days", type=int, default=30, help="days of sightings (default: %(default)s)"
    )
    options.add_argument(
        "--per-day", type=int, default=2_000, help="sightings a day (default: %(default)s)"
    )
    options.add_argument(
        "--faces", type=int, default=30_000, help="faces of a tenant (default: %(default)s)"
    )
    options.add_argument(
        "--pages", type=int, default=100, help="most pages of a list (default: %(default)s)"
    )
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = measure_lists(
            Path(folder), arguments.days, arguments.per_day, arguments.pages, faces=arguments.faces
        )
    report(costs)
    write({name: asdict(cost) for name, cost in costs.items()}, arguments.json)
    return int(any(cost.grows for cost in costs.values()))


def measure_lists(
    folder: Path, days: int, per_day: int, pages: int, *, faces: int
) -> dict[str, Cost]:
    clock = SteppedClock(FIRST + timedelta(days=days - 1, hours=20))
    settings = Settings(storage=folder)
    storage, meter = meter_storage(open_storage(settings, SystemClock()))
    with closing(bootstrap.build(settings, clock=clock, storage=storage, vision=Eyes)) as services:
        fill(storage.items, days, per_day)
        fill_faces(storage.items, days, per_day)
        services.statistics.sealing.seal_tenant(TENANT)
        costs: dict[str, Cost] = {}
        for name, walk in {**lists(services), **lists_of_faces(services, faces)}.items():
            cost = Cost([], [])
            token: str | None = None
            while len(cost.units) < pages:
                meter.clear()
                token, ms = time_call(lambda walk=walk, token=token: walk(token))
                cost.units.append(sum(meter.reads.values()))
                cost.ms.append(round(ms, 2))
                if token is None:
                    break
            costs[name] = cost
    return costs


def fill_faces(items: ItemStore, days: int, per_day: int) -> None:
    """Store the faces whose sightings `fill` stores, with their arrivals."""
    random = np.random.default_rng(1)
    of_face: dict[str, Arrivals] = defaultdict(Arrivals)
    for day in range(days):
        for one in visits(FIRST + timedelta(days=day), per_day, random, first_id=day * per_day):
            gap_ms = 1000 * (one.gap_s or 0)
            of_face[one.faceid] = of_face[one.faceid].add_sighting(milliseconds(one.at), gap_ms)
    write_in_parts(items, _puts(of_face))


def _puts(of_face: dict[str, Arrivals]) -> Iterator[Put]:
    for faceid, arrivals in of_face.items():
        last_ms = arrivals.last_arrival_ms
        picture = Picture("0" * 32, f"{faceid}.jpg", FIRST, (TEMPLATE,))
        face = Face(
            faceid,
            REGULAR,
            FIRST,
            (picture,),
            arrive_count=arrivals.count,
            last_arrival_at=moment(last_ms or 0),
        )
        yield Put(keys.FACES, face_item(TENANT.name, face))
        yield Put(keys.ARRIVALS, visits_item(TENANT.name, faceid, Visits(arrivals, version=1)))


def lists(services: Services) -> dict[str, Walk]:
    always = Span(0, keys.LAST_MS)

    def observations(wanted: ObservationFilter) -> Walk:
        return lambda token: (
            services.statistics.observations.read_page(
                TENANT, wanted, always, PAGE, token
            ).next_token
        )

    def arrivals(wanted: ObservationFilter) -> Walk:
        return lambda token: (
            services.sightings.arrivals.read_page(TENANT, wanted, always, PAGE, token).next_token
        )

    camera = "camera-07"
    return {
        "observations": observations(EVERYTHING),
        "observations, sightings": observations(ObservationFilter(kind=ObservationKind.SIGHTING)),
        "observations, one camera": observations(ObservationFilter(camera=camera)),
        "arrivals": arrivals(EVERYTHING),
        "arrivals, one camera": arrivals(ObservationFilter(camera=camera)),
    }


def lists_of_faces(services: Services, number: int) -> dict[str, Walk]:
    """Make a tenant with so many faces in two groups, a hundred of them named."""
    services.tenants.add("people", Profile.CLOUD, KEEPING)
    tenant = services.tenants.get_by_name("people")
    for name, count in (("many", number - number // 10), ("few", number // 10)):
        group = services.groups.create(tenant, name, None, "")
        write_faces(services.ports.storage.items, tenant, group, count, Eyes())
    for faceid in services.faces.lists.list_ids(tenant, None, FaceOrder.ID).ids[:NAMED]:
        services.enrolment.update.change_face(tenant, faceid, FaceChanges(name="Ann Lee"))

    def faces(order: FaceOrder, limit: int = PAGE) -> Walk:
        # 10,000 faces are sorted at most
        group = "few" if order in (FaceOrder.NAME, FaceOrder.VISITS) else None
        return lambda token: (
            services.faces.lists.read_page(tenant, group, order, limit, token).next_token
        )

    def ids(_token: str | None) -> None:
        services.faces.lists.list_ids(tenant, None, FaceOrder.ARRIVED)

    return {
        **{f"faces by {order}": faces(order) for order in FaceOrder},
        f"faces by arrived, {FEW} a page": faces(FaceOrder.ARRIVED, FEW),
        "faces named an": lambda token: (
            services.faces.search_by_name(tenant, "an", PAGE, token).next_token
        ),
        "ids of all faces": ids,
    }


def report(costs: dict[str, Cost]) -> None:
    print(f"pages of {PAGE}: read units{'':14} page 1    10   100  most   ms at most")
    for name, cost in costs.items():
        shown: list[Any] = [
            cost.units[place - 1] if len(cost.units) >= place else "" for place in (1, 10, 100)
        ]
        columns = "".join(f"{value:>6}" for value in (*shown, max(cost.units)))
        print(f"{name:38}{columns}{max(cost.ms):>11.1f}{'   GROWS' if cost.grows else ''}")


if __name__ == "__main__":
    sys.exit(main())
