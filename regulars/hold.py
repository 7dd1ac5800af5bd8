"""`regulars hold`: legal holds of faces, which nothing deletes until the hold is lifted."""

from __future__ import annotations

from pathlib import Path

import click

from regulars.options import services_of, storage_options, together

_options = together(
    click.option("--tenant", metavar="NAME", required=True, help="The tenant of the face."),
    storage_options,
)


@click.group(no_args_is_help=False, short_help="Set, lift and list legal holds of faces.")
def hold() -> None:
    """Keep faces from being deleted, erased, or forgotten by retention (docs/privacy.md).

    \b
    Examples:
      regulars hold set 21 --tenant shop-12 --reason "case 7"
      regulars hold list --tenant shop-12
      regulars hold lift 21 --tenant shop-12 --reason "closed"
    """


@hold.command("set")
@click.argument("face")
@click.option("--reason", required=True, help="Why: the number of a case, the letter of an authority.")
@_options
def set_(face: str, reason: str, tenant: str, data: Path | None, stage: str | None) -> None:
    """Hold the face of this id; of one that is held, change the reason."""
    with services_of(data, stage) as services:
        services.faces.holds.set(services.tenants.named(tenant), face, reason)
    print(f"{face} is held")


@hold.command()
@click.argument("face")
@click.option("--reason", required=True, help="Why it is over. The audit has it.")
@_options
def lift(face: str, reason: str, tenant: str, data: Path | None, stage: str | None) -> None:
    """End the hold of the face of this id."""
    with services_of(data, stage) as services:
        services.faces.holds.lift(services.tenants.named(tenant), face, reason)
    print(f"{face} is not held")


@hold.command("list")
@_options
def list_all(tenant: str, data: Path | None, stage: str | None) -> None:
    """List the held faces, a line each: id, since when, reason."""
    with services_of(data, stage) as services:
        for faceid, held in services.faces.holds.all(services.tenants.named(tenant).name):
            print(f"{faceid}  {held.at:%Y-%m-%d}  {held.reason}")
