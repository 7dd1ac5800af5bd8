"""Files of packages: parts of the checkout, the console with its libraries, and zips that are always the same bytes."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from chalicelib.api.console_files import LIBRARIES, folder, own_files, packaged_name
from infra.dependencies import ROOT
from regulars import libraries

_THEN = (1980, 1, 1, 0, 0, 0)
_READABLE_BY_ALL = 0o100644 << 16  # Lambda runs a function as a user of its own


def write(archive: Path, files: Mapping[str, Path]) -> None:
    """Write an archive of `files` (name in it -> file). It gets its name when it is complete."""
    partial = archive.with_suffix(".part")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _THEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _READABLE_BY_ALL
            zipped.writestr(entry, files[name].read_bytes(), compresslevel=9)
    partial.replace(archive)


def files_below(folder: Path) -> dict[str, Path]:
    """Every file below a folder, by its name in an archive of the folder."""
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def copy_parts(names: Iterable[str], target: Path, left_out: Callable[[Any, list[str]], set[str]]) -> None:
    """Copy files and folders of the checkout to the same places below `target`, without what `left_out` says."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=left_out)
        else:
            shutil.copyfile(source, copy)


LICENCE = "LICENSE"


class NoLibraries(Exception):
    """Error: the libraries were not fetched."""


def console_files() -> dict[str, Path]:
    """Return the files by their names in the package. Raises NoLibraries."""
    ours, modules = folder(), libraries.modules()
    if not modules:
        raise NoLibraries(f"the console's libraries are not here: `{libraries.COMMAND}` fetches them")
    own = {path.relative_to(ours).as_posix(): path for path in (ours / "index.html", *own_files(ours))}
    used = {packaged_name(name, path): path for name, path in modules.items()}
    licences = {f"{LIBRARIES}/{one.package.name}/{LICENCE}": one.path(LICENCE) for one in libraries.of_console()}
    return {f"{ours.name}/{name}": path for name, path in {**own, **used, **licences}.items()}
