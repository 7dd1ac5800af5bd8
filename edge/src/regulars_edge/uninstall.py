"""`regulars-edge uninstall`: what the uploader has made on this box, and which of it goes."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from regulars_edge import exits
from regulars_edge.config import find_spool, load
from regulars_edge.errors import Misconfigured
from regulars_edge.spool import database, files

ASIDE = ".uninstalled"
"""End of the name of a spool that is being deleted."""
_OF_UNITS = ("etc/regulars-edge", "opt/regulars-edge", "var/lib/regulars-edge")


def uninstall(arguments: argparse.Namespace) -> int:
    """Name what the uploader has made, and delete its pictures if that is said.

    Raises Misconfigured, SpoolInUse, OSError.
    """
    spool = (load(arguments.config).spool if arguments.config else find_spool()).absolute()
    aside = spool.with_name(spool.name + ASIDE)
    for line in list_lines(spool, arguments.config):
        print(line)
    if not arguments.with_pictures:
        return exits.OK
    if not (spool / database.FILE).is_file() and not aside.exists():
        raise Misconfigured(f"there is no spool in {spool}: name it with --config")
    if not arguments.yes and not _ask(f"Delete {spool}? Pictures that were not sent go, too."):
        raise Misconfigured("nothing is deleted; --yes deletes it without asking")
    shutil.rmtree(aside, ignore_errors=True)
    if spool.exists():
        with files.hold_spool(spool):
            spool.rename(aside)
        shutil.rmtree(aside)
    print(f"deleted: {spool}")
    return exits.OK


def list_lines(spool: Path, config: Path | None, root: Path = Path("/")) -> list[str]:
    """List what is there, a line each, with what deletes it. `root`: of the file system."""
    units = sorted((root / "etc/systemd/system").glob("regulars-edge*"))
    found = [root / name for name in _OF_UNITS if (root / name).exists()]
    return [
        f"{spool}: pictures that wait and were refused; --with-pictures deletes it",
        *([f"{config}: settings; with it, delete the key files that it names"] if config else []),
        *(f"{unit}: a unit; `systemctl disable --now {unit.name}`, and rm" for unit in units),
        *(f"{path}: of a unit; root may delete it when its unit is off" for path in found),
        "stays in any case: the program (`pipx uninstall regulars-edge`), the camera and its key "
        "at the service (the console's page Cameras), and pictures that the service has",
    ]


def _ask(question: str) -> bool:
    return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
