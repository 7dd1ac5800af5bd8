import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.dependencies import CHALICE, FUNCTIONS, ROOT
from infra.target import ARCHITECTURES, PYTHONS, Target

UPDATE = "`make lock` writes the locks anew"
TARGETS = [Target(architecture, python) for architecture in ARCHITECTURES for python in PYTHONS]


def asked(text: str) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def pinned(text: str, target: Target) -> dict[str, str]:
    """Return the version of each distribution that the lock names for a target."""
    lines = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if line[:1].isalnum()]
    here = {"python_version": target.python, "python_full_version": f"{target.python}.0", "sys_platform": "linux"}
    here |= {"platform_machine": target.machine, "platform_python_implementation": "CPython", "os_name": "posix"}
    fitting = [line for line in lines if line.marker is None or line.marker.evaluate(here)]
    return {canonicalize_name(line.name): next(iter(line.specifier)).version for line in fitting}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize(
    ("lock", "source"),
    [(FUNCTIONS, ROOT / "requirements.txt"), (CHALICE, CHALICE.with_suffix(".in"))],
    ids=["functions", "chalice"],
)
def test_the_lock_has_all_that_is_asked_for_in_a_version_that_fits(lock, source, target: Target) -> None:
    versions = pinned(lock.read_text(), target)
    for one in asked(source.read_text()):
        name = canonicalize_name(one.name)
        assert name in versions, f"{lock.name} lacks {name}: {UPDATE}"
        assert one.specifier.contains(versions[name]), f"{lock.name} has {name} {versions[name]}, not {one}: {UPDATE}"


@pytest.mark.parametrize("lock", [FUNCTIONS, CHALICE], ids=["functions", "chalice"])
def test_each_line_of_a_lock_names_one_version_and_hashes(lock) -> None:
    for block in re.split(r"\n(?=\S)", lock.read_text().strip()):
        head, *hashes = block.splitlines()
        assert re.match(r"[\w.-]+==[\w.]+( ; .+)? \\$", head), head
        assert hashes, head
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes), block
