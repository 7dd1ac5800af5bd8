"""Pictures added and taken away between merges, their undoing and sightings, at once: each face has
the pictures that it should have, is compared by the mean of their templates, and nothing else is
stored."""

import hashlib
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captures import parts_of_sighting
from chalicelib.domain.errors import Busy, Conflict, LimitReached, NotFound, Unusable
from chalicelib.domain.model import MAX_COMPARED
from tests.support.book.book import Book, Shot, shot
from tests.support.book.recount_visits import disagreements_of_learning, disagreements_of_visits
from tests.support.examples import examples
from tests.support.fakes import RULES, Person, picture
from tests.support.later import later

REFUSED = (NotFound, Conflict, LimitReached, Unusable)
PEOPLE = range(1, 5)


def photo(number: int, seed: int = 1) -> bytes:
    """Each number is another photo of the person."""
    return picture(Person(seed, side_px=40.0 + number))


def photo_id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


@dataclass
class Expected:
    """Which photos each face has, by the rules alone."""

    faces: dict[str, list[str]] = field(default_factory=dict)
    founding: dict[str, set[str]] = field(default_factory=dict)
    """Photos that each face was made from. One that somebody takes away and adds again is given,
    not founding."""
    merges: dict[str, tuple[str, str, list[str], set[str], set[str]]] = field(default_factory=dict)

    def enrolled(self, faceid: str, data: bytes) -> None:
        self.faces[faceid] = [photo_id(data)]
        self.founding[faceid] = {photo_id(data)}

    def added(self, faceid: str, photo: str) -> None:
        photos = self.faces[faceid]
        if photo not in photos:
            photos.append(photo)

    def removed(self, faceid: str, place: int) -> None:
        photos = self.faces[faceid]
        if len(photos) > 1:
            self.founding[faceid].discard(photos.pop(place % len(photos)))

    def merged(self, merge_id: str, survivor: str, other: str) -> None:
        own, others = self.faces[survivor], self.faces.pop(other)
        founding = self.founding.pop(other)
        given = [one for one in others if one not in own]
        while len(own) + len(given) > MAX_COMPARED and founding & {*given}:
            given.remove([one for one in given if one in founding][-1])
        self.merges[merge_id] = (survivor, other, others, set(given), founding)
        self.faces[survivor] = [*own, *given]
        self.founding[survivor] |= founding & {*given}

    def undone(self, merge_id: str) -> None:
        survivor, other, others, given, founding = self.merges.pop(merge_id)
        own = [one for one in self.faces[survivor] if one not in given]
        if own:
            self.faces[survivor] = own
            self.founding[survivor] &= {*own}
        self.faces[other], self.founding[other] = others, founding


Deed = Callable[[Book, Expected], None]


@later
def add(book: Book, expected: Expected, place: int, number: int, seed: int) -> None:
    ids, data = book.faceids(), photo(number, seed)
    faceid = ids[place % len(ids)]
    with suppress(*REFUSED):
        book.services.enrolment.pictures.add_photo(
            book.tenant, faceid, data, RULES, is_vouched_for=True
        )
    expected.added(faceid, photo_id(data))


@later
def add_sighting(book: Book, expected: Expected, place: int, number: int) -> None:
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    sightings = book.services.sightings.read_timeline(book.tenant, faceid, 100).sightings
    if not sightings:
        return
    seen = sightings[number % len(sightings)]
    with suppress(*REFUSED):
        use = book.services.enrolment.pictures
        use.add_sighting(book.tenant, faceid, seen.id, is_vouched_for=True)
    capture = book.services.captures.get(book.tenant, seen.camera, parts_of_sighting(seen.id)[0])
    expected.added(faceid, capture.sha256[:32])


@later
def remove(book: Book, expected: Expected, place: int, number: int) -> None:
    ids = book.faceids()
    faceid = ids[place % len(ids)]
    pictures = book.services.faces.get(book.tenant, faceid).pictures
    with suppress(*REFUSED):
        book.services.enrolment.pictures.remove_picture(
            book.tenant, faceid, pictures[number % len(pictures)].id
        )
    expected.removed(faceid, number)


@later
def merge(book: Book, expected: Expected, first: int, second: int) -> None:
    ids = book.faceids()
    survivor, other = ids[first % len(ids)], ids[second % len(ids)]
    if survivor != other:
        done = book.services.merges.merging.merge(book.tenant, survivor, other)
        expected.merged(done.id, survivor, other)


@later
def undo(book: Book, expected: Expected, place: int) -> None:
    merges = [
        one
        for one in book.services.merges.records.read_page(book.tenant, 100).rows
        if one.is_active
    ]
    if merges:
        one = merges[place % len(merges)]
        with suppress(Conflict):  # to be undone after another one
            book.services.merges.merging.undo(book.tenant, one.id)
            expected.undone(one.id)


@later
def see(book: Book, expected: Expected, seed: int, quarter: int) -> None:
    known = set(book.faceids())
    one = Shot(shot(15 * quarter).at, (Person(seed, side_px=60.0),))
    book.see(one)
    for new in set(book.faceids()) - known:
        expected.enrolled(new, one.picture)


def sweep(book: Book, _expected: Expected) -> None:
    book.sweep()


places = st.integers(0, 20)
deeds = st.one_of(
    st.builds(add, places, st.integers(0, 9), st.sampled_from(PEOPLE)),
    st.builds(add, places, st.integers(0, 9), st.sampled_from(PEOPLE)),
    st.builds(add_sighting, places, places),
    st.builds(remove, places, places),
    st.builds(merge, places, places),
    st.builds(undo, places),
    st.builds(see, st.sampled_from(PEOPLE), st.integers(0, 300)),
    st.just(sweep),
)


def right(book: Book) -> None:
    assert disagreements_of_visits(book) == []
    assert disagreements_of_learning(book) == []
    assert book.disagreements() == []


def photos(book: Book) -> dict[str, list[str]]:
    return {face.faceid: [one.id for one in face.pictures] for face in book.faces()}


@examples(10, 200)
@given(st.lists(deeds, min_size=4, max_size=24), st.booleans())
def test_whatever_is_done_each_face_has_the_pictures_that_it_should_have(
    done: list[Deed], learns: bool
) -> None:
    """If faces learn, which pictures those are is not foretold here, but right they have to be."""
    expected = Expected()
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder))) as book:
        book.services.tenants.change_settings("shop", {"learns": learns})
        for number, deed in enumerate([*(see(seed, seed) for seed in PEOPLE), *done]):
            with suppress(*([KeyError] if learns else [])):
                deed(book, expected)
            assert learns or photos(book) == expected.faces
            if number % 8 == 7:
                right(book)
        right(book)
        assert book.nothing_else_is_stored()
        right(book)


def test_eight_at_once_add_remove_merge_and_undo(tmp_path: Path) -> None:
    rng = random.Random(3)
    with closing(Book(tmp_path / "data")) as book:
        for seed in PEOPLE:
            see(seed, seed)(book, Expected())
        kinds: list[Callable[[], Deed]] = [
            lambda: add(rng.randrange(9), rng.randrange(10), rng.choice(PEOPLE)),
            lambda: remove(rng.randrange(9), rng.randrange(9)),
            lambda: merge(rng.randrange(9), rng.randrange(9)),
            lambda: undo(rng.randrange(9)),
        ]
        done = [rng.choice(kinds)() for _ in range(80)]

        def persistently(deed: Deed) -> None:
            for _ in range(20):
                # what is expected is not known where others change it too
                with suppress(Busy, *REFUSED, KeyError):
                    deed(book, Expected())
                    break

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(persistently, done))
        sweep(book, Expected())
        right(book)
        assert all(1 <= len(face.compared) <= MAX_COMPARED for face in book.faces())
        assert all(len(set(ids)) == len(ids) for ids in photos(book).values()), "no photo twice"
        assert book.nothing_else_is_stored()
