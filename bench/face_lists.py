"""Lists of a tenant of 30,000 faces: what a page takes, first and last, and the ids of all.

    python -m bench.face_lists [--faces 30000] [--json FILE]

Fills an embedded store with synthetic faces in two groups, then reads lists: time, the least of some, and the read
units that the same reads would cost on DynamoDB (bench/metering.py). The peer is the list by page number, which reads
the keys of all faces before its page.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from bench.measuring import parser, timed, write
from bench.metering import MeteredItems
from bench.stand_ins import Eyes
from bench.synthetic import write_faces
from chalicelib.bootstrap import build
from chalicelib.core.face_order import FaceOrder
from chalicelib.core.model import Profile, Tenant
from chalicelib.services.enrolment.update import FaceChanges
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.lists import FaceLists
from chalicelib.services.faces.names import Names
from chalicelib.settings import Settings

REPEAT = 5
SMALL, LARGE, PAGE = 10, 50, 100
NAMED = 100
MANY = "many"


def main() -> None:
    options = parser("face_lists", __doc__)
    options.add_argument("--faces", type=int, default=30_000, help="faces of the tenant (default: %(default)s)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measured(Path(folder), arguments.faces)
    for name, one in figures.items():
        print(f"{name:50} {one['units']:5} read units {one['ms']:9.2f} ms")
    write(figures, arguments.json)


def measured(folder: Path, number: int) -> dict[str, dict[str, float]]:
    eyes = Eyes()
    with closing(build(Settings(storage=folder), vision=lambda: eyes)) as services:
        services.tenants.add("bench", Profile.CLOUD)
        tenant = services.tenants.named("bench")
        items = MeteredItems(services.ports.storage.items)
        for name, count in ((MANY, number - number // 10), ("few", number // 10)):
            group = services.groups.create(tenant, name, None, "")
            write_faces(services.ports.storage.items, tenant, group, count, eyes)
        faces = Faces(items, services.groups)
        lists, names = FaceLists(items, services.groups, faces), Names(items, faces)
        for faceid in services.face_lists.ids(tenant, None, FaceOrder.ID).ids[:NAMED]:
            services.face_update.of_id(tenant, faceid, FaceChanges(name="Ann Lee"))
        calls = {**_pages(lists, tenant, number), **_others(lists, names, faces, tenant, number)}
        return {name: _figures(items, call) for name, call in calls.items()}


def _pages(lists: FaceLists, tenant: Tenant, number: int) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {}
    for order in FaceOrder:
        middle = None
        for _ in range(number // 2 // PAGE):
            middle = lists.page(tenant, None, order, PAGE, middle).next_token
        for limit in (SMALL, LARGE):
            for place, token in (("first", None), ("middle", middle)):
                name = f"faces by {order}, {place} page of {limit}"
                calls[name] = partial(lists.page, tenant, None, order, limit, token)
    return calls


def _others(
    lists: FaceLists, names: Names, faces: Faces, tenant: Tenant, number: int
) -> dict[str, Callable[[], object]]:
    return {
        f"faces named an, first page of {LARGE}": partial(names.page, tenant, "an", LARGE),
        "ids of all faces": partial(lists.ids, tenant, None, FaceOrder.ENROLLED),
        f"peer: page by number, {SMALL} in the middle": partial(
            faces.page, tenant, MANY, number * 9 // 10 // SMALL // 2, SMALL
        ),
    }


def _figures(items: MeteredItems, call: Callable[[], object]) -> dict[str, float]:
    items.spent.clear()
    call()
    return {"units": items.spent.total(), "ms": min(timed(call)[1] for _ in range(REPEAT))}


if __name__ == "__main__":
    main()
