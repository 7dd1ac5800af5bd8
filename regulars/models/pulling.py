"""Ways to get a pack's missing files: download those that are published, convert the others from upstream files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.pack_files import Package, PackFile, Source
from chalicelib.vision.packs.packs import FileStatus, Pack, State
from regulars import packages
from regulars.models.download import (
    UNREACHABLE,
    DownloadFailed,
    Opener,
    Progress,
    fetch,
    https,
    remove_left_overs,
    replacing,
)
from regulars.packages import PackageUnavailable

UPSTREAM = "upstream"
"""Folder beside a pack's files that may hold the upstream files."""

Archive = Callable[[Package, Path], Path]
"""Function that downloads a package's archive into a folder; tests give their own."""


@dataclass(frozen=True)
class Web:
    """Ways to fetch files that are not on this machine."""

    opener: Opener = https
    archive: Archive = packages.archive
    progress: Progress | None = None


@dataclass(frozen=True)
class BuildResult:
    """Result of a converter. `same`: it gave the manifest's bytes; `detail`: the error, if it failed."""

    file: PackFile
    same: bool
    detail: str = ""


def pull(pack: Pack, target: Path, web: Web | None = None) -> list[FileStatus]:
    """Get each file that is missing or damaged into `target`.

    Return the files' states. A file that cannot be had raises nothing: its status has the reason as `detail`.
    """
    statuses = packs.verify(pack)
    for file in pack.files:
        remove_left_overs(target / file.name)
    with tempfile.TemporaryDirectory() as folder:
        upstream = Upstream(pack, Path(folder), web or Web())
        return [s if s.state is State.OK else _pulled(s, target, upstream) for s in statuses]


def pull_complete(pack: Pack, target: Path, web: Web | None = None) -> list[FileStatus]:
    """Get all files that the pack needs into `target`, or none: stop at the first needed file that fails.

    Return the files' states. If one fails, all others keep the state that they had.
    """
    before = packs.verify(pack)
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_left_overs(target)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as staging:
        sources = Path(staging) / UPSTREAM
        sources.mkdir()
        upstream = Upstream(pack, sources, web or Web())
        got: list[FileStatus] = []
        for status in sorted(before, key=lambda one: one.file.optional):
            got.append(status if status.state is State.OK else _pulled(status, Path(staging), upstream))
            if not complete(got):
                refused = got[-1]
                return [refused if one.file == refused.file else one for one in before]
        return [_moved(status, Path(staging), target) for status in got]


def build(pack: Pack, target: Path, web: Web | None = None) -> list[BuildResult]:
    """Convert into `target` every file of the pack that has a converter, even if the file exists."""
    with tempfile.TemporaryDirectory() as folder:
        upstream = Upstream(pack, Path(folder), web or Web())
        return [_built(file, target, upstream) for file in pack.files if file.convert]


class Upstream:
    """Upstream files: on this machine, at their addresses, or in packages. Each package is fetched once."""

    def __init__(self, pack: Pack, folder: Path, web: Web) -> None:
        self._pack = pack
        self._folder = folder
        self._web = web
        self._silent: dict[str, Exception] = {}
        self._archives: dict[str, Path | PackageUnavailable] = {}

    def content(self, name: str) -> bytes:
        """Read a source's bytes, and check them. Raises DownloadFailed, PackageUnavailable."""
        source = self._pack.manifest.sources[name]
        for path in self._candidates(name):
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() == source.sha256:
                return data
        try:
            if source.url:
                return self.download(source, self._folder).read_bytes()
        except DownloadFailed:
            if not source.package:
                raise
        return self._from_package(source)

    def download(self, file: PackFile | Source, folder: Path) -> Path:
        """Download a file into `folder`. Raises DownloadFailed, at once for a host that did not answer before."""
        host = urlsplit(file.url).netloc
        if host in self._silent:
            raise DownloadFailed(f"{file.url} was not asked for: {host} gave no answer before ({self._silent[host]})")
        try:
            return fetch(file, folder, self._web.opener, self._web.progress)
        except DownloadFailed as error:
            if isinstance(error.__cause__, UNREACHABLE):
                self._silent[host] = error.__cause__
            raise

    def _candidates(self, name: str) -> list[Path]:
        folders = (within for place in self._pack.places for within in (place / self._pack.manifest.name, place))
        return [path for folder in folders if (path := folder / UPSTREAM / name).is_file()]

    def _from_package(self, source: Source) -> bytes:
        package = self._pack.manifest.packages[source.package]
        if package.name not in self._archives:
            try:
                self._archives[package.name] = self._web.archive(package, self._folder)
            except PackageUnavailable as error:
                self._archives[package.name] = error
        found = self._archives[package.name]
        if isinstance(found, PackageUnavailable):
            raise found
        return packages.members(found, [source])[source.name]


def _pulled(before: FileStatus, target: Path, upstream: Upstream) -> FileStatus:
    file = before.file
    try:
        if file.exact_upstream_bytes:
            return FileStatus(file, State.OK, upstream.download(file, target))
        if not file.convert:
            raise DownloadFailed(f"rebuilt from {file.upstream} and published nowhere: copy it into {target}")
        data = _converted(file, upstream)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise DownloadFailed(
                "its conversion gives other bytes than the manifest's, so another version of onnx or h5py may be at "
                "work: `regulars models build` compares; or copy the file from a machine that has it"
            )
        return FileStatus(file, State.OK, _write(target / file.name, data))
    except (DownloadFailed, PackageUnavailable, ValueError) as error:
        return FileStatus(file, before.state, before.path, str(error))
    except OSError as error:
        return FileStatus(file, before.state, before.path, _unwritten(file, target, error))


def _unwritten(file: PackFile, target: Path, error: OSError) -> str:
    """Say why a file cannot be written, and how much room there is for it, and for what it is converted from."""
    above = next(path for path in (target.absolute(), *target.absolute().parents) if path.exists())
    rooms = dict.fromkeys((above, Path(tempfile.gettempdir()))) if file.convert else (above,)
    free = " and ".join(f"{shutil.disk_usage(room).free / 1e6:.1f} MB in {room}" for room in rooms)
    size = f"{file.size_bytes / 1e6:.1f} MB"
    return f"it cannot be written ({error.strerror or error}): it takes {size}, and free are {free}"


def _moved(status: FileStatus, staging: Path, target: Path) -> FileStatus:
    if status.path is None or status.path.parent != staging:
        return status
    target.mkdir(parents=True, exist_ok=True)
    return replace(status, path=status.path.replace(target / status.path.name))


def _built(file: PackFile, target: Path, upstream: Upstream) -> BuildResult:
    try:
        data = _converted(file, upstream)
    except (DownloadFailed, PackageUnavailable, ValueError) as error:
        return BuildResult(file, same=False, detail=str(error))
    _write(target / file.name, data)
    return BuildResult(file, hashlib.sha256(data).hexdigest() == file.sha256)


def _converted(file: PackFile, upstream: Upstream) -> bytes:
    from regulars.models.convert.recipes import CONVERTERS  # it needs onnx, which nothing else does

    return CONVERTERS[file.convert](*(upstream.content(name) for name in file.sources))


def _write(path: Path, data: bytes) -> Path:
    with replacing(path) as part:
        part.write(data)
    return path


def target_of(pack: Pack, models: Path | None) -> Path:
    """Choose the folder for pulled files: the pack's in `models` or, without that, in the user's cache.

    If `models` itself holds files of the pack, it is `models`.
    """
    if models is None:
        return pack.places[-1] / pack.manifest.name
    flat = any((models / file.name).is_file() for file in pack.files)
    return models if flat else models / pack.manifest.name


def complete(statuses: Sequence[FileStatus]) -> bool:
    """Tell whether every file is whole that the pack needs. Without an optional one it works, too."""
    return all(s.state is State.OK or s.file.optional for s in statuses)
