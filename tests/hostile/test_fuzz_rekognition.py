"""The short form of `make fuzz-rekognition`, and proof that it finds what it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.fuzz_rekognition import Attack, Result, Stage, fuzz, made, staged

GATE, SEED = 1_000, "gate"


def test_no_hostile_request_is_more_than_refused(tmp_path: Path) -> None:
    result = fuzz(tmp_path / "data", GATE, SEED)
    assert not result.findings, "\n".join(f"{kind}: {what}" for kind, what in result.findings.items())
    assert result.answers.total() == GATE
    assert result.answers["200"] > GATE / 20
    assert len(result.answers) > 10


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    with staged(tmp_path / "data") as made_:
        return made_


def test_a_seed_makes_the_same_requests_again(stage: Stage) -> None:
    def members(seed: str) -> list[object]:
        return [
            (one.operation, one.members, one.method, one.target) for one in (made(stage, seed, n) for n in range(99))
        ]

    assert members("1") == members("1") != members("2")


@pytest.mark.parametrize(
    ("status", "leaks", "found"), [(400, False, 0), (200, True, 1), (500, False, 1), (0, False, 1)]
)
def test_what_no_answer_may_be_is_found(stage: Stage, status: int, leaks: bool, found: int) -> None:
    attack, result = Attack("ListFaces", {}, body=b"{}"), Result()
    body = next(iter(stage.words)) if leaks else b"{}"
    result.judge(stage, 1, attack, (status, "", body), 0.1)
    assert len(result.findings) == found
