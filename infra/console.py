"""The console in the package for AWS: its page, its modules, and the libraries that they import."""

from __future__ import annotations

from pathlib import Path

from chalicelib.api.console_files import LIBRARIES, folder, own_files, packaged_name
from regulars import libraries

LICENCE = "LICENSE"


class NoLibraries(Exception):
    """Error: the libraries were not fetched."""


def files() -> dict[str, Path]:
    """Return the files by their names in the package. Raises NoLibraries."""
    ours, modules = folder(), libraries.modules()
    if not modules:
        raise NoLibraries(f"the console's libraries are not here: `{libraries.COMMAND}` fetches them")
    own = {path.relative_to(ours).as_posix(): path for path in (ours / "index.html", *own_files(ours))}
    used = {packaged_name(name, path): path for name, path in modules.items()}
    licences = {f"{LIBRARIES}/{one.package.name}/{LICENCE}": one.path(LICENCE) for one in libraries.of_console()}
    return {f"{ours.name}/{name}": path for name, path in {**own, **used, **licences}.items()}
