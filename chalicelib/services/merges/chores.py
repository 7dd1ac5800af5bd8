"""Scheduled chores of merges: finish those that were cut off, and delete those too old to be undone."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, RegularsError
from chalicelib.core.items import write
from chalicelib.core.merges import UNDONE_WITHIN, Merge, MergeState
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Update, at_least, equals
from chalicelib.core.telemetry import log_failure
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.merges.observations import ObservationMover
from chalicelib.services.merges.records import Merges

_LOOKED_AGAIN = (timedelta(minutes=5), timedelta(hours=6))
"""The age of a merge, from and to, at which the sweep moves observations that a search under way wrote too late."""


_FREE = "survivor-free"


class MergeChores:
    def __init__(self, items: ItemStore, mover: ObservationMover, portraits: Portraits, clock: Clock) -> None:
        self._items = items
        self._merges = Merges(items)
        self._mover = mover
        self._portraits = portraits
        self._clock = clock

    def tenant(self, tenant: Tenant) -> None:
        """Do all chores of the tenant's merges. If those of one fail, do the others', then raise Busy."""
        failed: list[str] = []
        for merge in list(self._merges.all(tenant.name)):
            try:
                self._one(tenant, merge)
            except RegularsError as error:
                log_failure(error, f"merge {merge.id} of tenant {tenant.name} is looked at again later")
                failed.append(merge.id)
        if failed:
            raise Busy(f"these merges were not finished or deleted: {', '.join(failed)}")

    def _one(self, tenant: Tenant, merge: Merge) -> None:
        merge = self._mover.finish(tenant, merge.id)
        age = self._clock.now() - merge.at
        if age > UNDONE_WITHIN:
            if self._deleted(tenant.name, merge):
                self._portraits.discard(merge.picture_keys)
        elif merge.state is MergeState.DONE and _LOOKED_AGAIN[0] <= age <= _LOOKED_AGAIN[1]:
            self._mover.stragglers(tenant, merge)

    def _deleted(self, tenant: str, merge: Merge) -> bool:
        """Delete a merge and lower the survivor's count of merges; return False if that face is under legal hold.

        If the survivor is gone (merged itself, or deleted just now), delete the merge only.
        """
        same = (equals("state", merge.state, "merge-state"),)
        delete: Action = Delete(keys.MERGES, (tenant, merge.id), same)
        counted = (at_least("merges", 1, "face-merged"), equals("hold", None, _FREE))
        fewer = Update(keys.FACES, (tenant, merge.survivor), counted, add={"merges": -1, "version": 1})
        try:
            write(self._items, [delete, fewer] if merge.is_active else [delete])
        except ConditionFailed as error:
            survivor = self._items.get(keys.FACES, (tenant, merge.survivor)) if _FREE in error.names else None
            if survivor is not None and "hold" in survivor:
                return False
            with suppress(ConditionFailed):
                write(self._items, [delete])
        return True
