from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.faces import rename_actions
from chalicelib.book.merges.observations import ObservationMover
from chalicelib.book.statistics.statistics import new_id
from chalicelib.book.visits import face_put, visits_puts
from chalicelib.book.webhooks import MAX_HOOKS
from chalicelib.domain.captures import Resolution
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import (
    Busy,
    FaceExists,
    FaceMerged,
    FaceNotFound,
    GroupFull,
    GroupNotFound,
    LimitReached,
    MergeNotFound,
    StorageUnavailable,
    TooManyPictures,
)
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.model import (
    BLANK,
    MAX_COMPARED,
    MAX_NEGATIVES,
    Face,
    Labels,
    Negative,
    Profile,
    PromotionSettings,
    Tenant,
)
from chalicelib.domain.observations import Observation, ObservationFilter, ObservationKind
from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.pictures import Gender
from chalicelib.domain.rules.visits import MOST_KEPT, Arrival, Arrivals
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.records.merges import MAX_MERGES, Merge, MergeState
from testing.reported import replays
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, shot
from tests.support.fakes import RULES, Person, picture, with_thumbnails

DAY = 24 * 60


@pytest.fixture
def book(agreeing: Book) -> Book:
    return agreeing


def face_of(book: Book, seed: int) -> Face:
    """Whom the person is taken for."""
    found = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(seed)), RULES
    )
    return found.match.face


def merge(book: Book, survivor: Face, other: Face) -> str:
    done = book.services.merges.merging.merge(book.tenant, survivor.faceid, other.faceid)
    assert done.state is MergeState.DONE
    return done.id


def undo(book: Book, merge_id: str) -> None:
    assert book.services.merges.merging.undo(book.tenant, merge_id).state is MergeState.UNDONE


def people_seen(book: Book) -> int:
    """DISTINCT of all that is observed."""
    begin = int(MONDAY.timestamp())
    amounts = book.services.statistics.count_by_time(
        book.tenant,
        ObservationFilter(),
        begin - 10**6,
        begin + 10**7,
        Granularity.MONTH,
        distinct=True,
    )
    return sum(amounts.values())


def observations(book: Book) -> list[Observation]:
    begin = int(MONDAY.timestamp())
    page = book.services.statistics.observations.query(
        book.tenant, ObservationFilter(), begin - 10**7, begin + 10**7
    )
    return page.observations


def test_a_stranger_who_came_often_enough_under_two_names_is_a_regular(book: Book) -> None:
    book.see(shot(0, 1), shot(DAY, 2), shot(2 * DAY, 1))
    merge(book, face_of(book, 1), face_of(book, 2))
    [face] = book.faces()
    assert face.group_id == "regular"
    assert book.group_counts() == {"stranger": 0, "regular": 1}
    assert book.observed()[MONDAY + 2 * DAY * MINUTE, "", "regular"] == 1
    assert book.observed()[MONDAY + DAY * MINUTE, "", "stranger"] == 1


def test_a_regular_whose_arrivals_turn_out_to_be_fewer_is_a_stranger_again(book: Book) -> None:
    book.see(shot(0, 1), shot(40, 1), shot(80, 1), shot(20, 2), shot(60, 2))
    assert face_of(book, 1).group_id == "regular"
    merge_id = merge(book, face_of(book, 1), face_of(book, 2))
    [face] = book.faces()
    assert (face.group_id, face.arrive_count) == ("stranger", 1)
    undo(book, merge_id)
    assert {(face.group_id, face.arrive_count) for face in book.faces()} == {
        ("regular", 3),
        ("stranger", 2),
    }


def test_what_was_sighted_since_the_merge_stays_with_the_survivor(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    merge_id = merge(book, survivor, other)
    book.see(shot(120, 2), shot(70, 2))
    undo(book, merge_id)
    faces = {face.faceid: face for face in book.faces()}
    assert (faces[survivor.faceid].arrive_count, faces[other.faceid].arrive_count) == (3, 1)


def test_a_merge_counts_one_person_and_its_undoing_two_in_sealed_days_too(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2), shot(DAY, 2))
    book.services.statistics.sealing.seal_tenant(book.tenant)
    assert people_seen(book) == 2
    merge_id = merge(book, face_of(book, 1), face_of(book, 2))
    assert people_seen(book) == 1
    book.services.statistics.sealing.seal_tenant(book.tenant)
    assert people_seen(book) == 1
    undo(book, merge_id)
    assert people_seen(book) == 2


def test_a_held_face_has_no_photo_twice_after_a_merge_with_somebody_on_the_same_capture(
    book: Book,
) -> None:
    first = book.see(shot(0, 1))[0].sightings[0].faceid or ""
    both = book.see(
        Shot(
            MONDAY + DAY * MINUTE, (Person(1, side_px=99.0, quality=95.0), Person(2, side_px=90.0))
        )
    )[0]
    other = next(one.faceid for one in both.sightings if one.faceid != first) or ""
    book.services.faces.holds.set(book.tenant, first, "case 7")
    before = book.services.faces.get(book.tenant, first).pictures
    book.services.merges.merging.merge(book.tenant, first, other)
    assert [one.id for one in before] == [
        one.id for one in book.services.faces.get(book.tenant, first).pictures
    ]
    book.services.faces.holds.lift(book.tenant, first, "closed")


def test_many_observations_move_in_pieces_and_back(book: Book) -> None:
    book.see(shot(0, 1), *(shot(15 * number, 2) for number in range(100)))
    survivor, other = face_of(book, 1), face_of(book, 2)
    merge_id = merge(book, survivor, other)
    assert {one.faceid for one in observations(book)} == {survivor.faceid}
    undo(book, merge_id)
    # one was the search
    assert sum(one.faceid == other.faceid for one in observations(book)) == 101


def test_merges_into_one_face_are_undone_in_any_order(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2), shot(120, 3))
    entries = book.entries()
    first, second, third = (face_of(book, seed) for seed in (1, 2, 3))
    earlier, later = merge(book, first, second), merge(book, first, third)
    undo(book, earlier)
    undo(book, later)
    assert book.entries() == entries


def test_a_full_group_takes_nobody_back_and_nothing_is_changed(tmp_path: Path) -> None:
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(0, 1), shot(60, 2))
    merge_id = merge(book, face_of(book, 1), face_of(book, 2))
    book.see(shot(120, 3))
    entries = book.entries()
    with pytest.raises(GroupFull, match="'stranger' holds 2 of 2"):
        book.services.merges.merging.undo(book.tenant, merge_id)
    assert book.entries() == entries
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 3})
    undo(book, merge_id)
    assert len(book.faces()) == 3
    book.close()


def test_a_deleted_survivor_takes_with_it_all_that_was_kept_of_the_others(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2), shot(120, 3))
    first, second, third = (face_of(book, seed) for seed in (1, 2, 3))
    inner = merge(book, second, third)
    merge(book, first, second)
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", [first.faceid])
    assert not list(walk_items(book.storage.items, keys.MERGES, "shop"))
    assert [book.storage.blobs.get(face.picture_key) for face in (first, second, third)] == [
        None,
        None,
        None,
    ]
    with pytest.raises(MergeNotFound):
        book.services.merges.merging.undo(book.tenant, inner)


def where(book: Book, face: Face) -> str | None:
    """Into which face this one was merged, as somebody hears who kept its id."""
    with pytest.raises(FaceNotFound) as error:
        book.services.faces.get(book.tenant, face.faceid)
    return error.value.details["into"] if isinstance(error.value, FaceMerged) else None


def test_an_id_that_was_kept_leads_to_the_person(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2), shot(120, 3))
    first, second, third = (face_of(book, seed) for seed in (1, 2, 3))
    inner = merge(book, second, third)
    assert where(book, third) == second.faceid
    outer = merge(book, first, second)
    assert (where(book, second), where(book, third)) == (first.faceid, first.faceid)
    undo(book, outer)
    assert (book.services.faces.get(book.tenant, second.faceid).faceid, where(book, third)) == (
        second.faceid,
        second.faceid,
    )
    undo(book, inner)
    assert book.services.faces.get(book.tenant, third.faceid).faceid == third.faceid
    merge(book, first, third)
    assert book.services.deletion.delete_faces_of_group(
        book.tenant, "stranger", [first.faceid]
    ).success == [first.faceid]
    assert (where(book, first), where(book, third)) == (None, None)
    assert not [
        item
        for item in walk_items(book.storage.items, keys.DIRECTORY, "shop")
        if "MERGED" in item["item"]
    ]


def test_two_faces_that_were_merged_into_each_other_lead_nowhere_in_a_circle(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    first, second = face_of(book, 1), face_of(book, 2)
    merge(book, first, second)
    book.enrol(Person(9), faceid=second.faceid)
    again = book.services.faces.get(book.tenant, second.faceid)
    merge(book, again, first)
    assert where(book, first) == second.faceid
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", [second.faceid])
    assert (where(book, first), where(book, second)) == (None, None)


def test_an_evicted_survivor_takes_them_too(tmp_path: Path) -> None:
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(0, 1), shot(60, 2))
    other = face_of(book, 2)
    merge(book, face_of(book, 1), other)
    book.see(shot(120, 3), shot(180, 4))
    assert not list(walk_items(book.storage.items, keys.MERGES, "shop"))
    assert book.storage.blobs.get(other.picture_key) is None
    assert book.disagreements() == []
    book.close()


def test_a_survivor_of_more_merges_than_a_transaction_holds_goes_for_nobody(tmp_path: Path) -> None:
    """Every hook is told of the new stranger, of the visit, and that the group is full."""
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(10, 7))
    book.clock.advance(timedelta(days=21))
    book.see(*(shot(DAY * place, 1 + place) for place in range(MAX_MERGES + 1)))
    survivor, *others = (face_of(book, 1 + place) for place in range(MAX_MERGES + 1))
    for other in others:
        merge(book, survivor, other)
    for _ in range(MAX_HOOKS):
        book.services.webhooks.hooks.add("shop", None)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(30 * DAY, 98))
    [first, second] = book.see(shot(31 * DAY, 99), shot(32 * DAY, 100))
    assert [one.sightings[0].resolution for one in (first, second)] == [Resolution.STRANGER] * 2
    assert set(book.faceids()) == {survivor.faceid, second.sightings[0].faceid}
    assert book.disagreements() == []
    book.close()


def test_two_faces_that_have_the_most_of_all_are_merged_and_come_back(tmp_path: Path) -> None:
    """Every hook is told, the name has many terms, both have the most visits and rejected pictures.

    A transaction holds a hundred actions.
    """
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.see(shot(0, 1), shot(60, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    book.services.enrolment.update.change_face(
        book.tenant, other.faceid, FaceChanges(name="Ann Bo Cy Di Ed Flo Guy Hal")
    )
    for _ in range(MAX_HOOKS):
        book.services.webhooks.hooks.add("shop", None)
    items, negatives = book.storage.items, book.services.recognition.negatives
    for place in range(MAX_NEGATIVES):
        negative = Negative(f"{place:020d}-0", other.templates, "door")
        counted = Update(
            keys.FACES,
            ("shop", other.faceid),
            (exists("there"),),
            add={"negatives": 1, "version": 1},
        )
        items.transact([negatives.make_put("shop", other.faceid, negative), counted])
    # an undo counts younger visits anew
    monday_ms = int((MONDAY - timedelta(days=200)).timestamp() * 1_000)
    seen = {
        face.faceid: tuple(
            Arrival(at, at, at + 1_000)
            for at in range(begin_ms, begin_ms + MOST_KEPT * 20_000, 20_000)
        )
        for face, begin_ms in ((survivor, monday_ms), (other, monday_ms + 10_000))
    }

    def come(faceid: str, arrivals: tuple[Arrival, ...]) -> None:
        held = book.services.face_visits.read_face(book.tenant, faceid)
        for some in range(201, len(arrivals) + 201, 201):  # as if they had come one after the other
            after = structs.replace(held.visits, arrivals=Arrivals(arrivals[:some]))
            items.transact(visits_puts("shop", faceid, held.visits, after))
            held = book.services.face_visits.read_face(book.tenant, faceid)

    for faceid, arrivals in seen.items():
        come(faceid, arrivals)
    merge_id = merge(book, survivor, other)
    assert (
        len(negatives.read_of_face("shop", book.faces()[0]))
        == book.faces()[0].negatives
        == MAX_NEGATIVES
    )
    come(survivor.faceid, tuple(sorted(sum(seen.values(), ()), key=lambda one: one.first_ms)))
    undo(book, merge_id)
    for faceid, arrivals in seen.items():
        assert (
            book.services.face_visits.read_face(book.tenant, faceid).visits.arrivals.recent[
                :MOST_KEPT
            ]
            == arrivals
        )
    counts = {face.faceid: len(negatives.read_of_face("shop", face)) for face in book.faces()}
    assert counts == {survivor.faceid: 0, other.faceid: MAX_NEGATIVES}
    book.close()


def test_the_sweep_keeps_the_others_picture_while_the_merge_can_be_undone(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    other = face_of(book, 2)
    merge_id = merge(book, face_of(book, 1), other)
    book.clock.advance(timedelta(days=29))
    book.sweep()
    assert book.storage.blobs.get(other.picture_key)
    undo(book, merge_id)
    book.sweep()
    assert book.storage.blobs.get(other.picture_key)


def test_after_thirty_days_a_merge_is_for_good(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    merge_id = merge(book, survivor, other)
    assert book.services.faces.get(book.tenant, survivor.faceid).merges == 1
    book.clock.advance(timedelta(days=31))
    with pytest.raises(MergeNotFound, match="over 30 days"):
        book.services.merges.merging.undo(book.tenant, merge_id)
    book.sweep()
    assert not list(walk_items(book.storage.items, keys.MERGES, "shop"))
    assert book.storage.blobs.get(other.picture_key) is None
    assert book.services.faces.get(book.tenant, survivor.faceid).merges == 0
    assert where(book, other) is None


def test_a_merge_whose_jobs_fail_holds_up_no_other_and_its_sweep_is_not_whole(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2), shot(120, 3), shot(180, 4))
    merge_ids = [
        merge(book, face_of(book, one), face_of(book, other)) for one, other in ((1, 2), (3, 4))
    ]
    book.clock.advance(timedelta(days=31))
    ill = min(merge_ids)

    class Failing(ObservationMover):
        def finish_merge(
            self, tenant: Tenant, merge_id: str, within_s: float | None = None
        ) -> Merge:
            if merge_id == ill:
                raise StorageUnavailable("storage did not answer")
            return super().finish_merge(tenant, merge_id, within_s)

    services = book.services
    services.merges.mover = Failing(services)
    with pytest.raises(Busy, match="merges"):
        services.sweep.sweep_tenant(book.tenant, book.clock.now())
    assert [item["id"] for item in walk_items(book.storage.items, keys.MERGES, "shop")] == [ill]
    assert "at" not in (book.storage.items.get(keys.DIRECTORY, ("shop", keys.SWEPT_ITEM)) or {})


def test_a_face_enrolled_under_the_others_id_stands_in_the_way_of_undoing(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    other = face_of(book, 2)
    merge_id = merge(book, face_of(book, 1), other)
    book.enrol(Person(9), faceid=other.faceid)
    with pytest.raises(FaceExists, match="another face was enrolled"):
        book.services.merges.merging.undo(book.tenant, merge_id)
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", [other.faceid])
    undo(book, merge_id)


def test_what_a_search_wrote_that_was_under_way_at_the_merge_follows(book: Book) -> None:
    book.see(shot(0, 1), shot(60, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    merge(book, survivor, other)
    late = Observation(
        book.clock.now(), new_id(), other.faceid, "stranger", Labels(), ObservationKind.SEARCH
    )
    book.services.statistics.store_observations("shop", [late])
    book.clock.advance(timedelta(minutes=10))
    book.sweep()
    assert {one.faceid for one in observations(book)} == {survivor.faceid}


def test_a_face_whose_group_is_gone_does_not_come_back(book: Book) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    other = book.enrol(Person(2), "vip")
    book.see(shot(0, 1))
    merge_id = merge(book, face_of(book, 1), other)
    book.services.groups.delete(book.tenant, "vip")
    with pytest.raises(GroupNotFound, match="cannot be undone"):
        book.services.merges.merging.undo(book.tenant, merge_id)


SET = {
    "age": (40, 30),
    "gender": (Gender.FEMALE, Gender.MALE),
    "attributes": ({1: "theirs"}, {1: "own"}),
    "labels": (Labels(a="theirs"), Labels(a="own")),
    "name": ("Ann", "Bo"),
    **dict.fromkeys(TEXTS, ("theirs", "own")),
    "consent": (Consent(Basis.CONSENT, MONDAY), Consent(Basis.CONSENT, MONDAY, "form 7")),
    "external_id": ("theirs.jpg", "own.jpg"),
}
"""All that somebody may have written of a person, with two values."""


@replays(64, "immich 5764", "immich 6382", "immich 9338")
@pytest.mark.parametrize("name", BLANK)
@pytest.mark.parametrize("has_own", [False, True])
def test_a_merge_loses_nothing_that_somebody_set_and_its_undo_gives_it_back(
    book: Book, name: str, *, has_own: bool
) -> None:
    theirs, own = SET[name]
    survivor, other = (
        book.enrol(Person(seed), faceid=id_) for seed, id_ in ((1, "survivor"), (2, "other"))
    )
    set_field(book, other, name, theirs)
    if has_own:
        set_field(book, survivor, name, own)
    before = getattr(book.services.faces.get(book.tenant, "survivor"), name)
    merge = book.services.merges.merging.merge(book.tenant, "survivor", "other")
    merged = getattr(book.services.faces.get(book.tenant, "survivor"), name)
    assert merged == (own if has_own else theirs)
    book.services.merges.merging.undo(book.tenant, merge.id)
    faces = {face.faceid: getattr(face, name) for face in book.faces()}
    assert faces == {"survivor": before, "other": theirs}


def set_field(book: Book, face: Face, name: str, value: object) -> None:
    after = structs.replace(face, **{name: value, "version": face.version + 1})
    actions = [face_put(book.tenant, face, after), *rename_actions(book.tenant.name, face, after)]
    book.storage.items.transact(actions)


def test_labels_and_attributes_of_both_come_together(book: Book) -> None:
    for seed, id_, labels, attributes in (
        (1, "survivor", Labels(a="x"), {1: "one"}),
        (2, "other", Labels(a="y", b="z"), {1: "1", 2: "two"}),
    ):
        face = book.enrol(Person(seed), faceid=id_)
        set_field(book, face, "labels", labels)
        face = book.services.faces.get(book.tenant, id_)
        set_field(book, face, "attributes", attributes)
    merge = book.services.merges.merging.merge(book.tenant, "survivor", "other")
    merged = book.services.faces.get(book.tenant, "survivor")
    assert (merged.labels, merged.attributes) == (Labels(a="x", b="z"), {1: "one", 2: "two"})
    book.services.merges.merging.undo(book.tenant, merge.id)
    again = book.services.faces.get(book.tenant, "survivor")
    assert (again.labels, again.attributes) == (Labels(a="x"), {1: "one"})


def test_a_face_that_somebody_put_into_a_group_stays_there_and_keeps_its_arrivals_names(
    book: Book,
) -> None:
    book.services.groups.create(book.tenant, "vip", None, "")
    vip = book.enrol(Person(2), "vip")
    book.see(shot(0, 1), shot(DAY, 1), shot(2 * DAY, 1), shot(2 * DAY + 60, 2))
    before = book.entries()
    merge_id = merge(book, vip, face_of(book, 1))
    [face] = book.faces()
    assert (face.group_id, face.arrive_count) == (vip.group_id, 4)
    assert Counter(group for _, _, group in book.observed().elements()) == {
        "stranger": 2,
        "regular": 2,
        "vip": 2,
    }
    undo(book, merge_id)
    assert book.entries() == before


def test_of_strangers_a_face_keeps_eight_pictures_its_own_first_and_loses_those_that_came(
    book: Book,
) -> None:
    people = range(1, MAX_COMPARED + 3)
    book.see(*(shot(60 * seed, seed) for seed in people))
    faces = [face_of(book, seed) for seed in people]
    undone = [merge(book, faces[0], other) for other in faces[1:]]
    [face] = book.faces()
    assert face.templates == tuple(one.templates[0] for one in faces[:MAX_COMPARED])
    undo(book, undone[1])
    left = book.services.faces.get(book.tenant, faces[0].faceid)
    assert left.templates == tuple(
        faces[number].templates[0] for number in (0, 1, *range(3, MAX_COMPARED))
    )


def given_by_hand(book: Book, seed: int, number: int) -> Face:
    """A face that a person gave so many pictures."""
    face = book.enrol(Person(seed, side_px=100.0))
    for one in range(1, number):
        photo = picture(Person(seed, side_px=100.0 + one))
        book.services.enrolment.pictures.add_photo(
            book.tenant, face.faceid, photo, RULES, is_vouched_for=True
        )
    return book.services.faces.get(book.tenant, face.faceid)


@pytest.mark.parametrize(("own", "others"), [(8, 4), (4, 8), (12, 12), (20, 1)])
@pytest.mark.parametrize("is_held", [False, True])
def test_a_merge_loses_no_picture_that_a_person_gave_and_its_undoing_gives_all_back(
    book: Book, own: int, others: int, is_held: bool
) -> None:
    survivor, other = given_by_hand(book, 1, own), given_by_hand(book, 2, others)
    if is_held:
        book.services.faces.holds.set(book.tenant, survivor.faceid, "case 7")
    merge_id = merge(book, survivor, other)
    [face] = book.faces()
    assert [one.id for one in face.pictures] == [
        one.id for one in (*survivor.pictures, *other.pictures)
    ]
    assert len(face.compared) == MAX_COMPARED
    assert all(book.storage.blobs.get(key) for key in face.picture_keys)
    assert book.disagreements() == []
    book.services.faces.holds.lift(book.tenant, survivor.faceid, "over")
    undo(book, merge_id)
    found = {one.faceid: one.pictures for one in book.faces()}
    assert found == {survivor.faceid: survivor.pictures, other.faceid: other.pictures}
    assert book.nothing_else_is_stored()


def test_a_merge_past_a_hundred_pictures_is_refused_in_words_and_changes_nothing(
    book: Book,
) -> None:
    survivor, other = given_by_hand(book, 1, 60), given_by_hand(book, 2, 41)
    with pytest.raises(TooManyPictures, match="101 pictures, and 100 is the most"):
        merge(book, survivor, other)
    assert {one.faceid for one in book.faces()} == {survivor.faceid, other.faceid}
    assert book.nothing_else_is_stored()


def test_the_other_ones_pictures_are_the_faces_own_for_good(book: Book) -> None:
    """Copied, so that each is kept as long as somebody has it; undone, the copies go."""
    book.see(shot(0, 1), shot(60, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    merge_id = merge(book, survivor, other)
    [face] = book.faces()
    assert [book.storage.blobs.get(key) for key in face.picture_keys] == [
        book.storage.blobs.get(one.picture_key) for one in (survivor, other)
    ]
    undo(book, merge_id)
    stored = {blob.key for blob in book.storage.blobs.walk("shop/faces/")}
    assert stored == {*with_thumbnails([survivor.picture_key, other.picture_key])}
    merge(book, survivor, other)
    book.clock.advance(timedelta(days=31))
    book.sweep()
    book.sweep()
    [face] = book.faces()
    assert {blob.key for blob in book.storage.blobs.walk("shop/faces/")} == {
        *with_thumbnails(face.picture_keys)
    }
    assert len(face.picture_keys) == 2


def test_twenty_merges_of_a_face_can_be_undone_and_no_more_are_made(book: Book) -> None:
    people = MAX_MERGES + 2
    book.see(*(shot(60 * seed, seed) for seed in range(people)))
    faces = [face_of(book, seed) for seed in range(people)]
    merges = [merge(book, faces[0], other) for other in faces[1:-1]]
    with pytest.raises(LimitReached, match="20 merges"):
        book.services.merges.merging.merge(book.tenant, faces[0].faceid, faces[-1].faceid)
    page = book.services.merges.records.read_page(book.tenant, 12)
    rest = book.services.merges.records.read_page(book.tenant, 12, page.next_token)
    assert [one.id for one in (*page.rows, *rest.rows)] == merges
    assert rest.next_token is None


def test_arrivals_that_were_folded_away_are_carried_as_counts(book: Book) -> None:
    for day in range(0, 150, 10):
        book.clock.advance(timedelta(days=10) if day else timedelta())
        book.see(shot(14 * DAY + day * DAY, 1), shot(14 * DAY + day * DAY + 600, 2))
    survivor, other = face_of(book, 1), face_of(book, 2)
    assert (survivor.arrive_count, other.arrive_count) == (15, 15)
    merge_id = merge(book, survivor, other)
    assert [face.arrive_count for face in book.faces()] == [30]
    book.see(shot(14 * DAY + 140 * DAY + 700, 1))
    undo(book, merge_id)
    faces = {face.faceid: face.arrive_count for face in book.faces()}
    assert faces == {survivor.faceid: 16, other.faceid: 15}
