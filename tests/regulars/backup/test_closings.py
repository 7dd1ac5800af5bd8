"""What was closed since a backup is closed after its restore: the signed sheet is in somebody's
hands."""

import json
import shutil
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from chalicelib.book.week import Week
from chalicelib.bootstrap import build
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.periods import Period
from chalicelib.privacy import signing
from chalicelib.settings import Settings
from regulars.backup.beside import write_beside_backups
from regulars.cli import main
from tests.support.book.book import Book, shot
from tests.support.book.tenants import KEEPING
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision
from tests.support.storage.failing import KILLED, Calls, Killed

DAY = 24 * 60
MARCH = Period(Granularity.MONTH, date(2026, 3, 1))
CLOSED_AT = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
Captured = pytest.CaptureFixture[str]


class Shop:
    """Five visits in March, a backup of the 28th, and the month's end."""

    def __init__(self, folder: Path) -> None:
        self.data, self.backups = folder / "data", folder / "backups"
        self.backup = self.backups / "before.tar"
        self.backups.mkdir()
        with closing(Book(self.data, settings=KEEPING)) as book:
            book.see(*(shot(DAY * day, who) for day, who in ((0, 1), (0, 2), (2, 1), (9, 1))))
        assert main(["backup", str(self.backup), "--data", str(self.data)]) == 0

    def close_month(self, **of_book: object) -> None:
        with closing(Book(self.data, **of_book)) as book:
            book.clock.advance(CLOSED_AT - book.clock.now())
            book.services.sweep.sweep_tenant(book.tenant, CLOSED_AT, ["periods"], is_part=True)

    def list_outside(self, folder: Path | None = None) -> list[str]:
        names = [file.name for file in (folder or self.backups).rglob("closed/*/month-*.json")]
        return sorted(name.rpartition("-")[0] for name in names)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def restore(shop: Shop, name: str = "again", *options: str) -> Path:
    data = shop.data.with_name(name)
    command = ["restore", str(shop.backup), "--data", str(data), "--yes"]
    assert main([*command, *options]) == 0
    return data


def read(data: Path) -> tuple[Week, str]:
    """The figures, and what proves them."""
    with closing(Book(data)) as book:
        book.clock.advance(CLOSED_AT - book.clock.now())
        sheet = book.services.audit.periods.read(book.tenant, MARCH)
        return sheet.week, sheet.proof


def list_closings(data: Path) -> list[int]:
    with closing(Book(data)) as book:
        entries = book.services.audit.chain.walk_entries("shop")
        closings = [e for e in entries if (e["what"], e.get("of")) == ("month closed", "2026-03")]
        return [entry["number"] for entry in closings]


def test_a_month_that_was_closed_since_is_closed_after_the_restore(
    shop: Shop, capsys: Captured
) -> None:
    shop.close_month()
    sheet = read(shop.data)
    assert shop.list_outside() == ["month-2026-03-1"], "it lies there at once"
    capsys.readouterr()
    again = restore(shop)
    assert (
        "shop: the figures of the closed month 2026-03 are stored again" in capsys.readouterr().out
    )
    assert (read(again), list_closings(again)) == (sheet, [1])
    assert main(["audit", "verify", "--tenant", "shop", "--data", str(again)]) == 0


def test_it_is_closed_after_the_restore_by_a_witness_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (witness := tmp_path / "witness").mkdir()
    shutil.move(shop.backups, tmp_path / "elsewhere")
    monkeypatch.setenv("REGULARS_WITNESS", str(witness))
    settings = Settings(storage=shop.data, witness=str(witness), **UNHURRIED)
    with closing(build(settings, clock=FakeClock(CLOSED_AT), vision=FakeVision)) as services:
        tenant = services.tenants.get_by_name("shop")
        services.sweep.sweep_tenant(tenant, CLOSED_AT, ["periods"], is_part=True)
        assert shop.list_outside(witness) == ["month-2026-03-1"]
    shop.backup = tmp_path / "elsewhere" / "before.tar"
    assert read(restore(shop)) == read(shop.data)


@pytest.mark.parametrize("is_away", [False, True], ids=["cut off", "disk away"])
def test_what_could_not_be_written_outside_is_written_by_the_schedule(
    shop: Shop, is_away: bool
) -> None:
    away = shop.backups.with_name("away")
    if is_away:
        shop.backups.rename(away)
    shop.close_month()
    if is_away:
        away.rename(shop.backups)
    else:
        shutil.rmtree(shop.backups / "closed")
    assert shop.list_outside() == []
    with closing(Book(shop.data)) as book:
        assert list(write_beside_backups(book.services)) == []
    assert shop.list_outside() == ["month-2026-03-1"]


def test_the_highest_number_counts_whatever_time_it_says(shop: Shop) -> None:
    """As it was closed first by a clock that was ahead."""
    shop.close_month()
    [first] = shop.backups.rglob("closed/*/month-*.json")
    with closing(Book(shop.data)) as book:
        statement = json.loads(first.read_text())["statement"]
        second = {**statement, "number": 2, "at": "2026-03-20T01:00:00.000Z", "staff": 3}
        signed = book.services.audit.signing.sign_statement("shop", second)
    first.with_name("month-2026-03-2-x.json").write_bytes(signing.canonical_json(signed))
    again = restore(shop)
    assert read(again)[0].staff == 3
    assert list_closings(again) == [2]


def test_what_another_signed_or_damaged_is_said_and_left_aside(
    shop: Shop, capsys: Captured
) -> None:
    shop.close_month()
    [first] = shop.backups.rglob("closed/*/month-*.json")
    statement = json.loads(first.read_text())["statement"]
    strange = signing.sign_statement({**statement, "number": 9}, signing.new_key()[0])
    first.with_name("month-strange.json").write_bytes(signing.canonical_json(strange))
    first.with_name("month-damaged.json").write_text(
        first.read_text().replace('"staff":0', '"staff":3')
    )
    first.with_name("month-cut.json").write_text(first.read_text()[:90])
    capsys.readouterr()
    again = restore(shop)
    said = capsys.readouterr().out
    for name, why in (
        ("strange", "was no key of this tenant"),
        ("damaged", "the signature is not of this statement"),
        ("cut", "it is not JSON"),
    ):
        assert f"month-{name}.json is left aside: " in said
        assert why in said
    assert read(again) == read(shop.data)


def test_two_of_one_number_are_said_and_none_is_taken(shop: Shop, capsys: Captured) -> None:
    shop.close_month()
    [first] = shop.backups.rglob("closed/*/month-*.json")
    with closing(Book(shop.data)) as book:
        statement = {**json.loads(first.read_text())["statement"], "staff": 3}
        signed = book.services.audit.signing.sign_statement("shop", statement)
    first.with_name("month-2026-03-1-x.json").write_bytes(signing.canonical_json(signed))
    capsys.readouterr()
    again = restore(shop)
    assert "contradict each other, and are left aside" in capsys.readouterr().out
    with pytest.raises(InvalidInput, match="2026-03 was not closed"):
        read(again)


def test_a_restore_that_is_cut_off_at_a_write_stores_each_once(shop: Shop, tmp_path: Path) -> None:
    shop.close_month()
    sheet = read(shop.data)
    documents = {file.name: file.read_bytes() for file in shop.backups.rglob("closed/*/*.json")}
    shutil.rmtree(shop.backups / "closed")
    before = restore(shop, "before")
    number = 0
    while True:
        number += 1
        calls = Calls()
        shutil.copytree(before, folder := tmp_path / f"cut {number}", symlinks=True)
        with closing(Book(folder, wrap=calls.wrap)) as cut:
            calls.fail(number, KILLED)
            with suppress(Killed):
                list(cut.services.audit.periods.restore(cut.tenant, documents))
        with closing(Book(folder)) as after:
            list(after.services.audit.periods.restore(after.tenant, documents))
        assert (read(folder), list_closings(folder)) == (sheet, [1])
        if not calls.dead:
            break
    assert number > 3


@pytest.mark.parametrize("times", [1, 2])
def test_it_stays_closed_with_new_secrets(shop: Shop, times: int) -> None:
    shop.close_month()
    sheet = read(shop.data)
    again = restore(shop, "again", "--new-secrets")
    for _ in range(times - 1):
        command = ["restore", "--finish", "--new-secrets", "--yes", "--data", str(again)]
        assert main(command) == 0
    assert read(again) == sheet


def test_it_is_closed_also_if_the_signing_key_was_renewed_since(shop: Shop) -> None:
    with closing(Book(shop.data)) as book:
        book.services.audit.signing.renew_key("shop")
        key = signing.fingerprint(book.services.audit.signing.read_public_keys("shop").current)
    shop.close_month()
    again = restore(shop, "again", "--key", key)
    assert read(again) == read(shop.data)
