"""Each minute of a camera is of the place that had it then, however doors move and clocks jump."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.counts import MINUTE_MS, Arrangement, DoorChange, Place
from chalicelib.domain.local_time import Span
from chalicelib.domain.rules.doors import (
    ALWAYS,
    MAX_CHANGES,
    MAX_CHANGES_OF_DOOR,
    NEEDED_MS,
    arrange,
    map_doors,
    set_ahead_right,
)
from chalicelib.storage.records.counts import arrangement_from, arrangement_item
from chalicelib.storage.values import milliseconds

BEGIN = datetime(2026, 3, 1, 23, tzinfo=UTC)
SHOWN = range(milliseconds(BEGIN) // MINUTE_MS - 200, milliseconds(BEGIN) // MINUTE_MS + 400)
CAMERAS = ("a", "b", "c")
Owners = dict[str, dict[int, str]]


def place(id_: str, *doors: str) -> Place:
    return Place(id_, f"Place {id_}", doors)


def owners_of(arrangement: Arrangement) -> Owners:
    """The place of each camera at each minute that is shown; "": none."""
    owners: Owners = {camera: dict.fromkeys(SHOWN, "") for camera in CAMERAS}
    for one in arrangement.places:
        for camera, spans in map_doors(arrangement, ALWAYS)[one.id].items():
            for span in spans:
                for minute in SHOWN:
                    if span.first_ms <= minute * MINUTE_MS <= span.last_ms:
                        assert owners[camera][minute] == "", "a minute is of one place"
                        owners[camera][minute] = one.id
    return owners


class Shop:
    """A plain reference: a table of each minute of each camera, which each change writes anew from
    the next minute on."""

    def __init__(self, chance: Random) -> None:
        self.chance, self.now, self.made = chance, BEGIN, 1
        self.arrangement = Arrangement((place("1", "a"),))  # as an earlier version stored it
        self.table: Owners = {camera: dict.fromkeys(SHOWN, "") for camera in CAMERAS}
        self.table["a"] = dict.fromkeys(SHOWN, "1")

    def step(self) -> None:
        minutes = self.chance.choice([0, 0, 0.4, 1, 7, 30])
        is_back = self.chance.random() < 0.15
        self.now += timedelta(minutes=-minutes if is_back else minutes)
        places = list(self.arrangement.places)
        at = self.chance.randrange(len(places) + 1)
        if at == len(places):
            self.made += 1
            places.append(self.change(place(str(self.made)), places, is_new=True))
        elif self.chance.random() < 0.25:
            places.remove(self.write_anew(places[at], ()))
        else:
            places[at] = self.change(places[at], places)
        self.arrangement = arrange(self.arrangement, places, self.now)

    def change(self, one: Place, places: list[Place], *, is_new: bool = False) -> Place:
        taken = {door for other in places if other.id != one.id for door in other.doors}
        free = [camera for camera in CAMERAS if camera not in taken]
        doors = tuple(self.chance.sample(free, self.chance.randint(0, len(free))))
        self.write_anew(one, doors, is_new=is_new)
        return place(one.id, *doors)

    def write_anew(self, one: Place, doors: tuple[str, ...], *, is_new: bool = False) -> Place:
        this_minute = milliseconds(self.now) // MINUTE_MS
        for camera in set(doors) ^ set(one.doors):
            takes_all = is_new and not any(self.table[camera].values())
            for minute in SHOWN:
                if minute > this_minute or takes_all:
                    self.table[camera][minute] = one.id if camera in doors else ""
        return one

    def list_owners(self) -> Owners:
        """What the table says of the places that are there."""
        ids = {one.id for one in self.arrangement.places}
        return {
            camera: {minute: id_ if id_ in ids else "" for minute, id_ in minutes.items()}
            for camera, minutes in self.table.items()
        }


@given(seed=st.integers(0, 100_000))
def test_each_minute_is_of_the_place_that_had_the_camera_then(seed: int) -> None:
    shop = Shop(Random(seed))
    for _ in range(12):
        shop.step()
        assert owners_of(shop.arrangement) == shop.list_owners()
        item = arrangement_item("shop", shop.arrangement, 3)
        assert arrangement_from(item) == shop.arrangement


def walk(steps: list[tuple[float, str]]) -> Iterator[Arrangement]:
    """Move the camera "a" at so many minutes to a place; "": to none."""
    arrangement = Arrangement((place("1", "a"), place("2")))
    for minutes, taker in steps:
        places = [place(id_, *("a" if id_ == taker else "")) for id_ in ("1", "2")]
        arrangement = arrange(arrangement, places, BEGIN + timedelta(minutes=minutes))
        yield arrangement


def test_of_two_changes_in_a_minute_the_last_holds_and_there_and_back_is_none() -> None:
    *_, twice = walk([(1.1, "2"), (1.2, ""), (1.9, "2")])
    first_ms = milliseconds(BEGIN) + 2 * MINUTE_MS
    assert twice.door_changes == (DoorChange("a", 0, "1"), DoorChange("a", first_ms, "2"))
    *_, back = walk([(1.1, "2"), (1.9, "1")])
    assert back.door_changes == ()


def test_a_former_door_is_named_as_long_as_a_minute_that_is_shown_is_its() -> None:
    *_, moved = walk([(10, "2")])
    began_ms = milliseconds(BEGIN)
    before, behind = Span(0, began_ms), Span(began_ms + 20 * MINUTE_MS, began_ms + 30 * MINUTE_MS)
    named = [
        {id_: [*doors] for id_, doors in map_doors(moved, span).items()}
        for span in (before, behind)
    ]
    assert named == [{"1": ["a"], "2": []}, {"1": [], "2": ["a"]}]
    later = BEGIN + timedelta(milliseconds=NEEDED_MS, minutes=9)
    assert arrange(moved, moved.places, later).door_changes == moved.door_changes
    later += timedelta(minutes=2)
    assert arrange(moved, moved.places, later).door_changes == ()


def test_a_change_by_a_clock_that_was_ahead_holds_from_now_on() -> None:
    *_, ahead = walk([(1.5, "2"), (2.5, "1"), (30, "2"), (4_000, "")])
    right = set_ahead_right(ahead, BEGIN + timedelta(minutes=9))
    assert [change.place for change in right.door_changes] == ["1", "2", "1", ""]
    first_ms = milliseconds(BEGIN) + 10 * MINUTE_MS
    assert right.door_changes[-1] == DoorChange("a", first_ms, "")
    assert set_ahead_right(right, BEGIN + timedelta(minutes=5)) is right


def test_of_a_door_that_often_moves_the_newest_changes_are_kept() -> None:
    *_, many = walk([(at, "12"[at % 2 == 0]) for at in range(1_600)])
    assert len(many.door_changes) == MAX_CHANGES_OF_DOOR
    oldest, *_, last = many.door_changes
    assert oldest.at_ms == 0, "what counts for the place since ever is nobody else's"
    assert last == DoorChange("a", milliseconds(BEGIN) + 1_600 * MINUTE_MS, "1")


def test_doors_that_each_move_once_are_all_known() -> None:
    doors = [f"d{number}" for number in range(600)]
    moved = Arrangement((place("1", *doors), place("2")))
    for count in range(1, 601):
        places = [place("1", *doors[count:]), place("2", *doors[:count])]
        moved = arrange(moved, places, BEGIN + timedelta(minutes=count))
    begin_ms = milliseconds(BEGIN)
    before, behind = (map_doors(moved, Span(at, at)) for at in (begin_ms, begin_ms + 9**8))
    assert set(before["1"]) == set(behind["2"]) == set(doors)
    assert before["2"] == behind["1"] == {}


def test_the_changes_of_all_doors_fit_in_one_item() -> None:
    doors = [f"d{number}" for number in range(1_000)]
    moved = Arrangement((place("1", *doors), place("2")))
    for minute in range(6):
        turned = place("12"[minute % 2 == 0], *doors)
        places = [turned if one.id == turned.id else place(one.id) for one in moved.places]
        moved = arrange(moved, places, BEGIN + timedelta(minutes=minute))
    assert len(moved.door_changes) == MAX_CHANGES


def test_what_is_forgotten_is_forgotten_whether_or_not_something_changed_since() -> None:
    *_, former = walk([(1, "")])
    later = BEGIN + timedelta(milliseconds=NEEDED_MS, hours=1)
    renewed = arrange(former, former.places, later - timedelta(minutes=5))
    assert (len(former.door_changes), renewed.door_changes) == (2, ())
    new_places = [*former.places, place("3", "a")]
    assert arrange(former, new_places, later) == arrange(renewed, new_places, later)
