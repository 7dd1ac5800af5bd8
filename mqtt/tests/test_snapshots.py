"""Frigate's pictures become captures of the right camera and time, once each, and names go back as
sub-labels."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from regulars_client import models
from regulars_mqtt import bridge
from regulars_mqtt.broker import Address, Broker
from regulars_mqtt.frigate import (
    MOST_BYTES,
    Away,
    Frigate,
    NotFrigates,
    Refused,
    parse_event,
    parse_events,
)
from regulars_mqtt.snapshots import Snapshots

from chalicelib.storage import keys
from chalicelib.storage.ports import Delete
from testing.reported import replays
from tests.support.fakes import Person, picture
from tests.support.mqtt.frigate import FakeFrigate, frigate, message
from tests.support.mqtt.mosquitto import Listener, Mosquitto
from tests.support.mqtt.shop import ANN, Shop
from tests.support.waiting import until
from tests.support.web.answering import Service
from tests.support.web.servers import head

EVENT = "1607123955.475377-mxklsc"


@pytest.fixture(autouse=True)
def _every_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Log warnings whatever level a test of another command left."""
    caplog.set_level(logging.INFO)


@pytest.fixture
def frigates() -> Iterator[FakeFrigate]:
    with frigate() as fake:
        yield fake


@contextmanager
def bridged(
    shop: Shop,
    broker: Mosquitto,
    fake: FakeFrigate,
    *,
    names: bool = True,
    **more: Any,
) -> Iterator[Snapshots]:
    stop = threading.Event()
    connection = Broker(
        Address("127.0.0.1", broker.port, False), "regulars-frigate", "regulars/shop/available"
    )
    with shop.box.client() as service:
        snapshots = Snapshots(
            service,
            Frigate(fake.url),
            gives_names=names,
            count_connections=lambda: connection.connections,
            no_picture_s=0.1,
            **more,
        )
        connection.listen(snapshots.topic, snapshots.take_message)
        thread = threading.Thread(target=bridge.run, args=(connection, [snapshots.step], stop, 0.3))
        thread.start()
        try:
            until(
                lambda: (
                    any("/api/events?" in path for path in fake.asked) or fake.refuses is not None
                )
            )
            yield snapshots
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()


def captures(shop: Shop, camera: str = "front_door") -> list[models.Capture]:
    """Oldest first."""
    if camera not in {one.id for one in shop.client.list_cameras().cameras}:
        return []
    return [*shop.client.list_captures(camera=camera)][::-1]


def seen(who: int = ANN, likeness: float = 0.9) -> bytes:
    return picture(Person(who, quality=90, likeness=likeness))


def test_a_person_becomes_a_capture_and_the_name_a_sub_label(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    shop.enrol("Ann Lee")
    at = round(time.time() - 60, 3)
    with bridged(shop, broker, frigates):
        frigates.sees(listener, EVENT, at, seen(), kind="new")
        until(lambda: len(captures(shop)) == 1)
        shop.resolve()
        until(lambda: bool(frigates.labels))
    [capture] = captures(shop)
    assert (capture.camera, capture.track) == ("front_door", EVENT)
    assert capture.captured_at == datetime.fromtimestamp(at, UTC)
    [sighting] = capture.sightings
    assert frigates.labels == [(EVENT, "Ann Lee", pytest.approx(sighting.score, abs=0.001))]
    [asked] = [path for path in frigates.asked if "snapshot.jpg" in path]
    assert "crop=1&bbox=0" in asked


@replays(
    66, "skrashevich/double-take 172", "skrashevich/double-take 177", "skrashevich/double-take 622"
)
def test_a_frigate_of_another_prefix_is_heard_and_a_quiet_one_is_told(
    shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    frigates: FakeFrigate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = [message(EVENT, time.time() - 60, "end"), message("b", time.time() - 50, "end")]
    frigates.pictures |= {EVENT: seen(), "b": seen(2)}
    with bridged(shop, broker, frigates, prefix="shop/frigate", quiet_s=0.2):
        until(lambda: "no message came at shop/frigate/events" in caplog.text)
        listener.client.publish("frigate/events", json.dumps(said[1]))
        listener.client.publish("shop/frigate/events", json.dumps(said[0]))
        until(lambda: len(captures(shop)) == 1)
    assert [one.track for one in captures(shop)] == [EVENT]
    assert "--frigate-topic" in caplog.text


def test_updates_of_the_same_picture_send_nothing_twice(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    shop.enrol("Ann Lee")
    at = time.time() - 60
    with bridged(shop, broker, frigates):
        for kind in ("new", "update", "update", "end"):
            frigates.sees(listener, EVENT, at, seen(), kind=kind)
            until(lambda: len(captures(shop)) == 1)
        frigates.sees(listener, EVENT, at + 1, seen())  # another time, the same bytes
        frigates.sees(listener, "other", at + 2, seen(2), kind="end")
        until(lambda: len(captures(shop)) == 2)
    assert [one.track for one in captures(shop)] == [EVENT, "other"]


def test_a_better_picture_is_sent_and_a_better_name_told(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    shop.enrol("Ann Lee")
    at = time.time() - 60
    with bridged(shop, broker, frigates):
        for number, likeness in enumerate([0.8, 0.95, 0.7]):
            frigates.sees(listener, EVENT, at + number, seen(likeness=likeness))
            until(lambda sent=number: len(captures(shop)) == sent + 1)
            shop.resolve()
        until(lambda: len(frigates.labels) == 2)
        frigates.sees(listener, "last", at + 9, seen(), kind="end")
        until(lambda: len(captures(shop)) == 4)
        shop.resolve()
        until(lambda: len(frigates.labels) == 3)
    first, second, last = frigates.labels
    assert first[2] < second[2]
    assert last[0] == "last"


@pytest.mark.parametrize("names", [False, True])
def test_nobody_is_labelled_who_is_unknown_or_without_names(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate, names: bool
) -> None:
    if not names:
        shop.enrol("Ann Lee")
    with bridged(shop, broker, frigates, names=names) as snapshots:
        frigates.sees(listener, EVENT, time.time(), seen(), kind="end")
        until(lambda: len(captures(shop)) == 1)
        shop.resolve()
        until(lambda: not snapshots._labels and not snapshots._snapshots)
    assert captures(shop)[0].sightings[0].resolution == ("stranger" if names else "matched")
    assert frigates.labels == []


def test_who_came_while_frigate_was_away_comes_later(
    shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    frigates: FakeFrigate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    frigates.refuses = 502
    with bridged(shop, broker, frigates):
        until(lambda: "answered HTTP 502" in caplog.text)
        frigates.sees(listener, EVENT, time.time() - 5, seen(), kind="end")
        frigates.keeps("missed", time.time() - 50, seen(2))
        time.sleep(0.5)
        frigates.refuses = None
        until(lambda: len(captures(shop)) == 2)
    assert {one.track for one in captures(shop)} == {EVENT, "missed"}


def test_who_came_is_sent_again_after_a_restore_of_before(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    with bridged(shop, broker, frigates):
        frigates.sees(listener, EVENT, time.time() - 5, seen(), kind="end")
        frigates.keeps(EVENT, time.time() - 5, seen())
        until(lambda: len(captures(shop)) == 1)
        [lost] = captures(shop)
        delete = Delete(keys.CAPTURES, keys.capture("shop", lost.camera, lost.id))
        shop.box.services.ports.storage.items.transact([delete])
        shop.box.services.tenants.begin_life("shop")
        assert captures(shop) == []
        frigates.sees(listener, "later", time.time(), seen(2), kind="end")
        until(lambda: {one.track for one in captures(shop)} == {EVENT, "later"})


def test_who_came_while_the_bridge_was_away_comes_later_and_nobody_twice(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    at = float(int(time.time()))
    frigates.keeps("one", at - 3000, seen())
    frigates.keeps("days ago", at - 3 * 86400, seen(3))
    with bridged(shop, broker, frigates):
        until(lambda: len(captures(shop)) == 1)
    frigates.keeps("two", at - 1000, seen(2))
    with bridged(shop, broker, frigates):
        until(lambda: len(captures(shop)) == 2)
    assert [one.track for one in captures(shop)] == ["one", "two"]
    assert captures(shop)[0].captured_at == datetime.fromtimestamp(at - 3000, UTC)


def test_after_the_broker_was_away_frigate_is_asked_who_came(
    shop: Shop, broker: Mosquitto, listener: Listener, frigates: FakeFrigate
) -> None:
    with bridged(shop, broker, frigates):
        broker.stop()
        frigates.keeps(EVENT, time.time() - 10, seen())
        broker.start()
        until(lambda: len(captures(shop)) == 1)


def test_a_picture_that_is_not_there_is_asked_for_a_while_and_then_said(
    shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    frigates: FakeFrigate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with bridged(shop, broker, frigates) as snapshots:
        frigates.says(listener, message("gone", time.time(), "end"))
        until(lambda: "there is no picture of this person" in caplog.text)
        assert len([path for path in frigates.asked if "gone" in path]) == 5
        assert "HTTP 404" in caplog.text
        until(lambda: not snapshots._snapshots)
        frigates.sees(listener, EVENT, time.time(), seen())
        until(lambda: len(captures(shop)) == 1)


def test_a_camera_that_is_disabled_stops_no_other(
    shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    frigates: FakeFrigate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop.client.add_camera(id="yard", name="yard", enabled=False)
    with bridged(shop, broker, frigates):
        frigates.sees(listener, "a", time.time(), seen(), camera="yard")
        frigates.sees(listener, "b", time.time(), seen(2))
        until(lambda: len(captures(shop)) == 1)
        until(lambda: "yard: the service takes no picture" in caplog.text)


def test_messages_that_are_none_are_said_and_change_nothing(
    shop: Shop,
    broker: Mosquitto,
    listener: Listener,
    frigates: FakeFrigate,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with bridged(shop, broker, frigates):
        frigates.says(listener, b"\xff{")
        frigates.says(listener, b"[" * 5000)
        frigates.says(listener, message("../../config", time.time()))
        frigates.sees(listener, EVENT, time.time(), seen())
        until(lambda: len(captures(shop)) == 1)
    assert caplog.text.count("not in Frigate's form") == 1, (
        "else who writes to the broker fills the disk with a log"
    )
    assert not [path for path in frigates.asked if "config" in path]


def test_of_a_message_what_is_wanted_is_read() -> None:
    encoded = bytes_of(message(EVENT, 1607123965.975463, "end"))
    found = parse_event(encoded)
    assert (found.id, found.camera, found.at, found.ended) == (
        EVENT,
        "front_door",
        1607123965.975463,
        True,
    )
    for unwanted in ({"label": "car"}, {"has_snapshot": False}, {"false_positive": True}):
        assert parse_event(bytes_of(message(EVENT, 1.0, **unwanted))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"id": "a/b"},
        {"id": ".."},
        {"id": "a\n"},
        {"camera": "+"},
        {"frame_time": -1},
        {"frame_time": "x"},
        {"label": 1},
    ],
)
def test_what_is_not_in_frigates_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(NotFrigates, match="not in Frigate's form"):
        parse_event(bytes_of(message(EVENT, 1.0, **change)))


def test_of_a_list_those_are_read_who_have_gone() -> None:
    gone = {"id": "a", "camera": "door", "start_time": 1.0, "end_time": 2.0, "has_snapshot": True}
    newer = gone | {"id": "b", "data": {"snapshot_frame_time": 1.5, "box": []}}
    listed = [gone, newer, gone | {"end_time": None}, gone | {"has_snapshot": False}]
    assert [(one.id, one.at) for one in parse_events(bytes_of(listed))] == [("a", 1.0), ("b", 1.5)]


def test_a_snapshot_without_end_is_refused(frigates: FakeFrigate) -> None:
    frigates.pictures["large"] = bytes(MOST_BYTES + 1)
    with pytest.raises(Refused, match=f"more than {MOST_BYTES} bytes"):
        Frigate(frigates.url).fetch_snapshot("large")


def test_half_a_snapshot_is_asked_for_again() -> None:
    half = head("Content-Length: 1000") + seen()[:500]
    service = Service(half)
    with service.running() as url, pytest.raises(Away, match="broke off"):
        Frigate(url).fetch_snapshot("half")


def bytes_of(value: object) -> bytes:
    return json.dumps(value).encode()
