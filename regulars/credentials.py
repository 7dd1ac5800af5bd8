"""credentials.json: what the operator copies from, always in step with the store.

The store keeps keys sealed and codes hashed, so what is not written down when it is made is lost. Between the store's
commit and the file's rename a kill may fall. So each change is announced first, in credentials.pending; whoever comes
next after a kill finds the announcement and brings store and file together again, with new keys where the made ones
are lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol

from chalicelib.core.errors import RegularsError, StorageUnavailable, TenantNotFound
from chalicelib.core.model import Credentials, Profile, Tenant
from regulars import folder
from regulars.errors import DamagedFile

FILE = "credentials.json"
PENDING = "credentials.pending"
LOCK = "credentials.lock"

FIRST_TENANTS = (("camera", Profile.CAMERA), ("cloud", Profile.CLOUD))
"""Who an empty data folder starts with."""


class TenantBook(Protocol):
    """What this needs of `chalicelib.services.tenants.Tenants`."""

    def add(self, name: str, profile: Profile) -> Credentials: ...
    def all(self) -> list[Tenant]: ...
    def rotate(self, name: str) -> Credentials: ...
    def by_app_id(self, app_id: str) -> tuple[Tenant, str] | None: ...
    def by_appcode(self, appcode: str) -> Tenant | None: ...


class CredentialsFile:
    """The credentials of a data folder's tenants, in the clear, mode 600."""

    def __init__(self, data: Path, tenants: TenantBook) -> None:
        self._data = data
        self._tenants = tenants

    @property
    def path(self) -> Path:
        return self._data / FILE

    def entries(self) -> list[Credentials]:
        """What the file says, oldest first; raises DamagedFile."""
        return [_credentials(entry, self.path) for entry in _read_list(self.path)]

    def provide(self) -> None:
        """After this the folder has tenants, and nothing that a kill left open; a folder with tenants gets no more."""
        with folder.locked(self._data / LOCK):
            self._settle()
            if not self._tenants.all():
                with self._announced(FIRST_TENANTS):
                    for name, profile in FIRST_TENANTS:
                        self._write_down(self._tenants.add(name, profile))

    def add(self, name: str, profile: Profile) -> Credentials:
        """Make a tenant and write its credentials down; raises TenantExists, InvalidInput."""
        with folder.locked(self._data / LOCK):
            self._settle()
            with self._announced([(name, profile)]):
                return self._write_down(self._tenants.add(name, profile))

    def rotate(self, name: str) -> Credentials:
        """Give a tenant new secrets and write them down; raises TenantNotFound."""
        with folder.locked(self._data / LOCK):
            self._settle()
            tenant = self._tenant(name)
            if tenant is None:
                raise TenantNotFound(f"there is no tenant {name}: `regulars tenants list` shows those there are")
            with self._announced([(name, tenant.profile)]):
                return self._write_down(self._tenants.rotate(name))

    @contextmanager
    def _announced(self, names: Sequence[tuple[str, Profile]]) -> Iterator[None]:
        """What happens inside is finished by `_settle` if this process does not live to finish it."""
        pending = self._data / PENDING
        announcement = [{"tenant": name, "profile": profile.value} for name, profile in names]
        folder.write_durably(pending, json.dumps(announcement) + "\n")
        try:
            yield
        except StorageUnavailable:
            raise  # whether the store changed is unknown: the announcement stays
        except RegularsError:
            folder.remove_durably(pending)
            raise
        folder.remove_durably(pending)

    def _settle(self) -> None:
        """Finish what was announced and not finished."""
        pending = self._data / PENDING
        if not pending.exists():
            return
        for entry in _read_list(pending):
            name, profile = str(entry["tenant"]), Profile(entry["profile"])
            if self._tenant(name) is None:
                self._write_down(self._tenants.add(name, profile))
            elif not self._agrees(name):
                self._write_down(self._tenants.rotate(name))
        folder.remove_durably(pending)

    def _agrees(self, name: str) -> bool:
        """Whether the file's entry for the tenant opens the store's door."""
        for entry in self.entries():
            if entry.tenant == name:
                signer = self._tenants.by_app_id(entry.app_id)
                bearer = self._tenants.by_appcode(entry.appcode)
                knows_key = signer is not None and signer[0].name == name and signer[1] == entry.app_key
                return knows_key and bearer is not None and bearer.name == name
        return False

    def _tenant(self, name: str) -> Tenant | None:
        return next((tenant for tenant in self._tenants.all() if tenant.name == name), None)

    def _write_down(self, credentials: Credentials) -> Credentials:
        entries = {entry.tenant: entry for entry in self.entries()} | {credentials.tenant: credentials}
        folder.write_durably(self.path, json.dumps([asdict(entry) for entry in entries.values()], indent=2) + "\n")
        return credentials


def read(data: Path) -> dict[str, Credentials]:
    """The file's entries by tenant, for a client on the same box; raises DamagedFile, FileNotFoundError."""
    path = data / FILE
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: `regulars serve --data {data}` writes it")
    return {entry.tenant: entry for entry in (_credentials(entry, path) for entry in _read_list(path))}


def _read_list(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DamagedFile(f"{path} is not the JSON list that was written there: repair it, or move it away")
    return entries


def _credentials(entry: dict[str, Any], path: Path) -> Credentials:
    try:
        values = {field.name: str(entry[field.name]) for field in fields(Credentials)}
        return Credentials(**{**values, "profile": Profile(values["profile"])})  # type: ignore[arg-type]
    except (KeyError, ValueError):
        names = ", ".join(field.name for field in fields(Credentials))
        raise DamagedFile(f"an entry of {path} lacks one of {names}: repair it, or move the file away") from None
