"""What time does to merges: cut off ones are finished, old ones can no longer be undone."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed, RegularsError
from chalicelib.core.merges import Merge, MergeState
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Update, at_least, equals
from chalicelib.services.commit.transaction import write
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.merges.moving import Moving
from chalicelib.services.merges.records import Merges
from chalicelib.services.merges.undo import UNDONE_WITHIN

_LOOKED_AGAIN = (timedelta(minutes=5), timedelta(hours=6))
"""How old a merge is when it is looked for what a search wrote that was under way then."""

_log = logging.getLogger(__name__)


class MergeChores:
    def __init__(self, items: ItemStore, moving: Moving, portraits: Portraits, clock: Clock) -> None:
        self._items = items
        self._merges = Merges(items)
        self._moving = moving
        self._portraits = portraits
        self._clock = clock

    def tenant(self, tenant: Tenant) -> None:
        """All chores of one tenant's merges; one that fails holds up no other and is done at the next sweep."""
        for merge in list(self._merges.all(tenant.name)):
            try:
                self._one(tenant, merge)
            except RegularsError as error:
                _log.warning("merge %s of tenant %s is looked at again later: %s", merge.id, tenant.name, error)

    def pictures(self, tenant: str) -> set[str]:
        """Those of faces that can come back."""
        return {key for merge in self._merges.all(tenant) for key in merge.picture_keys}

    def _one(self, tenant: Tenant, merge: Merge) -> None:
        merge = self._moving.finish(tenant, merge.id)
        age = self._clock.now() - merge.at
        if age > UNDONE_WITHIN:
            self._delete(tenant.name, merge)
            self._portraits.discard(merge.picture_keys)
        elif merge.state is MergeState.DONE and _LOOKED_AGAIN[0] <= age <= _LOOKED_AGAIN[1]:
            self._moving.stragglers(tenant, merge)

    def _delete(self, tenant: str, merge: Merge) -> None:
        """The survivor counts one less; where it is gone, it was merged itself, or deleted just now."""
        same = (equals("state", merge.state, "merge-state"),)
        delete: Action = Delete(keys.MERGES, (tenant, merge.id), same)
        counted = (at_least("merges", 1, "face-merged"),)
        fewer = Update(keys.FACES, (tenant, merge.survivor), counted, add={"merges": -1, "version": 1})
        try:
            write(self._items, [delete, fewer] if merge.is_active else [delete])
        except ConditionFailed:
            with suppress(ConditionFailed):
                write(self._items, [delete])
