"""`python -m regulars.libraries`: fetch the libraries that pages need (libraries.toml), as `make setup` does.

The files lie in the package, so that a wheel which is built afterwards carries them.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from regulars.packages import Package, PackageUnavailable, Source, archive, members

COMMAND = "python -m regulars.libraries"
FOLDER = Path(__file__).with_name("fetched")
_LIST = Path(__file__).with_name("libraries.toml")
_MODULES = {
    "preact": ("preact", "dist/preact.mjs"),
    "preact/hooks": ("preact", "hooks/dist/hooks.mjs"),
    "htm": ("htm", "dist/htm.mjs"),
    "uplot": ("uplot", "dist/uPlot.esm.js"),
    "uplot.css": ("uplot", "dist/uPlot.min.css"),
}
"""Libraries by the names that the console's modules import: the package of each, and the file in it."""


@dataclass(frozen=True)
class Library:
    package: Package
    licence: str
    files: tuple[Source, ...]

    def path(self, name: str, folder: Path = FOLDER) -> Path:
        """Return where the file of this name lies if it was fetched."""
        return folder / f"{self.package.name}-{self.package.version}" / name

    def is_complete(self, folder: Path = FOLDER) -> bool:
        return all(self.path(one.name, folder).is_file() for one in self.files)

    def fetch(self, folder: Path = FOLDER) -> None:
        """Download the package and keep its files, all or none. Raises PackageUnavailable."""
        target = self.path("", folder)
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as made:
            contents = members(archive(self.package, Path(made)), self.files)
            for name, data in contents.items():
                self.path(name, Path(made)).parent.mkdir(parents=True, exist_ok=True)
                self.path(name, Path(made)).write_bytes(data)
            if not target.exists():
                self.path("", Path(made)).rename(target)


def libraries() -> dict[str, Library]:
    """Return the libraries of the list, by name."""
    found = {}
    for table in tomllib.loads(_LIST.read_text(encoding="utf-8"))["library"]:
        files = tuple(Source(**file, member=f"package/{file['name']}") for file in table["files"])
        package = Package(table["name"], table["version"], "npm", table["sha256"])
        found[package.name] = Library(package, table["licence"], files)
    return found


def of_console() -> list[Library]:
    """Return the libraries of the console."""
    known = libraries()
    return [known[name] for name in dict.fromkeys(package for package, _ in _MODULES.values())]


def modules(folder: Path = FOLDER) -> dict[str, Path]:
    """Return the files of libraries that the console's modules import, by the names that these use; none unless all
    are there.
    """
    known = libraries()
    if not all(one.is_complete(folder) for one in of_console()):
        return {}
    return {name: known[package].path(file, folder) for name, (package, file) in _MODULES.items()}


if __name__ == "__main__":
    try:
        for library in libraries().values():
            if not library.is_complete():
                library.fetch()
    except PackageUnavailable as error:
        print(f"the console and the API's page will be missing (/console, /docs): {error}", file=sys.stderr)
        sys.exit(1)
