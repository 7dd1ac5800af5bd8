"""Finds the files of model packs, and checks them.

A file counts when its sha256 is the manifest's: `Pack.content` checks it whenever it reads one, which a process does
once a file. Places, in order: the folder that a setting names, the manifests' own (a package for Lambda holds the files
there), `models` in the `shared` folder beside the checkout, the user's cache. Each may hold the files themselves or a
folder of the pack's name, and each file counts by itself, so a pack can lie in two places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path

from chalicelib.vision.packs import manifest as manifests
from chalicelib.vision.packs.calibration import DamagedCalibration
from chalicelib.vision.packs.manifest import Manifest
from chalicelib.vision.packs.pack_files import PackFile

NAMES = ("face-pack-1", "registry")
"""All packs, the best first."""

DEFAULT_PACK = NAMES[0]
CALIBRATION = "calibration.json"
PACKS = Path(__file__).resolve().parents[2] / "model_packs"
"""Where the manifests are."""


class MissingModel(RuntimeError):
    """Files of the pack are missing or damaged; the message names each, where they were sought, and the way out."""


class UnknownPack(MissingModel):
    """There is no pack of that name, or none that has that model."""


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class FileStatus:
    """How one file of a pack is. `path`: where it lies (None: nowhere); `detail`: what else there is to know;
    `passed_over`: damaged copies in other places of one that is whole.
    """

    file: PackFile
    state: State
    path: Path | None = None
    detail: str = ""
    passed_over: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Pack:
    """A manifest and the places where its files may lie."""

    manifest: Manifest
    places: tuple[Path, ...]
    measured: Path | None = None
    """The curve that an operator measured, which the manifest has in place of the pack's own."""

    @property
    def files(self) -> tuple[PackFile, ...]:
        return self.manifest.files

    def file(self, name: str) -> PackFile:
        return next(file for file in self.files if file.name == name)

    def has(self, file: PackFile) -> bool:
        """Whether it lies somewhere, by its size."""
        return any(path.stat().st_size == file.size_bytes for path in self.candidates(file))

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
    beside_checkout = PACKS.parent.parent.parent / "shared" / "models"
    named = (models,) if models else ()
    return (*named, PACKS, beside_checkout, cache_folder())


def cache_folder() -> Path:
    """The user's own place for packs."""
    try:
        return Path.home() / ".cache" / "regulars" / "models"
    except RuntimeError:  # no home, as in a bare container
        return Path("models").absolute()


def at(places: Sequence[Path], name: str = DEFAULT_PACK) -> Pack:
    """The pack of this name with its files looked for in `places`; nothing of them is checked.

    Raises UnknownPack; MissingModel where the curve that an operator measured cannot be read.

    A curve that `regulars calibrate` wrote into the pack's folder of a place is used in place of the pack's own.
    """
    if name not in NAMES:
        raise UnknownPack(f"there is no model pack {name!r}: the packs are {', '.join(NAMES)}")
    manifest = _manifest(name)
    folders = [place / name for place in places if place != PACKS]
    measured = next((file for folder in folders if (file := folder / CALIBRATION).is_file()), None)
    return Pack(_calibrated(manifest, measured) if measured else manifest, tuple(places), measured)


def _calibrated(manifest: Manifest, file: Path) -> Manifest:
    try:
        return manifests.calibrated(manifest, file)
    except DamagedCalibration as error:
        raise MissingModel(
            f"{error}. Move the file away, and the pack's own curve counts; `regulars calibrate` measures another"
        ) from error


def find(models: Path | None, name: str | None = None, *, places: Sequence[Path] | None = None) -> Pack:
    """The pack of this name, all of its files present; None: the first of all packs of which that is true.

    Only sizes are looked at here; a file's sha256 is checked when it is first used. Raises MissingModel naming each
    file that is not there, of the pack or, without a name, of the default one; UnknownPack.
    """
    where = default_places(models) if places is None else places
    pack = chosen(models, name, places=where)
    if absent := _absent(pack):
        raise MissingModel(_complaint(pack, [_status(pack, file) for file in absent]))
    return pack


def chosen(models: Path | None, name: str | None = None, *, places: Sequence[Path] | None = None) -> Pack:
    """The pack that `find` gives or misses. Raises UnknownPack."""
    where = default_places(models) if places is None else places
    tried = [at(where, each) for each in (NAMES if name is None else (name,))]
    return next((pack for pack in tried if not _absent(pack)), tried[0])


def of_model(model: str, models: Path | None, *, places: Sequence[Path] | None = None) -> Pack:
    """The pack that makes embeddings of this id, today or as it did earlier, all of its files present; it is given as
    making just these. Raises MissingModel, UnknownPack.
    """
    for name in NAMES:
        if model in _manifest(name).models:
            pack = find(models, name, places=places)
            return replace(pack, manifest=pack.manifest.by(model))
    raise UnknownPack(
        f"no model pack of this version makes embeddings of the model {model!r}, nor did so earlier: tenants that go "
        "by it need the version that they were made with, where `regulars reembed` changes them to a pack of both"
    )


def once_made_by(model: str) -> str | None:
    """The name of the pack that made embeddings of this id earlier, and makes better ones today; None: none did."""
    return next((name for name in NAMES if model in _manifest(name).models[1:]), None)


def only_cached(pack: Pack) -> bool:
    """Whether it is whole for this user only: a file that it needs lies in the user's cache and in no other place."""
    cached = cache_folder()
    return any(
        found and all(path.is_relative_to(cached) for path in found)
        for found in (pack.candidates(file) for file in pack.files if not file.optional)
    )


def verify(pack: Pack) -> list[FileStatus]:
    """The state of each file, by its sha256, in the manifest's order."""
    return [_status(pack, file) for file in pack.files]


def pull_command(name: str) -> str:
    """What an operator types to get the pack."""
    return f"regulars models pull --pack {name}"


@cache
def _manifest(name: str) -> Manifest:
    return manifests.read(PACKS / name)


def _absent(pack: Pack) -> list[PackFile]:
    return [file for file in pack.files if not pack.has(file) and not file.optional]


def _status(pack: Pack, file: PackFile) -> FileStatus:
    found = list(dict.fromkeys(pack.candidates(file)))
    whole = [path for path in found if _digest(path) == file.sha256]
    damaged = tuple(path for path in found if path not in whole)
    if whole:
        return FileStatus(file, State.OK, whole[0], passed_over=damaged)
    return FileStatus(file, State.DAMAGED, found[0]) if found else FileStatus(file, State.MISSING)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _complaint(pack: Pack, statuses: Sequence[FileStatus]) -> str:
    files = ", ".join(
        f"{status.file.name} is {status.state}" + (f" ({status.path})" if status.path else "") for status in statuses
    )
    places = ", ".join(str(place) for place in pack.places)
    command = pull_command(pack.manifest.name)
    return f"the model pack {pack.manifest.name} is not complete: {files}; looked in {places}. Run: {command}"
