"""The list of arrivals against a recount from the sightings, whatever was done to them in whatever
order."""

import random
import tempfile
from collections import Counter, defaultdict
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.sightings.sightings import ArrivalBook, FaceArrival
from chalicelib.book.statistics.arrivals import MOST_ASKED
from chalicelib.book.statistics.statistics import Question, Totals
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.jobs import NIGHT_HOUR
from chalicelib.domain.local_time import DAY_MS, Granularity, Span
from chalicelib.domain.model import REGULAR, STRANGER
from chalicelib.domain.observations import (
    EVERYTHING,
    Measure,
    Observation,
    ObservationFilter,
    ObservationKind,
    Only,
    Split,
)
from chalicelib.domain.pictures import NO_ESTIMATES
from chalicelib.domain.rules.ended import (
    Among,
    Unit,
    find_place,
    find_units,
    is_first_in,
    is_first_visit,
    read_again,
    read_last_group,
    takes_row,
    was_staff,
)
from chalicelib.storage.values import made_at, milliseconds
from tests.support.book.book import MINUTE, MONDAY, Book, shot
from tests.support.book.deeds import RULE, Deed, call, deeds, faceid_of, right, see
from tests.support.book.person import worked_off
from tests.support.book.recount_visits import every_observation
from tests.support.examples import examples
from tests.support.fakes import Person
from tests.support.later import later
from tests.support.paged import paged

ALWAYS = Span(0, 10**13 - 1)


class Meant(Struct, frozen=True):
    """`number`, `before` and `after`: by the sightings that there are."""

    first: Observation
    last_at: datetime
    sightings: int
    number: int
    before: datetime | None
    after: datetime | None
    """When the next arrival began."""

    def again(self, now: datetime) -> str:
        end = self.last_at + timedelta(days=30)
        if self.after is not None and self.after <= end:
            return "yes"
        return "open" if now <= end else "no"


def stay(one: Meant) -> str:
    return str(
        max(
            least
            for least in (0, 1, 5, 15, 30, 60)
            if one.last_at - one.first.at >= timedelta(minutes=least)
        )
    )


def shown(one: Observation) -> Observation:
    """As lists show it: nothing tells of an erased person."""
    return replace(one, estimates=NO_ESTIMATES) if one.mark else one


def is_first(one: Meant) -> bool:
    return is_first_visit(one.first.mark) if one.first.mark else one.number == 1


def recount(book: Book) -> list[Meant]:
    """All arrivals, newest first, by the definition alone."""
    of_face: dict[str, list[Observation]] = defaultdict(list)
    for one in sorted(every_observation(book), key=lambda one: (one.at, one.id)):
        if one.kind is ObservationKind.SIGHTING and one.gap_s is not None:
            of_face[one.faceid].append(one)
    meant: list[Meant] = []
    for sightings in of_face.values():
        arrivals: list[list[Observation]] = []
        until = sightings[0].at
        for one in sightings:
            if not arrivals or one.at >= until:
                arrivals.append([])
            arrivals[-1].append(one)
            until = max(until, one.at + timedelta(seconds=one.gap_s or 0))
        ends = [None, *(seen[-1].at for seen in arrivals)]
        begins = [*(seen[0].at for seen in arrivals), None]
        meant += [
            Meant(seen[0], seen[-1].at, len(seen), n, ends[n - 1], begins[n])
            for n, seen in enumerate(arrivals, 1)
        ]
    return sorted(meant, key=lambda one: (one.first.at, one.first.id), reverse=True)


def listed(
    book: Book,
    wanted: ObservationFilter = EVERYTHING,
    span: Span = ALWAYS,
    limit: int = 100,
    only: Only | None = None,
) -> list[FaceArrival]:
    read = book.services.sightings.arrivals.read_page
    pages = paged(lambda token: read(book.tenant, wanted, span, limit, token, choice=only))
    return [one for page in pages for one in page.rows]


def opened(folder: str | Path) -> Book:
    book = Book(Path(folder), cameras=("door", "till"))
    book.services.groups.set_promotion_settings(book.tenant, RULE)
    return book


def check(
    book: Book, limit: int = 100, wanted: ObservationFilter = EVERYTHING, span: Span = ALWAYS
) -> None:
    there = {face.faceid: face for face in book.faces()}
    groups = {group.id: group.name for group in book.services.groups.list_all(book.tenant)}

    def group(one: Meant) -> str:
        if one.first.mark and one.first.group_name == STRANGER:
            return read_last_group(one.first.mark) or STRANGER
        face = there.get(one.first.faceid)
        is_named = face is not None and face.name and one.first.group_name == STRANGER
        return groups[face.group_id] if face is not None and is_named else one.first.group_name

    of_all = [
        one
        for one in recount(book)
        if span.first_ms <= milliseconds(one.first.at) <= span.last_ms
        and wanted.camera in (None, one.first.camera)
        and wanted.faceid in (None, one.first.faceid)
        and wanted.group_name in (None, group(one))
    ]
    expected = [
        one
        for one in of_all
        if one.first.group_name not in wanted.without
        and takes_row(wanted, one.first.faceid, one.first.mark)
    ]
    found = listed(book, wanted, span, limit)
    assert [(one.first, one.last_at, one.sightings) for one in found] == [
        (shown(one.first), one.last_at, one.sightings) for one in expected
    ]
    assert [one.number for one in found] == [
        one.number if one.first.faceid in there else None for one in expected
    ]
    assert [one.before_at for one in found] == [
        one.before if one.first.faceid in there else None for one in expected
    ]
    assert [one.face and one.face.faceid for one in found] == [
        one.first.faceid if one.first.faceid in there else None for one in expected
    ]
    assert [one.group for one in found] == [group(one) for one in expected]
    question = Question(span, Granularity.DAY, Measure.ARRIVALS, wanted=wanted)
    counted = book.services.statistics.list_buckets(book.tenant, question)
    assert sum(bucket.amounts[""] for bucket in counted) == len(expected)
    first = [shown(one.first) for one in expected if is_first(one)]
    assert [one.first for one in listed(book, wanted, span, limit, Only.FIRST)] == first

    def split(by: Split) -> Counter[str]:
        buckets = book.services.statistics.list_buckets(book.tenant, replace(question, split=by))
        return sum((Counter(bucket.amounts) for bucket in buckets), Counter[str]())

    staff = book.services.statistics.visitors.read_staff(book.tenant)

    def kind(one: Meant) -> str:
        if staff.has(one.first.group_name, one.first.faceid) or was_staff(one.first.mark):
            return "staff"
        return "new" if is_first(one) else "returning" if group(one) == STRANGER else "known"

    arrivals = book.services.statistics.arrivals
    for most_asked in (0, MOST_ASKED):  # by all that is kept, and by each face's visits
        arrivals.most_asked = most_asked
        assert split(Split.VISIT) == Counter(map(kind, expected))
    assert split(Split.GROUP) == Counter(map(group, expected))
    assert split(Split.STAY) == Counter(
        stay(one) if one.first.faceid in there or one.first.mark else "unknown" for one in expected
    )

    def came_again(one: Meant) -> str:
        if one.first.mark:
            return str(read_again(one.first.mark)).replace("open", "unknown")
        return one.again(book.clock.now()) if one.first.faceid in there else "unknown"

    again = map(came_again, expected)
    assert split(Split.AGAIN) == Counter(again)
    local, place = book.tenant.local_time, find_place(wanted, None)

    def counts(one: Meant) -> bool:
        """Whether an erased person counts by this visit: test_closed.py shows that it is right."""
        [day] = local.days(Span(milliseconds(one.first.at), milliseconds(one.first.at)))
        unit = find_units(local, [day], span.first_ms, Unit.YEAR)[day]
        return not one.first.mark or is_first_in(one.first.mark, unit, place, Among.VISITS)

    totals = book.services.sightings.arrivals.count_arrivals(book.tenant, wanted, span)
    uncertain = listed(book, wanted, span, limit, Only.UNCERTAIN)
    assert totals == Totals(
        len(expected),
        len({one.first.faceid for one in expected if counts(one)}),
        len(first),
        len(uncertain),
        Counter(map(group, expected)),
        Counter(map(kind, expected)),
        len(of_all) - len(expected),
    )


@later
def delete(book: Book, place: int) -> None:
    face = book.faces()[place % len(book.faces())]
    groups = {group.id: group.name for group in book.services.groups.list_all(book.tenant)}
    book.services.deletion.delete_faces_of_group(book.tenant, groups[face.group_id], [face.faceid])


@later
def erase(book: Book, place: int) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    delete(place)(book)
    worked_off(book)


@later
def change_zone(book: Book, zone: str) -> None:
    book.services.tenants.change_settings("shop", {"time_zone": zone})


@later
def come_now(book: Book, hours: int, seed: int) -> None:
    """Some hours later somebody comes, whose capture is not late."""
    book.clock.advance(timedelta(hours=hours))
    book.see(shot((book.clock.now() - MONDAY) / MINUTE, seed))


at_cameras = st.builds(
    lambda quarter, seeds, camera: see(shot(15 * quarter, *seeds, camera=camera)),
    st.integers(0, 5 * 96),
    st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True),
    st.sampled_from(["door", "till"]),
)
wishes = st.builds(
    ObservationFilter,
    group_name=st.sampled_from([None, None, "stranger", "regular"]),
    camera=st.sampled_from([None, None, "door", "till"]),
)


@examples(12, 300)
@given(
    st.lists(at_cameras, min_size=3, max_size=14),
    st.lists(
        st.one_of(
            *(deeds, at_cameras),
            st.builds(delete, st.integers(0, 9)),
            st.builds(erase, st.integers(0, 9)),
            st.builds(change_zone, st.sampled_from(["America/Los_Angeles", "Asia/Kolkata", "UTC"])),
            st.builds(come_now, st.sampled_from([1, 5, 24]), st.integers(1, 3)),
        ),
        max_size=12,
    ),
    st.sampled_from([1, 2, 100]),
    wishes,
    st.tuples(st.integers(0, 480), st.integers(1, 480)),
    st.booleans(),
)
def test_arrivals_equal_a_recount_after_whatever_was_done(
    first: list[Deed],
    done: list[Deed],
    limit: int,
    wanted: ObservationFilter,
    part: tuple[int, int],
    staff: bool,
) -> None:
    begin, quarters = part
    since = MONDAY + 15 * begin * MINUTE
    span = Span(milliseconds(since), milliseconds(since + 15 * quarters * MINUTE))
    with tempfile.TemporaryDirectory() as folder, closing(opened(folder)) as book:
        for deed in [*first, *done]:
            with suppress(ZeroDivisionError):  # there is nothing to choose from
                deed(book)
        right(book)
        check(book, limit)
        if staff:  # as if all regulars worked there
            book.services.groups.change_fields(book.tenant, REGULAR, {"staff": True})
            wanted = book.services.statistics.visitors.read_staff(book.tenant).leave_out(wanted)
            check(book, limit)
        check(book, limit, wanted, span)


@pytest.mark.parametrize("is_erased", [False, True])
def test_an_erased_strangers_visits_become_no_staffs_with_the_last_group(
    tmp_path: Path, *, is_erased: bool
) -> None:
    """The stranger became a regular, whose group is made staff later."""
    with closing(opened(tmp_path)) as book:
        for day in range(7):
            book.see(shot(day * 24 * 60, 1))
        call(0, "Ann Lee")(book)
        assert book.services.groups.get(book.tenant, book.faces()[0].group_id).name == REGULAR
        if is_erased:
            erase(0)(book)
        book.services.groups.change_fields(book.tenant, REGULAR, {"staff": True})
        check(book)


def test_seventh_visit_says_so_with_its_face_and_its_end(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        for day in range(7):
            book.see(shot(day * 24 * 60, 1), shot(day * 24 * 60 + 20, 1, camera="till"))
        [last, *_] = listed(book, limit=1)
        assert (last.number, last.sightings) == (7, 2)
        assert (last.first.at, last.last_at) == (
            MONDAY + 6 * 1440 * MINUTE,
            MONDAY + (6 * 1440 + 20) * MINUTE,
        )
        assert last.before_at == MONDAY + (5 * 1440 + 20) * MINUTE
        assert last.first.camera == "door"
        assert last.face.arrive_count == 7


def test_arrivals_older_than_faces_keep_them_are_worked_out(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        book.see(
            shot(0, 1), shot(20, 1), shot(40, 1), shot(3 * 60, 1), shot(0, 2), shot(13 * 60, 2)
        )
        faceid = faceid_of(book, 1)
        book.clock.advance(timedelta(days=200))
        today = (book.clock.now() - MONDAY) / MINUTE
        book.see(shot(today, 1), shot(today - 60, 1))
        for _ in range(2):
            mine = [one for one in listed(book) if one.first.faceid == faceid]
            assert [(one.number, one.sightings) for one in mine] == [
                (4, 1),
                (3, 1),
                (None, 1),
                (None, 3),
            ]
            assert [
                one.first for one in listed(book, only=Only.FIRST) if one.first.faceid == faceid
            ] == [mine[-1].first]
            assert [one.before_at for one in mine] == [mine[1].last_at, None, None, None]
            assert [(one.first.at, one.last_at) for one in mine[2:]] == [
                (MONDAY + 180 * MINUTE, MONDAY + 180 * MINUTE),
                (MONDAY, MONDAY + 40 * MINUTE),
            ]
            book.services.statistics.sealing.seal_tenant(book.tenant)


@pytest.mark.parametrize("most_asked", [0, MOST_ASKED])
@pytest.mark.parametrize("kept_days", [150, 400, None])
def test_who_came_before_the_history_that_is_kept_is_not_new(
    tmp_path: Path, most_asked: int, kept_days: int | None
) -> None:
    """Also once the shop keeps more: what is gone stays gone."""
    with closing(opened(tmp_path)) as book:
        book.services.tenants.change_settings("shop", {"observation_days": 150})
        # the ids of other tests' faces are of any time, and the service's own ids never go back
        book.enrol(Person(1), name="Ann Lee", faceid="ann")
        book.see(shot(14 * 24 * 60, 1))
        book.clock.advance(timedelta(days=170))
        for _ in range(3):
            book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=NIGHT_HOUR))
            book.clock.advance(timedelta(days=1))
        assert every_observation(book) == []
        today = int((book.clock.now() - MONDAY).total_seconds()) // 60
        book.see(shot(today, 1), shot(today, 2))
        book.services.tenants.change_settings("shop", {"observation_days": kept_days})
        book.services.statistics.arrivals.most_asked = most_asked
        totals = book.services.statistics.count_totals(book.tenant, ALWAYS, EVERYTHING, set())
        assert (totals.kinds, totals.first) == ({"known": 1, "new": 1}, 1)


@pytest.mark.parametrize("most_asked", [0, MOST_ASKED])
def test_what_is_kept_of_a_held_face_tells_nothing_of_others(
    tmp_path: Path, most_asked: int
) -> None:
    with closing(opened(tmp_path)) as book:
        book.services.tenants.change_settings("shop", {"observation_days": 150})
        book.enrol(Person(3), name="Held", faceid="held")
        book.services.faces.holds.set(book.tenant, "held", "case 7")
        book.see(shot(14 * 24 * 60, 3))
        ann = make_id(book.clock.now() + timedelta(hours=1))
        book.enrol(Person(1), name="Ann Lee", faceid=ann)
        book.see(shot(14 * 24 * 60 + 120, 1))
        book.clock.advance(timedelta(days=170))
        for _ in range(3):
            book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=NIGHT_HOUR))
            book.clock.advance(timedelta(days=1))
        assert {one.faceid for one in every_observation(book)} == {"held"}
        book.see(shot(int((book.clock.now() - MONDAY) / MINUTE), 1))
        book.services.statistics.arrivals.most_asked = most_asked
        span = Span(milliseconds(book.clock.now() - timedelta(days=3)), ALWAYS.last_ms)
        totals = book.services.statistics.count_totals(book.tenant, span, EVERYTHING, set())
        assert (totals.kinds, totals.first) == ({"known": 1}, 0)


def make_id(at: datetime) -> str:
    """Make a face's id of that time: those of one process never go back."""
    return str((milliseconds(at) - milliseconds(made_at("0"))) << 21)


def test_an_arrival_of_several_days_is_followed_to_its_end(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        book.see(*(shot(20 * number, 1) for number in range(5 * 72)))
        delete(0)(book)
        [only] = listed(book)
        assert (only.sightings, only.number, only.face) == (360, None, None)
        assert only.last_at == MONDAY + 359 * 20 * MINUTE


def test_two_cameras_at_one_instant_begin_one_arrival_at_one_of_them(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        book.see(shot(0, 1), shot(0, 1, camera="till"), shot(0, 2), shot(0, 3, camera="till"))
        for camera in ("door", "till"):
            check(book, 1, ObservationFilter(camera=camera))
        check(book, 1)


def test_a_page_reads_so_many_observations_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        book.see(*(shot(5 * number, 1) for number in range(450)), shot(5 * 450, 2))
        arrivals = ArrivalBook(book.services)
        arrivals.most_read = 200
        pages = paged(lambda token: arrivals.read_page(book.tenant, EVERYTHING, ALWAYS, 10, token))
        sizes = [len(page.rows) for page in pages]
        assert sum(sizes) == 2
        assert 0 in sizes


def test_pages_neither_skip_nor_repeat_while_people_arrive(tmp_path: Path) -> None:
    rng = random.Random(3)
    with closing(opened(tmp_path)) as book:
        book.see(*(shot(7 * number, rng.randrange(9)) for number in range(60)))
        expected = [one.first.id for one in listed(book)]
        got: list[str] = []
        read = book.services.sightings.arrivals.read_page
        for page in paged(lambda token: read(book.tenant, EVERYTHING, ALWAYS, 3, token)):
            got += [one.first.id for one in page.rows]
            book.see(shot(7 * 60 + 40 * len(got), 1))
        assert got == expected


def test_a_token_of_another_query_is_refused(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as book:
        book.see(shot(0, 1), shot(0, 2))
        token = book.services.sightings.arrivals.read_page(
            book.tenant, EVERYTHING, ALWAYS, 1
        ).next_token
        for wanted, span, given in (
            (ObservationFilter(camera="door"), ALWAYS, token),
            (EVERYTHING, replace(ALWAYS, first_ms=DAY_MS), token),
            (EVERYTHING, ALWAYS, "nonsense"),
        ):
            with pytest.raises(InvalidInput, match="token"):
                book.services.sightings.arrivals.read_page(book.tenant, wanted, span, 1, given)
