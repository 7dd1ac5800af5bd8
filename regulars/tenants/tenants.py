"""`regulars tenants`: what it prints, and where new credentials are kept, of one box or of the cloud."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Credentials, Profile, Tenant
from chalicelib.core.setting import Setting
from chalicelib.core.signing import Renewal, fingerprint
from chalicelib.core.tenant_settings import SETTINGS, SIGHTING_DAYS, TenantSettings
from chalicelib.services import Services
from chalicelib.services.tenants import Tenants
from regulars.errors import NotWrittenDown
from regulars.tenants.credentials import CredentialsFile, zone_of_machine


def show(services: Services, name: str) -> None:
    """Print all settings of one tenant, a line each."""
    rows = described(services.tenants.named(name))
    for kept, days in (("capture-days", services.settings.capture_days), ("sighting-days", SIGHTING_DAYS)):
        rows[kept] = f"{days} (the service's)" if rows[kept] == "any" else rows[kept]
    width = max(map(len, rows))
    for what, value in rows.items():
        print(f"{what:<{width}}  {value}")


def described(tenant: Tenant) -> dict[str, str]:
    """Describe a tenant's settings in words, by the options' names."""
    return {
        "tenant": tenant.name,
        "profile": tenant.profile.value,
        "app_id": tenant.app_id,
        "state": _state(tenant),
        "since": f"{tenant.created_at:%Y-%m-%d}",
        **{one.name.removesuffix("_only").replace("_", "-"): _value(tenant, one) for one in SETTINGS.values()},
        "enrol-quality": _in_words(MIN_QUALITY if tenant.enrol_quality is None else tenant.enrol_quality),
        "faces": str(tenant.limits.faces),
        "groups": str(tenant.limits.groups),
        "model": tenant.model,
    }


def _value(tenant: Tenant, one: Setting) -> str:
    return _in_words(getattr(tenant, one.name), "any" if one.kind is int else "none")


def _in_words(value: object, nothing: str = "none") -> str:
    match value:
        case None | "":
            return nothing
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case frozenset():
            return ",".join(sorted(value)) or nothing
    return str(value)


def table(tenants: Iterable[Tenant]) -> list[str]:
    """Format a heading and a line for each tenant, in aligned columns."""
    rows = [("TENANT", "PROFILE", "APP_ID", "STATE", "SINCE", "TIME ZONE", "REQUESTS A DAY", "ONLY", "NAME")]
    for tenant in tenants:
        since = f"{tenant.created_at:%Y-%m-%d}"
        strict = {"HMAC-SHA256": tenant.refuse_md5, "numeric faceids": tenant.numeric_faceids_only}
        only = ", ".join(rule for rule, holds in strict.items() if holds)
        who = (tenant.name, tenant.profile.value, tenant.app_id)
        quota = _in_words(tenant.requests_a_day, "any")
        rows.append((*who, _state(tenant), since, tenant.time_zone, quota, only, tenant.display_name))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows in columns, each as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _state(tenant: Tenant) -> str:
    return "disabled" if tenant.disabled else "active"


def earlier(renewal: Renewal) -> str:
    """Describe the key that a renewal ended: its fingerprint, when it was in use, and if it signed the next one."""
    vouches = "it signed the next key, too" if renewal.is_vouched else "it was lost, and did not sign the next key"
    return f"{fingerprint(renewal.old)}, from {renewal.since} to {renewal.until}; {vouches}"


def add(services: Services, name: str, profile: Profile, changes: dict[str, Any]) -> None:
    """Make a tenant, print its credentials, and say by which time zone its days are counted. Raises InvalidInput."""
    if "time_zone" not in changes and not isinstance(services.settings.storage, Path):
        raise InvalidInput("a stage has no time zone of its own: say the shop's, as --time-zone Europe/Berlin")
    settings = TenantSettings(**{"time_zone": zone_of_machine(), **changes})
    print_new(services, lambda book: book.add(name, profile, settings))
    print(f"its days are counted in the time zone {settings.time_zone}; `tenants set` changes that", file=sys.stderr)


def print_new(services: Services, change: Callable[[CredentialsFile | Tenants], Credentials]) -> None:
    """Make the change and print the credentials, which the cloud never shows again.

    In a data folder, write them to credentials.json, too.
    """
    if isinstance(services.settings.storage, Path):
        book = CredentialsFile(services.settings.storage, services.tenants)
        try:
            print(json.dumps(asdict(change(book)), indent=2))
        except NotWrittenDown as error:
            print(json.dumps(asdict(error.credentials), indent=2), flush=True)
            raise
        print(f"also in {book.path}", file=sys.stderr)
    else:
        print(json.dumps(asdict(change(services.tenants)), indent=2))
        print(
            "keep these: the cloud keeps app_key and secret_access_key sealed, appcode and api_key as hashes, "
            "and shows none of them again",
            file=sys.stderr,
        )
