import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec.structs import asdict

from chalicelib.book.tenants import Tenants
from chalicelib.domain.errors import InvalidInput, TenantExists, TenantNotFound
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage import keys
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.in_process import SystemClock
from regulars.errors import DamagedFile, NotWrittenDown
from regulars.tenants.credentials import FILE, CredentialsFile, find_machine_zone, read_credentials
from tests.support.book.book_with import book_of

pytestmark = pytest.mark.disk


class Killed(BaseException):
    """The process ends here."""


class DyingTenants(Tenants):
    """Tenants in whose process a kill falls just after a change of the store."""

    def add(
        self, name: str, profile: Profile, settings: TenantSettings | None = None
    ) -> Credentials:
        super().add(name, profile, settings)
        raise Killed

    def rotate_keys(self, name: str) -> Credentials:
        super().rotate_keys(name)
        raise Killed


class FillingTenants(Tenants):
    """Tenants in whose process the disk is full after a change of the store."""

    data: Path

    def rotate_keys(self, name: str) -> Credentials:
        credentials = super().rotate_keys(name)
        (self.data / f".{FILE}.{os.getpid()}.partial").mkdir()
        return credentials


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


Kind = TypeVar("Kind", bound=Tenants)


def book(data: Path, kind: type[Kind] = Tenants) -> Kind:  # type: ignore[assignment]
    items = SqliteItemStore(data / "items.db", keys.TABLES)
    return kind(book_of(items, SystemClock(), vault=PlainVault(), model=lambda: "fake"))


def app_key(tenants: Tenants, entry: Credentials) -> str | None:
    """The key that the store has of the entry's app."""
    signer = tenants.find_by_app_id(entry.app_id)
    return signer and signer[1]


def assert_all_usable(data: Path, names: set[str]) -> None:
    tenants = book(data)
    entries = read_credentials(data)
    assert {tenant.name for tenant in tenants.list_all()} == names == set(entries)
    for name, entry in entries.items():
        signer = tenants.find_by_app_id(entry.app_id)
        assert (signer[0].name, signer[1]) == (name, entry.app_key)
        bearer = tenants.find_by_appcode(entry.appcode)
        assert (bearer.name, bearer.profile) == (name, entry.profile)
        assert tenants.find_by_api_key(entry.api_key) == bearer


def test_an_empty_folder_gets_one_tenant_with_the_limits_of_no_dialect(data: Path) -> None:
    CredentialsFile(data, book(data)).provide()
    assert_all_usable(data, {"shop"})
    assert book(data).get_by_name("shop").time_zone == find_machine_zone()
    assert (data / FILE).stat().st_mode & 0o777 == 0o600
    entries = json.loads((data / FILE).read_text())
    assert [(entry["tenant"], entry["profile"]) for entry in entries] == [("shop", "cloud")]
    secrets = ["app_key", "appcode", "api_key", "access_key_id", "secret_access_key"]
    assert all(list(entry) == ["tenant", "profile", "app_id", *secrets] for entry in entries)
    assert all(len(entry[name]) >= 20 for entry in entries for name in secrets)


@pytest.mark.parametrize(
    ("machine", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":America/St_Johns", "America/St_Johns"),
        ("CET-1CEST", "Etc/UTC"),
        ("Nowhere/Town", "Etc/UTC"),
    ],
)
def test_the_zone_of_the_machine_is_read_from_it_and_utc_if_it_has_no_name(
    machine: str, zone: str
) -> None:
    program = (
        "from regulars.tenants.credentials import find_machine_zone; print(find_machine_zone())"
    )
    asked = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(
        asked, capture_output=True, text=True, check=True, env={**os.environ, "TZ": machine}
    )
    assert done.stdout.strip() == zone


def test_a_second_start_changes_nothing(data: Path) -> None:
    CredentialsFile(data, book(data)).provide()
    before = (data / FILE).read_bytes()
    CredentialsFile(data, book(data)).provide()
    assert (data / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "names", [("shop-1",), ("camera", "cloud")], ids=["added before", "of an earlier version"]
)
def test_a_folder_that_has_tenants_gets_no_other(data: Path, names: tuple[str, ...]) -> None:
    for name in names:
        CredentialsFile(data, book(data)).add(name, Profile.CLOUD, TenantSettings())
    assert CredentialsFile(data, book(data)).provide() == []
    assert_all_usable(data, {*names})


def test_keys_are_not_changed_behind_the_back_of_an_operator_who_moved_the_file_away(
    data: Path,
) -> None:
    tenants = book(data)
    CredentialsFile(data, tenants).provide()
    entry = read_credentials(data)["shop"]
    (data / FILE).unlink()
    (complaint,) = CredentialsFile(data, tenants).provide()
    assert not (data / FILE).exists()
    assert f"{data / FILE} has no valid keys of shop" in complaint
    assert f"`regulars tenants rotate shop --data {data}`" in complaint
    assert app_key(tenants, entry) == entry.app_key


@pytest.mark.parametrize("change", [CredentialsFile.provide, lambda file: file.rotate_keys("shop")])
def test_keys_that_a_kill_lost_are_complained_of_until_new_ones_are_made(
    data: Path, change: Callable[[CredentialsFile], object]
) -> None:
    if change is not CredentialsFile.provide:
        CredentialsFile(data, book(data)).provide()
    with pytest.raises(Killed):
        change(CredentialsFile(data, book(data, DyingTenants)))
    (complaint,) = CredentialsFile(data, book(data)).provide()
    assert f"`regulars tenants rotate shop --data {data}` replaces them" in complaint
    CredentialsFile(data, book(data)).rotate_keys("shop")
    assert CredentialsFile(data, book(data)).provide() == []
    assert_all_usable(data, {"shop"})


def test_rotation_changes_the_secrets_and_keeps_the_app_id(data: Path) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    before = read_credentials(data)["shop"]
    after = credentials.rotate_keys("shop")
    assert after.app_id == before.app_id
    assert after.app_key != before.app_key
    assert after.appcode != before.appcode
    assert after.api_key != before.api_key
    assert_all_usable(data, {"shop"})


def test_a_refused_change_leaves_nothing_open(data: Path) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    with pytest.raises(TenantExists):
        credentials.add("shop", Profile.CLOUD, TenantSettings())
    with pytest.raises(InvalidInput):
        credentials.add("Bad Name", Profile.CLOUD, TenantSettings())
    with pytest.raises(TenantNotFound):
        credentials.rotate_keys("nobody")
    assert_all_usable(data, {"shop"})


def test_keys_that_do_not_work_are_complained_of_unless_their_tenant_is_disabled(
    data: Path,
) -> None:
    tenants = book(data)
    CredentialsFile(data, tenants).provide()
    tenants.rotate_keys("shop")
    assert len(CredentialsFile(data, tenants).provide()) == 1
    tenants.disable("shop")
    assert CredentialsFile(data, tenants).provide() == []


DAMAGED = ["", "{", "{}", '["x"]', '[{"tenant": "a"}]', "[" * 100_000]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_change_that_cannot_be_written_down_is_not_made(data: Path, text: str) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    before = read_credentials(data)
    (data / FILE).write_text(text)
    for change in (
        lambda: credentials.rotate_keys("shop"),
        lambda: credentials.add("other", Profile.CLOUD, TenantSettings()),
    ):
        with pytest.raises(DamagedFile, match=FILE):
            change()
    assert (data / FILE).read_text() == text
    (data / FILE).write_text(json.dumps([asdict(entry) for entry in before.values()]))
    assert credentials.provide() == []
    assert read_credentials(data) == before
    assert_all_usable(data, {"shop"})


@pytest.mark.parametrize("text", DAMAGED)
def test_a_start_with_a_damaged_file_says_so_and_changes_nothing(data: Path, text: str) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    entry = read_credentials(data)["shop"]
    (data / FILE).write_text(text)
    with pytest.raises(DamagedFile, match=r"credentials\.json"):
        read_credentials(data)
    (complaint,) = credentials.provide()
    assert str(data / FILE) in complaint
    assert f"`regulars tenants rotate NAME --data {data}`" in complaint
    assert (data / FILE).read_text() == text
    assert app_key(book(data), entry) == entry.app_key


def test_keys_that_were_made_and_cannot_be_written_down_are_handed_out(data: Path) -> None:
    CredentialsFile(data, book(data)).provide()
    filling = book(data, FillingTenants)
    filling.data = data
    with pytest.raises(NotWrittenDown, match="keys of shop printed above") as caught:
        CredentialsFile(data, filling).rotate_keys("shop")
    made = caught.value.credentials
    assert app_key(book(data), made) == made.app_key
    (complaint,) = CredentialsFile(data, book(data)).provide()
    assert "no valid keys of shop" in complaint
