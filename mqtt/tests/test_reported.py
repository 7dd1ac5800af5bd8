"""Reports of how brokers and Home Assistant answer, replayed with a real broker. The page:
docs/reported.md."""

import json
from pathlib import Path

import pytest
from regulars_mqtt.broker import OFFLINE, ONLINE
from regulars_mqtt.discovery import Topics

from chalicelib.domain.captures import require_camera_id
from testing.reported import replays
from tests.support.mqtt.mosquitto import listening, mosquitto
from tests.support.mqtt.shop import ARRIVALS, Shop, told
from tests.support.waiting import until

LONGEST_STATE = 255
"""Letters of a state that Home Assistant takes."""


@replays(128, "Koenkk/zigbee2mqtt 13030", "mqttjs/MQTT.js 768", "at-wat/mqtt-go 111")
def test_a_broker_of_small_messages_takes_all_of_them(shop: Shop, tmp_path: Path) -> None:
    """With less than a tenth of what Home Assistant's brokers take."""
    small = ("allow_anonymous true", "max_packet_size 2048", "message_size_limit 2048")
    ann = shop.enrol("Ann " + "Lee" * 30)
    shop.arrives()
    with mosquitto(tmp_path / "small", *small) as broker, listening(broker) as listener:
        with told(shop, broker, names=True) as connection:
            until(lambda: shop.waiting() == 0)
            until(lambda: Topics("shop").name_tracker_config(ann.id) in listener.retained)
            assert connection.connections == 1
        assert len(listener.events(ARRIVALS)) == 1


@replays(
    129,
    "eclipse-mosquitto/mosquitto 547",
    "eclipse-paho/paho.mqtt.python 895",
    "emqx/emqx 368",
)
@pytest.mark.parametrize("retained", ["", ONLINE, OFFLINE])
def test_what_a_broker_confirms_and_throws_away_stays_in_the_mailbox_and_is_told(
    shop: Shop, tmp_path: Path, caplog, retained: str
) -> None:
    """`retained`: what an earlier connection, which had the right, has said there."""
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite #\n")
    settings = ("allow_anonymous true", f"acl_file {rights}")
    shop.arrives()
    with mosquitto(tmp_path / "closed", *settings) as broker:
        with listening(broker) as earlier:
            topic = Topics("shop").available
            earlier.client.publish(topic, retained, 1, retain=True).wait_for_publish(20)
        broker.stop()
        rights.write_text("topic read #\n")
        broker.start()
        with told(shop, broker):
            until(lambda: "nobody hears it: let this user write" in caplog.text)
            assert shop.waiting() == 1
        broker.stop()
        rights.write_text("topic readwrite #\n")
        broker.start()
        with listening(broker) as listener, told(shop, broker):
            until(lambda: shop.waiting() == 0)
            assert len(listener.events(ARRIVALS)) == 1


def test_who_is_erased_goes_also_by_a_user_who_may_only_write(
    shop: Shop, tmp_path: Path, caplog
) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite #\n")
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    config = Topics("shop").name_tracker_config(ann.id)
    settings = ("allow_anonymous true", f"acl_file {rights}")
    with mosquitto(tmp_path / "writes", *settings) as broker:
        with listening(broker) as listener, told(shop, broker, names=True):
            until(lambda: config in listener.retained)
        broker.stop()
        rights.write_text("topic write #\ntopic read homeassistant/#\n")
        broker.start()
        shop.client.delete_face(ann.id)
        with listening(broker) as listener:
            until(lambda: config in listener.retained)
            with told(shop, broker, names=True):
                until(lambda: config not in listener.retained)
                until(lambda: "nobody hears it" in caplog.text)


@replays(130, "home-assistant/core 11147", "home-assistant/core 15362")
def test_no_state_is_longer_than_home_assistant_takes(shop: Shop, tmp_path: Path) -> None:
    longest = "c" * 64
    require_camera_id(longest)
    shop.client.add_camera(id=longest, name="n" * 64)
    ann = shop.enrol("Ann Lee")
    shop.arrives()
    with mosquitto(tmp_path / "states") as broker, listening(broker) as listener:
        with told(shop, broker, names=True):
            until(lambda: Topics("shop").name_person(ann.id) in listener.retained)
            until(lambda: Topics("shop").today in listener.retained)
        person = json.loads(listener.retained[Topics("shop").name_person(ann.id)])
        assert max(len(str(value)) for value in person.values()) <= LONGEST_STATE
        assert len(longest) <= LONGEST_STATE
        configs = [
            json.loads(text) for topic, text in listener.retained.items() if "config" in topic
        ]
        assert all("value_template" in one for one in configs if "event_types" not in one)
