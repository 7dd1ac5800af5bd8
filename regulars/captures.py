"""`regulars captures`: captures that could not be resolved, and a way to send them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from regulars.options import services_of, storage_options, together

if TYPE_CHECKING:
    from chalicelib.core.captures import Capture
    from chalicelib.core.model import Tenant
    from chalicelib.services import Services

_options = together(
    click.option("--tenant", metavar="NAME", help="Only captures of this tenant.  [default: all]"),
    click.option("--camera", metavar="ID", help="Only captures of this camera.  [default: all]"),
    storage_options,
)


@click.group(no_args_is_help=False, short_help="List and redrive parked captures.")
def captures() -> None:
    """List captures that could not be resolved (they are parked, with the reason), and send them again.

    \b
    Examples:
      regulars captures parked
      regulars captures redrive --tenant shop-12 --camera door
      regulars captures redrive --stage prod
    """


@captures.command(short_help="List the parked captures.")
@_options
def parked(tenant: str | None, camera: str | None, data: Path | None, stage: str | None) -> None:
    """List the parked captures, a line each: tenant, camera, time, id, reason."""
    with services_of(data, stage) as services:
        for of, capture in _parked(services, tenant, camera):
            at = f"{capture.captured_at:%Y-%m-%d %H:%M:%S}"
            print(f"{of.name}  {capture.camera_id}  {at}  {capture.id}  {capture.reason}")


@captures.command()
@_options
def redrive(tenant: str | None, camera: str | None, data: Path | None, stage: str | None) -> None:
    """Send the parked captures again, once you have mended the cause. A running service resolves them."""
    with services_of(data, stage) as services:
        sent = sum(
            services.captures.redrive.redrive(of, [capture]) for of, capture in _parked(services, tenant, camera)
        )
    print(f"{sent} captures are sent again")


def _parked(services: Services, tenant: str | None, camera: str | None) -> list[tuple[Tenant, Capture]]:
    tenants = [services.tenants.named(tenant)] if tenant is not None else services.tenants.all()
    return [(of, capture) for of in tenants for capture in services.captures.redrive.parked(of, camera)]
