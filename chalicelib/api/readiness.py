"""The readiness check: whether models, storage and galleries are available, with no details that
need a key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import Busy
from chalicelib.domain.model import Tenant
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.ports import Vision
from chalicelib.storage.records.faces import tenant_from
from chalicelib.telemetry import log_failure

if TYPE_CHECKING:
    from chalicelib.services import Services


_log = logging.getLogger(__name__)

REMEMBERED = timedelta(seconds=5)
"""How long an answer is given again, so that people who ask often cost little."""

INSPECTED_EVERY = timedelta(days=7)
"""How often a box reads its whole database to see whether it is damaged."""
DAMAGED = "the database is damaged: bring a backup back with `regulars restore`"

_NO_OBJECT = keys.face_picture("-", "-", "none")
_STORAGE = "the storage does not answer"
_DISK = "the disk is full"
_MODELS = "a model pack is not complete: `regulars models` says which file"
_GALLERY = "the gallery does not answer"


OK = "ok"


class Ready(Struct, frozen=True):
    """State of all that the service needs.

    `subjects`: the state of each need: OK, a sentence about what is wrong, or None: not looked at,
    since one before is wrong. `pack`: the model pack's name; None: no pack was found.
    """

    subjects: Mapping[str, str | None]
    pack: str | None = None
    damage: str | None = None
    """DAMAGED, with which the service is ready for most requests all the same."""

    @property
    def is_ready(self) -> bool:
        return all(state == OK for state in self.subjects.values())


class Readiness(Service["Services"]):
    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.is_damaged = False
        """Whether the last inspection found damage."""
        self._inspected_at: datetime | None = None
        self._known: tuple[datetime, Ready] | None = None
        self._looking = threading.Lock()

    def check(self) -> Ready:
        """Look whether all is at hand, with one tenant's gallery.

        It never raises: what fails is missing.

        The answer may be REMEMBERED old. Its sentences tell nothing of the data; the log has the
        errors.
        """
        with self._looking:
            now = self.services.clock.now()
            if self._known is None or not self._known[0] <= now < self._known[0] + REMEMBERED:
                self._known = now, self._inspect_parts()
            return replace(self._known[1], damage=DAMAGED if self.is_damaged else None)

    def inspect(self) -> None:
        """Look for damage, unless this process did so in the last INSPECTED_EVERY: at each start
        and once a week."""
        now = self.services.clock.now()
        if self._inspected_at is not None and abs(now - self._inspected_at) < INSPECTED_EVERY:
            return
        with suppress(Busy):  # the next sweep tries again
            damage = self.services.storage.damage()
            self._inspected_at, self.is_damaged = now, damage is not None
            if damage is not None:
                _log.error("%s (%s)", DAMAGED, damage)

    def _inspect_parts(self) -> Ready:
        """Try storage, models and gallery, in this order, and stop at the first that fails.

        The state of each that works is OK; of the one that fails, a sentence about the failure; of
        the rest, None. The sentence is set before the try, so that it is there if the try raises.
        """
        states: dict[str, str | None] = dict.fromkeys(("storage", "models", "gallery"))
        pack = None
        try:
            states["storage"] = _STORAGE
            tenant = self._read_some_tenant()
            if self.services.storage.disk is not None and self.services.storage.disk().is_full:
                return Ready(states | {"storage": _DISK})
            states |= {"storage": OK, "models": _MODELS}
            vision = self.services.tenant_vision.choose_vision(
                self.services.ports.model() if tenant is None else tenant.model
            )
            pack = vision.pack
            states |= {"models": OK, "gallery": _GALLERY}
            if tenant is not None:
                self._search_nobody(tenant, vision)
            states["gallery"] = OK
        except Exception as error:
            log_failure(error, "the service is not ready")
        return Ready(states, pack)

    def _read_some_tenant(self) -> Tenant | None:
        """Read a tenant, and look for a picture that is not there."""
        self.services.storage.blobs.size(_NO_OBJECT)
        items = self.services.items.query(keys.TENANTS, keys.tenant_item("")[0], limit=1).items
        return tenant_from(items[0]) if items else None

    def _search_nobody(self, tenant: Tenant, vision: Vision) -> None:
        """Search the tenant's gallery for nobody."""
        import numpy as np

        self.services.ports.search.search(
            tenant.name, SearchRequest(vision.model, np.zeros((0, vision.dimensions), np.float32))
        )
