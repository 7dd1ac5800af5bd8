"""A walk by pages costs what it reads: four times as many items, four times as much."""

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.items import cut_in_parts, walk_items
from chalicelib.storage.keys import FACES
from chalicelib.storage.limits import Position, Span
from chalicelib.storage.ports import ItemStore, Put
from tests.support.storage.meter import MeteredItems
from tests.support.storage.steps import counting_steps

FEW, MANY = 60, 240
"""Items of the walks that are compared."""
MOST_GROWTH = 1.2 * MANY / FEW
"""A tree of more items has another level, and the last page is part of one."""

WALKS = {
    "by key": {},
    "by key within bounds": {"between": ("f", "g")},
    "by key backwards within bounds": {"between": ("f", "g"), "reverse": True},
    "of an index": {"index": "by_enrolment"},
    "of an index within bounds": {"index": "by_enrolment", "between": ("shop#", "shop$")},
    "of an index backwards within bounds": {
        "index": "by_enrolment",
        "between": ("shop#", "shop$"),
        "reverse": True,
    },
    "of what an index carries": {
        "index": "by_arrival",
        "carried": ("name",),
        "between": ("shop#", "shop$"),
    },
}


def put_faces(items: ItemStore, tenant: str, count: int) -> None:
    faces = (
        {
            "tenant": tenant,
            "faceid": f"f{number:05d}",
            "enrolment_key": f"shop#{number:05d}",
            "arrival_key": f"shop#{number:05d}",
            "name": "Ann",
        }
        for number in range(count)
    )
    for part in cut_in_parts(faces, 100):
        items.transact([Put(FACES, face) for face in part])


def count_walk(items: ItemStore, tenant: str, walk: dict[str, Any]) -> Counter[str]:
    """Count what a walk by pages of ten costs."""
    metered = MeteredItems(items)
    with ExitStack() as stack:
        steps = (
            stack.enter_context(counting_steps(items.file))
            if isinstance(items, SqliteItemStore)
            else Counter[str]()
        )
        found = list(walk_items(metered, FACES, tenant, page_size=10, **walk))
    return steps + Counter({"items": len(found), "read units": metered.spent.total()})


def test_a_walk_of_four_times_as_many_items_costs_four_times_as_much(
    items: ItemStore, tenant: str
) -> None:
    put_faces(items, f"{tenant}-few", FEW)
    put_faces(items, f"{tenant}-many", MANY)
    for name, walk in WALKS.items():
        few = count_walk(items, f"{tenant}-few", walk)
        many = count_walk(items, f"{tenant}-many", walk)
        assert (few["items"], many["items"]) == (FEW, MANY), name
        grown = {what: many[what] / few[what] for what in few if what != "statements"}
        assert max(grown.values()) <= MOST_GROWTH, f"a walk {name} grew: {grown}"


@pytest.mark.parametrize("reverse", [False, True])
def test_a_forged_token_leads_out_of_no_bounds(
    sqlite_items: SqliteItemStore, tenant: str, reverse: bool
) -> None:
    """Its position is before the first key, or behind the last."""
    put_faces(sqlite_items, tenant, FEW)
    span = Span(FACES, tenant, None, "f00020", "f00029", reverse=reverse)
    for outside in ("f00005", "f00050"):
        page = sqlite_items.query(
            FACES,
            tenant,
            low=span.low,
            high=span.high,
            reverse=reverse,
            token=span.make_token(Position(outside, None)),
        )
        found = [item["faceid"] for item in page.items]
        assert found in (
            [],
            [f"f{number:05d}" for number in range(20, 30)][:: -1 if reverse else 1],
        )
