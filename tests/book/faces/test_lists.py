"""Lists by cursor: each page costs the same, and all pages together are what a sort of all faces
gives."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.faces import FaceLists
from chalicelib.domain.errors import InvalidInput, TooMany
from chalicelib.domain.model import STRANGER, Face, ListedFace, Tenant
from chalicelib.domain.person_texts import TEXTS
from chalicelib.services import Services
from chalicelib.storage.items import FaceOrder
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.book_with import book_with
from tests.support.book.recount import every_face
from tests.support.book.synthetic import write_faces
from tests.support.book.written import CHANGES
from tests.support.fakes import FakeClock, FakeVision, Person
from tests.support.paged import paged
from tests.support.storage.failing import Calls
from tests.support.storage.meter import MeteredItems

NEVER = datetime.min.replace(tzinfo=UTC)
GROUPS = ("regular", "stranger", "vip", "gold")
KEYS: dict[FaceOrder, Callable[[Face], tuple[Any, str]]] = {
    FaceOrder.ID: lambda face: (NEVER, face.faceid),
    FaceOrder.ENROLLED: lambda face: (face.enrolled_at, face.faceid),
    FaceOrder.ARRIVED: lambda face: (face.last_arrival_at or face.enrolled_at, face.faceid),
    FaceOrder.NAME: lambda face: ((not face.name, face.name), face.faceid),
    FaceOrder.VISITS: lambda face: (face.arrive_count, face.faceid),
}


@pytest.fixture
def shop(services: Services, camera: Tenant) -> Tenant:
    """Three groups of 20, 30 and 10 faces, at the same times; one group is empty."""
    for name in ("vip", "gold"):
        services.groups.create(camera, name, 50, "")
    for name, count in zip(GROUPS, (20, 30, 10), strict=False):
        write_faces(
            services.ports.storage.items,
            camera,
            services.groups.get_by_name(camera, name),
            count,
            FakeVision(),
        )
    return camera


def listed(
    services: Services,
    tenant: Tenant,
    group: str | None,
    order: FaceOrder,
    limit: int,
    *,
    descending: bool,
) -> list[str]:
    found = list[str]()
    read = partial(
        services.faces.lists.read_page, tenant, group, order, limit, descending=descending
    )
    for page in paged(read):
        found += [face.faceid for face in page.rows]
        assert len(page.rows) == limit or page.next_token is None
    return found


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.none() | st.sampled_from(GROUPS),
    st.sampled_from(FaceOrder),
    st.integers(1, 70),
    st.booleans(),
)
def test_the_pages_of_a_list_are_the_sorted_faces(
    services: Services,
    shop: Tenant,
    group: str | None,
    order: FaceOrder,
    limit: int,
    descending: bool,
) -> None:
    wanted = None if group is None else services.groups.get_by_name(shop, group).id
    faces = [one for one in every_face(services, shop).values() if wanted in (None, one.group_id)]
    expected = [face.faceid for face in sorted(faces, key=KEYS[order], reverse=descending)]
    assert services.faces.lists.list_ids(shop, group, order, descending=descending).ids == expected
    if order is FaceOrder.ID and group is not None:
        with pytest.raises(InvalidInput, match="leave out group"):
            services.faces.lists.read_page(shop, group, order, limit, descending=descending)
    else:
        assert listed(services, shop, group, order, limit, descending=descending) == expected


@pytest.mark.parametrize("order", FaceOrder)
def test_a_list_of_known_people_reads_no_stranger(
    services: Services, shop: Tenant, order: FaceOrder
) -> None:
    metered = MeteredItems(services.ports.storage.items)
    face_lists = FaceLists(book_with(services, items=metered))

    def list_known() -> tuple[list[str], int]:
        metered.spent.clear()
        return face_lists.list_ids(shop, None, order, known=True).ids, metered.spent.total()

    known, cost = list_known()
    faces = [one for one in every_face(services, shop).values() if one.group_id != STRANGER]
    assert known == [face.faceid for face in sorted(faces, key=KEYS[order])]
    assert face_lists.list_ids(shop, STRANGER, order, known=True).ids == []
    strangers = services.groups.get_by_name(shop, STRANGER)
    write_faces(services.ports.storage.items, shop, strangers, 300, FakeVision())
    assert list_known() == (known, cost)


@pytest.mark.parametrize("order", FaceOrder)
def test_no_page_costs_more_than_the_first(
    services: Services, shop: Tenant, order: FaceOrder
) -> None:
    items = MeteredItems(services.ports.storage.items)
    face_lists = FaceLists(book_with(services, items=items))
    costs = list[int]()
    for _ in paged(lambda token: face_lists.read_page(shop, None, order, 10, token)):
        costs.append(items.spent.total())
        items.spent.clear()
    assert len(costs) == 6
    assert max(costs) == costs[0] <= 17, "a list of keys, and the ten faces of a page"


def test_a_page_by_arrival_reads_a_unit_for_some_faces_and_not_for_each(
    services: Services, shop: Tenant
) -> None:
    services.groups.create(shop, "many", 200, "")
    write_faces(
        services.ports.storage.items,
        shop,
        services.groups.get_by_name(shop, "many"),
        200,
        FakeVision(),
    )
    items = MeteredItems(services.ports.storage.items)
    page = FaceLists(book_with(services, items=items)).read_page(shop, None, FaceOrder.ARRIVED, 50)
    assert len(page.rows) == 50
    assert items.spent.total() <= 15


def test_a_list_by_arrival_shows_each_face_as_it_is_now(services: Services, shop: Tenant) -> None:
    def shown() -> dict[str, ListedFace]:
        page = services.faces.lists.read_page(shop, "vip", FaceOrder.ARRIVED, 100)
        return {face.faceid: face for face in page.rows}

    [faceid, *_] = shown()
    changes = FaceChanges(**CHANGES, labels={"a": "x"})
    services.enrolment.update.change_face(shop, faceid, changes)
    face = services.faces.get(shop, faceid)
    after = shown()[faceid]
    unlisted = {name for name, text in TEXTS.items() if not text.is_listed}
    for field in (field for field in fields(ListedFace) if field.name not in unlisted):
        expected = (
            replace(face.portrait, templates=())
            if field.name == "portrait"
            else getattr(face, field.name)
        )
        assert getattr(after, field.name) == expected
    listed_changes = {name: value for name, value in CHANGES.items() if name not in unlisted}
    assert {name: getattr(after, name) for name in listed_changes} == listed_changes
    assert (after.labels.a, after.revision) == ("x", 2)
    without = replace(shop, attributes_off=frozenset({"age"}))
    [first, *_] = services.faces.lists.read_page(without, "vip", FaceOrder.ARRIVED, 100).rows
    assert (first.estimates.age, first.estimates.quality) == (None, face.estimates.quality)


def test_who_has_stayed_away_longest_comes_first_and_a_mover_is_in_the_new_groups_list(
    services: Services, shop: Tenant, clock: FakeClock
) -> None:
    [first, *_] = listed(services, shop, "vip", FaceOrder.ARRIVED, 5, descending=False)
    clock.advance(timedelta(days=1))
    services.enrolment.update.change_face(shop, first, FaceChanges(new_group_name="gold"))
    assert listed(services, shop, "gold", FaceOrder.ARRIVED, 5, descending=False) == [first]
    assert first not in listed(services, shop, "vip", FaceOrder.ENROLLED, 5, descending=True)


def test_ids_say_the_seq_of_the_gallery_before_they_were_read(
    services: Services, shop: Tenant
) -> None:
    assert (
        services.faces.lists.list_ids(shop, None, FaceOrder.ID).seq
        == services.writer.read_seq(shop.name)
        > 0
    )


def test_too_many_ids_for_one_answer_are_refused(services: Services, shop: Tenant) -> None:
    face_lists = FaceLists(services)
    face_lists.max_ids = 25
    assert len(face_lists.list_ids(shop, "regular", FaceOrder.ID).ids) == 20
    for group in (None, "stranger"):
        with pytest.raises(TooMany, match="25 ids"):
            face_lists.list_ids(shop, group, FaceOrder.ID)
    services.restrictions.set(
        shop, face_lists.list_ids(shop, "regular", FaceOrder.ID).ids[0], "letter 7"
    )
    assert len({*face_lists.list_every_id(shop)}) == 60, (
        "by these somebody is erased again after a restore"
    )


def test_a_token_is_good_for_its_own_list_only(services: Services, shop: Tenant) -> None:
    token = services.faces.lists.read_page(shop, "vip", FaceOrder.ENROLLED, 5).next_token
    for group, order, descending in (
        ("stranger", FaceOrder.ENROLLED, False),
        ("vip", FaceOrder.ARRIVED, False),
        ("vip", FaceOrder.ENROLLED, True),
        (None, FaceOrder.ENROLLED, False),
    ):
        with pytest.raises(InvalidInput, match="another query"):
            services.faces.lists.read_page(shop, group, order, 5, token, descending=descending)


def test_names_are_in_the_order_of_a_telephone_book_and_who_has_none_comes_last(
    tmp_path: Path,
) -> None:
    book = Book(tmp_path)
    for seed, name in enumerate(["Zoe", "émile", "Ann", "", "Emil", "王芳", "ann b"]):
        book.enrol(Person(seed), name=name)
    page = book.services.faces.lists.read_page(book.tenant, "regular", FaceOrder.NAME, 10)
    assert [one.name for one in page.rows] == ["Ann", "ann b", "Emil", "émile", "Zoe", "王芳", ""]
    found = listed(book.services, book.tenant, "regular", FaceOrder.NAME, 2, descending=True)
    assert found == [one.faceid for one in page.rows][::-1]


@pytest.mark.parametrize("descending", [True, False])
def test_the_pages_by_visits_have_everybody_once_whoever_comes_between_two_of_them(
    tmp_path: Path, descending: bool
) -> None:
    book = Book(tmp_path)
    faces = [book.enrol(Person(seed)).faceid for seed in range(4)]
    for seed in range(4):
        book.see(*(shot(100.0 * visit + seed, seed) for visit in range(seed + 1)))
    expected, found = faces[::-1] if descending else faces, list[str]()
    face_lists = FaceLists(book.services)
    face_lists.longest_sorted = timedelta(days=2)
    for number, page in enumerate(
        paged(
            partial(
                face_lists.read_page, book.tenant, None, FaceOrder.VISITS, 1, descending=descending
            )
        )
    ):
        found += [one.faceid for one in page.rows]
        book.clock.advance(timedelta(hours=9))
        minutes = (book.clock.now() - MONDAY) / timedelta(minutes=1)
        came = (number + 2) % 4 if number % 2 else 3 - number
        book.see(*(shot(minutes - 400 + 100 * visit, came) for visit in range(4)))
    assert found == expected


def test_a_page_of_a_list_that_has_to_be_sorted_is_refused_if_it_is_too_long(
    services: Services, shop: Tenant
) -> None:
    face_lists = FaceLists(services)
    face_lists.max_sorted = 25
    for order in (FaceOrder.NAME, FaceOrder.VISITS):
        assert len(face_lists.read_page(shop, "regular", order, 5).rows) == 5
        with pytest.raises(TooMany, match="30 faces"):
            face_lists.read_page(shop, "stranger", order, 5)


@pytest.mark.parametrize("order", [FaceOrder.NAME, FaceOrder.VISITS])
@pytest.mark.parametrize(("minutes", "is_taken"), [(59, True), (61, False), (-2, False)])
def test_a_list_that_has_to_be_sorted_goes_on_for_an_hour(
    services: Services,
    shop: Tenant,
    clock: FakeClock,
    order: FaceOrder,
    minutes: int,
    is_taken: bool,
) -> None:
    token = services.faces.lists.read_page(shop, "regular", order, 15).next_token
    clock.advance(timedelta(minutes=minutes))
    if is_taken:
        assert len(services.faces.lists.read_page(shop, "regular", order, 15, token).rows) == 5
    else:
        with pytest.raises(InvalidInput, match="start again"):
            services.faces.lists.read_page(shop, "regular", order, 15, token)


@pytest.mark.parametrize("order", [FaceOrder.NAME, FaceOrder.VISITS, FaceOrder.ENROLLED])
def test_who_is_restricted_while_a_page_is_read_is_not_on_it(
    tmp_path: Path, order: FaceOrder
) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        for number in range(3):
            book.enrol(Person(number), faceid=f"f{number}", name=f"N{number}")
        lists, restrictions = book.services.faces.lists, book.services.restrictions
        done = []

        def restrict() -> None:
            restrictions.set(book.tenant, "f1", "letter")
            done.append(1)

        calls.let(1, restrict, of="items.get_many")
        page = lists.read_page(book.tenant, "regular", order, 10, None)
        assert done
        assert [face.faceid for face in page.rows] == ["f0", "f2"]


def test_a_token_of_names_has_the_beginning_of_one_alone(tmp_path: Path) -> None:
    book = Book(tmp_path)
    long = "\ufdfa" * 100  # each is eighteen characters
    for seed, name in enumerate((long, "Ann", long, "Zoe")):
        book.enrol(Person(seed), name=name)
    pages = [
        *paged(
            partial(book.services.faces.lists.read_page, book.tenant, "regular", FaceOrder.NAME, 1)
        )
    ]
    assert max(len(page.next_token or "") for page in pages) < 1000
    assert [page.rows[0].name for page in pages] == ["Ann", "Zoe", long, long]
