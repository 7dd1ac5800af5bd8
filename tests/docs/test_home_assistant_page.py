"""docs/tasks/home-assistant.md: its commands against a real server, its YAML against what Home
Assistant documents.

Its templates are rendered by the same library (Jinja), and its webhook is a stand-in.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

from regulars.clients import V1, Connection
from tests.support.box.box import serving
from tests.support.box.server import Server
from tests.support.box.session import DOCS, Session, read, sees
from tests.support.mqtt.mosquitto import listening, mosquitto
from tests.support.mqtt.shop import ARRIVALS, Shop, told
from tests.support.pictures import photos as at_hand
from tests.support.waiting import until

PAGE = DOCS / "tasks/home-assistant.md"
AUTOMATION = {"alias", "triggers", "conditions", "actions"}
TRIGGERS = {
    "state": {"trigger", "entity_id", "from", "to", "not_from", "not_to", "for"},
    "webhook": {"trigger", "webhook_id", "allowed_methods", "local_only"},
}
REST = {"resource", "scan_interval", "headers", "sensor"}
SENSOR = {"name", "unique_id", "value_template", "unit_of_measurement", "state_class"}
ENTITY = {"name", "unique_id", "state_topic", "availability_topic", "qos", "device", "origin"}
DISCOVERED = {
    "event": {"event_types"},
    "sensor": {"value_template", "json_attributes_topic", "icon"},
    "device_tracker": {"value_template", "json_attributes_topic", "source_type"},
}
MEASURED = {"state_class", "unit_of_measurement"}
"""What a sensor has beside, of which Home Assistant draws a curve."""
DEVICE = {"identifiers", "name", "manufacturer", "sw_version", "configuration_url"}
"""What Home Assistant's documentation has of each: https://www.home-assistant.io/docs/, as of
2025.4."""


class _Yaml(yaml.SafeLoader):
    """YAML as Home Assistant reads it."""


_Yaml.add_constructor("!secret", lambda loader, node: f"secret {node.value}")


def settings(section: str) -> dict[str, Any]:
    (block,) = re.findall(
        r"```yaml\n(.*?)```", read(PAGE).split(f"## {section}\n")[1].split("\n## ")[0], re.DOTALL
    )
    return yaml.load(block, _Yaml)


def automation(section: str) -> dict[str, Any]:
    [one] = settings(section)["automation"]
    assert set(one) == AUTOMATION
    [trigger] = one["triggers"]
    assert set(trigger) <= TRIGGERS[trigger["trigger"]]
    assert [action["action"] for action in one["actions"]] == ["persistent_notification.create"]
    return {**one, "trigger": trigger}


def rendered(template: str, **known: Any) -> str:
    return Environment(undefined=StrictUndefined).from_string(template).render(**known)


def said(one: dict[str, Any], trigger: Any) -> str | None:
    """What the automation's notification says; None: a condition holds it back."""
    if not all(rendered(condition, trigger=trigger) == "True" for condition in one["conditions"]):
        return None
    return rendered(one["actions"][0]["data"]["message"], trigger=trigger)


def test_the_entities_are_those_of_the_page_and_in_home_assistants_form(tmp_path: Path) -> None:
    one = automation("By a broker")
    with (
        serving(tmp_path / "data") as box,
        mosquitto(tmp_path / "m") as broker,
        listening(broker) as listener,
    ):
        shop = Shop(box)
        with shop.client:
            shop.enrol("Ann Lee")
            shop.arrives()
            shop.arrives(who=2)
            with told(shop, broker, names=True):
                until(lambda: shop.waiting() == 0 and len(listener.configs()) == 4)
    entities = set()
    for topic, config in listener.configs().items():
        component = topic.split("/")[1]
        measured = MEASURED if config["name"] == "Visits today" else set()
        assert set(config) == ENTITY | DISCOVERED[component] | measured
        assert set(config["device"]) == DEVICE
        name = re.sub(r"[^a-z0-9]+", "_", f"{config['device']['name']} {config['name']}".lower())
        entities.add(f"{component}.{name}")
    assert entities == {
        "event.regulars_shop_front_door",
        "device_tracker.regulars_shop_ann_lee_here",
        "sensor.regulars_shop_ann_lee",
        "sensor.regulars_shop_visits_today",
    }
    assert one["trigger"]["entity_id"] == "event.regulars_shop_front_door", "of the tenant `shop`"
    states = [
        SimpleNamespace(to_state=SimpleNamespace(attributes=event))
        for event in listener.events(ARRIVALS)
    ]
    assert [said(one, state) for state in states] == [
        "Ann Lee is at the door",
        "Somebody is at the door",
    ]
    late = SimpleNamespace(
        to_state=SimpleNamespace(attributes={**listener.events(ARRIVALS)[0], "late": True})
    )
    assert said(one, late) is None


def test_a_hook_starts_the_automation(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = automation("By a webhook")
    posted: list[tuple[str, bytes]] = []

    class HomeAssistant(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("REGULARS_HOOK_NETWORKS", "127.0.0.0/8")
    with ThreadingHTTPServer(("127.0.0.1", 0), HomeAssistant) as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("HOME_ASSISTANT", f"http://127.0.0.1:{stand_in.server_port}")
        server = Server(tmp_path / "shop")
        try:
            Session.of("By a webhook", PAGE).answers(server, photos / at_hand.OTHER)
            sees(server, photos / at_hand.OTHER)
            until(lambda: bool(posted))
        finally:
            stand_in.shutdown()
            thread.join()
            assert server.stop() == 0
    [(path, body)] = posted
    assert path == f"/api/webhook/{one['trigger']['webhook_id']}"
    assert said(one, SimpleNamespace(json=json.loads(body))) == "Somebody came to door, visit 1"
    assert said(one, SimpleNamespace(json={**json.loads(body), "type": "camera.silent"})) is None


def test_sensors_read_who_came_today_with_a_key_that_may_only_read(
    server: Server, photos: Path
) -> None:
    [line] = Session.of("Who came today", PAGE).output(server, "curl")
    secret = yaml.safe_load(line)
    assert set(secret) == {"regulars_authorization"}
    key = secret["regulars_authorization"].removeprefix("Bearer ")

    def states() -> dict[str, str]:
        shown = {}
        with Connection(server.url) as connection:
            for resource in settings("Who came today")["rest"]:
                assert set(resource) == REST
                assert resource["headers"] == {"Authorization": "secret regulars_authorization"}
                answer = V1(connection, key).call(
                    "GET", resource["resource"].removeprefix("http://127.0.0.1:8000")
                )
                for sensor in resource["sensor"]:
                    assert set(sensor) <= SENSOR
                    shown[sensor["name"]] = rendered(sensor["value_template"], value_json=answer)
        return shown

    assert states() == {"Visitors today": "0", "Last visitor": "nobody yet"}
    sees(server, photos / at_hand.OTHER)
    until(lambda: states() == {"Visitors today": "1", "Last visitor": "somebody"})
    with Connection(server.url) as connection:
        assert V1(connection, key).call("GET", "/v1/session")["role"] == "viewer"
