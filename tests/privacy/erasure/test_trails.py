"""Statistics keep no trail of an erased person: no two visits have one name in
common."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from chalicelib.domain.local_time import Granularity
from chalicelib.domain.observations import ObservationFilter
from chalicelib.privacy.erasure_progress import is_erased
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.person import worked_off
from tests.support.book.recount_visits import every_observation

DAY, HOUR = 24 * 60, 60
ZONE = "Asia/Tokyo"
"""Its midnight is 15:00 UTC: the visits of one of its days are of two UTC days."""


def test_each_visit_has_another_name_and_the_people_of_a_day_are_as_many_as_before(
    tmp_path: Path,
) -> None:
    with closing(Book(tmp_path)) as book:
        book.services.tenants.change_settings("shop", {"time_zone": ZONE})
        for day in range(4):
            for hour in (0, 7, 15, 20):
                book.see(shot(day * DAY + hour * HOUR, 1), shot(day * DAY + hour * HOUR + 90, 2))
        first, last = (int((MONDAY + timedelta(days=days)).timestamp()) for days in (-1, 9))
        people = {one.faceid for one in every_observation(book)}

        def amounts() -> object:
            return book.services.statistics.count_by_time(
                book.tenant, ObservationFilter(), first, last, Granularity.DAY, distinct=True
            )

        before = amounts()
        ids = book.services.deletion.delete_faces(book.tenant, sorted(people), erase=True).erasures
        secrets = {book.services.erasure.records.get("shop", id_).pseudonym for id_ in ids}
        worked_off(book)
        left = every_observation(book)
        names = {one.faceid for one in left}
        assert all(map(is_erased, names))
        assert not secrets & {*names}, "what the names are made of is in none of them"
        assert len(names) == len(left), "here each sighting is a visit"
        assert amounts() == before
        assert not any(book.services.erasure.records.get("shop", id_).pseudonym for id_ in ids)
