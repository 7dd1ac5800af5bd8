"""What is right and wrong with the zip that goes to Lambda."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
"""Lambda's limit of a function with all its layers."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BundleError(Exception):
    """The zip must not be deployed; the message says why."""


@dataclass(frozen=True)
class Sizes:
    zipped_bytes: int
    unzipped_bytes: int


def required_names(requirements: str) -> set[str]:
    """Normalised names of the distributions that the text of a requirements file asks for."""
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    return {_normalised(found.group()) for line in lines if (found := _NAME.match(line))}


def checked(bundle: Path, requirements: str) -> Sizes:
    """Sizes of a zip that has all it needs. Raises BundleError."""
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    missing = {"app.py", "chalicelib/bootstrap.py"} - set(names)
    if missing:
        raise BundleError(f"{bundle.name} lacks {', '.join(sorted(missing))}")
    folders = {name.split("/")[0] for name in names}
    installed = {_normalised(folder.split("-")[0]) for folder in folders if folder.endswith(".dist-info")}
    if missing := required_names(requirements) - installed:
        raise BundleError(f"{bundle.name} lacks requirements: {', '.join(sorted(missing))}")
    if foreign := [name for name in names if name.endswith(".so") and "x86_64" in name]:
        raise BundleError(f"{bundle.name} holds libraries of another processor, as {foreign[0]}")
    sizes = Sizes(bundle.stat().st_size, sum(entry.file_size for entry in entries))
    if sizes.unzipped_bytes > MAX_UNZIPPED_BYTES:
        raise BundleError(f"{bundle.name} unzips to {sizes.unzipped_bytes} bytes; Lambda takes {MAX_UNZIPPED_BYTES}")
    return sizes


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
