"""A hostile broker, and hostile programs at a good one: they cost little, and arrivals are told."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from regulars_client import Regulars, models
from regulars_client.connection import Pages
from regulars_mqtt.broker import Address, Broker, Login
from regulars_mqtt.frigate import Away
from regulars_mqtt.turns import Turns

from tests.support.mqtt.mosquitto import PASSWORD, USER, Listener, Mosquitto, mosquitto
from tests.support.mqtt.shop import Shop, told
from tests.support.waiting import until
from tests.support.web.certificate import certificate

AVAILABLE, BRIDGES = "regulars/shop/available", "regulars/shop/bridges/1"
ACCEPTED = b"\x20\x02\0\0"


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A broker that answers each connection by one of these and hangs up.

    Yield its port, and what came first by each connection.
    """
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, suppress(OSError):
                        client.settimeout(20)
                        came.append(client.recv(65_536))
                        client.sendall(answers[(len(came) - 1) % len(answers)])
                        client.shutdown(socket.SHUT_WR)
                        while client.recv(65_536):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(20)


@contextmanager
def connected(port: int, *, tls: bool = False, login: Login | None = None) -> Iterator[Broker]:
    broker = Broker(Address("127.0.0.1", port, tls), "foe", AVAILABLE, login=login)
    yield broker
    broker.stop()


def test_whatever_a_broker_answers_it_is_called_again() -> None:
    """Bytes that are no packets, and packets that are cut, empty, or longer than they say."""
    garbled = [
        b"\x30\x00",  # a message without a topic
        b"\x30\x04\xff\xff\0a",  # a topic that is longer than its packet
        b"\x32\x03\0\x01a",  # one to confirm, without a number
        b"\x30\x05\0\x03\xed\xa0\x80",  # half a letter
        b"\x30\x05\0\x03a\0b",
        b"\x30\xff\xff\xff\xff\x7f",  # a length of five bytes
        b"\x90\x00",  # a confirmation of nothing
        b"\x40\x01\x00",
        b"\x00\x00",
        b"\xf0\x7f",
        b"\x20\x02\0\xc8",  # a second greeting, which refuses by a reason that there is not
    ]
    with (
        answering(*(ACCEPTED + one for one in garbled)) as (port, came),
        connected(port) as broker,
    ):
        broker.start()
        until(lambda: len(came) > len(garbled))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
def test_a_password_is_not_told_to_a_broker_that_speaks_no_tls() -> None:
    with (
        answering(ACCEPTED) as (port, came),
        connected(port, tls=True, login=Login(USER, PASSWORD)) as broker,
    ):
        broker.start()
        until(lambda: len(came) > 1)
        assert not broker.connections
    assert not [1 for one in came if USER.encode() in one or PASSWORD.encode() in one]
    assert {one[0] for one in came} == {0x16}, "each is a greeting of TLS"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
def test_a_good_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, host="other.example")
    settings = ("allow_anonymous true", f"certfile {chain}", f"keyfile {key}")
    with mosquitto(tmp_path / "mosquitto", *settings) as other:
        broker = Broker(Address("127.0.0.1", other.port, tls=True), "foe", AVAILABLE, ca=chain)
        broker.start()
        until(lambda: "its certificate is not trusted" in broker.said)
        broker.stop()
        assert not broker.connections


def test_who_says_goodbye_for_us_without_end_is_answered_once_a_round(
    broker: Mosquitto, listener: Listener
) -> None:
    with connected(broker.port) as ours:
        ours.start()
        until(lambda: listener.retained.get(AVAILABLE) == "online")
        for _ in range(3_000):
            listener.client.publish(AVAILABLE, "offline", 0, retain=True)
        until(lambda: listener.heard.count((AVAILABLE, "offline")) == 3_000)
        ours.tell("end", "")  # it waits behind all that is to be said before
        until(lambda: ("end", "") in listener.heard)
        until(lambda: listener.retained[AVAILABLE] == "online")
        assert listener.heard.count((AVAILABLE, "online")) < 300


def test_who_says_without_end_that_he_came_later_is_answered_now_and_then(
    broker: Mosquitto, listener: Listener
) -> None:
    with connected(broker.port) as ours:
        turns = Turns(ours, BRIDGES)
        ours.start()
        until(lambda: turns.step() > 0 and turns.is_mine)
        later = json.dumps({"rank": "later", "host": "foe"})
        for _ in range(3_000):
            listener.client.publish(BRIDGES, later, 0)
        listener.client.publish(BRIDGES, "end", 1)
        until(lambda: (BRIDGES, "end") in listener.heard)
        before = len(listener.heard)
        turns.step()
        until(lambda: len(listener.heard) > before)
        assert (
            len([1 for topic, said in listener.heard if topic == BRIDGES and "foe" not in said])
            < 20
        )


class Counting(Regulars):
    """A client that counts of how many faces each look at all asks."""

    looks: list[int]

    def list_cameras(self) -> models.Cameras:
        self.looks.append(0)
        return super().list_cameras()

    def list_faces(self, **wanted: Any) -> Pages[models.FacesPage, models.Face]:
        self.looks[-1:] = [look + len(wanted.get("ids", ())) for look in self.looks[-1:]]
        return super().list_faces(**wanted)


@pytest.mark.parametrize(
    "topic",
    [
        "regulars/shop/people/{}",
        "homeassistant/sensor/regulars_shop/{}/config",
    ],
)
def test_people_whom_a_foe_makes_up_hold_up_neither_the_service_nor_arrivals(
    shop: Shop, broker: Mosquitto, listener: Listener, topic: str
) -> None:
    made_up = 15_000
    for number in range(made_up):
        listener.client.publish(topic.format(f"foe{number}"), "{}", 0, retain=True)
    listener.client.publish(topic.format("x" * 60_000), "{}", 0, retain=True)
    listener.client.publish("end", "", 1)
    until(lambda: ("end", "") in listener.heard)
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    client = Counting(shop.box.url, api_key=shop.box.key)
    client.looks = []
    with told(shop, broker, names=True, client=client):
        until(lambda: shop.waiting() == 0)
        until(lambda: len(client.looks) > 4)
        assert max(client.looks) <= 10_100
        until(lambda: f"regulars/shop/people/{ann.id}" in listener.retained)
        shop.client.delete_face(ann.id)
        until(lambda: f"regulars/shop/people/{ann.id}" not in listener.retained)


def leave_ann(shop: Shop, broker: Mosquitto, listener: Listener) -> str:
    """Tell the broker of Ann, who is erased while the bridge is away; return her id."""
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with told(shop, broker, names=True):
        until(lambda: is_named(listener, ann.id))
    shop.client.delete_face(ann.id)
    assert is_named(listener, ann.id)
    return ann.id


def is_named(listener: Listener, face: str) -> bool:
    """Tell whether the broker has the description of a person."""
    return f"homeassistant/sensor/regulars_shop/{face}/config" in listener.retained


def test_who_is_erased_while_the_bridge_is_away_goes_from_behind_what_a_foe_made_up(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    for number in range(10_400):
        topic = f"homeassistant/device_tracker/regulars_shop/foe{number}/config"
        listener.client.publish(topic, "{}", 0, retain=True)
    listener.client.publish("end", "", 1)
    until(lambda: ("end", "") in listener.heard)
    ann = leave_ann(shop, broker, listener)
    with told(shop, broker, names=True):
        until(lambda: not is_named(listener, ann))
        until(lambda: not [1 for topic in [*listener.retained] if ann in topic])


class Populous(Regulars):
    """A client of a shop with many named people, whose ids begin with `own`."""

    pattern: models.Face

    def list_faces(self, **wanted: Any) -> Pages[models.FacesPage, models.Face]:
        found = super().list_faces(**wanted)
        own = [
            replace(self.pattern, id=id_) for id_ in wanted.get("ids", ()) if id_.startswith("own")
        ]
        return Pages(lambda _: next(found.pages()), lambda page: [*page.faces, *own], None)


def test_who_is_erased_while_the_bridge_is_away_goes_from_behind_thousands_of_people(
    shop: Shop, broker: Mosquitto, listener: Listener
) -> None:
    pattern = shop.enrol("Bo Dee", who=2)
    for number in range(5_200):
        for kind in ("sensor", "device_tracker"):
            topic = f"homeassistant/{kind}/regulars_shop/own{number}/config"
            listener.client.publish(topic, "{}", 0, retain=True)
    listener.client.publish("end", "", 1)
    until(lambda: ("end", "") in listener.heard)
    ann = leave_ann(shop, broker, listener)
    client = Populous(shop.box.url, api_key=shop.box.key)
    client.pattern = pattern
    with told(shop, broker, names=True, client=client):
        until(lambda: not is_named(listener, ann))
        until(lambda: not [1 for topic in [*listener.retained] if ann in topic])
        assert is_named(listener, "own5199")


def test_a_broker_that_confirms_nothing_is_told_no_more_than_it_may_owe() -> None:
    """A further message would have the number of one that waits, whose confirmation is not its."""
    with connected(1) as broker:
        for _ in range(65_535):
            broker.tell("regulars/shop/today", "{}")
        with pytest.raises(Away, match="confirms nothing"):
            broker.tell("regulars/shop/today", "{}")
