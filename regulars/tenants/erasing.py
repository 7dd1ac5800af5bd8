"""The command `regulars tenants erase`."""

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


@click.command(short_help="Erase a tenant and write a receipt.")
@click.argument("name", metavar="NAME")
@click.option(
    "--yes", "typed", metavar="NAME", help="Confirm without asking: repeat the tenant's name."
)
@click.option("--receipt", type=PATH, help="File for the receipt.  [default: erasure-of-NAME.json]")
@with_services
def erase(services: Services, *, name: str, typed: str | None, receipt: Path | None) -> None:
    """Erase a tenant: people, pictures, visits, captures, cameras, hooks, keys, members, audit.

    This cannot be undone. The tenant is gone at once. If a service is running, erasing its data
    takes 16 minutes, since requests under way finish first. If the command is interrupted, run it
    again to continue. The name cannot be used again.

    The receipt lists what is out of reach: backups, receivers of hooks and MQTT (`regulars mqtt
    --forget`), and anything else outside the service.

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
            f"{name} is gone; its data is being deleted. If this is interrupted, run the same "
            "command again",
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
        f"erased; receipt: {receipt_file}. It lists what is left elsewhere. The same command with "
        "another --receipt writes it again"
    )


def _measure_under_way(services: Services) -> timedelta:
    """Return how long requests under way may still write for the tenant: zero if the folder is not
    being served."""
    storage = services.settings.storage
    return timedelta(0) if isinstance(storage, Path) and find_server(storage) is None else UNDER_WAY


def _require_place(out: Path) -> None:
    if out.exists() or not os.access(out.absolute().parent, os.W_OK):
        raise OperatorError(
            f"the receipt cannot be written to {out}; nothing was erased. Pass a new, writable "
            "file with --receipt"
        )


def _require_name(services: Services, name: str, typed: str | None) -> None:
    """Show what is erased and require the name. Raises TenantNotFound, OperatorError."""
    tenant = services.tenants.get_by_name(name)
    usage = services.account.measure_usage(tenant)
    faces = format_count(usage.faces, "face", "faces")
    groups = format_count(usage.groups, "group", "groups")
    print(f"{name} has {faces} in {groups}, since {tenant.created_at:%Y-%m-%d}", flush=True)
    if typed is None:
        if not sys.stdin.isatty():
            raise OperatorError(
                f"no terminal to ask for confirmation; pass --yes {name}. Nothing was changed"
            )
        typed = input(f"This cannot be undone. Type {name} to erase the tenant: ").strip()
    if typed != name:
        raise OperatorError(f"{typed[:40]!r} is not {name!r}; nothing was changed")
