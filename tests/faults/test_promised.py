"""A proof that is skipped is none."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = "import pytest\n\ndef test_it():\n    pytest.skip('it lacks a model')\n"
NOT_COLLECTED = "import pytest\n\npytest.importorskip('no_such_library')\n"
DONE = "def test_it():\n    pass\n"


@pytest.mark.parametrize(
    ("source", "code", "workers"),
    [(SKIPPED, 1, []), (NOT_COLLECTED, 1, ["-n", "1"]), (DONE, 0, []), (SKIPPED, 1, ["-n", "1"])],
)
def test_a_proof_fails_if_a_test_of_it_is_skipped(
    tmp_path: Path, source: str, code: int, workers: list[str]
) -> None:
    (tmp_path / "test_proof.py").write_text(source)
    (tmp_path / "test_held.py").write_text(DONE)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.support.promised",
        "-p",
        "no:schemathesis",
        *workers,
    ]
    command += [f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
