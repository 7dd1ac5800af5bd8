"""The command line of `regulars tenants erase`: a shop that leaves."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import click

from chalicelib.privacy.tenant_erasure_progress import UNDER_WAY
from chalicelib.services import Services
from chalicelib.storage.box.durable import write_durably
from chalicelib.storage.values import format_count
from regulars.backup.beside import write_beside_backups
from regulars.errors import OperatorError
from regulars.folder import find_server
from regulars.options import PATH, with_services
from regulars.tenants.credentials import CredentialsFile
from regulars.tenants.finishing import finish_erasure


@click.command(short_help="Leave nothing of a tenant; write the receipt.")
@click.argument("name", metavar="NAME")
@click.option(
    "--yes", "typed", metavar="NAME", help="Do it without asking: the tenant's name once more."
)
@click.option(
    "--receipt", type=PATH, help="Where the receipt is written.  [default: erasure-of-NAME.json]"
)
@with_services
def erase(services: Services, *, name: str, typed: str | None, receipt: Path | None) -> None:
    """Erase a tenant: people, pictures, visits, captures, cameras, hooks, keys, members, audit.

    Nobody brings it back.

    The tenant is gone at once. If a service runs, the rest takes 16 minutes, since what is under
    way ends first. If the command is stopped, the same command goes on. No tenant gets the name
    again.

    It says what it does not reach: backups, receivers of hooks and MQTT (`regulars mqtt --forget`),
    and what else is outside of the service.

    \b
    Examples:
      regulars tenants erase shop-12
      regulars tenants erase shop-12 --yes shop-12 --receipt shop-12.json
      regulars tenants erase shop-12 --stage prod
    """
    receipt_file = receipt or Path(f"erasure-of-{name}.json")
    _require_place(receipt_file)
    erasure = services.erasure.of_tenants.find(name)
    if erasure is None:
        _require_name(services, name, typed)
        erasure = services.erasure.of_tenants.begin(
            name, "operator", under_way=_measure_under_way(services)
        )
        print(
            f"{name} is gone; what it stored is deleted now. If this is stopped, the same command "
            "goes on",
            flush=True,
        )
    if isinstance(services.settings.storage, Path):
        CredentialsFile(services.settings.storage, services.tenants).forget(name)
    erasure = finish_erasure(services, name)
    write_durably(receipt_file, f"{json.dumps(erasure.receipt, indent=2, ensure_ascii=False)}\n")
    for complaint in write_beside_backups(services):
        click.echo(f"regulars: {complaint}: copy {receipt_file} there", err=True)
    for kind, number in erasure.counts.items():
        print(f"{kind:14}{number:,}")
    print(
        f"erased: {receipt_file} is the receipt, which also says what is left elsewhere; "
        "the same command writes it again, into a new file"
    )


def _measure_under_way(services: Services) -> timedelta:
    """Return for how long something may still write that knows the tenant: not at all while nobody
    serves a folder."""
    storage = services.settings.storage
    return timedelta(0) if isinstance(storage, Path) and find_server(storage) is None else UNDER_WAY


def _require_place(out: Path) -> None:
    if out.exists() or not os.access(out.absolute().parent, os.W_OK):
        raise OperatorError(
            f"the receipt cannot be written to {out}, so this command erases nothing: name a new "
            "file, --receipt"
        )


def _require_name(services: Services, name: str, typed: str | None) -> None:
    """Say what goes, and have the name typed. Raises TenantNotFound, OperatorError."""
    tenant = services.tenants.get_by_name(name)
    usage = services.account.measure_usage(tenant)
    faces = format_count(usage.faces, "face", "faces")
    groups = format_count(usage.groups, "group", "groups")
    print(f"{name} has {faces} in {groups}, since {tenant.created_at:%Y-%m-%d}", flush=True)
    if typed is None:
        if not sys.stdin.isatty():
            raise OperatorError(
                f"there is nobody to ask, and nothing is changed; --yes {name} carries it out"
            )
        typed = input(f"Nobody can bring it back. Type its name to erase {name}: ").strip()
    if typed != name:
        raise OperatorError(f"that is not {name!r}, and nothing is changed")
