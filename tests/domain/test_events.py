"""Each member of each event says what it is, and is where it was."""

import pytest

from chalicelib.domain.events import EVENTS, EventKind, Member, empty_names, members_of
from tests.support.hooks.events import NO_PERSONS, list_members, make_data


@pytest.mark.parametrize("kind", EVENTS)
def test_each_text_is_declared_as_a_persons_or_stays_with_a_reason(kind: str) -> None:
    members = list_members(kind)
    is_of_faces = any(member.of for _, member in members.values())
    for name, (types, member) in members.items():
        if str not in types or member.of or member.names:
            continue
        assert member != Member() or name in NO_PERSONS, f"{kind}: {name} says nothing of itself"
        may_stay = name in NO_PERSONS or (name == "name" and not is_of_faces)
        assert may_stay, (
            f"{kind}: {name} may name somebody, whose removal leaves it: say Member(names=True), "
            f"or why it is nobody's in NO_PERSONS"
        )


def test_each_kind_is_there_once_in_the_order_of_its_names() -> None:
    assert [*EVENTS] == [*EventKind]
    assert [event.KIND for event in EVENTS.values()] == [*EventKind]


MEMBERS = {
    "face.arrived": "faceid name number arrive_count capture sighting crop_url captured_at score "
    "threshold gallery_size false_match_probability",
    "stranger.created": "faceid name number arrive_count capture sighting crop_url captured_at "
    "score threshold gallery_size false_match_probability",
    "stranger.promoted": "faceid name number arrive_count capture sighting crop_url captured_at "
    "score threshold gallery_size false_match_probability",
    "face.merged": "faceid name number other arrive_count merge joined",
    "face.overdue": "faceid name number arrive_count days",
    "week.ended": "first last visits people new returning known before report",
    "group.full": "capacity",
    "place.full": "place name inside full_at free_at watched_s open_s whole",
    "place.free": "place name inside full_at free_at watched_s open_s whole",
    "camera.silent": "name last_seen_at state silent_after_s error trouble",
    "camera.unwell": "name trouble blind error",
    "camera.well": "name was state",
    "test": "hook",
}
"""Members in the order in which receivers get them."""


def test_members_are_where_receivers_know_them() -> None:
    for kind, members in MEMBERS.items():
        written = [*members_of(kind)]
        assert written[: len(members.split())] == members.split(), f"{kind}: add members at the end"


def test_what_is_not_set_is_left_out() -> None:
    assert "score" not in make_data("face.arrived").write()
    assert make_data("face.arrived", number=None).write()["number"] is None


@pytest.mark.parametrize(
    ("kind", "data", "left"),
    [
        ("face.arrived", {"faceid": "1", "name": "Ann", "capture": "c"}, {"name": ""}),
        ("face.merged", {"faceid": "2", "other": "1", "name": "Ann"}, {"name": ""}),
        ("face.arrived", {"faceid": "2", "name": "Ann"}, None),
        ("face.arrived", {"faceid": "1", "name": ""}, {}),
        ("place.full", {"name": "Hall", "place": "1"}, None),
        ("person.praised", {"faceid": "1", "word": "Ann", "n": 3}, {"word": ""}),
        (
            "person.praised",
            {"by": "1", "of": {"Ann": 1}, "to": ["Bo"]},
            {"by": "", "of": {}, "to": []},
        ),
        ("person.praised", {"faceid": "2", "word": "Ann"}, None),
        ("face.arrived", {"faceid": "1", "name": "", "former": "Ann"}, {"former": ""}),
    ],
)
def test_who_goes_is_named_by_no_member_also_of_a_later_version(
    kind: str, data: dict[str, object], left: dict[str, object] | None
) -> None:
    assert empty_names(kind, data, {"1"}) == left
