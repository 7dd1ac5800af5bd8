"""`regulars retention`: what tenants keep no longer, said, or deleted before the sweep does it."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import services_of, storage_options


@click.command(short_help="Say or delete what tenants keep no longer.")
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant; repeat for several.")
@click.option("--dry-run", is_flag=True, help="Only say what goes now and within seven days.")
@storage_options
def retention(tenants: tuple[str, ...], dry_run: bool, data: Path | None, stage: str | None) -> None:
    """Delete what tenants keep no longer, as the sweep does, or say what would go (docs/operations.md).

    \b
    Examples:
      regulars retention --dry-run
      regulars retention --dry-run --tenant shop-12 --stage prod
      regulars retention --tenant shop-12
    """
    from rich.console import Console
    from rich.table import Table

    from regulars.tenants.tenants import chosen

    console = Console(soft_wrap=True)
    with services_of(data, stage) as services:
        for name in chosen(services, list(tenants) or None):
            tenant = services.tenants.named(name)
            table = Table("kind", "group", "days", "now", "in 7 days", "oldest", title=name, title_justify="left")
            for one in services.erasure.retention.plan(tenant):
                most = "+" if one.more else ""
                counts = (f"{one.now}", f"{one.soon}{most}", f"{one.oldest:%Y-%m-%d}" if one.oldest else "-")
                table.add_row(one.kind, one.group or "", "any" if one.days is None else str(one.days), *counts)
            console.print(table)
            if not dry_run:
                services.erasure.retention.tenant(tenant, lambda: float("inf"))
                console.print(f"{name}: what goes now is deleted", markup=False)
