"""A restricted face is kept, and neither matched nor looked at: the GDPR, Article 18."""

import io
import json
import zipfile
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace
from regulars_dialects.records import MAX_FACES, UserNotFound
from regulars_dialects.users import Users

from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import Conflict, FaceExists, FaceHeld, FaceNotFound, InvalidInput
from chalicelib.domain.model import Face
from chalicelib.privacy.restrictions import Restrictions
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Update, exists
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.book_with import book_with
from tests.support.book.lists import listed
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.meanwhile import Interrupted

EVA, FINN = 1, 2


def enrolled(book: Book, seed: int = EVA, name: str = "Eva Lee") -> Face:
    return book.enrol(Person(seed), name=name)


def restrictions(book: Book) -> Restrictions:
    return book.services.restrictions


def is_found(book: Book, seed: int = EVA) -> str | None:
    match = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(seed)), RULES
    ).match
    return match.face.faceid if match else None


def test_a_restricted_face_is_matched_and_shown_by_nothing_until_that_is_lifted(book: Book) -> None:
    eva, finn = enrolled(book), enrolled(book, FINN, "Finn Lee")
    book.see(shot(0, EVA), shot(5, FINN))
    book.services.consents.set(book.tenant, eva.faceid, Consent(Basis.CONSENT, MONDAY))
    before = book.services.faces.get(book.tenant, eva.faceid)
    restrictions(book).set(book.tenant, eva.faceid, " letter 7 ")
    assert (is_found(book), is_found(book, FINN)) == (None, finn.faceid)
    assert listed(book) == {finn.faceid}
    assert book.services.faces.find(book.tenant, eva.faceid) is None
    with pytest.raises(FaceNotFound):
        book.services.faces.get(book.tenant, eva.faceid)
    assert book.services.deletion.delete_faces(book.tenant, [eva.faceid]).not_exist == [eva.faceid]
    [kept] = restrictions(book).list_all(book.tenant)
    assert kept.pictures == before.pictures
    assert kept.restriction.reason == "letter 7"
    assert book.group_counts()["regular"] == 1
    assert book.disagreements() == []
    assert list_disagreements(book.services, "shop") == []

    restrictions(book).lift(book.tenant, eva.faceid, "corrected")
    after = book.services.faces.get(book.tenant, eva.faceid)
    changed = {"changed_at": after.changed_at, "revision": after.revision, "version": after.version}
    assert after == replace(before, **changed)
    assert is_found(book) == eva.faceid
    assert listed(book) == {eva.faceid, finn.faceid}
    assert book.disagreements() == []
    assert list_disagreements(book.services, "shop") == []


def test_somebody_who_is_restricted_and_comes_again_is_counted_as_a_stranger(book: Book) -> None:
    eva = enrolled(book)
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    [seen] = book.see(shot(60, EVA))
    [sighting] = seen.sightings
    assert sighting.faceid not in (None, eva.faceid)
    assert book.services.faces.get(book.tenant, sighting.faceid or "").group_id == "stranger"


def test_retention_leaves_it_with_what_shows_it_and_an_expired_consent_does_not_erase_it(
    book: Book,
) -> None:
    own = {"stranger_days": 1, "capture_days": 1, "sighting_days": 1}
    book.services.tenants.change_settings("shop", {**own, "ended_days": 0})
    [seen, _] = book.see(shot(0, EVA), shot(5, FINN))
    eva = seen.sightings[0].faceid or ""
    expiring = Consent(
        Basis.CONSENT, book.clock.now(), expires_at=book.clock.now() + timedelta(days=1)
    )
    book.services.consents.set(book.tenant, eva, expiring)
    restrictions(book).set(book.tenant, eva, "letter 7")
    book.clock.advance(timedelta(days=30))
    retention = book.services.erasure.retention
    retention.sweep_tenant(book.services.tenants.get_by_name("shop"), lambda: float("inf"))
    assert [face.faceid for face in book.faces()] == [eva]
    assert [blob.key.rpartition("/")[2] for blob in book.storage.uploads.walk("shop/door/")] == [
        seen.id
    ]
    assert book.disagreements() == []


def test_it_is_in_the_archive_of_all_that_is_held_about_the_person(book: Book) -> None:
    eva = enrolled(book)
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    file = io.BytesIO()
    book.services.archives.write(book.tenant, eva.faceid, file, "en")
    with zipfile.ZipFile(file) as archive:
        assert "pictures/0.jpg" in archive.namelist()
        assert (
            "<td dir=auto>kept without being used since</td>" in archive.read("index.html").decode()
        )


def test_a_deletion_does_not_find_it_though_the_tenant_has_deletions_erase(book: Book) -> None:
    eva, deletion = enrolled(book), book.services.deletion
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    assert deletion.delete_faces(book.tenant, [eva.faceid]).not_exist == [eva.faceid]
    assert deletion.delete_faces_of_group(book.tenant, "regular", [eva.faceid]).not_exist == [
        eva.faceid
    ]
    assert [one.faceid for one in restrictions(book).list_all(book.tenant)] == [eva.faceid]


def test_an_event_that_waits_names_it_no_more(book: Book) -> None:
    """Also if they are more than one transaction takes."""
    for _ in range(12):
        book.services.webhooks.hooks.add("shop", None)
    eva, finn = enrolled(book), enrolled(book, FINN, "Finn Lee")
    book.see(*(shot(day * 24 * 60, EVA) for day in range(5)), shot(5, FINN))

    def told() -> Counter[tuple[str, str]]:
        found = (
            json.loads(item["payload"])["data"]
            for item in walk_items(book.storage.items, keys.OUTBOX, "shop")
        )
        return Counter((data["faceid"], data["name"]) for data in found)

    assert told() == {(eva.faceid, "Eva Lee"): 60, (finn.faceid, "Finn Lee"): 12}
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    assert told() == {(eva.faceid, ""): 60, (finn.faceid, "Finn Lee"): 12}


def test_it_can_be_erased_but_under_legal_hold(book: Book) -> None:
    eva, deletion = enrolled(book), book.services.deletion
    book.services.faces.holds.set(book.tenant, eva.faceid, "case 7")
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")

    def erase() -> list[str]:
        return deletion.delete_faces(book.tenant, [eva.faceid], erase=True).success

    with pytest.raises(FaceHeld):
        erase()
    book.services.faces.holds.lift(book.tenant, eva.faceid, "closed")
    assert erase() == [eva.faceid]
    assert restrictions(book).list_all(book.tenant) == []
    assert list(book.storage.blobs.walk(f"shop/faces/{eva.faceid}/")) == []
    assert book.disagreements() == []


def test_it_leaves_its_user_and_returns_to_the_regulars_if_its_group_was_deleted(
    book: Book,
) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    eva = book.enrol(Person(EVA), "vip")
    vip = book.services.groups.get_by_name(book.tenant, "vip")
    Users(book.services).create(book.tenant, vip, "a-1")
    Users(book.services).associate_faces(book.tenant, vip, "a-1", [eva.faceid], 0.0)
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    assert list_disagreements(book.services, "shop") == []
    book.services.deletion.groups.delete(book.tenant, "vip")
    tenant = book.services.tenants.get_by_name("shop")
    book.services.deletion.groups.continue_tenant(tenant, lambda: float("inf"))
    after = restrictions(book).lift(
        book.services.tenants.get_by_name("shop"), eva.faceid, "withdrawn"
    )
    assert (after.group_id, after.face_set, is_found(book)) == ("regular", "", eva.faceid)
    assert list_disagreements(book.services, "shop") == []


def of_a_user(book: Book) -> Face:
    eva, regular = enrolled(book), book.services.groups.get_by_name(book.tenant, "regular")
    Users(book.services).create(book.tenant, regular, "a-1")
    Users(book.services).associate_faces(book.tenant, regular, "a-1", [eva.faceid], 0.0)
    return book.services.faces.get(book.tenant, eva.faceid)


def test_a_held_face_of_a_user_is_restricted_and_returns_to_its_user(book: Book) -> None:
    eva, regular = of_a_user(book), book.services.groups.get_by_name(book.tenant, "regular")
    book.services.faces.holds.set(book.tenant, eva.faceid, "case 7")
    kept = restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    assert (kept.face_set, kept.own_face_set, is_found(book)) == ("", "a-1", None)
    with pytest.raises(UserNotFound):
        Users(book.services).get(book.tenant, regular, "a-1")
    assert list_disagreements(book.services, "shop") == []
    after = restrictions(book).lift(book.tenant, eva.faceid, "withdrawn")
    user = Users(book.services).get(book.tenant, regular, "a-1")
    assert (after.face_set, user.faceids, bool(user.templates)) == ("a-1", (eva.faceid,), True)
    assert list_disagreements(book.services, "shop") == []
    assert book.disagreements() == []


def test_a_restriction_is_not_lifted_while_a_held_face_would_lose_its_user_by_that(
    book: Book,
) -> None:
    eva, regular = of_a_user(book), book.services.groups.get_by_name(book.tenant, "regular")
    book.services.faces.holds.set(book.tenant, eva.faceid, "case 7")
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    Users(book.services).create(book.tenant, regular, "a-1")
    others = [enrolled(book, seed).faceid for seed in range(FINN, FINN + MAX_FACES)]
    Users(book.services).associate_faces(book.tenant, regular, "a-1", others, 0.0)
    with pytest.raises(FaceHeld):
        restrictions(book).lift(book.tenant, eva.faceid, "withdrawn")
    book.services.faces.holds.lift(book.tenant, eva.faceid, "closed")
    assert restrictions(book).lift(book.tenant, eva.faceid, "withdrawn").face_set == ""


def test_a_lift_agrees_with_what_becomes_of_its_face_set_meanwhile(book: Book) -> None:
    """Before each of its reads, another process deletes the set's other face, and so the set."""
    regular, users = book.services.groups.get_by_name(book.tenant, "regular"), Users(book.services)
    eva = enrolled(book)
    for number in range(1, 100):
        finn = enrolled(book, FINN + number, f"Finn {number}").faceid
        users.create(book.tenant, regular, f"a-{number}")
        users.associate_faces(book.tenant, regular, f"a-{number}", [eva.faceid, finn], 0.0)
        restrictions(book).set(book.tenant, eva.faceid, "letter 7")
        items = Interrupted(book.storage.items)
        items.at = {number: partial(book.services.deletion.delete_faces, book.tenant, [finn])}
        other = book_with(book.services, items=items)
        other.restrictions.lift(book.tenant, eva.faceid, "withdrawn")
        assert list_disagreements(book.services, "shop") == []
        if items.reads < number:
            break
        users.disassociate_faces(book.tenant, regular, f"a-{number}", [eva.faceid])
        users.delete(book.tenant, regular, f"a-{number}")
    assert number > 5


def test_its_group_is_not_deleted_while_it_is_held(book: Book) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    eva = book.enrol(Person(EVA), "vip")
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    book.services.faces.holds.set(book.tenant, eva.faceid, "case 7")
    with pytest.raises(FaceHeld):
        book.services.deletion.groups.delete(book.tenant, "vip")
    after = restrictions(book).lift(book.tenant, eva.faceid, "withdrawn")
    assert after.hold
    assert after.group_id == eva.group_id


def test_its_merges_are_kept_with_it(book: Book) -> None:
    eva, finn = enrolled(book), enrolled(book, FINN, "Finn Lee")
    merge = book.services.merges.merging.merge(book.tenant, eva.faceid, finn.faceid)
    restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    book.clock.advance(timedelta(days=40))
    book.services.merges.mover.work_off_merges(book.tenant)
    assert book.storage.items.get(keys.MERGES, ("shop", merge.id))


def test_its_id_is_given_to_nobody_else(book: Book) -> None:
    book.enrol(Person(EVA), faceid="eva")
    restrictions(book).set(book.tenant, "eva", "letter 7")
    with pytest.raises(FaceExists):
        book.enrol(Person(FINN), faceid="eva")


def test_it_has_a_reason_and_twice_is_once(book: Book) -> None:
    eva = enrolled(book)
    with pytest.raises(InvalidInput, match="the reason of a restriction has 1 to 500 characters"):
        restrictions(book).set(book.tenant, eva.faceid, " ")
    restrictions(book).lift(book.tenant, eva.faceid, "it is not restricted")
    first = restrictions(book).set(book.tenant, eva.faceid, "letter 7")
    assert (
        restrictions(book).set(book.tenant, eva.faceid, "letter 8").restriction == first.restriction
    )


@pytest.mark.parametrize("is_set", [True, False])
def test_while_a_merge_moves_its_observations_a_face_is_neither_restricted_nor_freed(
    book: Book, *, is_set: bool
) -> None:
    eva = enrolled(book).faceid
    if not is_set:
        restrictions(book).set(book.tenant, eva, "letter 7")
    there = (exists("there"),)
    book.storage.items.transact(
        [Update(keys.FACES, ("shop", eva), there, set={"moving": "m"}, add={"version": 1})]
    )
    change = restrictions(book).set if is_set else restrictions(book).lift
    with pytest.raises(Conflict, match="is still going on: send the request again in a minute"):
        change(book.tenant, eva, "letter 8")
    assert (
        book.services.faces.get(book.tenant, eva, restricted=True).restriction is None
    ) is is_set
