"""The service that a command line names, by its URL and a key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regulars_client.client import Regulars

_FIRST_PATIENCE_S = 2.0
"""How long the first request is tried, which tells of a wrong URL."""


@contextmanager
def open_service(
    url: str | None, key_file: Path | None, patience_s: float = 120.0
) -> Iterator[Regulars]:
    """Yield a client of the service at `url`, which any other book than today's refuses.

    `url`: None: $REGULARS_URL, else the one on this machine. Raises RegularsError at once for a
    wrong URL or key.
    """
    url = url or os.environ.get("REGULARS_URL") or "http://127.0.0.1:8000"
    with Regulars(url, key_file=key_file, patience_s=_FIRST_PATIENCE_S) as service:
        service.get_session()
        service.patience_s = patience_s
        if service.book is not None:
            # else half of the work could go to another one, as after a restore
            service.pin_book(service.book)
        yield service
