"""The command line of `regulars counts`: minutes of a camera that are wrong, taken back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click

from chalicelib.api.v1.filters import require_named
from chalicelib.domain.counts import Void
from chalicelib.domain.model import Tenant
from chalicelib.services import Services
from chalicelib.storage.values import milliseconds, moment
from regulars.options import MOMENT, join_options, of_tenant, print_lines

_EMPTY = "no counts are void"


@click.group(no_args_is_help=False, short_help="Take back what a camera counted wrongly.")
def counts() -> None:
    """Take back minutes that a camera counted wrongly, or somebody forged (docs/tasks/count.md).

    They are kept and count nowhere, also if the camera tells them again. Times are in UTC.

    \b
    Examples:
      regulars counts void --tenant shop --camera door --from 2026-11-28T07:00 --to 2026-11-28T09:30
      regulars counts list --tenant shop
      regulars counts again --tenant shop --camera door --from 2026-11-28 --to 2026-11-29
    """


_time_options = join_options(
    click.option("--camera", metavar="ID", required=True, help="Whose counts; a name will do."),
    click.option(
        "--from", "first", type=MOMENT, metavar="TIME", required=True, help="The first minute."
    ),
    click.option(
        "--to", "end", type=MOMENT, metavar="TIME", required=True, help="Behind the last minute."
    ),
    of_tenant,
)


@counts.command(short_help="Have a time's counts count nowhere.")
@_time_options
def void(services: Services, tenant: Tenant, **options: Any) -> None:
    """Have what a camera counts in a time count nowhere, also what it tells later.

    After 30 days minutes become hours. Those that are void then stay out of these for good. A void
    of a later time takes whole hours.
    """
    voids = services.counts.voids
    voids.add(tenant, _read_void(services, tenant, **options))
    print_lines(_format_voids(voids.list_all(tenant.name)), _EMPTY)


@counts.command(short_help="Have a time's counts count again.")
@_time_options
def again(services: Services, tenant: Tenant, **options: Any) -> None:
    """Have what a camera counted in a time count again: a whole void, or a part of one."""
    voids = services.counts.voids
    voids.take_back(tenant, _read_void(services, tenant, **options))
    print_lines(_format_voids(voids.list_all(tenant.name)), _EMPTY)


@counts.command("list", short_help="List the times that are void.")
@of_tenant
def list_all(services: Services, tenant: Tenant) -> None:
    """List the times whose counts are void, a line each: camera, first minute, end."""
    print_lines(_format_voids(services.counts.voids.list_all(tenant.name)), _EMPTY)


def _read_void(
    services: Services, tenant: Tenant, camera: str, first: datetime, end: datetime
) -> Void:
    """Return the void that the options mean. Raises CameraNotFound."""
    require_named(services, tenant, camera=camera)
    id_ = services.cameras.id_of(tenant, camera)
    return Void(id_, milliseconds(first), milliseconds(end))


def _format_voids(voids: Iterable[Void]) -> Iterator[str]:
    for void in voids:
        first, end = moment(void.first_ms), moment(void.end_ms)
        yield f"{void.camera}  {first:%Y-%m-%dT%H:%M}  {end:%Y-%m-%dT%H:%M}"
