"""The search function: app.py's `search`, without the dialects, which took 13 % of its cold start.

Lambda starts it by the `Handler` in infra/functions.yaml.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import chalicelib.cold_start  # first: while the others are imported, no garbage is collected
from chalicelib import bootstrap
from chalicelib.api import observability

provide = bootstrap.Provider()

observability.log_as_json(os.environ)
_observed = observability.make_observer(os.environ)


def search(event: dict[str, Any], context: object) -> Any:
    """Search exactly in the galleries that this function holds; other functions invoke it
    (aws/search.py)."""
    from chalicelib.storage.aws import search as remote_search

    def answer(_event: Any) -> Any:
        return remote_search.answer_search(event, provide.ports().search)

    return chalicelib.cold_start.delay_garbage_collection(
        SimpleNamespace(context=context), lambda call: _observed(call, answer)
    )
