import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.search.compact import TAIL_AGE, TAIL_LENGTH, Compactor
from chalicelib.book.search.gallery import Gallery
from chalicelib.book.search.journal import GRACE
from chalicelib.domain.errors import InvalidInput, TenantNotFound
from chalicelib.domain.model import Edit, JournalEntry, Labels, Profile, Tenant
from chalicelib.domain.rules.decision import ImpostorCurve, OperatingPoint, SearchRequest
from chalicelib.domain.rules.templates import make_template
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from tests.book.search.galleries import (
    Killed,
    StopsAt,
    best,
    cold,
    enrol,
    journal_length,
    opened,
    traces,
)
from tests.support.book.synthetic import segment, write_snapshot
from tests.support.book.tenants import add_tenant
from tests.support.examples import parametrize
from tests.support.fakes import RULES, FakeClock, Person, embedding_of, picture
from tests.support.meanwhile import side_by_side


@pytest.fixture
def tenant(services: Services) -> Tenant:
    return add_tenant(services, "cloud", Profile.CLOUD)


@dataclass
class Full:
    """A tenant of which so many came that a snapshot is due."""

    services: Services
    tenant: Tenant
    faces: dict[int, str]


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, str]]:
    folder = tmp_path_factory.mktemp("full") / "data"
    with closing(opened(folder, FakeClock())) as services:
        return folder, enrol(
            services, add_tenant(services, "cloud", Profile.CLOUD), range(TAIL_LENGTH)
        )


@pytest.fixture
def full(came: tuple[Path, dict[int, str]], tmp_path: Path, clock: FakeClock) -> Iterator[Full]:
    folder, faces = came
    with closing(opened(Path(shutil.copytree(folder, tmp_path / "full")), clock)) as services:
        yield Full(services, services.tenants.get_by_name("cloud"), {**faces})


def test_cold_gallery_finds_what_is_in_the_snapshot_and_behind_it(full: Full) -> None:
    services, tenant, early = full.services, full.tenant, full.faces
    assert services.index.build(tenant.name)
    late = enrol(services, tenant, range(1000, 1003))
    services.deletion.delete_faces_of_group(tenant, "regular", [early[5]])

    galleries = cold(services)

    assert best(galleries, tenant, 0) == (early[0], TAIL_LENGTH + 2)
    assert best(galleries, tenant, 1001)[0] == late[1001]
    assert best(galleries, tenant, 5)[0] != early[5]


def test_short_tail_makes_no_snapshot(services: Services, tenant: Tenant) -> None:
    enrol(services, tenant, range(3))

    assert not services.index.build(tenant.name)


def test_tail_of_yesterday_makes_a_snapshot_however_short(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    faces = enrol(services, tenant, range(3))
    clock.advance(TAIL_AGE + timedelta(seconds=1))

    assert services.index.build(tenant.name)
    assert not services.index.build(tenant.name)
    assert best(cold(services), tenant, 1) == (faces[1], 3)


def test_journal_is_trimmed_behind_the_newest_snapshot_after_the_grace_time(
    full: Full, clock: FakeClock
) -> None:
    services, tenant, faces = full.services, full.tenant, full.faces
    warm = cold(services)
    best(warm, tenant, 0)
    services.index.build(tenant.name)
    faces |= enrol(services, tenant, range(5000, 5001))
    services.index.build(tenant.name)
    assert journal_length(services, tenant) == TAIL_LENGTH + 1
    clock.advance(GRACE + timedelta(seconds=1))

    services.index.build(tenant.name)

    assert journal_length(services, tenant) == 1
    for galleries in (warm, cold(services)):
        assert best(galleries, tenant, 5000) == (faces[5000], TAIL_LENGTH + 1)


def test_template_of_a_deleted_face_is_gone_from_journal_and_snapshots(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    faces = enrol(services, tenant, range(3))
    gone = services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(9)), RULES)
    for _ in range(2):
        services.index.build(tenant.name)
    services.deletion.delete_faces_of_group(tenant, "regular", [gone.faceid])

    assert services.index.build(tenant.name), "a deletion makes a snapshot worth it"
    for _ in range(2):
        clock.advance(GRACE + timedelta(seconds=1))
        services.index.build(tenant.name)

    assert journal_length(services, tenant) == 0
    assert best(cold(services), tenant, 1) == (faces[1], 3)
    kept = services.faces.get(tenant, faces[1])
    services.close()
    assert traces(services, gone.templates[0]) == []
    assert traces(services, kept.templates[0]) != []


def test_replaced_picture_makes_a_snapshot_worth_it_and_a_new_face_does_not(
    services: Services, tenant: Tenant
) -> None:
    enrol(services, tenant, range(3))
    assert not services.index.build(tenant.name)
    face = services.enrolment.everybody.enrol_all_in_picture(
        tenant, "g", picture(Person(7, quality=40)), RULES, Labels()
    )[0].face
    assert not services.index.build(tenant.name)

    services.enrolment.everybody.enrol_all_in_picture(
        tenant, "g", picture(Person(7, quality=90)), RULES, Labels()
    )

    assert services.index.build(tenant.name)
    assert services.faces.get(tenant, face.faceid).version == 2


def test_gallery_that_fell_behind_the_trimmed_journal_loads_the_snapshot(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    behind = cold(services)
    enrol(services, tenant, range(2))
    best(behind, tenant, 0)
    faces: dict[int, str] = {}
    for round_ in range(2):
        faces |= enrol(
            services, tenant, range(10 + TAIL_LENGTH * round_, 10 + TAIL_LENGTH * (round_ + 1))
        )
        services.index.build(tenant.name)
    clock.advance(GRACE + timedelta(seconds=1))
    services.index.build(tenant.name)

    assert best(behind, tenant, 11)[0] == faces[11]


def damage(services: Services) -> None:
    newest = sorted(services.settings.storage.rglob("*.snapshot"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])


def test_damaged_snapshot_is_passed_over_for_the_one_before_it(
    full: Full, caplog: pytest.LogCaptureFixture
) -> None:
    services, tenant, faces = full.services, full.tenant, full.faces
    services.index.build(tenant.name)
    faces |= enrol(services, tenant, range(TAIL_LENGTH, 2 * TAIL_LENGTH))
    services.index.build(tenant.name)
    damage(services)

    assert best(cold(services), tenant, 400) == (faces[400], 2 * TAIL_LENGTH)
    assert "damaged" in caplog.text
    assert "made anew" not in caplog.text


def test_gallery_whose_only_snapshot_is_damaged_is_made_anew_from_its_faces(
    full: Full, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    services, tenant, faces = full.services, full.tenant, full.faces
    services.index.build(tenant.name)
    clock.advance(GRACE + timedelta(seconds=1))
    services.index.build(tenant.name)
    faces |= enrol(services, tenant, range(5000, 5001))
    assert journal_length(services, tenant) == 1
    damage(services)

    assert best(cold(services), tenant, 7) == (faces[7], TAIL_LENGTH + 1)
    assert best(cold(services), tenant, 5000)[0] == faces[5000]
    assert "made anew" in caplog.text
    for _ in range(3):
        clock.advance(GRACE + timedelta(seconds=1))
        services.index.build(tenant.name)


def test_galleries_hold_only_as_many_tenants_as_the_memory_takes(services: Services) -> None:
    galleries = cold(services, memory_bytes=150_000)
    for name in ("a", "b", "c"):
        tenant = add_tenant(services, name, Profile.CAMERA)
        faces = enrol(services, tenant, range(1))
        assert best(galleries, tenant, 0)[0] == faces[0]

    assert len(galleries._galleries) == 2
    assert galleries.loaded_bytes < 150_000


def test_unknown_tenant_is_an_error(services: Services) -> None:
    with pytest.raises(TenantNotFound):
        cold(services).search("nobody", SearchRequest("fake", np.zeros((1, 256), dtype=np.float32)))


def test_search_never_misses_a_face_that_was_acknowledged_before_it_began(
    services: Services, tenant: Tenant
) -> None:
    def work(worker: int) -> list[int]:
        galleries, missed = services.ports.search, []
        for n in range(8):
            seed = 100 * worker + n
            faceid = services.enrolment.enrol_largest_face(
                tenant, "regular", picture(Person(seed)), RULES
            ).faceid
            answer = galleries.search(tenant.name, SearchRequest("fake", embedding_of(seed)[None]))
            if answer.candidates[0][0].faceid != faceid:
                missed.append(seed)
            services.deletion.delete_faces_of_group(tenant, "regular", [faceid])
            answer = galleries.search(
                tenant.name, SearchRequest("fake", embedding_of(seed)[None], limit=100)
            )
            if faceid in {candidate.faceid for candidate in answer.candidates[0]}:
                missed.append(-seed)
        return missed

    assert side_by_side([partial(work, worker) for worker in range(16)]) == [[]] * 16


def test_searches_stay_right_while_snapshots_are_built_and_trimmed(
    full: Full, clock: FakeClock
) -> None:
    services, tenant, faces = full.services, full.tenant, full.faces
    held = cold(services)
    compactor = Compactor(services.requests._items, services.storage.blobs, held, clock)
    stop, wrong, searches = threading.Event(), [], [0]

    def ask() -> None:
        while not stop.is_set():
            seed = searches[0] % TAIL_LENGTH
            faceid, size = best(held, tenant, seed)
            searches[0] += 1
            if faceid != faces[seed] or size < TAIL_LENGTH:
                wrong.append((seed, faceid, size))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for step in range(1, 4):
            more = enrol(services, tenant, range(1000 * step, 1000 * step + 3))
            for _ in range(3):
                compactor.build(tenant.name)
                clock.advance(GRACE + timedelta(seconds=1))
            services.deletion.delete_faces_of_group(tenant, "regular", list(more.values()))
    finally:
        stop.set()
        for thread in asking:
            thread.join()

    assert wrong == []
    assert searches[0] > 50


def test_a_part_of_a_gallery_that_an_earlier_version_stored_is_passed_over_and_dropped(
    full: Full, clock: FakeClock
) -> None:
    services, tenant, faces = full.services, full.tenant, full.faces
    items, blobs = services.requests._items, services.storage.blobs
    part = keys.snapshot(tenant.name, "fake", 1, "part")
    blobs.put_if_absent(part, b"half of the faces", "application/octet-stream")
    pointer = {
        "item": keys.index_item("fake") + "#0/2",
        "seq": 1,
        "built_at": 0,
        "snapshots": [part],
    }
    items.transact([Put(keys.DIRECTORY, {"tenant": tenant.name, **pointer})])

    assert best(cold(services), tenant, 9) == (faces[9], TAIL_LENGTH)
    services.index.build(tenant.name)
    clock.advance(timedelta(days=3650))  # files have the machine's time
    services.deletion.delete_faces_of_group(tenant, "regular", [faces[7]])
    services.index.build(tenant.name)

    low, high = keys.INDEX_RANGE
    pointers = items.query(keys.DIRECTORY, tenant.name, low=low, high=high).items
    assert [one["item"] for one in pointers] == [keys.index_item("fake")]
    assert blobs.get(part) is None
    assert best(cold(services), tenant, 9) == (faces[9], TAIL_LENGTH - 1)


@parametrize("step", range(10), gate=3)
def test_a_builder_killed_at_any_step_leaves_every_search_exact(
    full: Full, clock: FakeClock, step: int
) -> None:
    """At each change that it makes to storage: snapshots, pointers, what it trims.

    The next one carries on.
    """
    services, tenant, faces = full.services, full.tenant, full.faces
    items, blobs = services.requests._items, services.storage.blobs
    services.index.build(tenant.name)
    services.deletion.delete_faces_of_group(tenant, "regular", [faces.pop(7)])
    faces |= enrol(services, tenant, range(3000, 3002))
    left = [step]
    broken = Compactor(
        StopsAt(items, ("transact",), left),
        StopsAt(blobs, ("put_if_absent", "delete"), left),
        cold(services),
        clock,
    )
    with suppress(Killed):
        for _ in range(3):
            broken.build(tenant.name)
            clock.advance(GRACE + timedelta(seconds=1))
        raise AssertionError(f"it makes no change {step}")

    def right() -> bool:
        galleries = cold(services)
        answers = {
            seed: galleries.search(tenant.name, SearchRequest("fake", embedding_of(seed)[None]))
            for seed in (0, 100, 3001)
        }
        return all(
            (answer.candidates[0][0].faceid, answer.gallery_size) == (faces[seed], len(faces))
            for seed, answer in answers.items()
        )

    assert right()
    for _ in range(3):
        Compactor(items, blobs, cold(services), clock).build(tenant.name)
        clock.advance(GRACE + timedelta(seconds=1))
    assert right()
    assert journal_length(services, tenant) == 0


def stored(services: Services, tenant: Tenant, faces: int, seq: int) -> None:
    """Make a gallery of so many faces, in the snapshot at `seq` and nowhere else."""
    blobs, items = services.storage.blobs, services.requests._items
    vectors = np.array([embedding_of(n) for n in range(faces)])
    write_snapshot(items, blobs, tenant.name, segment(vectors, model="fake", seq=seq))


def grown(gallery: Gallery, seeds: range, seq: int) -> None:
    """Apply journal entries that add faces; storage knows nothing of them."""
    puts = [
        JournalEntry(Edit.PUT, f"late-{n}", "g", (make_template("fake", embedding_of(n)),))
        for n in seeds
    ]
    with gallery.changing:
        gallery.apply_entries(puts, seq)


def at_seq(services: Services, tenant: Tenant, seq: int) -> None:
    items = services.requests._items
    directory = items.get(keys.DIRECTORY, (tenant.name, keys.TENANT_ITEM))
    items.transact([Put(keys.DIRECTORY, {**directory, "seq": seq})])


def test_a_large_gallery_with_a_long_tail_is_loaded_anew_from_the_newest_snapshot(
    services: Services, tenant: Tenant
) -> None:
    """Above 4,096 faces. Not in a thread beside the answer: Lambda stops that with the answer."""
    galleries, threads = cold(services), threading.active_count()
    stored(services, tenant, 4_200, seq=1)
    at_seq(services, tenant, 1)
    held = galleries.read_current(tenant.name, "fake")
    grown(held, range(5_000, 6_100), seq=1_100)
    stored(services, tenant, 4_300, seq=1_100)
    at_seq(services, tenant, 1_100)

    renewed = galleries.read_current(tenant.name, "fake")

    assert renewed is not held
    assert (renewed.view.tail.rows, renewed.view.faces) == (0, 4_300)
    assert threading.active_count() == threads


def test_a_tail_that_was_long_from_the_beginning_is_not_looked_at_by_every_search(
    services: Services, tenant: Tenant
) -> None:
    """No newer snapshot, or a damaged one: the gallery is loaded again after 1,024 changes, not at
    each search."""
    galleries = cold(services)
    stored(services, tenant, 4_200, seq=1)
    at_seq(services, tenant, 1)
    held = galleries.read_current(tenant.name, "fake")
    grown(held, range(5_000, 6_100), seq=1_023)
    at_seq(services, tenant, 1_023)

    assert held.is_long
    assert galleries.read_current(tenant.name, "fake") is held


def test_only_faces_that_reach_the_threshold_of_what_is_compared_are_found(
    services: Services, tenant: Tenant
) -> None:
    curve = ImpostorCurve(((0.0, 0.5), (0.4, 1e-4)), 0.3, 1e-3, 29.55)
    faces = enrol(services, tenant, range(20))
    for point in (OperatingPoint(curve), OperatingPoint(curve, 1e-6)):
        near = embedding_of(3) + 0.9 * embedding_of(500)
        near /= np.linalg.norm(near)
        for probe in (embedding_of(3), near, embedding_of(999)):
            every = cold(services).search(
                tenant.name, SearchRequest("fake", probe[None], limit=100)
            )
            found = cold(services).search(
                tenant.name, SearchRequest("fake", probe[None], limit=100, operating_point=point)
            )
            wanted = tuple(
                one for one in every.candidates[0] if one.score >= point.find_threshold(20)
            )
            assert found.candidates == (wanted,)
            assert found.gallery_size == 20
            for least in (-0.3, 0.05):
                asked = SearchRequest(
                    "fake", probe[None], limit=100, operating_point=point, least_demands=(least,)
                )
                lower = cold(services).search(tenant.name, asked).candidates[0]
                assert lower == tuple(
                    one
                    for one in every.candidates[0]
                    if one.score >= point.find_threshold(20, least)
                )
    assert len(faces) == 20


def test_a_group_that_does_not_exist_holds_nobody_and_a_probe_of_other_dimensions_is_refused(
    services: Services, tenant: Tenant
) -> None:
    enrol(services, tenant, range(2))
    galleries = cold(services)
    answer = galleries.search(
        tenant.name, SearchRequest("fake", embedding_of(1)[None], group_ids=["nowhere"])
    )
    assert (answer.gallery_size, answer.candidates) == (0, ((),))
    with pytest.raises(InvalidInput, match="256 dimensions, the probes 128"):
        galleries.search(tenant.name, SearchRequest("fake", np.zeros((1, 128), dtype=np.float32)))


def test_template_of_a_deleted_face_is_gone_in_three_hours_from_a_gallery_that_always_changes(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    """Each hour another face is deleted, and the sweep builds a snapshot that is younger than the
    grace time."""
    faces = enrol(services, tenant, range(6))
    gone = services.faces.get(tenant, faces[0])
    for seed in range(4):
        services.deletion.delete_faces_of_group(tenant, "regular", [faces[seed]])
        services.index.build(tenant.name)
        clock.advance(timedelta(hours=1))
    services.close()
    assert traces(services, gone.templates[0]) == []


def test_builds_that_follow_each_other_closely_keep_few_snapshots(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    faces = enrol(services, tenant, range(40))
    for seed in range(36):
        services.deletion.delete_faces_of_group(tenant, "regular", [faces[seed]])
        services.index.build(tenant.name)
        clock.advance(timedelta(minutes=4))
    assert len(list(services.storage.blobs.walk(keys.snapshots(tenant.name, "fake")))) <= 10
    assert journal_length(services, tenant) < 25
    assert best(cold(services), tenant, 39) == (faces[39], 4)
