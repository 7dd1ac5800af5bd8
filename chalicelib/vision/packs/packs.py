"""Search for the files of model packs, and their check.

A file is valid if its sha256 is the manifest's. `Pack.content` checks it at each read; a process reads a file once. In
a package for Lambda the size is enough, since its files were checked when it was made. The places are, in order: the
folder that a setting names, the manifests' own (a package for Lambda holds the files there), `models` in the `shared`
folder beside a checkout, the user's cache. Each may hold the files themselves or a folder of the pack's name. Each
file is looked up by itself, so a pack may be spread over two places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from chalicelib.core.ports import Standing
from chalicelib.vision.packs import manifest as manifests
from chalicelib.vision.packs.calibration import POPULATION, DamagedCalibration
from chalicelib.vision.packs.manifest import Manifest
from chalicelib.vision.packs.pack_files import PackFile

NAMES = ("face-pack-1", "registry")
"""All packs, the best first."""

DEFAULT_PACK = NAMES[0]
CALIBRATION = "calibration.json"
BESIDE_A_CURVE = POPULATION
PACKS = Path(__file__).resolve().parents[2] / "model_packs"
"""Folder of the manifests."""


class MissingModel(RuntimeError):
    """Error for files of the pack that are missing or damaged: which, the places searched, and a remedy."""


class UnknownPack(MissingModel):
    """Error for a pack name, or a model, that no pack has."""


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class FileStatus:
    """State of one file of a pack.

    `path`: its place (None: nowhere); `detail`: further information; `passed_over`: damaged copies in other places of a
    file that is valid.
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
    """File of the operator's own curve, which the manifest holds instead of the pack's."""

    @property
    def files(self) -> tuple[PackFile, ...]:
        return self.manifest.files

    def file(self, name: str) -> PackFile:
        return next(file for file in self.files if file.name == name)

    def has(self, file: PackFile) -> bool:
        """Tell whether a file of this name and size exists in the pack's places."""
        return any(path.stat().st_size == file.size_bytes for path in self.candidates(file))

    def is_whole(self, file: PackFile) -> bool:
        """Tell whether a file of this name and sha256 exists in the pack's places."""
        return any(self._is_checked(file, path) for path in self.candidates(file)) or (
            _status(self, file).state is State.OK
        )

    def candidates(self, file: PackFile) -> list[Path]:
        """List every file of this name in the pack's places, in their order."""
        paths = (folder / file.name for place in self.places for folder in (place / self.manifest.name, place))
        return [path for path in paths if path.is_file()]

    def content(self, name: str) -> bytes:
        """Read the file's bytes and check them. Raises MissingModel."""
        file = self.file(name)
        for path in self.candidates(file):
            data = path.read_bytes()
            if self._is_checked(file, path) or hashlib.sha256(data).hexdigest() == file.sha256:
                return data
        raise MissingModel(_complaint(self, [_status(self, file)]))

    def _is_checked(self, file: PackFile, path: Path) -> bool:
        """Tell whether it is a file of a package: checked when that was made, and by Lambda, which knows its hash."""
        return path.parent == self.manifest.checked and path.stat().st_size == file.size_bytes


def default_places(models: Path | None) -> tuple[Path, ...]:
    """Return the folders to search for packs, in order."""
    checkout = PACKS.parent.parent
    beside = (checkout.parent / "shared" / "models",) if (checkout / "pyproject.toml").is_file() else ()
    named = (models,) if models else ()
    return (*named, PACKS, *beside, cache_folder())


def cache_folder() -> Path:
    """Return the user's own folder for packs."""
    try:
        return Path.home() / ".cache" / "regulars" / "models"
    except RuntimeError:  # no home folder, as in a bare container
        return Path("models").absolute()


def at(places: Sequence[Path], name: str = DEFAULT_PACK) -> Pack:
    """Make the pack of this name with `places` to search; no file of it is checked.

    A curve that `regulars calibrate` wrote into the pack's folder of a place replaces the pack's own. Raises
    UnknownPack; MissingModel if such a curve cannot be read.
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
    """Find the pack of this name with all of its files present; without a name, the first complete one.

    Only sizes are compared; a file's sha256 is checked at its first use. Raises UnknownPack; MissingModel if there is
    no folder `models`, or naming each absent file of the pack or, without a name, of the default one.
    """
    require_folder(models)
    where = default_places(models) if places is None else places
    pack = chosen(models, name, places=where)
    if absent := _absent(pack):
        raise MissingModel(_complaint(pack, [_status(pack, file) for file in absent]))
    return pack


def require_folder(models: Path | None) -> None:
    """Raise MissingModel if the operator names a folder of models that is not there."""
    if models is not None and not models.is_dir():
        raise MissingModel(
            f"there is no folder of models {models}, which --models or REGULARS_MODELS names: name one that is there, "
            f"or make this one by `regulars models pull --models {models}`"
        )


def chosen(models: Path | None, name: str | None = None, *, places: Sequence[Path] | None = None) -> Pack:
    """Choose the pack that `find` would return or complain about. Raises UnknownPack."""
    where = default_places(models) if places is None else places
    for each in NAMES if name is None else (name,):
        if not _absent(pack := at(where, each)):
            return pack
    return at(where, name or DEFAULT_PACK)


def of_model(model: str, models: Path | None, *, places: Sequence[Path] | None = None) -> Pack:
    """Find the pack that makes embeddings of this id, all of its files present. Raises MissingModel, UnknownPack."""
    for name in NAMES:
        if model == _manifest(name).embedding.model:
            return find(models, name, places=places)
    raise UnknownPack(
        f"no model pack of this version makes embeddings of the model {model!r}: tenants that go by it need the "
        "version that they were made with, where `regulars reembed` changes them to a pack of both"
    )


def number_of(model: str) -> int:
    """Return the number of the embedding model of this id, by the manifests alone; 0 if no pack has it."""
    found = (_manifest(name).embedding for name in NAMES)
    return next((one.number for one in found if one.model == model), 0)


def only_cached(pack: Pack) -> bool:
    """Tell whether only this user has the pack: a required file lies in the user's cache and nowhere else."""
    cached = cache_folder()
    return any(
        found and all(path.is_relative_to(cached) for path in found)
        for found in (pack.candidates(file) for file in pack.files if not file.optional)
    )


def verify(pack: Pack) -> list[FileStatus]:
    """Check each file by its sha256; return the states in the manifest's order."""
    return [_status(pack, file) for file in pack.files]


def lacking(pack: Pack) -> list[PackFile]:
    """List the optional files that the pack works without, as they are missing or damaged."""
    return [file for file in pack.files if file.optional and not pack.is_whole(file)]


def weakness(pack: Pack) -> str | None:
    """Say what the pack costs beside the best one, and how to get that; None for the best one itself."""
    best = _manifest(DEFAULT_PACK)
    if pack.manifest.fnir <= best.fnir:
        return None
    return (
        f"the face models {pack.manifest.name} miss {pack.manifest.fnir:.0%} of the visits by people enrolled with one "
        f"photo, and {best.name} misses {best.fnir:.0%} (FNIR {pack.manifest.fnir} and {best.fnir} at FPIR 0.003). "
        f"To get the better ones: `{pull_command(best.name)}`, then `regulars reembed --pack {best.name}`"
    )


def standing(model: str) -> Standing | None:
    """Compare the pack that makes embeddings of this id with the best one; None: no pack does. No file is read."""
    best = _manifest(DEFAULT_PACK)
    named = (one for one in map(_manifest, NAMES) if one.embedding.model == model)
    return next((Standing(one.name, one.fnir, best.name, best.fnir) for one in named), None)


def pull_command(name: str) -> str:
    """Return the command that downloads the pack."""
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
