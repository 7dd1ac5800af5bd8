"""A box whose secrets are sealed by a key file: each command works with it, and nothing in the
folder has a secret in the clear."""

from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.auth.roles import Role
from chalicelib.bootstrap import build
from chalicelib.domain.channels import Channel
from chalicelib.domain.webhooks import Way
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from regulars.cli import main
from regulars.tenants.credentials import FILE, read_credentials
from tests.support.fakes import FakeClock, FakeVision

TOKEN = "tk_of_a_channel_0123456789abcdef"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file that the environment names, in a folder without regulars.toml."""
    file = tmp_path / "key"
    file.write_text("a key of many characters, " * 2)
    file.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARS_VAULT_KEY_FILE", str(file))
    return file


def opened(data: Path, key: Path) -> Services:
    settings = Settings(storage=data, vault_key_file=key)
    return build(settings, clock=FakeClock(), vision=FakeVision)


def fill(data: Path, key: Path) -> list[str]:
    """Make a shop with each kind of secret; return the secrets."""
    assert main(["tenants", "add", "shop", "--strangers", "keep", "--data", str(data)]) == 0
    made = read_credentials(data)["shop"]
    with closing(opened(data, key)) as services:
        tenant = services.tenants.get_by_name("shop")
        hooks = services.webhooks.hooks
        _, hook_secret = hooks.add("shop", "https://hooks.example.com/in")
        channel = Channel(Way.SLACK, f"https://slack.example/{TOKEN}")
        hooks.add("shop", None, channel=channel, template="{who}", kinds=["camera.silent"])
        services.audit.signing.read_public_keys("shop")
        signing = services.ports.storage.items.get(keys.TENANTS, keys.signing_key("shop"))
        assert signing is not None
        private = services.ports.storage.vault.unseal(bytes(signing["sealed"]), "shop/signing")
        _, api_key = services.access.keys.add(tenant, "till", Role.OPERATOR)
    return [made.app_key, made.secret_access_key, hook_secret, private, api_key, TOKEN]


def test_no_file_of_the_folder_has_a_secret_in_the_clear(tmp_path: Path, key: Path) -> None:
    data = tmp_path / "data"
    secrets = fill(data, key)
    (data / FILE).unlink()  # as the page says
    files = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.name.startswith("regulars.sqlite") for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path


def test_a_backup_is_restored_with_the_key_and_refused_without(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    secrets = fill(data, key)
    assert main(["backup", str(file), "--data", str(data)]) == 0
    assert key.read_bytes() not in file.read_bytes()
    restore = ["restore", str(file), "--after", "none", "--yes", "--data", str(again)]
    with monkeypatch.context() as without:
        without.delenv("REGULARS_VAULT_KEY_FILE")
        for command in (restore, ["tenants", "list", "--data", str(data)]):
            capsys.readouterr()
            assert main(command) == 2
            told = capsys.readouterr()
            assert "name the file of their key by vault_key_file" in told.err
            assert told.err.count("\n") == 1
        assert not (again / "regulars.sqlite").exists()
    assert main(restore) == 0
    with closing(opened(again, key)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] == secrets[0]
    for command in (["fsck"], ["doctor", "--port", "0"], ["drill", "--tenant", "shop"]):
        assert main([*command, "--data", str(again)]) == 0, command


@pytest.mark.parametrize("present", ["another", "none"])
def test_a_backup_whose_key_is_lost_is_restored_with_new_secrets(
    tmp_path: Path,
    key: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    present: str,
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    lost = fill(data, key)
    assert main(["backup", str(file), "--data", str(data)]) == 0
    capsys.readouterr()
    if present == "another":
        key.write_text("another key of many characters " * 2)
    else:
        monkeypatch.delenv("REGULARS_VAULT_KEY_FILE")
    restore = ["restore", str(file), "--after", "none", "--new-secrets", "--data", str(again)]
    assert main(restore) == 0
    told = capsys.readouterr().out
    assert not [secret for secret in lost if secret in told]
    settings = Settings(storage=again, vault_key_file=key if present == "another" else None)
    with closing(build(settings, clock=FakeClock(), vision=FakeVision)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] in told
    assert main(["fsck", "--data", str(again)]) == 0


def test_a_book_without_a_key_gets_one_by_a_backup(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    with monkeypatch.context() as without:
        without.delenv("REGULARS_VAULT_KEY_FILE")
        assert main(["tenants", "add", "shop", "--strangers", "keep", "--data", str(data)]) == 0
        assert main(["backup", str(file), "--data", str(data)]) == 0
    restore = ["restore", str(file), "--after", "none", "--new-secrets", "--data", str(again)]
    assert main(restore) == 0
    with closing(opened(again, key)) as services:
        assert services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)


def test_doctor_says_that_the_key_is_not_named(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "data", key)
    monkeypatch.delenv("REGULARS_VAULT_KEY_FILE")
    assert main(["doctor", "--port", "0", "--data", str(tmp_path / "data")]) == 1
    assert "failed   settings the secrets of this book are sealed" in capsys.readouterr().out


def test_people_are_exported_from_a_folder_whose_file_of_settings_names_the_key(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "data", key)
    monkeypatch.delenv("REGULARS_VAULT_KEY_FILE")
    (tmp_path / "regulars.toml").write_text('vault_key_file = "key"\n')
    assert main(["export", "people.tar", "--data", str(tmp_path / "data")]) == 0
