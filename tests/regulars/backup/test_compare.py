"""Which copy of a book is newer, and what each older one would bring back."""

import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.standing import Point
from regulars.backup.compare import Copy, describe_order, list_newest
from regulars.backup.preview import Book as ReadBook
from regulars.backup.preview import read_book
from regulars.cli import main
from tests.support.book.book import MONDAY, Book
from tests.support.book.ended_shop import Shop, end_everything, make_shop
from tests.support.book.person import worked_off
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> ReadBook:
    with closing(Book(tmp_path_factory.mktemp("read"))) as book:
        return read_book(book.services, book.tenant)


def compare(capsys: Captured, *places: Path) -> str:
    capsys.readouterr()
    assert main(["compare", *map(str, places)]) == 0
    return capsys.readouterr().out


def find_database(data: Path) -> Path:
    """The file that has the data: the other one is a note."""
    return max(data.glob("regulars.sqlite*"), key=lambda file: file.stat().st_size)


def test_each_older_copy_is_named_with_what_it_would_bring_back(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    """Nights that were copied, a backup, a document and a receipt, named in any order."""
    now, backups = tmp_path / "now", tmp_path / "backups"
    shutil.copytree(shop.data, now)
    shutil.copytree(shop.backup.parent, backups)
    monday = tmp_path / "monday"
    shutil.copytree(now, monday)
    with closing(Book(now)) as book:
        book.services.ports.backups.add(backups)
        book.clock.advance(timedelta(days=20_000))
        end_everything(shop, book)
        book.services.deletion.delete_faces(book.tenant, ["free"], by="first", erase=True)
        worked_off(book)
        app_id = book.tenant.app_id
    [document] = (backups / "receipts" / app_id).glob("stands-*.json")
    [receipt] = {*(backups / "receipts" / app_id).iterdir()} - {document}
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    said = compare(capsys, monday, now)
    assert f"shop: {now} is newer than {monday}" in said
    key = shop.ids["deleted"]
    assert f"shop: would come back: key {key} is open (deleted, admin)" in said
    assert "shop: free would be in the book again" in said
    assert "shop: ann would have a record of consent again" in said
    assert f"shop: by {monday}:" in said
    assert f"by {now}" not in said
    assert compare(capsys, now, monday).count("is newer than") == said.count("is newer than")

    of_monday, of_now = find_database(monday), find_database(now)
    said = compare(capsys, of_monday, of_now)
    assert f"{of_now} is newer than {of_monday}" in said
    assert "shop: free would be in the book again" in said

    said = compare(capsys, document, monday, receipt)
    assert f"{document} is newer than {monday}" in said
    assert f"shop: would come back: key {key} is open" in said
    assert f"{monday} has 1 person whom {receipt} erased" in said
    assert f"{now} has" not in compare(capsys, now, receipt)

    backup = backups / "monday.tar"
    said = compare(capsys, backup, now)
    assert f"{backup}: a restore says: shop: key {key} is deleted" in said
    assert f"{now} is newer than {backup}" in said
    assert f"would come back: key {key}" not in said, "the restore ends it again"

    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert files == before.keys(), "nothing is left, and nothing is gone"
    assert {path for path in files if path.suffix == ".tar" or path.suffix == ".json"} == {
        path
        for path, content in before.items()
        if path.suffix in (".tar", ".json") and content == path.read_bytes()
    }


def test_copies_that_were_used_apart_are_each_ahead_of_the_other(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for copy, seed in ((one, 50), (other, 51)):
        shutil.copytree(shop.data, copy)
        with closing(Book(copy)) as book:
            book.clock.advance(timedelta(days=seed))
            book.services.access.keys.add(book.tenant, f"key {seed}")
            book.enrol(Person(seed), faceid=f"guest-{seed}")
            book.clock.advance(timedelta(hours=3))
            book.sweep()
    said = compare(capsys, one, other)
    assert f"{one} and {other} were used apart: each has acts that the other lacks" in said
    assert "shop: guest-50 would be in the book again" in said
    assert "shop: guest-51 would be in the book again" in said
    shutil.copytree(one, tmp_path / "same")
    assert f"{tmp_path / 'same'} are at the same point" in compare(capsys, one, tmp_path / "same")


def test_of_two_closings_of_a_month_the_higher_number_is_newer(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    """Whatever the clock said, by which they were signed."""
    files = {}
    with closing(Book(shop.data)) as book:
        for name, month, number, at in (
            ("ahead", "2026-03", 1, "2026-04-10T03:00:00.000Z"),
            ("again", "2026-03", 2, "2026-04-01T03:00:00.000Z"),
            ("apart", "2026-03", 2, "2026-04-02T03:00:00.000Z"),
            ("april", "2026-04", 1, "2026-05-01T03:00:00.000Z"),
        ):
            said = {"kind": "figures of a month", "tenant": "shop", "month": month}
            signed = book.services.audit.signing.sign_statement(
                "shop", {**said, "number": number, "at": at}
            )
            files[name] = tmp_path / f"{name}.json"
            files[name].write_bytes(canonical_json(signed))
    said = compare(capsys, *files.values())
    assert f"{files['ahead']}: shop, month 2026-03, number 1, signed 2026-04-10T03" in said
    assert f"{files['again']} is newer than {files['ahead']}\n" in said
    assert f"{files['again']} and {files['apart']} were closed apart" in said
    assert said.count(str(files["april"])) == 1
    assert said.count("is newer") == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no file or folder"),
        (b"{}", "is damaged or not signed"),
        (b"no JSON", "is damaged or not signed: it is not JSON"),
    ],
)
def test_what_is_nothing_of_a_book_is_refused(
    content: bytes | None, told: str, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["compare", str(file)]) == 1
    assert f"{file}" in (said := capsys.readouterr().err)
    assert told in said


# --- the order, by hand
# --------------------------------------------------------------------------


def make_copy(place: str, point: Point, heads: str, waiting: str, read: ReadBook) -> Copy:
    return Copy(place, "shop", point, MONDAY, tuple(heads), frozenset(waiting), read)


NOW = Point("now", 5, {"before": 3}, "key")


@pytest.mark.parametrize(
    ("point", "heads", "waiting", "is_newer", "is_older"),
    [
        (NOW, "ab", "xy", False, False),
        (NOW, "ab", "xyz", True, False),
        (NOW, "ab", "x", False, True),
        (NOW, "ab", "xz", True, True),
        (NOW, "abc", "", True, False),
        (NOW, "a", "bxy", False, True),
        (NOW, "ac", "xy", True, True),
        (NOW, "acd", "", True, True),
        (Point("now", 6, {"before": 3}, "key"), "ab", "xy", True, False),
        (Point("now", 4, {"before": 3}, "key"), "ab", "xy", False, True),
        (Point("now", 4, {"before": 3}, "key"), "abc", "", True, True),
        (Point("before", 3, {}, "key"), "a", "", False, True),
        (Point("before", 4, {}, "key"), "a", "b", True, True),
        (Point("next", 6, {"before": 3, "now": 5}, "other"), "ab", "xyz", True, False),
        (Point("next", 6, {"before": 3, "now": 4}, "other"), "ab", "xyz", True, True),
        (Point("stranger", 9, {}, "key"), "ab", "xy", True, True),
    ],
)
def test_the_order_of_two_copies(
    point: Point, heads: str, waiting: str, *, is_newer: bool, is_older: bool, read: ReadBook
) -> None:
    known = make_copy("known", NOW, "ab", "xy", read)
    copy = make_copy("copy", point, heads, waiting, read)
    expected = {
        (True, True): "copy and known were used apart: each has acts that the other lacks",
        (True, False): "copy is newer than known",
        (False, True): "known is newer than copy",
        (False, False): "copy and known are at the same point",
    }[is_newer, is_older]
    assert describe_order(copy, known) == expected
    assert {one.place for one in list_newest([copy, known])} == (
        {"copy", "known"}
        - ({"known"} if is_newer and not is_older else set())
        - ({"copy"} if is_older and not is_newer else set())
    )
