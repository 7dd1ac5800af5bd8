"""`regulars tenants`: the tenants of one box or of the cloud; the settings say which."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chalicelib.core.decision import MIN_QUALITY
from chalicelib.core.errors import InvalidInput
from chalicelib.core.model import Credentials, Profile, Tenant
from chalicelib.core.retention import RETENTION
from chalicelib.core.signing import fingerprint, renewal_of
from chalicelib.services import Services
from chalicelib.services.tenants import SAID, Tenants, TenantSettings
from chalicelib.settings import Settings
from chalicelib.storage import DATABASE
from regulars.errors import NotWrittenDown, OperatorError
from regulars.receipt import earlier
from regulars.serve import folder
from regulars.tenants.credentials import CredentialsFile


def add(settings: Settings, name: str, profile: Profile, changes: Mapping[str, Any]) -> None:
    """Make a tenant and print its credentials. The cloud never shows them again."""
    chosen = TenantSettings(**changes)
    _change(settings, opened(settings, new=True).tenants, lambda book: book.add(name, profile, chosen))


def change(settings: Settings, name: str, changes: Mapping[str, Any]) -> None:
    """Change settings, by their names in TenantSettings, and print all. They hold from the tenant's next request on.

    Raises InvalidInput if none is given.
    """
    if not changes:
        raise InvalidInput("say what to set; `regulars tenants set --help` lists what there is")
    _tenants(settings).change(name, changes)
    show(settings, name)


def rotate(settings: Settings, name: str) -> None:
    """Give a tenant new keys and a new code, and print them; the old ones stop working."""
    _change(settings, _tenants(settings), lambda book: book.rotate(name))


def renew_signing(settings: Settings, name: str, *, is_lost: bool) -> None:
    """Give a tenant a new signing key and print its fingerprint. Raises what `Signing.renew` does."""
    services = opened(settings)
    renewal = renewal_of(services.audit.signing.renew(services.tenants.named(name).name, is_lost=is_lost))
    print(f"fingerprint  {fingerprint(renewal.new)}")
    print(f"before that  {earlier(renewal)}")
    print(
        "hand out the new fingerprint, and keep the audit's next head elsewhere; what waits is signed by the next sweep"
    )


def set_disabled(settings: Settings, name: str, *, disabled: bool) -> None:
    tenants = _tenants(settings)
    (tenants.disable if disabled else tenants.enable)(name)
    print(f"{name} is {'disabled: its requests are refused, its data stays' if disabled else 'enabled'}")


def show(settings: Settings, name: str) -> None:
    """Print all settings of one tenant, a line each."""
    services = opened(settings)
    rows = described(services.tenants.named(name), services.tenants.shards(name))
    width = max(map(len, rows))
    for what, value in rows.items():
        print(f"{what:<{width}}  {value}")


def described(tenant: Tenant, shards: int) -> dict[str, str]:
    """Describe a tenant's settings in words, by the options' names."""
    least_liveness, min_age, enrol_quality = tenant.least_liveness, tenant.min_age, tenant.enrol_quality
    return {
        "tenant": tenant.name,
        "profile": tenant.profile.value,
        "app_id": tenant.app_id,
        "state": _state(tenant),
        "since": f"{tenant.created_at:%Y-%m-%d}",
        "time-zone": tenant.time_zone,
        "requests-a-day": _quota(tenant),
        "capture-mb-a-day": "any" if tenant.capture_mb_a_day is None else str(tenant.capture_mb_a_day),
        "refuse-md5": "yes" if tenant.refuse_md5 else "no",
        "numeric-faceids": "yes" if tenant.numeric_faceids_only else "no",
        "attributes-off": ",".join(sorted(tenant.attributes_off)) or "none",
        "least-liveness": "none" if least_liveness is None else f"{least_liveness:g}",
        "min-age": "none" if min_age is None else f"{min_age:g}",
        "enrol-quality": f"{MIN_QUALITY if enrol_quality is None else enrol_quality:g}",
        "review-margin": f"{tenant.review_margin:g}",
        "learns": "yes" if tenant.learns else "no",
        "consent-required": "yes" if tenant.consent_required else "no",
        "expired-consent-erases": "yes" if tenant.expired_consent_erases else "no",
        **{name: getattr(tenant, name) or "none" for name in SAID},
        "keeps-pictures": "yes" if tenant.keeps_pictures else "no",
        "no-pictures-of": ",".join(sorted(tenant.no_pictures_of)) or "none",
        "learnt-days": _days(tenant.learnt_days),
        "deletes-erase": "yes" if tenant.deletes_erase else "no",
        "picture-buckets": ",".join(sorted(tenant.picture_buckets)) or "none",
        **{name.replace("_", "-"): _days(getattr(tenant, name)) for name in RETENTION},
        "faces": str(tenant.limits.faces),
        "groups": str(tenant.limits.groups),
        "shards": str(shards),
        "model": tenant.model,
    }


def show_all(settings: Settings) -> None:
    for line in table(_tenants(settings).all()):
        print(line)


def table(tenants: Iterable[Tenant]) -> list[str]:
    """Format a heading and a line for each tenant, in aligned columns."""
    rows = [("TENANT", "PROFILE", "APP_ID", "STATE", "SINCE", "TIME ZONE", "REQUESTS A DAY", "ONLY")]
    for tenant in tenants:
        since = f"{tenant.created_at:%Y-%m-%d}"
        strict = {"HMAC-SHA256": tenant.refuse_md5, "numeric faceids": tenant.numeric_faceids_only}
        only = ", ".join(rule for rule, holds in strict.items() if holds)
        who = (tenant.name, tenant.profile.value, tenant.app_id)
        rows.append((*who, _state(tenant), since, tenant.time_zone, _quota(tenant), only))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _days(days: int | None) -> str:
    return "any" if days is None else str(days)


def _state(tenant: Tenant) -> str:
    return "disabled" if tenant.disabled else "active"


def _quota(tenant: Tenant) -> str:
    return "any" if tenant.requests_a_day is None else str(tenant.requests_a_day)


def _change(settings: Settings, tenants: Tenants, change: Callable[[CredentialsFile | Tenants], Credentials]) -> None:
    """Make the change and print the credentials. In a data folder, write them to credentials.json, too."""
    if isinstance(settings.storage, Path):
        book = CredentialsFile(settings.storage, tenants)
        try:
            print(json.dumps(asdict(change(book)), indent=2))
        except NotWrittenDown as error:
            print(json.dumps(asdict(error.credentials), indent=2), flush=True)
            raise
        print(f"also in {book.path}", file=sys.stderr)
    else:
        print(json.dumps(asdict(change(tenants)), indent=2))
        print(
            "keep these: the cloud keeps app_key and secret_access_key sealed, appcode and api_key as hashes, "
            "and shows none of them again",
            file=sys.stderr,
        )


def _tenants(settings: Settings) -> Tenants:
    return opened(settings).tenants


def chosen(services: Services, names: Sequence[str] | None) -> list[str]:
    """Return these names of tenants, each once, or all. Raises OperatorError if there is no such tenant."""
    known = [tenant.name for tenant in services.tenants.all()]
    for name in names or ():
        if name not in known:
            raise OperatorError(f"there is no tenant {name!r}; `regulars tenants list` shows all")
    return known if names is None else list(dict.fromkeys(names))


def opened(settings: Settings, *, new: bool = False) -> Services:
    """Open the services over what is stored. `new`: make the data folder if there is none, else raise OperatorError."""
    from chalicelib import bootstrap  # `regulars --help` need not load storage

    if isinstance(settings.storage, Path):
        if new:
            folder.prepare(settings.storage)
        elif not (settings.storage / DATABASE).is_file():
            raise OperatorError(
                f"there is no data folder {settings.storage}: `regulars serve` makes one, --data names another"
            )
        folder.require_writable(settings.storage)
    return bootstrap.build(settings)
