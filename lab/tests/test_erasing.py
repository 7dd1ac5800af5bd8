"""bench.erasing in short: a scrub writes the database thrice, and one does for all shops."""

from pathlib import Path

from regulars_lab.bench import erasing
from tests.support.book.years import Year


def test_an_erasure_writes_the_database_thrice_and_a_night_no_more(tmp_path: Path) -> None:
    year = Year(600, 300, 20, has_pictures=False)
    nothing, regular, night = erasing.measure(tmp_path, year, shops=3)
    assert nothing.written_mb <= regular.database_mb
    for cost in (regular, night):
        assert cost.written_mb <= 4 * cost.database_mb + nothing.written_mb
        assert cost.refused == 0
