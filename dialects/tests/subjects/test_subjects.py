"""A subject's photos are those of a face of the book; whatever happens to it, both agree."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from regulars_dialects.compreface.requests import RULES
from regulars_dialects.records import UserNotFound
from regulars_dialects.subjects import Example, Subjects

from chalicelib.domain.errors import FaceHeld, PictureNotFound, TooManyPictures
from chalicelib.domain.model import MAX_COMPARED, MAX_PICTURES, Face, Group, Profile, Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from tests.support.book.book import Book, Shot, shot
from tests.support.book.book_with import book_with
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.book.several_faces import several_faces
from tests.support.book.tenants import CHOICE
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import FakeVision, OtherVision, Person, embedding_of, picture
from tests.support.meanwhile import Meanwhile


@pytest.fixture
def tenant(services: Services) -> Tenant:
    services.tenants.add("home", Profile.CLOUD, TenantSettings(**CHOICE, deletes_erase=False))
    tenant = services.tenants.get_by_name("home")
    services.groups.create(tenant, "family", None, "")
    return tenant


def family(services: Services, tenant: Tenant) -> Group:
    return services.groups.get_by_name(tenant, "family")


def enrolled(services: Services, tenant: Tenant, name: str, seed: int, number: int = 0) -> Example:
    photo = picture(Person(seed, side_px=100.0 + number))
    return Subjects(services).enrol_photo(tenant, family(services, tenant), name, photo, RULES, 0.0)


def faces(services: Services, tenant: Tenant, name: str) -> list[Face]:
    group = family(services, tenant)
    return list(
        services.faces.read_faces_in_group(
            tenant, group, Subjects(services).get(tenant, group, name).faceids
        ).values()
    )


@pytest.fixture(autouse=True)
def agreement(services: Services, tenant: Tenant) -> Iterator[None]:
    """After each test, what is stored agrees with itself."""
    yield
    assert list_disagreements(services, tenant.name) == []


def test_a_photo_that_looks_like_somebody_else_is_an_example_and_not_compared(
    services: Services, tenant: Tenant
) -> None:
    for seed, number in ((1, 0), (2, 0), (1, 1), (2, 1), (1, 2)):
        enrolled(services, tenant, "Ann", seed, number)
    (face,) = faces(services, tenant, "Ann")
    assert [one.spare for one in face.pictures] == [False, True, False, True, False]
    assert family(services, tenant).count == 1


def test_a_face_is_compared_by_eight_of_its_photos_and_another_moves_up_if_one_of_them_goes(
    services: Services, tenant: Tenant
) -> None:
    examples = [enrolled(services, tenant, "Ann", 1, number) for number in range(20)]
    (face,) = faces(services, tenant, "Ann")
    assert (face.picture_count, len(face.compared)) == (20, 8)
    group, gone = family(services, tenant), face.compared[0].id
    Subjects(services).remove_example(
        tenant, next(one for one in examples if one.picture.id == gone), "k"
    )
    (face,) = faces(services, tenant, "Ann")
    assert (face.picture_count, len(face.compared)) == (19, 8)
    found = list(
        Subjects(services).list_examples(tenant, group, Subjects(services).list_all(tenant, group))
    )
    assert {one.id for one in found} == {one.id for one in examples if one.picture.id != gone}
    for one in found:
        jpeg = services.face_pictures.load_jpeg(
            Subjects(services).get_example(tenant, group, one.id).picture
        )
        assert jpeg is not None


def test_the_hundred_and_first_photo_is_refused_in_words_and_changes_nothing(
    services: Services, tenant: Tenant
) -> None:
    for number in range(MAX_PICTURES):
        enrolled(services, tenant, "Ann", 1, number)
    before = faces(services, tenant, "Ann")
    with pytest.raises(TooManyPictures, match="100 pictures"):
        enrolled(services, tenant, "Ann", 1, MAX_PICTURES)
    assert faces(services, tenant, "Ann") == before
    enrolled(services, tenant, "Bob", 2)
    group = family(services, tenant)
    with pytest.raises(TooManyPictures, match="101 pictures"):
        Subjects(services).rename(tenant, group, "Bob", "Ann")
    assert {one.name for one in Subjects(services).list_all(tenant, group)} == {"Ann", "Bob"}


def test_a_rename_to_a_name_that_is_there_makes_one_face_of_both_and_ids_stay_good(
    services: Services, tenant: Tenant
) -> None:
    examples = [
        enrolled(services, tenant, name, 1, number)
        for number in range(6)
        for name in ("Ann", "Anna")
    ]
    group = family(services, tenant)
    Subjects(services).rename(tenant, group, "Anna", "Ann")
    (face,) = faces(services, tenant, "Ann")
    assert (face.picture_count, len(face.compared), face.name) == (6, 6, "Ann")
    assert [
        Subjects(services).get_example(tenant, group, one.id).face.faceid for one in examples
    ] == [face.faceid] * 12
    (merge,) = services.merges.records.list_all(tenant.name)
    services.merges.merging.undo(tenant, merge.id)
    assert [
        one.picture_count
        for one in services.faces.by_id(tenant, [merge.survivor, merge.other]).values()
    ] == [6, 6]


def test_a_subject_has_no_mean(services: Services, tenant: Tenant) -> None:
    enrolled(services, tenant, "Crew", 1)
    enrolled(services, tenant, "Crew", 2)
    assert Subjects(services).get(tenant, family(services, tenant), "crew").templates == ()


def test_two_adds_of_one_new_subject_at_once_make_one(services: Services, tenant: Tenant) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(
            threads.map(lambda number: enrolled(services, tenant, "Ann", 1, number % 2), range(8))
        )
    assert len({one.id for one in made}) == 2
    (face,) = faces(services, tenant, "Ann")
    assert face.picture_count == 2
    assert family(services, tenant).face_sets == 1


class Reading:
    """The real faces, before whose read number `at` something happens."""

    def __init__(self, services: Services, at: int, meanwhile: Callable[[], object]) -> None:
        self._faces, self._at, self._meanwhile = services.faces, at, meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._faces, name)

    def read_faces_in_group(self, *asked: Any) -> dict[str, Face]:
        self._at -= 1
        if self._at == 0:
            self._meanwhile()
        return self._faces.read_faces_in_group(*asked)


@pytest.mark.parametrize("at", [1, 2])
def test_a_photo_that_somebody_else_adds_between_two_reads_is_added_once(
    services: Services, tenant: Tenant, at: int
) -> None:
    enrolled(services, tenant, "Ann", 1)
    photo, added = picture(Person(1, side_px=101.0)), list[Example]()
    read = Reading(services, at, lambda: added.append(enrolled(services, tenant, "Ann", 1, 1)))
    late = Subjects(book_with(services, faces=read))
    assert (
        late.enrol_photo(tenant, family(services, tenant), "Ann", photo, RULES, 0.0).id
        == added[0].id
    )
    assert [face.picture_count for face in faces(services, tenant, "Ann")] == [2]


def test_the_last_photo_of_a_face_takes_it_along_and_the_subject_stays(
    services: Services, tenant: Tenant
) -> None:
    one, two = (enrolled(services, tenant, "Ann", 1, number) for number in range(2))
    for example in (one, two):
        group = family(services, tenant)
        Subjects(services).remove_example(
            tenant, Subjects(services).get_example(tenant, group, example.id), "k"
        )
    assert faces(services, tenant, "Ann") == []
    assert family(services, tenant).count == 0
    with pytest.raises(PictureNotFound):
        Subjects(services).get_example(tenant, family(services, tenant), two.id)


def test_examples_that_are_deleted_at_once_take_the_face_along_and_one_that_is_added_keeps_it(
    services: Services, tenant: Tenant
) -> None:
    ids = [enrolled(services, tenant, "Ann", 1, number).id for number in range(2)]
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    subjects = Subjects(book_with(services, items=meanwhile))
    one, two = (Subjects(services).get_example(tenant, group, id_) for id_ in ids)
    meanwhile.first = [lambda: Subjects(services).remove_example(tenant, two, "k")]
    subjects.remove_example(tenant, one, "k")
    assert faces(services, tenant, "Ann") == []
    one = enrolled(services, tenant, "Ann", 1)
    meanwhile.first = [lambda: enrolled(services, tenant, "Ann", 1, 1)]
    subjects.remove_example(tenant, one, "k")
    assert [face.picture_count for face in faces(services, tenant, "Ann")] == [1]
    with pytest.raises(PictureNotFound):
        subjects.remove_example(tenant, one, "k")


def test_a_face_that_is_deleted_elsewhere_takes_its_examples_along(
    services: Services, tenant: Tenant
) -> None:
    one = enrolled(services, tenant, "Ann", 1)
    services.deletion.delete_faces(tenant, [one.face.faceid])
    group = family(services, tenant)
    assert (
        list(
            Subjects(services).list_examples(
                tenant, group, Subjects(services).list_all(tenant, group)
            )
        )
        == []
    )
    (nearest,) = Subjects(services).find_nearest(tenant, group, embedding_of(1)[None], [None], 1)
    assert nearest.near == []


def test_a_held_face_is_kept_and_its_subject_with_it_and_all_that_were_to_go_with_it(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Ann", 1)
    services.faces.holds.set(tenant, enrolled(services, tenant, "Ben", 2).face.faceid, "case 7")
    group = family(services, tenant)
    both = Subjects(services).list_all(tenant, group)
    with pytest.raises(FaceHeld):
        Subjects(services).delete(tenant, group, both, "k")
    assert [len(faces(services, tenant, one.name)) for one in both] == [1, 1]


def test_a_restricted_face_is_no_example_until_it_is_lifted(
    services: Services, tenant: Tenant
) -> None:
    one = enrolled(services, tenant, "Ann", 1)
    services.restrictions.set(tenant, one.face.faceid, "asked for")
    group = family(services, tenant)
    assert (
        list(
            Subjects(services).list_examples(
                tenant, group, Subjects(services).list_all(tenant, group)
            )
        )
        == []
    )
    services.restrictions.lift(tenant, one.face.faceid, "settled")
    assert Subjects(services).get_example(tenant, group, one.id).subject == "Ann"


def test_a_rename_keeps_every_id(services: Services, tenant: Tenant) -> None:
    ids = {enrolled(services, tenant, "Crew", seed).id for seed in range(1, 13)}
    group = family(services, tenant)
    Subjects(services).rename(tenant, group, "Crew", "Team")
    assert {face.name for face in faces(services, tenant, "team")} == {"Team"}
    Subjects(services).rename(tenant, group, "team", "TEAM")
    assert {face.name for face in faces(services, tenant, "team")} == {"TEAM"}
    found = Subjects(services).list_examples(
        tenant, group, Subjects(services).list_all(tenant, group)
    )
    assert {one.id for one in found} == ids
    assert family(services, tenant).face_sets == 1
    with pytest.raises(UserNotFound):
        Subjects(services).get(tenant, group, "Crew")


def test_a_subject_that_is_deleted_while_it_gets_another_name_does_not_come_back(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Ann", 1)
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    ann = Subjects(services).get(tenant, group, "Ann")
    meanwhile.first = [lambda: Subjects(services).delete(tenant, group, [ann], "me")]
    Subjects(book_with(services, items=meanwhile)).rename(tenant, group, "Ann", "Anna")
    assert Subjects(services).list_all(tenant, group) == []


@pytest.mark.parametrize("other", ["Anna Weiss", "Anna Weiß"])
def test_a_rename_to_a_name_that_somebody_takes_meanwhile_unites_only_who_has_that_name(
    services: Services, tenant: Tenant, other: str
) -> None:
    """Both names fold alike, so the id that was free is taken."""
    enrolled(services, tenant, "Bob", 1)
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    meanwhile.first = [lambda: enrolled(services, tenant, other, 2)]
    Subjects(book_with(services, items=meanwhile)).rename(tenant, group, "Bob", "Anna Weiß")
    assert {one.name for one in Subjects(services).list_all(tenant, group)} == {
        "Anna Weiß",
        other,
    }
    (face,) = faces(services, tenant, "Anna Weiß")
    assert face.picture_count == (1 if other == "Anna Weiss" else 2)


def test_a_rename_to_a_name_that_is_deleted_meanwhile_gives_the_name_to_that_one_alone(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Ann", 1)
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    Subjects(services).add(tenant, group, "Bob")
    ann = Subjects(services).get(tenant, group, "Ann")
    meanwhile.first = [lambda: Subjects(services).delete(tenant, group, [ann], "me")]
    Subjects(book_with(services, items=meanwhile)).rename(tenant, group, "Bob", "Ann")
    assert [(one.name, one.faceids) for one in Subjects(services).list_all(tenant, group)] == [
        ("Ann", ())
    ]


def test_a_subject_that_another_name_has_replaced_is_not_renamed(
    services: Services, tenant: Tenant
) -> None:
    enrolled(services, tenant, "Anna Weiß", 1)
    group, meanwhile = family(services, tenant), Meanwhile(services.items)

    def replace_subject() -> None:
        weiss = Subjects(services).get(tenant, group, "Anna Weiß")
        Subjects(services).delete(tenant, group, [weiss], "me")
        assert enrolled(services, tenant, "Anna Weiss", 2).face.face_set == weiss.id

    for new in ("ANNA Weiß", "Bob"):
        meanwhile.first = [replace_subject]
        Subjects(book_with(services, items=meanwhile)).rename(tenant, group, "Anna Weiß", new)
        assert [one.name for one in Subjects(services).list_all(tenant, group)] == ["Anna Weiss"]
        Subjects(services).delete(tenant, group, Subjects(services).list_all(tenant, group), "me")
        enrolled(services, tenant, "Anna Weiß", 1)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_face_that_is_free_again_joins_its_subject_which_was_made_again(
    services: Services, tenant: Tenant, when: str
) -> None:
    face = enrolled(services, tenant, "Ann", 1).face
    services.restrictions.set(tenant, face.faceid, "letter 7")
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    if when == "before":
        Subjects(services).add(tenant, group, "Ann")
    else:
        meanwhile.first = [lambda: Subjects(services).add(tenant, group, "Ann")]
    book_with(services, items=meanwhile).restrictions.lift(tenant, face.faceid, "settled")
    assert [one.faceid for one in faces(services, tenant, "Ann")] == [face.faceid]


def test_a_subject_that_is_made_while_its_group_is_deleted_goes_with_it(
    services: Services, tenant: Tenant
) -> None:
    group, meanwhile = family(services, tenant), Meanwhile(services.items)
    meanwhile.first = [lambda: Subjects(services).add(tenant, group, "Ann")]
    book_with(services, items=meanwhile).groups.delete_id(tenant, group.id)
    assert Subjects(services).list_all(tenant, group) == []


DAY, DAYS = 24 * 60, 12


def see(book: Book, *days: int) -> None:
    book.see(*(Shot(shot(DAY * day).at, (Person(1, side_px=300.0 + day),)) for day in days))


def in_three_faces(book: Book) -> Group:
    """A subject whose twenty photos are three faces, with visits each."""
    book.services.groups.create(book.tenant, "family", None, "")
    group = family(book.services, book.tenant)
    numbers, days = (range(8), range(8, 16), range(16, 20)), (range(3), range(3, 9), range(9, 12))
    photos = [[picture(Person(1, side_px=100.0 + number)) for number in some] for some in numbers]
    several_faces(
        book.services, book.tenant, group, "Ann", photos, lambda number: see(book, *days[number])
    )
    return family(book.services, book.tenant)


def arrivals(book: Book) -> list[int]:
    return sorted(face.arrive_count for face in book.faces())


def test_the_sweep_makes_the_faces_of_a_subject_one_and_loses_no_example(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        group, subjects = in_three_faces(book), Subjects(book.services)
        assert arrivals(book) == [3, 3, 6]
        before = {one.faceid: one.pictures for one in book.faces()}
        examples = list(
            subjects.list_examples(book.tenant, group, subjects.list_all(book.tenant, group))
        )
        assert not subjects.unite_all(book.tenant, lambda: 0.0)
        assert subjects.unite_all(book.tenant)
        [face] = book.faces()
        assert (face.arrive_count, face.picture_count, len(face.compared)) == (
            DAYS,
            20,
            MAX_COMPARED,
        )
        assert [one.faceids for one in subjects.list_all(book.tenant, group)] == [(face.faceid,)]
        found = [subjects.get_example(book.tenant, group, one.id) for one in examples]
        assert {one.picture.id for one in found} == {one.picture.id for one in examples}
        assert subjects.unite_all(book.tenant)
        assert disagreements_of_visits(book) == book.disagreements() == []
        for merge in reversed(list(book.services.merges.records.list_all(book.tenant.name))):
            book.services.merges.merging.undo(book.tenant, merge.id)
        assert {one.faceid: [each.id for each in one.pictures] for one in book.faces()} == {
            faceid: [each.id for each in pictures] for faceid, pictures in before.items()
        }
        assert arrivals(book) == [3, 3, 6]


@pytest.mark.parametrize("names", [("Anna Weiß", "Anna Weiss"), ("ann", "Ann")])
def test_the_sweep_makes_no_face_of_two_people_whose_names_fold_alike_however_alike_they_look(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    """The second of them is DeepStack's, where case counts."""
    with closing(Book(tmp_path / "twins")) as book:
        book.services.groups.create(book.tenant, "family", None, "")
        subjects, group = Subjects(book.services), family(book.services, book.tenant)
        for first, name in enumerate(names):
            photos = [[picture(Person(1, side_px=100.0 + n))] for n in (10 * first, 10 * first + 1)]
            several_faces(book.services, book.tenant, group, name, photos, matches_case=True)
        before = examples_by_name(book)
        for _ in range(2):
            assert subjects.unite_all(book.tenant)
            assert [len(one.faceids) for one in subjects.list_all(book.tenant, group)] == [1, 1]
            assert examples_by_name(book) == before
        assert [len(before[name]) for name in names] == [2, 2]
        assert list(book.services.merges.records.list_all(book.tenant.name)) != []
        assert book.disagreements() == []


def examples_by_name(book: Book) -> dict[str, set[str]]:
    """The photos of each subject."""
    subjects, group = Subjects(book.services), family(book.services, book.tenant)
    return {
        one.name: {each.picture.id for each in subjects.list_examples(book.tenant, group, [one])}
        for one in subjects.list_all(book.tenant, group)
    }


def test_whichever_face_of_a_subject_is_seen_the_visit_is_the_first_ones(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        group = in_three_faces(book)
        before = {one.faceid: one.arrive_count for one in book.faces()}
        see(book, 12, 13)
        (ann,) = Subjects(book.services).list_all(book.tenant, group)
        after = {one.faceid: one.arrive_count for one in book.faces()}
        assert after == before | {ann.faceids[0]: before[ann.faceids[0]] + 2}


def test_spare_photos_get_templates_of_another_model_too_and_are_compared_by_none(
    tmp_path: Path,
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.services.groups.create(book.tenant, "family", None, "")
        for seed, number in ((1, n) for n in range(12)):
            enrolled(book.services, book.tenant, "Ann", seed, number)
        enrolled(book.services, book.tenant, "Ann", 2)
        done = book.services.reembedding.change_model("shop", FakeVision(), OtherVision())
        assert (done.switched, done.failures) == (True, {})
        [face] = book.faces()
        assert all(one.has(OtherVision.model) for one in face.pictures)
        assert (face.picture_count, len(face.compared)) == (13, MAX_COMPARED)
        assert book.disagreements() == []
