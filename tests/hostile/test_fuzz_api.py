"""The document allows what v1 answers and refuses, and forbids the rest; `make fuzz-api` tries
histories, too.

A sixth of the paths is tried for each commit, so that a day's gates try most; `make slow` tries
all.
"""

from pathlib import Path

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from tests.hostile.fuzz_api import fuzz
from tests.support.examples import drawn

PATHS = sorted({one.path for one in OPERATIONS})


@pytest.mark.slow
def test_v1_answers_and_refuses_as_its_document_says(tmp_path: Path) -> None:
    chosen = [f"--include-path={path}" for path in drawn(PATHS, len(PATHS) // 6)]
    code, printed = fuzz(tmp_path, 2, "--generation-deterministic", *chosen, stateful=False)
    assert code == 0, printed
