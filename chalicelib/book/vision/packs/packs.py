"""Packs of face models: which are here, and whether their files are right.

A pack is a folder that is called as its manifest says, with the files that the manifest names.
face-pack-4 is part of the program, in model_packs; a package for Lambda holds others beside it. An
operator's own packs are in the folder that a setting names (docs/models.md). face-pack-2, which
does without one of the networks, uses face-pack-4's files.

A file is right if its sha256 is the manifest's. `Pack.read_content` checks it at each read; a
process reads a file once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from msgspec import Struct

from chalicelib.book.vision.packs import manifest as manifests
from chalicelib.book.vision.packs.manifest import POPULATION, DamagedCalibration, Manifest, PackFile

DEFAULT_PACK = "face-pack-4"
CALIBRATION = "calibration.json"
BESIDE_A_CURVE = POPULATION
PACKS = Path(__file__).resolve().parents[3] / "model_packs"
"""Folder of the packs that are part of the program."""

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OSError)
"""Errors for a manifest that is no TOML, that lacks a part, or that has another thing in its
place."""


class MissingModel(RuntimeError):
    """Error for a pack that cannot be used, with the problem and a remedy."""


class UnknownPack(MissingModel):
    """Error for a pack name, or a model, that no pack has."""


class State(StrEnum):
    """Whether a file of a pack exists, and has the sha256 of the manifest."""

    OK = "ok"
    MISSING = "missing"
    DAMAGED = "damaged"


class Pack(Struct, frozen=True):
    """A pack of face models: its manifest (the role of each file), and the folder of these
    files."""

    manifest: Manifest
    folder: Path
    measured: Path | None = None
    """File of the operator's own curve, which the manifest holds instead of the pack's."""

    @property
    def files(self) -> tuple[PackFile, ...]:
        return self.manifest.files

    @property
    def about(self) -> str:
        """The pack's name, version and place, for people."""
        return f"{self.manifest.name} {self.manifest.version}, of {self.folder}"

    def find_file(self, name: str) -> PackFile:
        """Return the manifest's entry for the file of this name."""
        return next(file for file in self.files if file.name == name)

    def find_path(self, name: str) -> Path:
        """Return where the file is: in the pack's folder or, for another pack of the program, in
        DEFAULT_PACK's."""
        own_path, shared_path = self.folder / name, PACKS / DEFAULT_PACK / name
        is_of_program = self.folder.parent == PACKS
        if is_of_program and not own_path.is_file() and shared_path.is_file():
            return shared_path
        return own_path

    def read_content(self, name: str) -> bytes:
        """Return the file's bytes, checked. Raises MissingModel if they are not there or not
        right."""
        file, path = self.find_file(name), self.find_path(name)
        if path.is_file():
            data = path.read_bytes()
            if _is_right(data, file):
                return data
        raise MissingModel(_describe_lack(self, [file]))


def list_names(models: Path | None) -> list[str]:
    """Return the names of all packs of models, DEFAULT_PACK first.

    The program's own follow, then those in `models`, the operator's folder; None: there is none.
    """
    folders = [PACKS, *([models] if models else [])]
    names = [
        file.parent.name for folder in folders for file in sorted(folder.glob("*/manifest.toml"))
    ]
    return list(dict.fromkeys([DEFAULT_PACK, *names]))


def read_pack(models: Path | None = None, name: str | None = None) -> Pack:
    """Return the pack of models of this name, without reading its networks.

    Without a name it is DEFAULT_PACK. `models` is the folder of the operator's packs. A pack of the
    program has a curve, the share of strangers who reach each score. `regulars calibrate` may have
    written another into `models`, in a folder called as the pack; that one counts. A pack that lies
    in `models` itself has the operator's curve already. Raises UnknownPack, or MissingModel if the
    manifest or a curve cannot be read.
    """
    folder = _find_folder(models, name or DEFAULT_PACK)
    try:
        manifest = _read_manifest(folder)
    except _UNREADABLE as error:
        problem = f"its manifest lacks {error}" if isinstance(error, KeyError) else error
        raise MissingModel(f"the model pack {folder} cannot be used: {problem}") from error
    pack = Pack(manifest, folder)
    is_operators_own = folder.parent == models
    if models is None or is_operators_own:
        return pack
    curve_file = models / folder.name / CALIBRATION
    if not curve_file.is_file():  # it was not calibrated here
        return pack
    return Pack(_apply_calibration(manifest, curve_file), folder, measured=curve_file)


def find(models: Path | None, name: str | None = None) -> Pack:
    """Return the pack of models of this name, all of its files present.

    Without a name it is DEFAULT_PACK. `models` is the folder of the operator's packs. Only sizes
    are compared here; a file's sha256 is checked at its first use. Raises UnknownPack. Raises
    MissingModel if there is no folder `models`, or for files that are not there.
    """
    require_folder(models)
    pack = read_pack(models, name)
    absent_files = [file for file in pack.files if not _has_file(pack, file)]
    if absent_files:
        raise MissingModel(_describe_lack(pack, absent_files))
    return pack


def require_folder(models: Path | None) -> None:
    """Raise MissingModel if the operator names a folder of models that is not there."""
    if models is not None and not models.is_dir():
        raise MissingModel(
            f"there is no folder of models {models}, which --models or REGULARS_MODELS names: name "
            "one that is there, or none if you have no pack of your own"
        )


def find_by_model(model: str, models: Path | None) -> Pack:
    """Return the pack that makes embeddings of this model, all of its files present.

    `model` is the model's id, `models` the folder of the operator's packs. Raises UnknownPack if
    none does, MissingModel if files are not there.
    """
    for pack in _read_packs(models):
        if model == pack.manifest.embedding.model:
            return find(models, pack.manifest.name)
    raise UnknownPack(
        f"no model pack here makes embeddings of the model {model!r}: tenants that go by it need "
        "its pack, in the folder that --models or REGULARS_MODELS names"
    )


def find_number(model: str, models: Path | None) -> int:
    """Return the number of the embedding model with this id; 0 if no pack has it.

    Only manifests are read.
    """
    roles = (pack.manifest.embedding for pack in _read_packs(models))
    return next((role.number for role in roles if role.model == model), 0)


def verify(pack: Pack) -> dict[PackFile, State]:
    """Return the state of each file, by its sha256, in the manifest's order."""
    return {file: _check_file(pack, file) for file in pack.files}


def _read_packs(models: Path | None) -> Iterator[Pack]:
    """Yield all packs; each manifest is read when its turn comes."""
    return (read_pack(models, name) for name in list_names(models))


@cache
def _read_manifest(folder: Path) -> Manifest:
    """Return a pack's manifest, read once.

    Raises ValueError if it has another name than its folder. Raises it, too, if an operator's own
    pack has the model id of one of the program's.
    """
    manifest = manifests.read_manifest(folder)
    if manifest.name != folder.name:
        raise ValueError(f"its manifest calls it {manifest.name}, and the folder {folder.name}")
    if folder.parent == PACKS:
        return manifest
    for name in list_names(None):
        if manifest.embedding.model == read_pack(name=name).manifest.embedding.model:
            raise ValueError(
                f"its model has the id of {name}'s, {manifest.embedding.model}: choose another"
            )
    return manifest


def _find_folder(models: Path | None, name: str) -> Path:
    """Return the folder of the pack of this name. Raises UnknownPack."""
    for folder in (PACKS, models):
        if folder is not None and (folder / name / "manifest.toml").is_file():
            return folder / name
    raise UnknownPack(
        f"there is no model pack {name!r}: the packs are {', '.join(list_names(models))}"
    )


def _apply_calibration(manifest: Manifest, file: Path) -> Manifest:
    """Return the manifest with the curve of `file`. Raises MissingModel if that cannot be read."""
    try:
        return manifests.apply_calibration(manifest, file)
    except DamagedCalibration as error:
        raise MissingModel(
            f"{error}. Move the file away, and the pack's own curve counts; `regulars calibrate` "
            "measures another"
        ) from error


def _has_file(pack: Pack, file: PackFile) -> bool:
    """Tell whether a file is there and has the size that the manifest says."""
    path = pack.find_path(file.name)
    return path.is_file() and path.stat().st_size == file.size_bytes


def _check_file(pack: Pack, file: PackFile) -> State:
    path = pack.find_path(file.name)
    if not path.is_file():
        return State.MISSING
    return State.OK if _is_right(path.read_bytes(), file) else State.DAMAGED


def _is_right(data: bytes, file: PackFile) -> bool:
    return len(data) == file.size_bytes and hashlib.sha256(data).hexdigest() == file.sha256


def _describe_lack(pack: Pack, files: Sequence[PackFile]) -> str:
    """Return the message for files of a pack that are missing or damaged."""
    lacks = ", ".join(f"{file.name} is {_check_file(pack, file)}" for file in files)
    return (
        f"the model pack {pack.manifest.name} is not complete: {lacks}, in {pack.folder}. "
        f"{describe_remedy(pack)}"
    )


def describe_remedy(pack: Pack) -> str:
    """Return how to get a file of the pack again, in words."""
    if pack.folder.parent == PACKS:
        return (
            "It is part of the program: install that again, or in a checkout `git restore "
            "chalicelib/model_packs`"
        )
    return "Copy it there again"
