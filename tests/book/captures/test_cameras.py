from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.cameras import (
    MAX_CAMERAS,
    Cameras,
    CameraSettings,
    find_silence,
    id_of_name,
    legal_camera_name,
)
from chalicelib.domain import api_keys
from chalicelib.domain.captures import Camera, is_camera_id
from chalicelib.domain.errors import CameraExists, CameraNotFound, InvalidInput, TooManyCameras
from chalicelib.domain.model import Labels, Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.records.captures import camera_from, camera_item
from tests.support.book.book_with import book_with
from tests.support.book.recount_statistics import items_of
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Meanwhile, side_by_side


@pytest.fixture
def meanwhile(services: Services) -> Meanwhile:
    return Meanwhile(items_of(services))


@pytest.fixture
def slow(services: Services, meanwhile: Meanwhile, clock: FakeClock) -> Cameras:
    """Cameras as another process has them."""
    return book_with(services, items=meanwhile).cameras


def names(services: Services, tenant: Tenant) -> list[str]:
    return [camera.name for camera in services.cameras.list_all(tenant)]


def test_a_camera_is_found_by_id_and_by_name(services: Services, cloud: Tenant) -> None:
    made, _ = services.cameras.add(cloud, "door-1", "Cafe\u0301")
    assert services.cameras.get(cloud, "door-1") == made
    for said in ("door-1", "Caf\u00e9", "Cafe\u0301"):
        assert services.cameras.get_by_any_name(cloud, said) == made
    for said in ("", "door", "caf\u00e9", "#left", "#name#door-1", " ", "x" * 500, "a\u0000"):
        with pytest.raises(CameraNotFound):
            services.cameras.get_by_any_name(cloud, said)
        with pytest.raises(CameraNotFound):
            services.cameras.get(cloud, said)


def test_one_of_many_who_take_a_name_at_once_gets_it(services: Services, cloud: Tenant) -> None:
    made = side_by_side([lambda: services.cameras.add(cloud, None, "door")] * 8)
    assert made.count(CameraExists) == 7
    assert names(services, cloud) == ["door"]


def test_all_of_many_whose_ids_are_made_get_one(services: Services, cloud: Tenant) -> None:
    side_by_side(
        [lambda name=name: services.cameras.add(cloud, None, name) for name in "东西南北上下"]
    )
    assert [camera.id for camera in services.cameras.list_all(cloud)] == [
        "camera",
        *(f"camera-{n}" for n in range(2, 7)),
    ]


def left(services: Services, tenant: Tenant) -> int:
    item = items_of(services).get(keys.CAMERAS, (tenant.name, keys.CAMERAS_LEFT))
    return int(item["left"])


def test_there_may_be_a_thousand(services: Services, cloud: Tenant) -> None:
    services.cameras.add(cloud, None, "first")
    assert left(services, cloud) == MAX_CAMERAS - 1 == 999
    only_one = Update(
        keys.CAMERAS, (cloud.name, keys.CAMERAS_LEFT), (exists("there"),), set={"left": 1}
    )
    items_of(services).transact([only_one])
    made = side_by_side(
        [lambda name=name: services.cameras.add(cloud, None, name) for name in "abcd"]
    )
    assert made.count(TooManyCameras) == 3
    services.cameras.delete(cloud, "first")
    services.cameras.add(cloud, None, "e")
    with pytest.raises(TooManyCameras):
        services.cameras.add(cloud, None, "f")


def test_a_known_key_stops_at_once_if_another_takes_its_place_or_its_camera_goes(
    services: Services, cloud: Tenant
) -> None:
    _, old = services.cameras.add(cloud, None, "door")
    assert services.cameras.find_by_api_key(old) is not None
    new = services.cameras.replace_key(cloud, "door")
    assert services.cameras.find_by_api_key(old) is None
    assert services.cameras.find_by_api_key(new) is not None
    services.tenants.disable(cloud.name)
    known = services.cameras.find_by_api_key(new)
    assert known[0].disabled
    services.cameras.delete(cloud, "door")
    services.cameras.add(cloud, None, "door")
    assert services.cameras.find_by_api_key(new) is None


def test_a_first_camera_is_added_though_another_is_first_meanwhile(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile
) -> None:
    meanwhile.first = [lambda: services.cameras.add(cloud, None, "till")]
    slow.add(cloud, None, "door")
    assert names(services, cloud) == ["door", "till"]
    assert left(services, cloud) == MAX_CAMERAS - 2


def test_changes_of_two_at_once_are_both_kept(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile
) -> None:
    services.cameras.add(cloud, None, "door")
    meanwhile.first = [
        lambda: services.cameras.change(cloud, "door", {"labels": {"a": "x"}, "gap_s": 7})
    ]
    changed = slow.change(cloud, "door", {"labels": {"b": "y"}, "name": "Door 1"})
    assert changed == services.cameras.get(cloud, "door")
    assert (changed.labels, changed.gap_s, changed.name) == (Labels("x", "y"), 7, "Door 1")


def test_a_camera_that_is_deleted_meanwhile_is_not_changed_nor_heard_of(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile, clock: FakeClock
) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: slow.change(cloud, "door", {"gap_s": 7}),
        lambda: slow.replace_key(cloud, "door"),
        lambda: slow.delete(cloud, "door"),
        lambda: slow.note_heartbeat(cloud, services.cameras.get(cloud, "door"), {"x": 1}),
    ]
    for verb in verbs:
        services.cameras.add(cloud, None, "door")
        meanwhile.first = [lambda: services.cameras.delete(cloud, "door")]
        with pytest.raises(CameraNotFound):
            verb()
        assert services.cameras.list_all(cloud) == []
    made, _ = services.cameras.add(cloud, None, "door")
    meanwhile.first = [lambda: services.cameras.delete(cloud, "door")]
    slow.note_last_seen(cloud, made, clock.now())
    assert services.cameras.list_all(cloud) == []
    assert left(services, cloud) == MAX_CAMERAS


def test_all_cameras_are_muted_though_one_of_them_is_deleted_meanwhile(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile, clock: FakeClock
) -> None:
    for name in ("door", "till"):
        services.cameras.add(cloud, name, name)
    until = clock.now() + timedelta(hours=9)
    meanwhile.first = [lambda: services.cameras.delete(cloud, "door")]
    slow.mute(cloud, until)
    assert [(one.id, one.muted_until) for one in services.cameras.list_all(cloud)] == [
        ("till", until)
    ]
    meanwhile.first = [lambda: services.cameras.delete(cloud, "till")]
    with pytest.raises(CameraNotFound):
        slow.mute(cloud, until, "till")


@pytest.mark.parametrize(
    "until", [timedelta(0), timedelta(seconds=-1), timedelta(days=31, seconds=1)]
)
def test_cameras_are_muted_until_a_time_to_come_that_is_not_far(
    services: Services, cloud: Tenant, clock: FakeClock, until: timedelta
) -> None:
    services.cameras.add(cloud, "door", "door")
    with pytest.raises(InvalidInput, match=r"31 days.*2026-"):
        services.cameras.mute(cloud, clock.now() + until)
    assert services.cameras.get(cloud, "door").muted_until is None
    services.cameras.mute(cloud, clock.now() + timedelta(days=31))


@pytest.mark.parametrize("beats", [True, False])
def test_a_silence_that_is_muted_is_an_outage_once_it_ends(
    services: Services, cloud: Tenant, clock: FakeClock, beats: bool
) -> None:
    services.cameras.add(cloud, "door", "door")

    def hear() -> Camera:
        camera = services.cameras.get(cloud, "door")
        if beats:
            return services.cameras.note_heartbeat(cloud, camera, {"n": 1})
        services.cameras.note_last_seen(cloud, camera, clock.now())
        return services.cameras.get(cloud, "door")

    begun = services.cameras.note_heartbeat(
        cloud, services.cameras.get(cloud, "door"), None
    ).last_seen_at
    assert begun is not None
    services.cameras.mute(cloud, begun + timedelta(hours=1))
    for minutes, is_reported, outages in (
        (9, False, 0),
        (30, False, 1),
        (9, False, 1),
        (90, True, 2),
    ):
        clock.advance(timedelta(minutes=minutes))
        services.watch.run()
        assert (services.cameras.get(cloud, "door").silent_since is not None) is is_reported
        assert len(hear().outages) == outages
    muted, reported = services.cameras.get(cloud, "door").outages
    assert muted == (begun + timedelta(minutes=9), begun + timedelta(minutes=39))
    assert reported == (begun + timedelta(minutes=48), begun + timedelta(minutes=138))


def test_a_camera_that_takes_the_place_of_a_deleted_one_meanwhile_is_deleted_whole(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile
) -> None:
    services.cameras.add(cloud, "door", "old name")

    def replaced() -> None:
        services.cameras.delete(cloud, "door")
        services.cameras.add(cloud, "door", "new name")

    meanwhile.first = [replaced]
    slow.delete(cloud, "door")
    assert left(services, cloud) == MAX_CAMERAS
    for name in ("door", "old name", "new name"):
        services.cameras.add(cloud, None, name)


def test_of_two_new_keys_at_once_the_later_is_good(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile
) -> None:
    _, first = services.cameras.add(cloud, None, "door")
    others: list[str] = []
    meanwhile.first = [lambda: others.append(services.cameras.replace_key(cloud, "door"))]
    last = slow.replace_key(cloud, "door")
    assert [
        services.cameras.find_by_api_key(key) is not None for key in (first, *others, last)
    ] == [False, False, True]


def test_an_old_key_whose_pointer_was_left_behind_lets_nobody_in(
    services: Services, cloud: Tenant
) -> None:
    _, old = services.cameras.add(cloud, "door", "door")
    services.cameras.replace_key(cloud, "door")
    items_of(services).transact(
        [api_keys.let_in(keys.api_key_item(api_keys.digest(old)), cloud.name, camera="door")]
    )
    assert services.cameras.find_by_api_key(old) is None


def test_a_rename_frees_the_old_name_and_keeps_the_id(services: Services, cloud: Tenant) -> None:
    services.cameras.add(cloud, None, "door")
    services.cameras.change(cloud, "door", {"name": "Front"})
    with pytest.raises(CameraExists):
        services.cameras.add(cloud, None, "door")
    services.cameras.change(cloud, "door", {"name": "Back"})
    services.cameras.add(cloud, None, "Front")
    services.cameras.change(cloud, "door", {"name": "door"})
    services.cameras.add(cloud, None, "Back")
    assert names(services, cloud) == ["Back", "Front", "door"]


def test_what_is_set_to_what_it_is_writes_nothing(services: Services, cloud: Tenant) -> None:
    made, _ = services.cameras.add(cloud, None, "door")
    same = {"name": "door", "labels": {}, "gap_s": 1800, "groups": None, "enabled": True}
    assert services.cameras.change(cloud, "door", same) == made
    assert services.cameras.change(cloud, "door", {"gap_s": 7}).version == made.version + 1


@pytest.mark.parametrize(
    ("status", "meant"),
    [(None, [0, 0, 60, 60, 120, 120, 180, 180]), ({"queue": 3}, [0] * 8)],
    ids=["bare", "box"],
)
def test_last_seen_is_written_once_a_minute_or_as_often_as_heartbeats(
    services: Services,
    cloud: Tenant,
    clock: FakeClock,
    status: Mapping[str, int] | None,
    meant: list[int],
) -> None:
    services.cameras.add(cloud, None, "door")
    start, written = clock.now(), []
    if status:
        services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "door"), status)
    for seconds in (*range(0, 240, 30), 420):
        services.cameras.note_last_seen(
            cloud, services.cameras.get(cloud, "door"), start + timedelta(seconds=seconds)
        )
        seen_at = services.cameras.get(cloud, "door").last_seen_at
        written.append((seen_at - start).total_seconds())
    assert written == [*meant, 420]


def test_heartbeats_of_numbers_are_written_every_seven_minutes_and_all_others_at_once(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.cameras.add(cloud, None, "door", CameraSettings(silent_after_s=600))
    written, kept = [], []

    def beat(is_working: bool = True, **status: object) -> bool:
        before = services.items.get(keys.CAMERAS, (cloud.name, "door"))
        services.cameras.note_heartbeat(
            cloud, services.cameras.get(cloud, "door"), status, is_working=is_working
        )
        return services.items.get(keys.CAMERAS, (cloud.name, "door")) != before

    for number in range(10):
        written.append(beat(sent=number, version="1.0"))
        kept.append(services.cameras.get(cloud, "door").status["sent"])
        clock.advance(timedelta(minutes=2))
    assert written == [True, False, False, False] * 2 + [True, False]
    assert kept == [0] * 8 + [8, 8], "numbers each quarter of an hour"
    assert beat(sent=1, version="1.1")
    assert beat(sent=1, version="1.1", error="no picture")
    assert beat(is_working=False, sent=2, version="1.1", error="no picture")
    assert not beat(is_working=False, sent=3, version="1.1", error="no picture")
    assert beat(sent=4, version="1.1", error=None)
    heard_at = clock.now()
    clock.advance(timedelta(minutes=4, seconds=50))
    assert not beat(sent=5, version="1.1", error=None)
    clock.advance(timedelta(minutes=10))
    camera = services.cameras.get(cloud, "door")
    assert find_silence(camera, cloud, clock.now()) is None, "never before silent_after_s"
    assert find_silence(camera, cloud, heard_at + timedelta(minutes=17)) is not None


def test_numbers_are_kept_of_a_camera_that_offers_captures_all_the_time(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.cameras.add(cloud, None, "door")
    for number in range(10):
        services.cameras.note_last_seen(cloud, services.cameras.get(cloud, "door"), clock.now())
        services.cameras.note_heartbeat(
            cloud, services.cameras.get(cloud, "door"), {"sent": number}
        )
        clock.advance(timedelta(minutes=2))
    assert services.cameras.get(cloud, "door").status == {"sent": 8}


def test_who_is_silent_is_listed_until_it_is_told(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    start = clock.now()
    for name, settings in (
        ("never", CameraSettings(silent_after_s=None)),
        ("off", CameraSettings(silent_after_s=300, enabled=False)),
        ("new", CameraSettings(silent_after_s=300)),
        ("seen", CameraSettings(silent_after_s=600)),
    ):
        services.cameras.add(cloud, None, name, settings)
    clock.advance(timedelta(seconds=100))
    services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "seen"), None)

    def silent(seconds: float) -> list[str]:
        watched = services.cameras.list_watched(cloud, start + timedelta(seconds=seconds))
        return [one.id for one, silence in watched if silence]

    assert silent(299.9) == []
    assert silent(300) == ["new"]
    assert silent(699.9) == ["new"]
    assert silent(700) == ["new", "seen"]
    told = Update(keys.CAMERAS, (cloud.name, "new"), (exists("there"),), set={"silent_since": 1})
    items_of(services).transact([told])
    assert silent(10**7) == ["seen"]


@given(st.text(max_size=120))
def test_every_name_has_an_id_that_is_legal(name: str) -> None:
    assert is_camera_id(id_of_name(name))
    if is_camera_id(name):
        assert id_of_name(name) == name


@given(st.text(max_size=120))
def test_a_legal_name_stays_itself(name: str) -> None:
    try:
        legal = legal_camera_name(name)
    except InvalidInput:
        return
    assert legal_camera_name(legal) == legal


texts = st.text(max_size=10)
values = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | texts
)


@given(
    labels=st.builds(Labels, texts, texts, texts, texts),
    group_ids=st.none() | st.lists(texts, max_size=3).map(tuple),
    quality=st.integers(0, 1000).map(lambda tenths: tenths / 10),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    times=st.tuples(*[st.none() | st.datetimes(timezones=st.just(FakeClock().now().tzinfo))] * 3),
    status=st.dictionaries(texts, values, max_size=3),
)
def test_a_camera_is_read_as_it_was_stored(
    labels: Labels, group_ids: Any, quality: float, flags: Any, times: Any, status: dict[str, Any]
) -> None:
    seen_at, silent_since, failing_at = (at and at.replace(microsecond=0) for at in times)
    camera = Camera(
        id="door",
        name="大门",
        created_at=FakeClock().now(),
        labels=labels,
        group_ids=group_ids,
        stranger_quality=quality,
        keeps_strangers=flags[0],
        learns=flags[2],
        enabled=flags[1],
        edge=status,
        last_seen_at=seen_at,
        silent_since=silent_since,
        failing_at=failing_at,
        status=status,
        version=3,
    )
    assert camera_from(camera_item("shop", camera, "0" * 64)) == camera


def test_settings_that_are_set_while_the_former_go_on_are_kept(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile, clock: FakeClock
) -> None:
    services.cameras.add(cloud, None, "door")
    services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "door"), {"box": "b1"})
    services.cameras.begin_wave(cloud, {"kib_per_s": 5})
    clock.advance(timedelta(seconds=1))
    meanwhile.first = [lambda: services.cameras.begin_wave(cloud, {"kib_per_s": 200})]
    slow.advance_wave(cloud)
    assert services.cameras.read_wave(cloud).settings == {"kib_per_s": 200}
    assert services.cameras.get(cloud, "door").edge == {}
    slow.advance_wave(cloud)
    assert services.cameras.get(cloud, "door").edge == {"kib_per_s": 200}


def test_what_somebody_sets_of_a_camera_while_a_wave_reaches_it_is_kept(
    services: Services, cloud: Tenant, slow: Cameras, meanwhile: Meanwhile
) -> None:
    services.cameras.add(cloud, None, "door")
    services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "door"), {"box": "b1"})
    services.cameras.begin_wave(cloud, {"kib_per_s": 5})
    change = {"edge": {"send": "faces"}}
    meanwhile.first = [lambda: None, lambda: services.cameras.change(cloud, "door", change)]
    slow.advance_wave(cloud)
    slow.advance_wave(cloud)
    assert services.cameras.get(cloud, "door").edge == {"send": "faces", "kib_per_s": 5}
