"""Secrets in the clear for a few minutes, so that not each use of one asks the Vault."""

from __future__ import annotations

import threading
import time

from chalicelib.core.ports import Vault

KEPT_S = 300


class Unsealed:
    """By what was sealed; so a secret that was exchanged is never found."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._kept: dict[tuple[bytes, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def __call__(self, sealed: bytes, context: str) -> str:
        """The secret. Raises StorageUnavailable, Busy."""
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get((sealed, context))
        if kept is None or kept[0] < now:
            kept = (now + KEPT_S, self._vault.unseal(sealed, context))
            with self._lock:
                self._kept = {k: v for k, v in self._kept.items() if v[0] >= now} | {(sealed, context): kept}
        return kept[1]
