"""The gate leaves a part out of runs of the whole suite alone, and never what has changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.changed import is_changed

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text() + (ROOT / "lab/Makefile").read_text()
GATE = (ROOT / ".ci/run").read_text()

WRITES = {"client", "clean", "format", "lock", "pictures"}
SHOWS = {"book", "help", "proofs", "nightly", "serve", "setup"}
OF_A_RELEASE = {"container", "dist", "images", "published", "release", "vulnerabilities"}
"""Targets that neither the gate nor a night runs: they write what is committed, show or begin what
others do, or need a registry, root and an hour (docs/publish.md)."""


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=ann", "-c", "user.email=ann@shop.example")
    subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A repository of four commits, each with a file of its number."""
    git(tmp_path, "init", "--quiet")
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text("a line")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "--message", f"Write {number}")
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "recent", "changed"),
    [(["3.txt"], 1, True), (["2.txt"], 1, False), (["1.txt", "2.txt"], 2, True)],
)
def test_what_the_last_commits_changed_is_changed(
    history: Path, paths: list[str], recent: int, changed: bool
) -> None:
    assert is_changed(*paths, root=history, recent=recent) == changed


def test_what_is_written_and_not_committed_is_changed(history: Path) -> None:
    (history / "0.txt").write_text("another line")
    assert is_changed("0.txt", root=history, recent=1)


def test_all_is_changed_if_git_cannot_tell(history: Path) -> None:
    assert is_changed("0.txt", root=history, recent=4), "there is no commit before the first"
    (history / ".git").rename(history / "nothing of git")
    assert is_changed("0.txt", root=history, recent=1)


def test_what_the_gate_watches_is_there() -> None:
    """A path that is gone never changes."""
    watched = [path for line in re.findall(r"\bif changed (.*);", GATE) for path in line.split()]
    assert len(watched) > 9
    assert [path for path in watched if not (ROOT / path).exists()] == []


CONFTEST = """
import pytest
from tests.support.examples import draw_part, takes

@pytest.fixture
def browser():
    return 1

def pytest_collection_modifyitems(config, items):
    draw_part(config, items, takes("browser"))
"""
TESTS = """
import pytest

@pytest.mark.parametrize("flow", range(9))
def test_of_a_browser(browser, flow):
    pass

def test_of_a_rule():
    pass
"""


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ([], "4 passed, 6 deselected"),
        (["-n", "2"], "4 passed"),
        (["flows"], "10 passed"),
        (["--hypothesis-profile", "long"], "10 passed"),
    ],
)
def test_a_part_of_the_dear_tests_is_drawn_unless_a_folder_is_named(
    tmp_path: Path, words: list[str], counts: str
) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = . flows\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "flows/test_flows.py").write_text(TESTS)
    plugins = ("-p", "tests.support.promised", "-p", "no:schemathesis", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", "-q", *plugins, f"--rootdir={tmp_path}", *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert counts in done.stdout, done.stdout + done.stderr


def test_every_target_runs_in_the_gate_or_at_night_but_those_that_prove_nothing() -> None:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    [listed] = re.findall(r"^NIGHTLY := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    nightly = set(re.findall(r"[a-z-]+", listed))
    commands = re.findall(r"\bmake (.*)", re.sub("#.*", "", GATE))
    gate = set(re.findall(r"[a-z-]+", " ".join(commands)))
    assert {"demo", "lab", "test"} <= targets & gate
    assert nightly <= targets, "is no target"
    assert targets - nightly - gate == WRITES | SHOWS | OF_A_RELEASE
