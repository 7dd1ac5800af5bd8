from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.auth.rate_limits import Buckets, Rate, Rates, StoredBuckets
from chalicelib.domain.errors import TooManyRequests, WrongCredentials
from chalicelib.storage import keys
from chalicelib.storage.ports import ItemStore
from tests.support.fakes import FakeClock


class Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(buckets: Buckets | StoredBuckets, caller: str, tries: int) -> int:
    done = 0
    for _ in range(tries):
        with suppress(TooManyRequests):
            buckets.take(caller)
            done += 1
    return done


def test_a_burst_may_come_at_once_and_then_so_many_a_second() -> None:
    timer = Timer()
    buckets = Rates(100, 10, timer).requests
    assert taken(buckets, "a", 300) == 200
    assert taken(buckets, "b", 300) == 200, "each caller has a bucket of his own"
    timer.now += 0.5
    assert taken(buckets, "a", 300) == 50
    timer.now += 3600
    assert taken(buckets, "a", 300) == 200


def test_the_headers_tell_what_is_left_and_when_to_come_again() -> None:
    timer = Timer()
    buckets = Rates(100, 10, timer).searches
    assert buckets.take("a") == {
        "RateLimit-Policy": '"searches";q=20;w=2',
        "RateLimit": '"searches";r=19;t=1',
    }
    assert taken(buckets, "a", 18) == 18
    assert buckets.take("a")["RateLimit"] == '"searches";r=0;t=2'
    with pytest.raises(
        TooManyRequests, match="20 requests of a key that look for faces may come within 2 s"
    ) as refused:
        buckets.take("a")
    assert refused.value.again_in_s == 1
    assert refused.value.headers == {
        "RateLimit-Policy": '"searches";q=20;w=2',
        "RateLimit": '"searches";r=0;t=1',
    }


def test_ten_wrong_sign_ins_a_minute_come_from_an_address() -> None:
    timer = Timer()
    buckets = Rates(100, 10, timer).wrong_sign_ins
    assert taken(buckets, "10.0.0.7", 50) == 10
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("10.0.0.7")
    assert refused.value.again_in_s == 6
    timer.now += 60
    assert taken(buckets, "10.0.0.7", 50) == 10


def test_what_is_given_back_can_be_taken_again() -> None:
    buckets = Buckets(Rate("x", "x", 1, 3), Timer())
    for _ in range(10):
        buckets.take("a")
        buckets.give_back("a")
    assert taken(buckets, "a", 10) == 3


def test_many_threads_take_no_more_than_there_is() -> None:
    buckets = Buckets(Rate("x", "x", 1, 50), Timer())
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: taken(buckets, "a", 20), range(8))) == 50


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 5), max_size=60),
)
def test_never_more_than_the_burst_and_the_rate_allow(
    rate: float, burst: int, pauses: list[float]
) -> None:
    timer = Timer()
    buckets = Buckets(Rate("x", "x", rate, burst), timer)
    begin, done = timer.now, 0
    for pause in pauses:
        timer.now += pause
        done += taken(buckets, "a", 3)
        assert done <= burst + (timer.now - begin) * rate + 1e-6


def test_callers_who_came_long_ago_are_forgotten_and_those_at_their_limit_are_not() -> None:
    timer = Timer()
    buckets = Buckets(Rate("x", "x", 0.01, 10), timer)
    assert taken(buckets, "busy", 20) == 10
    for number in range(30_000):
        buckets.take(f"address {number}")
    assert len(buckets._full_at) <= 10_000
    assert taken(buckets, "busy", 1) == 0


# --- on AWS: one count for all instances of a function
# --------------------------------------------------------------------------


class Instances:
    """Two instances of a function over one table, and their clock."""

    def __init__(self, items: ItemStore) -> None:
        self.clock = FakeClock()
        make = partial(StoredBuckets, items, self.clock)
        self.one, self.other = (Rates(100, 10, make_buckets=make) for _ in range(2))
        self.tag = uuid4().hex
        """Of what one test stores: the tables live as long as the file's tests."""


@pytest.fixture
def instances(items: ItemStore) -> Instances:
    return Instances(items)


def guess(rates: Rates, address: str, person: str, *, right: bool = False) -> bool:
    """Whether the password of a person is looked at."""
    try:
        with rates.count_guess(address, person):
            if not right:
                raise WrongCredentials("wrong")
    except TooManyRequests:
        return False
    except WrongCredentials:
        pass
    return True


def test_wrong_sign_ins_of_an_address_are_counted_over_all_instances(
    instances: Instances,
) -> None:
    each = [instances.one, instances.other] * 10
    assert sum(taken(rates.wrong_sign_ins, instances.tag, 1) for rates in each) == 10
    with pytest.raises(TooManyRequests, match="10 wrong sign-ins from an address") as refused:
        instances.other.wrong_sign_ins.take(instances.tag)
    assert refused.value.again_in_s == 6
    instances.clock.advance(timedelta(minutes=1))
    assert sum(taken(rates.wrong_sign_ins, instances.tag, 1) for rates in each) == 10


def test_guesses_of_a_person_are_counted_over_all_instances_and_addresses(
    instances: Instances,
) -> None:
    each = [instances.one, instances.other] * 20
    tried = [
        guess(rates, f"10.0.{n}.1 {instances.tag}", f"{instances.tag}#ann")
        for n, rates in enumerate(each)
    ]
    assert sum(tried) == 20
    assert guess(instances.one, f"10.9.9.9 {instances.tag}", f"{instances.tag}#bert")


def test_who_signed_in_by_one_instance_is_locked_out_at_none(instances: Instances) -> None:
    assert guess(instances.one, "192.0.2.1", f"{instances.tag}#ann", right=True)
    for n in range(30):
        guess(instances.other, f"10.0.{n}.1 {instances.tag}", f"{instances.tag}#ann")
    assert not guess(
        instances.other, f"10.9.9.9 {instances.tag}", f"{instances.tag}#ann", right=True
    )
    assert guess(instances.other, "192.0.2.1", f"{instances.tag}#ann", right=True)
    instances.clock.advance(timedelta(days=31))
    assert not instances.other.wrong_sign_ins.is_known(f"192.0.2.1 {instances.tag}#ann")


def test_instances_at_once_take_no_more_than_there_is(
    sqlite_items: ItemStore,  # moto's conditions are not atomic among threads
) -> None:
    instances = Instances(sqlite_items)
    both = [instances.one.wrong_sign_ins, instances.other.wrong_sign_ins]
    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(lambda n: taken(both[n % 2], instances.tag, 5), range(8)))
    assert 0 < done <= 10, "who meets others again and again is refused"
    assert done + taken(both[0], instances.tag, 20) == 10


def test_no_address_is_stored_as_it_is_and_none_for_long(
    instances: Instances,
    items: ItemStore,
) -> None:
    guess(instances.one, "192.0.2.1", f"{instances.tag}#ann")
    guess(instances.one, "192.0.2.1", f"{instances.tag}#ann", right=True)
    stored = list(items.scan(keys.TENANTS))
    assert stored
    assert "192.0.2.1" not in str(stored)
    assert instances.tag not in str(stored)
    latest = instances.clock.now() + timedelta(days=30, seconds=1)
    assert all(item["expires_at"] <= latest.timestamp() for item in stored)
