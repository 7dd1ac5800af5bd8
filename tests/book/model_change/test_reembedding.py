"""Changing a tenant's model: nobody is lost, whenever it is cut off, and every search finds whom it
should."""

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from regulars_dialects.users import Users

from chalicelib.book.commit import GalleryWriter
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.model_change import CHUNK_FACES, GONE, ReembeddingOutcome, Remaining
from chalicelib.book.search.compact import TAIL_AGE
from chalicelib.book.search.galleries import Galleries
from chalicelib.domain.errors import Busy, ConditionFailed, FaceNotFound, TenantNotFound, WrongModel
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.domain.rules.recognised import RankingRequest
from chalicelib.domain.rules.templates import parse_vector
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from tests.book.model_change.two_models import (
    NEW,
    OLD,
    change,
    enrol,
    found,
    open_folder,
    shop,
    tenant,
)
from tests.support.book.book_with import book_with
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, FakeClock, Person, picture

__all__ = ["shop", "tenant"]


def every_face(services: Services, tenant: Tenant) -> list[Face]:
    return [
        face_from(item) for item in walk_items(services.requests._items, keys.FACES, tenant.name)
    ]


def models(face: Face) -> list[str]:
    return [template.model for template in face.templates]


class TestOneChange:
    def test_everybody_is_found_by_the_new_model(self, shop: Services, tenant: Tenant) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES * 2 + 3))
        outcome = change(shop, tenant)
        assert outcome == ReembeddingOutcome(
            "other", switched=True, embedded=len(people), failures={}
        )
        assert shop.reembedding.read_model(tenant.name) == "other"
        assert {seed: found(shop, tenant, seed) for seed in people} == people
        assert {tuple(models(face)) for face in every_face(shop, tenant)} == {("fake", "other")}

    def test_a_cold_process_finds_them_too(
        self, shop: Services, tenant: Tenant, tmp_path: Path, clock: FakeClock
    ) -> None:
        people = enrol(shop, tenant, 1, 2, 3)
        change(shop, tenant)
        cold = open_folder(tmp_path / "shop", clock)
        assert {seed: found(cold, tenant, seed) for seed in people} == people
        assert found(cold, tenant, 99) is None
        cold.close()

    def test_until_the_switch_searches_go_by_the_old_one(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES * 2))
        seen = []

        def look(checked: int, faces: int) -> None:
            seen.append((checked, faces, shop.reembedding.read_model(tenant.name)))
            assert found(shop, tenant, 3) == people[3]

        change(shop, tenant, look)
        assert seen == [
            (CHUNK_FACES, CHUNK_FACES * 2, "fake"),
            (CHUNK_FACES * 2, CHUNK_FACES * 2, "fake"),
        ]

    def test_done_again_it_finds_nothing_to_do(self, shop: Services, tenant: Tenant) -> None:
        enrol(shop, tenant, 1, 2)
        change(shop, tenant)
        seq = shop.writer.read_seq(tenant.name)
        assert change(shop, tenant) == ReembeddingOutcome(
            "other", switched=False, embedded=0, failures={}
        )
        assert shop.writer.read_seq(tenant.name) == seq

    def test_and_back_again(self, shop: Services, tenant: Tenant) -> None:
        """Only who came since has to be embedded: the old templates are still there."""
        enrol(shop, tenant, 1, 2)
        change(shop, tenant)
        people = enrol(shop, tenant, 3)
        assert shop.reembedding.change_model(tenant.name, NEW, OLD) == ReembeddingOutcome(
            "fake", switched=True, embedded=1
        )
        assert found(shop, tenant, 3) == people[3]

    def test_what_is_left_to_do_is_what_has_no_template_yet(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, 1, 2)
        assert shop.reembedding.count_remaining(tenant.name, "other") == Remaining(
            faces=2, pictures=2
        )
        change(shop, tenant)
        assert shop.reembedding.count_remaining(tenant.name, "other") == Remaining(
            faces=0, pictures=0
        )
        assert shop.reembedding.measure_embedding(tenant.name, OLD, NEW) is None
        enrol(shop, tenant, 3)
        for side in (60.0, 70.0):
            now = shop.tenants.get_by_name(tenant.name)
            shop.enrolment.pictures.add_photo(
                now, people[1], picture(Person(1, side_px=side)), RULES
            )
        assert shop.reembedding.count_remaining(tenant.name, "fake") == Remaining(
            faces=2, pictures=3
        )
        assert shop.reembedding.measure_embedding(tenant.name, NEW, OLD)

    def test_of_no_tenant(self, shop: Services) -> None:
        with pytest.raises(TenantNotFound):
            shop.reembedding.change_model("nobody", OLD, NEW)

    def test_an_empty_tenant_switches_at_once(self, shop: Services, tenant: Tenant) -> None:
        assert change(shop, tenant).switched
        people = enrol(shop, tenant, 5)
        assert models(every_face(shop, tenant)[0]) == ["other"]
        assert found(shop, tenant, 5) == people[5]

    def test_two_changes_to_different_models_do_not_mix(
        self, shop: Services, tenant: Tenant
    ) -> None:
        enrol(shop, tenant, *range(3))

        def meanwhile(*_: int) -> None:
            shop.reembedding._announce_model(tenant.name, "third")

        with pytest.raises(Busy, match="changed to another model"):
            change(shop, tenant, meanwhile)
        assert shop.reembedding.read_model(tenant.name) == "fake"


class TestFacesThatCannotBeEmbedded:
    def test_are_listed_and_kept(self, shop: Services, tenant: Tenant) -> None:
        people = enrol(shop, tenant, *range(4))
        gone = shop.faces.get(tenant, people[2])
        shop.storage.blobs.delete(gone.picture_key)
        outcome = change(shop, tenant)
        assert outcome.switched
        assert outcome.failures == {people[2]: GONE}
        assert shop.faces.get(tenant, people[2]) == gone
        assert found(shop, tenant, 2) is None
        assert found(shop, tenant, 1) == people[1]

    def test_are_listed_again_and_found_once_they_have_a_picture(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, 1, 2)
        shop.storage.blobs.delete(shop.faces.get(tenant, people[2]).picture_key)
        change(shop, tenant)
        assert change(shop, tenant).failures == {people[2]: GONE}
        changes = FaceChanges(picture=picture(Person(2)))
        shop.enrolment.update.change_in_group(
            shop.tenants.get_by_name(tenant.name), "regular", people[2], changes, RULES
        )
        assert change(shop, tenant).failures == {}
        assert found(shop, tenant, 2) == people[2]

    def test_a_picture_of_somebody_else_is_not_taken(self, shop: Services, tenant: Tenant) -> None:
        people = enrol(shop, tenant, 1)
        replace_picture(shop, shop.faces.get(tenant, people[1]), picture(Person(77)))
        (reason,) = change(shop, tenant).failures.values()
        assert reason == "the face in its picture is not the one that was enrolled"

    def test_of_several_faces_in_a_picture_the_enrolled_one_is_taken(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, 1)
        both = picture(Person(77, side_px=200), Person(1))
        replace_picture(shop, shop.faces.get(tenant, people[1]), both)
        assert change(shop, tenant).failures == {}
        assert found(shop, tenant, 1) == people[1]
        assert found(shop, tenant, 77) is None

    def test_a_picture_that_is_none(self, shop: Services, tenant: Tenant) -> None:
        people = enrol(shop, tenant, 1)
        replace_picture(shop, shop.faces.get(tenant, people[1]), b"no picture")
        assert list(change(shop, tenant).failures) == [people[1]]


def replace_picture(services: Services, face: Face, data: bytes) -> None:
    services.storage.blobs.delete(face.picture_key)
    assert services.storage.blobs.put_if_absent(face.picture_key, data, "image/jpeg")


class TestWhatHappensMeanwhile:
    def test_who_is_enrolled_changed_moved_or_deleted_meanwhile_is_right_afterwards(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES + 4))
        late: dict[int, str] = {}

        def meanwhile(*_: int) -> None:
            if late:
                return
            late.update(enrol(shop, tenant, 100, 101))
            shop.enrolment.update.change_in_group(
                tenant, "regular", people[0], FaceChanges(picture=picture(Person(500))), RULES
            )
            last = CHUNK_FACES + 3  # of the chunk that comes next
            shop.enrolment.update.change_in_group(
                tenant, "regular", people[last], FaceChanges(new_group_name="stranger"), RULES
            )
            shop.enrolment.update.change_in_group(
                tenant, "regular", people[last - 1], FaceChanges(age=40), RULES
            )
            shop.deletion.delete_faces_of_group(tenant, "regular", [people[1], people[last - 2]])

        assert change(shop, tenant, meanwhile).failures == {}
        gone = {1, CHUNK_FACES + 1}
        expected = {
            seed: faceid
            for seed, faceid in (people | late).items()
            if seed not in gone and seed != 0
        }
        assert {seed: found(shop, tenant, seed) for seed in expected} == expected
        assert found(shop, tenant, 500) == people[0]
        assert [found(shop, tenant, seed) for seed in (0, *gone)] == [None] * 3
        assert shop.faces.get(tenant, people[CHUNK_FACES + 2]).age == 40
        assert shop.faces.get(tenant, people[CHUNK_FACES + 3]).group_id == "stranger"

    def test_a_process_that_knew_the_old_model_enrols_and_searches_by_the_new_one(
        self, shop: Services, tenant: Tenant, tmp_path: Path, clock: FakeClock
    ) -> None:
        other = open_folder(tmp_path / "shop", clock)
        people = enrol(other, tenant, 1)
        assert found(other, tenant, 1) == people[1]
        change(shop, tenant)
        people |= enrol(other, tenant, 2)
        assert models(other.faces.get(tenant, people[2])) == ["other"]
        assert {seed: found(other, tenant, seed) for seed in people} == people
        other.close()

    def test_a_search_by_the_old_model_is_told_so(self, shop: Services, tenant: Tenant) -> None:
        enrol(shop, tenant, 1)
        change(shop, tenant)
        with pytest.raises(WrongModel, match="'other'"):
            shop.ports.search.search(
                tenant.name, SearchRequest("fake", np.eye(1, 256, dtype=np.float32))
            )

    def test_searches_side_by_side_find_everybody_at_every_moment(
        self, shop: Services, tenant: Tenant, tmp_path: Path, clock: FakeClock
    ) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES * 2))
        other = open_folder(tmp_path / "shop", clock)
        stop, wrong, searches, enrolled = threading.Event(), [], [0], dict(people)

        def search() -> None:
            while not stop.is_set():
                for seed, faceid in list(enrolled.items()):
                    if (answer := found(other, tenant, seed)) != faceid:
                        wrong.append((seed, faceid, answer))
                    searches[0] += 1

        def enrol_more() -> None:
            for seed in range(1000, 1020):
                enrolled.update(enrol(other, tenant, seed))

        threads = [threading.Thread(target=search), threading.Thread(target=enrol_more)]
        for thread in threads:
            thread.start()
        outcome = change(shop, tenant)
        threads[1].join()
        before = searches[0]
        while searches[0] < before + len(enrolled):  # a round behind the switch
            stop.wait(0.01)
        stop.set()
        threads[0].join()
        assert wrong == []
        assert outcome.switched
        assert outcome.failures == {}
        assert {seed: found(shop, tenant, seed) for seed in enrolled} == enrolled
        other.close()

    def test_a_journal_that_was_trimmed_meanwhile_loses_nobody(
        self, shop: Services, tenant: Tenant, clock: FakeClock
    ) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES + 1))
        late: dict[int, str] = {}

        def meanwhile(*_: int) -> None:
            if not late:
                late.update(enrol(shop, tenant, 100))
                for _ in range(3):  # a snapshot, an hour of grace, the trimming
                    clock.advance(TAIL_AGE + timedelta(hours=1))
                    shop.index.build(tenant.name)
                assert shop.requests._items.query(keys.JOURNAL, tenant.name).items == ()

        change(shop, tenant, meanwhile)
        expected = people | late
        assert {seed: found(shop, tenant, seed) for seed in expected} == expected


def test_snapshots_of_the_old_model_go_with_it(
    shop: Services, tenant: Tenant, clock: FakeClock
) -> None:
    people = enrol(shop, tenant, *range(5))
    clock.advance(TAIL_AGE + timedelta(hours=1))
    shop.index.build(tenant.name)
    blobs = shop.storage.blobs
    assert list(blobs.walk(keys.snapshots(tenant.name, "fake")))
    change(shop, tenant)
    for _ in range(3):
        clock.advance(TAIL_AGE + timedelta(hours=1))
        shop.index.build(tenant.name)
    assert list(blobs.walk(keys.snapshots(tenant.name, "fake"))) == []
    (pointer,) = shop.requests._items.query(
        keys.DIRECTORY, tenant.name, low="INDEX#", high="INDEX$"
    ).items
    assert pointer["item"] == "INDEX#other"
    assert all(blobs.get(key) for key in pointer["snapshots"])
    assert shop.requests._items.query(keys.JOURNAL, tenant.name).items == ()
    cold = Galleries(shop.requests._items, blobs)
    assert cold.read_current(tenant.name, "other").view.faces == len(people)


def test_a_stored_face_without_a_template_of_the_model_is_named(
    shop: Services, tenant: Tenant
) -> None:
    people = enrol(shop, tenant, 1)
    shop.storage.blobs.delete(shop.faces.get(tenant, people[1]).picture_key)
    change(shop, tenant)
    with pytest.raises(FaceNotFound, match="no template of the model 'other' yet"):
        shop.recognition.face_analysis.search_by_face(
            shop.tenants.get_by_name(tenant.name), people[1], "regular"
        )


def test_a_condition_that_fails_once_is_tried_face_by_face(shop: Services, tenant: Tenant) -> None:
    """As when another process changes a face between its reading and its writing."""
    people = enrol(shop, tenant, 1, 2, 3)

    class Refusing(GalleryWriter):
        refused = 0

        def commit(self, name: str, wanted: Any) -> int:
            if len(wanted.actions) > 1:
                self.refused += 1
                raise ConditionFailed(frozenset({"face-same"}))
            return super().commit(name, wanted)

    writer = Refusing(shop.requests._items, FakeClock(), lambda tenant: None)
    with suppress(StopIteration):
        outcome = book_with(shop, writer=writer).reembedding.change_model(tenant.name, OLD, NEW)
    assert writer.refused == 1
    assert outcome.embedded == 3
    assert {seed: found(shop, tenant, seed) for seed in people} == people


class TestUsers:
    def test_users_are_found_by_the_new_model(self, shop: Services, tenant: Tenant) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES + 4))
        regular = shop.groups.get(tenant, "regular")
        Users(shop).create(tenant, regular, "ann")
        Users(shop).associate_faces(
            tenant, regular, "ann", [people[seed] for seed in range(0, CHUNK_FACES + 4, 3)], 0.0
        )
        assert change(shop, tenant).switched
        now = shop.tenants.get_by_name(tenant.name)
        ann = Users(shop).get(now, regular, "ann")
        assert {one.model for one in ann.templates} == {"fake", "other"}
        face = shop.faces.get(now, people[1])
        [probe] = [parse_vector(one) for one in face.templates if one.model == now.model]
        (near,) = Users(shop).rank(now, regular, RankingRequest(probe, None, 0.0, 9))
        assert near[0] == "ann"
        assert list_disagreements(shop, tenant.name) == []

    def test_a_face_that_joins_a_user_meanwhile_is_in_its_new_mean(
        self, shop: Services, tenant: Tenant
    ) -> None:
        people = enrol(shop, tenant, *range(CHUNK_FACES * 2))
        regular = shop.groups.get(tenant, "regular")
        Users(shop).create(tenant, regular, "ann")

        def join(seen: int, _faces: int) -> None:
            some = [people[0], people[CHUNK_FACES * 2 - 1]] if seen == CHUNK_FACES else [people[1]]
            Users(shop).associate_faces(tenant, regular, "ann", some, 0.0)

        assert change(shop, tenant, join).switched
        assert len(Users(shop).get(tenant, regular, "ann").faceids) == 3
        assert list_disagreements(shop, tenant.name) == []
