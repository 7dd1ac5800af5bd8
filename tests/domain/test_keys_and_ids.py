from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.storage import keys
from chalicelib.storage.values import milliseconds, moment, time_ordered_id

moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
faceids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


@given(st.integers(0, 10**14), st.integers(0, 10**14))
def test_journal_keys_are_in_the_order_of_seq(a: int, b: int) -> None:
    assert (keys.seq_key(a) < keys.seq_key(b)) == (a < b)


@given(st.sampled_from(["stranger", "regular", "123", "1234"]), moments, faceids)
def test_index_keys_lie_in_their_groups_range_and_in_no_other(
    group: str, at: datetime, faceid: str
) -> None:
    key = keys.enrolment_key(group, at, faceid)
    inside = {
        other
        for other in ("stranger", "regular", "123", "1234")
        if keys.group_range(other)[0] <= key <= keys.group_range(other)[1]
    }
    assert inside == {group}


@given(faceids)
def test_names_of_pictures_tell_whose_they_are(faceid: str) -> None:
    assert keys.faceid_of_picture("t", keys.face_picture("t", faceid, "ab")) == faceid


def test_a_time_has_all_its_milliseconds_and_seconds_as_a_float_would_lose_some() -> None:
    second = range(2_147_483_648_000, 2_147_483_649_000)  # the first one after 2^31 seconds
    assert any(int(moment(ms).timestamp() * 1000) == ms - 1 for ms in second)
    assert [milliseconds(moment(ms)) for ms in second] == list(second)
    assert milliseconds(moment(second[0]) + timedelta(microseconds=999)) == second[0]
    assert milliseconds(moment(-1) + timedelta(microseconds=999)) == -1


def test_ids_rise_and_fit_63_bits_even_when_the_clock_goes_back() -> None:
    late, early = datetime(2159, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    ids = [int(time_ordered_id(at)) for at in (early, early, early)]
    assert ids == sorted(set(ids))
    assert int(time_ordered_id(early)) > ids[-1]
    assert int(time_ordered_id(late)) < 2**63
