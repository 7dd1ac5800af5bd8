from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.book.statistics.statistics import Question, SplitBucket
from chalicelib.domain.errors import ConditionFailed, InvalidInput
from chalicelib.domain.local_time import Granularity, Span, day_text
from chalicelib.domain.model import Labels, Profile, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    OF_ARRIVALS,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.domain.pictures import Estimates, Gender
from chalicelib.services import Services
from tests.support.book.recount_statistics import (
    arrivals_begun,
    every_observation,
    items_of,
    meant,
    recount,
    split_recount,
    time_of,
)
from tests.support.book.tenants import add_tenant
from tests.support.examples import examples
from tests.support.fakes import RULES, FakeClock, Person, picture
from tests.support.paged import paged

CHANGES = [
    ("Australia/Lord_Howe", "2018-03-31"),
    ("Australia/Lord_Howe", "2018-10-06"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("Atlantic/Azores", "2018-03-25"),
    ("Atlantic/Azores", "2018-10-28"),
    ("America/St_Johns", "2010-11-07"),
    ("Pacific/Apia", "2011-12-30"),
    ("Asia/Kathmandu", "2020-01-01"),
    ("Asia/Shanghai", "2024-02-29"),
]
GROUPS = ("stranger", "VIP会员")
LABELS = (Labels(), Labels("A1"), Labels("A1", "B1"), Labels("A2", "B1", "C1", "D1"))

minutes = st.sampled_from([0, 1, 20, 55, 60, 200, 700, 1500])
people = st.integers(0, 3)
observing = st.tuples(
    st.just("observe"),
    minutes,
    st.sampled_from([0, 0, 0, 29, 30, 31, 90, 600, 3000, 6000]),
    people,
    st.sampled_from(LABELS),
    st.sampled_from(GROUPS),
    st.tuples(
        st.sampled_from(["door", "till"]),
        st.sampled_from([None, None, *Gender]),
        st.sampled_from([None, 0.0, 29.4, 29.6, 101.0]),
        st.sampled_from([None, 60, 1_800, 1_800, 14_400, 86_400]),
    ),
)
steps = st.lists(
    st.one_of(
        observing,
        observing,
        st.tuples(st.just("again"), st.integers(0, 20)),
        st.tuples(st.just("seal"), st.sampled_from([0, 61, 800, 1500, 4000])),
        st.tuples(st.sampled_from(["enrol", "search", "delete"]), minutes, people),
    ),
    min_size=5,
    max_size=30,
)


Seen = tuple[str, Gender | None, float | None, int | None]
"""Camera, gender, age, gap."""


@dataclass
class History:
    """A tenant's life as the steps tell it; `written` are the observations that the steps wrote
    themselves."""

    services: Services
    clock: FakeClock
    tenant: Tenant
    written: list[Observation]
    made: int = 0

    def step(self, kind: str, *how) -> None:
        getattr(self, kind)(*how)

    def observe(
        self, after: int, delay: int, person: int, labels: Labels, group: str, seen: Seen
    ) -> None:
        camera, gender, age, gap_s = seen
        self.clock.advance(timedelta(minutes=after, milliseconds=371))
        at = self.clock.now() - timedelta(minutes=delay)
        one = Observation(
            at,
            f"id-{len(self.written)}",
            f"p{person}",
            group,
            labels,
            ObservationKind.SIGHTING,
            camera,
            estimates=Estimates(age=age, gender=gender),
            gap_s=gap_s,
        )
        self.services.statistics.store_observations(self.tenant.name, [one])
        self.written.append(one)

    def again(self, number: int) -> None:
        """The same message once more."""
        if self.written:
            with suppress(ConditionFailed):
                self.services.statistics.store_observations(
                    self.tenant.name, [self.written[number % len(self.written)]]
                )

    def seal(self, after: int) -> None:
        self.clock.advance(timedelta(minutes=after))
        self.services.statistics.sealing.seal_tenant(self.tenant)

    def enrol(self, after: int, person: int) -> None:
        self.clock.advance(timedelta(minutes=after))
        self.services.enrolment.everybody.enrol_all_in_picture(
            self.tenant, GROUPS[person % 2], picture(Person(person)), RULES, LABELS[person]
        )
        self.made += 1

    def search(self, after: int, person: int) -> None:
        self.clock.advance(timedelta(minutes=after))
        match = self.services.recognition.face_analysis.search_by_picture(
            self.tenant, picture(Person(person, 90)), RULES
        ).match
        self.made += match is not None

    def delete(self, after: int, person: int) -> None:
        self.clock.advance(timedelta(minutes=after))
        page = self.services.faces.read_page(self.tenant, "stranger", 1, 100)
        if page.faces:
            self.services.deletion.delete_faces_of_group(
                self.tenant, "stranger", [page.faces[person % len(page.faces)].faceid]
            )


def history_of(services: Services, clock: FakeClock, zone: str, day: str) -> History:
    names = {tenant.name for tenant in services.tenants.list_all()}
    tenant = replace(add_tenant(services, f"t{len(names)}", Profile.CLOUD), time_zone=zone)
    clock.advance(
        datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=40) - clock.now()
    )
    return History(services, clock, tenant, [])


def wanted_of(draw: st.DrawFn, observed: list[Observation]) -> ObservationFilter:
    faceids = sorted({one.faceid for one in observed})
    return ObservationFilter(
        draw(
            st.sampled_from(
                [Labels(), Labels(), Labels("A1"), Labels(b="B1"), Labels("A2", c="C1")]
            )
        ),
        draw(st.sampled_from([None, None, *GROUPS, "nobody's"])),
        draw(st.sampled_from([None, None, None, "nobody", *faceids])),
        draw(st.sampled_from([None, None, *ObservationKind])),
        draw(st.sampled_from([None, None, "", "door", "back"])),
    )


@examples(15, 600)
@given(data=st.data(), place=st.sampled_from(CHANGES), lived=steps)
def test_every_amount_equals_a_recount_of_the_raw_observations(
    services: Services,
    clock: FakeClock,
    data: st.DataObject,
    place: tuple[str, str],
    lived: list[tuple],
) -> None:
    history = history_of(services, clock, *place)
    zone, tenant = place[0], history.tenant
    begin = int(clock.now().timestamp())

    for number, step in enumerate(lived):
        history.step(*step)
        if number % 10 == 9 or number == len(lived) - 1:
            check(data, history, zone, tenant, begin)


def check(data: st.DataObject, history: History, zone: str, tenant: Tenant, begin: int) -> None:
    services, now = history.services, int(history.clock.now().timestamp())
    days = range(begin // 86_400 - 8, now // 86_400 + 2)
    observed = every_observation(items_of(services), tenant, days)
    assert len(observed) == len(history.written) + history.made
    instants = [int(one.at.timestamp()) for one in observed] or [begin]
    for granularity in Granularity:
        draw = data.draw
        start, end = sorted(
            draw(st.sampled_from([0, begin, *instants, now, now + 10**9])) for _ in range(2)
        )
        wanted, distinct = wanted_of(draw, observed), draw(st.booleans())
        found = meant(observed, wanted, start, end)
        expected = recount(found, zone, granularity, distinct=distinct)

        assert (
            services.statistics.count_by_time(
                tenant, wanted, start, end, granularity, distinct=distinct
            )
            == expected
        )

        for measure in Measure:
            split = draw(st.sampled_from([None, *(one for one in Split if one not in OF_ARRIVALS)]))
            counted = found
            if measure in (Measure.ARRIVALS, Measure.PERSONS):
                counted = meant(arrivals_begun(observed), wanted, start, end)
            distinct = measure in (Measure.PERSONS, Measure.PRESENT)
            question = Question(Span.of_seconds(start, end), granularity, measure, split, wanted)
            expected_split = split_recount(counted, zone, granularity, split, distinct=distinct)
            assert services.statistics.list_buckets(tenant, question) == expected_split

        assert (
            uncounted(
                services, tenant, wanted, Span.of_seconds(start, end), draw(st.sampled_from([1, 3]))
            )
            == found
        )

        size, listed = draw(st.sampled_from([1, 3, 1000])), []
        for page in paged(
            partial(services.statistics.observations.query, tenant, wanted, start, end, size)
        ):
            assert page.total == len(found)
            listed += page.observations
        assert [(one.at, one.id) for one in listed] == [(one.at, one.id) for one in found]


def uncounted(
    services: Services, tenant: Tenant, wanted: ObservationFilter, span: Span, size: int
) -> list[Observation]:
    found: list[Observation] = []
    for page in paged(
        lambda token: services.statistics.observations.read_page(tenant, wanted, span, size, token)
    ):
        assert page.total is None
        found += page.observations
    return found


AT = datetime(2026, 2, 10, 3, 0, tzinfo=UTC)


def observe(
    services: Services, tenant: Tenant, *observed: tuple[datetime, str], labels: Labels = LABELS[1]
) -> None:
    number = len(every_observation(items_of(services), tenant, range(20_000, 21_000)))
    services.statistics.store_observations(
        tenant.name,
        [
            Observation(at, f"{number + n}", faceid, "stranger", labels, ObservationKind.SIGHTING)
            for n, (at, faceid) in enumerate(observed)
        ],
    )


@pytest.fixture
def sealed(services: Services, camera: Tenant, clock: FakeClock) -> Tenant:
    """Six observations of three persons on three days of Shanghai, sealed."""
    observe(services, camera, (AT, "a"), (AT, "b"), (AT + timedelta(minutes=10), "a"))
    observe(services, camera, (AT + timedelta(days=1), "a"), (AT + timedelta(days=1, hours=2), "c"))
    observe(services, camera, (AT + timedelta(days=9), "c"))
    assert {day_text(day) for day in services.statistics.sealing.seal_tenant(camera)} >= {
        "20260210",
        "20260211",
        "20260219",
    }
    return camera


def test_another_time_zone_counts_other_days_until_it_has_seals_of_its_own(
    services: Services, sealed: Tenant
) -> None:
    moved = replace(sealed, time_zone="Pacific/Honolulu")
    raw = services.statistics.count_by_time(moved, EVERYTHING, 0, 10**10, Granularity.DAY)

    services.statistics.sealing.seal_tenant(moved)

    assert [*raw] == ["20260209", "20260210", "20260218"]
    assert services.statistics.count_by_time(moved, EVERYTHING, 0, 10**10, Granularity.DAY) == raw
    assert (
        min(services.statistics.count_by_time(sealed, EVERYTHING, 0, 10**10, Granularity.DAY))
        == "20260210"
    )


@pytest.mark.parametrize("seal", [False, True])
def test_local_days_that_overlap_in_utc_are_told_apart(
    services: Services, camera: Tenant, clock: FakeClock, seal: bool
) -> None:
    """In St. John's the clocks went from 00:01 back to 23:01 of the day before, at 02:31 UTC."""
    tenant = replace(camera, time_zone="America/St_Johns")
    utc = [
        datetime(2010, 11, 7, hour, minute, tzinfo=UTC)
        for hour, minute in ((2, 29), (2, 30), (2, 45), (3, 45))
    ]
    for number, at in enumerate(utc):
        clock.advance(at - clock.now())
        one = Observation(at, f"{number}", "a", "stranger", LABELS[1], ObservationKind.SIGHTING)
        services.statistics.store_observations(tenant.name, [one])
    clock.advance(timedelta(days=3))
    if seal:
        services.statistics.sealing.seal_tenant(tenant)

    for wanted in (EVERYTHING, ObservationFilter(LABELS[1]), ObservationFilter(faceid="a")):
        found = services.statistics.count_by_time(tenant, wanted, 0, 10**10, Granularity.DAY)
        assert found == {"20101106": 2, "20101107": 2}
        page = services.statistics.observations.query(tenant, wanted, 0, 10**10)
        assert [one.at for one in page.observations] == utc[::-1]


@pytest.mark.parametrize("seal", [False, True])
def test_an_arrival_goes_on_when_the_clocks_go_back_over_midnight(
    services: Services, camera: Tenant, clock: FakeClock, seal: bool
) -> None:
    """At 02:30 UTC it is midnight in St. John's, and a minute later 23:01 of the day before."""
    tenant = replace(camera, time_zone="America/St_Johns")
    for number, (hour, minute, gap_s) in enumerate(
        [(2, 29, 1), (2, 30, 1_200), (2, 45, 1), (3, 45, 1)]
    ):
        at = datetime(2010, 11, 7, hour, minute, tzinfo=UTC)
        clock.advance(at - clock.now())
        one = Observation(
            at, f"{number}", "a", "stranger", LABELS[1], ObservationKind.SIGHTING, gap_s=gap_s
        )
        services.statistics.store_observations(tenant.name, [one])
    clock.advance(timedelta(days=3))
    if seal:
        services.statistics.sealing.seal_tenant(tenant)
    always = Span.of_seconds(0, 10**10)

    found = services.statistics.list_buckets(
        tenant, Question(always, Granularity.DAY, Measure.ARRIVALS)
    )

    assert found == [SplitBucket("20101106", {"": 1}), SplitBucket("20101107", {"": 2})]


def test_more_amounts_than_an_answer_holds_are_refused(
    services: Services, camera: Tenant, clock: FakeClock
) -> None:
    for hour in range(11):
        clock.advance(timedelta(hours=1))
        observe(services, camera, *[(clock.now(), "a")] * 1, labels=Labels(f"label {hour}"))
    always, split = Span.of_seconds(0, 10**10), Split.LABEL_A
    statistics = services.statistics
    statistics.most_amounts = 10

    with pytest.raises(InvalidInput, match=r"11 amounts, and 10 is the most.*labels\.a"):
        statistics.list_buckets(camera, Question(always, Granularity.HOUR, split=split))

    assert statistics.list_buckets(camera, Question(always, Granularity.HOUR)) != []


def test_group_is_the_one_of_the_call_in_its_one_unicode_form(
    services: Services, cloud: Tenant
) -> None:
    services.enrolment.everybody.enrol_all_in_picture(
        cloud, "Cafe\u0301", picture(Person(1)), RULES, Labels()
    )
    for name, amounts in (("Cafe\u0301", [1]), ("Caf\u00e9", [1]), ("Cafe", [])):
        found = services.statistics.count_by_time(
            cloud, ObservationFilter(group_name=name), 0, 10**10, Granularity.MONTH
        )
        assert [*found.values()] == amounts


def test_time_of_the_recount_is_what_the_contract_says() -> None:
    assert [time_of(AT, "Asia/Shanghai", granularity) for granularity in Granularity] == [
        "202602",
        "20260209",
        "20260210",
        "2026021011",
    ]
