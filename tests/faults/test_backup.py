"""`regulars backup` and `regulars restore`, failed and killed at every call to the disk, are done
if done again.

They use no port, so Python's audit events are their calls: opens, links, renames, removals, looks
into folders. Each point is a process of its own, because it is killed by a true kill -9, and
because such a hook is never taken out again.
"""

import errno
import os
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import RegularsError
from chalicelib.open_storage import DATABASE
from chalicelib.settings import Settings
from regulars import folder
from regulars.backup.backup import backup, clear_folder, copy_files, restore
from regulars.backup.owed import Step, note_owed, read_owed
from regulars.errors import OperatorError
from regulars.tenants.credentials import CredentialsFile
from tests.faults.conftest import Points
from tests.support.book.book import Book
from tests.support.faults.shop import Shop
from tests.support.storage.data_folder import everything

DONE, REFUSED, BROKEN, KILLED = 0, 1, 2, -signal.SIGKILL
"""How a process ends. BROKEN: with an error that is not for an operator, which it prints."""


def _fail() -> None:
    raise OSError(errno.EIO, "the disk failed")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FAULTS = {"failed": _fail, "killed": _kill}


def apart(do: Callable[[], object], below: Path, seen: Callable[[str, int], None]) -> int:
    """Do it in a process of its own, and tell `seen` of each of its calls to a file below the
    folder, before each."""
    with warnings.catch_warnings():
        # a fork beside threads: the child uses none of them
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code, number = BROKEN, 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal number
        if any(
            isinstance(one, str | os.PathLike) and os.fspath(one).startswith(str(below))
            for one in arguments
        ):
            number += 1
            seen(event, number)

    try:
        sys.addaudithook(hook)
        do()
        code = DONE
    except (OSError, OperatorError, RegularsError):
        code = REFUSED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


@dataclass
class Place:
    """A folder with a shop's `data`, the `backups` that are made of it, and where they are
    restored, `again`."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def file(self) -> Path:
        return self.root / "backups" / "shop.tar"

    @property
    def again(self) -> Path:
        return self.root / "restored" / "again"

    def back_up(self) -> object:
        return backup(Settings(storage=self.data), self.file)

    def back_up_again(self) -> None:
        """Make the next night's backup, which takes away what a killed one left behind."""
        backup(Settings(storage=self.data), self.file.parent).unlink()

    def restore(self) -> object:
        """Restore the copy, or end a restore that was cut off, as `restore --finish` does."""
        owed = read_owed(self.again)
        if owed is None:
            return restore(Settings(storage=self.again), self.file)
        if Step.FILES in owed.left:
            clear_folder(self.again)
            owed = copy_files(self.again, self.file, owed)
        return note_owed(self.again, owed)

    @property
    def is_restored(self) -> bool:
        """Whether all is copied. A kill before the first file leaves an empty folder."""
        return (self.again / DATABASE).exists() and not (self.again / folder.UNFINISHED).exists()

    def wrong(self, right: dict[str, Any]) -> list[str]:
        """What is not as it was, after both were done: the data, the copy, or files that nobody
        needs."""
        left = [
            path
            for name in (self.file, self.again)
            for path in name.parent.iterdir()
            if path != name
        ]
        left += [path for path in self.data.iterdir() if path.name.startswith(".")]
        return [
            *(f"{path.relative_to(self.root)} is left" for path in left),
            *([] if everything(self.data) == right else ["the data is not as it was"]),
            *([] if everything(self.again) == right else ["what was restored is not as it was"]),
        ]


@pytest.fixture
def ready(shops: dict[str, Shop], tmp_path: Path) -> Place:
    """A shop with its credentials, and a whole backup of it."""
    place = Place(tmp_path / "ready")
    shutil.copytree(shops["shop"].folder, place.data)
    with closing(Book(place.data)) as book:
        CredentialsFile(place.data, book.services.tenants).rotate_keys("shop")
    place.file.parent.mkdir()
    place.again.parent.mkdir()
    place.back_up()
    return place


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_failed_or_killed_at_any_call_to_the_disk_and_done_again_it_is_done(
    what: str, ready: Place, tmp_path: Path, points: Points
) -> None:
    right, calls = everything(ready.data), tmp_path / "calls"
    place = Place(tmp_path / "place")
    do = place.back_up if what == "backup" else place.restore

    def is_made() -> bool:
        return place.file.exists() if what == "backup" else place.is_restored

    def begin() -> None:
        shutil.copytree(ready.root, place.root)
        if what == "backup":
            place.file.unlink()

    def noted(event: str, _number: int) -> None:
        with calls.open("a") as notes:
            print(event, file=notes)

    begin()
    assert apart(do, place.root, noted) == DONE
    shutil.rmtree(place.root)
    every = [
        (at, name, fault)
        for at, name in enumerate(calls.read_text().split("\n")[:-1], 1)
        for fault in FAULTS
    ]
    chosen, tried, wrong = points.chosen(every, what), 0, []
    for at, name, fault in chosen:
        begin()
        happened = tmp_path / "happened"

        def happens(
            _event: str, number: int, at: int = at, fault: str = fault, happened: Path = happened
        ) -> None:
            if number == at:
                happened.touch()
                FAULTS[fault]()

        ended = apart(do, place.root, happens)
        tried += happened.exists()
        happened.unlink(missing_ok=True)
        found = (
            [f"ended with {ended}"]
            if ended not in {"failed": (DONE, REFUSED), "killed": (KILLED,)}[fault]
            else []
        )
        if ended == DONE and not is_made():
            found.append("it said that it was done, and nothing was made")
        if not is_made():
            do()
        if what == "backup":
            place.restore()
            place.back_up_again()
        wrong += [f"{fault} at call {at}, {name}: {one}" for one in [*found, *place.wrong(right)]]
        shutil.rmtree(place.root)
    points.told(len(every), tried, len(chosen) - tried, tried)
    assert not wrong, "\n".join(wrong)
