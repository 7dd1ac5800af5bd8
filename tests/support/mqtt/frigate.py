"""A stand-in of Frigate: its HTTP API of events as 0.14 to 0.17 document it, and its messages at
frigate/events."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.mqtt.mosquitto import Listener

TRACKED = json.loads("""{
    "id": "", "camera": "", "frame_time": 0.0, "start_time": 0.0, "end_time": null,
    "label": "person",
    "snapshot": {"frame_time": 0.0, "box": [415, 489, 528, 700], "area": 12728,
                 "region": [260, 446, 660, 846], "score": 0.77546, "attributes": []},
    "sub_label": null, "top_score": 0.958984375, "false_positive": false, "score": 0.7890625,
    "box": [424, 500, 536, 712], "area": 23744, "ratio": 2.113207, "region": [264, 450, 667, 853],
    "current_zones": ["driveway"], "entered_zones": ["yard", "driveway"], "thumbnail": null,
    "has_snapshot": true, "has_clip": false, "active": true, "stationary": false,
    "motionless_count": 0, "position_changes": 2, "attributes": {"face": 0.64},
    "current_attributes": []
}""")
"""What Frigate follows, as the documentation shows it."""


def message(
    event: str, at: float, kind: str = "update", camera: str = "front_door", **after: Any
) -> dict[str, Any]:
    """A message at frigate/events, as the documentation shows it.

    `at`: when its best picture was taken.
    """
    tracked = {
        **TRACKED,
        "id": event,
        "camera": camera,
        "frame_time": at + 0.2,
        "start_time": at - 1,
        "snapshot": {**TRACKED["snapshot"], "frame_time": at},
        "end_time": at + 3 if kind == "end" else None,
    }
    return {"type": kind, "before": tracked, "after": tracked | after}


@dataclass
class FakeFrigate:
    """`pictures`: by event.

    `listed`: what GET /api/events answers. `refuses`: the status of every answer, if set.
    """

    url: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)
    listed: list[dict[str, Any]] = field(default_factory=list)
    refuses: int | None = None
    asked: list[str] = field(default_factory=list)
    labels: list[tuple[str, str, float]] = field(default_factory=list)

    def sees(
        self,
        listener: Listener,
        event: str,
        at: float,
        picture: bytes,
        kind: str = "update",
        **more: Any,
    ) -> None:
        self.pictures[event] = picture
        self.says(listener, message(event, at, kind, **more))

    @staticmethod
    def says(listener: Listener, said: Any) -> None:
        listener.client.publish(
            "frigate/events", said if isinstance(said, bytes) else json.dumps(said), 0
        )

    def keeps(self, event: str, at: float, picture: bytes, camera: str = "front_door") -> None:
        """What its database has of somebody who has gone."""
        self.pictures[event] = picture
        row = {
            "id": event,
            "camera": camera,
            "label": "person",
            "start_time": at,
            "end_time": at + 4,
        }
        more = {"sub_label": None, "zones": [], "data": {"box": [0.1, 0.2, 0.3, 0.4], "score": 0.8}}
        self.listed.append(row | {"has_snapshot": True} | more)


@contextmanager
def frigate() -> Iterator[FakeFrigate]:
    fake = FakeFrigate()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            fake.asked.append(self.path)
            if fake.refuses is not None:
                return self._answer(fake.refuses, b"{}")
            if parts.path == "/api/events":
                after = float(parse_qs(parts.query)["after"][0])
                return self._answer(
                    200,
                    json.dumps([one for one in fake.listed if one["start_time"] > after]).encode(),
                )
            event = parts.path.removeprefix("/api/events/").removesuffix("/snapshot.jpg")
            if event in fake.pictures:
                return self._answer(200, fake.pictures[event], "image/jpeg")
            return self._answer(404, b'{"success": false, "message": "Event not found"}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if fake.refuses is not None:
                return self._answer(fake.refuses, b"{}")
            assert set(body) == {"subLabel", "subLabelScore"}
            assert len(body["subLabel"]) <= 100
            assert 0 < body["subLabelScore"] <= 1
            event = self.path.removeprefix("/api/events/").removesuffix("/sub_label")
            fake.labels.append((event, body["subLabel"], body["subLabelScore"]))
            return self._answer(200, b'{"success": true}')

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
