"""Fetching the libraries of pages, while pip installs the package in whose folder they come to
lie."""

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from regulars.libraries import Library, Package

NPM = """#!{python}
import shutil, sys
from pathlib import Path
from setuptools import find_namespace_packages
Path({seen!r}).write_text("\\n".join(find_namespace_packages({package!r})))
shutil.copy({archive!r}, sys.argv[sys.argv.index("--pack-destination") + 1])
"""


def test_libraries_are_fetched_by_a_python_without_packages() -> None:
    subprocess.run(
        [sys.executable, "-S", "-c", "import regulars.libraries"],
        cwd=Path(__file__).parents[2],
        check=True,
    )


def test_pip_does_not_see_what_is_being_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, archive, seen = tmp_path / "page.js", tmp_path / "one-1.tgz", tmp_path / "seen"
    page.write_bytes(b"export {};")
    with tarfile.open(archive, "w:gz") as made:
        made.add(page, "package/page.js")
    commands = tmp_path / "commands"
    commands.mkdir()
    names = {
        "python": sys.executable,
        "seen": str(seen),
        "package": str(tmp_path / "package"),
        "archive": str(archive),
    }
    (commands / "npm").write_text(NPM.format(**names))
    (commands / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    package = Package("one", "1", "npm", hashlib.sha256(archive.read_bytes()).hexdigest())
    library = Library(package, "MIT", ("page.js",))
    folder = tmp_path / "package" / "fetched"
    folder.mkdir(parents=True)

    library.fetch(folder)

    assert library.is_complete(folder)
    assert seen.read_text().split() == ["fetched"]
    assert [one.name for one in folder.iterdir()] == ["one-1"]
