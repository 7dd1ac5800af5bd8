from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.model import Profile
from chalicelib.open_storage import DATABASE
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.values import milliseconds
from regulars.cli import main
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.tenants import KEEPING
from tests.support.storage.torn import tear


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A data folder of two tenants; `shop` says that one more camera fits, and 999 do."""
    with closing(Book(tmp_path / "data")) as book:
        book.see(shot(0, 1, 2), shot(60, 1), *(shot(600 + n, 1) for n in range(40)))
        book.services.tenants.add("other", Profile.CAMERA, KEEPING)
        left = Update(
            keys.CAMERAS, ("shop", keys.CAMERAS_LEFT), (exists("there"),), set={"left": 1}
        )
        book.storage.items.transact([left])
    return tmp_path / "data"


def test_what_does_not_agree_is_a_line_and_the_exit_code_is_1_until_it_is_mended(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "shop: the tenant says that 1 more cameras fit, and 999 do"
    agreed = ": all that is stored agrees\n"
    for options, code, out in (
        ([], 1, f"other{agreed}{wrong}\nshop: `--repair` can mend 1 of 1\n"),
        (["--tenant", "other"], 0, f"other{agreed}"),
        (["--repair"], 0, f"other{agreed}{wrong}: mended\nshop{agreed}"),
        ([], 0, f"other{agreed}shop{agreed}"),
    ):
        assert main(["fsck", "--data", str(book), *options]) == code
        assert capsys.readouterr().out == out


def test_a_damaged_page_is_told_and_all_that_can_be_read_is_checked(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # a page of captures alone
    midst = [milliseconds(MONDAY + timedelta(minutes=600 + n)) for n in range(15, 25)]
    tear(book / DATABASE, *(f'"capture":{{"S":"{at}'.encode() for at in midst))
    assert main(["fsck", "--data", str(book)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("the database is damaged, and what can be read is checked: ")
    assert said[1] == "other: all that is stored agrees"
    assert any(line.startswith("shop: captures: not all of them can be read (") for line in said)
    assert "shop: the tenant says that 1 more cameras fit, and 999 do" in said


def test_a_folder_that_is_served_by_another_process_is_checked(book: Path) -> None:
    with closing(Book(book)) as served:
        served.see(shot(120, 3))
        assert main(["fsck", "--data", str(book), "--tenant", "shop", "--repair"]) == 0
        served.see(shot(180, 3))
    assert main(["fsck", "--data", str(book)]) == 0
