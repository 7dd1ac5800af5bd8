"""What docs/tasks/mqtt.md prints, run against a real server and a real broker."""

from __future__ import annotations

from pathlib import Path

from tests import photos as at_hand
from tests.docs.session import ROOT, Session, sees
from tests.faults.server import Server
from tests.regulars.mqtt.mosquitto import listening, mosquitto
from tests.regulars.serve.test_front import until

PAGE = ROOT / "docs/tasks/mqtt.md"


def test_an_arrival_is_told_as_the_page_says(server: Server, photos: Path, tmp_path: Path) -> None:
    with mosquitto(tmp_path / "mosquitto") as broker, listening(broker) as listener:
        with Session.of("Begin", PAGE).running(server, BROKER=f"mqtt://127.0.0.1:{broker.port}"):
            until(lambda: listener.retained.get("regulars/camera/available") == "online")
            sees(server, photos / at_hand.OTHER)
            until(lambda: bool(listener.events("regulars/camera/cameras/door")))
        [event] = listener.events("regulars/camera/cameras/door")
    told = PAGE.read_text(encoding="utf-8").split("| `regulars/TENANT/cameras/CAMERA` |")[1].split("\n")[0]
    assert all(f"`{name}`" in told for name in event), event
    assert (event["event_type"], event["group"], event["visit"]) == ("face.arrived", "stranger", 1)
