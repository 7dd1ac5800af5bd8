"""Every command, a row each: how it is called where it has something to do, and how it is ended
when it was cut off (tests/faults/test_cut_off.py)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import asdict

from regulars.cli import commands
from tests.support.faults.cut import REGULARS
from tests.support.faults.shop import Shop

Prepare = Callable[[Path, Shop], object]


class Act(Struct, frozen=True):
    """A command in a copy of a prepared shop, in whose folder it lies as `data`.

    In `words` the shop's ids stand for `{slots}`. `prepare`: what lies there, too.

    `waits`: it goes on for ever, or waits for a time, and is ended while it waits. `settles`: the
    jobs of the next hours end it, and then it is done once more. `then`: what is done if it was cut
    off, if it is not the same again. `or_says`: the refusal of what is done again, which says that
    all was done. `leaves`: pattern of what a cut may leave, with the reason in `why`. `code`: its
    exit code.
    """

    words: str
    name: str = ""
    shop: str = "shop"
    prepare: Prepare = lambda folder, shop: None
    waits: bool = False
    settles: bool = False
    then: tuple[str, ...] = ()
    or_says: str = ""
    leaves: str = ""
    why: str = ""
    program: str = REGULARS
    code: int = 0

    def __str__(self) -> str:
        where = "" if self.shop == "shop" else f"({self.shop})"
        return " ".join(filter(None, (self.command, self.name, where)))

    @property
    def command(self) -> str:
        """The names of the command, without its options."""
        return " ".join(_list_names(shlex.split(self.words)))

    def list_words(self, shop: Shop, words: str) -> list[str]:
        """List the words of a command line, with the shop's ids in them."""
        slots = {name.replace(" ", "_"): id_ for name, id_ in shop.ids.items()}
        return [
            re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], word)
            for word in shlex.split(words)
        ]


def _list_names(words: list[str]) -> Iterator[str]:
    group: click.Command = commands
    for word in words:
        command = group.commands.get(word) if isinstance(group, click.Group) else None
        if command is None:
            return
        yield word
        group = command


def list_commands(group: click.Group = commands, names: tuple[str, ...] = ()) -> list[str]:
    """List the names of all commands of ours; other distributions add theirs."""
    found: list[str] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += list_commands(command, (*names, name))
        if not isinstance(command, click.Group) or command.invoke_without_command:
            callback = command.callback
            is_ours = callback is not None and callback.__module__.startswith("regulars.")
            found += [" ".join((*names, name))] if is_ours else []
    return found


def _elsewhere(folder: Path, _: Shop) -> None:
    """The folder was served at another place, by another file."""
    place = {"inode": 1, "born_ns": 1, "machine": "", "path": "/before"}
    (folder / "data" / "place.json").write_text(json.dumps(place))


def _nowhere(folder: Path, _: Shop) -> None:
    shutil.rmtree(folder / "data")


def _written_down(folder: Path, shop: Shop) -> None:
    """The credentials are in their file."""
    entries = [asdict(shop.credentials)]
    (folder / "data" / "credentials.json").write_text(json.dumps(entries))


_NEW_FILE = "is there already, and nothing is written over it"

TENANTS = (
    Act("tenants add shop-2 --strangers forget"),
    Act("tenants rotate shop --yes"),
    Act("tenants disable shop"),
    Act("tenants enable shop"),
    Act("tenants set shop --requests-a-day 1000"),
    Act("tenants renew-signing shop"),
    Act("tenants erase leaves --yes leaves", shop="leaving", or_says="cannot be written to"),
    Act("tenants keys add shop Bo"),
    Act("tenants keys add shop Bo --for compreface --group family", "of a dialect"),
    Act("tenants keys renew shop {key} --yes"),
    Act("tenants keys delete shop {key} --yes", or_says="there is no key"),
    Act("tenants keys list shop"),
    Act("tenants list"),
    Act("tenants show shop"),
    Act("tenants key shop", prepare=_written_down),
    Act(
        "console --tenant shop --url http://box",
        leaves="items tenants code ",
        why="a code that nobody has seen ends within ten minutes",
    ),
)

BOX = (
    Act("serve --port 0", "a new folder", prepare=_nowhere, waits=True),
    Act("folder copied", prepare=_elsewhere),
    Act("folder moved", prepare=_elsewhere),
    Act("captures redrive", shop="stuck", settles=True),
    Act("captures parked", shop="stuck"),
    Act("fsck"),
    Act("fsck --repair", shop="unwanted"),
    Act(
        "backup shop.tar",
        "a file",
        then=("backup shop.tar", "backup shop-2.tar"),
        or_says=_NEW_FILE,
        leaves=r"shop-2\.tar ",
        why="a backup that is whole is one more",
    ),
    Act("config"),
    Act("doctor", code=1),
    Act("models"),
    Act("completion bash"),
)

PRIVACY = (
    Act(
        "consent withdraw --tenant shop --face {eva} --later",
        shop="consented",
        settles=True,
        or_says="there is no face",
    ),
    Act(
        "consent withdraw --tenant shop --face {eva} --erase",
        "and erase",
        shop="consented",
        waits=True,
        settles=True,
    ),
    Act("hold set --tenant shop --face {eva} --reason letter"),
    Act("hold lift --tenant shop --face {eva} --reason letter", shop="held"),
    Act("hold list --tenant shop", shop="held"),
    Act("restriction set --tenant shop --face {eva} --reason letter"),
    Act("restriction lift --tenant shop --face {eva} --reason letter"),
    Act("restriction list --tenant shop"),
    Act("retention --yes", shop="old", settles=True),
    Act("erase --tenant shop --face {eva} --yes", waits=True, settles=True),
    Act("erase --tenant shop --face {eva} --yes", shop="merged", waits=True, settles=True),
    Act("receipt key --tenant shop"),
    Act("about --tenant shop --face {eva} --out eva.zip", or_says=_NEW_FILE),
    Act(
        "audit export entries.jsonl --tenant shop",
        shop="closed",
        or_says=_NEW_FILE,
    ),
    Act("audit list --tenant shop"),
    Act("audit head --tenant shop", shop="closed"),
    Act("audit verify --tenant shop"),
    Act("audit breach --tenant shop --key {key} --since 2026-01-01"),
    Act("today --tenant shop"),
    Act("report --tenant shop"),
    Act("notice --tenant shop"),
    Act("privacy record --tenant shop"),
)

ACTS = (*TENANTS, *BOX, *PRIVACY)

NOT_WALKED: Mapping[str, str] = {}
"""Commands that have no row, each with the reason."""
