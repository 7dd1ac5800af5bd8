"""A pack of an operator's network: what is measured for it, and its files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, to_builtins
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.vision.describe.embed import join_parts, scale_to_unit
from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.manifest import SCHEMA, EmbeddingRole, PackFile, read_manifest
from chalicelib.book.vision.packs.packs import Pack, State
from chalicelib.storage.box.blobs import sync_folder
from chalicelib.storage.box.durable import write_durably
from regulars.errors import NoPictures, OperatorError, UnusableNetwork
from regulars.folder import hold_lock
from regulars_lab.measuring import curves
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.pairs import Faces
from regulars_lab.measuring.suspects import choose_one_each
from regulars_lab.own_network.network import BASIS, CENTRE, MANIFEST, Offer

HERE = Path(__file__).resolve().parent
BASE = "base"
"""The pack beside this file whose other roles the new one takes: its gender needs no template,
which no other network makes. Their files are those of the program's pack."""

FEWEST_PERSONS = 2 * curves.FEWEST_PERSONS
"""Persons that a measurement needs: the curve of each half judges the other half."""

OWN_NUMBERS = 100
"""Numbers of operators' models begin here; those of the program's packs stay below."""

ADDING, LOCK = ".adding", ".adding.lock"
"""Folder in which a pack is copied, among the operator's packs, and the lock of the one run that
adds.

A killed run leaves only the folder. The next one removes it.
"""

LOST = 1e-9
"""Part of the templates' variance that the directions may hold which a basis leaves out:
rounding."""


class Measured(Struct, frozen=True):
    """Numbers of a pack that were measured on pictures, and the templates of these.

    `basis`: None if all directions count. `population`: its rows. `entry`: the curve, as
    calibration.json has it.
    """

    centre: NDArray[np.float32]
    basis: NDArray[np.float32] | None
    population: NDArray[np.float32]
    entry: dict[str, Any]
    faces: Faces


def choose_number(models: Path) -> int:
    """Return the number of the new model, which no pack in `models` has."""
    used_numbers = [
        packs.read_pack(models, name).manifest.embedding.number for name in packs.list_names(models)
    ]
    return max(*used_numbers, OWN_NUMBERS - 1) + 1


def make_draft(folder: Path, offer: Offer, draft_folder: Path) -> Pack:
    """Copy the offered networks, and the base pack's files of all other roles, into the folder
    `draft_folder`.

    Return the pack. Its embeddings are not centred yet. Raises UnusableNetwork if a network has the
    name of one of these files.
    """
    base, program = packs.read_pack(HERE, BASE), packs.read_pack()
    role = EmbeddingRole(model="draft", number=0, networks=offer.networks)
    base_files = [file for file in base.files if file.name not in base.manifest.embedding.files]
    for file in base_files:
        shutil.copyfile(program.find_path(file.name), draft_folder / file.name)
    names = dict.fromkeys(network.file for network in offer.networks)
    if used_names := names.keys() & {file.name for file in base_files}:
        raise UnusableNetwork(
            f"{', '.join(used_names)} is the name of a file of the program's: rename yours"
        )
    for name in names:
        shutil.copyfile(folder / name, draft_folder / name)
    for licence in packs.PACKS.joinpath(packs.DEFAULT_PACK).glob("LICENSE.*"):
        shutil.copyfile(licence, draft_folder / licence.name)
    pack_files = [
        _describe_file(draft_folder / name, offer.licence, offer.upstream) for name in names
    ]
    manifest = replace(
        base.manifest, name=offer.pack, embedding=role, files=(*pack_files, *base_files)
    )
    return Pack(manifest, draft_folder)


def _describe_file(file: Path, licence: str, upstream: str) -> PackFile:
    content = file.read_bytes()
    return PackFile(file.name, hashlib.sha256(content).hexdigest(), len(content), licence, upstream)


def measure_pack(
    draft: Pack,
    faces: Faces,
    people: LabelledFolder,
    other_faces: Faces,
    other_people: LabelledFolder,
) -> Measured:
    """Compute centre, basis and population from other people's faces, and the curve from the
    people's own.

    Raises NoPictures if people are too few for one of them.
    """
    role = draft.manifest.embedding
    portraits, _ = choose_one_each(faces, people.persons)
    if len(portraits) < FEWEST_PERSONS:
        raise NoPictures(
            f"a face was found of {len(portraits)} persons in {people.folder}: a pack needs "
            f"{FEWEST_PERSONS} or more, "
            "since the thresholds of one half are tried on the other"
        )
    strangers, _ = choose_one_each(other_faces, other_people.persons)
    parts = _split_parts(role, strangers)
    centre = np.concatenate([part.mean(axis=0) for part in parts])
    basis = _find_basis(join_parts(role, parts, centre, None))
    population = curves.make_population(join_parts(role, parts, centre, basis))
    embeddings = np.zeros((len(faces.found), population.shape[1]), np.float32)
    embeddings[faces.found] = join_parts(
        role, _split_parts(role, faces.embeddings[faces.found]), centre, basis
    )
    centred = replace(faces, embeddings=embeddings)
    entry, _ = curves.measure_model(centred, people.persons, population)
    return Measured(centre=centre, basis=basis, population=population, entry=entry, faces=centred)


def _split_parts(role: EmbeddingRole, embeddings: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the unit embeddings of each network, of which the rows were joined without a
    centre."""
    begins = np.cumsum([network.dimensions for network in role.networks[:-1]])
    return [scale_to_unit(part) for part in np.split(embeddings, begins, axis=1)]


def _find_basis(embeddings: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return orthonormal directions (dimensions, columns) that keep all but LOST of the templates'
    variance.

    None: no direction can be left out, or the people are too few to say. The number of columns is a
    multiple of eight. The directions are turned at random, so that no single one has a meaning.
    """
    people, dimensions = embeddings.shape
    if people <= dimensions:
        return None
    values, vectors = np.linalg.eigh(embeddings.astype(np.float64).T @ embeddings)
    needed_columns = int((np.cumsum(values) > LOST * values.sum()).sum())
    columns = -(-needed_columns // 8) * 8  # the next multiple of eight
    if columns >= dimensions:
        return None
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((columns, columns)))
    return np.asarray(vectors[:, -columns:] @ rotation, np.float32)


def write_pack(draft: Pack, offer: Offer, measured: Measured, source: str, number: int) -> Pack:
    """Write what was measured, and the manifest, into the draft's folder; return the pack as it
    will be read.

    `number`: the model's number in the records. `source`: the pictures that it was measured with.
    """
    folder, role = draft.folder, draft.manifest.embedding
    np.save(folder / CENTRE, measured.centre)
    computed_names = [CENTRE]
    if measured.basis is not None:
        np.save(folder / BASIS, measured.basis)
        computed_names.append(BASIS)
    digest = hashlib.sha256(repr((role.networks, [file.sha256 for file in draft.files])).encode())
    for name in computed_names:
        digest.update((folder / name).read_bytes())
    role = EmbeddingRole(
        model=f"{offer.pack}-{digest.hexdigest()[:8]}",
        number=number,
        networks=offer.networks,
        centre=CENTRE,
        basis="" if measured.basis is None else BASIS,
        columns=0 if measured.basis is None else measured.basis.shape[1],
    )
    computed_files = [
        _describe_file(folder / name, "computed from your pictures", source)
        for name in computed_names
    ]
    manifest = replace(draft.manifest, embedding=role, files=(*draft.files, *computed_files))
    pack = Pack(manifest, folder)
    curves.write_curve(folder, pack, source, measured.entry, measured.population)
    write_durably(folder / MANIFEST, _write_manifest(pack, offer), mode=0o666)
    return pack


def _write_manifest(pack: Pack, offer: Offer) -> str:
    """Write a manifest with the pack's files and its embedding role.

    The other roles are those of the base pack.
    """
    base = (HERE / BASE / MANIFEST).read_text(encoding="utf-8")
    quality = packs.read_pack(HERE, BASE).manifest.quality
    tables = re.split(r"(?m)^(?=\[)", re.sub(r"(?m)^#.*\n", "", base))
    other_tables = [table for table in tables if re.match(r"\[+role\.(?!embedding)", table)]
    first_table = {
        "pack": offer.pack,
        "schema": SCHEMA,
        "version": "1.0",
        "licence": offer.licence,
        "calibration": packs.CALIBRATION,
    }
    role = to_builtins(pack.manifest.embedding)
    networks = role.pop("networks")
    parts = [
        _write_table("", first_table),
        *(_write_table("[[file]]", to_builtins(file)) for file in pack.files),
        _write_table("[role.embedding]", role),
        *(_write_table("[[role.embedding.networks]]", network) for network in networks),
        _write_table("[role.quality]", to_builtins(quality)),
        *(table.strip() + "\n" for table in other_tables),
    ]
    return "\n".join(parts)


def _write_table(name: str, values: Mapping[str, Any]) -> str:
    """Write a table of TOML. Texts, numbers, booleans and lists of them are written as in JSON.

    Of the characters that TOML has only escaped, JSON leaves U+007F as it is.
    """
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", r"\u007f")
        for key, value in values.items()
    ]
    return "\n".join([*([name] if name else []), *lines]) + "\n"


def place_pack(draft: Pack, offer: Offer, measured: Measured, source: str, target: Path) -> None:
    """Make a pack of the draft, with a number of its own, and put it at `target`.

    Runs that add wait for each other.

    Raises OperatorError if the name was taken meanwhile, MissingModel, OSError; then nothing is
    added.
    """
    with hold_lock(target.parent / LOCK):
        require_free(target)
        pack = write_pack(draft, offer, measured, source, choose_number(target.parent))
        require_whole(pack)
        copy_pack(pack, target)


def require_whole(pack: Pack) -> None:
    """Read a pack's folder once more. Raise OperatorError if its manifest or a file is not as it
    was made: by its embedding, its list of files and their digests."""
    try:
        manifest = read_manifest(pack.folder)
        manifest.parse_population()
    except (ValueError, LookupError, TypeError) as error:
        raise OperatorError(
            f"the pack {pack.manifest.name} came out wrong, and is not added: {error}"
        ) from error
    wrong = [file.name for file, state in packs.verify(pack).items() if state is not State.OK]
    if (manifest.files, manifest.embedding) != (pack.files, pack.manifest.embedding) or wrong:
        changed_files = ", ".join(wrong) or "its manifest"
        raise OperatorError(
            f"the pack {pack.manifest.name} came out wrong, and is not added: {changed_files} "
            "changed meanwhile"
        )


def require_free(target: Path) -> None:
    """Raise OperatorError if a pack or something else has the name already."""
    if target.name in packs.list_names(target.parent):
        raise OperatorError(
            f"there is a pack {target.name} already, and stored templates may be of it: choose "
            "another name for `pack` "
            "in the manifest"
        )
    if target.exists():
        raise OperatorError(
            f"{target} is there already, and is no pack, since it has no {MANIFEST}: move it away, "
            "or choose another "
            "name for `pack` in the manifest"
        )


def copy_pack(pack: Pack, target: Path) -> None:
    """Copy the pack's files to the folder `target`, which appears when all of them are on the disk.

    All users may read the copies. The caller holds the lock. Raises OSError; then `target` is as it
    was.
    """
    scratch = target.parent / ADDING
    if scratch.exists():
        shutil.rmtree(scratch)
    new_folder = scratch / target.name
    try:
        new_folder.mkdir(parents=True)
        for file in sorted(pack.folder.iterdir()):
            shutil.copyfile(file, new_folder / file.name)
            with (new_folder / file.name).open("rb") as copied:
                os.fsync(copied.fileno())
        sync_folder(new_folder)
        new_folder.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(target.parent)
