"""credentials.json: the tenants' credentials in plain text for the operator.

The store keeps keys encrypted or hashed, so keys that are not written to the file at once are lost:
if the process is killed in between, the next start reports which tenant needs new ones. The file is
read before any change, so that a damaged file prevents the change.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfoNotFoundError

import msgspec
from msgspec.structs import asdict

from chalicelib.domain import audit_events
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import require_zone
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage.box.durable import write_durably
from regulars import folder
from regulars.errors import DamagedFile, NotWrittenDown

if TYPE_CHECKING:
    from chalicelib.book.tenants import Tenants


FILE = "credentials.json"
LOCK = "credentials.lock"
_UTC = "Etc/UTC"

FIRST_TENANT = ("shop", Profile.CLOUD)
"""Tenant that the first start of a data folder makes, unless one was added before. Every dialect
works with it."""


def find_machine_zone() -> str:
    """Return the IANA name of the zone by which this machine shows the time; UTC if it has no zone
    with a name."""
    import tzlocal

    try:
        return require_zone(tzlocal.get_localzone_name())
    except (InvalidInput, ZoneInfoNotFoundError, OSError, ValueError):
        return _UTC


class CredentialsFile:
    """File with the credentials of a data folder's tenants, in the clear, mode 600."""

    def __init__(self, data: Path, tenants: Tenants) -> None:
        self._data, self._tenants = data, tenants

    @property
    def path(self) -> Path:
        return self._data / FILE

    def provide(self) -> list[str]:
        """Make the first tenant if there is none, in the machine's time zone.

        Return the file's faults, a sentence each. They stop nothing: clients that have their keys
        are served.

        Making it is noted in the audit, so that the tenant has its signing key at once. Without
        that key, a backup could not tell which faces a receipt is about.
        """
        with folder.hold_lock(self._data / LOCK):
            try:
                entries = _read_entries(self.path)
                if self._tenants.is_unused():
                    with audit_events.begin_audit_event(
                        audit_events.job("regulars tenants add", FIRST_TENANT[0])
                    ):
                        credentials = self._tenants.add(
                            *FIRST_TENANT, TenantSettings(time_zone=find_machine_zone())
                        )
                    self._write_down(credentials, entries)
            except DamagedFile as error:
                return [str(error)]
            return [self._describe_lost_keys(name) for name in self._list_without_keys(entries)]

    def add(self, name: str, profile: Profile, settings: TenantSettings) -> Credentials:
        """Make a tenant and write its credentials down.

        Raises TenantExists, InvalidInput, DamagedFile, and NotWrittenDown if the tenant is made and
        the file cannot be written.
        """
        with folder.hold_lock(self._data / LOCK):
            entries = _read_entries(self.path)
            self._tenants.list_all()  # raises for data of another format
            return self._keep_credentials(self._tenants.add(name, profile, settings), entries)

    def rotate_keys(self, name: str) -> Credentials:
        """Give a tenant new secrets and write them down.

        Raises TenantNotFound, DamagedFile, and NotWrittenDown if the secrets are valid and the file
        cannot be written.
        """
        with folder.hold_lock(self._data / LOCK):
            entries = _read_entries(self.path)
            return self._keep_credentials(self._tenants.rotate_keys(name), entries)

    def forget(self, name: str) -> None:
        """Take the credentials of an erased tenant out of the file. Raises DamagedFile, OSError."""
        with folder.hold_lock(self._data / LOCK):
            entries = _read_entries(self.path)
            if entries.pop(name, None) is not None:
                self._write(entries)

    def _list_without_keys(self, entries: dict[str, Credentials]) -> list[str]:
        """List the tenants, except disabled ones, whose keys in the file are missing or wrong."""
        names = [tenant.name for tenant in self._tenants.list_all() if not tenant.disabled]
        return [name for name in names if not self._opens(entries.get(name))]

    def _opens(self, entry: Credentials | None) -> bool:
        """Tell whether one of the entry's credentials is valid in the store: an admin may have
        renewed others there."""
        if entry is None:
            return False
        signer = self._tenants.find_by_app_id(entry.app_id)
        pair = self._tenants.find_by_access_key(entry.access_key_id)
        bearers = (
            self._tenants.find_by_appcode(entry.appcode),
            self._tenants.find_by_api_key(entry.api_key),
        )
        return (
            (signer is not None and signer[1] == entry.app_key)
            or (pair is not None and pair[1] == entry.secret_access_key)
            or any(bearer is not None and bearer.name == entry.tenant for bearer in bearers)
        )

    def _describe_lost_keys(self, name: str) -> str:
        return (
            f"{self.path} has no valid keys of {name}; clients that have them still work. If they "
            f"are lost, `{_write_rotation(name, self._data)}` replaces them"
        )

    def _keep_credentials(
        self, credentials: Credentials, entries: dict[str, Credentials]
    ) -> Credentials:
        try:
            self._write_down(credentials, entries)
        except OSError as error:
            raise NotWrittenDown(
                f"save the keys of {credentials.tenant} printed above: they are valid, but "
                f"{self.path} cannot be written ({error.strerror})",
                credentials,
            ) from error
        return credentials

    def _write_down(self, credentials: Credentials, entries: dict[str, Credentials]) -> None:
        entries[credentials.tenant] = credentials
        self._write(entries)

    def _write(self, entries: dict[str, Credentials]) -> None:
        write_durably(
            self.path, json.dumps([asdict(entry) for entry in entries.values()], indent=2) + "\n"
        )


def read_credentials(data: Path) -> dict[str, Credentials]:
    """Read the file's entries by tenant, for a client on the same box.

    Raises DamagedFile, FileNotFoundError.
    """
    path = data / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist: the first `regulars serve --data {shlex.quote(str(data))}` "
            f"writes it; if it was lost, run `{_write_rotation('NAME', data)}`"
        )
    return _read_entries(path)


def _read_entries(path: Path) -> dict[str, Credentials]:
    """Read a file's entries by tenant, in the file's order. Raises DamagedFile."""
    try:
        return {
            entry.tenant: entry
            for entry in msgspec.json.decode(path.read_bytes(), type=list[Credentials])
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _make_damage_error(path, f"cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _make_damage_error(path, f"is not a valid list of credentials ({error})") from error


def _make_damage_error(path: Path, how: str) -> DamagedFile:
    return DamagedFile(
        f"{path} {how}; nothing was changed, and existing keys still work. Repair it, or move it "
        f"away and run `{_write_rotation('NAME', path.parent)}` for each tenant whose keys are lost"
    )


def _write_rotation(name: str, data: Path) -> str:
    return f"regulars tenants rotate {name} --data {shlex.quote(str(data))}"
