"""A week on real pictures, uploaded in any order by presigned PUTs: the visitor book is the stated
timeline."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from regulars.clients import Connection
from regulars.serve import service
from regulars.tenants import credentials
from regulars_lab.v1 import V1
from regulars_lab.week import run, timeline
from regulars_lab.week.timeline import Capture
from tests.support.api.over_http import Sunmi

ROOT = Path(__file__).resolve().parents[2]
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_the_visitor_book_equals_the_timeline_and_the_pages_say_its_figures(tmp_path: Path) -> None:
    files = run.draw(None, tmp_path / "week", run.last_week(datetime.now(UTC)))
    with service.run_service(tmp_path / "data") as running, Connection(running.url) as connection:
        known = credentials.read_credentials(running.data)["shop"]
        week = run.play_week(files, Sunmi(connection, known), V1(connection, known.api_key))
    assert week.differences == {}
    assert {one.group for one in week.expected} == {"stranger", "regular"}
    visitors, captures = len(week.expected), len(week.captures)
    assert len(week.entries) == visitors
    page, of_lab = (
        (ROOT / page).read_text().replace("\n", " ")
        for page in ("docs/coming-from.md", "lab/README.md")
    )
    assert f"{captures} captures in any order, {visitors} of {visitors} visitors" in page
    assert (
        f"{visitors} of {visitors} visitors are as the timeline states; {captures} captures"
        in of_lab
    )


def test_a_book_that_differs_from_the_timeline_is_seen_to() -> None:
    week = {
        "1": Capture(MONDAY, "door", ("ann",)),
        "2": Capture(MONDAY + timedelta(hours=2), "door", ("ann",)),
    }
    expected = timeline.expect_entries(list(week.values()))
    assert [(one.group, len(one.arrivals)) for one in expected] == [("stranger", 2)]
    entry = run.book.BookEntry("7", "stranger", 1, MONDAY, (MONDAY,), (MONDAY,), frozenset({"1"}))
    assert len(run.book.differences(week, [entry], expected)["ann"]) == 4
    assert run.book.differences(week, [], expected) == {"ann": ["ann has 0 faces in the book"]}
