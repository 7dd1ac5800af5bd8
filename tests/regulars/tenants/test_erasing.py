"""`regulars tenants erase`: asked for by the name, cut off and begun again, and told by `regulars
tenants list`."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.privacy.tenant_erasure_progress import RECEIPT_OF_TENANT
from regulars.cli import main
from regulars.options import choose_settings, open_services
from regulars.tenants.credentials import FILE
from tests.support.book.book import Book
from tests.support.book.erased_tenant import traces
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(1), faceid="ann")
    assert main(["tenants", "rotate", "shop", "--yes", "--data", str(tmp_path / "data")]) == 0
    return tmp_path / "data"


def erase(data: Path, *options: str) -> int:
    return main(["tenants", "erase", "shop", "--data", str(data), *options])


@pytest.mark.parametrize("options", [(), ("--yes", "shop-2"), ("--yes", "")])
def test_nothing_goes_until_the_name_is_typed(
    data: Path, tmp_path: Path, capsys: Captured, options: tuple[str]
) -> None:
    assert erase(data, "--receipt", str(tmp_path / "receipt.json"), *options) == 1
    assert "othing was changed" in capsys.readouterr().err
    with closing(Book(data)) as book:
        assert book.faceids() == ["ann"]


def test_it_goes_with_its_keys_and_its_receipt_is_written_and_verified(
    data: Path, tmp_path: Path, capsys: Captured
) -> None:
    receipt = tmp_path / "receipt.json"
    assert erase(data, "--receipt", str(receipt), "--yes", "shop") == 0
    said = capsys.readouterr().out
    assert "shop has 1 face in 2 groups" in said
    assert json.loads(receipt.read_text())["statement"]["kind"] == RECEIPT_OF_TENANT
    assert json.loads((data / FILE).read_text()) == []
    with closing(open_services(choose_settings(data=data))) as services:
        assert services.tenants.list_all() == []
    assert main(["receipt", "verify", str(receipt)]) == 2
    assert "unchanged" in capsys.readouterr().out
    key = json.loads(receipt.read_text())["public_key"]
    assert main(["receipt", "verify", str(receipt), "--key", key]) == 0
    assert main(["tenants", "list", "--data", str(data)]) == 0
    assert "shop  is erased" in capsys.readouterr().out
    assert erase(data, "--receipt", str(receipt)) == 1
    assert "Pass a new, writable file" in capsys.readouterr().err
    assert erase(data, "--receipt", str(tmp_path / "again.json")) == 0
    assert (tmp_path / "again.json").read_text() == receipt.read_text()
    assert main(["tenants", "add", "shop", "--strangers", "forget", "--data", str(data)]) == 1
    assert "no other one gets its name" in capsys.readouterr().err
    names = [str(path.relative_to(data)) for path in data.rglob("*")]
    assert not [one for one in names if "shop" in one], "no folder has its name"


def test_what_was_cut_off_is_listed_and_the_same_command_goes_on(
    data: Path, tmp_path: Path, capsys: Captured
) -> None:
    with closing(Book(data)) as book:
        book.services.erasure.of_tenants.begin("shop", "operator", under_way=timedelta(0))
    assert main(["tenants", "list", "--data", str(data)]) == 0
    assert "`regulars tenants erase shop` continues" in capsys.readouterr().out
    assert erase(data, "--receipt", str(tmp_path / "receipt.json")) == 0
    with closing(Book(data)) as book:
        assert traces(book) == []
