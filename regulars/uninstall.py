"""`regulars uninstall`: what of Regulars is on this machine, and which of it goes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import click
from msgspec import Struct
from regulars_client.folders import delete_own

from chalicelib.open_storage import DATABASE
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK
from regulars import folder
from regulars.errors import OperatorError
from regulars.options import ask_before_deed, choose_settings, data_option

OF_BOOK = re.compile(
    rf"blobs|captures|secrets|{re.escape(BACKUP)}|{re.escape(BACKUP_LOCK)}"
    rf"|(place|backups|credentials|\.?restored)\.json.*|(serve|credentials)\.lock|\.?\.gitignore.*"
    rf"|{re.escape(DATABASE)}(\.b|\.anew)?(-(wal|shm|journal))?"
)
"""Names at the top of a data folder that the program makes."""
_ANYTHING = re.compile(".*")
_OF_ROOT = ("regulars", "regulars-edge")
_OF_UPLOADER = "`regulars-edge uninstall --with-pictures` deletes it"
_LEFT = (
    "stays in any case: the program (`pipx uninstall regulars`), backups, people's archives, what "
    "receivers of hooks and MQTT have, keys in programs, and stages in AWS (docs/deploy.md)"
)


class Place(Struct, frozen=True):
    """A file or folder that is there. `stays`: why it stays, or what deletes it; "": it goes."""

    path: Path
    holds: str
    stays: str = ""


def list_places(
    data: Path,
    *,
    with_book: bool,
    environment: Mapping[str, str] = os.environ,
    root: Path = Path("/"),
) -> list[Place]:
    """List what is there of Regulars on this machine, apart from the program.

    `data`: the data folder; `with_book`: whether it goes; `root`: of the file system.
    """
    home = Path(environment.get("HOME", "~")).expanduser()
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    spool = Path(environment.get("REGULARS_EDGE_SPOOL") or state / "regulars-edge")
    units = sorted((root / "etc/systemd/system").glob("regulars*"))
    places = [
        Place(data, "people, pictures, keys", "" if with_book else "--with-book deletes it"),
        *(
            Place(each, "another book, such as a trial", f"`rm -r {each}` deletes it")
            for each in sorted(data.parent.glob("*/"))
            if each != data and folder.has_database(each)
        ),
        Place(home / ".cache" / "regulars", "pictures of the demo"),
        Place(spool, "pictures that wait beside a camera", _OF_UPLOADER),
        *(
            Place(unit, "a unit", f"`systemctl disable --now {unit.name}`, and rm")
            for unit in units
        ),
        *(
            Place(root / top / name, holds, "root may delete it when its unit is off")
            for top, holds in (
                ("etc", "settings and keys"),
                ("opt", "the program of a unit"),
                ("var/lib", "data of a unit"),
            )
            for name in _OF_ROOT
        ),
    ]
    return [place for place in places if place.path.exists()]


@click.command(short_help="List everything that Regulars created here, and delete it.")
@data_option
@click.option(
    "--with-book", is_flag=True, help="Delete the data folder too. This cannot be undone."
)
@ask_before_deed
def uninstall(data: Path | None, *, with_book: bool, confirm: Callable[[str], bool]) -> None:
    """Name every folder that Regulars made on this machine, and what stays of it elsewhere.

    It deletes the demo's pictures and, with --with-book, the data folder, which nobody may serve
    meanwhile. It asks first. Of all else it says what deletes it.

    \b
    Examples:
      regulars uninstall --dry-run
      regulars uninstall --with-book --data shop
    """
    storage = choose_settings(data=data, here=True).storage
    assert isinstance(storage, Path)  # noqa: S101 -- it is of one box
    book = storage.resolve()
    places = list_places(book, with_book=with_book)
    for place in places:
        print(f"{place.path}: {place.holds}; {place.stays or 'goes'}")
    print(_LEFT)
    going = [place.path.resolve() for place in places if not place.stays]
    if book in going:
        folder.require_files(book)
    for path in going:
        require_no_links(path)
    names = ", ".join(map(str, going))
    with folder.hold_folder(book) if book in going else nullcontext():
        if going and confirm(f"Delete {names}? Nobody brings it back."):
            for path in going:
                print(delete_folder(path, OF_BOOK if path == book else _ANYTHING))


def require_no_links(path: Path) -> None:
    """Raise OperatorError if a folder has links that lead out of it: what they lead to would
    stay."""
    for place, folders, files in os.walk(path):
        for name in (*folders, *files):
            link = Path(place) / name
            if link.is_symlink() and not link.resolve().is_relative_to(path):
                raise OperatorError(
                    f"{link} is a link to {link.resolve()}, which may hold pictures: delete that "
                    "and the link by hand first; nothing is deleted so far"
                )


def delete_folder(path: Path, own: re.Pattern[str]) -> str:
    """Delete of a folder what the program made, and return what is said of it.

    `own`: names at its top that are the program's. If there are others, they and the folder stay.
    """
    left = delete_own(path, own, DATABASE)
    return f"deleted: {path}" + (f", but for {left}, which Regulars did not make" if left else "")
