"""What others do to voids while minutes become hours."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from msgspec.structs import replace

from chalicelib.domain.counts import MINUTE_MS, Count, CountedMinute, Void
from chalicelib.domain.local_time import HOUR_MS, Granularity, Span
from chalicelib.storage.ports import Storage
from chalicelib.storage.values import milliseconds
from tests.support.book.book import Book
from tests.support.meanwhile import Meanwhile


def test_what_is_taken_back_while_hours_are_made_is_in_them(tmp_path: Path) -> None:
    stores: list[Meanwhile] = []

    def wrap(storage: Storage) -> Storage:
        stores.append(Meanwhile(storage.items))
        return replace(storage, items=stores[-1])  # type: ignore[arg-type]

    with closing(Book(tmp_path / "data", wrap=wrap)) as book:
        counts, tenant = book.services.counts, book.tenant
        camera = book.services.cameras.get(tenant, "door")
        at = book.clock.now().replace(second=0, microsecond=0) - timedelta(minutes=9)
        first_ms = milliseconds(at)
        counts.store_minutes(tenant, camera, [CountedMinute(at, Count(60, 4, 1, 0))])
        wrong = Void(camera.id, first_ms, first_ms + MINUTE_MS)
        span = Span(first_ms - HOUR_MS, first_ms)

        def count_in() -> list[int]:
            found = counts.count_entries(tenant, span, Granularity.DAY)
            return [entries.entries for entries in found.values() if entries.watched_s]

        def sum_due() -> None:
            later = book.clock.now() + timedelta(days=33)
            counts.sum_minutes(tenant, [due.what for due in counts.list_due_minutes(tenant, later)])

        counts.voids.add(tenant, wrong)
        assert count_in() == []
        stores[-1].first = [lambda: counts.voids.take_back(tenant, wrong)]
        sum_due()
        assert count_in() == [4]
        sum_due()
        assert count_in() == [4]
