"""`regulars receipt`: whether a receipt is as it was signed, and by whom, without the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core import signing
from regulars.cli import main

PRIVATE, PUBLIC = signing.new_key()
PRINT = signing.fingerprint(PUBLIC)


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    return written(tmp_path, signing.signed({"id": "7", "said": "\u674e"}, PRIVATE))


def written(folder: Path, document: Any) -> Path:
    path = folder / "receipt.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_receipt_is_checked_offline_and_shown(receipt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["receipt", "verify", str(receipt)]) == 0
    out = capsys.readouterr().out
    assert '"said": "\u674e"' in out
    assert PRINT in out


def test_the_signer_is_compared_with_a_key_or_its_fingerprint(
    receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = json.loads(receipt.read_text())["public_key"]
    for given in (public, PRINT, PRINT.upper()):
        assert main(["receipt", "verify", str(receipt), "--key", given]) == 0
    _, another = signing.new_key()
    assert main(["receipt", "verify", str(receipt), "--key", signing.fingerprint(another)]) == 1
    assert PRINT in capsys.readouterr().err
    assert main(["receipt", "verify", str(receipt), "--key", "nonsense"]) == 2


def test_a_receipt_that_was_changed_is_refused(receipt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(receipt.read_text())
    document["statement"]["id"] = "8"
    assert main(["receipt", "verify", str(written(receipt.parent, document))]) == 1
    assert "was changed" in capsys.readouterr().err
    receipt.write_text("no json")
    assert main(["receipt", "verify", str(receipt)]) == 1


def test_the_key_of_a_tenant_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tmp_path / "data")
    assert main(["tenants", "add", "shop", "--data", data]) == 0
    capsys.readouterr()
    assert main(["receipt", "key", "--tenant", "shop", "--data", data]) == 0
    first = capsys.readouterr().out
    assert "fingerprint" in first
    assert main(["receipt", "key", "--tenant", "shop", "--data", data]) == 0
    assert capsys.readouterr().out == first
