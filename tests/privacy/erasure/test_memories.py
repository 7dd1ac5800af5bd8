"""A rejection remembers what the sighting was, as long as that can be taken back: 100 days, and not
a night longer."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import Instead, sighting_id
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.domain.model import MEMORY, REGULAR
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import Item, Put
from tests.support.book.book import Book, Shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person
from tests.support.storage.failing import Calls

OTHERS = {"asked": True, "learnt": {"0001772528640000-aacd8405bcae0ecc61d5-0": 1}}
"""The rest that a rejection may remember."""


def make_known(book: Book, seed: int = 1) -> str:
    """Enrol somebody who stays."""
    faceid = book.enrol(Person(seed)).faceid
    book.services.enrolment.update.change_face(
        book.tenant, faceid, FaceChanges(name="Ann", new_group_name=REGULAR)
    )
    return faceid


def reject(book: Book, faceid: str, seed: int = 1) -> None:
    """Have somebody come now who is taken for the face, and say that it is somebody else."""
    [capture] = book.see(Shot(book.clock.now(), (Person(seed, side_px=90.0),)))
    assert capture.sightings[0].faceid == faceid
    id_ = sighting_id(capture.id, 0)
    book.services.sightings.rejection.reject(book.tenant, faceid, id_, instead=Instead.NOBODY)


def list_negatives(book: Book, faceid: str) -> list[Item]:
    return list(
        walk_items(book.storage.items, keys.NEGATIVES, "shop", between=keys.negatives_range(faceid))
    )


def sweep_later(book: Book, days: float) -> None:
    """Let days go by, and do the jobs of the night after them."""
    book.clock.advance(timedelta(days=days))
    night = book.clock.now().replace(hour=NIGHT_HOUR, minute=0) + timedelta(days=1)
    book.clock.advance(night - book.clock.now())
    book.services.sweep.sweep_tenant(book.tenant, night)


def test_a_rejection_forgets_what_the_sighting_was_when_it_cannot_be_taken_back_any_more(
    book: Book,
) -> None:
    faceid = make_known(book)
    reject(book, faceid)
    before = list_negatives(book, faceid)
    assert "was" in before[0]
    write(book.storage.items, [Put(keys.NEGATIVES, before[0] | OTHERS)])
    sweep_later(book, 90)
    assert list_negatives(book, faceid) == [before[0] | OTHERS], "it can be taken back"
    eva = make_known(book, 2)
    reject(book, eva, 2)
    sweep_later(book, 10)
    [old], [new] = list_negatives(book, faceid), list_negatives(book, eva)
    assert old == {name: value for name, value in before[0].items() if name not in MEMORY}, (
        "templates stay"
    )
    assert "was" in new
    assert not list_disagreements(book.services, "shop")


@pytest.mark.parametrize("mark", ["held", "restricted"])
def test_of_a_held_or_restricted_face_nothing_is_forgotten(book: Book, mark: str) -> None:
    faceid = make_known(book)
    reject(book, faceid)
    before = list_negatives(book, faceid)
    if mark == "held":
        book.services.faces.holds.set(book.tenant, faceid, "case 7")
    else:
        book.services.restrictions.set(book.tenant, faceid, "asked")
    sweep_later(book, 110)
    assert list_negatives(book, faceid) == before


def test_a_template_that_another_model_adds_meanwhile_stays(tmp_path: Path) -> None:
    """And the next night forgets what the sighting was."""
    calls = Calls()
    with (
        closing(Book(tmp_path / "data", wrap=calls.wrap)) as book,
        closing(Book(tmp_path / "data")) as other,
    ):
        faceid = make_known(book)
        reject(book, faceid)
        book.clock.advance(timedelta(days=110))

        def add_template() -> None:
            negatives = other.services.recognition.negatives
            [one] = negatives.read_of_face("shop", other.services.faces.get(other.tenant, faceid))
            assert negatives.add_template(
                "shop", faceid, one, replace(one.templates[0], model="another")
            )

        calls.let(1, add_template, "items.transact")
        assert book.services.erasure.traces.forget_memories(book.tenant)
        [item] = list_negatives(book, faceid)
        assert (len(item["templates"]), "was" in item) == (2, True)
        assert book.services.erasure.traces.forget_memories(book.tenant)
        [item] = list_negatives(book, faceid)
        assert (len(item["templates"]), "was" in item) == (2, False)


def test_if_the_time_runs_out_another_run_goes_on(book: Book) -> None:
    people = {seed: make_known(book, seed) for seed in (1, 2, 3)}
    for seed, faceid in people.items():
        reject(book, faceid, seed)
    book.clock.advance(timedelta(days=110))
    left = []
    while not book.services.erasure.traces.forget_memories(book.tenant, lambda: 0.0):
        left.append(
            sum("was" in one for faceid in people.values() for one in list_negatives(book, faceid))
        )
    assert left == [2, 1, 0]
