"""Parts of each process: the machine's clock, and decrypted secrets of a Vault, kept for a few
minutes."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from chalicelib.storage.ports import Vault


class SystemClock:
    """The Clock port: the operating system's time, UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


KEPT_S = 300
"""How long a process remembers an unsealed secret, in s: a revoked key of the vault works no longer
than that."""


class CachedVault:
    """The Vault port.

    The sealed bytes are the cache's key, so a secret that was exchanged is never found again.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._kept: dict[tuple[bytes, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def seal(self, secret: str, context: str) -> bytes:
        return self._vault.seal(secret, context)

    def unseal(self, sealed: bytes, context: str) -> str:
        now = time.monotonic()
        with self._lock:
            until_and_secret = self._kept.get((sealed, context))
        if until_and_secret is None or until_and_secret[0] < now:
            until_and_secret = (now + KEPT_S, self._vault.unseal(sealed, context))
            with self._lock:
                self._kept = {k: v for k, v in self._kept.items() if v[0] >= now} | {
                    (sealed, context): until_and_secret
                }
        return until_and_secret[1]
