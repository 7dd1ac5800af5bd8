"""No act that ends something changes the figures of a time that is over, by a new tenant's own
settings: neither retention, nor an erasure that is cut off, nor a restriction."""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.statistics.statistics import Question
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.observations import (
    EVERYTHING,
    OF_ARRIVALS,
    Measure,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.domain.tenant_settings import FIRST_WEEKDAYS, TenantSettings
from chalicelib.privacy.erasure_progress import SETTLED, is_erased
from chalicelib.storage.values import milliseconds
from tests.support.book.book import Book, Shot, shot
from tests.support.book.recount_visits import every_observation
from tests.support.examples import examples, parametrize
from tests.support.fakes import Person
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Killed

ZONES = ("America/St_Johns", "Europe/Berlin", "Pacific/Auckland")
DAY = 24 * 60
FIRST = date(2026, 2, 1)
"""Figures are asked from here on, for MONTHS."""
MONTHS = 4
WANTED = (
    EVERYTHING,
    ObservationFilter(camera="door"),
    ObservationFilter(group_name="stranger"),
    ObservationFilter(kind=ObservationKind.SIGHTING),
)
NEW_TENANT = {
    name: value
    for name, value in asdict(TenantSettings()).items()
    if name in ("deletes_erase", "stranger_days", "observation_days", "feelings")
}


def read_figures(book: Book, zone: str) -> dict[str, Any]:
    """Every figure of these months by every split, measure, and filter of one value."""
    statistics, tenant = book.services.statistics, book.tenant
    whole = span_of_months(zone)
    figures: dict[str, Any] = {}
    for granularity in Granularity:
        for measure in Measure:
            splits = [None, *(s for s in Split if s not in OF_ARRIVALS or measure == "arrivals")]
            for split in splits:
                visitors = statistics.visitors.read_staff(tenant).leave_out(EVERYTHING)
                several = (*WANTED, visitors)
                for wanted in several if split in (None, Split.KIND) else several[:1]:
                    question = Question(whole, granularity, measure, split, wanted)
                    of = f"{wanted.text_for_tokens}, {wanted is visitors}"
                    name = f"{measure} by {granularity} and {split}, {of}"
                    figures[name] = statistics.list_buckets(tenant, question)
    for month in range(MONTHS):
        of_month = span_of(zone, date(2026, 2 + month, 1), date(2026, 3 + month, 1))
        figures[f"month {month}"] = statistics.count_totals(tenant, of_month, EVERYTHING, set())
    year = span_of(zone, date(2026, 1, 1), date(2027, 1, 1))
    figures["year"] = statistics.count_totals(tenant, year, EVERYTHING, set())
    for number in range(14):
        first = date(2026, 2, 2) + timedelta(7 * number)
        figures[f"week {first}"] = book.services.sightings.weeks.count_week(tenant, first)
    return figures


def span_of_months(zone: str = "UTC") -> Span:
    return span_of(zone, FIRST, date(2026, 2 + MONTHS, 1))


def span_of(zone: str, first: date, behind: date) -> Span:
    begin, end = (
        milliseconds(datetime.combine(day, datetime.min.time(), ZoneInfo(zone)))
        for day in (first, behind)
    )
    return Span(begin, end - 1)


def list_changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        f"{name}: {value} became {after[name]}"
        for name, value in before.items()
        if after[name] != value
    ]


def draw_visits(draw: random.Random, zone: str) -> Iterator[Shot]:
    """Draw visits of five people at two cameras in ten weeks, some of them over midnight."""
    for _ in range(30):
        day = date(2026, 2, 20) + timedelta(draw.randrange(70))
        minute = draw.choice([draw.randrange(DAY), DAY - draw.randrange(30)])
        local = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
        begin = (local + timedelta(minutes=minute)).astimezone(UTC)
        who = Person(draw.randrange(1, 6), side_px=100.0)
        for number in range(draw.choice([1, 1, 3])):
            at = begin + number * timedelta(minutes=20)
            yield Shot(at, (who,), draw.choice(["door", "yard"]))


def open_shop(folder: str, zone: str = "UTC") -> Book:
    book = Book(Path(folder), cameras=("door", "yard"))
    settings = {**NEW_TENANT, "time_zone": zone}
    book.services.tenants.change_settings("shop", settings)
    return book


def name_some(book: Book, draw: random.Random) -> None:
    """Give a stranger a name, another one a group, too, and have a third be staff."""
    book.services.groups.create(book.tenant, "Team", None, "")
    book.services.groups.change_by_name(book.tenant, "Team", {"staff": True})
    ann, ben, cid = draw.sample(book.faceids(), 3)
    for faceid, changes in (
        (ann, FaceChanges(name="Ann")),
        (ben, FaceChanges(name="Ben", new_group_name="regular")),
        (cid, FaceChanges(name="Cid", new_group_name="Team")),
    ):
        book.services.enrolment.update.change_face(book.tenant, faceid, changes)


def erase_cut(book: Book, faceids: list[str], at: int) -> None:
    """Erase in a process that is killed at one of its calls; another one ends it."""
    book.services.deletion.delete_faces(book.tenant, faceids)
    book.clock.advance(SETTLED + timedelta(minutes=11))
    calls = Calls()
    with closing(Book(book.folder, wrap=calls.wrap, cameras=("door", "yard"))) as other:
        other.clock.advance(book.clock.now() - other.clock.now())
        calls.fail(at // 2 + 1, KILLED if at % 2 else DONE_KILLED)
        with suppress(Killed):
            other.services.erasure.steps.continue_all(other.tenant)
    book.clock.advance(timedelta(minutes=11))
    book.sweep()


@examples(1, 120)
@given(st.integers(0, 10**6), st.sampled_from(ZONES))
def test_no_figure_of_a_time_that_is_over_changes_by_an_erasure_that_is_cut_off(
    seed: int, zone: str
) -> None:
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, closing(open_shop(folder, zone)) as book:
        book.clock.advance(datetime(2026, 6, 20, tzinfo=UTC) - book.clock.now())
        book.see(*draw_visits(draw, zone))
        name_some(book, draw)
        book.sweep()
        before = read_figures(book, zone)
        while book.faces():
            some = draw.sample(book.faceids(), min(2, len(book.faces())))
            erase_cut(book, some, draw.randrange(160))
            assert not list_changes(before, read_figures(book, zone))
        assert all(is_erased(one.faceid) for one in every_observation(book))


def test_strangers_who_went_by_retention_are_as_many_people_as_they_were(tmp_path: Path) -> None:
    with closing(open_shop(str(tmp_path))) as book:
        visits = [shot(DAY * day, 7) for day in (0, 2, 4, 9, 11)]
        book.see(*visits, *(shot(DAY * day + 30, 8) for day in (0, 1)))
        book.clock.advance(timedelta(days=31))
        before = read_figures(book, "UTC")
        totals = before["month 1"]
        assert (totals.persons, totals.first, totals.kinds["returning"]) == (2, 2, 5)
        book.clock.advance(timedelta(days=70))
        for _ in range(30):
            book.sweep()
            book.clock.advance(timedelta(hours=1))
        assert not book.faces()
        assert not list_changes(before, read_figures(book, "UTC"))


def restrict(book: Book, faceid: str) -> None:
    book.services.restrictions.set(book.tenant, faceid, "she asked")


def delete_cameras(book: Book, _faceid: str) -> None:
    for camera in ("door", "yard"):
        book.services.cameras.delete(book.tenant, camera)


def delete_with_people(book: Book, group: str, person: str) -> None:
    book.services.deletion.groups.delete(book.tenant, group)
    for _ in range(3):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
    assert all(face.name != person for face in book.faces())


def delete_group(book: Book, _faceid: str) -> None:
    delete_with_people(book, "Gold", "Ben")


def delete_staff(book: Book, _faceid: str) -> None:
    delete_with_people(book, "Team", "Cid")


def withdraw(book: Book, faceid: str) -> None:
    book.services.consents.withdraw_consent(book.tenant, faceid)
    for _ in range(16 * 24):
        book.clock.advance(timedelta(hours=1))
        book.services.sweep.sweep_tenant(book.tenant, book.clock.now(), ["consents", "erasures"])


@parametrize(
    "end",
    [restrict, delete_cameras, delete_group, delete_staff, withdraw],
    gate=2,
    ids=lambda end: end.__name__,
)
def test_no_figure_of_a_time_that_is_over_changes_by_what_ends_otherwise(
    end: Callable[[Book, str], None], tmp_path: Path
) -> None:
    with closing(open_shop(str(tmp_path))) as book:
        book.clock.advance(datetime(2026, 6, 20, tzinfo=UTC) - book.clock.now())
        consent = Consent(Basis.CONSENT, book.clock.now(), "form 7")
        book.enrol(Person(1, side_px=100.0), faceid="ann", name="Ann", consent=consent)
        book.see(*draw_visits(random.Random(7), "UTC"))
        book.services.groups.create(book.tenant, "Gold", None, "")
        book.services.groups.create(book.tenant, "Team", None, "")
        book.services.groups.change_by_name(book.tenant, "Team", {"staff": True})
        ben, cid = [face.faceid for face in book.faces() if not face.name][:2]
        for faceid, name, group in ((ben, "Ben", "Gold"), (cid, "Cid", "Team")):
            moved = FaceChanges(name=name, new_group_name=group)
            book.services.enrolment.update.change_face(book.tenant, faceid, moved)
        book.sweep()
        before = read_figures(book, "UTC")
        end(book, "ann")
        assert not list_changes(before, read_figures(book, "UTC"))


def test_of_two_erased_people_nobody_can_say_who_came_again(tmp_path: Path) -> None:
    """Twin books: in the one each comes on her own days, in the other they change their last
    days."""
    left = []
    for name, pairs in {
        "own": [(0, 7), (1, 8), (3, 7), (4, 8), (9, 7), (10, 8)],
        "changed": [(0, 7), (1, 8), (3, 8), (4, 7), (9, 7), (10, 8)],
    }.items():
        with closing(open_shop(str(tmp_path / name))) as book:
            book.see(*(shot(DAY * day, who) for day, who in pairs))
            for who in book.faceids():
                erase_cut(book, [who], 0)
            left.append(
                sorted(
                    (one.at, one.group_name, one.camera, one.mark, one.estimates)
                    for one in every_observation(book)
                )
            )
    assert left[0] == left[1]
    assert all(mark for _, _, _, mark, _ in left[0])


def test_a_span_that_begins_within_a_day_and_a_month_has_no_fewer_people(tmp_path: Path) -> None:
    with closing(open_shop(str(tmp_path))) as book:
        book.clock.advance(datetime(2026, 6, 20, tzinfo=UTC) - book.clock.now())
        book.see(*draw_visits(random.Random(3), "UTC"))
        cut = Span(milliseconds(datetime(2026, 3, 11, 12, tzinfo=UTC)), span_of_months().last_ms)

        def count(measure: Measure, granularity: Granularity) -> dict[str, int]:
            question = Question(cut, granularity, measure)
            buckets = book.services.statistics.list_buckets(book.tenant, question)
            return {one.time: one.amounts[""] for one in buckets}

        asked = [(m, g) for m in (Measure.PERSONS, Measure.PRESENT) for g in Granularity]
        before = {pair: count(*pair) for pair in asked}
        for faceid in book.faceids():
            erase_cut(book, [faceid], 0)
        for pair in asked:
            after = count(*pair)
            first, *later = before[pair]
            assert after.keys() == before[pair].keys()
            assert after[first] >= before[pair][first]
            assert {time: after[time] for time in later} == {t: before[pair][t] for t in later}


def test_weeks_that_begin_on_another_day_since_have_as_many_people(tmp_path: Path) -> None:
    with closing(open_shop(str(tmp_path))) as book:
        book.clock.advance(datetime(2026, 6, 20, tzinfo=UTC) - book.clock.now())
        book.see(*draw_visits(random.Random(4), "UTC"))

        def count(begins: str) -> list[Any]:
            book.services.tenants.change_settings("shop", {"week_begins": begins})
            question = Question(span_of_months(), Granularity.WEEK, Measure.PERSONS)
            return list(book.services.statistics.list_buckets(book.tenant, question))

        before = {begins: count(begins) for begins in FIRST_WEEKDAYS}
        for faceid in book.faceids():
            erase_cut(book, [faceid], 0)
        assert {begins: count(begins) for begins in FIRST_WEEKDAYS} == before
