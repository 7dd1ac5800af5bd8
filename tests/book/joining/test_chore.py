from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.book.commit import Change
from chalicelib.domain.errors import Busy
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Action, Delete, Storage
from tests.support.book.book import Book
from tests.support.book.people import ANN, poor, seen, two_strangers, with_good_picture
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.meanwhile import Around
from tests.support.storage.failing import Calls


@pytest.fixture
def book(book: Book) -> Iterator[Book]:
    yield book
    assert disagreements_of_visits(book) == []
    assert book.disagreements() == []


def place(book: Book) -> dict[str, Any]:
    item = book.storage.items.get(keys.DIRECTORY, ("shop", keys.JOINED_ITEM))
    return {name: value for name, value in (item or {}).items() if name not in ("tenant", "item")}


def test_the_sweep_joins_who_became_one_and_goes_on_until_nothing_is_left(book: Book) -> None:
    first, second = two_strangers(book)
    seen(book, 120, poor(ANN, 2))
    book.sweep()
    assert len(set(book.faceids())) == 3
    with_good_picture(book, second)
    book.sweep()
    assert set(book.faceids()) == {first}
    assert place(book) == {"seq": book.services.writer.read_seq("shop")}


def test_the_watch_of_one_box_joins_too(book: Book) -> None:
    first, second = two_strangers(book)
    with_good_picture(book, second)
    book.services.watch.run()
    assert set(book.faceids()) == {first}


def test_nobody_is_joined_for_a_tenant_whose_faces_do_not_learn(book: Book) -> None:
    first, second = two_strangers(book)
    with_good_picture(book, second)
    off = replace(book.tenant, learns=False)
    assert book.services.joining.join_tenant(off)
    assert set(book.faceids()) == {first, second}


def test_a_gallery_that_did_not_change_is_not_searched(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        two_strangers(book)
        book.sweep()
        tenant = book.tenant
        calls.names.clear()
        book.services.joining.join_tenant(tenant)
        assert calls.names == ["items.get", "items.get"]


def test_all_faces_with_several_pictures_are_looked_at_if_the_journal_does_not_reach_back(
    book: Book,
) -> None:
    pairs = [two_strangers(book, ANN), two_strangers(book, 2, 200)]
    for seed, (_, second) in zip((ANN, 2), pairs, strict=True):
        with_good_picture(book, second, seed)
    [item, *_] = walk_items(book.storage.items, keys.JOURNAL, "shop")
    book.storage.items.transact([Delete(keys.JOURNAL, ("shop", item["seq_key"]))])
    assert book.services.joining.join_tenant(book.tenant)
    assert set(book.faceids()) == {first for first, _ in pairs}
    assert place(book) == {"seq": book.services.writer.read_seq("shop")}


def test_it_stops_when_the_time_is_up_and_goes_on_where_it_was(book: Book) -> None:
    first, second = two_strangers(book)
    with_good_picture(book, second)
    assert not book.services.joining.join_tenant(book.tenant, lambda: 1.0)
    assert set(book.faceids()) == {first, second}
    assert book.services.joining.join_tenant(book.tenant, lambda: 100.0)
    assert set(book.faceids()) == {first}


def test_a_run_on_a_box_looks_at_so_many_changes_and_the_next_one_goes_on(book: Book) -> None:
    for _ in range(300):
        book.services.writer.commit("shop", Change((), ()))
    first, second = two_strangers(book)
    with_good_picture(book, second)
    book.services.joining.batches_on_a_box = 1
    assert book.services.joining.join_tenant(book.tenant), "the job sends no message for the rest"
    assert place(book) == {"seq": 256}
    assert set(book.faceids()) == {first, second}
    book.services.watch.run()
    assert set(book.faceids()) == {first}


class Contended(Around):
    """Items of which others change one face whenever it is to be written."""

    faceid = ""

    def transact(self, actions: Sequence[Action]) -> None:
        if any((one.table, one.key) == (keys.FACES, ("shop", self.faceid)) for one in actions):
            raise Busy("others write this face")
        self._items.transact(actions)


def test_a_pair_that_fails_holds_up_no_other_is_counted_and_looked_at_again(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        pairs = [two_strangers(book, ANN), two_strangers(book, 2, 200)]
        for seed, (_, second) in zip((ANN, 2), pairs, strict=True):
            with_good_picture(book, second, seed)
    contended: list[Contended] = []

    def wrapped(storage: Storage) -> Storage:
        contended.append(Contended(storage.items))
        return replace(storage, items=contended[0])

    with closing(Book(tmp_path / "data", wrap=wrapped)) as book:
        contended[0].faceid = pairs[0][1]
        with telemetry.begin_invocation("sweep", "1") as invocation:
            assert book.services.joining.join_tenant(book.tenant)
        assert set(book.faceids()) == {*pairs[0], pairs[1][0]}
        assert invocation.measured[telemetry.FAILURES_BUSY] >= 1
        [again] = place(book)["again"]
        assert again in pairs[0]
        contended[0].faceid = ""
        assert book.services.joining.join_tenant(book.tenant)
        assert set(book.faceids()) == {pairs[0][0], pairs[1][0]}
        assert place(book) == {"seq": book.services.writer.read_seq("shop")}
