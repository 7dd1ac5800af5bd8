"""`regulars-edge uninstall`: what the uploader has made on this box, and which of it goes."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from regulars_client.folders import delete_own

from regulars_edge import exits
from regulars_edge.config import find_spool, load
from regulars_edge.errors import Misconfigured
from regulars_edge.health import BOX_FILE
from regulars_edge.spool import database, files

_OURS = re.compile(
    rf"{files.PICTURES}|{files.BALLAST}|{files.LOCK}|{BOX_FILE}|\.gitignore|\.check|damaged-.*"
    rf"|[a-z_-]+\.json.*|{re.escape(database.FILE)}.*"
)
"""Names at the top of a spool that the uploader makes."""
_OF_UNITS = ("etc/regulars-edge", "opt/regulars-edge", "var/lib/regulars-edge")


def uninstall(arguments: argparse.Namespace) -> int:
    """Name what the uploader has made, and delete its pictures if that is said.

    Raises Misconfigured, SpoolInUse, OSError.
    """
    spool = (load(arguments.config).spool if arguments.config else find_spool()).resolve()
    for line in list_lines(spool, arguments.config):
        print(line)
    if not arguments.with_pictures:
        return exits.OK
    if not (spool / database.FILE).is_file():
        raise Misconfigured(f"there is no spool in {spool}: name it with --config")
    if not arguments.yes and not _ask(f"Delete {spool}? Pictures that were not sent go, too."):
        raise Misconfigured("nothing is deleted; --yes deletes it without asking")
    with files.hold_spool(spool):
        print(delete_spool(spool))
    return exits.OK


def delete_spool(spool: Path) -> str:
    """Delete of a spool what the uploader made, its database last: so a run that is cut off is
    ended by the next. Return what is said of it.

    Raises Misconfigured if its pictures lie behind a link.
    """
    if (spool / files.PICTURES).is_symlink():
        behind = (spool / files.PICTURES).resolve()
        raise Misconfigured(f"{spool / files.PICTURES} is a link: delete {behind} by hand first")
    left = delete_own(spool, _OURS, database.FILE)
    return f"deleted: {spool}" + (f", but for {left}: not the uploader's" if left else "")


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
