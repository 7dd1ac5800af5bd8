from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import asdict, replace

from chalicelib.domain.errors import ConditionFailed, InvalidInput
from chalicelib.domain.model import NO_LABELS, Decision, Labels, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    Observation,
    ObservationFilter,
    ObservationKind,
)
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, Pose
from chalicelib.services import Services
from chalicelib.storage.records.observations import COUNTED, observation_item, row_from
from chalicelib.storage.values import moment
from tests.support.fakes import RULES, FakeClock, Person, picture
from tests.support.paged import paged

FOREVER = (0, 10**10)


def all_of(services: Services, tenant: Tenant) -> list[Observation]:
    return services.statistics.observations.query(tenant, EVERYTHING, *FOREVER).observations


def sighted(at: datetime, id_: str, faceid: str = "1", labels: Labels = NO_LABELS) -> Observation:
    return Observation(at, id_, faceid, "stranger", labels, ObservationKind.SIGHTING)


def test_observation_comes_back_as_it_was_written(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    whole = Observation(
        at=clock.now() - timedelta(milliseconds=877),
        id="capture_7.2",
        faceid="face-1",
        group_name="VIP会员",
        labels=Labels("a", "", "c\n", "女"),
        kind=ObservationKind.SIGHTING,
        camera="door",
        box=BoundingBox(1.5, -2, 30, 40.2),
        estimates=Estimates(33.4, Gender.FEMALE, 0.9, "happy", 0.8, Pose(1, -2, 3), 80),
        decision=Decision(0.512345, 0.4, 7, 0.00123),
    )
    bare = sighted(clock.now() - timedelta(days=1), "1")

    services.statistics.store_observations(camera.name, [whole, bare])

    assert all_of(services, camera) == [whole, bare]


def test_every_search_hit_is_observed_and_a_search_that_finds_nobody_is_not(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    people = [Person(n, 100 - n) for n in range(5)]
    services.enrolment.everybody.enrol_all_in_picture(
        cloud, "VIP会员", picture(*people), RULES, Labels("stored")
    )
    clock.advance(timedelta(hours=1))

    found = services.recognition.face_analysis.search_all_in_picture(
        cloud, picture(*people, Person(77, 30)), "VIP会员", RULES
    )
    services.recognition.face_analysis.search_all_in_picture(
        cloud, picture(Person(77)), "VIP会员", RULES
    )
    services.recognition.face_analysis.search_by_picture(cloud, picture(Person(77)), RULES)

    hits = [one for one in all_of(services, cloud) if one.kind is ObservationKind.SEARCH]
    assert {one.faceid for one in hits} == {match.face.faceid for match in found.matches}
    assert len(hits) == 5
    assert {(one.at, one.labels, one.group_name) for one in hits} == {
        (clock.now(), Labels("stored"), "VIP会员")
    }
    match = found.matches[0]
    largest = next(one for one in hits if one.faceid == match.face.faceid)
    assert (largest.box, largest.estimates) == (match.box, match.estimates)
    assert largest.decision is not None
    stored, made = asdict(largest.decision), asdict(match.decision)
    for name in ("by", "condition"):
        assert (stored.pop(name), made.pop(name)) == (None, None)
    for decision in (stored, made):
        del decision["seq"], decision["fpir"]  # of a search, they stand in the audit
    assert stored == pytest.approx(made, rel=0, abs=1e-6)


def test_observation_is_stored_once(services: Services, camera: Tenant, clock: FakeClock) -> None:
    one = sighted(clock.now() - timedelta(days=2), "same")
    services.statistics.store_observations(camera.name, [one])
    with pytest.raises(ConditionFailed):
        services.statistics.store_observations(camera.name, [one])
    assert all_of(services, camera) == [one]


@pytest.mark.parametrize("id_", ["", "a#b", "a\nb", "女", "x" * 101])
def test_id_that_a_key_cannot_hold_is_refused(
    services: Services, camera: Tenant, clock: FakeClock, id_: str
) -> None:
    with pytest.raises(InvalidInput):
        services.statistics.store_observations(camera.name, [sighted(clock.now(), id_)])


@pytest.mark.parametrize(
    "at", [datetime(1969, 12, 31, tzinfo=UTC), datetime(2287, 1, 1, tzinfo=UTC)]
)
def test_time_that_a_key_cannot_hold_is_refused(
    services: Services, camera: Tenant, at: datetime
) -> None:
    with pytest.raises(InvalidInput, match="1970 to 2286"):
        services.statistics.store_observations(camera.name, [sighted(at, "1")])


def test_more_observations_than_a_transaction_holds_are_all_stored(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    services.statistics.store_observations(
        camera.name, [sighted(clock.now(), f"{n}") for n in range(200)]
    )
    assert len(all_of(services, camera)) == 200


@pytest.mark.parametrize(
    "wanted", [EVERYTHING, ObservationFilter(Labels("a")), ObservationFilter(faceid="1")]
)
@pytest.mark.parametrize("seal", [False, True])
def test_paging_neither_skips_nor_repeats_while_observations_arrive(
    services: Services, camera: Tenant, clock: FakeClock, wanted: ObservationFilter, seal: bool
) -> None:
    start = clock.now() - timedelta(days=3)
    before = [
        sighted(start + timedelta(minutes=50 * (n // 3)), f"{n}", labels=Labels("a"))
        for n in range(200)
    ]
    services.statistics.store_observations(camera.name, before)
    if seal:
        services.statistics.sealing.seal_tenant(camera)

    seen = []
    for page in paged(
        lambda token: services.statistics.observations.query(camera, wanted, *FOREVER, 23, token)
    ):
        seen += page.observations
        number = len(seen)
        newer = sighted(clock.now(), f"new{number}", labels=Labels("a"))
        passed = sighted(seen[-1].at, f"zz{number}", labels=Labels("a"))
        services.statistics.store_observations(camera.name, [newer, passed])

    assert [one for one in seen if one in before] == sorted(
        before, key=lambda one: (one.at, one.id), reverse=True
    )
    assert len({one.id for one in seen}) == len(seen)


def test_page_of_a_rare_face_is_found_across_a_year(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    start = clock.now() - timedelta(days=300)
    many = [
        sighted(start + timedelta(days=n // 2, seconds=n), f"{n}", f"{n % 150}") for n in range(600)
    ]
    services.statistics.store_observations(camera.name, many)
    services.statistics.sealing.seal_tenant(camera)

    page = services.statistics.observations.query(
        camera, ObservationFilter(faceid="149"), *FOREVER, 3
    )
    rest = services.statistics.observations.query(
        camera, ObservationFilter(faceid="149"), *FOREVER, 3, page.next_token
    )

    assert [one.id for one in (*page.observations, *rest.observations)] == [
        "599",
        "449",
        "299",
        "149",
    ]
    assert (page.total, rest.total, rest.next_token) == (4, 4, None)


@pytest.mark.parametrize("kind", ObservationKind)
def test_pages_of_a_kind_hold_all_of_it_be_it_rare_usual_or_absent_on_a_day(
    services: Services, camera: Tenant, clock: FakeClock, kind: ObservationKind
) -> None:
    start, kinds = clock.now() - timedelta(days=20), list(ObservationKind)
    many = [
        replace(
            sighted(start + timedelta(days=day, minutes=number), f"{day}-{number}"),
            kind=kinds[0] if day % 4 == 3 or number % 5 else kinds[1 + day % 4 % 2],
        )
        for day in range(20)
        for number in range(10)
    ]
    services.statistics.store_observations(camera.name, many)
    services.statistics.sealing.seal_tenant(camera)
    wanted = ObservationFilter(kind=kind)
    pages = paged(
        lambda token: services.statistics.observations.query(camera, wanted, *FOREVER, 7, token)
    )
    found = [one.id for page in pages for one in page.observations]
    expected = [one.id for one in sorted(many, key=lambda one: one.at) if one.kind is kind]
    assert found == expected[::-1] != []


def test_row_that_is_counted_agrees_with_the_observation(clock: FakeClock) -> None:
    one = replace(
        sighted(clock.now(), "1", labels=Labels("a", "b")),
        camera="door",
        estimates=Estimates(age=39.6, gender=Gender.FEMALE),
        gap_s=1_800,
    )
    item = observation_item("camera", one)
    row = row_from({name: item[name] for name in ("time_id", *COUNTED) if name in item})
    assert row == row_from(item)
    assert (moment(row.at_ms), row.id, row.faceid) == (one.at, one.id, one.faceid)
    assert row.dimensions == ("a", "b", "", "", "stranger", "door", "sighting")
    assert (row.gender, row.decade, row.gap_s) == (Gender.FEMALE, 4, 1_800)
    unsure = replace(one, estimates=replace(one.estimates, gender=None))
    assert row_from(observation_item("camera", unsure)).gender is Gender.UNKNOWN
