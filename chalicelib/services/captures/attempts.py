"""How often a capture is tried: an attempt is counted before its picture is opened, so that it survives a kill."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from chalicelib.core import keys, telemetry
from chalicelib.core.captures import CaptureState
from chalicelib.core.errors import Busy, ConditionFailed, RegularsError
from chalicelib.core.items import attempts, write
from chalicelib.core.ports import ItemStore, Update, at_least, equals
from chalicelib.core.records.captures import ATTEMPTS, capture_key
from chalicelib.core.telemetry import CAPTURES_PARKED

_log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
"""Counted attempts that may end without an outcome. The next one parks the capture and does not open its picture."""


class Attempts:
    def __init__(self, items: ItemStore) -> None:
        self._items = items

    def begin(self, tenant: str, camera_id: str, capture_id: str) -> bool:
        """Count an attempt at the capture. Call this before its picture is opened.

        Return False if there is nothing to try: the capture is gone, has its outcome, or is parked, perhaps just now
        because MAX_ATTEMPTS attempts never ended. Raises Busy, StorageUnavailable.
        """
        key = capture_key(tenant, camera_id, capture_id)
        for _ in attempts():
            item = self._items.get(keys.CAPTURES, key)
            if item is None or item["state"] in (CaptureState.RESOLVED, CaptureState.PARKED):
                return False
            same = (equals(ATTEMPTS, item.get(ATTEMPTS), "attempts-same"), equals("state", item["state"], "state-same"))
            before = int(item.get(ATTEMPTS, 0))
            parked = before >= MAX_ATTEMPTS
            fields: dict[str, Any] = {ATTEMPTS: before + 1}
            if parked:
                fields = {"state": CaptureState.PARKED, "reason": _reason(before)}
            with suppress(ConditionFailed):  # another worker is at it
                write(self._items, [Update(keys.CAPTURES, key, same, set=fields)])
                if parked:
                    telemetry.count(CAPTURES_PARKED)
                    _log.warning("capture %s of camera %s is parked: %s", capture_id, camera_id, _reason(before))
                return not parked
        raise Busy("several workers begin with this capture at once: deliver it again in a moment")

    def give_back(self, tenant: str, camera_id: str, capture_id: str) -> None:
        """Take back one counted attempt, because storage or contention ended it and not the picture.

        If storage refuses that, too, the attempt stays counted.
        """
        key, counted = capture_key(tenant, camera_id, capture_id), (at_least(ATTEMPTS, 1, "counted"),)
        with suppress(RegularsError):
            write(self._items, [Update(keys.CAPTURES, key, counted, add={ATTEMPTS: -1})])


def _reason(times: int) -> str:
    return f"its picture was opened {times} times and none came to an end: each time the service died or failed"
