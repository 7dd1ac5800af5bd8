"""docs/logs.md names every metric that there is, docs/stage.md every alarm, and no other; a
console says what it shows."""

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.domain.model import Profile
from chalicelib.settings import SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from chalicelib.telemetry import UNITS
from infra import template
from regulars.cli import main
from regulars.serve import metrics
from testing.needs import needed
from tests.support.box.server import Server
from tests.support.box.session import DOCS, Session, read
from tests.support.fakes import FakeVision

PAGE = read(DOCS / "operations.md")
LOGS = read(DOCS / "logs.md")
TENANTS = read(DOCS / "tenants.md")
STAGE = read(DOCS / "stage.md")


def rows(heading: str, page: str = LOGS) -> set[str]:
    """What the first column of the tables below a heading names."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for first in firsts for name in re.findall(r"`([^`]+)`", first)}


def test_there_is_a_line_in_the_runbook_for_every_alarm() -> None:
    resources = template.join_parts()["Resources"]
    alarms = {
        name
        for name, resource in resources.items()
        if resource.get("Type") == "AWS::CloudWatch::Alarm"
    }
    assert rows("Alarms", STAGE) == alarms


def test_every_metric_is_explained(tmp_path: Path) -> None:
    assert rows("Logs and metrics") == set(UNITS)
    with closing(bootstrap.build(Settings(storage=tmp_path), vision=FakeVision)) as services:
        families = list(metrics.make_registry(services).collect())
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in families}
    explained = {name.partition("{")[0] for name in rows("Metrics of one box")}
    assert explained == {name for name in names if name.startswith("regulars_")}


def test_doctor_says_of_each_party_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server = Server(tmp_path / "shop")
    block = (
        PAGE.partition("\n### Test external connections\n")[2]
        .partition("```console\n$ regulars ")[2]
        .partition("```")[0]
    )
    command, _, printed = block.partition("\n")
    try:
        assert main(command.split()) == 0
    finally:
        assert server.stop() == 0
    shown = printed.replace("http://127.0.0.1:8000", server.url).splitlines()
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line in shown] == shown


def test_the_commands_about_a_key_of_the_vault_make_a_folder_that_is_sealed(
    tmp_path: Path,
) -> None:
    needed("bash", "openssl")
    block = Session.of("A key of the vault", DOCS / "operations.md").block
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    subprocess.run(["bash", "-euc", block], cwd=tmp_path, env=environment, check=True)
    data = tmp_path / "sealed"
    own = Settings(storage=data, vault_key_file=tmp_path / "vault.key")
    bootstrap.build(own, vision=FakeVision).close()
    with pytest.raises(SettingError, match="the secrets of this book are sealed"):
        bootstrap.build(Settings(storage=data), vision=FakeVision)


def test_the_commands_about_a_lost_signing_key_do_what_the_pages_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARS_DATA", str(tmp_path / "shop"))
    with closing(
        bootstrap.build(Settings(storage=tmp_path / "shop"), vision=FakeVision)
    ) as services:
        services.tenants.add("shop-12", Profile.CAMERA)
        receipt = services.audit.signing.sign_statement(
            "shop-12", {"kind": "erasure", "done_at": "2026-11-21T09:00:00.000Z"}
        )
        (tmp_path / "receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
        key = keys.signing_key("shop-12")
        lost = Update(keys.TENANTS, key, (exists("there"),), set={"sealed": b"lost"})
        services.ports.storage.items.transact([lost])
    assert main(["call", "get-signing-key", "--field", "fingerprint"]) == 0
    fingerprint = capsys.readouterr().out.strip()
    renew, *others = commands_below("A signing key that is lost", TENANTS)
    assert main(renew.removesuffix(" --lost").split()) == 1
    assert [main(command.split()) for command in (renew, *others)] == [0] * 3
    assert fingerprint in capsys.readouterr().out
    [verify] = commands_below("After another key", read(DOCS / "tasks/forget.md"))
    assert main(verify.replace("FINGERPRINT", fingerprint).split()) == 0


def commands_below(heading: str, page: str) -> list[str]:
    block = page.partition(f"\n### {heading}\n")[2].partition("```\n")[2].partition("```")[0]
    return re.findall(r"^regulars (.*)$", block, re.MULTILINE)


def test_the_commands_about_retention_do_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(
        bootstrap.build(Settings(storage=tmp_path / "shop"), vision=FakeVision)
    ) as services:
        services.tenants.add("shop-12", Profile.CAMERA)
    block = TENANTS.partition("\n## Retention\n")[2]
    commands = re.findall(r"^\$ regulars (.*)$", block, re.MULTILINE)
    assert [main(command.split()) for command in (*commands, commands[0])] == [0, 0, 0]
    rows = re.findall(r"stranger +(\d+) ", capsys.readouterr().out)
    assert rows == ["90", "30"]
