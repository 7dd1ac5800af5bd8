"""What docs/tasks/frigate.md prints, run against a real server, a real broker and a stand-in of Frigate."""

from __future__ import annotations

import re
import time
from pathlib import Path

import yaml

from regulars.clients import V1, Connection
from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server
from tests.regulars.mqtt.frigate import frigate
from tests.regulars.mqtt.mosquitto import listening, mosquitto
from tests.regulars.serve.test_front import until

PAGE = ROOT / "docs/tasks/frigate.md"
EVENT = "1607123955.475377-mxklsc"


def test_a_person_whom_frigate_sees_is_named_there(server: Server, photos: Path, tmp_path: Path) -> None:
    one, other = at_hand.PAIRS[0]
    folder = tmp_path / "people" / "Ann Lee"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes((photos / one).read_bytes())
    key = server.credentials("camera").api_key
    Session(f"REGULARS_API_KEY={key} regulars import people --url $URL --group regular").output(server)
    with mosquitto(tmp_path / "mosquitto") as broker, listening(broker) as listener, frigate() as stand_in:
        session = Session.of("Begin", PAGE)
        with session.running(server, BROKER=f"mqtt://127.0.0.1:{broker.port}", FRIGATE=stand_in.url):
            until(lambda: bool(stand_in.asked))
            stand_in.sees(listener, EVENT, time.time(), (photos / other).read_bytes(), kind="end")
            until(lambda: bool(stand_in.labels))
    [(event, name, _score)] = stand_in.labels
    assert (event, name) == (EVENT, "Ann Lee")
    with Connection(server.url) as connection:
        [capture] = V1(connection, key).captures("front_door")["captures"]
    assert capture["track"] == EVENT


def test_the_settings_of_frigate_that_are_shown_are_yaml() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    shown = yaml.safe_load(block)
    assert shown["snapshots"]["bounding_box"] is False
    assert shown["face_recognition"]["enabled"] is False
