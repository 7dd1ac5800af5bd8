"""The document allows what v1 answers and refuses, and forbids the rest; `make fuzz-api` tries
histories, too.

Each test tries a sixth of the paths.
"""

from pathlib import Path

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from tests.hostile.fuzz_api import fuzz
from tests.support.examples import rest

pytestmark = rest

PATHS = sorted({one.path for one in OPERATIONS})


@pytest.mark.parametrize("part", range(6))
def test_v1_answers_and_refuses_as_its_document_says(tmp_path: Path, part: int) -> None:
    chosen = [f"--include-path={path}" for path in PATHS[part::6]]
    code, printed = fuzz(tmp_path, 2, "--generation-deterministic", *chosen, stateful=False)
    assert code == 0, printed
