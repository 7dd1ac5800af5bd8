"""Every command, a row each: how it is called where it has something to do, and how it is ended
when it was cut off (tests/faults/test_cut_off.py)."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import asdict

from chalicelib.auth.roles import Role
from chalicelib.book.vision.packs import packs
from chalicelib.domain.consent import Basis, Consent
from regulars.cli import commands
from regulars.tenants.credentials import CredentialsFile
from tests.support.book.book import Book
from tests.support.box.album import people
from tests.support.fakes import FakeVision, Person, picture
from tests.support.faults.shop import Shop

Run = Callable[..., object]
"""Runs a command of these words in the folder."""
Prepare = Callable[[Path, Shop, Run], object]


class Act(Struct, frozen=True):
    """A command in a copy of a prepared shop, in whose folder it lies as `data`.

    In `words` the shop's ids stand for `{slots}`. `prepare`: what lies there, too. `served`: the
    folder is served beside it, by a fake vision. `reads`: folder whose files are read on the way,
    so that it may be cut off at each.

    `waits`: it goes on for ever, or waits for a time, and is ended while it waits. `settles`: the
    jobs of the next hours end it, and then it is done once more. `then`: what is done if it was cut
    off, if it is not the same again. `or_says`: the refusal of what is done again, which says that
    all was done. `leaves`: pattern of what a cut may leave, with the reason in `why`. `code`: its
    exit code.
    """

    words: str
    name: str = ""
    shop: str = "shop"
    prepare: Prepare = lambda folder, shop, run: None
    served: bool = False
    reads: str = ""
    waits: bool = False
    settles: bool = False
    then: tuple[str, ...] = ()
    or_says: str = ""
    leaves: str = ""
    why: str = ""
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
            re.sub(r"\{(\w+)\}", lambda found: slots[found[1]], word) for word in shlex.split(words)
        ]


def _list_names(words: list[str]) -> Iterator[str]:
    group: click.Command = commands
    for word in words:
        command = group.commands.get(word) if isinstance(group, click.Group) else None
        if command is None:
            return
        yield word
        group = command


OURS = ("regulars.", "regulars_mqtt.", "regulars_transfer.")


def list_commands(group: click.Group = commands, names: tuple[str, ...] = ()) -> list[str]:
    """List the names of all commands of ours; other distributions add theirs."""
    found: list[str] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += list_commands(command, (*names, name))
        # those of `call` are made when they are called
        if not isinstance(command, click.Group) or command.invoke_without_command or name == "call":
            callback = command.callback
            is_ours = callback is not None and callback.__module__.startswith(OURS)
            found += [" ".join((*names, name))] if is_ours else []
    return found


def _elsewhere(folder: Path, _shop: Shop, _run: Run) -> None:
    """The folder was served at another place, by another file."""
    place = {"inode": 1, "born_ns": 1, "machine": "", "path": "/before"}
    (folder / "data" / "place.json").write_text(json.dumps(place))


def _nowhere(folder: Path, _shop: Shop, _run: Run) -> None:
    shutil.rmtree(folder / "data")


def _written_down(folder: Path, shop: Shop, _run: Run) -> None:
    """The credentials are in their file."""
    entries = [asdict(shop.credentials)]
    (folder / "data" / "credentials.json").write_text(json.dumps(entries))


def _with_people(folder: Path, shop: Shop, run: Run) -> None:
    """There are people to import, one of whom has a bad picture, and no book so far."""
    _nowhere(folder, shop, run)
    photos = {f"p{seed}": [picture(Person(seed)), picture(Person(seed, 99.0))] for seed in (1, 2)}
    people(folder / "people", **photos, nobody=[picture()])


def _with_receipt(folder: Path, shop: Shop, run: Run) -> None:
    with closing(shop.opened(folder / "data")) as box:
        [erasure] = box.services.erasure.records.list_all("shop")
        (folder / "receipt.json").write_text(json.dumps(erasure.receipt))
        shop.ids["erasure"] = erasure.id


class _Known(FakeVision):
    """A vision whose model is the program's, so that the folder is served."""

    model = packs.read_pack().manifest.embedding.model
    dimensions = packs.read_pack().manifest.embedding.columns


def _backed_up(folder: Path, shop: Shop, run: Run) -> None:
    """Since the backup a key and a hook were deleted, a member removed, a consent withdrawn,
    settings changed and somebody erased, and a document beside it says so."""
    _nowhere(folder, shop, run)
    (folder / "backups").mkdir()
    with closing(Book(folder / "data", vision=_Known())) as book:
        book.clock.advance(datetime.now(UTC) - book.clock.now() - timedelta(days=2))
        services, tenant = book.services, book.tenant
        CredentialsFile(book.folder, services.tenants).rotate_keys("shop")
        for number, name in enumerate(("guest", "gone", "stays")):
            book.enrol(Person(number), faceid=name)
        services.consents.set(tenant, "guest", Consent(Basis.CONSENT, book.clock.now(), "form"))
        key, _ = services.access.keys.add(tenant, "thief", Role.ADMIN)
        hook, _ = services.webhooks.hooks.add("shop", "https://partner.example/")
        member, _ = services.access.members.add(tenant, "Leaver", Role.ADMIN)
        run("backup", "backups/shop.tar")
        book.clock.advance(timedelta(days=1))
        services.access.keys.delete(tenant, key.id)
        services.webhooks.hooks.delete("shop", hook.id)
        services.access.members.delete(tenant, member.id)
        services.consents.withdraw_consent(tenant, "guest")
        services.tenants.change_settings("shop", {"strangers": "forget", "capture_days": 3})
        services.deletion.delete_faces(tenant, ["gone"], by="operator", erase=True)
        book.clock.advance(timedelta(minutes=20))
        services.erasure.steps.continue_all(tenant)
    run("backup", "backups/later.tar")
    (folder / "backups" / "later.tar").unlink()


_NEW_FILE = "is there already, and nothing is written over it"

TENANTS = (
    Act("tenants add shop-2 --strangers forget"),
    Act("tenants rotate shop --yes"),
    Act("tenants set shop --disable", "disabled"),
    Act("tenants set shop --set requests_a_day=1000"),
    Act("tenants renew-signing shop"),
    Act("tenants erase leaves --yes leaves", shop="leaving", or_says="cannot be written to"),
    Act(
        "tenants keys add shop Bo --for compreface --group family",
        "of a dialect",
        leaves="items tenants (api_key|key|maker) ",
        why="keys that nobody has read are listed by `tenants list`, and can be deleted",
    ),
    Act("tenants list"),
    Act("tenants list shop", "one"),
    Act("tenants key shop", prepare=_written_down),
    Act(
        "console --tenant shop --url http://box",
        leaves="items tenants code ",
        why="a code that nobody has seen ends within ten minutes",
    ),
)

BOX = (
    Act(
        "serve --port 0",
        "a new folder",
        prepare=_nowhere,
        waits=True,
        leaves="items tenants maker ",
        why="keys that are made again, since nobody has read the first ones, have a maker",
    ),
    Act("folder copied", "a copy", prepare=_elsewhere),
    Act("folder moved", prepare=_elsewhere),
    Act("redrive", shop="stuck", settles=True),
    Act("call list-captures --state parked --tenant shop", "a list", shop="stuck"),
    Act("call change-hold {eva} --held --reason letter --tenant shop", "a change"),
    Act(
        "backup shop.tar",
        "a file",
        then=("backup shop.tar", "backup shop-2.tar"),
        or_says=_NEW_FILE,
        leaves=r"shop-2\.tar ",
        why="a backup that is whole is one more",
    ),
    Act(
        "restore backups/shop.tar --data again --yes",
        prepare=_backed_up,
        waits=True,
        then=(
            "restore backups/shop.tar --data again --yes",
            *("serve --data again --port 0",) * 2,
        ),
        or_says="is not empty",
        leaves=r"\?\.jpg|message .*chores",
        why="a copy of a picture that nothing names goes with the sweep, a day later, and the "
        "sweep does within the hour what a message would have asked for",
    ),
    Act("config"),
    Act("doctor", code=1),
    Act("models"),
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
    Act("retention --yes", shop="old", settles=True),
    Act("erase --tenant shop --face {eva} --yes", waits=True, settles=True),
    Act("erase --tenant shop --face {eva} --yes", shop="merged", waits=True, settles=True),
    Act("receipt verify receipt.json", shop="erased", prepare=_with_receipt, code=2),
    Act("about --tenant shop --face {eva} --out eva.zip", or_says=_NEW_FILE),
    Act(
        "audit export entries.jsonl --tenant shop",
        shop="closed",
        or_says=_NEW_FILE,
    ),
    Act("audit head --tenant shop", shop="closed"),
    Act("audit verify --tenant shop"),
    Act("audit breach --tenant shop --key {key} --since 2026-01-01"),
    Act("today --tenant shop"),
    Act("report --tenant shop"),
    Act("report --tenant shop --month 2026-03", name="of a closed month", shop="ended"),
    Act("report --tenant shop --day 2026-03-31", name="of a closed day", shop="ended"),
    Act("call get-notice --tenant shop", "a text"),
    Act("privacy record --tenant shop"),
)

TRANSFER = (
    Act(
        "import people --group VIP",
        prepare=_with_people,
        served=True,
        reads="people",
        code=1,
    ),
    Act(
        "export shop.tar",
        prepare=_with_people,
        served=True,
        or_says=_NEW_FILE,
        leaves="items requests ",
        why="what was answered is remembered for a day, in case it is asked again",
    ),
)

ACTS = (*TENANTS, *BOX, *PRIVACY, *TRANSFER)

NOT_WALKED: Mapping[str, str] = {
    "reembed": "tests/faults/test_every_call.py kills its work at each write, as `reembed`",
    "demo": "it writes into a folder of its own, which it takes away, and changes nothing else",
    "compare": "it copies into a folder of its own, which it takes away",
    "mqtt": "it keeps nothing here: what it told the broker it tells once more when it begins",
    "deploy": "tests/regulars/deploy/test_second_days.py cuts it off at each call of AWS",
    "uninstall": "it deletes in home folders; tests/regulars/test_uninstall.py cuts it off",
}
"""Commands that have no row, each with the reason."""

OF_THE_BOX: Mapping[str, str] = {
    "run": "edge/tests/test_killed.py kills it during uploads",
    "upload": "edge/tests/test_killed.py kills it, and its spool sends nothing twice",
    "status": "one transaction each: of what was refused, and of what waits for another shop",
    "check": "it only looks",
    "count": "it writes one film, of which nothing else is made",
    "setup": "it writes its pictures anew, and edge.toml by one rename",
    "claim": "a code is good once: who is cut off before the key is written asks for another",
    "update": "it writes down how far it is, and each run does one step of that",
    "uninstall": "edge/tests/test_uninstall.py: a further run deletes what one cut off has left",
    "completion": "it only prints",
}
"""The commands of `regulars-edge`, each with where it is cut off, or why it is not."""
