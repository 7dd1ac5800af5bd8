"""The portrait that somebody chose: it is shown, searches do not go by it, and it holds whatever
becomes of the face, as long as the face has that picture."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.errors import Conflict, PictureNotFound
from chalicelib.domain.model import Face
from chalicelib.domain.rules.recognised import Probes
from chalicelib.storage import keys
from chalicelib.storage.items import FaceOrder
from tests.support.book.book import MONDAY, Book, Shot, shot
from tests.support.fakes import RULES, Person, embedding_of, picture


def choose(book: Book, picture_id: str | None, faceid: str = "ann") -> Face:
    cleared = frozenset[str]() if picture_id else frozenset({"portrait_id"})
    changes = FaceChanges(portrait_id=picture_id, cleared_names=cleared)
    return book.services.enrolment.update.change_face(book.tenant, faceid, changes)


def read(book: Book, faceid: str = "ann") -> Face:
    return book.services.faces.get(book.tenant, faceid, restricted=True)


def shown(book: Book, faceid: str = "ann") -> str:
    """The portrait's id, by the face, which lists say, too."""
    face = read(book, faceid)
    for order in FaceOrder:
        page = book.services.faces.lists.read_page(book.tenant, None, order, 100)
        for listed in page.rows:
            if listed.faceid == faceid:
                assert listed.portrait == replace(face.portrait, templates=())
                assert listed.estimates == face.estimates
    return face.portrait.id


def enrolled(book: Book, number: int, faceid: str) -> list[str]:
    """Enrol somebody with three pictures. Return their ids."""
    book.enrol(Person(number, quality=80), faceid=faceid)
    for quality in (60, 70):
        photo = picture(Person(number, quality=quality))
        book.services.enrolment.pictures.add_photo(book.tenant, faceid, photo, RULES)
    return [one.id for one in read(book, faceid).pictures]


@pytest.fixture
def ids(book: Book) -> list[str]:
    """Those of Ann's three pictures, of which the second is her portrait; Bea has three, too."""
    enrolled(book, 2, "bea")
    ids = enrolled(book, 1, "ann")
    choose(book, ids[1])
    return ids


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_portrait_changes_nothing_that_searches_see(book: Book, place: int) -> None:
    ids = enrolled(book, 1, "ann")
    probes = Probes(book.vision.model, embedding_of(1)[None], [80.0])
    before = read(book)
    [found] = book.services.recognition.recognise(book.tenant, probes)
    assert found.face == before
    seq = book.services.writer.read_seq("shop")
    book.clock.advance(timedelta(days=1))
    after = choose(book, ids[place])
    assert after.changed_at == before.changed_at, "retention goes by it"
    assert shown(book) == ids[place]
    assert after.pictures == before.pictures == read(book).pictures
    assert (after.templates, after.estimates) == (before.templates, before.estimates)
    assert book.services.writer.read_seq("shop") == seq, "the gallery is the same"
    [found_after] = book.services.recognition.recognise(book.tenant, probes)
    assert (found_after.face, found_after.decision) == (after, found.decision)
    assert choose(book, None).portrait == before.portrait
    assert book.disagreements() == []


def test_somebody_elses_picture_is_refused(book: Book, ids: list[str]) -> None:
    for other in (read(book, "bea").pictures[0].id, "x" * 50):
        with pytest.raises(PictureNotFound, match="face 'ann' has no picture"):
            choose(book, other)
    assert shown(book) == ids[1]


def test_a_picture_of_which_the_template_alone_is_kept_is_refused(
    book: Book, ids: list[str]
) -> None:
    book.services.groups.create(book.tenant, "bare", None, "")
    book.services.tenants.change_settings(
        "shop", {"no_pictures_of": {book.services.groups.get_by_name(book.tenant, "bare").id}}
    )
    changes = FaceChanges(new_group_name="bare")
    book.services.enrolment.update.change_face(book.tenant, "ann", changes)
    assert shown(book) == ids[1], "which has no image any more either"
    with pytest.raises(Conflict, match="is not kept, only its template: choose another"):
        choose(book, ids[2])
    assert choose(book, None).portrait.id == ids[0]


def remove(book: Book, picture_id: str) -> None:
    book.services.enrolment.pictures.remove_picture(book.tenant, "ann", picture_id)


def merge(book: Book, ids: list[str]) -> None:
    book.services.merges.merging.merge(book.tenant, "ann", "bea")
    assert len(read(book).pictures) == 6


def part(book: Book, ids: list[str]) -> None:
    merge(book, ids)
    undo(book)


def undo(book: Book) -> None:
    [made] = book.services.merges.records.list_all("shop")
    book.services.merges.merging.undo(book.tenant, made.id)


def absorb_and_part(book: Book, ids: list[str]) -> None:
    book.services.merges.merging.merge(book.tenant, "bea", "ann")
    assert shown(book, "bea") == read(book, "bea").first_picture.id, "hers stays"
    undo(book)


def come(book: Book, ids: list[str]) -> None:
    """Visits write the face, with pictures that it learns."""
    book.see(*(shot(minutes, 1) for minutes in (0, 1500, 3000)))
    assert read(book).arrive_count == 3


def restrict(book: Book, ids: list[str]) -> None:
    book.services.restrictions.set(book.tenant, "ann", "letter 7")
    assert read(book).portrait.id == ids[1]
    book.services.restrictions.lift(book.tenant, "ann", "closed")


def hold(book: Book, ids: list[str]) -> None:
    """Nothing of a held face is lost by another portrait."""
    choose(book, ids[2])
    book.services.faces.holds.set(book.tenant, "ann", "case 7")
    choose(book, ids[1])


def rename(book: Book, ids: list[str]) -> None:
    changes = FaceChanges(name="Zoe")
    book.services.enrolment.update.change_face(book.tenant, "ann", changes)


def lose_another(book: Book, ids: list[str]) -> None:
    remove(book, ids[0])
    assert read(book).estimates.quality == 60


STAYS = (merge, part, absorb_and_part, come, restrict, hold, rename, lose_another)


@pytest.mark.parametrize("does", STAYS)
def test_a_portrait_holds(
    book: Book, ids: list[str], does: Callable[[Book, list[str]], None]
) -> None:
    does(book, ids)
    assert shown(book) == ids[1]
    assert book.disagreements() == []
    assert book.nothing_else_is_stored()


def replace_all(book: Book, ids: list[str]) -> None:
    """Replace the pictures, like SUNMI's updateFace."""
    changes = FaceChanges(picture=picture(Person(1, quality=90)))
    book.services.enrolment.update.change_in_group(book.tenant, "regular", "ann", changes, RULES)


def delete(book: Book, ids: list[str]) -> None:
    remove(book, ids[1])


@pytest.mark.parametrize("does", [delete, replace_all])
def test_without_its_picture_the_first_is_the_portrait(
    book: Book, ids: list[str], does: Callable[[Book, list[str]], None]
) -> None:
    does(book, ids)
    assert shown(book) == read(book).pictures[0].id
    stored = repr(book.storage.items.get(keys.FACES, ("shop", "ann")))
    assert repr(bytes.fromhex(ids[1])) not in stored
    photo = picture(Person(1, quality=60))
    added = book.services.enrolment.pictures.add_photo(book.tenant, "ann", photo, RULES)
    assert added.id == ids[1]
    assert shown(book) != ids[1], "nobody chose it anew"


def test_the_other_ones_picture_goes_with_the_merge(book: Book, ids: list[str]) -> None:
    merge(book, ids)
    theirs = read(book).pictures[3].id
    choose(book, theirs)
    assert shown(book) == theirs
    undo(book)
    assert shown(book) == ids[0]


def test_a_learnt_picture_is_the_portrait_until_it_goes(book: Book) -> None:
    book.enrol(Person(1, quality=60), faceid="ann")
    book.see(Shot(MONDAY, (Person(1, quality=90),)))
    first, learnt = read(book).pictures
    assert learnt.learnt
    assert learnt.sides is None
    choose(book, learnt.id)
    assert shown(book) == learnt.id
    keep = book.services.enrolment.pictures.keep_pictures
    keep(book.tenant, "ann", lambda face: tuple(one for one in face.pictures if not one.learnt))
    assert shown(book) == first.id
