"""Transactions outside the gallery: tried again with full jitter while storage is busy."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from chalicelib.core.errors import Busy
from chalicelib.core.ports import Action, ItemStore

_TRIES = 12
_LONGEST_PAUSE_S = 0.5


def transact(items: ItemStore, actions: Sequence[Action]) -> None:
    """As ItemStore.transact, but Busy is raised only after a dozen tries."""
    for attempt in range(_TRIES):
        try:
            return items.transact(actions)
        except Busy:
            if attempt == _TRIES - 1:
                raise
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.005 * 2**attempt)))
    return None
