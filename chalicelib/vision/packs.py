"""Finds the files of the model pack, checks them, and fetches what can be fetched.

A file counts when its sha256 is the manifest's: `Pack.content` checks it whenever it reads one, which a process does
once a file. Places, in order: the folder that a setting names, the manifests' own (a package for Lambda holds the files
there), `models` in the `shared` folder beside the checkout, the user's cache. Each may hold the files themselves or a
folder of the pack's name, and each file counts by itself, so a pack can lie in two places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chalicelib.vision import manifest as manifests
from chalicelib.vision.download import DownloadFailed, Opener, Progress, fetch, https
from chalicelib.vision.manifest import Manifest, PackFile

DEFAULT_PACK = "face-pack-1"
PULL_COMMAND = "regulars models pull"
_PACKS = Path(__file__).resolve().parent.parent / "packs"


class MissingModel(RuntimeError):
    """Files of the pack are missing or damaged; the message names each, where they were sought, and the way out."""


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class FileStatus:
    """How one file of a pack is. `path`: where it lies (None: nowhere); `detail`: what else there is to know."""

    file: PackFile
    state: State
    path: Path | None = None
    detail: str = ""


@dataclass(frozen=True)
class Pack:
    """A manifest and the places where its files may lie."""

    manifest: Manifest
    places: tuple[Path, ...]

    @property
    def files(self) -> tuple[PackFile, ...]:
        return self.manifest.files

    def file(self, name: str) -> PackFile:
        return next(file for file in self.files if file.name == name)

    def candidates(self, file: PackFile) -> list[Path]:
        """Every file of this name in the pack's places, in their order."""
        paths = (folder / file.name for place in self.places for folder in (place / self.manifest.name, place))
        return [path for path in paths if path.is_file()]

    def content(self, name: str) -> bytes:
        """The file's bytes, checked. Raises MissingModel."""
        file = self.file(name)
        for path in self.candidates(file):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == file.sha256:
                return data
        raise MissingModel(_complaint(self, [_status(self, file)]))


def default_places(models: Path | None) -> tuple[Path, ...]:
    """Where packs are looked for, the first first."""
    beside_checkout = _PACKS.parent.parent.parent / "shared" / "models"
    named = (models,) if models else ()
    return (*named, _PACKS, beside_checkout, cache_folder())


def cache_folder() -> Path:
    """The user's own place for packs."""
    try:
        return Path.home() / ".cache" / "regulars" / "models"
    except RuntimeError:  # no home, as in a bare container
        return Path("models").absolute()


def at(places: Sequence[Path], name: str = DEFAULT_PACK) -> Pack:
    """The pack of this name with its files looked for in `places`; nothing is checked."""
    return Pack(manifests.read(_PACKS / name), tuple(places))


def find(models: Path | None, *, places: Sequence[Path] | None = None, opener: Opener = https) -> Pack:
    """The default pack, all of its files present. Raises MissingModel naming each file that is not.

    Only sizes are looked at here; a file's sha256 is checked when it is first used. What is missing is downloaded where
    that completes the pack: files that were rebuilt from upstream weights have no address to come from.
    """
    pack = at(default_places(models) if places is None else places)
    absent = [file for file in pack.files if not _has_right_size(pack, file)]
    if absent and all(file.exact_upstream_bytes for file in absent):
        pulled = [_pull(pack, file, _target(pack, models), opener, None) for file in absent]
        absent = [status.file for status in pulled if status.state is not State.OK]
    if absent:
        raise MissingModel(_complaint(pack, [_status(pack, file) for file in absent]))
    return pack


def verify(pack: Pack) -> list[FileStatus]:
    """The state of each file, by its sha256, in the manifest's order."""
    return [_status(pack, file) for file in pack.files]


def pull(
    models: Path | None,
    progress: Progress | None = None,
    *,
    places: Sequence[Path] | None = None,
    opener: Opener = https,
) -> list[FileStatus]:
    """Download what is missing or damaged and has an address of its own, into `models` or the user's cache.

    Never raises for a file: its status says what is wrong with it, `detail` why it could not be had.
    """
    pack = at(default_places(models) if places is None else places)
    target = _target(pack, models)
    return [
        status if status.state is State.OK else _pull(pack, status.file, target, opener, progress)
        for status in verify(pack)
    ]


def _pull(pack: Pack, file: PackFile, folder: Path, opener: Opener, progress: Progress | None) -> FileStatus:
    before = _status(pack, file)
    if not file.exact_upstream_bytes:
        return FileStatus(
            file,
            before.state,
            before.path,
            f"rebuilt from {file.upstream} and published nowhere: copy it into {folder}",
        )
    try:
        return FileStatus(file, State.OK, fetch(file, folder, opener, progress))
    except DownloadFailed as error:
        return FileStatus(file, before.state, before.path, str(error))
    except OSError as error:
        return FileStatus(file, before.state, before.path, f"{folder} cannot be written: {error}")


def _target(pack: Pack, models: Path | None) -> Path:
    if models is None:
        return pack.places[-1] / pack.manifest.name
    flat = any((models / file.name).is_file() for file in pack.files)
    return models if flat else models / pack.manifest.name


def _has_right_size(pack: Pack, file: PackFile) -> bool:
    return any(path.stat().st_size == file.size_bytes for path in pack.candidates(file))


def _status(pack: Pack, file: PackFile) -> FileStatus:
    found = pack.candidates(file)
    for path in found:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256:
                return FileStatus(file, State.OK, path)
    return FileStatus(file, State.DAMAGED, found[0]) if found else FileStatus(file, State.MISSING)


def _complaint(pack: Pack, statuses: Sequence[FileStatus]) -> str:
    files = ", ".join(
        f"{status.file.name} is {status.state}" + (f" ({status.path})" if status.path else "") for status in statuses
    )
    places = ", ".join(str(place) for place in pack.places)
    return f"the model pack {pack.manifest.name} is not complete: {files}; looked in {places}. Run: {PULL_COMMAND}"
