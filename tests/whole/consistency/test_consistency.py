"""Each invariant is broken by hand, and named in a sentence."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.auth.roles import Role
from chalicelib.book.commit import Change
from chalicelib.book.deletion.orphans import PICTURE_GRACE
from chalicelib.book.faces import hold_put
from chalicelib.domain.api_keys import FIRST
from chalicelib.domain.captures import CaptureState
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Edit, Face, Hold, JournalEntry, NewFace, PromotionSettings
from chalicelib.storage import keys
from chalicelib.storage.ports import Delete, Item, Put, Table, Update, exists
from chalicelib.storage.records.merges import MergeState
from chalicelib.storage.records.observations import page_item, visits_from, visits_item
from chalicelib.storage.values import milliseconds
from tests.support.book.book import MONDAY, Book, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.later import later

DAY = 24 * 60
ZERO_DAY = "20260302"


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A week's book: strangers, a regular, a rejected sighting, a merge, sealed days, and a search
    of today."""
    with closing(Book(tmp_path / "data")) as book:
        tenant = book.tenant
        book.services.groups.set_promotion_settings(tenant, PromotionSettings(2, 7))
        book.services.groups.create(tenant, "guests", 100, "")
        book.see(
            shot(0, 1, 2), shot(40, 1), shot(DAY, 1, 3), shot(2 * DAY, 4), shot(2 * DAY + 60, 4, 2)
        )
        of_two = next(f for f in book.faceids() if len(sightings(book, f)) == 2)
        book.services.sightings.rejection.reject(tenant, of_two, sightings(book, of_two)[0])
        first, second, *_ = (f for f in book.faceids() if f not in (of_two, regular(book).faceid))
        book.services.merges.merging.merge(tenant, first, second)
        book.services.recognition.face_analysis.search_by_picture(tenant, picture(Person(1)), RULES)
        book.services.statistics.sealing.seal_tenant(tenant)
        assert said(book) == []
        yield book


def sightings(book: Book, faceid: str) -> list[str]:
    return [
        one.id for one in book.services.sightings.read_timeline(book.tenant, faceid, 100).sightings
    ]


def regular(book: Book) -> Face:
    return max(book.faces(), key=lambda face: face.arrive_count)


def said(book: Book) -> list[str]:
    return list_disagreements(book.services, "shop")


def change(book: Book, *actions: Put | Update | Delete) -> None:
    book.storage.items.transact(actions)


def of_tenant(**fields: int | str) -> Callable[[Book], None]:
    update = Update(keys.DIRECTORY, ("shop", keys.TENANT_ITEM), (exists("there"),), set=fields)
    return lambda book: change(book, update)


@later
def of_group(book: Book, name: str, **more: int) -> None:
    group = book.services.groups.get_by_name(book.tenant, name)
    change(
        book,
        Update(keys.DIRECTORY, ("shop", keys.group_item(group.id)), (exists("there"),), add=more),
    )


@later
def of_face(book: Book, **fields: int | str) -> None:
    change(book, Update(keys.FACES, ("shop", regular(book).faceid), (exists("there"),), set=fields))


@later
def told(book: Book, edit: Edit, faceid: str = "") -> None:
    """Say in the journal alone that a face was changed."""
    face = regular(book)
    templates = face.templates if edit is Edit.PUT else ()
    entry = JournalEntry(edit, faceid or face.faceid, "elsewhere", templates)
    book.services.writer.commit("shop", Change((), (entry,)))


def without(table: Table, id_: str) -> Callable[[Book], None]:
    return lambda book: change(book, Delete(table, ("shop", id_)))


def no_hold_in_the_list(book: Book) -> None:
    faceid = regular(book).faceid
    book.services.faces.holds.set(book.tenant, faceid, "case 7")
    change(book, Delete(keys.DIRECTORY, ("shop", keys.hold_item(faceid))))


def hold_of_nobody(book: Book) -> None:
    held = replace(regular(book), faceid="nobody", hold=Hold("case 7", MONDAY))
    change(book, hold_put("shop", held))


def no_change_in_the_journal(book: Book) -> None:
    change(book, Delete(keys.JOURNAL, ("shop", keys.seq_key(4))))


def picture_of_nobody(book: Book) -> None:
    key = keys.face_picture("shop", "gone", "x")
    book.storage.blobs.put_if_absent(key, b"x", "image/jpeg")
    stored_at = next(book.storage.blobs.walk(key)).stored_at
    book.clock.advance(stored_at + PICTURE_GRACE + timedelta(hours=1) - book.clock.now())


def no_arrivals(book: Book) -> None:
    change(book, Delete(keys.ARRIVALS, ("shop", regular(book).faceid)))


def arrivals(book: Book, faceid: str, at_minutes: int) -> None:
    held = visits_from(book.storage.items.get(keys.ARRIVALS, ("shop", faceid)))
    more = held.arrivals.add_sighting(milliseconds(shot(at_minutes).at), 1_800_000)
    after = replace(held, arrivals=more, version=held.version + 1)
    change(book, Put(keys.ARRIVALS, visits_item("shop", faceid, after)))


def another_arrival(book: Book) -> None:
    arrivals(book, regular(book).faceid, 5 * DAY)


def page_of_arrivals_that_no_head_names(book: Book) -> None:
    change(book, Put(keys.ARRIVALS, page_item("shop", regular(book).faceid, 1, ())))


def observation(book: Book) -> tuple[str, str]:
    one = book.services.sightings.read_timeline(book.tenant, regular(book).faceid, 1).sightings[0]
    return keys.observation("shop", milliseconds(one.at), one.id)


def no_observation(book: Book) -> None:
    change(book, Delete(keys.OBSERVATIONS, observation(book)))


def negative_of_nobody(book: Book) -> None:
    item = {"tenant": "shop", "id": keys.negative("nobody", "x"), "templates": [], "camera": ""}
    change(book, Put(keys.NEGATIVES, item))


@later
def of_merge(book: Book, state: MergeState) -> None:
    (merge,) = book.services.merges.records.list_all("shop")
    change(book, Update(keys.MERGES, ("shop", merge.id), (exists("there"),), set={"state": state}))


def no_merges(book: Book) -> None:
    (merge,) = book.services.merges.records.list_all("shop")
    change(
        book, Update(keys.FACES, ("shop", merge.survivor), (exists("there"),), remove=("merges",))
    )


def waits_without_picture(book: Book) -> None:
    capture = book.put(shot(6 * DAY, 9))
    key = keys.captures("shop", "door"), capture.id
    change(book, Update(keys.CAPTURES, key, (exists("there"),), set={"state": CaptureState.STORED}))
    book.storage.uploads.delete(keys.capture_picture("shop", "door", capture.id))


def no_capture(book: Book) -> None:
    capture, _, _ = observation(book)[1].partition("#")[2].rpartition("-")
    change(book, Delete(keys.CAPTURES, (keys.captures("shop", "door"), capture)))


def today(book: Book) -> int:
    return milliseconds(book.clock.now()) // DAY_MS


def no_day(book: Book) -> None:
    month, field = keys.calendar_field(today(book))
    change(
        book,
        Update(keys.SUMMARIES, (keys.calendar("shop"), month), (exists("there"),), remove=(field,)),
    )


def seal(book: Book) -> Item:
    item = book.storage.items.get(keys.SUMMARIES, (keys.totals("shop", "UTC"), ZERO_DAY))
    assert item is not None
    return item


def other_hours(book: Book) -> None:
    item = seal(book)
    first, *others = item["by_kind"]["sighting"]
    change(book, Put(keys.SUMMARIES, {**item, "by_kind": {"sighting": [int(first) + 1, *others]}}))


def other_columns(book: Book) -> None:
    """The object of another day in place of the sealed one."""
    other = book.storage.items.get(keys.SUMMARIES, (keys.totals("shop", "UTC"), "20260304"))
    change(book, Put(keys.SUMMARIES, {**seal(book), "columns": (other or {})["columns"]}))


def other_labels(book: Book) -> None:
    chunks = keys.label_counts("shop", "UTC")
    one, other = (
        book.storage.items.get(keys.SUMMARIES, (chunks, f"{day}#000"))
        for day in (ZERO_DAY, "20260304")
    )
    change(book, Put(keys.SUMMARIES, {**one, "counts": other["counts"]}))


def other_presences(book: Book) -> None:
    one, other = (
        book.storage.items.get(keys.SUMMARIES, (keys.presences("shop", "UTC"), day))
        for day in (ZERO_DAY, "20260304")
    )
    change(book, Put(keys.SUMMARIES, {**one, "presences": other["presences"]}))


@later
def of_credential(book: Book, pointer: Callable[[str], tuple[str, str]], field: str) -> None:
    item = book.storage.items.get(keys.TENANTS, keys.tenant_item("shop"))
    change(book, Delete(keys.TENANTS, pointer(item[field])))


def old_key(book: Book) -> None:
    kind, id_ = keys.api_key_item("0" * 64)
    change(book, Put(keys.TENANTS, {"kind": kind, "id": id_, "tenant": "shop", "camera": "door"}))


def no_camera_key(book: Book) -> None:
    item = book.storage.items.get(keys.CAMERAS, ("shop", "door"))
    change(book, Delete(keys.TENANTS, keys.api_key_item(item["key_digest"])))


def secret_of_no_key(book: Book) -> None:
    key, _ = book.services.access.keys.add(book.tenant, "Ann")
    change(book, Delete(keys.TENANTS, keys.key_record("shop", key.id)))


def no_secret_of_a_key(book: Book) -> None:
    key, _ = book.services.access.keys.add(book.tenant, "Ann")
    change(book, Delete(keys.TENANTS, keys.api_key_item(key.digest)))


def name_of_nothing(book: Book) -> None:
    change(
        book,
        Put(keys.DIRECTORY, {"tenant": "shop", "item": keys.name_item("ghosts"), "group": "7"}),
    )


def name_of_no_camera(book: Book) -> None:
    change(
        book,
        Put(keys.CAMERAS, {"tenant": "shop", "id": keys.camera_name("attic"), "camera": "attic"}),
    )


def cameras_left(book: Book) -> None:
    change(
        book, Update(keys.CAMERAS, ("shop", keys.CAMERAS_LEFT), (exists("there"),), add={"left": 1})
    )


def other_model(book: Book) -> None:
    change(
        book,
        Update(keys.TENANTS, keys.tenant_item("shop"), (exists("there"),), set={"model": "other"}),
    )


BROKEN: list[tuple[Callable[[Book], None], str]] = [
    (of_group("regular", count=1), "group regular says that it holds 3 faces, and holds 2"),
    (
        of_group("regular", count=1, free=-1),
        "group regular says that it holds 3 faces, and holds 2",
    ),
    (of_tenant(free=7), "the tenant says that 7 more faces fit, and 999996 do"),
    (of_tenant(groups_left=3), "the tenant says that 3 more groups fit, and 997 do"),
    (
        of_tenant(capacity_left=5),
        "the tenant says that 5 more places for groups fit, and 989900 do",
    ),
    (other_model, "the tenant says that it is searched with other, and its gallery says fake"),
    (
        of_face(enrolment_key="regular#x"),
        r"face \w+ is listed as 'regular#x', and is 'regular#\d+#\w+'",
    ),
    (
        no_change_in_the_journal,
        r"the journal ends at change \d+ and lacks 1 before it, the last is 4",
    ),
    (told(Edit.DELETE), r"the index does not find \w+"),
    (told(Edit.PUT, "ghost"), "the index finds ghost, and there is no such face"),
    (told(Edit.MOVE), r"the index has another group or other templates of \w+ than the face"),
    (picture_of_nobody, "picture shop/faces/gone/x.jpg belongs to no face"),
    (
        of_face(arrive_count=9),
        r"face \w+ says 9 arrivals, the last at .*, and its visits are \d, .*",
    ),
    (
        no_arrivals,
        r"face \w+ has 0 arrivals of 0 sightings in 100 days, and its sightings make \d of \d",
    ),
    (
        another_arrival,
        r"face \w+ has \d arrivals of \d sightings in 100 days, and its sightings make \d of \d",
    ),
    (
        lambda book: arrivals(book, "nobody", 0),
        "there are arrivals of nobody, and there is no such face",
    ),
    (
        page_of_arrivals_that_no_head_names,
        r"a page of arrivals of \w+ is stored, and its visits do not name it",
    ),
    (of_face(negatives=3), r"face \w+ says 3 rejected pictures, and 0 are stored"),
    (negative_of_nobody, "a rejected picture, nobody#x, is kept for a face that there is not"),
    (no_merges, r"face \w+ says that it comes from 0 merges, and it does from 1"),
    (
        of_face(moving="x.1"),
        r"face \w+ says that merge x.1 moves its observations, and it does not",
    ),
    (
        of_merge(MergeState.MOVING),
        r"merge \S+ moves observations of face \w+, which does not say so",
    ),
    (
        waits_without_picture,
        r"capture \S+ of camera door waits to be resolved, and its picture is gone",
    ),
    (no_day, r"there are observations of \d{8}, UTC, and the calendar has no such day"),
    (other_hours, f"statistics of {ZERO_DAY}, hour 00, say 1 observations, and 0 are stored"),
    (other_columns, f"statistics of {ZERO_DAY}, hour .*, say . persons, and . are stored"),
    (
        other_labels,
        f"statistics of {ZERO_DAY}, hour .*, say . observations in .*, and . are stored",
    ),
    (
        other_presences,
        r"statistics of \d+, hour \d\d, say \d arrivals, and \d are stored",
    ),
    (of_credential(keys.app_id_item, "app_id"), "the app_id of tenant shop does not lead to it"),
    (
        of_credential(keys.appcode_item, "appcode_digest"),
        "the appcode of tenant shop does not lead to it",
    ),
    (
        of_credential(keys.api_key_item, "api_key_digest"),
        "the api_key of tenant shop does not lead to it",
    ),
    (no_hold_in_the_list, r"the hold of face \w+ in the list of holds does not lead to it"),
    (hold_of_nobody, "shop HOLD#nobody leads to nobody, which has nothing of that kind"),
    (no_camera_key, "the api_key of camera door does not lead to it"),
    (secret_of_no_key, r"api_key \w{64} leads to \d+, which has nothing of that kind"),
    (no_secret_of_a_key, r"the secret of key \d+ does not lead to it"),
    (old_key, "api_key 0{64} leads to door, which has nothing of that kind"),
    (
        without(keys.DIRECTORY, "NAME#guests"),
        "the name of group guests does not lead to it",
    ),
    (name_of_nothing, "shop NAME#ghosts leads to 7, which has nothing of that kind"),
    (
        without(keys.CAMERAS, "#name#door"),
        "the name door of camera door does not lead to it",
    ),
    (name_of_no_camera, "shop #name#attic leads to attic, which has nothing of that kind"),
    (cameras_left, r"the tenant says that \d+ more cameras fit, and \d+ do"),
    (
        lambda book: book.storage.blobs.delete(regular(book).picture_key),
        r"picture 1 of 1 of face \w+ is gone",
    ),
    (
        no_observation,
        r"capture \S+ of camera door shows face \w+, and no observation of that is stored",
    ),
    (
        no_capture,
        r"face \w+ was sighted in capture \S+ of camera door, and no such capture says so",
    ),
    (
        lambda book: change(
            book, Put(keys.NAMES, {"tenant": "shop", "term": "ann#7", "faceid": "7"})
        ),
        "shop ann#7 leads to 7, which has nothing of that kind",
    ),
    (
        lambda book: change(
            book,
            Update(
                keys.DIRECTORY,
                ("shop", keys.TENANT_ITEM),
                (exists("there"),),
                set={"numbered": 0},
            ),
        ),
        r"the tenant says that 0 is the newest stranger's number, and there is \d+",
    ),
]


def test_a_tenant_without_its_first_key_agrees_with_itself(book: Book) -> None:
    book.services.access.keys.add(book.tenant, "mine", Role.ADMIN)
    book.services.access.keys.delete(book.tenant, FIRST)
    assert not said(book)


def names(broken: Callable[[Book], None], says: str) -> str:
    return says.replace("\\", "")[:40]


@pytest.mark.parametrize(("broken", "says"), [pytest.param(*row, id=names(*row)) for row in BROKEN])
def test_what_is_broken_by_hand_is_named(
    book: Book, broken: Callable[[Book], None], says: str
) -> None:
    broken(book)
    assert any(re.fullmatch(says, one) for one in said(book)), said(book)


def test_an_id_that_another_face_had_before_is_not_taken_for_it(book: Book) -> None:
    """Observations outlive the face.

    If the second one's arrivals are wrong, nobody knows which of them are its own.
    """
    tenant, services = book.tenant, book.services
    for at in (6 * DAY, 16 * DAY):
        services.enrolment.enrol_largest_face(
            tenant, "guests", picture(Person(7)), RULES, NewFace(faceid="seven")
        )
        book.see(shot(at, 7))
        assert said(book) == []
        if at == 6 * DAY:
            services.deletion.delete_faces_of_group(tenant, "guests", ["seven"])
            book.clock.advance(timedelta(days=1))
    change(book, Delete(keys.ARRIVALS, ("shop", "seven")))
    assert said(book)[1:] == [
        "face seven has 0 arrivals of 0 sightings in 100 days, and its sightings make 2 of 2"
    ]


def test_what_another_face_left_that_had_the_id_before_goes_into_no_merge(book: Book) -> None:
    tenant, services = book.tenant, book.services
    survivor = book.see(shot(0, 9))[0].sightings[0].faceid or ""
    for seed in (7, 8):
        services.enrolment.enrol_largest_face(
            tenant, "guests", picture(Person(seed)), RULES, NewFace(faceid="seven")
        )
        book.see(shot(seed * 60, seed))
        if seed == 7:
            services.deletion.delete_faces_of_group(tenant, "guests", ["seven"])
            book.clock.advance(timedelta(days=1))
    merge = services.merges.merging.merge(tenant, survivor, "seven")
    assert len([*services.merges.mover.list_observations(tenant, survivor)]) == 3
    assert said(book) == []
    services.merges.merging.undo(tenant, merge.id)
    assert len([*services.merges.mover.list_observations(tenant, "seven")]) == 4
    assert said(book) == []
