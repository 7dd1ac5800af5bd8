"""Each test is run by `make test` or by `make rest`, whatever the commit."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text() + (ROOT / "lab/Makefile").read_text()
GATE = (ROOT / ".ci/run").read_text()

WRITES = {"client", "clean", "format", "lock", "pictures"}
SHOWS = {"help", "proofs", "nightly", "serve", "setup"}
OF_A_RELEASE = {"container", "dist", "images", "published", "release", "vulnerabilities"}
"""Targets that neither the gate nor a night runs: they write what is committed, show or begin what
others do, or need a registry, root and an hour (docs/publish.md)."""


TESTS = """
from tests.support.examples import parametrize, rest, sample

@parametrize("step", range(9), gate=3)
def test_of_one(step):
    assert [*sample(range(9), 3)] == [0, 3, 6] or step

@parametrize(("step", "name"), [(1, "a"), (2, "b")], gate=1)
def test_of_two(step, name):
    assert (step, name) in ((1, "a"), (2, "b"))

@rest
def test_that_is_long():
    pass
"""


def count_run(folder: Path, *words: str) -> tuple[list[str], str]:
    """Run the tests with these words; return the ids of those that passed, and what was printed."""
    plugins = ("-p", "no:schemathesis", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-rp", "-q", *plugins, f"--rootdir={folder}", *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    return re.findall(r"^PASSED \S+::(\S+)", printed, re.MULTILINE), printed


def test_each_case_is_run_by_test_or_by_rest(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    rest: by make rest\n")
    (tmp_path / "test_steps.py").write_text(TESTS)
    in_test, printed = count_run(tmp_path, "-m", "not rest")
    assert in_test == [*(f"test_of_one[{step}]" for step in (0, 3, 6)), "test_of_two[1-a]"], printed
    in_rest, printed = count_run(tmp_path, "-m", "rest")
    assert not {*in_test} & {*in_rest}
    assert len(in_rest) == 6 + 1 + 1, printed
    every, printed = count_run(tmp_path, "test_steps.py")
    assert sorted(every) == sorted(in_test + in_rest), printed


def test_every_target_runs_in_the_gate_or_at_night_but_those_that_prove_nothing() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    [listed] = re.findall(r"^NIGHTLY := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    nightly = set(re.findall(r"[a-z-]+", listed))
    commands = re.findall(r"\bmake (.*)", re.sub("#.*", "", GATE))
    gate = set(re.findall(r"[a-z-]+", " ".join(commands)))
    assert {"demo", "lab", "test"} <= targets & gate
    assert nightly <= targets, "is no target"
    assert targets - nightly - gate == WRITES | SHOWS | OF_A_RELEASE
