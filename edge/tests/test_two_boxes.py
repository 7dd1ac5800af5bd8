"""Two shops' cameras stay two: a camera that another box feeds is refused, and so is a name that
several cameras have."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from regulars_edge.clock import ServiceTime
from regulars_edge.config import parse_config
from regulars_edge.errors import NotAllowed
from regulars_edge.health import Machine
from regulars_edge.http import Http
from regulars_edge.picture import Content, format_rfc3339
from regulars_edge.service import FEEDS_FOR_MS, Box, Service, explain_other_box
from regulars_edge.spool.model import Entry
from rig.clock import FakeClock
from rig.real import Regulars
from rig.standin import StandIn

A, B = Box("a" * 16, "shop-a"), Box("b" * 16, "shop-b")


def service_of(service: StandIn | Regulars, box: Box | None, key: str | None = None) -> Service:
    clock = FakeClock()
    return Service(
        Http(clock),
        service.url,
        lambda: key or service.key,
        ServiceTime(clock),
        makes_cameras=True,
        box=box,
    )


def beat(service: Service, name: str, box: Box) -> None:
    status = {"box": box.id, "box_name": box.name}
    service.send_heartbeat(service.find_camera_id(name), status)


def offer(service: Service, name: str) -> None:
    content = Content(bytes(32), 1_000, "image/jpeg")
    service.offer_pictures([Entry(1, name, content, 1_760_000_000_000, "a copy")])


CALLS: list[Callable[[Service, str], object]] = [Service.find_camera_id, offer]
"""All that a box calls by a camera's name; heartbeats and counts go to the id that is found."""


def test_a_camera_that_another_box_feeds_is_refused_in_words(service: StandIn | Regulars) -> None:
    name = f"ip-camera-{uuid.uuid4().hex[:6]}"
    beat(service_of(service, A), name, A)
    for call in CALLS:
        with pytest.raises(NotAllowed, match="is another box's, shop-a, which was heard") as told:
            call(service_of(service, B), name)
        assert 'write box = "shop-a" into [server]' in str(told.value)
    if isinstance(service, Regulars):
        camera = service.ask(f"/v1/cameras/{name}")
    else:
        camera = service.books.cameras[name]
    assert camera["health"]["refused_box"] == "shop-b", "the console shows it"
    for call in CALLS:
        call(service_of(service, A), name)
        call(service_of(service, None), name)  # as `regulars-edge upload` from a laptop


def test_a_cameras_own_key_feeds_it_from_any_box(service: StandIn | Regulars) -> None:
    """A new box that claimed it: the key is the proof."""
    name = f"own-{uuid.uuid4().hex[:6]}"
    made = service_of(service, A)
    if isinstance(service, Regulars):
        key = service.ask("/v1/cameras", {"id": name, "name": name})["api_key"]
    else:
        key = f"key-of-{made.find_camera_id(name)}"
    beat(made, name, A)
    for call in CALLS:
        call(service_of(service, B, key), name)


@pytest.mark.parametrize(
    ("box", "silent_min", "is_other"),
    [
        (A, 0, False),
        (Box(A.id, "renamed"), 0, False),
        (Box("c" * 16, "shop-a"), 0, True),
        (Box("c" * 16, "shop-a"), FEEDS_FOR_MS // 60_000 + 1, False),
        (B, 60 * 24 * 400, True),
    ],
    ids=["itself", "renamed", "a new card", "a new card, later", "another"],
)
def test_a_box_with_the_name_of_one_that_is_silent_takes_its_place(
    box: Box, silent_min: int, is_other: bool
) -> None:
    now_ms = 1_800_000_000_000
    at = format_rfc3339(now_ms - silent_min * 60_000)
    status = {"box": A.id, "box_name": A.name}
    for times in ({"last_seen_at": at}, {"failing_at": at}):
        camera = {
            "name": "door",
            "last_seen_at": times.get("last_seen_at"),
            "health": {"status": status, "failing_at": times.get("failing_at")},
        }
        assert bool(explain_other_box(camera, box, now_ms)) is is_other
    assert explain_other_box({"name": "door", "health": {"status": {}}}, box, now_ms) is None
    assert explain_other_box({"name": "door"}, box, now_ms) is None, "an old service"


def test_a_name_that_two_cameras_have_is_refused_with_their_ids(stand_in: StandIn) -> None:
    """By an old service, which let two have one name, and finds cameras by their ids alone."""
    stand_in.books.cameras = {
        id_: {"id": id_, "name": "Door", "api_key": f"key-of-{id_}", "enabled": True}
        for id_ in ("door-1", "door-2")
    }
    stand_in.finds_names = False
    with pytest.raises(
        NotAllowed, match=r"2 cameras are called 'Door': .*by its id, door-1, door-2"
    ):
        service_of(stand_in, A).find_camera_id("Door")
    assert len(stand_in.books.cameras) == 2, "and none is made"


def test_a_box_of_before_keeps_the_camera_of_its_spool(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "box").write_text("0123456789abcdef")
    config = parse_config({"server": {"url": stand_in.url, "make_cameras": True}})
    box = Machine.of_folder(config, tmp_path).box
    beat(service_of(stand_in, None), "ip-camera", Box("0123456789abcdef", "as it was called"))
    for call in CALLS:
        call(service_of(stand_in, box), "ip-camera")
