"""Steps of a restore: settings are set again, and unknown endings are listed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Tenant
from chalicelib.privacy.standing import Restored, Rotate, Standing
from chalicelib.services import Services
from chalicelib.storage.values import time_text
from regulars.backup.owed import Ask


def make_rotate(services: Services) -> Rotate:
    """Return what gives a tenant other shared keys: a box writes them into credentials.json, a
    stage prints them."""
    from regulars.tenants.credentials import CredentialsFile

    storage = services.settings.storage

    def rotate(name: str) -> None:
        if isinstance(storage, Path):
            CredentialsFile(storage, services.tenants).rotate_keys(name)
        else:
            print(json.dumps(asdict(services.tenants.rotate_keys(name))), flush=True)

    return rotate


def begin_restore_act(tenant: Tenant) -> AbstractContextManager[AuditEvent]:
    """Count what is written inside as the restore of this tenant's book: the audit has it."""
    return begin_audit_event(
        AuditEvent("regulars restore", "operator", Kind.CHANGE, tenant=tenant.name, is_restore=True)
    )


def redo_settings(
    services: Services, restored: Restored, later: Sequence[Standing], ask: Ask
) -> Iterator[str]:
    """Say which settings are back that were others last, and set those again, if that is
    answered.

    `later`: what the tenant's documents since the backup say. A text that somebody wrote is a hash
    there, which begins with `#`: that it was changed is said, and it stays as it is.
    """
    present = services.access.standing.read(restored.tenant).settings
    last = {
        name: value
        for name, value in (later[-1].settings if later else {}).items()
        if present.get(name, value) != value
    }
    for name in [name for name, value in last.items() if str(value).startswith("#")]:
        del last[name]
        yield f"{name} was changed since, and is as it was then: look at it"
    for name, value in last.items():
        yield (
            f"{name} is {_say_value(present[name])} in the backup, and was {_say_value(value)} last"
        )
    if last and ask(f"{restored.tenant.name}: set these as they were last?"):
        for name, value in last.items():
            try:
                services.tenants.change_settings(restored.tenant.name, {name: value})
                yield f"{name} is {_say_value(value)} again"
            except RegularsError as error:
                yield f"{name} cannot be set: {error}"


def _say_value(value: Any) -> str:
    return "none" if value is None else json.dumps(value).strip('"')


_MOST_NAMED = 20
"""People with a record of consent who are named."""


def say_unknown(
    services: Services, restored: Restored, known_until: datetime | None, where: str
) -> Iterator[str]:
    """Say one by one what is open or stands in the restored book, of which nobody knows whether it
    ended later.

    `known_until`: the time of the newest document; None: there is none. `where`: the option that
    names the folder or stage in a command.
    """
    tenant, time = restored.tenant, time_text(known_until or restored.backed_up_at)
    if known_until is None:
        yield (
            f"nothing is known of it since then ({time}): no document of what stands lies beside "
            "the backup or at the witness"
        )
    yield (
        f"keys, members, hooks, cameras, settings and consents are as on {time}: end what you "
        "ended since, such as by "
        f"`regulars call list-keys --tenant {restored.tenant.name} {where}`, or restore with "
        "--new-secrets"
    )
    for access in services.access.standing.list_names(tenant):
        yield f"{access}, as on {time}"
    consenting = [face.faceid for face in services.consents.list_all(tenant)]
    if consenting:
        more = f" and {len(consenting) - _MOST_NAMED} more" if len(consenting) > _MOST_NAMED else ""
        yield f"record of consent of {', '.join(consenting[:_MOST_NAMED])}{more}, as on {time}"
    yield (f"if the shop was erased since: `regulars tenants erase {restored.tenant.name} {where}`")
