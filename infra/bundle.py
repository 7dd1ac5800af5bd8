"""Files of packages: parts of the checkout, the console with its libraries, zips of the same bytes,
their checks."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.api.console_files import LIBRARIES, list_own_files, locate_folder, name_in_package
from chalicelib.book.vision.packs.packs import PACKS as OURS
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.version import VERSION
from infra.dependencies import ROOT, Failed
from infra.target import Target
from regulars import libraries

_THEN = (1980, 1, 1, 0, 0, 0)
"""The time of all files in the package, the first that a zip can say: the same files give the same
bytes."""
_READABLE_BY_ALL = 0o100644 << 16  # Lambda runs a function as a user of its own


def write_archive(archive: Path, files: Mapping[str, Path]) -> None:
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


def list_files_below(folder: Path) -> dict[str, Path]:
    """Every file below a folder, by its name in an archive of the folder."""
    return {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }


def copy_parts(
    names: Iterable[str], target: Path, left_out: Callable[[Any, list[str]], set[str]]
) -> None:
    """Copy files and folders of the checkout to the same places below `target`, without what
    `left_out` says."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=left_out)
        else:
            shutil.copyfile(source, copy)


LICENCE = "LICENSE"


class NoLibraries(Failed):
    """Error: the libraries were not fetched."""


def list_console_files() -> dict[str, Path]:
    """Return the files by their names in the package. Raises NoLibraries."""
    console, modules = locate_folder(), libraries.find_modules()
    if not modules:
        raise NoLibraries(
            f"the console's libraries are not here: `{libraries.COMMAND}` fetches them"
        )
    pages = {
        path.relative_to(console).as_posix(): path
        for path in (console / "index.html", *list_own_files(console))
    }
    modules_in_package = {name_in_package(name, path): path for name, path in modules.items()}
    licences = {
        f"{LIBRARIES}/{library.package.name}/{LICENCE}": library.find_path(LICENCE)
        for library in libraries.list_console_libraries()
    }
    return {
        f"{console.name}/{name}": path
        for name, path in {**pages, **modules_in_package, **licences}.items()
    }


MAX_UNZIPPED_BYTES = 167_000_000
"""Size of the unzipped package: Lambda takes 250 MB, and boto3 with a model need their part."""
MAX_ZIPPED_BYTES = 71_000_000
"""Ours; Lambda takes 250 MiB unzipped, and every cold start fetches what is zipped."""

ANOTHER_PACK_BYTES = 30_000_000
"""More for each model pack of one's own: for as long as tenants are changed from one to the
other."""

PACKS = "chalicelib/model_packs"
KERNELS = "chalicelib/book/search/scan"

_OURS = (
    "app.py",
    "chalicelib/bootstrap.py",
    f"regulars-{VERSION}.dist-info/entry_points.txt",  # by which dialects are found
    f"regulars_dialects-{VERSION}.dist-info/entry_points.txt",
    "chalice/app.py",
    "chalice/__init__.py",
    "console/index.html",
)


def check_bundle(bundle: Path, target: Target, packs: Sequence[Pack]) -> str:
    """Check that a zip has all it needs to run on `target` and is not too large.

    Return a line with its sizes.

    Each pack that is not one of ours may add ANOTHER_PACK_BYTES. Raises Failed.
    """
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        if missing := {*_OURS, f"{KERNELS}/kernel-{target.machine}.so"} - names:
            raise Failed(f"{bundle.name} lacks {', '.join(sorted(missing))}")
        unzipped = sum(entry.file_size for entry in archive.infolist())
        zipped = bundle.stat().st_size
    extra_bytes = sum(pack.folder.parent != OURS for pack in packs) * ANOTHER_PACK_BYTES
    sizes = {
        "zipped": (zipped, MAX_ZIPPED_BYTES + extra_bytes),
        "unzipped": (unzipped, MAX_UNZIPPED_BYTES + extra_bytes),
    }
    for form, (bytes_now, max_bytes) in sizes.items():
        if bytes_now > max_bytes:
            raise Failed(
                f"{bundle.name} has {bytes_now:,} bytes {form}; the limit is {max_bytes:,}"
            )
    return ", ".join(
        f"{bytes_now / 1e6:.1f} of {max_bytes / 1e6:.0f} MB {form}"
        for form, (bytes_now, max_bytes) in sizes.items()
    )
