"""The document allows what v1 answers and refuses, and forbids the rest; `make fuzz-api` tries histories, too."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.fuzz_api import fuzz


def test_v1_answers_and_refuses_as_its_document_says(tmp_path: Path) -> None:
    code, printed = fuzz(tmp_path, 2, "--generation-deterministic", stateful=False)
    assert code == 0, printed
