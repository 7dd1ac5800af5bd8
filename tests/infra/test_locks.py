import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.dependencies import CHALICE, EDGE, FUNCTIONS, LOCKS, ROOT, SERVICE, SETUP
from infra.target import ARCHITECTURES, PYTHON, Target

UPDATE = "`make lock` writes the locks anew"
FILES = {
    SETUP: ["infra/locks/setup.in"],
    FUNCTIONS: ["requirements.txt"],
    CHALICE: ["infra/locks/chalice.in"],
    SERVICE: [
        "requirements.txt",
        "regulars/requirements.txt",
        *(f"{name}/pyproject.toml" for name in ("client", "mqtt", "transfer")),
    ],
    EDGE: ["edge/pyproject.toml"],
}
"""What each lock answers to."""
OF_WHEELS = ("3.11", "3.12", "3.13", "3.14")
TARGETS = [
    (lock, Target(architecture, python))
    for lock in FILES
    for python in (OF_WHEELS if lock in (SETUP, SERVICE, EDGE) else (PYTHON,))
    for architecture in ARCHITECTURES
]


def asked(file: Path) -> list[Requirement]:
    """Return what a file of requirements asks for, or a project, whose extras count for the
    uploader alone."""
    if file.suffix == ".toml":
        project = tomllib.loads(file.read_text())["project"]
        extras = (
            project["optional-dependencies"].values() if file.is_relative_to(ROOT / "edge") else ()
        )
        lines = [line for lines in (project["dependencies"], *extras) for line in lines]
    else:
        lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("regulars-")]


def pinned(text: str, target: Target) -> dict[str, str]:
    """Return the version of each distribution that the lock names for a target."""
    lines = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if line[:1].isalnum()]
    here = {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "sys_platform": "linux",
    }
    here |= {
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "os_name": "posix",
    }
    fitting = [line for line in lines if line.marker is None or line.marker.evaluate(here)]
    return {canonicalize_name(line.name): next(iter(line.specifier)).version for line in fitting}


def test_each_lock_is_looked_at() -> None:
    assert {*LOCKS.glob("*.txt")} == {*FILES}


@pytest.mark.parametrize(
    ("lock", "target"), TARGETS, ids=[f"{lock.stem}-{target.name}" for lock, target in TARGETS]
)
def test_the_lock_has_all_that_is_asked_for_in_a_version_that_fits(
    lock: Path, target: Target
) -> None:
    versions = pinned(lock.read_text(), target)
    for one in (one for file in FILES[lock] for one in asked(ROOT / file)):
        name = canonicalize_name(one.name)
        assert name in versions, f"{lock.name} lacks {name}: {UPDATE}"
        assert one.specifier.contains(versions[name]), (
            f"{lock.name} has {name} {versions[name]}, not {one}: {UPDATE}"
        )


@pytest.mark.parametrize("lock", FILES, ids=lambda lock: lock.stem)
def test_each_line_of_a_lock_names_one_version_and_hashes(lock: Path) -> None:
    """So none names a package registry."""
    for block in re.split(r"\n(?=\S)", lock.read_text().strip()):
        head, *hashes = block.splitlines()
        assert re.match(r"[\w.-]+==[\w.]+( ; .+)? \\$", head), head
        assert hashes, head
        assert all(
            re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes
        ), block


def test_locks_that_are_installed_together_name_one_version_of_each_package() -> None:
    versions: dict[str, set[str]] = {}
    for lock in (SERVICE, EDGE):  # Makefile, .venv/box
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.M):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
