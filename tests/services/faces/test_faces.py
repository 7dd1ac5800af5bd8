from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.core import keys
from chalicelib.core.errors import (
    FaceExists,
    FaceNotFound,
    GroupFull,
    GroupNotFound,
    InvalidInput,
    RequestReused,
    Unusable,
)
from chalicelib.core.model import Profile, Tenant
from chalicelib.core.pictures import Gender
from chalicelib.services import Services
from chalicelib.services.erasure.faces import DeletionOptions
from chalicelib.services.faces import FacePage
from chalicelib.services.idempotency import AnsweredAlready, RequestId
from chalicelib.settings import Settings
from chalicelib.storage import opened
from regulars_lab.rigs.book_with import book_with
from regulars_lab.rigs.meter import MeteredItems
from regulars_lab.rigs.synthetic import write_faces
from tests.fakes import FakeClock, FakeVision, Person, picture
from tests.faults.recount import disagreements
from tests.services.conftest import RULES, add_tenant
from tests.services.meanwhile import Meanwhile


def enrol(services: Services, tenant: Tenant, seed: int, group: str = "regular", **more: object) -> str:
    return services.enrolment.of_largest_face(tenant, group, picture(Person(seed)), RULES, **more).faceid  # type: ignore[arg-type]


def found(services: Services, tenant: Tenant, seed: int) -> str | None:
    search = services.recognition.identify.by_picture(tenant, picture(Person(seed, quality=50)), RULES)
    return search.match.face.faceid if search.match else None


def test_enrolled_face_is_found_at_once_and_a_stranger_is_not(services: Services, camera: Tenant) -> None:
    faceid = enrol(services, camera, 1)

    assert found(services, camera, 1) == faceid
    assert found(services, camera, 2) is None


def test_enrolled_face_keeps_what_was_set_and_estimates_the_rest(services: Services, camera: Tenant) -> None:
    faceid = enrol(services, camera, 1, age=21, gender=Gender.UNKNOWN)

    face = services.faces.get(camera, faceid)
    assert (face.age, face.gender) == (21, Gender.UNKNOWN)
    assert face.estimates.age == 33.4
    assert services.groups.named(camera, "regular").count == 1


def test_generated_faceids_are_numbers_in_order_of_time(services: Services, camera: Tenant) -> None:
    faceids = [int(enrol(services, camera, seed)) for seed in range(5)]

    assert faceids == sorted(set(faceids))
    assert faceids[-1] < 2**63


def test_deleted_face_is_never_a_candidate_and_its_picture_is_gone(services: Services, camera: Tenant) -> None:
    faceid = enrol(services, camera, 1)
    other = enrol(services, camera, 2)

    deleted = services.erasure.deletion.of_group(camera, "regular", [faceid, faceid, "nobody", "not/legal"])

    assert (deleted.success, deleted.failed, deleted.not_exist) == ([faceid], [], ["nobody", "not/legal"])
    assert found(services, camera, 1) is None
    assert found(services, camera, 2) == other
    with pytest.raises(FaceNotFound):
        services.faces.get(camera, faceid)
    assert services.groups.named(camera, "regular").count == 1


def test_a_face_that_was_made_anew_elsewhere_is_not_the_one_that_is_deleted(tmp_path: Path, clock: FakeClock) -> None:
    """Between a deletion's look at a face and its commit, others delete it and enrol its id in another group."""
    settings, vision = Settings(storage=tmp_path / "data"), FakeVision()
    storage = opened(settings, clock)
    meanwhile = Meanwhile(storage.items)
    others = build(settings, clock=clock, vision=lambda: vision, storage=storage)
    ours = build(settings, clock=clock, vision=lambda: vision, storage=replace(storage, items=meanwhile))
    shop = add_tenant(others, "shop", Profile.CAMERA)
    for name in ("a", "b"):
        others.groups.create(shop, name, 5, "")
    others.enrolment.of_largest_face(shop, "a", picture(Person(1)), RULES, faceid="7")

    def made_anew() -> None:
        others.erasure.deletion.of_group(shop, "a", ["7"])
        others.enrolment.of_largest_face(shop, "b", picture(Person(2)), RULES, faceid="7")

    meanwhile.first = [made_anew]
    deleted = ours.erasure.deletion.of_group(shop, "a", ["7"])
    assert deleted.not_exist == ["7"]
    assert others.faces.get(shop, "7").group_id == others.groups.named(shop, "b").id
    assert disagreements(others, shop) == []
    others.close()


def test_face_of_another_group_is_not_deleted(services: Services, camera: Tenant) -> None:
    faceid = enrol(services, camera, 1)

    assert services.erasure.deletion.of_group(camera, "stranger", [faceid]).not_exist == [faceid]
    assert services.faces.get(camera, faceid).faceid == faceid


@pytest.mark.parametrize("faceid", ["", "a b", "x" * 65, "gr\u00fc\u00df", "a/b"])
def test_illegal_faceid_is_refused_before_anything_else(services: Services, camera: Tenant, faceid: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 64 letters"):
        services.enrolment.of_largest_face(camera, "nowhere", b"", RULES, faceid=faceid)


def test_checks_come_in_the_contracts_order(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 1, "")
    enrol(services, camera, 1, "vip", faceid="007")

    with pytest.raises(GroupNotFound):
        services.enrolment.of_largest_face(camera, "VIP", b"no picture", RULES, faceid="007")
    with pytest.raises(FaceExists):
        services.enrolment.of_largest_face(camera, "vip", b"no picture", RULES, faceid="007")
    with pytest.raises(Unusable):
        services.enrolment.of_largest_face(camera, "vip", b"no picture", RULES, faceid="7")
    with pytest.raises(GroupFull, match="1 of 1"):
        services.enrolment.of_largest_face(camera, "vip", picture(Person(2)), RULES, faceid="7")


def test_refused_enrolment_leaves_no_picture_behind(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 1, "")
    enrol(services, camera, 1, "vip", faceid="007")
    with pytest.raises(GroupFull):
        enrol(services, camera, 2, "vip")

    folder = services.settings.storage / "blobs"  # type: ignore[operator]
    assert len(list(folder.rglob("*.jpg"))) == 2


@pytest.mark.parametrize(
    ("people", "complaint"),
    [
        ((), "no face"),
        ((Person(1, 100), Person(2, 90)), "2 faces"),
        ((Person(1, quality=10),), "too blurred: 10 of 20"),
        ((Person(1, side_px=20),), "too small"),
    ],
)
def test_picture_that_does_not_show_one_good_face_is_refused(
    services: Services, camera: Tenant, people: tuple[Person, ...], complaint: str
) -> None:
    with pytest.raises(Unusable, match=complaint):
        services.enrolment.of_largest_face(camera, "regular", picture(*people), RULES)


def test_clearly_largest_face_is_the_one_that_is_enrolled(services: Services, camera: Tenant) -> None:
    services.enrolment.of_largest_face(camera, "regular", picture(Person(1, 60), Person(2, 90)), RULES, faceid="large")

    assert found(services, camera, 2) == "large"
    assert found(services, camera, 1) is None


def test_retry_of_an_enrolment_is_answered_and_not_done_twice(services: Services, camera: Tenant) -> None:
    request = RequestId("k", "digest")
    faceid = enrol(services, camera, 1, request=request)

    with pytest.raises(AnsweredAlready) as answered:
        enrol(services, camera, 1, request=request)
    assert answered.value.answer.body == {"faceid": faceid}
    assert services.groups.named(camera, "regular").count == 1
    with pytest.raises(RequestReused):
        services.requests.find(camera.name, RequestId("k", "other bytes"))


def test_deletion_of_a_hundred_faces_is_recorded_with_its_last_chunk(services: Services, camera: Tenant) -> None:
    faceids = [enrol(services, camera, seed) for seed in range(90)]
    request = RequestId("k", "digest")

    deleted = services.erasure.deletion.of_group(camera, "regular", [*faceids, "x"], request)

    assert (deleted.success, deleted.not_exist) == (faceids, ["x"])
    answer = services.requests.find(camera.name, request)
    assert answer is not None
    assert answer.body == {"success": faceids, "failed": [], "not_exist": ["x"], "erasures": []}
    assert services.groups.named(camera, "regular").count == 0


def test_deletion_that_was_cut_off_between_chunks_goes_on_where_it_was(services: Services, camera: Tenant) -> None:
    faceids = [enrol(services, camera, seed) for seed in range(60)]
    request = RequestId("k", "digest")
    whole = services.erasure.deletion
    group = services.groups.named(camera, "regular")
    nothing = type(whole.of_group(camera, "stranger", ["x"]))([], [], [])
    whole._chunk(camera, group, faceids, nothing, request, DeletionOptions("", erases=False))

    assert services.requests.find(camera.name, request) is None
    deleted = whole.of_group(camera, "regular", faceids, request)

    assert (deleted.success, deleted.not_exist) == (faceids, [])


def test_pages_are_in_order_of_enrolment_from_both_ends(services: Services, camera: Tenant) -> None:
    faceids = [enrol(services, camera, seed) for seed in range(25)]

    pages = [services.faces.page(camera, "regular", number, 10) for number in (1, 2, 3, 4)]

    assert [page.total for page in pages] == [25] * 4
    assert [face.faceid for page in pages for face in page.faces] == faceids


def test_ends_of_a_long_list_cost_what_a_short_list_costs(services: Services, camera: Tenant) -> None:
    items = MeteredItems(services.ports.storage.items)
    write_faces(items, camera, services.groups.named(camera, "regular"), 300, FakeVision())
    faces = book_with(services, items=items).faces

    def read_units(list_faces: Callable[[], FacePage]) -> int:
        items.spent.clear()
        assert len(list_faces().faces) == 10
        return items.spent.total()

    first, middle, last = (read_units(partial(faces.page, camera, "regular", page, 10)) for page in (1, 15, 30))
    assert first == last < middle
    assert read_units(lambda: faces.longest_away(camera, "regular", 10)) == first


def test_sixteen_threads_never_pass_a_capacity_or_leave_a_gap(services: Services, camera: Tenant) -> None:
    services.groups.create(camera, "vip", 20, "")
    full, errors = [], []

    def work(worker: int) -> None:
        for n in range(4):
            try:
                faceid = enrol(services, camera, 100 * worker + n, "vip")
                if n % 2:
                    services.erasure.deletion.of_group(camera, "vip", [faceid])
            except GroupFull:
                full.append(worker)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    page = services.faces.page(camera, "vip", 1, 100)
    assert len(page.faces) == page.total == services.groups.named(camera, "vip").count <= 20
    items = services.requests._items
    seqs = [int(item["seq"]) for item in items.query(keys.JOURNAL, camera.name).items]
    assert seqs == list(range(1, len(seqs) + 1))
    directory = items.get(keys.DIRECTORY, (camera.name, keys.TENANT_ITEM))
    assert directory is not None
    assert (directory["seq"], directory["free"]) == (len(seqs), 30_000 - page.total)


def test_faces_that_never_arrived_are_away_since_their_enrolment(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    faceids = []
    for seed in range(5):
        faceids.append(enrol(services, camera, seed))
        clock.advance(timedelta(minutes=1))

    assert [face.faceid for face in services.faces.longest_away(camera, "regular", 3).faces] == faceids[:3]
    for num in (0, 11):
        with pytest.raises(InvalidInput):
            services.faces.longest_away(camera, "regular", num)
