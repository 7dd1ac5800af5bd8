"""`regulars uninstall`: what of Regulars is on this machine, and which of it goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import click
from msgspec import Struct

from regulars import folder
from regulars.options import ask_before_deed, choose_settings, data_option

ASIDE = ".uninstalled"
"""End of the name of a folder that is being deleted."""
_OF_ROOT = ("regulars", "regulars-edge")
_OF_UPLOADER = "`regulars-edge uninstall --with-pictures` deletes it"
_LEFT = (
    "stays in any case: the program (`pipx uninstall regulars`), backups, what receivers of hooks "
    "and MQTT have, keys in programs, and stages in AWS (docs/deploy.md)"
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
        Place(data.with_name(data.name + ASIDE), "what a deletion that was cut off has left"),
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


@click.command(short_help="Name all that Regulars made here, and delete what you say.")
@data_option
@click.option("--with-book", is_flag=True, help="Delete the data folder, too: nobody has it then.")
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
    book = storage.absolute()
    places = list_places(book, with_book=with_book)
    for place in places:
        print(f"{place.path}: {place.holds}; {place.stays or 'goes'}")
    print(_LEFT)
    going = [place.path for place in places if not place.stays]
    if book in going:
        folder.require_database(book)
    names = ", ".join(map(str, going))
    with folder.hold_folder(book) if book in going else nullcontext():
        if going and confirm(f"Delete {names}? Nobody brings it back."):
            for path in going:
                delete_folder(path)
            print(f"deleted: {names}")


def delete_folder(path: Path) -> None:
    """Delete a folder, which is renamed first: a run that is cut off leaves no half a book."""
    aside = path if path.name.endswith(ASIDE) else path.with_name(path.name + ASIDE)
    if aside != path:
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    shutil.rmtree(aside)
