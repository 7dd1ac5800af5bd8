from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from chalicelib.domain.consent import Basis, Ending, Remembered
from chalicelib.domain.model import (
    RESTRICTED,
    Face,
    Hold,
    Picture,
    Profile,
    Restriction,
    Template,
    Tenant,
)
from chalicelib.domain.tenant_settings import MOST_REMEMBERED_DAYS, TenantSettings
from chalicelib.privacy.retention import (
    LEAST_A_SWEEP,
    ONE_IN_A_SWEEP,
    PATIENCE,
    Withheld,
    find_outlook,
    find_withheld,
)

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 2, tzinfo=UTC)
BEFORE = st.none() | st.builds(
    lambda since, at: Withheld(9, NOW - timedelta(hours=since + at), NOW - timedelta(hours=at)),
    st.integers(0, 400),
    st.integers(-10_000, 10_000),
)


@given(BEFORE, st.integers(0, 1_000), st.integers(0, 1_000))
def test_what_is_overdue_goes_at_once_if_it_is_few_or_a_fifth_at_most(
    before: Withheld | None, overdue: int, others: int
) -> None:
    is_much = overdue > LEAST_A_SWEEP and overdue > (overdue + others) / ONE_IN_A_SWEEP
    assert (find_withheld(before, overdue, overdue + others, NOW) is not None) is is_much


@given(st.lists(st.integers(-10_000, 10_000), max_size=30))
def test_the_wait_is_a_week_of_which_each_gap_between_two_looks_counts_as_a_day_at_most(
    hours: list[int],
) -> None:
    found, now, waited = find_withheld(None, 10, 10, NOW), NOW, timedelta()
    for step in hours:
        now += timedelta(hours=step)
        waited += min(max(timedelta(hours=step), timedelta()), timedelta(days=1))
        found = find_withheld(found, 10, 10, now)
        assert found
        assert found.is_over is (waited >= PATIENCE)


def test_the_wait_begins_anew_if_much_more_is_to_go() -> None:
    at = NOW - timedelta(days=6)
    before = Withheld(20, at, NOW - timedelta(hours=1))
    assert find_withheld(before, 25, 100, NOW) == Withheld(25, at, NOW)
    assert find_withheld(before, 60, 100, NOW) == Withheld(60, NOW, NOW)


def make_face(*, wish: bool = False, is_stripped: bool = False, is_held: bool = False) -> Face:
    picture = Picture("p", "k", NOW, (Template("m", b"v"),))
    restriction = Restriction("", NOW, "regular", "", ended=Ending.WITHDRAWN)
    return Face(
        "1",
        RESTRICTED,
        NOW,
        (picture,),
        hold=Hold("case 7", NOW) if is_held else None,
        restriction=restriction,
        withdrawn_at=NOW,
        remembered=Remembered(Basis.CONSENT, "letter 7", NOW) if wish else None,
        stripped_at=NOW + 14 * DAY if is_stripped else None,
    )


def make_tenant(model: str = "m", **settings: Any) -> Tenant:
    stored = asdict(TenantSettings(**settings))
    return Tenant(
        name="shop", profile=Profile.CLOUD, app_id="A", created_at=NOW, model=model, **stored
    )


@pytest.mark.parametrize(
    ("face", "settings", "days"),
    [
        (make_face(), {}, (None, 14)),
        (make_face(wish=True), {}, (14, 365)),
        (make_face(wish=True, is_stripped=True), {}, (None, 365)),
        (make_face(), {"expired_consent_erases": False}, (14, 365)),
        (make_face(), {"expired_consent_erases": False, "ended_days": 0}, (14, 365)),
        (make_face(), {"ended_days": 0}, (None, 0)),
        (make_face(wish=True), {"ended_days": 400, "remembered_days": 400}, (400, 400)),
        (make_face(is_stripped=True), {}, (None, 14)),
        (make_face(wish=True, is_stripped=True), {"model": "another"}, (None, 14)),
    ],
)
def test_who_said_no_has_an_end_whatever_is_set(
    face: Face, settings: dict[str, Any], days: tuple[int | None, int]
) -> None:
    """The days until all but the template goes, and until the person is erased."""
    outlook = find_outlook(make_tenant(**settings), face)
    assert outlook is not None
    stripped_at = None if days[0] is None else NOW + days[0] * DAY
    assert (outlook.stripped_at, outlook.erased_at) == (stripped_at, NOW + days[1] * DAY)


def test_a_held_face_has_none() -> None:
    assert find_outlook(make_tenant(), make_face(is_held=True)) is None


@given(st.booleans(), st.integers(0, 3_650), st.integers(1, 3_650))
def test_nobody_is_kept_longer_than_three_years_whatever_an_earlier_version_has_stored(
    erases: bool, ended_days: int, remembered_days: int
) -> None:
    tenant = replace(
        make_tenant(),
        expired_consent_erases=erases,
        ended_days=ended_days,
        remembered_days=min(remembered_days, MOST_REMEMBERED_DAYS),
    )
    outlook = find_outlook(tenant, make_face())
    assert outlook is not None
    assert outlook.next_at <= outlook.erased_at <= NOW + MOST_REMEMBERED_DAYS * DAY
