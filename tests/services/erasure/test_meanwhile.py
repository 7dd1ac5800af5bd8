"""Somebody is erased while cameras go on seeing the person: nothing has the old id, who came after is a stranger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from chalicelib.core import keys
from chalicelib.core.captures import Capture
from tests.fakes import Person
from tests.services.erasure import person
from tests.services.meanwhile import side_by_side
from tests.services.sightings.book import MONDAY, Book, Shot, shot

pytestmark = pytest.mark.disk


def shots() -> list[Shot]:
    """She comes alone and beside others; no two pictures of her are the same, nor any of before."""
    others = [(), (Person(person.FINN),), (), (Person(person.ANN),)]
    at = MONDAY + timedelta(days=10)
    return [
        Shot(at + timedelta(hours=n), (Person(person.EVA, side_px=80.0 - n), *beside))
        for n, beside in enumerate(others)
    ]


@pytest.mark.parametrize("earlier", range(4))
def test_who_is_seen_meanwhile_leaves_nothing_under_the_old_id_and_comes_back_as_a_stranger(
    tmp_path: Path, earlier: int
) -> None:
    """So many captures are dealt with earlier; the others arrive together with the wish, and all once more later."""
    with closing(Book(tmp_path / "data")) as book:
        first = book.see(*(shot(day * person.DAY, person.EVA) for day in range(3)))[0]
        old = first.sightings[0].faceid or ""
        book.services.face_update.of_id(book.tenant, old, person.changes(person.NAME, person.NOTE))
        book.services.sweep.tenant(book.tenant, book.clock.now())
        face = book.services.faces.get(book.tenant, old)
        wanted = person.needles(book, face, old, [first.id])
        captures = [book.put(one) for one in shots()]
        seen = [book.deliver(one) for one in captures[:earlier]]
        erase = partial(book.services.deletion.of_faces, book.tenant, [old], by="first", erase=True)
        deleted, *now = side_by_side([erase, *(partial(book.deliver, one) for one in captures[earlier:])])
        side_by_side([partial(person.worked_off, book), *(partial(book.deliver, one) for one in captures)])

        assert book.services.erasures.get("shop", *deleted.erasures).done_at is not None
        assert person.held(book, face) == {}
        assert person.left(book, wanted) == []
        assert shown_of(book, [*seen, *now], old) == []
        [after] = book.see(Shot(MONDAY + timedelta(days=11), (Person(person.EVA, side_px=70.0),)))
        stranger = after.sightings[0].faceid
        assert stranger not in (old, None)
        assert {one.sightings[-1].faceid for one in [*seen, *now]} <= {old, stranger}
        assert not book.services.consistency.disagreements("shop")


def shown_of(book: Book, captures: Sequence[Capture], faceid: str) -> list[str]:
    """The captures in which she was seen under her old id, and whose stored picture shows her still."""
    found = []
    for capture in captures:
        if faceid in {one.faceid for one in capture.sightings}:
            data = book.storage.uploads.get(keys.capture_picture("shop", "door", capture.id)) or b"[]"
            if person.EVA in {one["seed"] for one in json.loads(data)}:
                found.append(capture.id)
    return found
