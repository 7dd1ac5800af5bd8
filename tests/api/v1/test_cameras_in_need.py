"""Each state in which a camera needs somebody is told at each place that tells any, and its end."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import fields
from regulars_edge.troubles import Trouble as EdgeTrouble
from regulars_mqtt import discovery

from chalicelib.api.v1.cameras import State
from chalicelib.domain.channels import event_values
from chalicelib.domain.local_time import HOURS_PER_WEEK
from chalicelib.domain.rules.camera_states import STATES, TROUBLES, CameraState, Need
from chalicelib.domain.texts import LANGUAGES, Texts
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.records.captures import USUAL
from regulars.doctor.doctor import check_cameras
from regulars.findings import Level
from regulars.serve.metrics import Stored
from regulars.today import read_today
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock

WATCHED_EVERY = timedelta(minutes=5)
CHANGED = {"view_changed": True}
BEATS: Mapping[str, Mapping[str, Any] | None] = {
    **{name: {"error": "a sentence", "trouble": str(name)} for name in EdgeTrouble},
    **{
        name: {**CHANGED, "error": "a sentence", "trouble": name}
        for name, state in STATES.items()
        if state.is_of_view
    },
    "changed": CHANGED,
    "faulty": {"error": "a sentence"},
    "failing": {"error": "no answer"},
    "silent": {},
    "quiet": None,
}
"""Statuses of heartbeats by which a camera gets into a state; None: it sends none."""


class Door:
    """A camera, what beats beside it, and a mailbox that is told of it."""

    def __init__(self, v1: V1Client, services: Services, clock: FakeClock) -> None:
        self.v1, self.services, self.clock = v1, services, clock
        [self.tenant] = services.tenants.list_all()
        v1.add_camera("door")
        kinds = ["camera.silent", "camera.unwell", "camera.well", "week.ended"]
        hook = {"url": None, "name": "m", "events": kinds}
        self.mailbox = v1.done("POST", "/v1/hooks", hook)["id"]

    @property
    def health(self) -> Any:
        return self.v1.done("GET", "/v1/cameras/door")["health"]

    def beat(self, status: Mapping[str, Any] | None, *, working: bool = True) -> None:
        """Send a heartbeat; None: the camera sends a capture alone."""
        if status is None:
            camera = self.services.cameras.get(self.tenant, "door")
            self.services.cameras.note_last_seen(self.tenant, camera, self.clock.now())
            return
        body = {"status": {"box": "b1", **status}, "working": working}
        self.v1.done("POST", "/v1/cameras/door/heartbeat", body)

    def fall(self, name: str) -> None:
        """Let the camera be in a state for five minutes, and be looked at."""
        if name not in ("silent", "quiet"):
            self.beat(BEATS[name], working=name != "failing")
        self.clock.advance(WATCHED_EVERY)
        self.services.watch.run()

    def recover(self, name: str) -> None:
        self.beat(None if name == "quiet" else {})
        self.clock.advance(WATCHED_EVERY)
        self.services.watch.run()

    def list_told(self, kind: str = "camera.") -> list[Any]:
        """Return the events of cameras that were told, in the order of their times."""
        path = f"/v1/hooks/{self.mailbox}/deliveries"
        deliveries = self.v1.done("GET", path, state="pending")["deliveries"]
        events = [one["event"] for one in deliveries if one["event"]["type"].startswith(kind)]
        return sorted(events, key=lambda event: event["at"])


@pytest.fixture
def door(v1: V1Client, services: Services, clock: FakeClock) -> Door:
    return Door(v1, services, clock)


def begin(door: Door, name: str) -> None:
    """Let the camera be well first; a bare one knows what is usual."""
    door.beat(BEATS[name] and {})
    if name == "quiet":
        usual = USUAL.write((2_000,) * HOURS_PER_WEEK)
        key = (door.tenant.name, "door")
        update = Update(keys.CAMERAS, key, (exists("there"),), set={"usual": usual})
        door.services.items.transact([update])
        door.clock.advance(timedelta(hours=2))


def test_each_state_says_whether_it_needs_somebody_and_has_a_heartbeat_here() -> None:
    assert {field.name for field in fields(CameraState) if field.required} == {"name", "need"}
    assert {*EdgeTrouble} <= {*TROUBLES}, "what a box names is known here"
    assert {*get_args(State)} <= {*STATES}
    assert {*BEATS} == {*TROUBLES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_state_has_words_in_each_language(language: str) -> None:
    texts, english = Texts(language), Texts("en")
    said = [texts.write(f"camera.{name}") for name in (*TROUBLES, "well")]
    assert len({*said}) == len(said)
    if language != "en":
        assert {*said}.isdisjoint(english.write(f"camera.{name}") for name in (*TROUBLES, "well"))


@pytest.mark.parametrize("name", TROUBLES)
def test_it_is_told_at_each_place_once_and_so_is_its_end(door: Door, name: str) -> None:
    is_blind = STATES[name].need is Need.BLIND
    begin(door, name)
    for _ in range(8):
        door.fall(name)
    said = {member: door.health[member] for member in ("trouble", "blind", "needs_somebody")}
    assert said == {"trouble": name, "blind": is_blind, "needs_somebody": True}
    assert_shown(door, name, is_blind=is_blind)
    if not STATES[name].is_told:
        assert door.list_told() == []
        return
    [told] = door.list_told()
    assert told["data"]["trouble"] == name
    assert told["type"] in discovery.EVENTS, "brokers hear it"
    assert_in_words(door, told, name)
    for _ in range(5):
        door.recover(name)
    assert (door.health["trouble"], door.health["needs_somebody"]) == (None, False)
    [_, well] = door.list_told()
    assert (well["type"], well["data"]["was"]) == ("camera.well", name)
    assert_in_words(door, well, "well")


def assert_in_words(door: Door, event: Any, name: str) -> None:
    for language in LANGUAGES:
        texts = Texts(language)
        values = event_values(event, ZoneInfo("UTC"), "Shop", "Door", texts)
        assert values["state"] == texts.write(f"camera.{name}")


def assert_shown(door: Door, name: str, *, is_blind: bool) -> None:
    """Assert that `doctor`, the metrics, `today` and the week's message show it."""
    services, tenant, now = door.services, door.tenant, door.clock.now()
    [finding] = check_cameras(services, [tenant], now)
    assert finding.level is Level.WARNING
    metrics = {metric.name: metric for metric in Stored(services).collect()}
    [alive] = metrics["regulars_camera_alive"].samples
    assert alive.value == (not is_blind)
    line = f"cameras that need you: door ({Texts('en').write(f'camera.{name}')})"
    assert read_today(services, tenant, now).needs == [line]
    services.sightings.weeks.tell_last(tenant, now)
    [week] = door.list_told("week.")
    assert week["data"]["report"].splitlines()[-1] == line


def test_what_passes_within_ten_minutes_is_not_told(door: Door) -> None:
    door.beat({})
    for _ in range(6):
        door.fall("covered")
        door.recover("covered")
        door.recover("covered")
    assert door.list_told() == []
    for _ in range(4):
        door.fall("covered")
    for _ in range(6):
        door.recover("covered")
        door.fall("covered")
        door.fall("covered")
    assert [one["type"] for one in door.list_told()] == ["camera.unwell"], "nor that it is well"


@pytest.mark.parametrize(
    ("swings", "at_five_minutes", "at_fifteen"),
    [
        (("turned", "well_again"), ["turned"], ["turned"]),
        (("well_again", "turned"), ["turned"], ["turned"]),
        (("blurred", "well_again"), ["blurred"], ["blurred"]),
        (("covered", "turned"), ["turned"], ["covered"]),
        (("slow", "narrow"), ["narrow"], ["slow"]),
        (("slow", "covered"), ["covered"], ["slow", "covered"]),
        (("covered", "slow"), ["slow", "covered"], ["covered"]),
    ],
)
@pytest.mark.parametrize("times", [1, 3], ids=["five minutes each", "a quarter of an hour each"])
def test_a_trouble_that_becomes_another_is_told_once_and_again_only_if_it_blinds(
    door: Door,
    swings: tuple[str, ...],
    at_five_minutes: list[str],
    at_fifteen: list[str],
    times: int,
) -> None:
    door.beat({})
    for name in [name for name in swings for _ in range(times)] * 5:
        door.fall(name)
    for _ in range(4):
        door.recover("turned")
    said = [one["data"].get("trouble", "well") for one in door.list_told()]
    assert said == [*(at_five_minutes if times == 1 else at_fifteen), "well"]


def test_a_silent_camera_that_is_heard_and_slow_is_well_once_it_is_not(door: Door) -> None:
    door.beat({})
    for name in ["silent"] * 5 + ["slow"] * 5:
        door.fall(name)
    for _ in range(4):
        door.recover("slow")
    told = [one["data"].get("trouble", "well") for one in door.list_told()]
    assert told == ["silent", "well"]


def test_a_heartbeat_in_which_it_is_well_ends_it_between_two_looks(door: Door) -> None:
    door.beat({})
    for _ in range(9):
        door.beat({})
        door.clock.advance(timedelta(minutes=2))
        door.fall("covered")
    assert door.list_told() == []


def test_nobody_is_told_of_a_camera_that_is_muted_or_off_and_that_it_goes_on_after_that(
    door: Door, v1: V1Client
) -> None:
    door.beat({})
    until = (door.clock.now() + timedelta(hours=1)).isoformat()
    v1.done("PUT", "/v1/mute", {"until": until, "camera": "door"})
    for _ in range(6):
        door.fall("covered")
    said = {member: door.health[member] for member in ("trouble", "needs_somebody")}
    assert (said, door.list_told()) == ({"trouble": "covered", "needs_somebody": False}, [])
    for _ in range(10):
        door.fall("covered")
    assert len(door.list_told()) == 1
    v1.done("PATCH", "/v1/cameras/door", {"enabled": False})
    door.clock.advance(timedelta(days=1))
    door.services.watch.run()
    assert (door.health["trouble"], len(door.list_told())) == (None, 1)


def test_a_box_that_knows_why_its_camera_gives_nothing_is_believed_while_it_is_heard(
    door: Door,
) -> None:
    door.beat({})
    for _ in range(6):
        door.beat(BEATS["login"], working=False)
        door.clock.advance(WATCHED_EVERY)
        door.services.watch.run()
    health = door.health
    assert (health["state"], health["trouble"], health["blind"]) == ("silent", "login", True)
    [told] = door.list_told()
    assert (told["type"], told["data"]["trouble"]) == ("camera.silent", "login")
    door.clock.advance(timedelta(minutes=20))
    assert door.health["trouble"] == "silent", "the box itself is gone"


def test_a_camera_that_is_never_silent_is_told_when_it_gives_nothing(door: Door) -> None:
    door.v1.done("PATCH", "/v1/cameras/door", {"silent_after_s": None})
    door.beat({})
    for _ in range(6):
        door.fall("failing")
    [told] = door.list_told()
    assert (told["type"], told["data"]["trouble"]) == ("camera.unwell", "failing")


@pytest.mark.parametrize(
    ("told", "name"),
    [*[(name, "changed") for name in ("slow", "narrow", "faulty")], ("full", "full")],
)
def test_the_worst_of_several_is_told(door: Door, told: str, name: str) -> None:
    door.beat({**CHANGED, "error": "a sentence", "trouble": told})
    assert (door.health["trouble"], door.health["blind"]) == (name, True)


def test_a_clock_alone_needs_nobody_since_its_box_corrects_times(door: Door) -> None:
    door.beat({"clock_error_s": -90.0})
    assert door.health["needs_somebody"] is False


def test_what_a_person_says_is_right_needs_nobody_before_its_box_has_heard(
    door: Door, v1: V1Client
) -> None:
    door.beat(BEATS["covered"])
    v1.done("POST", "/v1/cameras/door/view")
    assert door.health["trouble"] is None
    door.beat({"trouble": "of a later version"})
    assert door.health["trouble"] == "faulty"
