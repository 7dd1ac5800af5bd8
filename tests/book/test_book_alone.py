"""The book without privacy, auth and api, and what each of its hooks is for."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from chalicelib.book.book import Book
from chalicelib.domain.captures import Capture, Sighting
from chalicelib.domain.hooks import FULL, BookHooks, Departure
from chalicelib.domain.model import Face, Tenant
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Action, Put
from tests.support.book.book import Book as Shop
from tests.support.book.book import shot
from tests.support.fakes import RULES, Person, picture


class Heard(BookHooks):
    """Hooks that note what they are told, and store an item for each face that leaves, in place of
    a record."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def faces_leave(
        self,
        tenant: Tenant,
        faces: Sequence[Face],
        by: str,
        *,
        erases: bool,
        refuses: bool = False,
        asked_at: datetime | None = None,
    ) -> Departure:
        faceids = tuple(face.faceid for face in faces)
        self.told.append(("leave", faceids, by, erases))
        item = {"tenant": tenant.name, "item": f"LEFT#{faceids[0]}"}
        return Departure(
            "7",
            faceids,
            (Put(keys.DIRECTORY, item),),
            lambda: self.told.append(("follow", faceids)),
        )

    def face_changed(self, tenant: Tenant, faceid: str) -> None:
        self.told.append(("changed", faceid))

    def sighting_resolved(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        self.told.append(("resolved", capture.id, sighting.faceid))
        return ()

    def sighting_rejected(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        self.told.append(("rejected", capture.id, sighting.faceid))
        return ()


def alone(shop: Shop) -> Book:
    """Return the book of a shop, without all that is around it."""
    return Book(shop.services.settings, shop.services.ports)


def seen_by(book: Book, shop: Shop, minutes: float, *seeds: int) -> Sighting:
    capture = shop.put(shot(minutes, *seeds))
    return book.sightings.ingest.resolve_capture("shop", capture.camera_id, capture.id).sightings[0]


def left_items(shop: Shop) -> list[str]:
    found = walk_items(shop.storage.items, keys.DIRECTORY, "shop", between=("LEFT#", "LEFT#~"))
    return [item["item"].removeprefix("LEFT#") for item in found]


def test_alone_it_recognises_merges_rejects_and_deletes_and_stores_nothing_of_rights(
    tmp_path: Path,
) -> None:
    with closing(Shop(tmp_path)) as shop:
        book, tenant = alone(shop), shop.tenant
        ann = book.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(1, side_px=120.0)), RULES
        )
        assert seen_by(book, shop, 0, 1).faceid == ann.faceid
        stranger = seen_by(book, shop, 1, 2).faceid
        assert stranger not in (None, ann.faceid)
        merge = book.merges.merging.merge(tenant, ann.faceid, str(stranger))
        book.merges.merging.undo(tenant, merge.id)
        capture = shop.put(shot(2, 1))
        book.sightings.ingest.resolve_capture("shop", "door", capture.id)
        done = book.sightings.rejection.reject(tenant, ann.faceid, f"{capture.id}-0")
        assert done.sighting.faceid != ann.faceid
        deleted = book.deletion.delete_faces(tenant, [ann.faceid], erase=True)
        assert (deleted.success, deleted.erasures) == ([ann.faceid], []), (
            "nobody says how far an erasure is"
        )
        book.groups.create(tenant, "staff", None, "")
        book.enrolment.enrol_largest_face(tenant, "staff", picture(Person(5)), RULES)
        book.deletion.groups.delete(tenant, "staff")
        tenant = shop.tenant
        [gone] = tenant.gone
        book.deletion.groups.erase_faces(tenant, gone, lambda: 600.0)
        assert not shop.tenant.gone
        assert shop.nothing_else_is_stored()
        for table in (keys.ERASURES, keys.AUDIT):
            assert list(walk_items(shop.storage.items, table, "shop")) == []


def test_who_takes_the_hooks_hears_of_each_face_that_leaves_or_changes_and_of_each_sighting(
    tmp_path: Path,
) -> None:
    with closing(Shop(tmp_path)) as shop:
        book, tenant, heard = alone(shop), shop.tenant, Heard()
        book.book_hooks = heard
        ann = book.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(1, side_px=120.0)), RULES
        )
        other = seen_by(book, shop, 0, 2)
        capture = shop.put(shot(2, 1))
        assert (
            book.sightings.ingest.resolve_capture("shop", "door", capture.id).sightings[0].faceid
            == ann.faceid
        )
        assert [one[0] for one in heard.told] == ["resolved", "resolved"]
        heard.told.clear()
        book.sightings.rejection.reject(tenant, ann.faceid, f"{capture.id}-0")
        assert heard.told[:2] == [("rejected", capture.id, ann.faceid), ("changed", ann.faceid)]
        assert heard.told[2][:2] == ("resolved", capture.id)
        heard.told.clear()
        merge = book.merges.merging.merge(tenant, ann.faceid, str(other.faceid))
        assert heard.told == [], "who asks for an archive gets both faces"
        book.merges.merging.undo(tenant, merge.id)
        assert heard.told == [("changed", ann.faceid)]
        heard.told.clear()
        assert book.deletion.delete_faces(
            tenant, [ann.faceid], by="first", erase=True
        ).erasures == ["7"]
        assert heard.told == [("leave", (ann.faceid,), "first", True), ("follow", (ann.faceid,))]
        assert left_items(shop) == [ann.faceid]


def test_a_stranger_who_makes_room_leaves_as_others_do(tmp_path: Path) -> None:
    with closing(Shop(tmp_path)) as shop:
        book, heard = alone(shop), Heard()
        book.book_hooks = heard
        first = seen_by(book, shop, 0, 1).faceid
        book.groups.change_by_name(shop.tenant, "stranger", {"capacity": 1})
        second = seen_by(book, shop, 1, 2).faceid
        assert [one for one in heard.told if one[0] == "leave"][-1] == (
            "leave",
            (first,),
            FULL,
            False,
        )
        assert left_items(shop) == [first]
        assert [face.faceid for face in shop.faces()] == [second]
