"""A data folder whose secrets are sealed by the key of a file: one key a folder, or none."""

import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Profile
from chalicelib.open_storage import DATABASE, open_storage, renew_vault
from chalicelib.services import Services
from chalicelib.settings import SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.box.vault import KeyVault, make_vault
from chalicelib.storage.ports import Put
from tests.support.fakes import FakeClock, FakeVision
from tests.support.storage.torn import tear

NAMED = "the secrets of this book are sealed: name the file of their key by vault_key_file"
ANOTHER = "is not the key that sealed the secrets of this book"
PLAIN = "the secrets of this book were sealed without a key"


def write_key(path: Path, text: str = "k" * 44, mode: int = 0o600) -> Path:
    path.write_text(f"{text}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key")


def opened(data: Path, key: Path | None) -> Services:
    settings = Settings(storage=data, vault_key_file=key)
    return build(settings, clock=FakeClock(), vision=FakeVision)


def made(data: Path, key: Path | None) -> str:
    """Make a shop in a folder; return a secret of it."""
    with closing(opened(data, key)) as services:
        credentials = services.tenants.add("shop", Profile.CLOUD)
        return credentials.app_key


def read_secret(data: Path, key: Path | None) -> str:
    with closing(opened(data, key)) as services:
        app_id = services.tenants.get_by_name("shop").app_id
        found = services.tenants.find_by_app_id(app_id)
        assert found is not None
        return found[1]


def test_a_folder_that_began_with_a_key_opens_by_it_alone(tmp_path: Path, key: Path) -> None:
    data = tmp_path / "data"
    secret = made(data, key)
    assert read_secret(data, key) == secret
    assert read_secret(data, write_key(tmp_path / "copy")) == secret, "the characters are the key"
    with pytest.raises(SettingError, match=re.escape(NAMED)):
        opened(data, None)
    with pytest.raises(SettingError, match=ANOTHER):
        opened(data, write_key(tmp_path / "other", "x" * 44))
    assert read_secret(data, key) == secret


def test_a_folder_that_began_without_a_key_takes_none(tmp_path: Path, key: Path) -> None:
    secret = made(tmp_path / "data", None)
    with pytest.raises(SettingError, match=PLAIN):
        opened(tmp_path / "data", key)
    assert read_secret(tmp_path / "data", None) == secret


def test_a_folder_whose_only_shop_was_erased_is_not_new(tmp_path: Path, key: Path) -> None:
    with closing(opened(tmp_path, None)) as services:
        item = {"kind": keys.ERASED, "id": "shop"}
        services.ports.storage.items.transact([Put(keys.TENANTS, item)])
    with pytest.raises(SettingError, match=PLAIN):
        opened(tmp_path, key)


def test_a_first_start_that_is_cut_after_the_note_goes_on_with_its_key(
    tmp_path: Path, key: Path
) -> None:
    data = tmp_path / "data"
    opened(data, key).close()
    with pytest.raises(SettingError, match=re.escape(NAMED)):
        opened(data, None)
    secret = made(data, key)
    assert read_secret(data, key) == secret


FIRST_START = """
import sys
from pathlib import Path
from chalicelib.open_storage import open_storage
from chalicelib.settings import SettingError, Settings
from chalicelib.storage.in_process import SystemClock

data, key = map(Path, sys.argv[1:])
sys.stdin.readline()
try:
    open_storage(Settings(storage=data, vault_key_file=key), SystemClock()).close()
except SettingError as error:
    print(error)
else:
    print("opened")
"""


def test_of_several_first_starts_with_two_keys_those_of_one_go_on(
    tmp_path: Path, key: Path
) -> None:
    other = write_key(tmp_path / "other", "x" * 44)
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START, str(tmp_path / "data"), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for file in (key, other, key, other)
    ]
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    said = [start.communicate(timeout=120)[0].strip() for start in starts]
    assert sorted(line == "opened" for line in said) == [False, False, True, True]
    assert said[0] == said[2] or said[1] == said[3]
    assert all(line == "opened" or ANOTHER in line for line in said)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("k" * 31, 0o600, "32 random characters or more, .* and not 31"),
        ("k" * 5000, 0o600, "and 4096 at most, .* and not 4097"),
        ("k" * 44, 0o640, "others may read .*chmod 600"),
    ],
    ids=["short", "long", "open to others"],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    file = write_key(tmp_path / "key", text, mode)
    with pytest.raises(SettingError, match=f"vault_key_file: .*{said}"):
        opened(tmp_path / "data", file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        opened(tmp_path / "data", tmp_path / "key")


def test_what_the_same_key_seals_twice_differs(key: Path) -> None:
    vault = make_vault(key)
    assert isinstance(vault, KeyVault)
    sealed = {vault.seal("secret", "one") for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"secret" in one for one in sealed)


def test_a_note_that_is_damaged_is_no_key_of_the_folder(tmp_path: Path, key: Path) -> None:
    opened(tmp_path / "data", key).close()
    storage = open_storage(Settings(storage=tmp_path / "data", vault_key_file=key), FakeClock())
    with closing(storage):
        note = storage.items.get(keys.TENANTS, keys.VAULT_ITEM)
        assert note is not None
        with pytest.raises(StorageUnavailable):
            storage.vault.unseal(bytes(note["sealed"])[:-1], "vault/check")


@pytest.mark.parametrize("began_with_a_key", [True, False])
def test_of_a_damaged_book_what_is_sealed_is_read_and_nothing_is_sealed(
    tmp_path: Path, key: Path, began_with_a_key: bool
) -> None:
    own = Settings(storage=tmp_path, vault_key_file=key if began_with_a_key else None)
    with closing(open_storage(own, FakeClock())) as storage:
        sealed = storage.vault.seal("secret", "one")
        storage.items.transact([Put(keys.TENANTS, {"kind": "tenant", "id": "shop"})])
    tear(tmp_path / DATABASE, b"tenants")
    others = Settings(storage=tmp_path, vault_key_file=None if began_with_a_key else key)
    for settings in (own, others):
        with closing(open_storage(settings, FakeClock())) as storage:
            with pytest.raises(StorageUnavailable, match="no secret can be stored for one: "):
                storage.vault.seal("secret", "one")
            if settings is own:
                assert storage.vault.unseal(sealed, "one") == "secret"
            else:
                with pytest.raises(StorageUnavailable):
                    storage.vault.unseal(sealed, "one")


def test_a_folder_is_given_another_key_or_none_and_its_old_secrets_are_lost(
    tmp_path: Path, key: Path
) -> None:
    data = tmp_path / "data"
    made(data, key)
    other = write_key(tmp_path / "other", "x" * 44)
    for file in (other, None, key):
        for _ in range(2):
            renew_vault(Settings(storage=data, vault_key_file=file), data)
        if file is not key:
            with pytest.raises(StorageUnavailable):
                read_secret(data, file)
    with pytest.raises(SettingError, match=re.escape(NAMED)):
        opened(data, None)
