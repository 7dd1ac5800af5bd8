"""Zip archives that are the same bytes whenever what is in them is the same."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

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
