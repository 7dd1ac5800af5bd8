"""A film of the count from the box to the service itself, and what a person says of it there."""

import time

from regulars_edge.clock import Clock, ServiceTime
from regulars_edge.http import Http
from regulars_edge.service import Service
from regulars_edge.spool.counts import MINUTE_MS
from rig.filming import Filming
from rig.real import Regulars
from rig.walkers import straight

WALKS = [straight(500, 50, 950, 200, begins=20), straight(200, 50, 950, 200, begins=35)]


def test_a_film_is_sent_when_it_is_asked_for_and_its_answer_proves_the_count(
    started_regulars: Regulars,
) -> None:
    camera = started_regulars.add_camera()
    path = f"/v1/cameras/{camera}"
    key = str(started_regulars.ask(f"{path}/key", {})["api_key"])

    def beat() -> bool:
        answer = started_regulars.ask(f"{path}/heartbeat", {}, key=key)
        return bool(answer["counting"]["film_wanted"])

    assert not beat()
    started_regulars.ask(f"{path}/checks", {})
    assert beat()
    at_ms = (int(time.time() * 1000) // MINUTE_MS - 2) * MINUTE_MS
    filming = Filming(offset_ms=at_ms)
    filming.show(WALKS)
    [film] = filming.films
    [body] = filming.read()
    assert (body["in"], body["out"]) == (2, 0)
    minute = {name: body[name] for name in ("at", "seconds", "in", "out")} | {"faces": 0}
    started_regulars.ask(f"{path}/counts", {"minutes": [minute]}, "PUT", key)
    clock = Clock()
    sender = Service(Http(clock), started_regulars.url, lambda: key, ServiceTime(clock))
    sender.send_film(camera, film, "")
    assert not beat()
    shown = started_regulars.ask(f"{path}/film")
    assert shown["looks"] == body["looks"]
    checks = started_regulars.ask(f"{path}/checks/{body['at']}", {"in": 2, "out": 0}, "PUT")
    assert checks["proof"]["answers"] == 1
