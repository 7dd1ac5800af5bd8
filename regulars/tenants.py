"""`regulars tenants`: who may use the service, on one box or in the cloud, as the settings say."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from chalicelib.core.model import Credentials, Profile, Tenant
from chalicelib.services.tenants import Tenants
from chalicelib.settings import Settings
from regulars import folder
from regulars.credentials import CredentialsFile
from regulars.errors import OperatorError


def add(settings: Settings, name: str, profile: Profile) -> None:
    """Make a tenant and print its credentials, the only time that the cloud shows them."""
    if isinstance(settings.storage, Path):
        folder.prepare(settings.storage)
    _change(settings, lambda book: book.add(name, profile))


def rotate(settings: Settings, name: str) -> None:
    """Give a tenant a new key and code; the old ones stop."""
    _change(settings, lambda book: book.rotate(name))


def set_disabled(settings: Settings, name: str, *, disabled: bool) -> None:
    tenants = _tenants(settings)
    (tenants.disable if disabled else tenants.enable)(name)
    print(f"{name} is {'disabled: its requests are refused, its data stays' if disabled else 'enabled'}")


def show(settings: Settings) -> None:
    for line in table(_tenants(settings).all()):
        print(line)


def table(tenants: Iterable[Tenant]) -> list[str]:
    """One line a tenant under a heading, in aligned columns."""
    rows = [("TENANT", "PROFILE", "APP_ID", "STATE", "SINCE")]
    for tenant in tenants:
        state = "disabled" if tenant.disabled else "active"
        rows.append((tenant.name, tenant.profile.value, tenant.app_id, state, f"{tenant.created_at:%Y-%m-%d}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _change(settings: Settings, change: Callable[[CredentialsFile | Tenants], Credentials]) -> None:
    """In a data folder the change goes through credentials.json; in the cloud the credentials are printed only."""
    tenants = _tenants(settings)
    if isinstance(settings.storage, Path):
        book = CredentialsFile(settings.storage, tenants)
        print(json.dumps(asdict(change(book)), indent=2))
        print(f"also in {book.path}", file=sys.stderr)
    else:
        print(json.dumps(asdict(change(tenants)), indent=2))
        print(
            "keep these: the cloud keeps the key sealed and the code as a hash, and shows neither again",
            file=sys.stderr,
        )


def _tenants(settings: Settings) -> Tenants:
    from chalicelib import bootstrap  # `regulars --help` need not load storage

    if isinstance(settings.storage, Path) and not settings.storage.is_dir():
        raise OperatorError(
            f"there is no data folder {settings.storage}: `regulars serve` makes one, --data names another"
        )
    return bootstrap.build(settings).tenants
