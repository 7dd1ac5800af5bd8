from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.deletion.deletion import DeletionOptions
from chalicelib.book.faces import FacePage
from chalicelib.book.idempotency import RequestId
from chalicelib.bootstrap import build
from chalicelib.domain.errors import GroupFull
from chalicelib.domain.model import NewFace, Profile, Tenant
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from tests.support.book.book_with import book_with
from tests.support.book.recount import disagreements
from tests.support.book.synthetic import write_faces
from tests.support.book.tenants import add_tenant
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture
from tests.support.meanwhile import Meanwhile, side_by_side
from tests.support.storage.meter import MeteredItems


def enrol(
    services: Services, tenant: Tenant, seed: int, group: str = "regular", **more: object
) -> str:
    # `more` has arguments of several types.
    return services.enrolment.enrol_largest_face(
        tenant, group, picture(Person(seed)), RULES, NewFace(**more)
    ).faceid  # type: ignore[arg-type]


def test_a_face_that_was_made_anew_elsewhere_is_not_the_one_that_is_deleted(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Between a deletion's look at a face and its commit, others delete it and enrol its id in
    another group."""
    settings, vision = Settings(storage=tmp_path / "data"), FakeVision()
    storage = open_storage(settings, clock)
    meanwhile = Meanwhile(storage.items)
    others = build(settings, clock=clock, vision=lambda: vision, storage=storage)
    ours = build(
        settings, clock=clock, vision=lambda: vision, storage=replace(storage, items=meanwhile)
    )
    shop = add_tenant(others, "shop", Profile.CAMERA)
    for name in ("a", "b"):
        others.groups.create(shop, name, 5, "")
    others.enrolment.enrol_largest_face(shop, "a", picture(Person(1)), RULES, NewFace(faceid="7"))

    def made_anew() -> None:
        others.deletion.delete_faces_of_group(shop, "a", ["7"])
        others.enrolment.enrol_largest_face(
            shop, "b", picture(Person(2)), RULES, NewFace(faceid="7")
        )

    meanwhile.first = [made_anew]
    deleted = ours.deletion.delete_faces_of_group(shop, "a", ["7"])
    assert deleted.not_exist == ["7"]
    assert others.faces.get(shop, "7").group_id == others.groups.get_by_name(shop, "b").id
    assert disagreements(others, shop) == []
    others.close()


def test_deletion_of_a_hundred_faces_is_recorded_with_its_last_chunk(
    services: Services, camera: Tenant
) -> None:
    faceids = [enrol(services, camera, seed) for seed in range(90)]
    request = RequestId("k", "digest")

    deleted = services.deletion.delete_faces_of_group(camera, "regular", [*faceids, "x"], request)

    assert (deleted.success, deleted.not_exist) == (faceids, ["x"])
    answer = services.requests.find(camera.name, request)
    assert answer.body == {"success": faceids, "failed": [], "not_exist": ["x"], "erasures": []}
    assert services.groups.get_by_name(camera, "regular").count == 0


def test_deletion_that_was_cut_off_between_chunks_goes_on_where_it_was(
    services: Services, camera: Tenant
) -> None:
    faceids = [enrol(services, camera, seed) for seed in range(60)]
    request = RequestId("k", "digest")
    whole = services.deletion
    nothing = type(whole.delete_faces_of_group(camera, "stranger", ["x"]))([], [], [])
    whole._delete_chunk(camera, faceids, nothing, request, DeletionOptions("", erases=False))

    assert services.requests.find(camera.name, request) is None
    deleted = whole.delete_faces_of_group(camera, "regular", faceids, request)

    assert (deleted.success, deleted.not_exist) == (faceids, [])


def test_ends_of_a_long_list_cost_what_a_short_list_costs(
    services: Services, camera: Tenant
) -> None:
    items = MeteredItems(services.ports.storage.items)
    write_faces(items, camera, services.groups.get_by_name(camera, "regular"), 300, FakeVision())
    faces = book_with(services, items=items).faces

    def read_units(list_faces: Callable[[], FacePage]) -> int:
        items.spent.clear()
        assert len(list_faces().faces) == 10
        return items.spent.total()

    first, middle, last = (
        read_units(partial(faces.read_page, camera, "regular", page, 10)) for page in (1, 15, 30)
    )
    assert first == last < middle
    assert read_units(lambda: faces.list_longest_away(camera, "regular", 10)) == first


def test_an_enrolment_whose_place_another_takes_meanwhile_leaves_no_picture(
    services: Services, camera: Tenant
) -> None:
    services.groups.create(camera, "vip", 1, "")
    meanwhile = Meanwhile(services.items)
    meanwhile.first = [lambda: enrol(services, camera, 1, "vip")]
    with pytest.raises(GroupFull):
        enrol(book_with(services, items=meanwhile), camera, 2, "vip")
    folder = services.settings.storage / "blobs"  # type: ignore[operator]  # a folder in tests
    assert len(list(folder.rglob("*.jpg"))) == 2, "the picture and the thumbnail of the first"


def test_sixteen_threads_never_pass_a_capacity_or_leave_a_gap(
    services: Services, camera: Tenant
) -> None:
    services.groups.create(camera, "vip", 20, "")

    def work(worker: int) -> None:
        for n in range(4):
            with suppress(GroupFull):
                faceid = enrol(services, camera, 100 * worker + n, "vip")
                if n % 2:
                    services.deletion.delete_faces_of_group(camera, "vip", [faceid])

    assert side_by_side([partial(work, worker) for worker in range(16)]) == [None] * 16
    page = services.faces.read_page(camera, "vip", 1, 100)
    assert (
        len(page.faces)
        == page.group.count
        == services.groups.get_by_name(camera, "vip").count
        <= 20
    )
    items = services.requests._items
    seqs = [int(item["seq"]) for item in items.query(keys.JOURNAL, camera.name).items]
    assert seqs == list(range(1, len(seqs) + 1))
    directory = items.get(keys.DIRECTORY, (camera.name, keys.TENANT_ITEM))
    assert (directory["seq"], directory["free"]) == (len(seqs), 30_000 - page.group.count)
