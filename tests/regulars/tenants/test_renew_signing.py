import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.ports import Put
from regulars.cli import main


class Box:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command, and return what it says."""
        assert main([*command, "--data", str(self.folder)]) == code
        return "".join(self._capsys.readouterr())

    def fingerprint(self) -> str:
        return str(self.read_keys()["fingerprint"])

    def read_keys(self) -> dict[str, Any]:
        return json.loads(self.run("call", "get-signing-key", "--json"))

    def signs(self, done_at: str) -> str:
        """Sign a receipt by the present key, and return its file."""
        with closing(bootstrap.build(Settings(storage=self.folder))) as services:
            document = services.audit.signing.sign_statement(
                "shop", {"kind": "erasure", "done_at": done_at}
            )
        path = self.folder.parent / "receipt.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    def loses_its_key(self) -> None:
        with closing(bootstrap.build(Settings(storage=self.folder))) as services:
            items = services.ports.storage.items
            item = items.get(keys.TENANTS, keys.signing_key("shop"))
            items.transact([Put(keys.TENANTS, {**item, "sealed": b"damaged"})])

    def verifies(self, receipt: str, *options: str) -> int:
        return main(["receipt", "verify", receipt, *options])


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Box:
    made = Box(tmp_path / "data", capsys)
    made.run("tenants", "add", "shop", "--strangers", "forget")
    return made


def test_what_the_old_key_signed_in_its_time_stays_good(box: Box) -> None:
    old, receipt = box.fingerprint(), box.signs("2026-01-01T09:00:00.000Z")
    said = box.run("tenants", "renew-signing", "shop")
    assert f"before that  {old}, from " in said
    assert "it signed the next key" in said
    new = box.fingerprint()
    assert f"fingerprint  {new}\n" in said
    assert new != old
    [earlier] = box.read_keys()["earlier"]
    assert earlier["fingerprint"] == old
    until = earlier["until"]
    assert f"to {until}; it signed" in said
    assert box.verifies(receipt, "--key", old, "--until", until) == 0
    assert box.verifies(receipt, "--key", new) == 1


def test_what_an_old_key_signs_after_its_time_is_refused(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt, old = box.signs("2126-01-01T09:00:00.000Z"), box.fingerprint()
    assert box.verifies(receipt, "--key", old, "--until", "2026-11-22T09:00:00.000Z") == 1
    assert "is dated after 2026-11-22T09:00:00.000Z" in capsys.readouterr().err
    assert box.verifies(receipt, "--until", "yesterday") == 2


def test_a_key_that_cannot_be_read_is_renewed_only_if_it_is_said_to_be_lost(box: Box) -> None:
    old = box.fingerprint()
    box.loses_its_key()
    said = box.run("tenants", "renew-signing", "shop", code=1)
    assert "cannot be read" in said
    assert "--lost" in said
    assert box.fingerprint() == old
    box.run("tenants", "renew-signing", "shop", "--lost")
    assert [one["fingerprint"] for one in box.read_keys()["earlier"]] == [old]
    listed = box.run("call", "list-entries", "--what", "regulars tenants renew-signing", "--json")
    [entry] = json.loads(listed)["entries"]
    assert (entry["by"], entry["details"]["renewal"]["statement"]["old_signature"]) == (
        "operator",
        "",
    )


def test_what_is_no_tenant_is_said(box: Box) -> None:
    assert "there is no tenant 'shup'" in box.run("tenants", "renew-signing", "shup", code=1)
