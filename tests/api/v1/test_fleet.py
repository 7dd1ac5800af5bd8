from datetime import timedelta
from typing import Any

from chalicelib.services import Services
from chalicelib.storage import keys
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock

BOXES = 21


def beat(v1: V1Client, number: int, **told: object) -> Any:
    status = {"box": f"b{number:02}", "version": "1.0.0", **told}
    return v1.done("POST", f"/v1/cameras/c{number}/heartbeat", {"status": status})["edge"]


def test_settings_of_boxes_come_to_one_then_to_a_tenth_then_to_all(
    v1: V1Client, services: Services, clock: FakeClock
) -> None:
    nothing = v1.done("GET", "/v1/fleet")
    assert (nothing["settings"], nothing["state"], nothing["reached"]) == ({}, "done", [])
    for number in range(BOXES):
        v1.add_camera(f"c{number}", edge={"send": "faces", "kib_per_s": 5})
        beat(v1, number)
    settings = {"kib_per_s": 200, "upload_hours": ["22:00-06:00"]}
    begun = v1.done("PUT", "/v1/fleet", {"settings": settings})
    assert (begun["state"], begun["reached"], begun["settings"]) == ("going", [], settings)
    for reached in (1, 3, BOXES, BOXES):
        services.watch.run()
        have = [
            number for number in range(BOXES) if beat(v1, number) == {"send": "faces", **settings}
        ]
        assert have == list(range(reached))
        assert len(v1.done("GET", "/v1/fleet")["reached"]) == reached
        clock.advance(timedelta(minutes=14))
        assert all(beat(v1, number) for number in range(BOXES))
        clock.advance(timedelta(minutes=16))
        assert all(beat(v1, number) for number in range(BOXES))
    assert v1.done("GET", "/v1/fleet")["state"] == "done"
    v1.add_camera("c99")
    beat(v1, 99)
    services.watch.run()
    assert beat(v1, 99) == settings, "a box that comes later"


def test_a_box_that_falls_silent_or_takes_back_the_version_stops_the_wave(
    v1: V1Client, services: Services, clock: FakeClock
) -> None:
    for number in range(BOXES):
        v1.add_camera(f"c{number}")
        beat(v1, number)
    v1.done("PUT", "/v1/fleet", {"settings": {"version": "2.0.0"}})
    services.watch.run()
    assert [beat(v1, number) for number in range(2)] == [{"version": "2.0.0"}, {}]
    clock.advance(timedelta(minutes=30))
    for number in range(BOXES):
        beat(v1, number, update="2.0.0 was not well, 1.0.0 runs again")
    services.watch.run()
    stopped = v1.done("GET", "/v1/fleet")
    assert (stopped["state"], stopped["stopped"]) == ("stopped", "2.0.0 does not run: b00")
    v1.done("PUT", "/v1/fleet", {"settings": {"kib_per_s": 9}})
    services.watch.run()
    clock.advance(timedelta(minutes=20))
    for number in range(1, BOXES):
        beat(v1, number)
    services.watch.run()
    assert v1.done("GET", "/v1/fleet")["stopped"] is None, "the service may have been away"
    clock.advance(timedelta(minutes=7))
    beat(v1, 1)
    services.watch.run()
    assert v1.done("GET", "/v1/fleet")["stopped"] == "silent: b00"
    assert beat(v1, 1) == {}
    assert (
        "settings" in v1.failed(400, "PUT", "/v1/fleet", {"settings": {"kib_per_s": 0}})["detail"]
    )


def test_what_a_wave_has_set_stays_when_a_camera_is_changed_and_fits_its_item(
    v1: V1Client, services: Services
) -> None:
    v1.add_camera("c0", edge={"send": "faces"})
    hours = {"upload_hours": ["22:00-06:00"], "mib_per_month": 500, "version": "1.0.0"}
    beat(v1, 0)
    v1.done("PUT", "/v1/fleet", {"settings": hours})
    services.watch.run()
    for sent in ({"send": "motion"}, {}, {"send": "all", "upload_hours": []}):
        wanted = {**sent, **hours}
        assert v1.done("PATCH", "/v1/cameras/c0", {"edge": sent})["edge"] == wanted
        assert beat(v1, 0) == wanted
    [tenant] = services.tenants.list_all()
    item = services.items.get(keys.CAMERAS, (tenant.name, keys.FLEET)) or {}
    assert (item["is_done"], item["reached"]) == (True, [])
