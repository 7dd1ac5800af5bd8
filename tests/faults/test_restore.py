"""A restore that is killed at any write to its records, and then ended, gives nothing back."""

from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

from regulars import folder
from regulars.backup.backup import check_box_file, fill_folder, hold_empty_folder
from regulars.backup.owed import Owed, Questions, Step, read_owed
from regulars.backup.restoring import end_restore
from regulars.cli import main
from tests.faults.conftest import Points
from tests.support.book.book import Book
from tests.support.book.ended_shop import Shop, end_shop, make_shop, require_nothing_back
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Fault, Killed

_NEVER = 1_000_000


def cut_off(shop: Shop, again: Path, at: int, fault: Fault) -> Calls:
    """Restore the shop into a folder, killed at this write of its records; return the calls."""
    backed_up_at = check_box_file(shop.backup).created_at
    left = tuple(step for step in Step if step is not Step.SECRETS)
    owed = Owed(str(shop.backup), backed_up_at, left, (str(shop.backup.parent),))
    with hold_empty_folder(again):
        fill_folder(again, shop.backup, owed, lambda owed: owed)
    calls = Calls()
    with closing(Book(again, wrap=calls.wrap)) as book:
        book.clock.advance(timedelta(days=20_001))
        calls.fail(at, fault, "items.transact")
        with suppress(Killed):
            go_on(book, again)
    return calls


def go_on(book: Book, again: Path) -> None:
    owed = read_owed(again)
    assert owed, "the list stays until all is done"
    for _ in end_restore(book.services, owed, Questions()):
        pass


def read_number(again: Path, life: str) -> tuple[int | None, int]:
    """The number at which the book left a life, and that of now."""
    with closing(Book(again)) as book:
        point = book.services.access.standing.read(book.tenant).point
        assert point.life != life
        return point.find_left(life), point.number


def test_a_restore_that_is_killed_at_any_write_and_ended_gives_nothing_back(
    tmp_path: Path, points: Points
) -> None:
    (tmp_path / "place").mkdir()
    shop = make_shop(tmp_path / "place")
    end_shop(shop, tmp_path / "later")
    later = str(shop.backup.with_name("tuesday.tar"))
    assert main(["backup", later, "--data", str(tmp_path / "later")]) == 0
    whole = cut_off(shop, tmp_path / "whole", _NEVER, KILLED)
    writes = whole.names.count("items.transact")
    assert writes > len(shop.ids)
    every = [(at, fault) for at in range(1, writes + 1) for fault in (KILLED, DONE_KILLED)]
    chosen = points.chosen(every, "restore", 4)
    with closing(Book(shop.data)) as book:
        lived = book.tenant.life
    backed_up, goes_on = read_number(tmp_path / "whole", lived)
    assert backed_up < goes_on
    for at, fault in chosen:
        again = tmp_path / f"{fault.name} {at}"
        assert cut_off(shop, again, at, fault).dead, (at, fault.name)
        with closing(Book(again)) as book:
            book.clock.advance(timedelta(days=20_001))
            go_on(book, again)
        folder.require_finished(again)
        require_nothing_back(again, shop)
        left, number = read_number(again, lived)
        assert left == backed_up, "its documents say that they tell of this backup, too"
        assert number >= goes_on
    points.told(len(every), len(chosen), 0, len(chosen))
