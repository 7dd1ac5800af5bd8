from datetime import timedelta

import pytest

from chalicelib.book.idempotency import Signatures
from tests.support.fakes import FakeClock

KEYS = [f"{number:064x}" for number in range(20)]
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_key_is_remembered_for_as_long_as_its_signature_holds(clock: FakeClock) -> None:
    reads = Signatures(clock, TEN_MINUTES)
    reads.remember(KEYS[0])
    clock.advance(TEN_MINUTES)
    assert KEYS[0] in reads
    assert KEYS[1] not in reads
    clock.advance(timedelta(seconds=1))
    assert KEYS[0] not in reads


def test_the_newest_are_remembered_and_what_has_expired_takes_no_memory(clock: FakeClock) -> None:
    reads = Signatures(clock, TEN_MINUTES, most=5)
    for key in KEYS[:10]:
        reads.remember(key)
    assert [key in reads for key in KEYS[:10]] == [False] * 5 + [True] * 5
    clock.advance(2 * TEN_MINUTES)
    for key in KEYS[10:15]:
        reads.remember(key)
    assert len(reads) == 5
    clock.advance(2 * TEN_MINUTES)
    reads.remember(KEYS[15])
    reads.remember(KEYS[16])
    reads.remember(KEYS[17])
    assert len(reads) == 3
