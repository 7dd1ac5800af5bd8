"""Which process searches: near in small galleries, far in others, and in shards with the answers of the whole."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core import keys
from chalicelib.core.decision import ImpostorCurve, OperatingPoint
from chalicelib.core.errors import Busy, InvalidInput, TenantNotFound
from chalicelib.core.model import STRANGER, Profile, Tenant
from chalicelib.core.ports import Update, exists
from chalicelib.core.search import MAX_SHARDS, SearchAnswer, SearchRequest, Shard, shards
from chalicelib.index.compact import TAIL_LENGTH, Compactor
from chalicelib.index.galleries import Galleries
from chalicelib.index.journal import GRACE
from chalicelib.index.routing import COUNT_REMEMBERED_S, NearSearch, ShardedSearch, ShardNumbers, merged
from chalicelib.services import Services
from tests.fakes import FakeClock, Person, embedding_of, picture
from tests.services.conftest import RULES, add_tenant

CURVE = ImpostorCurve(((0.1, 0.2), (0.3, 1e-3), (0.4, 1e-4)), 0.3, 1e-3, 29.55)


@pytest.fixture
def tenant(services: Services) -> Tenant:
    return add_tenant(services, "cloud", Profile.CLOUD)


def enrol(services: Services, tenant: Tenant, seeds: range) -> dict[int, str]:
    return {n: services.enrolment.of_largest_face(tenant, "regular", picture(Person(n)), RULES).faceid for n in seeds}


def galleries(services: Services) -> Galleries:
    return Galleries(services.requests._items, services.erasure.pictures._blobs)


@given(st.text(max_size=60), st.integers(1, MAX_SHARDS))
def test_a_face_is_in_one_shard_of_any_number(faceid: str, number: int) -> None:
    assert sum(shard.holds(faceid) for shard in shards(number)) == 1


def test_shards_are_of_one_size() -> None:
    for faceids in ([str(n) for n in range(40_000)], [f"{n:016x}" for n in range(40_000)]):
        for shard in shards(8):
            assert 4_500 < sum(map(shard.holds, faceids)) < 5_500


@pytest.mark.parametrize(("number", "of"), [(0, 0), (1, 1), (-1, 2), (0, MAX_SHARDS + 1)])
def test_there_are_only_so_many_shards(number: int, of: int) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        Shard(number, of)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 40), st.sampled_from([None, OperatingPoint(CURVE)]))
def test_shards_give_the_answer_of_the_whole(number: int, limit: int, least: OperatingPoint | None) -> None:
    """With the groups, the order, the ties and the threshold of all that are compared."""
    from chalicelib.index.gallery import Gallery
    from chalicelib.index.snapshots.build_segment import from_faces

    vectors = [embedding_of(n % 30).astype(np.float16).tobytes() for n in range(60)]
    faces = [(f"f{n}", "gh"[n % 2], [vector]) for n, vector in enumerate(vectors)]

    class Split:
        def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
            shard = request.shard
            mine = [face for face in faces if shard.holds(face[0])]
            return Gallery("m", from_faces("m", 3 + shard.number, mine), shard).view.search(request)

    probes = np.stack([embedding_of(3), embedding_of(77)])
    for group_ids in (None, ["g"], ["nowhere"]):
        request = SearchRequest("m", probes, group_ids, limit, least)
        whole, split = (ShardedSearch(Split(), lambda _, of=of: of).search("t", request) for of in (1, number))
        assert split == whole._replace(seq=3)


def test_the_merged_seq_is_the_lowest() -> None:
    request = SearchRequest("m", np.zeros((1, 2), np.float32))
    assert merged([SearchAnswer(9, 1, ((),)), SearchAnswer(7, 2, ((),))], request) == SearchAnswer(7, 3, ((),))


def test_a_shard_that_fails_fails_the_search() -> None:
    class Failing:
        def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
            if request.shard.number == 2:
                raise Busy("the gallery changes faster than it can be loaded")
            return SearchAnswer(1, 0, ((),))

    with pytest.raises(Busy):
        ShardedSearch(Failing(), lambda _: 4).search("t", SearchRequest("m", np.zeros((1, 4), np.float32)))


def test_the_number_of_shards_is_read_again_after_a_minute(services: Services, tenant: Tenant) -> None:
    now = [0.0]
    numbers = ShardNumbers(services.requests._items, lambda: now[0])
    assert numbers(tenant.name) == 1
    services.tenants.change(tenant.name, {"shards": 4})
    now[0] = 59.0
    assert numbers(tenant.name) == 1
    now[0] = 61.0
    assert numbers(tenant.name) == 4


def test_a_number_of_shards_that_cannot_be_is_refused(services: Services, tenant: Tenant) -> None:
    for number in (0, MAX_SHARDS + 1):
        with pytest.raises(InvalidInput, match="1 to 64"):
            services.tenants.change(tenant.name, {"shards": number})
    with pytest.raises(TenantNotFound):
        services.tenants.change("nobody", {"shards": 2})


def test_the_number_of_shards_changes_while_searches_run(services: Services, tenant: Tenant, clock: FakeClock) -> None:
    """Up, down and up again, while snapshots are built and trimmed and faces come and go: each answer is right."""
    number = [1]
    held = galleries(services)
    search = ShardedSearch(held, lambda _: number[0])
    compactor = Compactor(services.requests._items, services.erasure.pictures._blobs, held, clock, lambda _: number[0])
    faces = enrol(services, tenant, range(TAIL_LENGTH))
    stop, wrong, searches = threading.Event(), [], [0]

    def ask() -> None:
        while not stop.is_set():
            seed = searches[0] % TAIL_LENGTH
            answer = search.search(tenant.name, SearchRequest("fake", embedding_of(seed)[None]))
            searches[0] += 1
            if answer.candidates[0][0].faceid != faces[seed] or answer.gallery_size < TAIL_LENGTH:
                wrong.append((seed, answer))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for step, of in enumerate((1, 3, 2, 1, 5)):
            number[0] = of
            more = enrol(services, tenant, range(1000 * (step + 1), 1000 * (step + 1) + 3))
            for _ in range(3):
                compactor.build(tenant.name)
                clock.advance(GRACE + timedelta(seconds=1))
            services.erasure.deletion.of_group(tenant, "regular", list(more.values()))
    finally:
        stop.set()
        for thread in asking:
            thread.join()

    assert wrong == []
    assert searches[0] > 50


def test_the_snapshots_of_another_number_of_shards_are_dropped_after_the_grace_time(
    services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    items, blobs, number = services.requests._items, services.erasure.pictures._blobs, [1]
    compactor = Compactor(items, blobs, galleries(services), clock, lambda _: number[0])
    faces = enrol(services, tenant, range(TAIL_LENGTH))
    compactor.build(tenant.name)
    number[0] = 3
    for _ in range(4):
        compactor.build(tenant.name)
        clock.advance(GRACE + timedelta(seconds=1))
    clock.advance(timedelta(days=3650))  # files have the machine's time
    compactor.build(tenant.name)

    pointers = items.query(keys.DIRECTORY, tenant.name, low="INDEX#", high="INDEX#~").items
    assert [item["item"] for item in pointers] == ["INDEX#fake#0/3", "INDEX#fake#1/3", "INDEX#fake#2/3"]
    assert len(list(blobs.walk(keys.snapshots(tenant.name, "fake")))) == 3
    assert items.query(keys.JOURNAL, tenant.name).items == ()
    cold = ShardedSearch(galleries(services), lambda _: 3)
    answer = cold.search(tenant.name, SearchRequest("fake", embedding_of(9)[None]))
    assert (answer.candidates[0][0].faceid, answer.gallery_size) == (faces[9], TAIL_LENGTH)


MOST = 100
WHOLE = SearchRequest("m", np.zeros((1, 4), np.float32))
IN_A_GROUP = SearchRequest("m", np.zeros((1, 4), np.float32), ["staff"])
IN_A_SHARD = SearchRequest("m", np.zeros((1, 4), np.float32), shard=Shard(1, 2))


@dataclass
class Asked:
    """A search that finds nobody, and counts."""

    times: int = 0

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        self.times += 1
        return SearchAnswer(1, 0, ((),))


@dataclass
class Both:
    services: Services
    tenant: Tenant
    most: int = MOST
    now: float = 0.0
    near: Asked = field(default_factory=Asked)
    far: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        items = self.services.requests._items
        self.search = NearSearch(lambda: self.near, self.far, items, self.most, lambda: self.now)

    def has(self, faces: int) -> None:
        """Make the tenant's groups count so many faces."""
        place = (self.tenant.name, keys.group_item(STRANGER))
        there = (exists("group"),)
        self.services.requests._items.transact([Update(keys.DIRECTORY, place, there, set={"count": faces})])

    def places(self, *requests: SearchRequest) -> str:
        """Search, and say of each request whether that was near or far."""
        said = ""
        for request in requests:
            before = self.near.times
            self.search.search(self.tenant.name, request)
            said += "n" if self.near.times > before else "f"
        return said


def test_a_small_gallery_is_searched_here_and_a_part_of_one_never(services: Services, tenant: Tenant) -> None:
    both = Both(services, tenant)
    both.has(MOST)
    assert both.places(WHOLE, IN_A_GROUP, IN_A_SHARD, WHOLE) == "nnfn"


def test_a_large_gallery_is_searched_by_the_function_whatever_is_asked_of_it(
    services: Services, tenant: Tenant
) -> None:
    both = Both(services, tenant)
    both.has(MOST + 1)
    assert both.places(WHOLE, IN_A_GROUP, IN_A_SHARD) == "fff"


def test_the_faces_are_counted_again_after_a_quarter_of_an_hour(services: Services, tenant: Tenant) -> None:
    both = Both(services, tenant)
    both.has(MOST)
    assert both.places(WHOLE) == "n"
    both.has(MOST + 1)
    both.now = COUNT_REMEMBERED_S - 1
    assert both.places(WHOLE) == "n"
    both.now = COUNT_REMEMBERED_S
    assert both.places(WHOLE) == "f"


def test_a_limit_of_none_searches_everything_by_the_function(services: Services, tenant: Tenant) -> None:
    assert Both(services, tenant, most=0).places(WHOLE, WHOLE) == "ff"
