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

from regulars.cli import commands
from tests.support.faults.cut import REGULARS
from tests.support.faults.shop import Shop

Prepare = Callable[[Path, Shop], object]


class Act(Struct, frozen=True):
    """A command in a copy of a prepared shop, in whose folder it lies as `data`.

    In `words` the shop's ids stand for `{slots}`. `prepare`: what lies there, too. `until`: the
    event at which it has begun, of a command that goes on for ever. `waits`: it is ended while it
    waits for its time, since what is left others do. `then`: the commands that end it if it was cut
    off, if it is not itself. `settles`: the jobs of the next hours end it.
    """

    words: str
    name: str = ""
    shop: str = "shop"
    prepare: Prepare = lambda folder, shop: None
    until: str = ""
    waits: bool = False
    then: tuple[str, ...] = ()
    settles: bool = False
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


ACTS = (
    Act("tenants add shop-2 --strangers forget"),
    Act("tenants rotate shop --yes"),
    Act("tenants disable shop"),
    Act("tenants enable shop"),
    Act("tenants set shop --requests-a-day 1000"),
    Act("tenants renew-signing shop"),
    Act("tenants erase leaves --yes leaves", shop="leaving"),
    Act("tenants keys add shop Bo"),
    Act("tenants keys add shop Bo --for compreface --group family", "of a dialect"),
    Act("tenants keys renew shop {key} --yes"),
    Act("tenants keys delete shop {key} --yes"),
    Act("tenants keys list shop"),
    Act("tenants list"),
    Act("tenants show shop"),
    Act("tenants key shop"),
    Act("console --tenant shop --url http://box"),
    Act("folder copied", prepare=_elsewhere),
    Act("folder moved", prepare=_elsewhere),
    Act("captures redrive", shop="stuck", settles=True),
    Act("captures parked", shop="stuck"),
    Act("fsck"),
    Act("fsck --repair", shop="unwanted"),
    Act("consent withdraw --tenant shop --face {eva} --later", shop="consented"),
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
    Act("retention --yes", shop="old"),
    Act("erase --tenant shop --face {eva} --yes", waits=True, settles=True),
    Act("erase --tenant shop --face {eva} --yes", shop="merged", waits=True, settles=True),
    Act("receipt key --tenant shop"),
    Act("about --tenant shop --face {eva} --out eva.zip"),
    Act("audit export entries.jsonl --tenant shop"),
    Act("audit list --tenant shop"),
    Act("audit head --tenant shop"),
    Act("audit verify --tenant shop"),
    Act("audit breach --tenant shop --key {key}"),
    Act("today --tenant shop"),
    Act("report --tenant shop"),
    Act("notice --tenant shop"),
    Act("privacy record --tenant shop"),
    Act("backup shop.tar"),
    Act("config"),
    Act("doctor", code=1),
    Act("models"),
    Act("completion bash"),
    Act("serve --port 0", "a new folder", prepare=_nowhere, waits=True),
    Act("serve --port 0", waits=True),
)

NOT_WALKED: Mapping[str, str] = {
}
"""Commands that have no row, each with the reason."""
