"""bench.load in short: it ends by itself, counts every request, and takes each dialect's refusal
for one."""

import json
from pathlib import Path
from typing import Any

import pytest

from regulars.clients import Reply
from regulars_lab.bench import load


def reply(status: int = 200, answer: Any = None, **headers: str) -> Reply:
    return Reply(status, headers, answer, 1.0)


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        *((reply(answer={"code": code}), "") for code in (0, 283)),
        (reply(answer={"PERSON_TOKEN_STATUS": "0", "PERSON_ENTITY": []}), ""),
        (reply(201, {"uploads": []}), ""),
        *((reply(status), "") for status in (200, 412)),
        (reply(answer={"code": 220, "msg": "later"}), load.REFUSED),
        (reply(answer={"code": 211, "msg": "later"}, **{"retry-after": "1"}), load.REFUSED),
        (reply(answer={"code": 211, "msg": "the disk is full"}), "code 211"),
        (reply(answer={"PERSON_TOKEN_STATUS": "1", "ERROR_CODE": "BUSY"}), load.REFUSED),
        *((reply(status), load.REFUSED) for status in (429, 503)),
        (reply(answer={"code": 210}), "code 210"),
        (
            reply(answer={"PERSON_TOKEN_STATUS": "1", "ERROR_CODE": "INTERNAL_ERROR"}),
            "INTERNAL_ERROR",
        ),
        (reply(500, {"code": "InternalError"}), "HTTP 500"),
        (reply(403), "HTTP 403"),
    ],
)
def test_answers_are_done_refused_or_faults(answer: Reply, ends: str) -> None:
    assert load.outcome(answer, None) == ends


def test_without_an_answer_a_request_was_too_late_or_cut_off() -> None:
    assert load.outcome(None, ConnectionError("Read timed out. (read timeout=10)")) == "timed out"
    assert load.outcome(None, ConnectionError("Connection refused")) == "no answer"


def test_a_short_run_rises_and_falls_and_counts_every_request(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "load.json"
    few = ["--minutes", "0.1", "--shops", "2", "--faces", "3", "--first", "10", "--requests", "60"]
    recovered = load.main([*few, "--json", str(figures)]) == 0
    told = json.loads(figures.read_text())
    rows = told["rows"]
    assert told["recovered"] == recovered
    again = [row["step"] for row in rows if row["step"].startswith("after")]
    assert rows[0]["step"] == "step 1"
    assert again == [f"after {number}" for number in range(1, len(again) + 1)]
    assert again
    assert sum(row["offered_a_second"] * 0.6 for row in rows) <= 60.5
    # a busy machine answers after the step, so nothing is asked of `answered_a_second`
    assert any(row["p50_ms"] < load.TIMEOUT_S * 1000 for row in rows)
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in rows)
    assert not [
        what for row in rows for what in row["errors"] if what not in ("timed out", load.NOT_SENT)
    ], rows
    assert all(100 < row["mb"] < 4096 for row in rows)
    shown = capsys.readouterr().out
    assert shown.count("\n") == len(rows) + 3
    assert ("NOT recovered" in shown) != recovered


def test_a_service_that_takes_more_memory_than_it_may_is_stopped(photos: Path) -> None:
    with pytest.raises(SystemExit, match=r"took .* MB, more than --memory-mb, and was killed"):
        load.main(
            [
                "--minutes",
                "0.1",
                "--shops",
                "1",
                "--faces",
                "1",
                "--requests",
                "9",
                "--memory-mb",
                "50",
            ]
        )
