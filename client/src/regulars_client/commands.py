"""The service that a command line names, by its URL and a key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from regulars_client.client import Regulars

URL = "http://127.0.0.1:8000"
PATIENCE_S, _FIRST_PATIENCE_S = 120.0, 2.0
"""How long a request is tried, and the first one, which tells of a wrong URL."""


@contextmanager
def open_service(
    url: str | None, key_file: Path | None, patience_s: float = PATIENCE_S
) -> Iterator[Regulars]:
    """Yield a client of the service at `url`, which any other book than today's refuses.

    `url`: None: $REGULARS_URL, else the one on this machine. Raises RegularsError at once for a
    wrong URL or key.
    """
    url = url or os.environ.get("REGULARS_URL") or URL
    with Regulars(url, key_file=key_file, patience_s=_FIRST_PATIENCE_S) as service:
        service.get_session()
        book = service.book
    with Regulars(url, key_file=key_file, patience_s=patience_s) as service:
        if book is not None:
            # else half of the work could go to another one, as after a restore
            service.pin_book(book)
        yield service
