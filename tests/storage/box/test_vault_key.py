"""A data folder whose secrets are sealed by the key of a file: one key a folder, or none."""

import gc
import os
import re
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from hmac import digest
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chalicelib.bootstrap import build
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Profile
from chalicelib.open_storage import DATABASE, open_storage
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, SettingError, Settings
from chalicelib.storage import keys
from chalicelib.storage.box.folder_vault import FolderVault
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.box.vault import make_vault
from chalicelib.storage.ports import Delete, ItemStore, OtherKey, Put
from tests.support.fakes import FakeClock, FakeVision
from tests.support.meanwhile import Interrupted, Meanwhile
from tests.support.storage.torn import tear

SEALED = "the secrets of this book are sealed: name the file of their key by REGULARS_VAULT"
ANOTHER = "is not the key that sealed the secrets of this book"
PLAIN = "this book began without a key, and takes none: export its people"
KEY, OTHER = "key of many characters, " * 2, "another of many characters, " * 2


def write_key(path: Path, text: str = KEY, mode: int = 0o600) -> Path:
    path.write_text(f"{text}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key")


def opened(data: Path, key: Path | None) -> Services:
    settings = Settings(storage=data, vault_key_file=key)
    return build(settings, clock=FakeClock(), vision=FakeVision)


def make_vault_of(items: ItemStore, data: Path, key: Path | None) -> FolderVault:
    return FolderVault(make_vault(key, data), items, OtherKey.REFUSED)


def made(data: Path, key: Path | None) -> str:
    """Make a shop in a folder; return a secret of it."""
    with closing(opened(data, key)) as services:
        return services.tenants.add("shop", Profile.CLOUD).app_key


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
    with pytest.raises(SettingError, match=re.escape(SEALED)):
        opened(data, None)
    with pytest.raises(SettingError, match=ANOTHER):
        opened(data, write_key(tmp_path / "other", OTHER))
    assert read_secret(data, key) == secret


def test_a_folder_that_began_without_a_key_takes_none(tmp_path: Path, key: Path) -> None:
    secret = made(tmp_path / "data", None)
    with pytest.raises(SettingError, match=PLAIN):
        opened(tmp_path / "data", key)
    assert read_secret(tmp_path / "data", None) == secret


def test_a_folder_of_before_there_were_keys_is_plain_and_stays_it(
    tmp_path: Path, key: Path
) -> None:
    data = tmp_path / "data"
    secret = made(data, None)
    with closing(opened(data, None)) as services:
        services.ports.storage.items.transact([Delete(keys.TENANTS, keys.VAULT_ITEM)])
    for _ in range(2):
        with pytest.raises(SettingError, match=PLAIN):
            opened(data, key)
        assert read_secret(data, None) == secret, "and it is noted for the second turn"


@pytest.mark.parametrize("left", ["erased", "signing_key"])
def test_what_an_erasure_left_makes_a_folder_one_that_began_without_a_key(
    tmp_path: Path, key: Path, left: str
) -> None:
    """An older version was killed at it: its record goes first, and a plain key is signed with."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(SqliteItemStore(data / DATABASE, keys.TABLES)) as items:
        items.transact([Put(keys.TENANTS, {"kind": left, "id": "shop", "tenant": "shop"})])
    with pytest.raises(SettingError, match=PLAIN):
        opened(data, key)
    opened(data, None).close()


def test_a_sealed_folder_whose_note_is_lost_gets_no_other_one(tmp_path: Path, key: Path) -> None:
    data = tmp_path / "data"
    made(data, key)
    with closing(opened(data, key)) as services:
        services.ports.storage.items.transact([Delete(keys.TENANTS, keys.VAULT_ITEM)])
    for file in (None, key, write_key(tmp_path / "other", OTHER)):
        with pytest.raises(SettingError, match="what seals the secrets of this book is not noted"):
            opened(data, file)


def test_a_process_without_the_key_seals_nothing_beside_one_with_it(
    tmp_path: Path, key: Path
) -> None:
    """At the first start of a folder, whichever comes first."""
    for number, (first, second) in enumerate([(None, key), (key, None)]):
        data = tmp_path / str(number)
        with closing(opened(data, first)) as services:
            with pytest.raises(SettingError):
                opened(data, second)
            services.tenants.add("shop", Profile.CLOUD)
        assert read_secret(data, first)


FIRST_START = """
import sys
from pathlib import Path
from chalicelib.bootstrap import build
from chalicelib.domain.model import Profile
from chalicelib.settings import SettingError, Settings
from tests.support.fakes import FakeVision

data, key, name = sys.argv[1:]
sys.stdin.readline()
try:
    services = build(
        Settings(storage=Path(data), vault_key_file=Path(key) if key else None), vision=FakeVision
    )
    services.tenants.add(name, Profile.CLOUD)
    services.close()
except SettingError as error:
    print(error)
else:
    print("opened")
"""


def test_of_several_first_starts_with_two_keys_and_none_those_of_one_kind_go_on(
    tmp_path: Path, key: Path
) -> None:
    data, other = tmp_path / "data", write_key(tmp_path / "other", OTHER)
    kinds = [str(key), str(other), ""] * 2
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_START, str(data), kind, f"shop-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, kind in enumerate(kinds)
    ]
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    said = [start.communicate(timeout=120)[0].strip() for start in starts]
    ready = [line == "opened" for line in said]
    assert ready[:3] == ready[3:], said
    assert sum(ready) == 2, said
    with closing(opened(data, Path(text) if (text := kinds[ready.index(True)]) else None)) as found:
        for tenant in found.tenants.list_all():
            assert found.tenants.find_by_app_id(tenant.app_id)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("", 0o600, "has to hold 32 to 4096 random"),
        (KEY[:31], 0o600, "has to hold 32 to 4096 random characters: `openssl rand"),
        (KEY * 200, 0o600, "has to hold 32 to 4096"),
        (KEY + " " * 4096 + "k", 0o600, "has to hold 32 to 4096"),
        ("\0" * 40, 0o600, "has to hold 32 to 4096 random"),
        (KEY, 0o644, "others may read or change .*chmod 600"),
        (KEY, 0o620, "others may read or change"),
    ],
    ids=[
        "empty",
        "short",
        "long",
        "long by white space",
        "a disk's zeros",
        "others read",
        "group writes",
    ],
)
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    file = write_key(tmp_path / "key", text, mode)
    with pytest.raises(SettingError, match=f"vault_key_file: .*{said}"):
        opened(tmp_path / "data", file)


def test_a_key_of_a_kubernetes_secret_is_taken(tmp_path: Path) -> None:
    """It is mounted so with an `fsGroup`: readable by the pod's group, behind two links."""
    mount = tmp_path / "mount"
    (mount / "..2026_11_30").mkdir(parents=True)
    write_key(mount / "..2026_11_30" / "key", mode=0o440)
    (mount / "..data").symlink_to("..2026_11_30")
    (mount / "key").symlink_to("..data/key")
    assert made(tmp_path / "data", mount / "key") == read_secret(tmp_path / "data", mount / "key")


def test_a_path_without_a_file_is_refused(tmp_path: Path) -> None:
    for path, said in (("key", "No such file"), ("", "Is a directory"), ("a\0b", "null byte")):
        with pytest.raises(SettingError, match=f"vault_key_file: .*{said}"):
            opened(tmp_path / "data", tmp_path / path)


def test_what_is_read_only_once_or_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    own, other = os.pipe()
    os.write(other, KEY.encode())
    os.close(other)
    kernels = (Path(f"/dev/fd/{own}"), Path("/dev/zero"), Path("/proc/self/environ"))
    for path in (tmp_path / "pipe", *kernels):
        with pytest.raises(SettingError, match=f"vault_key_file: {path} is no file that stays"):
            opened(tmp_path / "data", path)
    os.close(own)
    assert not (tmp_path / "data" / "secrets").exists()


def test_an_opening_that_is_refused_leaves_no_file_open(tmp_path: Path, key: Path) -> None:
    made(tmp_path / "data", key)
    gc.collect()
    before = len(list(Path("/proc/self/fd").iterdir()))
    refusals = []
    for file in (None, write_key(tmp_path / "other", OTHER), tmp_path / "none") * 3:
        with pytest.raises(SettingError) as refused:
            opened(tmp_path / "data", file)
        refusals.append(refused)  # it holds what it passed
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_key_in_the_folder_that_it_seals_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "secrets").mkdir(parents=True)
    inside = write_key(data / "secrets" / "key")
    (tmp_path / "link").symlink_to(inside)
    (tmp_path / "elsewhere").symlink_to(data)
    for file in (inside, tmp_path / "link", tmp_path / "elsewhere" / "secrets" / "key"):
        with pytest.raises(SettingError, match="is in the data folder"):
            opened(data, file)
    with pytest.raises(SettingError, match="is in the data folder"):
        opened(tmp_path / "elsewhere", inside)


def test_a_stage_refuses_a_key_since_kms_seals_its_secrets(key: Path) -> None:
    stage = AwsStorage("tables", "bucket", "url", "captures", "url", "url", "key")
    settings = Settings(storage=stage, vault_key_file=key)
    with pytest.raises(SettingError, match="is of a box: a stage's secrets are sealed by KMS"):
        open_storage(settings, FakeClock())


def test_what_a_key_sealed_is_as_its_docstring_says(tmp_path: Path, key: Path) -> None:
    """RFC 5869 derives the key."""
    sealed = make_vault(key, tmp_path / "data").seal("naïve", "one")
    taken = digest(digest(bytes(32), KEY.strip().encode(), sha256), b"regulars/vault\x01", sha256)
    assert sealed[:3] == b"RV1"
    assert AESGCM(taken).decrypt(sealed[3:15], sealed[15:], b"one") == "naïve".encode()
    assert len(sealed) == 3 + 12 + len("naïve".encode()) + 16


def test_what_the_same_key_seals_twice_differs(tmp_path: Path, key: Path) -> None:
    vault = make_vault(key, tmp_path / "data")
    assert len({vault.seal("secret", "one") for _ in range(100)}) == 100


@pytest.mark.parametrize("began_with_a_key", [True, False])
def test_of_a_damaged_book_what_is_sealed_is_read_and_nothing_is_sealed(
    tmp_path: Path, key: Path, *, began_with_a_key: bool
) -> None:
    data = tmp_path / "data"
    own = Settings(storage=data, vault_key_file=key if began_with_a_key else None)
    with closing(open_storage(own, FakeClock())) as storage:
        sealed = storage.vault.seal("secret", "one")
        storage.items.transact([Put(keys.TENANTS, {"kind": "tenant", "id": "shop"})])
    tear(data / DATABASE, b"tenants")
    others = Settings(storage=data, vault_key_file=None if began_with_a_key else key)
    for settings in (own, others):
        with closing(open_storage(settings, FakeClock())) as storage:
            with pytest.raises(StorageUnavailable):
                storage.vault.seal("secret", "one")
            if settings is own:
                assert storage.vault.unseal(sealed, "one") == "secret"
            else:
                with pytest.raises(StorageUnavailable):
                    storage.vault.unseal(sealed, "one")


def fail() -> None:
    raise StorageUnavailable("disk I/O error")


def test_an_error_that_passes_does_not_stop_what_is_sealed_later(tmp_path: Path, key: Path) -> None:
    data = tmp_path / "data"
    opened(data, key).close()
    with closing(SqliteItemStore(data / DATABASE, keys.TABLES)) as items:
        disk = Interrupted(items)
        disk.at[1] = fail
        vault = make_vault_of(disk, data, key)
        with pytest.raises(StorageUnavailable):
            vault.seal("secret", "one")
        assert vault.unseal(vault.seal("secret", "one"), "one") == "secret"


def test_a_first_start_that_another_one_outran_takes_what_that_noted(
    tmp_path: Path, key: Path
) -> None:
    for number, (first, second) in enumerate([(None, key), (key, None), (key, key)]):
        data = tmp_path / str(number)
        data.mkdir()
        with closing(SqliteItemStore(data / DATABASE, keys.TABLES)) as items:
            slow = Meanwhile(items)
            slow.first.append(lambda data=data, first=first: made(data, first))
            vault = make_vault_of(slow, data, second)
            if first is second:
                vault.require_own()
            else:
                with pytest.raises(StorageUnavailable):
                    vault.require_own()
                with pytest.raises(StorageUnavailable):
                    vault.seal("secret", "a request of an opening whose check was put off")
        assert read_secret(data, first)


def test_a_first_start_beside_one_that_added_a_shop_after_its_look_takes_its_note(
    tmp_path: Path, key: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with closing(SqliteItemStore(data / DATABASE, keys.TABLES)) as items:
        slow = Interrupted(items)
        slow.at[2] = lambda: made(data, key)
        make_vault_of(slow, data, key).require_own()
    assert read_secret(data, key)


def test_a_note_that_is_damaged_seals_nothing(tmp_path: Path, key: Path) -> None:
    for number, (file, said) in enumerate([(key, ANOTHER), (None, "is damaged")]):
        data = tmp_path / str(number)
        with closing(opened(data, file)) as services:
            items = services.ports.storage.items
            note = items.get(keys.TENANTS, keys.VAULT_ITEM)
            assert note is not None
            items.transact([Put(keys.TENANTS, {**note, "sealed": bytes(note["sealed"])[:-1]})])
        with pytest.raises((SettingError, StorageUnavailable), match=said):
            made(data, file)
