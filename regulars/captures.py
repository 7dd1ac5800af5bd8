"""`regulars captures`: what could not be resolved, and sending it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib import bootstrap
from chalicelib.core.captures import Capture
from chalicelib.core.model import Tenant
from chalicelib.services import Services
from chalicelib.settings import Settings


def show_parked(settings: Settings, tenant: str | None, camera: str | None) -> None:
    """One line a capture: tenant, camera, time, id, reason."""
    with _opened(settings) as services:
        for of, capture in _parked(services, tenant, camera):
            at = f"{capture.captured_at:%Y-%m-%d %H:%M:%S}"
            print(f"{of.name}  {capture.camera_id}  {at}  {capture.id}  {capture.reason}")


def redrive(settings: Settings, tenant: str | None, camera: str | None) -> None:
    """Send what is parked again; a running service resolves it."""
    with _opened(settings) as services:
        sent = sum(services.redrive.redrive(of, [capture]) for of, capture in _parked(services, tenant, camera))
    print(f"{sent} captures are sent again")


@contextmanager
def _opened(settings: Settings) -> Iterator[Services]:
    services = bootstrap.build(settings)
    try:
        yield services
    finally:
        services.close()


def _parked(services: Services, tenant: str | None, camera: str | None) -> list[tuple[Tenant, Capture]]:
    tenants = [services.tenants.named(tenant)] if tenant is not None else services.tenants.all()
    return [(of, capture) for of in tenants for capture in services.redrive.parked(of, camera)]
