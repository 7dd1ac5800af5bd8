"""A door counts for the place that it belonged to at that minute, whoever has it now."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.counting import PLACES, add_place, minute, read_told, report
from tests.support.fakes import FakeClock


class Hall:
    """Two places: One has 30 inside by the door `b`, Two 12 by `c`; `a` is a door of neither."""

    def __init__(self, v1: V1Client) -> None:
        self.v1 = v1
        for camera in "abc":
            v1.add_camera(camera)
        self.ids = {
            name: add_place(v1, name=name, doors=[door], full_at=40)["id"]
            for name, door in (("One", "b"), ("Two", "c"))
        }
        report(v1, *(minute(50 - ago, 2) for ago in range(15)), camera="b")
        report(v1, *(minute(50 - ago, 1) for ago in range(12)), camera="c")

    def change(self, name: str, **changes: Any) -> Mapping[str, Any]:
        return self.v1.done("PATCH", f"{PLACES}/{self.ids[name]}", changes)

    def move(self, giver: str, taker: str) -> None:
        """Move the door `b` from one place to the other."""
        self.change(giver, doors=["a"] if giver == "One" else ["c"])
        self.change(taker, doors=["b"] if taker == "One" else ["c", "b"])

    def read(self, days: int = 1) -> dict[str, Any]:
        """In, out, most and inside of each place in its newest opening."""
        listed = self.v1.done("GET", PLACES, days=days)["places"]
        return {
            one["name"]: (
                *(one["openings"][-1][key] for key in ("in", "out", "most")),
                one["inside"],
            )
            for one in listed
        }


@pytest.fixture
def hall(v1: V1Client) -> Hall:
    return Hall(v1)


def test_nobody_moves_if_a_door_does(hall: Hall) -> None:
    before = {"One": (30, 0, 30, 30), "Two": (12, 0, 12, 12)}
    hook = {"url": None, "name": "m", "events": ["place.full", "place.free"]}
    mailbox = hall.v1.done("POST", "/v1/hooks", hook)["id"]
    assert hall.read() == before
    hall.move("One", "Two")
    assert hall.read() == before
    report(hall.v1, minute(-1, 1, 2), camera="b")
    assert hall.read() == {"One": (30, 0, 30, 30), "Two": (13, 2, 12, 11)}
    assert read_told(hall.v1, mailbox) == []


def test_late_minutes_are_of_the_place_that_had_the_door_then(hall: Hall, clock: FakeClock) -> None:
    clock.advance(timedelta(minutes=20))
    hall.move("One", "Two")
    report(hall.v1, minute(-19, 5), minute(-20, 7), minute(-21, 1), camera="b")
    assert hall.read() == {"One": (42, 0, 42, 42), "Two": (13, 0, 13, 13)}
    told = {one["name"]: one["full"] for one in hall.v1.done("GET", PLACES)["places"]}
    assert told == {"One": True, "Two": False}, "the minute of the change is the former place's"


def test_a_place_that_is_deleted_takes_its_people_along(hall: Hall, clock: FakeClock) -> None:
    hall.v1.done_without_body("DELETE", f"{PLACES}/{hall.ids['One']}")
    clock.advance(timedelta(minutes=5))
    hall.ids["One"] = add_place(hall.v1, name="One", doors=["b"])["id"]
    report(hall.v1, minute(-3, 4), minute(-6, 1), camera="b")
    assert hall.read()["One"] == (1, 0, 1, 1), "of the minutes between, nobody was the place"


def test_a_door_that_a_place_gets_counts_from_then_on(hall: Hall) -> None:
    report(hall.v1, minute(10, 9), camera="a")
    hall.change("Two", doors=["c", "a"])
    report(hall.v1, minute(-2, 3), camera="a")
    assert hall.read()["Two"] == (15, 0, 15, 15)


def test_what_was_to_be_watched_is_each_doors_own_time(hall: Hall, clock: FakeClock) -> None:
    def watch() -> dict[str, tuple[int, int]]:
        listed = hall.v1.done("GET", PLACES)["places"]
        return {
            one["name"]: tuple(one["openings"][-1][key] for key in ("watched_s", "open_s"))
            for one in listed
        }

    told_s = (20 * 60 - 10) * 60  # from midnight in Shanghai until ten minutes ago
    assert watch() == {"One": (900, told_s), "Two": (720, told_s)}
    hall.move("One", "Two")
    clock.advance(timedelta(minutes=30))
    assert watch() == {"One": (900, told_s + 30 * 60), "Two": (720, told_s + 49 * 60)}


def test_a_door_that_moves_before_midnight_leaves_both_days_as_they_were(
    hall: Hall, clock: FakeClock
) -> None:
    clock.advance(timedelta(hours=3, minutes=50))  # it is 23:50 in Shanghai
    hall.move("One", "Two")
    clock.advance(timedelta(minutes=30))
    report(hall.v1, minute(-225, 4), minute(-235, 6), minute(-250, 8, 1), camera="b")
    listed = hall.v1.done("GET", PLACES, days=2)["places"]
    told = {
        one["name"]: [(day["in"], day["out"], day["left"]) for day in one["openings"]]
        for one in listed
    }
    assert told == {"One": [(34, 0, 34), (0, 0, 0)], "Two": [(18, 0, 18), (8, 1, 7)]}


def test_a_door_that_was_moved_while_the_clock_was_ahead_counts_from_the_next_report_on(
    hall: Hall, clock: FakeClock
) -> None:
    clock.advance(timedelta(hours=3))
    hall.move("One", "Two")
    clock.advance(-timedelta(hours=3))
    report(hall.v1, minute(0, 1), camera="b")
    clock.advance(timedelta(minutes=5))
    report(hall.v1, minute(-3, 5), camera="b")
    assert hall.read() == {"One": (31, 0, 31, 31), "Two": (17, 0, 17, 17)}


def test_a_door_is_taken_from_its_place_in_one_write(hall: Hall) -> None:
    hall.change("One", doors=["b", "a"])
    path = f"{PLACES}/{hall.ids['Two']}"
    problem = hall.v1.failed(409, "PATCH", path, {"doors": ["c", "b"]})
    assert "send takes: true" in problem["detail"]
    hall.change("Two", doors=["c", "b"], takes=True)
    places = {one["name"]: one for one in hall.v1.done("GET", PLACES)["places"]}
    assert {name: one["doors"] for name, one in places.items()} == {"One": ["a"], "Two": ["c", "b"]}
    assert {name: one["revision"] for name, one in places.items()} == {"One": 3, "Two": 2}
    report(hall.v1, minute(0, 2), minute(-1, 3), camera="b")
    assert hall.read() == {"One": (32, 0, 32, 32), "Two": (15, 0, 15, 15)}


def test_a_place_gives_no_door_that_is_its_only_one(hall: Hall) -> None:
    new = {"name": "Three", "doors": ["a", "b"], "takes": True}
    assert "would have no door" in hall.v1.failed(409, "POST", PLACES, new)["detail"]
    assert [one["doors"] for one in hall.v1.done("GET", PLACES)["places"]] == [["b"], ["c"]]
    hall.change("One", doors=["a", "b"])
    made = add_place(hall.v1, name="Three", doors=["b"], takes=True)
    assert (made["doors"], made["inside"]) == (["b"], 0), "nobody is moved"


def test_a_place_of_an_earlier_version_has_counted_at_its_doors_always(
    hall: Hall, services: Services
) -> None:
    [item] = [
        one
        for one in walk_items(services.items, keys.DIRECTORY, "shop")
        if one["item"] == keys.PLACES_ITEM
    ]
    assert set(item) == {"tenant", "item", "version", "places"}, "as it was stored before"
    hall.move("One", "Two")
    assert hall.read()["One"] == (30, 0, 30, 30)


def test_a_change_of_doors_says_how_many_were_and_are_inside(hall: Hall) -> None:
    changed = hall.change("Two", doors=["c", "a"], inside=17)
    [opening] = changed["openings"]
    [correction] = opening["corrections"]
    assert (correction["inside"], correction["change"]) == (17, 5)
    assert (changed["inside"], opening["corrected"], changed["revision"]) == (17, 5, 2)
    report(hall.v1, minute(-1, 2), camera="a")
    assert hall.read()["Two"] == (14, 0, 19, 19)
    [entry] = hall.v1.done("GET", "/v1/audit", what="PATCH /v1/places/{id}")["entries"]
    assert entry["by"] == correction["by"]
    details = {key: entry["details"][key] for key in ("of", "before", "inside")}
    assert details == {"of": hall.ids["Two"], "before": 12, "inside": 17}


def test_hooks_are_told_by_the_change_that_makes_a_place_full(hall: Hall, clock: FakeClock) -> None:
    hook = {"url": None, "name": "m", "events": ["place.full", "place.free"]}
    mailbox = hall.v1.done("POST", "/v1/hooks", hook)["id"]
    assert hall.change("Two", inside=40)["full"]
    clock.advance(timedelta(seconds=1))
    assert not hall.change("Two", full_at=50)["full"]
    clock.advance(timedelta(seconds=1))
    made = add_place(hall.v1, name="Three", doors=["a"], full_at=5, inside=6)
    assert (made["inside"], made["full"]) == (6, True)
    assert made["openings"][-1]["corrections"][0]["change"] == 6
    assert read_told(hall.v1, mailbox) == [
        ("place.full", 40),
        ("place.free", 40),
        ("place.full", 6),
    ]


def test_nobody_says_how_many_are_inside_a_place_that_is_closed(hall: Hall) -> None:
    hall.v1.done("PATCH", "/v1/settings", {"opening": "Mon-Sun 09:00-19:00"})
    path = f"{PLACES}/{hall.ids['Two']}"
    problem = hall.v1.failed(409, "PATCH", path, {"doors": ["a"], "inside": 3})
    assert "closed" in problem["detail"]
    assert hall.v1.done("GET", path)["doors"] == ["c"], "nothing is changed"
    hall.v1.failed(400, "PATCH", path, {"inside": -1})
    new = {"name": "Three", "doors": ["a"], "inside": 3}
    assert "closed" in hall.v1.failed(409, "POST", PLACES, new)["detail"]
