"""Run a tenant's erasure to its end."""

from __future__ import annotations

import time

import click

from chalicelib.domain.errors import Busy
from chalicelib.privacy.tenant_erasure_progress import TenantErasure, TenantStep
from chalicelib.services import Services
from chalicelib.storage.values import time_text

_PAUSE_S = 1.0
"""Polling interval, in s."""


def finish_erasure(services: Services, name: str) -> TenantErasure:
    """Do the steps of a tenant's erasure, waiting where needed, and return the finished erasure.

    Prints each new reason to wait once.
    """
    last_reason, erasures = "", services.erasure.of_tenants
    while True:
        reason = ""
        try:
            erasure = erasures.go_on(name)
            if erasure.next_step is None:
                return erasure
            if erasure.next_step is TenantStep.LATE and erasure.late_at > services.clock.now():
                reason = f"requests under way finish by {time_text(erasure.late_at)}"
        except Busy as error:
            reason = str(error)
        if reason and reason != last_reason:
            click.echo(f"waiting: {reason}", err=True)
        last_reason = reason
        if reason:
            time.sleep(_PAUSE_S)
