"""A box whose secrets are sealed by a key file: each command works with it, and nothing in the
folder or its backups has a secret in the clear."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.channels import Channel
from chalicelib.domain.webhooks import Way
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.ports import OtherKey, Update, exists
from regulars.backup.backup import check_box_file, fill_folder, hold_empty_folder
from regulars.backup.owed import Owed, Step
from regulars.cli import main
from regulars.tenants.credentials import FILE, read_credentials
from tests.support.box.server import Server
from tests.support.fakes import FakeClock, FakeVision

VARIABLE = "REGULARS_VAULT_KEY_FILE"
TOKEN = "tk_of_a_channel_0123456789abcdef"
SEALED = "the secrets of this book are sealed: name the file of their key"
BEGAN_WITHOUT = "this book began without a key, and takes none: export its people without it"

Captured = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def any_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let doctor ask for any free port."""
    monkeypatch.setenv("REGULARS_PORT", "0")


def write_key(file: Path) -> Path:
    file.write_text(f"{file.name} of many characters, " * 2)
    file.chmod(0o600)
    return file


@pytest.fixture
def key(tmp_path: Path, monkeypatch: Patch) -> Path:
    """A key file that the environment names, in a folder without regulars.toml."""
    monkeypatch.chdir(tmp_path)
    file = write_key(tmp_path / "key")
    monkeypatch.setenv(VARIABLE, str(file))
    return file


def opened(data: Path, key: Path | None) -> Services:
    settings = Settings(storage=data, vault_key_file=key)
    return build(settings, clock=FakeClock(), vision=FakeVision)


def fill(data: Path, key: Path | None) -> dict[str, str]:
    """Make a shop with each kind of secret that is sealed; return the secrets by their names."""
    assert main(["tenants", "add", "shop", "--strangers", "forget", "--data", str(data)]) == 0
    made = read_credentials(data)["shop"]
    with closing(opened(data, key)) as services:
        hooks, stored = services.webhooks.hooks, services.ports.storage
        _, hook_secret = hooks.add("shop", "https://hooks.example.com/in")
        channel = Channel(Way.SLACK, f"https://slack.example/{TOKEN}")
        hooks.add("shop", None, channel=channel, template="{who}", kinds=["camera.silent"])
        services.webhooks.messages.read_push_key("shop")
        services.audit.signing.read_public_keys("shop")
        signing = stored.items.get(keys.TENANTS, keys.signing_key("shop"))
        push = stored.items.get(keys.HOOKS, keys.push_key("shop"))
        assert signing
        assert push
        push_context = keys.hook_secret("shop", keys.PUSH_KEY)
        return {
            "app_key": made.app_key,
            "secret_access_key": made.secret_access_key,
            "hook": hook_secret,
            "channel": TOKEN,
            "signing": stored.vault.unseal(bytes(signing["sealed"]), "shop/signing"),
            "push": stored.vault.unseal(bytes(push["secret"]), push_context),
        }


def list_forms(secret: str) -> Iterator[bytes]:
    """Yield how a file may have a secret: raw, in hexadecimal, and in base64 wherever it begins."""
    raw = secret.encode()
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode())
    for before in range(3):
        text = b64encode(bytes(before) + raw)
        unsure = -1 if (before + len(raw)) % 3 else None  # its character has bits of what follows
        begin = (0, 2, 3)[before]
        yield text[begin:].rstrip(b"=")[:unsure]


def find_in_the_clear(folder: Path, secrets: dict[str, str]) -> set[str]:
    """Return the names of the secrets that a file of the folder has in some form."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert any(b"SQLite format 3" in content for content in contents)
    return {
        name
        for name, secret in secrets.items()
        if any(form in content for form in list_forms(secret) for content in contents)
    }


def test_no_file_has_a_secret_in_the_clear(tmp_path: Path, key: Path, monkeypatch: Patch) -> None:
    sealed, plain = tmp_path / "sealed", tmp_path / "plain"
    for data, file in ((sealed, key), (plain, None)):
        if file is None:
            monkeypatch.delenv(VARIABLE)
        secrets = fill(data, file)
        (data / FILE).unlink()  # as the page says
        backups = data.with_suffix(".of")
        backups.mkdir()
        assert main(["backup", str(backups / "box.tar"), "--data", str(data)]) == 0
        for folder in (data, backups):  # of the plain one all are found: so they would be
            assert find_in_the_clear(folder, secrets) == (set() if file else secrets.keys())


def test_a_backup_is_restored_with_the_key_and_refused_without(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    secrets = fill(data, key)
    assert main(["backup", str(file), "--data", str(data)]) == 0
    assert key.read_bytes() not in file.read_bytes()
    restore = ["restore", str(file), "--yes", "--data", str(again)]
    with monkeypatch.context() as without:
        without.delenv(VARIABLE)
        for command in (
            restore,
            [*restore, "--new-secrets"],
            ["tenants", "list", "--data", str(data)],
            ["serve", "--port", "0", "--data", str(data)],
        ):
            capsys.readouterr()
            assert main(command) == 2
            told = capsys.readouterr().err
            assert SEALED in told
            assert told.count("\n") == 1
            assert not (again / "regulars.sqlite").exists()
        assert main(["doctor", "--data", str(data)]) == 1
        assert f"failed   settings {SEALED}" in capsys.readouterr().out
    assert main(restore) == 0
    with closing(opened(again, key)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] == secrets["app_key"]
    assert main(["doctor", "--data", str(again)]) == 0


def test_a_backup_whose_key_is_lost_is_restored_with_another_and_new_secrets(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    lost = fill(data, key)
    assert main(["backup", str(file), "--data", str(data)]) == 0
    other = write_key(tmp_path / "other")
    monkeypatch.setenv(VARIABLE, str(other))
    capsys.readouterr()
    restore = ["restore", str(file), "--data", str(again)]
    assert main(restore) == 2
    assert "is not the key that sealed the secrets of this book" in capsys.readouterr().err
    assert main([*restore, "--new-secrets"]) == 0
    told = capsys.readouterr().out
    with closing(opened(again, other)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] in told
        channels = [hook for hook in services.webhooks.hooks.list_all("shop") if hook.way]
        assert [hook.enabled for hook in channels] == [False]
    (again / FILE).unlink()
    assert find_in_the_clear(again, lost) == set()


def test_a_folder_whose_key_is_lost_takes_another_without_a_backup(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured
) -> None:
    data = tmp_path / "data"
    lost = fill(data, key)
    other = write_key(tmp_path / "other")
    monkeypatch.setenv(VARIABLE, str(other))
    capsys.readouterr()
    finish = ["restore", "--finish", "--data", str(data)]
    assert main(finish) == 2
    said = capsys.readouterr().err
    assert (
        "If it is lost, `regulars restore --finish --new-secrets` makes all anew by anoth" in said
    )
    assert "delete" not in said
    assert main([*finish, "--new-secrets"]) == 0
    told = capsys.readouterr().out
    with closing(opened(data, other)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] in told
    (data / FILE).unlink()
    assert find_in_the_clear(data, lost) == set()
    assert main(["doctor", "--data", str(data)]) == 0
    monkeypatch.setenv(VARIABLE, str(key))
    assert main(["tenants", "list", "--data", str(data)]) == 2


def test_a_backup_of_a_plain_book_is_not_restored_with_a_key(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    with monkeypatch.context() as without:
        without.delenv(VARIABLE)
        fill(data, None)
        assert main(["backup", str(file), "--data", str(data)]) == 0
    restore = ["restore", str(file), "--yes", "--data", str(again)]
    for command in (restore, [*restore, "--new-secrets"]):
        capsys.readouterr()
        assert main(command) == 2
        assert BEGAN_WITHOUT in capsys.readouterr().err
        assert not (again / "regulars.sqlite").exists()


@pytest.mark.parametrize("left", [tuple(Step)[1:], (Step.SECRETS, Step.ERASURES), (Step.ERASURES,)])
def test_a_restore_that_was_cut_off_is_not_ended_without_the_key(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured, left: tuple[Step, ...]
) -> None:
    data, again, file = tmp_path / "data", tmp_path / "again", tmp_path / "box.tar"
    secrets = fill(data, key)
    assert main(["backup", str(file), "--data", str(data)]) == 0
    backed_up_at = check_box_file(file).created_at
    with hold_empty_folder(again):
        owed = Owed(str(file), backed_up_at, (Step.FILES, *left), (str(tmp_path),))
        fill_folder(again, file, owed, lambda noted: noted)
    finish = ["restore", "--finish", "--data", str(again)]
    for command in (finish, [*finish, "--new-secrets"]):
        with monkeypatch.context() as without:
            without.delenv(VARIABLE)
            capsys.readouterr()
            assert main(command) == 2
            assert SEALED in capsys.readouterr().err
    assert main(finish) == 0
    with closing(opened(again, key)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert (found[1] == secrets["app_key"]) is (Step.SECRETS not in left)


@pytest.mark.parametrize("was_sealed", [True, False])
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_backup_with_another_key_or_none_is_looked_into(
    tmp_path: Path,
    key: Path,
    monkeypatch: Patch,
    capsys: Captured,
    *,
    was_sealed: bool,
    is_sealed: bool,
) -> None:
    data, before, file = tmp_path / "data", tmp_path / "before", tmp_path / "before.tar"
    former = write_key(tmp_path / "former")
    monkeypatch.setenv(VARIABLE, str(former))
    if not was_sealed:
        monkeypatch.delenv(VARIABLE)
    fill(before, former if was_sealed else None)
    assert main(["backup", str(file), "--data", str(before)]) == 0
    monkeypatch.setenv(VARIABLE, str(key))
    if not is_sealed:
        monkeypatch.delenv(VARIABLE)
    fill(data, key if is_sealed else None)
    capsys.readouterr()
    look = ["audit", "breach", "--tenant", "shop", "--backup", str(file), "--data", str(data)]
    assert main(look) == 0
    state = "sealed by a key that is not in it" if was_sealed else "in the clear"
    assert f"hooks' secrets and channels: {state}\n" in capsys.readouterr().out
    assert main(["restore", "--preview", str(file), "--data", str(data)]) == 0
    assert "alone has this book: it would come back as a whole" in capsys.readouterr().out
    with closing(opened(data, key if is_sealed else None)) as services:
        assert services.tenants.get_by_name("shop"), "the folder itself is as it was"


def test_a_copy_that_is_looked_into_leaves_its_key_as_it_was(tmp_path: Path, key: Path) -> None:
    fill(tmp_path / "data", key)
    copy = Settings(storage=tmp_path / "data", vault_key_file=None, other_key=OtherKey.IGNORED)
    build(copy, clock=FakeClock(), vision=FakeVision).close()
    opened(tmp_path / "data", key).close()


def test_a_demo_begins_beside_a_key(tmp_path: Path, key: Path) -> None:
    key.unlink()
    assert main(["demo", "--once", "--port", "0"]) == 0
    assert os.environ[VARIABLE] == str(key), "of what comes after it"


def test_a_folder_without_shops_whose_key_is_lost_takes_another_too(
    tmp_path: Path, key: Path, monkeypatch: Patch
) -> None:
    data = tmp_path / "data"
    opened(data, key).close()
    monkeypatch.setenv(VARIABLE, str(write_key(tmp_path / "other")))
    assert main(["restore", "--finish", "--new-secrets", "--data", str(data)]) == 0
    assert main(["tenants", "list", "--data", str(data)]) == 0


@pytest.mark.parametrize("is_sealed", [True, False])
def test_new_secrets_that_are_refused_leave_the_folder_to_be_served(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured, *, is_sealed: bool
) -> None:
    data, own, other = tmp_path / "data", key if is_sealed else None, write_key(tmp_path / "other")
    if not is_sealed:
        monkeypatch.delenv(VARIABLE)
    secrets = fill(data, own)
    with monkeypatch.context() as mistaken:
        if is_sealed:
            mistaken.delenv(VARIABLE)
        else:
            mistaken.setenv(VARIABLE, str(other))
        assert main(["restore", "--finish", "--new-secrets", "--data", str(data)]) == 2
        assert (SEALED if is_sealed else BEGAN_WITHOUT) in capsys.readouterr().err
    assert main(["tenants", "list", "--data", str(data)]) == 0
    with closing(opened(data, own)) as services:
        found = services.tenants.find_by_app_id(services.tenants.get_by_name("shop").app_id)
        assert found is not None
        assert found[1] == secrets["app_key"]


def test_another_key_is_the_folders_only_once_it_seals(tmp_path: Path, key: Path) -> None:
    """Else a restore that is cut off before it makes secrets anew would leave none to be read."""
    fill(tmp_path / "data", key)
    other = write_key(tmp_path / "other")
    renewing = Settings(storage=tmp_path / "data", vault_key_file=other, other_key=OtherKey.RENEWED)
    build(renewing, clock=FakeClock(), vision=FakeVision).close()
    opened(tmp_path / "data", key).close()
    with closing(build(renewing, clock=FakeClock(), vision=FakeVision)) as services:
        services.ports.storage.vault.seal("secret", "shop")
    opened(tmp_path / "data", other).close()


@pytest.mark.parametrize("of_tenant", [True, False])
def test_doctor_tells_of_secrets_that_a_version_without_keys_wrote(
    tmp_path: Path, key: Path, capsys: Captured, *, of_tenant: bool
) -> None:
    data = tmp_path / "data"
    fill(data, key)
    doctor = ["doctor", "--data", str(data)]
    assert main(doctor) == 0
    with closing(opened(data, key)) as services:
        [hook] = [hook for hook in services.webhooks.hooks.list_all("shop") if hook.url]
        table, place, name, context = (
            (keys.TENANTS, keys.tenant_item("shop"), "app_key", "shop")
            if of_tenant
            else (keys.HOOKS, ("shop", hook.id), "secret", keys.hook_secret("shop", hook.id))
        )
        plain = PlainVault().seal("0123456789abcdef", context)
        services.ports.storage.items.transact(
            [Update(table, place, (exists("there"),), set={name: plain})]
        )
    capsys.readouterr()
    assert main(doctor) == 1
    said = capsys.readouterr().out
    assert "failed   secrets  shop: a sealed secret is damaged" in said
    assert "with `regulars restore --finish --new-secrets`" in said
    assert main(["restore", "--finish", "--new-secrets", "--data", str(data)]) == 0
    assert main(doctor) == 0


def test_doctor_does_not_warn_of_another_path_of_the_same_key(
    tmp_path: Path, key: Path, monkeypatch: Patch, capsys: Captured
) -> None:
    data, served = tmp_path / "data", write_key(tmp_path / "served")
    served.write_text(key.read_text())
    fill(data, key)
    with monkeypatch.context() as of_service:
        of_service.setenv(VARIABLE, str(served))
        server = Server(data)
    try:
        capsys.readouterr()
        assert main(["doctor", "--data", str(data)]) == 0
        assert VARIABLE not in capsys.readouterr().out
    finally:
        assert server.stop() == 0
