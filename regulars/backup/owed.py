"""The list of a restore's remaining steps, in its folder. It exists from before the first file
until all is done, and the folder is not served meanwhile.

The list has what the restore was told, too, so that one command ends it after a kill.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.privacy.standing import Point
from chalicelib.storage.box.blobs import sync_folder
from chalicelib.storage.box.durable import write_durably
from regulars import folder
from regulars.errors import OperatorError

Ask = Callable[[str], bool]
"""Asks a question, and returns whether it is agreed to."""


class Questions(Struct, frozen=True):
    """Questions of a restore; without a terminal no question is asked, and these answers apply.

    `ask_settings`: whether settings are to be as they were last. `ask_to_restore`: whether to
    restore although nothing tells what ended since. `ask_to_leave`: whether to leave out a receipt.
    """

    ask_settings: Ask = lambda _: True
    ask_to_restore: Ask = lambda _: True
    ask_to_leave: Ask = lambda _: False


class Step(StrEnum):
    """Steps of a restore, in this order. Each may be done twice."""

    FILES = "files"
    ACCESSES = "accesses, consents, holds and restrictions"
    SETTINGS = "settings"
    SESSIONS = "sessions"
    LIFE = "another life"
    CLOSINGS = "closed days, weeks and months"
    SECRETS = "new secrets"
    """Only if `--new-secrets` asked for it. Documents are signed with the keys of before, and an
    erasure signs its receipt with the new one."""
    ERASURES = "erasures"


class Known(Struct, frozen=True):
    """Knowledge of a book's history since its backup.

    `point`: when that was made; `newest`: the highest number of a document that tells of the book;
    `until`: the time of that document, by its clock; None: nothing tells of the time since.
    """

    point: Point
    newest: int
    until: datetime | None


class Owed(Struct, frozen=True):
    """List of what a restore has still to do, and of what it was told.

    `file`: the backup; "": the folder came back in another way, as from a disk's snapshot.
    `backed_up_at`: the time of the data. `places`: where documents and receipts lie. `keys`: the
    signers of `--key`. `left`: the steps to do.

    Once the places were looked into: by tenant what is `known`; the ids of the `books`; and
    `receipts`, how many of their erasures there are. Who goes on finds no less.
    """

    file: str
    backed_up_at: datetime
    left: tuple[Step, ...]
    places: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    known: Mapping[str, Known] = msgspec.field(default_factory=dict)
    books: tuple[str, ...] = ()
    receipts: int = 0

    def strike(self, step: Step) -> Owed:
        """Return the list without a step that is done."""
        left = tuple(each for each in self.left if each is not step)
        return replace(self, left=left)

    def add(self, *steps: Step) -> Owed:
        """Return the list with steps that are to be done, or done again."""
        left = tuple(step for step in Step if step in {*self.left, *steps})
        return replace(self, left=left)


@contextmanager
def hold_restore(data: Path) -> Iterator[None]:
    """Let no other process restore into a folder while the block lasts. Raises OperatorError if one
    does.

    The kernel drops the lock with the process, even if killed.
    """
    descriptor = os.open(data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperatorError(f"another process restores {data}: let that one end") from error
        yield
    finally:
        os.close(descriptor)


def read_owed(data: Path) -> Owed | None:
    """Read the list of a folder; None: it has none, since nothing is left to do.

    Raises OperatorError if it is damaged.
    """
    try:
        text = (data / folder.UNFINISHED).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(text, type=Owed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OperatorError(
            f"the list of what the restore of {data} has left to do is damaged: move the folder "
            "away, and restore the backup again"
        ) from error


def note_owed(data: object, owed: Owed) -> None:
    """Write the list into a folder, or remove it if nothing is left. A stage keeps none."""
    if not isinstance(data, Path):
        return
    if owed.left:
        write_durably(data / folder.UNFINISHED, msgspec.json.encode(owed).decode() + "\n")
        return
    (data / folder.UNFINISHED).unlink(missing_ok=True)
    for half_written in data.glob(f".{folder.UNFINISHED}.*"):
        half_written.unlink()
    sync_folder(data)
