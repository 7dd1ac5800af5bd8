"""Tests of the table by which records are written and read: what is missing, what is null, what
stands apart."""

from datetime import UTC, datetime

from msgspec import Struct

from chalicelib.storage.values import Codec, number


class Seen(Struct, frozen=True):
    id: str
    at: datetime
    score: float | None = None
    until: datetime | None = None
    names: tuple[str, ...] = ()
    times: int = 1


SEEN = Codec(
    Seen, {"at": "at_ms"}, apart="id", rare="names times", nulls="until", score=number(".2f")
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_record_has_no_field_that_says_what_a_missing_one_means() -> None:
    assert SEEN.write(Seen("1", AT)) == {"at_ms": 1_767_225_600_000, "until": None}
    assert SEEN.read({"at_ms": 1_767_225_600_000}, id="1") == Seen("1", AT)


def test_a_record_comes_back_with_the_digits_that_are_kept() -> None:
    seen = Seen("1", AT, 0.123, AT, ("a", "b"), 2)
    assert SEEN.read(SEEN.write(seen), id="1") == Seen("1", AT, 0.12, AT, ("a", "b"), 2)


def test_some_fields_of_a_record_are_written_alone() -> None:
    assert SEEN.write(Seen("1", AT, names=("a",)), "names", "until") == {
        "names": ["a"],
        "until": None,
    }
