"""Users given faces and rid of them, between deletions, moves, merges and new pictures.

A face has one user at most, and a user is found by the mean of its faces.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from regulars_dialects.records import User, user_from
from regulars_dialects.users import Users

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.errors import Conflict, FaceErased, LimitReached, NotFound
from chalicelib.domain.model import REGULAR, STRANGER, Face, Group, PromotionSettings
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.domain.rules.templates import (
    fuse_embeddings,
    gallery_group,
    parse_vector,
    reduce_templates,
)
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.book.book import Book, Shot, shot
from tests.support.book.recount import disagreements
from tests.support.examples import examples
from tests.support.fakes import RULES, Person, picture
from tests.support.later import later
from tests.support.meanwhile import side_by_side

REFUSED = (NotFound, Conflict, LimitReached)
PEOPLE = range(1, 6)
NAMES = ("ann", "bob")
GROUPS = (STRANGER, REGULAR)


@dataclass
class Expected:
    """Which user each face has, by the rules alone: (group, user) by faceid."""

    users: set[tuple[str, str]] = field(default_factory=set)
    of_face: dict[str, tuple[str, str]] = field(default_factory=dict)

    def follow(self, faces: dict[str, Face]) -> None:
        """Forget the users of faces that are gone or were moved, and those that lost their last
        face by that."""
        before = {*self.of_face.values()}
        self.of_face = {
            faceid: user
            for faceid, user in self.of_face.items()
            if faceid in faces and faces[faceid].group_id == user[0] and user in self.users
        }
        self.users -= before - {*self.of_face.values()}


Deed = Callable[[Book, Expected], None]


def faces_of(book: Book) -> dict[str, Face]:
    return {face.faceid: face for face in sorted(book.faces(), key=lambda face: face.faceid)}


def some(book: Book, places: Sequence[int]) -> list[str]:
    ids = [*faces_of(book)]
    return list(dict.fromkeys(ids[place % len(ids)] for place in places)) if ids else []


def group_of(book: Book, group_id: str) -> Group:
    return book.services.groups.get(book.tenant, group_id)


@later
def create(book: Book, expected: Expected, group_id: str, name: str) -> None:
    with suppress(*REFUSED):
        Users(book.services).create(book.tenant, group_of(book, group_id), name)
    expected.users.add((group_id, name))


@later
def delete_user(book: Book, expected: Expected, group_id: str, name: str) -> None:
    with suppress(*REFUSED):
        Users(book.services).delete(book.tenant, group_of(book, group_id), name)
    expected.users.discard((group_id, name))


@later
def associate(book: Book, expected: Expected, group_id: str, name: str, places: list[int]) -> None:
    ids, user = some(book, places), (group_id, name)
    faces = faces_of(book)
    try:
        Users(book.services).associate_faces(book.tenant, group_of(book, group_id), name, ids, 0.0)
    except FaceErased:  # somebody who was erased had this id
        return
    except REFUSED:
        pass
    if user in expected.users:
        free = [
            one for one in ids if one not in expected.of_face and faces[one].group_id == group_id
        ]
        expected.of_face.update(dict.fromkeys(free, user))


@later
def disassociate(
    book: Book, expected: Expected, group_id: str, name: str, places: list[int]
) -> None:
    ids, user = some(book, places), (group_id, name)
    with suppress(*REFUSED):
        Users(book.services).disassociate_faces(book.tenant, group_of(book, group_id), name, ids)
    for one in ids:
        if expected.of_face.get(one) == user:
            del expected.of_face[one]


@later
def delete(book: Book, _expected: Expected, places: list[int]) -> None:
    if ids := some(book, places):
        with suppress(*REFUSED):
            book.services.deletion.delete_faces(book.tenant, ids)


@later
def move(book: Book, _expected: Expected, place: int, group_id: str) -> None:
    for one in some(book, [place]):
        changes = FaceChanges(group_of(book, group_id).name)
        book.services.enrolment.update.change_face(book.tenant, one, changes)


@later
def add_picture(book: Book, _expected: Expected, place: int, number: int, seed: int) -> None:
    for one in some(book, [place]):
        photo = picture(Person(seed, side_px=40.0 + number))
        with suppress(*REFUSED):
            book.services.enrolment.pictures.add_photo(
                book.tenant, one, photo, RULES, is_vouched_for=True
            )


@later
def remove_picture(book: Book, _expected: Expected, place: int) -> None:
    for one in some(book, [place]):
        with suppress(*REFUSED):
            first = book.services.faces.get(book.tenant, one).pictures[0]
            book.services.enrolment.pictures.remove_picture(book.tenant, one, first.id)


@later
def merge(book: Book, _expected: Expected, first: int, second: int) -> None:
    if len(ids := some(book, [first, second])) == 2:
        with suppress(*REFUSED):
            book.services.merges.merging.merge(book.tenant, *ids)


@later
def undo(book: Book, _expected: Expected, place: int) -> None:
    if merges := [
        one
        for one in book.services.merges.records.read_page(book.tenant, 100).rows
        if one.is_active
    ]:
        with suppress(*REFUSED):
            book.services.merges.merging.undo(book.tenant, merges[place % len(merges)].id)


@later
def see(book: Book, _expected: Expected, seed: int, quarter: int) -> None:
    book.see(Shot(shot(15 * quarter).at, (Person(seed, side_px=60.0),)))


@later
def erase(book: Book, _expected: Expected, places: list[int]) -> None:
    if ids := some(book, places):
        with suppress(*REFUSED):
            book.services.deletion.delete_faces(book.tenant, ids, erase=True)
            book.services.erasure.steps.continue_all(book.tenant)


place, several = st.integers(0, 20), st.lists(st.integers(0, 20), min_size=1, max_size=4)
of_user = (st.sampled_from(GROUPS), st.sampled_from(NAMES))
deeds = st.one_of(
    st.builds(associate, *of_user, several),
    st.builds(associate, *of_user, several),
    st.builds(disassociate, *of_user, several),
    st.builds(create, *of_user),
    st.builds(delete_user, *of_user),
    st.builds(delete, several),
    st.builds(erase, several),
    st.builds(move, place, st.sampled_from(GROUPS)),
    st.builds(add_picture, place, st.integers(0, 9), st.sampled_from(PEOPLE)),
    st.builds(remove_picture, place),
    st.builds(merge, place, place),
    st.builds(undo, place),
    st.builds(see, st.sampled_from(PEOPLE), st.integers(0, 300)),
)


def list_users(book: Book) -> list[User]:
    return [
        *map(
            user_from,
            walk_items(book.storage.items, keys.DIRECTORY, "shop", between=keys.FACE_SETS),
        )
    ]


def right(book: Book, expected: Expected) -> None:
    """Recount the users from the faces."""
    faces, tenant = faces_of(book), book.tenant
    expected.follow(faces)
    assert {
        one: (face.group_id, face.face_set) for one, face in faces.items() if face.face_set
    } == expected.of_face
    users = list_users(book)
    assert {(user.group_id, user.id) for user in users} == expected.users
    for group_id in GROUPS:
        own = [user for user in users if user.group_id == group_id]
        assert group_of(book, group_id).face_sets == len(own)
        found = {}
        for user in own:
            mine = (group_id, user.id)
            assert sorted(user.faceids) == sorted(
                one for one, of in expected.of_face.items() if of == mine
            )
            if user.faceids:
                rows = [
                    parse_vector(reduce_templates(faces[one].templates)[0]) for one in user.faceids
                ]
                mean = fuse_embeddings(np.stack(rows)) if len(rows) > 1 else rows[0]
                request = SearchRequest(tenant.model, mean[None], [gallery_group(group_id)], 500)
                answer = book.services.ports.search.search("shop", request)
                found = {one.faceid: one.score for one in answer.candidates[0]}
                assert found[user.entry] > 0.999
                assert answer.gallery_size == sum(bool(one.faceids) for one in own)
    everybody = SearchRequest(
        tenant.model, np.eye(1, 512, dtype=np.float32)[:, : _dimensions(faces)], limit=4_096
    )
    if faces:
        answer = book.services.ports.search.search("shop", everybody)
        assert {one.faceid for one in answer.candidates[0]} == set(faces)
        assert answer.gallery_size == len(faces)


def _dimensions(faces: dict[str, Face]) -> int:
    return next((len(face.templates[0].vector) // 2 for face in faces.values()), 1)


@examples(12, 300)
@given(st.lists(deeds, min_size=8, max_size=40), st.booleans())
def test_whatever_is_done_a_user_is_the_mean_of_its_faces(done: list[Deed], learns: bool) -> None:
    expected = Expected()
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        book.services.tenants.change_settings("shop", {"learns": learns})
        book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(2, 7))
        begin = [create(*user) for user in ((STRANGER, "ann"), (STRANGER, "bob"), (REGULAR, "ann"))]
        first = [see(seed, seed) for seed in PEOPLE]
        given = [associate(STRANGER, "ann", [0, 1]), associate(STRANGER, "bob", [2, 3])]
        for deed in [*begin, *first, *given, disassociate(STRANGER, "ann", [0, 1]), *given, *done]:
            deed(book, expected)
            right(book, expected)
        assert book.disagreements() == []


def test_users_who_are_given_one_face_at_once_do_not_both_have_it(tmp_path: Path) -> None:
    expected = Expected()
    with closing(Book(tmp_path)) as book:
        tenant, group = book.tenant, group_of(book, STRANGER)
        for deed in [
            *(create(STRANGER, name) for name in NAMES),
            *(see(seed, seed) for seed in PEOPLE),
        ]:
            deed(book, expected)
        ids = [*faces_of(book)]
        outcomes = side_by_side(
            [
                lambda name=name: Users(book.services).associate_faces(
                    tenant, group, name, ids, 0.0
                )
                for name in NAMES * 3
            ]
        )
        (won,) = [one for one in outcomes if one.done]
        assert sorted(won.done) == sorted(ids)
        assert sorted(user.faceids for user in list_users(book))[0] == ()
        assert disagreements(book.services, tenant) == []
