"""Groups that are deleted with their faces: gone at once for every process, erased behind it
whatever is killed."""

from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from regulars_dialects.users import Users

from chalicelib.book.commit import Change
from chalicelib.book.merges.observations import ObservationMover
from chalicelib.domain.errors import (
    ConditionFailed,
    DefaultGroup,
    FaceHeld,
    FaceNotFound,
    GroupNotEmpty,
    GroupNotFound,
)
from chalicelib.domain.model import Edit, JournalEntry, NewFace
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.domain.rules.templates import gallery_group
from chalicelib.storage import keys
from chalicelib.storage.items import FaceOrder, walk_items
from chalicelib.storage.ports import ItemStore
from tests.support.book import person
from tests.support.book.book import Book, shot
from tests.support.book.book_with import book_with
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, OtherVision, Person, embedding_of, picture
from tests.support.meanwhile import Meanwhile

NAME = "Zacharias"


def filled(book: Book, *seeds: int, group: str = "staff") -> list[str]:
    """Make a group of these people, and return their faces' ids."""
    services, tenant = book.services, book.tenant
    if services.groups.find(tenant, group) is None:
        services.groups.create(tenant, group, None, "")
    people = [
        services.enrolment.enrol_largest_face(
            tenant, group, picture(Person(seed)), RULES, NewFace(name=NAME)
        )
        for seed in seeds
    ]
    return [one.faceid for one in people]


def searched(book: Book, seed: int) -> list[str]:
    """The ids of all faces that a search of all groups in this process finds, the most similar
    first."""
    probe = embedding_of(seed)[None, :]
    answer = book.services.ports.search.search(
        "shop", SearchRequest(book.tenant.model, probe, limit=50)
    )
    return [one.faceid for one in answer.candidates[0]]


def stored(book: Book) -> set[str]:
    """The folders of all pictures, and the ids of all faces, that are stored."""
    blobs = {path.parent.name for path in (book.folder / "blobs").rglob("*.jpg*")}
    return blobs | {item["faceid"] for item in walk_items(book.storage.items, keys.FACES, "shop")}


def test_a_deleted_group_is_gone_at_once_for_everybody_and_its_name_is_free(book: Book) -> None:
    services, gone = book.services, filled(book, 1, 2, 3)
    [left] = filled(book, 4, group="guests")
    services.deletion.groups.delete(book.tenant, "staff")
    tenant = book.tenant
    assert stored(book) >= set(gone), "nothing of the faces is erased yet"
    assert services.groups.find(tenant, "staff") is None
    with pytest.raises(FaceNotFound):
        services.faces.get(tenant, gone[0])
    assert services.faces.by_id(tenant, gone) == {}
    for order in (FaceOrder.ENROLLED, FaceOrder.ARRIVED, FaceOrder.ID):
        assert [
            one.faceid for one in services.faces.lists.read_page(tenant, None, order, 10).rows
        ] == [left]
        assert services.faces.lists.list_ids(tenant, None, order).ids == [left]
    assert [one.faceid for one in services.faces.search_by_name(tenant, NAME, 10).rows] == [left]
    assert searched(book, 1) == [left]
    assert book.see(shot(0, 1))[0].sightings[0].faceid not in gone
    assert not list_disagreements(services, "shop")
    assert filled(book, 1) != gone[:1]
    assert services.groups.get_by_name(tenant, "staff").count == 1


def test_a_process_that_holds_the_gallery_finds_nobody_of_the_group_any_more(
    book: Book, tmp_path: Path
) -> None:
    gone = filled(book, *range(1, 6))
    filled(book, 9, group="guests")
    with closing(Book(tmp_path / "data")) as other:
        assert set(searched(other, 1)) >= set(gone)
        book.services.deletion.groups.delete(book.tenant, "staff")
        assert set(gone).isdisjoint(searched(other, 1))
    with closing(Book(tmp_path / "data")) as late:
        assert set(gone).isdisjoint(searched(late, 1))
        late.services.index.purge_before("shop", late.services.writer.read_seq("shop"))
        assert set(gone).isdisjoint(searched(late, 1))
        for blob in list(late.storage.blobs.walk("shop/index/")):
            late.storage.blobs.delete(blob.key)
    with closing(Book(tmp_path / "data")) as from_faces:
        assert set(gone).isdisjoint(searched(from_faces, 1))


def test_what_is_behind_is_erased_pictures_templates_and_ids(book: Book) -> None:
    book.services.deletion.groups.a_record = 2
    gone = filled(book, *range(1, 6))
    [left] = filled(book, 9, group="guests")
    wanted = {one: book.services.faces.get(book.tenant, one).templates[0].vector for one in gone}
    book.sweep()
    book.services.deletion.groups.delete(book.tenant, "staff")
    person.worked_off(book)
    assert stored(book) == {left}
    assert book.tenant.gone == frozenset()
    assert not list(book.services.erasure.records.list_unfinished("shop"))
    assert not list_disagreements(book.services, "shop")
    book.storage.scrub()
    assert person.left(book, wanted) == []
    assert searched(book, 9) == [left]


def test_a_tenant_whose_deletions_erase_has_receipts_of_all_faces(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    filled(book, 1, 2, 3)
    book.services.deletion.groups.delete(book.tenant, "staff", by="rekognition")
    # it is done as it was asked for
    book.services.tenants.change_settings("shop", {"deletes_erase": False})
    person.worked_off(book)
    [erasure] = book.services.erasure.records.read_page("shop", 10).rows
    assert (erasure.number, erasure.by, len(erasure.faces)) == (3, "rekognition", 3)
    assert erasure.receipt is not None
    assert book.storage.items.query(keys.DIRECTORY, "shop", low="GONE", high="GONF").items == ()


def test_without_messages_the_sweep_erases(book: Book) -> None:
    filled(book, 1, 2)
    book.services.deletion.groups.delete(book.tenant, "staff")
    for message in book.storage.index_queue.receive(10, 1):
        book.storage.index_queue.delete(message.receipt)
    book.sweep()
    assert stored(book) == set()
    assert book.tenant.gone == frozenset()


def test_a_group_of_which_a_face_is_held_stays_whole(book: Book) -> None:
    gone = filled(book, 1, 2)
    book.services.faces.holds.set(book.tenant, gone[1], "case 7")
    with pytest.raises(FaceHeld, match=f"face {gone[1]!r} is under legal hold"):
        book.services.deletion.groups.delete(book.tenant, "staff")
    assert book.services.groups.get_by_name(book.tenant, "staff").count == 2
    assert set(searched(book, 1)) == set(gone)
    book.services.faces.holds.lift(book.tenant, gone[1], "closed")
    book.services.deletion.groups.delete(book.tenant, "staff")


def meanwhile(book: Book) -> Meanwhile:
    """Before whose next transaction something happens, in the deletion of a group."""
    items = Meanwhile(book.storage.items)
    writer = type(book.services.writer)(cast(ItemStore, items), book.clock, lambda tenant: None)
    book.services.writer = writer
    return items


def test_a_hold_that_comes_just_before_the_deletion_stops_it(book: Book) -> None:
    [face] = filled(book, 1)
    meanwhile(book).first.append(lambda: book.services.faces.holds.set(book.tenant, face, "case 7"))
    with pytest.raises(FaceHeld):
        book.services.deletion.groups.delete(book.tenant, "staff")
    assert book.services.faces.get(book.tenant, face).hold is not None


def test_a_hold_that_comes_just_behind_the_deletion_finds_no_face(book: Book) -> None:
    [face] = filled(book, 1)
    before = book.tenant
    book.services.deletion.groups.delete(book.tenant, "staff")
    with pytest.raises(ConditionFailed):
        book.services.writer.commit(
            "shop", Change((), (), required_groups=frozenset({group_of(book, face)}))
        )
    with pytest.raises(FaceNotFound):
        book.services.faces.holds.set(book.tenant, face, "case 7")
    assert before.gone == frozenset()


def group_of(book: Book, faceid: str) -> str:
    item = book.storage.items.get(keys.FACES, ("shop", faceid))
    return str(item["group"])


def test_faces_that_come_and_go_meanwhile_are_deleted_with_the_group(book: Book) -> None:
    filled(book, 1, 2)
    items = meanwhile(book)
    items.first.append(lambda: filled(book, 3))
    items.first.append(lambda: book.services.groups.add_tags(book.tenant, "staff", {"floor": "2"}))
    book.services.deletion.groups.delete(book.tenant, "staff")
    person.worked_off(book)
    assert stored(book) == set()
    assert not list_disagreements(book.services, "shop")


def test_nobody_brings_a_face_of_the_group_back_into_a_gallery(book: Book) -> None:
    [gone] = filled(book, 1)
    face, tenant = book.services.faces.get(book.tenant, gone), book.tenant
    book.services.deletion.groups.delete(book.tenant, "staff")
    for edit in (Edit.REPLACE, Edit.EMBED, Edit.PUT, Edit.MOVE):
        entry = JournalEntry(edit, gone, face.group_id, face.templates)
        with pytest.raises(ConditionFailed):
            book.services.writer.commit("shop", Change((), (entry,)))
    assert book.services.reembedding.change_model("shop", book.vision, OtherVision()).switched
    assert searched(book, 1) == []
    assert tenant.gone == frozenset()


def test_default_groups_and_those_that_are_not_there_are_refused_and_empty_ones_leave_nothing(
    book: Book,
) -> None:
    filled(book)
    with pytest.raises(DefaultGroup):
        book.services.deletion.groups.delete(book.tenant, "stranger")
    with pytest.raises(GroupNotFound):
        book.services.deletion.groups.delete(book.tenant, "nobody")
    before = book.services.groups.read_capacity_left(book.tenant)
    book.services.deletion.groups.delete(book.tenant, "staff")
    assert book.services.groups.read_capacity_left(book.tenant) == before
    person.worked_off(book)
    assert book.tenant.gone == frozenset()
    assert not list_disagreements(book.services, "shop")


def test_the_users_of_a_group_go_with_it(book: Book) -> None:
    one, two = filled(book, 1, 2)
    services, tenant = book.services, book.tenant
    group = services.groups.get_by_name(tenant, "staff")
    Users(services).create(tenant, group, "ann")
    assert Users(services).associate_faces(tenant, group, "ann", [one, two], 0).face_count == 2
    services.deletion.groups.delete(tenant, "staff")
    probe = embedding_of(1)[None, :]
    request = SearchRequest(tenant.model, probe, [gallery_group(group.id)], limit=5)
    assert services.ports.search.search("shop", request).candidates == ((),)
    assert not list_disagreements(services, "shop")
    with pytest.raises(GroupNotFound):
        Users(services).create(tenant, group, "bob")
    person.worked_off(book)
    assert (
        list(walk_items(book.storage.items, keys.DIRECTORY, "shop", between=keys.FACE_SETS)) == []
    )
    assert not list_disagreements(services, "shop")


def test_two_workers_at_once_erase_the_same(book: Book) -> None:
    filled(book, *range(1, 5))
    book.services.deletion.groups.delete(book.tenant, "staff")
    [group_id] = book.tenant.gone
    items = Meanwhile(book.storage.items)
    tenant = book.tenant
    slow = book_with(book.services, items=items).deletion.groups
    items.first += [
        lambda: None,
        lambda: book.services.deletion.groups.erase_faces(tenant, group_id, lambda: 600.0),
    ]
    slow.erase_faces(tenant, group_id, lambda: 600.0)
    person.worked_off(book)
    assert stored(book) == set()
    assert not list_disagreements(book.services, "shop")


def test_a_face_that_takes_a_freed_id_in_another_group_is_not_deleted(book: Book) -> None:
    services = book.services
    for name in ("staff", "guests"):
        services.groups.create(book.tenant, name, None, "")

    def enrol(group: str, seed: int) -> None:
        services.enrolment.enrol_largest_face(
            book.tenant, group, picture(Person(seed)), RULES, NewFace(faceid="emp-7")
        )

    enrol("staff", 1)
    services.deletion.groups.delete(book.tenant, "staff")
    before, [group_id] = book.tenant, book.tenant.gone

    def another_worker() -> None:
        services.deletion.groups.erase_faces(before, group_id, lambda: 600.0)
        enrol("guests", 2)

    items = Meanwhile(book.storage.items)
    items.first += [lambda: None, another_worker]
    book_with(services, items=items).deletion.groups.erase_faces(before, group_id, lambda: 600.0)
    assert services.faces.find(book.tenant, "emp-7") is not None
    assert not list_disagreements(services, "shop")


class Killed(Exception): ...


@dataclass
class KilledMover:
    """A mover of observations whose process is killed when it begins."""

    mover: ObservationMover

    def finish_merge(self, *_: object) -> None:
        raise Killed

    def __getattr__(self, name: str) -> object:
        return getattr(self.mover, name)


@pytest.mark.parametrize("dropped", ["staff", "guests"])
def test_an_undo_that_was_cut_off_leaves_the_other_face_whole(book: Book, dropped: str) -> None:
    services = book.services
    [staff], [guest] = filled(book, 1), filled(book, 2, group="guests")
    merge = services.merges.merging.merge(book.tenant, staff, guest)
    mover, merging = services.merges.mover, services.merges.merging
    services.merges.mover = cast(ObservationMover, KilledMover(mover))
    with pytest.raises(Killed):
        merging.undo(book.tenant, merge.id)
    services.deletion.groups.delete(book.tenant, dropped)
    person.worked_off(book)
    left = guest if dropped == "staff" else staff
    assert not list_disagreements(services, "shop")
    assert services.deletion.delete_faces(book.tenant, [left]).success == [left]


def test_no_receipt_is_signed_while_the_face_is_stored(book: Book) -> None:
    services = book.services
    [faceid] = filled(book, 1)
    services.deletion.groups.delete(book.tenant, "staff")
    [id_] = services.erasure.erase_gone_face(book.tenant, faceid).erasures
    book.clock.advance(timedelta(hours=3))
    for _ in range(10):
        services.erasure.steps.continue_all(book.tenant)
    assert services.erasure.records.get("shop", id_).done_at is None
    person.worked_off(book)
    services.erasure.steps.continue_all(book.tenant)
    assert services.erasure.records.get("shop", id_).receipt
    assert not stored(book)


def test_a_record_has_no_more_faces_than_it_takes_with_those_that_were_merged_into_them(
    book: Book,
) -> None:
    services = book.services
    gone = filled(book, *range(1, 7))
    for survivor, other in (gone[:2], gone[2:4]):
        services.merges.merging.merge(book.tenant, survivor, other)
    services.deletion.groups.a_record = 3
    services.deletion.groups.delete(book.tenant, "staff")
    [group_id] = book.tenant.gone
    services.deletion.groups.erase_faces(book.tenant, group_id, lambda: 600.0)
    records = [len(one.faceids) for one in services.erasure.records.list_unfinished("shop")]
    assert sum(records) == len(gone)
    assert max(records) == 3
    assert stored(book).isdisjoint(gone)


def test_a_group_with_users_is_not_deleted_as_an_empty_one(book: Book) -> None:
    services = book.services
    filled(book)
    Users(services).create(
        book.tenant, services.groups.get_by_name(book.tenant, "staff"), "ann.smith"
    )
    with pytest.raises(GroupNotEmpty, match=r"has face sets \(1\)"):
        services.groups.delete(book.tenant, "staff")
    services.deletion.groups.delete(book.tenant, "staff")
    person.worked_off(book)
    assert not list(walk_items(book.storage.items, keys.DIRECTORY, "shop", between=keys.FACE_SETS))
