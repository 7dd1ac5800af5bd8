"""Tenants whose faces were embedded by an earlier version of their pack, and the command that changes them."""

from __future__ import annotations

import shlex
from pathlib import Path

from chalicelib.services import Services
from chalicelib.vision.packs import packs


def said(services: Services, data: Path) -> list[str]:
    """A line for each tenant that goes by a model which its pack made earlier, and makes a better one of today."""
    lines = []
    for tenant in services.tenants.all():
        model = services.models.of(tenant.name)
        if pack := packs.once_made_by(model):
            command = ["regulars", "reembed", "--pack", pack, "--tenant", tenant.name, "--data", str(data)]
            lines.append(
                f"tenant {tenant.name} is searched as before, with the earlier model {model} of {pack}; "
                f"the present one recognises more. Change it, also while this serves: {shlex.join(command)}"
            )
    return lines
