import pytest

from chalicelib.domain.captures import sighting_id
from chalicelib.domain.model import NO_LABELS, Face
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.fakes import RULES, Person, picture

PERSON = Person(1)
LOOKALIKE = Person(1, side_px=90.0)


@pytest.fixture
def face(book: Book) -> Face:
    """The person, told from one lookalike, who is now a stranger."""
    group = "vip"
    book.services.groups.create(book.tenant, group, None, "")
    enrolled = book.enrol(PERSON, group)
    [capture] = book.see(Shot(MONDAY, (LOOKALIKE,)))
    assert capture.sightings[0].faceid == enrolled.faceid
    book.services.sightings.rejection.reject(
        book.tenant, enrolled.faceid, sighting_id(capture.id, 0)
    )
    return book.services.faces.get(book.tenant, enrolled.faceid)


def found(book: Book, person: Person) -> str | None:
    match = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(person), RULES
    ).match
    return match.face.faceid if match else None


def test_a_search_by_picture_goes_on_to_the_next_candidate(book: Book, face: Face) -> None:
    [stranger] = [other.faceid for other in book.faces() if other.group_id == "stranger"]
    assert found(book, LOOKALIKE) == stranger
    assert found(book, PERSON) == face.faceid


def test_where_there_is_no_other_candidate_nobody_is_found(book: Book, face: Face) -> None:
    group = "vip"
    searches = book.services.recognition.face_analysis.search_all_in_picture(
        book.tenant, picture(LOOKALIKE, PERSON), group, RULES
    )
    assert searches.faces_found == 2
    assert [match.face.faceid for match in searches.matches] == [face.faceid]
    [stranger] = [other for other in book.faces() if other.group_id == "stranger"]
    book.services.deletion.delete_faces_of_group(book.tenant, "stranger", [stranger.faceid])
    search = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(LOOKALIKE), RULES
    )
    assert (search.match, search.decision.score) == (None, None)


def test_a_search_by_face_is_turned_down_too_but_for_the_face_itself(
    book: Book, face: Face
) -> None:
    [stranger] = [other for other in book.faces() if other.group_id == "stranger"]
    assert (
        book.services.recognition.face_analysis.search_by_face(book.tenant, stranger.faceid, "vip")
        is None
    )
    itself = book.services.recognition.face_analysis.search_by_face(book.tenant, face.faceid, "vip")
    assert itself.face.faceid == face.faceid


def test_a_lookalike_is_enrolled_beside_the_face_and_not_as_it(book: Book, face: Face) -> None:
    enrol = book.services.enrolment.everybody.enrol_all_in_picture
    [known] = enrol(book.tenant, "vip", picture(PERSON), RULES, NO_LABELS)
    [new] = enrol(book.tenant, "vip", picture(LOOKALIKE), RULES, NO_LABELS)
    [again] = enrol(book.tenant, "vip", picture(LOOKALIKE), RULES, NO_LABELS)
    assert known.face.faceid == face.faceid
    assert new.face.faceid != face.faceid
    assert again.face.faceid == new.face.faceid


def test_a_capture_is_resolved_to_somebody_else(book: Book, face: Face) -> None:
    [capture] = book.see(Shot(MONDAY + 60 * MINUTE, (LOOKALIKE,)))
    assert capture.sightings[0].faceid != face.faceid


def test_a_deleted_face_leaves_no_pictures_that_it_was_not(book: Book, face: Face) -> None:
    assert len(list(walk_items(book.storage.items, keys.NEGATIVES, "shop"))) == 1
    book.services.deletion.delete_faces_of_group(book.tenant, "vip", [face.faceid])
    assert not list(walk_items(book.storage.items, keys.NEGATIVES, "shop"))
