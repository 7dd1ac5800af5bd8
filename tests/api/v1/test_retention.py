"""What goes, said over v1 and on the command line before it goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from regulars.cli import main
from tests.api.conftest import make_stage
from tests.api.v1.client import V1Client
from tests.services.sightings.book import Book, shot


def test_a_dry_run_says_what_goes_and_deletes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(tmp_path)
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate("shop").api_key)
    book.clock.advance(timedelta(days=-14))
    [seen] = book.see(shot(0, 1))
    book.services.groups.create(book.tenant, "staff", 5, "")
    book.clock.advance(timedelta(days=85))
    told = v1.done("GET", "/v1/retention")
    by_kind = {(one["kind"], one["group"]): one for one in told["kinds"]}
    assert by_kind["faces", "stranger"] == {
        "kind": "faces",
        "group": "stranger",
        "days": 90,
        "now": 0,
        "within_7_days": 1,
        "more": False,
        "oldest": "2026-03-02T09:00:00.000Z",
    }
    assert [by_kind["faces", name]["days"] for name in ("regular", "staff")] == [None, None]
    assert [by_kind[kind, None]["days"] for kind in ("captures", "sightings", "observations")] == [30, 120, 400]
    assert (told["held"], len(book.faces())) == (0, 1)
    book.services.faces.holds.set(book.tenant, str(seen.sightings[0].faceid), "case 7")
    told = v1.done("GET", "/v1/retention")
    assert told["held"] == 1
    assert next(one for one in told["kinds"] if one["group"] == "stranger")["within_7_days"] == 0
    book.close()

    assert main(["retention", "--dry-run", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "observations" in said
    assert "deleted" not in said
