"""Erasures of whole tenants: how far one is, and the receipt that outlives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.erasure_progress import COUNT
from chalicelib.storage import keys
from chalicelib.storage.ports import Item
from chalicelib.storage.values import Codec, Form, time_text

RECEIPT_OF_TENANT = "erasure of a tenant"
"""The kind of the receipt's statement."""

UNDER_WAY = timedelta(minutes=16)
"""After so long nothing of ours writes that knew the tenant: a function runs 15 minutes at most,
and for as long a camera may use a URL that it was given."""

OBJECTS, UPLOADS = "objects", "uploads"
"""Counts of files: pictures of faces, snapshots, sealed days and closed hours; and what cameras
sent."""


class TenantStep(StrEnum):
    """The steps of a tenant's erasure, in this order.

    From before the first on, nobody finds the tenant.
    """

    ALL = "all"
    LATE = "late"
    """What was under way, as `ALL` does it. It begins when that has ended."""
    RECEIPT = "receipt"
    """Signs it, and deletes the key that signed."""
    FILES = "files"
    """Wipes that key from the files."""


STEPS = tuple(TenantStep)


class TenantErasure(Struct, frozen=True):
    """An erasure of a tenant. Done, it is the receipt, which stays."""

    id: str
    tenant: str
    app_id: str
    """Of no other tenant, ever: a restored backup has this one if it has this id."""
    at: datetime
    by: str
    late_at: datetime
    """The time from which the step LATE may begin."""
    step: int = 0
    """Number of its steps that are done."""
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How many items of each table went, and files."""
    receipt: Mapping[str, Any] | None = None

    @property
    def next_step(self) -> TenantStep | None:
        """The step that is being done; None: all are."""
        return STEPS[self.step] if self.step < len(STEPS) else None


_TENANT_ERASURE = Codec(
    TenantErasure,
    {"id": "erasure", "tenant": "id"},
    counts=Form(
        lambda counts: {f"{COUNT}{name}": number for name, number in counts.items()},
        lambda item: {
            name.removeprefix(COUNT): int(item[name])
            for name in sorted(item)
            if name.startswith(COUNT)
        },
        whole=True,
    ),
    receipt=Form(json.dumps, json.loads),
)
tenant_erasure_from = _TENANT_ERASURE.read


def tenant_erasure_item(erasure: TenantErasure) -> Item:
    return {"kind": keys.ERASED, **_TENANT_ERASURE.write(erasure)}


def tenant_statement(erasure: TenantErasure, done_at: datetime) -> dict[str, Any]:
    """Make the receipt's statement, which the tenant signs with the last use of its key."""
    return {
        "kind": RECEIPT_OF_TENANT,
        "tenant": erasure.tenant,
        "app_id": erasure.app_id,
        "id": erasure.id,
        "asked_at": time_text(erasure.at),
        "done_at": time_text(done_at),
        "by": erasure.by,
        "counts": dict(erasure.counts),
        "left": "this receipt; and what is outside of the service: "
        + ", ".join(place.name for place in DATA_MAP if not place.is_ours),
    }
