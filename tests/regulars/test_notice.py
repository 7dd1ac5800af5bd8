"""`regulars notice` prints the notice of a tenant, and says what is still to be filled in."""

from __future__ import annotations

from pathlib import Path

import pytest

from regulars.cli import main


def test_the_notice_is_printed_as_text_and_as_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(tmp_path / "data")
    assert main(["tenants", "add", "shop", "--data", data, "--controller", "Ann Lee Ltd"]) == 0
    capsys.readouterr()
    assert main(["notice", "--tenant", "shop", "--data", data]) == 0
    printed = capsys.readouterr()
    assert "Ann Lee Ltd" in printed.out
    assert "regulars tenants set shop --contact TEXT" in printed.err
    assert main(["tenants", "set", "shop", "--data", data, "--contact", "at the till"]) == 0
    capsys.readouterr()
    assert main(["notice", "--tenant", "shop", "--language", "zh", "--html", "--data", data]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith('<!doctype html><html lang="zh">')
    assert "at the till" in printed.out
    assert printed.err == ""
