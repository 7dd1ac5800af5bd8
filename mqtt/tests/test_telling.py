"""Arrivals reach a broker once each, and Home Assistant's entities are as cameras and people
are."""

import json
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from regulars_client import Regulars, models
from regulars_client.errors import NoAnswer, OperatorError
from regulars_mqtt.broker import Address, Broker
from regulars_mqtt.discovery import Topics
from regulars_mqtt.forgetting import empty_messages

from regulars.cli import main
from testing.reported import replays
from tests.support.mqtt.mosquitto import Listener, Mosquitto, listening
from tests.support.mqtt.shop import ANN, ARRIVALS, Shop, told
from tests.support.waiting import until

AVAILABLE = "regulars/shop/available"
DOOR = "homeassistant/event/regulars_shop/door/config"
TODAY = ("regulars/shop/today", "homeassistant/sensor/regulars_shop/config")


def person_of(face: models.Face) -> tuple[str, str, str]:
    """The topics of a person's two descriptions, and of the state."""
    sensor, tracker = (
        f"homeassistant/{kind}/regulars_shop/{face.id}/config"
        for kind in ("sensor", "device_tracker")
    )
    return sensor, f"regulars/shop/people/{face.id}", tracker


def test_an_arrival_is_told_once_and_leaves_the_mailbox(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    face = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker):
        until(lambda: shop.waiting() == 0)
    [event] = listener.events(ARRIVALS)
    assert (event["event_type"], event["camera"], event["group"]) == (
        "face.arrived",
        "door",
        "regular",
    )
    assert (event["visit"], event["late"]) == (1, False)
    assert datetime.fromisoformat(event["at"]).tzinfo is not None
    assert not {"Ann Lee", face.id} & {str(value) for value in event.values()}
    assert "Ann" not in json.dumps(listener.heard), "names are told only if a setting says so"


def test_with_names_each_named_person_has_an_entity(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    shop.arrives(who=2)
    with told(shop, broker, names=True):
        until(lambda: shop.waiting() == 0)
    named, nobody = sorted(listener.events(ARRIVALS), key=lambda one: "name" not in one)
    assert (named["name"], named["face"]) == ("Ann Lee", ann.id)
    assert (nobody["group"], "name" in nobody, "face" in nobody) == ("stranger", False, False)
    config, state, _ = person_of(ann)
    described = listener.configs()[config]
    assert (described["name"], described["state_topic"]) == ("Ann Lee", state)
    assert described["value_template"] == "{{ value_json.camera }}"
    assert json.loads(listener.retained[state])["camera"] == "door"
    assert [
        topic for topic in listener.configs() if "/sensor/" in topic and topic not in TODAY
    ] == [config]


def here(listener: Listener, face: models.Face) -> bool | None:
    """Whether the person is here by the state that the broker retains; None: it has none."""
    said = json.loads(listener.retained.get(person_of(face)[1], "{}"))
    return cast("bool | None", said.get("here"))


def test_presence_ends_after_the_cameras_gap_and_lasts_while_somebody_is_seen(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann, bo = shop.enrol("Ann Lee"), shop.enrol("Bo", who=2)
    shop.client.change_camera("door", gap_s=10)
    came_at = datetime.now(UTC)
    with told(shop, broker, names=True):
        shop.sees(ANN, came_at, "door")
        shop.sees(2, came_at - timedelta(minutes=5), "door")
        until(lambda: here(listener, ann) is True and here(listener, bo) is False)
        tracker = listener.configs()[person_of(ann)[2]]
        assert (tracker["state_topic"], tracker["name"]) == (person_of(ann)[1], "Ann Lee here")
        shop.sees(ANN, came_at + timedelta(seconds=9), "door")  # no event tells it
        until(lambda: here(listener, ann) is False)
    assert datetime.now(UTC) - came_at > timedelta(seconds=19)
    assert json.loads(listener.retained[person_of(ann)[1]])["visit"] == 1


@pytest.mark.parametrize("is_bridge_new", [False, True])
def test_a_broker_that_has_forgotten_all_is_told_who_came_last(
    shop: Shop, broker: Mosquitto, is_bridge_new: bool
) -> None:
    """Of staff, too; of a stranger, and of somebody who was deleted, nothing."""
    shop.client.add_camera(id="back", name="Back door")
    shop.client.change_group("regular", staff=True)
    ann, bo = shop.enrol("Ann Lee"), shop.enrol("Bo", who=2)
    for who in (ANN, 2, 3):
        shop.sees(who, datetime.now(UTC) - timedelta(days=2), "back")
    with told(shop, broker, names=True):
        until(lambda: shop.waiting() == 0)
        if not is_bridge_new:
            forget(broker)
            shop.client.delete_face(bo.id)
            check_restored(broker, ann, bo)
    if is_bridge_new:
        forget(broker)
        shop.client.delete_face(bo.id)
        with told(shop, broker, names=True):
            check_restored(broker, ann, bo)


def test_who_is_here_is_not_away_by_an_event_that_is_told_late(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.client.change_camera("door", gap_s=60)
    now = datetime.now(UTC)
    for ago_s in (140, 90, 45, 3):  # one visit, of which the first alone is an event
        shop.sees(ANN, now - timedelta(seconds=ago_s), "door")
    with told(shop, broker, names=True):
        until(lambda: here(listener, ann) is not None)
        assert here(listener, ann) is True


def test_a_visit_that_was_somebody_elses_ends_while_the_program_is_away(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: here(listener, ann) is True)
    [sighting] = shop.client.list_sightings(ann.id)
    shop.client.reject_sighting(ann.id, sighting.id)
    with told(shop, broker, names=True):
        until(lambda: person_of(ann)[1] not in listener.retained)


def test_a_state_without_a_person_goes(shop: Shop, broker: Mosquitto, listener: Listener) -> None:
    """As a program leaves it that ended between a state and its description."""
    states = [Topics("shop").name_person(one) for one in ("gone", "7")]
    for state in states:
        listener.client.publish(state, '{"camera": "door", "here": true}', 1, retain=True)
    until(lambda: {*states} <= {*listener.retained})
    with told(shop, broker, names=True):
        until(lambda: not {*states} & {*listener.retained})


def forget(broker: Mosquitto) -> None:
    """Let the broker end, and begin with nothing retained."""
    broker.rest()
    (broker.folder / "mosquitto.db").unlink()
    broker.start()


def check_restored(broker: Mosquitto, ann: models.Face, bo: models.Face) -> None:
    with listening(broker) as listener:
        until(lambda: {*person_of(ann)} <= {*listener.retained})
        state = json.loads(listener.retained[person_of(ann)[1]])
        assert (state["camera"], state["visit"], state["here"]) == ("back", 1, False)
        until(lambda: TODAY[0] in listener.retained)
        assert not {*person_of(bo)} & {*listener.retained}
        assert [one for one in listener.retained if "/people/" in one] == [person_of(ann)[1]]


def test_a_camera_is_an_entity_of_events(shop: Shop, broker: Mosquitto, listener: Listener) -> None:
    with told(shop, broker):
        until(lambda: DOOR in listener.configs())
        shop.client.change_camera("door", name="Back door")
        until(lambda: listener.configs()[DOOR]["name"] == "Back door")
        shop.client.delete_camera("door")
        until(lambda: DOOR not in listener.configs())
    first = json.loads(next(text for topic, text in listener.heard if topic == DOOR))
    assert first["name"] == "Front door"
    assert (first["state_topic"], first["availability_topic"]) == (ARRIVALS, AVAILABLE)
    assert "face.arrived" in first["event_types"]
    assert first["device"]["identifiers"] == ["regulars_shop"]


def test_events_are_not_retained_and_entities_are(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: shop.waiting() == 0 and DOOR in listener.configs())
    with listening(broker) as later:
        until(lambda: len(later.heard) == 7)
    assert {topic for topic, _ in later.heard} == {AVAILABLE, DOOR, *TODAY, *person_of(ann)}
    one = {"visits": 1, "people": 1, "new": 1, "returning": 0, "known": 0, "staff": 0}
    assert json.loads(later.retained[TODAY[0]]) == one
    assert later.retained[AVAILABLE] == "offline"


def find_numbers_without_a_curve(listener: Listener) -> list[str]:
    """Return the sensors whose state is a number and that Home Assistant draws no curve of."""
    found = []
    for topic, config in listener.configs().items():
        field = re.search(r"value_json\.(\w+)", config.get("value_template", ""))
        state = json.loads(listener.retained.get(config["state_topic"], "{}"))
        is_number = field is not None and isinstance(state.get(field[1]), int)
        if is_number and not {"state_class", "unit_of_measurement"} <= config.keys():
            found.append(topic)
    return found


@replays(65, "rpi-mqtt-monitor 263", "esphome/issues 2312", "home-assistant/core 55404")
def test_places_and_entries_are_sensors_as_long_as_they_are_there(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    at = datetime.now(UTC).replace(second=0, microsecond=0)
    minute = models.MinuteSent(at=at.timestamp(), seconds=60, in_=5, out=2, faces=1)
    shop.client.give_counts("door", minutes=[minute])
    place = shop.client.add_place(name="Hall", doors=["door"], full_at=3)
    state = f"regulars/shop/places/{place.id}"
    described = "homeassistant/sensor/regulars_shop_places"
    config = f"{described}/{place.id}/config"
    with told(shop, broker):
        until(lambda: {config, f"{described}/entries/config"} <= listener.configs().keys())
        until(lambda: state in listener.retained and TODAY[0] in listener.retained)
        sensor = listener.configs()[config]
        assert (sensor["name"], sensor["state_class"]) == ("Hall inside", "measurement")
        assert (sensor["unit_of_measurement"], sensor["state_topic"]) == ("people", state)
        entries = listener.configs()[f"{described}/entries/config"]
        assert (entries["state_class"], entries["state_topic"]) == ("total_increasing", TODAY[0])
        assert entries["json_attributes_topic"] == TODAY[0]
        inside = json.loads(listener.retained[state])
        assert inside.pop("open_minutes") >= inside.pop("watched_minutes") == 1
        assert inside == {"inside": 3, "full": True, "in": 5, "out": 2}
        of_today = shop.client.get_statistics(entries=True).entries
        assert of_today is not None
        told_today = json.loads(listener.retained[TODAY[0]])
        assert (told_today["entries"], told_today["exits"]) == (of_today.in_, of_today.out)
        assert (of_today.in_, told_today["entries_faceless"]) == (5, 4)
        assert told_today["entries_watched_minutes"] == 1
        assert told_today["entries_open_minutes"] == of_today.open_s // 60
        assert find_numbers_without_a_curve(listener) == []
        shop.client.delete_place(place.id)
        until(lambda: config not in listener.configs() and state not in listener.retained)


def test_availability_follows_the_connection(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    with told(shop, broker) as connection:
        until(lambda: listener.retained.get(AVAILABLE) == "online")
        sock = connection._client.socket()
        sock.shutdown(socket.SHUT_RDWR)  # without a goodbye: the broker tells the last will
        until(lambda: (AVAILABLE, "offline") in listener.heard)
        until(lambda: connection.connections == 2)
        until(lambda: listener.retained[AVAILABLE] == "online")
    until(lambda: listener.retained[AVAILABLE] == "offline")


def test_a_broker_that_is_away_costs_no_arrival(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    with told(shop, broker):
        until(lambda: DOOR in listener.configs())
        broker.stop()
        shop.arrives(who=5)
        shop.arrives(who=6)
        assert shop.waiting() == 2
        listener.is_ready.clear()
        broker.start()
        assert listener.is_ready.wait(20)
        until(lambda: shop.waiting() == 0)
    assert len({event["id"] for event in listener.events(ARRIVALS)}) == 2
    assert len(listener.events(ARRIVALS)) == 2


def test_a_service_that_is_away_is_asked_again(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    mailbox, shop.mailbox = shop.mailbox, "404"
    with told(shop, broker):
        until(lambda: DOOR in listener.configs())
    shop.mailbox = mailbox
    shop.arrives()
    with told(shop, broker):
        until(lambda: shop.waiting() == 0)
    assert len(listener.events(ARRIVALS)) == 1


def test_an_event_that_is_told_long_after_it_happened_says_so(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    shop.arrives(ago=timedelta(hours=2))
    shop.arrives(who=2)
    with told(shop, broker):
        until(lambda: shop.waiting() == 0)
    assert [event["late"] for event in listener.events(ARRIVALS)] == [True, False], (
        "in the order of their times"
    )


@replays(57, "hass-iotbull 30", "psa_car_controller 1241")
def test_what_is_retained_of_a_person_is_the_same_in_whatever_order_pictures_come(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    """Ann's come in their order, Bo's backwards, each once the one before was told."""
    shop.client.add_camera(id="back", name="Back door")
    people = {ANN: shop.enrol("Person"), 2: shop.enrol("Person", who=2)}
    moments = [datetime.now(UTC) - timedelta(hours=ago) for ago in (5, 3, 1)]
    with told(shop, broker, names=True):
        for ann_at, bo_at in zip(moments, reversed(moments), strict=True):
            for who, at in ((ANN, ann_at), (2, bo_at)):
                shop.sees(who, at, "door" if at == moments[-1] else "back")
            until(lambda: shop.waiting() == 0)
    of_ann, of_bo = (
        {
            topic.replace(face.id, "FACE"): json.loads(text.replace(face.id, "FACE"))
            for topic, text in listener.retained.items()
            if face.id in topic
        }
        for face in people.values()
    )
    state = "regulars/shop/people/FACE"
    assert of_ann[state]["camera"] == "door"
    assert of_ann[state].pop("visit") == 3
    assert 1 <= of_bo[state].pop("visit") <= 3, "which visit it was when it was told"
    assert of_ann == of_bo


def test_a_deleted_or_renamed_person_is_so_at_the_broker(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann, bo = shop.enrol("Ann Lee"), shop.enrol("Bo", who=2)
    shop.arrives()
    shop.arrives(who=2)
    with told(shop, broker, names=True):
        until(lambda: {*person_of(ann), *person_of(bo)} <= {*listener.retained})
        shop.client.delete_face(ann.id)
        shop.client.change_face(bo.id, name="Bo Lin")
        until(lambda: not {*person_of(ann)} & {*listener.retained})
        until(lambda: listener.configs()[person_of(bo)[0]]["name"] == "Bo Lin")
        shop.client.change_face(bo.id, name="")
        until(lambda: not {*person_of(bo)} & {*listener.retained})


def test_whoever_was_erased_is_found_nowhere_in_what_the_broker_keeps(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    """Its own file is searched, which has all that it retains: for the name, the id, and the
    picture."""
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    needles = [text.encode() for text in ("Ann Lee", ann.id, f'"seed": {ANN}')]

    with told(shop, broker, names=True):
        until(lambda: {*person_of(ann)} <= {*listener.retained})
        assert all(one in json.dumps(listener.retained).encode() for one in needles[:2])
        shop.client.delete_face(ann.id, erase=True)
        until(lambda: not {*person_of(ann)} & {*listener.retained})
    broker.rest()
    data = (broker.folder / "mosquitto.db").read_bytes()
    assert b"Front door" in data
    assert [one for one in needles if one in data] == []


def test_who_was_deleted_meanwhile_is_not_told_by_name(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    shop.client.delete_face(ann.id)
    with told(shop, broker, names=True):
        until(lambda: shop.waiting() == 0)
    [event] = listener.events(ARRIVALS)
    assert {"name", "face"}.isdisjoint(event)
    assert "Ann" not in json.dumps(listener.heard)


def test_without_names_the_people_of_before_go(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: {*person_of(ann)} <= {*listener.retained})
    with told(shop, broker):
        until(lambda: not {*person_of(ann)} & {*listener.retained})
        until(lambda: DOOR in listener.configs())


def test_a_stranger_on_the_broker_takes_nobody_away(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    """Others may write there, too: what is no description of ours is let be, or taken away."""
    others = "homeassistant/sensor/regulars_other/1/config"
    listener.client.publish(others, "{", 1, retain=True)
    listener.client.publish(
        "homeassistant/sensor/regulars_shop/no%20face/config", b"\xc3", 1, retain=True
    )
    listener.client.publish(
        "homeassistant/sensor/regulars_shop/404/config", "[" * 2000, 1, retain=True
    )
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: {*person_of(ann)} <= {*listener.retained})
        until(lambda: "homeassistant/sensor/regulars_shop/404/config" not in listener.retained)
    assert others in listener.retained


class Deaf(Regulars):
    """A client whose first acknowledgements get no answer."""

    refusals = 3

    def acknowledge(self, *mailbox: str, **what: Any) -> models.Acknowledged:
        if self.refusals:
            self.refusals -= 1
            raise NoAnswer("the service does not answer")
        return super().acknowledge(*mailbox, **what)


def test_a_service_that_does_not_hear_of_it_has_nothing_told_twice(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    shop.arrives()
    client = Deaf(shop.box.url, api_key=shop.box.key)
    with told(shop, broker, client=client):
        until(lambda: client.refusals == 0)
        shop.arrives(who=2)
        until(lambda: shop.waiting() == 0)
    assert len(listener.events(ARRIVALS)) == 2


def test_more_than_a_page_of_arrivals_is_told_in_the_end(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    for who in range(110):
        shop.arrives(who=100 + who, ago=timedelta(minutes=200 - who))
    shop.client.test_hook(shop.mailbox)
    with told(shop, broker):
        until(lambda: shop.waiting() == 0)
    told_at = [event["at"] for event in listener.events(ARRIVALS)]
    assert len(set(told_at)) == len(told_at) == 110
    assert told_at[:100] == sorted(told_at[:100])


def test_the_same_full_stop_and_hyphen_are_two_cameras() -> None:
    topics = Topics("shop")
    assert len({topics.name_camera_config(camera) for camera in ("a.b", "a-b", "a_b")}) == 3
    assert topics.find_face(topics.name_person_config("7")) == "7"
    assert topics.find_face(Topics("other").name_person_config("7")) is None


def test_what_a_broker_retains_of_an_erased_tenant_is_emptied_and_nothing_of_others(
    shop: Shop, broker: Mosquitto, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    other = "regulars/shop-2/people/7"
    shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: shop.waiting() == 0 and {DOOR, *TODAY} <= {*listener.retained})
    listener.client.publish(other, "{}", 1, retain=True)
    until(lambda: other in listener.retained)
    assert main(["mqtt", "--broker", f"mqtt://127.0.0.1:{broker.port}", "--forget", "shop"]) == 0
    assert capsys.readouterr().out == "7 retained messages of shop are emptied\n"
    with listening(broker) as later:
        until(lambda: later.heard)
        assert [topic for topic, _ in later.heard] == [other], (
            "of all that it retained, whatever the topics are"
        )


def test_a_broker_that_takes_its_time_is_emptied(
    broker: Mosquitto, listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.client.publish(TODAY[0], "{}", 1, retain=True)
    until(lambda: TODAY[0] in listener.retained)
    with broker.slow_port(1.5) as port:
        assert main(["mqtt", "--broker", f"mqtt://127.0.0.1:{port}", "--forget", "shop"]) == 0
    until(lambda: not listener.retained)
    assert capsys.readouterr().out == "1 retained messages of shop are emptied\n"


def test_a_broker_that_names_topics_without_end_is_not_emptied_and_not_heard_out(
    broker: Mosquitto, listener: Listener
) -> None:
    listener.client.publish(TODAY[0], "{}", 1, retain=True)
    until(lambda: TODAY[0] in listener.retained)
    stop = threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.wait(0.01):
            listener.client.publish(f"regulars/shop/people/{(number := number + 1)}", "{}")

    writing = threading.Thread(target=go_on)
    writing.start()
    try:
        with pytest.raises(OperatorError, match="goes on naming new topics"):
            empty_messages(
                Broker(Address("127.0.0.1", broker.port, tls=False), "forget", ""),
                [Topics("shop")],
                0.5,
            )
    finally:
        stop.set()
        writing.join()
    assert TODAY[0] in listener.retained


@pytest.mark.parametrize("wrong", [["--forget", "#"], ["--forget", "shop", "--mailbox", "home"]])
def test_what_is_not_one_tenant_empties_nothing(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mqtt", "--broker", "mqtt://127.0.0.1:1", *wrong]) == 2
    assert "--forget takes the name of one tenant" in capsys.readouterr().err
