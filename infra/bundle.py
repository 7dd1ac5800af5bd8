"""Checks of the zip that goes to Lambda, and the weight of its parts."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from chalicelib.vision.packs.packs import PACKS as OURS
from chalicelib.vision.packs.packs import Pack
from infra.target import Target

MAX_UNZIPPED_BYTES = 160_000_000
MAX_ZIPPED_BYTES = 70_000_000
"""Ours; Lambda takes 250 MiB unzipped, and every cold start fetches what is zipped."""

ANOTHER_PACK_BYTES = 30_000_000
"""More for each model pack of one's own: for as long as tenants are changed from one to the other."""

PACKS = "chalicelib/model_packs"
KERNELS = "chalicelib/index/scan"

_OURS = ("app.py", "chalicelib/bootstrap.py", "chalice/app.py", "chalice/__init__.py", "console/index.html")
_UNCHECKED_HASH = b"\1\0\0\0"


class BundleError(Exception):
    """The zip must not be deployed; the message says why."""


@dataclass(frozen=True)
class Weight:
    """Size of one part of the zip, in bytes."""

    part: str
    unzipped_bytes: int
    zipped_bytes: int


@dataclass(frozen=True)
class Sizes:
    zipped_bytes: int
    unzipped_bytes: int
    parts: tuple[Weight, ...]
    """The heaviest first."""
    limit: Weight


def checked(bundle: Path, target: Target, packs: Sequence[Pack]) -> Sizes:
    """Measure a zip that has all it needs to run on `target`. Raises BundleError if it lacks something."""
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        if missing := {*_OURS, f"{KERNELS}/kernel-{target.machine}.so"} - names:
            raise BundleError(f"{bundle.name} lacks {', '.join(sorted(missing))}")
        for pack in packs:
            _require_models(archive, pack)
        _require_processor(archive, target)
        _require_compiled(archive, target)
        parts = _weights(archive)
        unzipped, zipped = sum(entry.file_size for entry in archive.infolist()), bundle.stat().st_size
    more = sum(pack.folder.parent != OURS for pack in packs) * ANOTHER_PACK_BYTES
    limit = Weight("limit", MAX_UNZIPPED_BYTES + more, MAX_ZIPPED_BYTES + more)
    for what, size, most in (
        ("unzipped", unzipped, limit.unzipped_bytes),
        ("zipped", zipped, limit.zipped_bytes),
    ):
        if size > most:
            raise BundleError(f"{bundle.name} has {size:,} bytes {what}; the limit is {most:,}")
    return Sizes(zipped, unzipped, parts, limit)


def table(sizes: Sizes) -> Iterator[str]:
    """Yield a table of the parts' sizes as lines, in MB (10^6 bytes)."""
    total = Weight("total", sizes.unzipped_bytes, sizes.zipped_bytes)
    yield f"{'part':<24}{'unzipped MB':>13}{'zipped MB':>11}"
    for row in (*sizes.parts, total, sizes.limit):
        yield f"{row.part:<24}{row.unzipped_bytes / 1e6:>13.1f}{row.zipped_bytes / 1e6:>11.1f}"


def _require_models(archive: zipfile.ZipFile, pack: Pack) -> None:
    for file in pack.files:
        name = f"{PACKS}/{pack.path(file.name).parent.name}/{file.name}"
        if name not in archive.NameToInfo:
            raise BundleError(f"the zip lacks the model {name}")
        if hashlib.sha256(archive.read(name)).hexdigest() != file.sha256:
            raise BundleError(f"the zip's {name} is not the file that its manifest names")


def _require_processor(archive: zipfile.ZipFile, target: Target) -> None:
    for name in archive.namelist():
        if re.search(r"\.so(\.[0-9.]+)?$", name):
            with archive.open(name) as library:
                head = library.read(20)
            if head[:4] != b"\x7fELF" or int.from_bytes(head[18:20], "little") != target.elf_machine:
                raise BundleError(f"{name} is no library of {target.architecture}")


def _require_compiled(archive: zipfile.ZipFile, target: Target) -> None:
    """Require each module compiled, for this Python, and such that its source is not looked at."""
    names = archive.NameToInfo
    for name in names:
        if not name.endswith(".py"):
            continue
        folder, _, module = name.rpartition("/")
        compiled = f"{folder}{'/' if folder else ''}__pycache__/{module.removesuffix('.py')}.{target.cache_tag}.pyc"
        if compiled not in names:
            raise BundleError(f"the zip lacks {compiled}: {name} would be compiled at every cold start")
        with archive.open(compiled) as content:
            if content.read(8)[4:] != _UNCHECKED_HASH:
                raise BundleError(f"{compiled} is checked against its source at every import")


def _weights(archive: zipfile.ZipFile) -> tuple[Weight, ...]:
    unzipped: dict[str, int] = defaultdict(int)
    zipped: dict[str, int] = defaultdict(int)
    for entry in archive.infolist():
        part = _part(entry.filename)
        unzipped[part] += entry.file_size
        zipped[part] += entry.compress_size
    weights = [Weight(part, size, zipped[part]) for part, size in unzipped.items()]
    return tuple(sorted(weights, key=lambda weight: -weight.unzipped_bytes))


def _part(name: str) -> str:
    """`numpy.libs`, `numpy-2.5.dist-info` and `numpy` are one part."""
    if name.endswith(".onnx"):
        return "models"
    top = name.split("/")[0]
    if top in ("app.py", "chalicelib", "console", "__pycache__"):
        return "our code"
    return canonicalize_name({"PIL": "pillow", "google": "protobuf"}.get(found := re.split(r"[-.]", top)[0], found))
