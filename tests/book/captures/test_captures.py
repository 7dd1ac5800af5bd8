import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.captures.captures import (
    MOST_FACES,
    STATES,
    CaptureFilter,
    Captures,
    Offer,
    cut_to_most_faces,
)
from chalicelib.bootstrap import build
from chalicelib.domain.captures import Capture, CaptureState, Resolution, Sighting
from chalicelib.domain.errors import CameraNotFound, DailyLimitReached, StorageUnavailable
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.pictures import BoundingBox
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.items import ListPage
from chalicelib.storage.ports import Page, Put, Update, exists
from chalicelib.storage.records.captures import capture_from, capture_item
from tests.book.captures.listed import written
from tests.support.book.book_with import book_with
from tests.support.book.recount_statistics import items_of
from tests.support.book.tenants import KEEPING, add_tenant
from tests.support.fakes import FakeClock
from tests.support.meanwhile import Around, Meanwhile, side_by_side
from tests.support.paged import paged


@pytest.fixture
def shop(services: Services, cloud: Tenant) -> Tenant:
    """With one camera, `door`."""
    services.cameras.add(cloud, None, "door")
    return cloud


def offer(at: datetime, number: int = 0, camera: str = "door", **other: Any) -> Offer:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return replace(Offer(camera, digest, 7, "image/jpeg", at), **other)


def put(services: Services, tenant: Tenant, id_: str, camera: str = "door") -> None:
    services.ports.storage.uploads.put_if_absent(
        keys.capture_picture(tenant.name, camera, id_), b"picture", "image/jpeg"
    )


def records(services: Services, tenant: Tenant, camera: str = "door") -> list[Capture]:
    page = items_of(services).query(keys.CAPTURES, keys.captures(tenant.name, camera))
    return [capture_from(item) for item in page.items]


def through(meanwhile: Meanwhile, services: Services, clock: FakeClock) -> Captures:
    """Captures as another process has them."""
    return book_with(services, items=meanwhile, clock=clock).captures


def test_many_who_offer_the_same_write_it_once(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    offers = [offer(clock.now(), number) for number in range(100)]
    answers = side_by_side([lambda: services.captures.offer_uploads(shop, offers)] * 6)
    assert len({tuple(upload.capture.id for upload in answer) for answer in answers}) == 1
    assert sorted(written(services, shop)) == sorted(upload.capture.id for upload in answers[0])


def test_those_that_others_offer_meanwhile_do_not_fail_the_rest(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    offers = [offer(clock.now(), number) for number in range(5)]
    meanwhile = Meanwhile(items_of(services))
    meanwhile.first = [
        lambda: services.captures.offer_uploads(shop, offers[1:3]),
        lambda: services.captures.offer_uploads(shop, offers[3:]),
    ]
    answer = through(meanwhile, services, clock).offer_uploads(shop, offers)
    assert {upload.capture.state for upload in answer} == {CaptureState.WANTED}
    assert len(written(services, shop)) == 5


def test_until_the_picture_is_there_the_last_word_on_its_size_and_type_holds(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    (first,) = services.captures.offer_uploads(shop, [offer(clock.now(), size=6)])
    (second,) = services.captures.offer_uploads(
        shop, [offer(clock.now(), content_type="image/png")]
    )
    sent = {name.lower(): value for name, value in second.request.headers.items()}
    assert (sent["content-length"], sent["content-type"]) == ("7", "image/png")
    put(services, shop, first.capture.id)
    (third,) = services.captures.offer_uploads(shop, [offer(clock.now(), size=8)])
    assert third.request is None
    stored = services.captures.get(shop, "door", first.capture.id)
    assert (stored.size, stored.content_type, stored.state) == (7, "image/png", CaptureState.STORED)


def test_a_capture_that_is_resolved_while_it_is_offered_again_stays_as_it_is(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    (made,) = services.captures.offer_uploads(shop, [offer(clock.now())])
    key = keys.capture(shop.name, "door", made.capture.id)
    resolved = Update(keys.CAPTURES, key, (exists("there"),), set={"state": CaptureState.RESOLVED})
    meanwhile = Meanwhile(items_of(services))
    meanwhile.first = [lambda: items_of(services).transact([resolved])]
    (answer,) = through(meanwhile, services, clock).offer_uploads(
        shop, [offer(clock.now(), size=9)]
    )
    assert (answer.capture.state, answer.capture.size, answer.request) == (
        CaptureState.RESOLVED,
        7,
        None,
    )


def test_a_capture_that_is_offered_and_resolved_by_others_meanwhile_stays_resolved(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    def offered_and_resolved() -> None:
        (made,) = services.captures.offer_uploads(shop, [offer(clock.now())])
        key = keys.capture(shop.name, "door", made.capture.id)
        resolved = {"state": CaptureState.RESOLVED}
        items_of(services).transact([Update(keys.CAPTURES, key, (exists("there"),), set=resolved)])

    meanwhile = Meanwhile(items_of(services))
    meanwhile.first = [offered_and_resolved]
    (answer,) = through(meanwhile, services, clock).offer_uploads(shop, [offer(clock.now())])
    assert (answer.capture.state, answer.request) == (CaptureState.RESOLVED, None)
    assert len(services.captures.read_page(shop, "door").rows) == 1


MB = 1_000_000


def offered(
    services: Services, tenant: Tenant, clock: FakeClock, numbers: range, **other: Any
) -> int:
    """Offer a capture a number, one by one, until the day's limit is reached; return how many were
    taken."""
    for taken, number in enumerate(numbers):
        try:
            services.captures.offer_uploads(tenant, [offer(clock.now(), number, **other)])
        except DailyLimitReached:
            return taken
    return len(numbers)


def test_a_camera_may_offer_so_many_megabytes_a_day(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    services.cameras.add(shop, None, "till")
    limited = replace(shop, capture_mb_a_day=100)
    for _ in range(2):
        assert offered(services, limited, clock, range(20), size=10 * MB) == 10
        assert offered(services, limited, clock, range(20), size=10 * MB, camera="till") == 10, (
            "each camera has its own"
        )
        clock.advance(timedelta(days=1))
    assert (
        offered(services, replace(shop, capture_mb_a_day=None), clock, range(20), size=10 * MB)
        == 20
    )


def test_a_call_over_the_days_limit_is_refused_whole_and_told_when_the_day_ends(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    limited = replace(shop, capture_mb_a_day=100, time_zone="UTC")
    with pytest.raises(DailyLimitReached, match=r"'door'.*100 MB") as caught:
        services.captures.offer_uploads(
            limited, [offer(clock.now(), number, size=20 * MB) for number in range(6)]
        )
    assert written(services, shop) == []
    assert caught.value.again_in_s == 12 * 3600
    assert services.cameras.get(shop, "door").last_seen_at is None


def test_what_is_offered_again_is_charged_only_if_its_size_changes(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    limited = replace(shop, capture_mb_a_day=100)
    same = offer(clock.now(), size=10 * MB)
    for _ in range(30):
        services.captures.offer_uploads(limited, [same])
    for number in range(1, 6):
        services.captures.offer_uploads(limited, [offer(clock.now(), number, size=1)])
    grown = [offer(clock.now(), number, size=20 * MB) for number in range(1, 6)]
    with pytest.raises(DailyLimitReached):
        services.captures.offer_uploads(limited, grown)
    assert {capture.size for capture in records(services, shop)} == {1, 10 * MB}
    services.captures.offer_uploads(limited, grown[:4])


def test_the_smallest_capture_counts_as_64_kb_since_its_record_is_kept_too(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    limited = replace(shop, capture_mb_a_day=21)
    assert offered(services, limited, clock, range(400), size=1) == 21_000_000 // 64_000


def test_times_are_kept_to_the_millisecond_below(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    at = clock.now().replace(microsecond=123_999)
    (first,) = services.captures.offer_uploads(shop, [offer(at)])
    assert first.capture.captured_at == at.replace(microsecond=123_000)
    same, other = services.captures.offer_uploads(
        shop, [offer(at.replace(microsecond=123_000)), offer(clock.now())]
    )
    assert first.capture.id == same.capture.id != other.capture.id


def test_storage_that_fails_leaves_nothing_and_the_camera_unseen(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    def away() -> None:
        raise StorageUnavailable("storage does not answer: try again")

    meanwhile = Meanwhile(items_of(services))
    meanwhile.first = [away]
    captures = through(meanwhile, services, clock)
    with pytest.raises(StorageUnavailable):
        captures.offer_uploads(shop, [offer(clock.now())])
    assert written(services, shop) == []
    assert services.cameras.get(shop, "door").last_seen_at is None


def test_however_many_never_came_those_whose_picture_is_there_are_listed(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    """Also where nobody has resolved them yet: a thousand offers hide no older picture."""
    there = [
        services.captures.offer_uploads(shop, [offer(clock.now() - timedelta(days=1), n)])[
            0
        ].capture.id
        for n in range(2)
    ]
    for id_ in there:
        put(services, shop, id_)
    for begin in range(0, 1000, 100):
        offered = services.captures.offer_uploads(
            shop, [offer(clock.now(), begin + number) for number in range(100)]
        )
        there.append(offered[7].capture.id)
        put(services, shop, there[-1])
    pages = list(walked(services, shop, "door", 100))
    assert {capture.id for page in pages for capture in page.rows} == set(there)


def test_a_page_reads_a_thousand_records_however_many_there_are(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    """A stolen key offers thousands that never come; who lists must not read them all at once."""
    old, *_ = services.captures.offer_uploads(shop, [offer(clock.now() - timedelta(days=1))])
    put(services, shop, old.capture.id)
    for begin in range(0, 3000, 100):
        services.captures.offer_uploads(
            shop, [offer(clock.now(), begin + number) for number in range(100)]
        )
    counted = Counted(items_of(services))
    listing = Captures(book_with(services, items=counted, cameras=services.cameras))
    page = listing.read_page(shop, "door", 1, None)
    assert (page.rows, page.next_token is None) == ([], False)
    assert counted.read <= 1_200
    pages = list(walked(services, shop, "door", 1))
    assert len(pages) <= 4
    assert [capture.id for page in pages for capture in page.rows] == [old.capture.id]


class Counted(Around):
    """An item store that counts the items that it reads."""

    read = 0

    def query(self, *args: Any, **named: Any) -> Page:
        page = self._items.query(*args, **named)
        self.read += len(page.items)
        return page


def walked(
    services: Services, tenant: Tenant, camera: str | None, limit: int
) -> Iterator[ListPage[Capture]]:
    return paged(lambda token: services.captures.read_page(tenant, camera, limit, token))


def test_a_list_that_is_walked_is_not_moved_by_what_comes_meanwhile(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    start = clock.now()
    ids = []
    for number in range(4):
        (made,) = services.captures.offer_uploads(shop, [offer(start - timedelta(seconds=number))])
        put(services, shop, made.capture.id)
        ids.append(made.capture.id)
    first = services.captures.read_page(shop, "door", limit=2)
    for seconds in (-1.5, 60.0):  # newer than where the walk is, and than anything
        (made,) = services.captures.offer_uploads(
            shop, [offer(start + timedelta(seconds=seconds), 9)]
        )
        put(services, shop, made.capture.id)
    second = services.captures.read_page(shop, "door", limit=9, token=first.next_token)
    listed = [capture.id for capture in (*first.rows, *second.rows)]
    assert [id_ for id_ in listed if id_ in ids] == ids
    assert len(set(listed)) == len(listed) == 5
    assert second.next_token is None


def test_a_page_ends_before_its_faces_are_more_than_lambda_answers(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    camera = services.cameras.get_by_any_name(shop, "door")
    faces = tuple(
        Sighting(number, Resolution.SKIPPED, BoundingBox(0, 0, 9, 9)) for number in range(9)
    )
    state = CaptureState.RESOLVED
    made = [
        Capture(
            f"{number:013}-{'a' * 24}",
            camera.id,
            clock.now(),
            "0" * 64,
            7,
            "image/jpeg",
            state,
            sightings=faces,
        )
        for number in range(400)
    ]
    for one in made:
        items_of(services).transact(
            [Put(keys.CAPTURES, capture_item(shop.name, one, clock.now()), ())]
        )
    pages = [page.rows for page in walked(services, shop, "door", 1000)]
    assert [one.id for rows in pages for one in rows] == [one.id for one in reversed(made)]
    assert [sum(len(one.sightings) for one in rows) <= MOST_FACES for rows in pages] == [True, True]
    crowd = replace(made[0], sightings=faces * 300)
    assert cut_to_most_faces([crowd, made[0]]) == [crowd], (
        "a page goes on, whatever a capture shows"
    )


tenants = count()


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder: Path = tmp_path_factory.mktemp("captures")
    services = build(Settings(storage=folder / "data"), clock=FakeClock())
    yield services
    services.close()


def fill(
    services: Services, tenant: Tenant, made: list[tuple[str, int, str]]
) -> list[tuple[str, str]]:
    """Offer captures, (camera, seconds ago, what became of it) each; camera and id of those that
    are there, newest first."""
    now, there = FakeClock().now(), {}
    for number, (camera, ago, fate) in enumerate(made):
        (upload,) = services.captures.offer_uploads(
            tenant, [offer(now - timedelta(seconds=ago), number, camera)]
        )
        id_ = upload.capture.id
        if fate != "wanted":
            there[id_] = camera
            put(services, tenant, id_, camera)
        if fate in ("resolved", "parked", "waits"):
            state = CaptureState.STORED if fate == "waits" else CaptureState(fate)
            key = keys.capture(tenant.name, camera, id_)
            items_of(services).transact(
                [Update(keys.CAPTURES, key, (exists("there"),), set={"state": state})]
            )
    return [(there[id_], id_) for id_ in sorted(there, reverse=True)]


def test_a_camera_that_is_not_there_has_no_page(services: Services, shop: Tenant) -> None:
    for camera in ("nobody", "", "#left", "a#b"):
        with pytest.raises(CameraNotFound):
            services.captures.read_page(shop, camera)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    made=st.lists(
        st.tuples(
            st.sampled_from(["door", "till"]),
            st.integers(0, 3),
            st.sampled_from(["wanted", "stored", "waits", "resolved", "parked"]),
        ),
        max_size=12,
    ),
    limit=st.integers(1, 6),
)
def test_pages_together_are_the_list(
    everywhere: Services, made: list[tuple[str, int, str]], limit: int
) -> None:
    tenant = add_tenant(everywhere, f"t{next(tenants)}", Profile.CLOUD)
    for camera in ("door", "till", "idle"):
        everywhere.cameras.add(tenant, None, camera)
    expected = fill(everywhere, tenant, made)
    for camera in (None, "door", "till", "idle"):
        wanted = [entry for entry in expected if camera is None or entry[0] == camera]
        pages = list(walked(everywhere, tenant, camera, limit))
        listed = [capture for page in pages for capture in page.rows]
        assert all(capture.state is not CaptureState.WANTED for capture in listed)
        assert [(capture.camera_id, capture.id) for capture in listed] == wanted
        assert all(len(page.rows) == limit for page in pages[:-1])


_SHOP_TIMES = st.lists(st.integers(0, 20), min_size=1, max_size=12, unique=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    minutes=_SHOP_TIMES,
    states=st.lists(st.sampled_from(list(CaptureState)), min_size=12, max_size=12),
    since=st.none() | st.integers(-1, 21),
    length=st.none() | st.integers(0, 21),
    state=st.none() | st.sampled_from(STATES),
    limit=st.integers(1, 5),
)
def test_a_page_lists_the_captures_of_a_time_and_a_state_and_no_others(
    tmp_path_factory: pytest.TempPathFactory,
    clock: FakeClock,
    minutes: list[int],
    states: list[CaptureState],
    since: int | None,
    length: int | None,
    state: CaptureState | None,
    limit: int,
) -> None:
    services = build(Settings(storage=tmp_path_factory.mktemp("shop")), clock=clock)
    shop = services.tenants.get_by_name(services.tenants.add("shop", Profile.CLOUD, KEEPING).tenant)
    services.cameras.add(shop, None, "door")
    begin = clock.now() - timedelta(minutes=30)
    made = {}
    for minute, wanted in zip(minutes, states, strict=False):
        (offered,) = services.captures.offer_uploads(
            shop, [offer(begin + timedelta(minutes=minute), minute)]
        )
        made[minute] = (offered.capture.id, wanted)
        if wanted is CaptureState.STORED:
            put(services, shop, offered.capture.id)
        elif wanted is not CaptureState.WANTED:
            key = keys.capture(shop.name, "door", offered.capture.id)
            update = Update(keys.CAPTURES, key, (exists("there"),), set={"state": wanted})
            items_of(services).transact([update])
    until = None if length is None else (since or 0) + length
    only = CaptureFilter(
        None if since is None else begin + timedelta(minutes=since),
        None if until is None else begin + timedelta(minutes=until),
        state,
    )
    listed: list[str] = []
    for page in paged(
        lambda token: services.captures.read_page(shop, "door", limit, token, capture_filter=only)
    ):
        assert len(page.rows) <= limit
        listed += [one.id for one in page.rows]
    assert listed == [
        id_
        for minute, (id_, held) in sorted(made.items(), reverse=True)
        if (since is None or minute >= since) and (until is None or minute < until)
        if (held in STATES if state is None else held is state)
    ]
    services.close()


def shown(services: Services, tenant: Tenant, clock: FakeClock, faces: list[int]) -> None:
    """Captures a minute apart, each with so many sightings."""
    for number, count_of in enumerate(faces):
        clock.advance(timedelta(minutes=1))
        (made,) = services.captures.offer_uploads(tenant, [offer(clock.now(), number)])
        box = [1, 2, 30, 40]
        sightings = [
            {"n": n, "resolution": "skipped", "box": box, "reason": "x"} for n in range(count_of)
        ]
        change = {"state": CaptureState.RESOLVED, "sightings": sightings}
        key = keys.capture(tenant.name, "door", made.capture.id)
        items_of(services).transact([Update(keys.CAPTURES, key, (exists("there"),), set=change)])


def test_the_part_of_captures_without_a_face_is_counted_once_an_hour(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    def counted() -> float | None:
        return services.captures.count_faceless(
            shop, services.cameras.get(shop, "door")
        ).faceless_share

    shown(services, shop, clock, [0] * 19)
    assert counted() is None, "nineteen are too few"
    shown(services, shop, clock, [1] * 6)
    assert counted() is None, "it was counted less than an hour ago"
    clock.advance(timedelta(hours=1))
    assert counted() == 0.76
    shown(services, shop, clock, [2] * 100)
    assert counted() == 0.0, "the last hundred count"
    assert services.cameras.get(shop, "door").faceless_share == 0.0
