"""credentials.json opens the store's doors, whenever the process that wrote it was killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.plain_vault import PlainVault
from chalicelib.adapters.sqlite import SqliteItemStore
from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput, TenantExists, TenantNotFound
from chalicelib.core.model import Credentials, Profile
from chalicelib.services.tenants import Tenants
from regulars.credentials import FILE, PENDING, CredentialsFile, read
from regulars.errors import DamagedFile


class Killed(BaseException):
    """The process ends here."""


class DyingTenants(Tenants):
    """Tenants in whose process a kill falls just before or just after the n-th change of the store."""

    def dies(self, change: int, *, after: bool) -> DyingTenants:
        self.changes_left, self.after = change, after
        return self

    def add(self, name: str, profile: Profile) -> Credentials:
        self._count(after=False)
        credentials = super().add(name, profile)
        self._count(after=True)
        return credentials

    def rotate(self, name: str) -> Credentials:
        self._count(after=False)
        credentials = super().rotate(name)
        self._count(after=True)
        return credentials

    def _count(self, *, after: bool) -> None:
        if after == self.after:
            self.changes_left -= 1
            if self.changes_left == 0:
                raise Killed


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


def book(data: Path) -> Tenants:
    return Tenants(SqliteItemStore(data / "items.db", keys.TABLES), PlainVault(), SystemClock())


def dying(data: Path, change: int, *, after: bool) -> CredentialsFile:
    store = SqliteItemStore(data / "items.db", keys.TABLES)
    return CredentialsFile(data, DyingTenants(store, PlainVault(), SystemClock()).dies(change, after=after))


def assert_all_usable(data: Path, names: set[str]) -> None:
    tenants = book(data)
    entries = read(data)
    assert {tenant.name for tenant in tenants.all()} == names == set(entries)
    for name, entry in entries.items():
        signer = tenants.by_app_id(entry.app_id)
        assert signer is not None
        assert (signer[0].name, signer[1]) == (name, entry.app_key)
        bearer = tenants.by_appcode(entry.appcode)
        assert bearer is not None
        assert (bearer.name, bearer.profile) == (name, entry.profile)
    assert not (data / PENDING).exists()


def test_an_empty_folder_gets_a_camera_and_a_cloud_tenant(data: Path) -> None:
    CredentialsFile(data, book(data)).provide()
    assert_all_usable(data, {"camera", "cloud"})
    assert (data / FILE).stat().st_mode & 0o777 == 0o600
    entries = json.loads((data / FILE).read_text())
    assert [(entry["tenant"], entry["profile"]) for entry in entries] == [("camera", "camera"), ("cloud", "cloud")]
    assert all(list(entry) == ["tenant", "profile", "app_id", "app_key", "appcode"] for entry in entries)


def test_a_second_start_changes_nothing(data: Path) -> None:
    CredentialsFile(data, book(data)).provide()
    before = (data / FILE).read_bytes()
    CredentialsFile(data, book(data)).provide()
    assert (data / FILE).read_bytes() == before


def test_keys_are_not_changed_behind_the_back_of_an_operator_who_moved_the_file_away(data: Path) -> None:
    tenants = book(data)
    CredentialsFile(data, tenants).provide()
    entry = read(data)["camera"]
    (data / FILE).unlink()
    CredentialsFile(data, tenants).provide()
    assert not (data / FILE).exists()
    signer = tenants.by_app_id(entry.app_id)
    assert signer is not None
    assert signer[1] == entry.app_key


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("change", [1, 2])
def test_a_start_after_a_kill_on_the_first_day_ends_with_usable_credentials(
    data: Path, change: int, after: bool
) -> None:
    with pytest.raises(Killed):
        dying(data, change, after=after).provide()
    CredentialsFile(data, book(data)).provide()
    assert_all_usable(data, {"camera", "cloud"})


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_during_a_rotation_leaves_no_dead_keys_behind(data: Path, after: bool) -> None:
    CredentialsFile(data, book(data)).provide()
    before = read(data)
    with pytest.raises(Killed):
        dying(data, 1, after=after).rotate("camera")
    CredentialsFile(data, book(data)).provide()
    assert_all_usable(data, {"camera", "cloud"})
    assert (read(data)["camera"] == before["camera"]) is (not after)
    assert read(data)["cloud"] == before["cloud"]


@pytest.mark.parametrize("after", [False, True])
def test_an_added_tenant_survives_a_kill(data: Path, after: bool) -> None:
    CredentialsFile(data, book(data)).provide()
    with pytest.raises(Killed):
        dying(data, 1, after=after).add("shop", Profile.CLOUD)
    CredentialsFile(data, book(data)).provide()
    assert_all_usable(data, {"camera", "cloud", "shop"})


def test_rotation_changes_the_secrets_and_keeps_the_app_id(data: Path) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    before = read(data)["cloud"]
    after = credentials.rotate("cloud")
    assert after.app_id == before.app_id
    assert after.app_key != before.app_key
    assert after.appcode != before.appcode
    assert_all_usable(data, {"camera", "cloud"})


def test_a_refused_change_leaves_nothing_open(data: Path) -> None:
    credentials = CredentialsFile(data, book(data))
    credentials.provide()
    with pytest.raises(TenantExists):
        credentials.add("camera", Profile.CLOUD)
    with pytest.raises(InvalidInput):
        credentials.add("Bad Name", Profile.CLOUD)
    with pytest.raises(TenantNotFound):
        credentials.rotate("nobody")
    assert_all_usable(data, {"camera", "cloud"})


@pytest.mark.parametrize("text", ["{", "{}", '["x"]', '[{"tenant": "a"}]'])
def test_a_damaged_file_is_named(data: Path, text: str) -> None:
    (data / FILE).write_text(text)
    with pytest.raises(DamagedFile, match=r"credentials\.json"):
        read(data)
