"""A face in a set that nobody keeps, since its dialect is not installed, stays as it is."""

import pytest
from regulars_dialects.users import Users

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.face_sets import FaceSets
from chalicelib.domain.model import STRANGER
from tests.support.book.book import Book, shot


def test_a_face_is_not_deleted_from_a_set_that_nobody_keeps(book: Book) -> None:
    book.see(shot(0, 1, 2))
    one, other = book.faceids()
    group = book.services.groups.get(book.tenant, STRANGER)
    users = Users(book.services)
    users.create(book.tenant, group, "ann")
    users.associate_faces(book.tenant, group, "ann", [one], 0.0)
    before = users.get(book.tenant, group, "ann")
    book.services.face_sets = FaceSets()
    with pytest.raises(StorageUnavailable, match="not installed that keeps several faces as one"):
        book.services.deletion.delete_faces(book.tenant, [one])
    assert set(book.faceids()) == {one, other}
    assert users.get(book.tenant, group, "ann") == before
    assert book.services.deletion.delete_faces(book.tenant, [other]).success == [other]
