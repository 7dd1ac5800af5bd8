"""Deletion and erasure of faces, groups and pictures: by people, and by the clock for what is kept no longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.chores import Chore, ChoreContext, Rest, unless
from chalicelib.core.retention import SWEPT, Kind
from chalicelib.services.rooms import Made, UseCase

if TYPE_CHECKING:
    from chalicelib.services.erasure.erasing import Erasing, Erasures
    from chalicelib.services.erasure.faces import Deletion, GroupDeletion
    from chalicelib.services.erasure.retention import BulkDeleteGuard, CaptureExpiry, Retention
    from chalicelib.services.erasure.traces import DerivedData, OrphanedPictures, PictureRedactor, PicturesOff

MAX_DELETED = 100


LISTED = range(3, 24, 6)
"""The hours, in UTC, whose sweeps list the pictures."""


@dataclass(frozen=True)
class Deleted:
    """The outcome of a deletion. Each id is in exactly one of the lists."""

    success: list[str]
    failed: list[str]
    not_exist: list[str]
    erasures: list[str] = field(default_factory=list)
    """Ids of the erasures that follow; none of a plain deletion."""


class Deletions(UseCase):
    """`items`: those of `storage`, audited. `in_review`: reads the faces that somebody is to look at; `index`: makes
    the builder of snapshots."""

    records: Made[Erasures] = Made("erasure.erasing.Erasures")
    traces: Made[DerivedData] = Made("erasure.traces.DerivedData")
    shown: Made[PictureRedactor] = Made("erasure.traces.PictureRedactor")
    captures: Made[CaptureExpiry] = Made("erasure.retention.CaptureExpiry")
    steps: Made[Erasing] = Made("erasure.erasing.Erasing")
    deletion: Made[Deletion] = Made("erasure.faces.Deletion")
    of_groups: Made[GroupDeletion] = Made("erasure.faces.GroupDeletion")
    pictures: Made[OrphanedPictures] = Made("erasure.traces.OrphanedPictures")
    pictures_off: Made[PicturesOff] = Made("erasure.traces.PicturesOff")
    retention: Made[Retention] = Made("erasure.retention.Retention")
    withholding: Made[BulkDeleteGuard] = Made("erasure.retention.BulkDeleteGuard")

    def chores(self) -> tuple[Chore, ...]:
        """Return the chores: what was begun first, and what is kept no longer."""
        return (
            Chore("groups", lambda one: self.of_groups.tenant(one.tenant, one.left_s), by_no_clock=True),
            Chore("erasures", lambda one: self.steps.tenant(one.tenant, one.left_s), by_no_clock=True),
            Chore("pictures", self._pictures),
            Chore("pictures off", lambda one: unless(self.pictures_off.tenant(one.tenant, one.hour, one.left_s))),
            Chore("consents", lambda one: self._kept(one, Kind.CONSENTS)),
            Chore(
                "retention",
                lambda one: self._kept(one, *SWEPT),
                nightly=self.book.storage.expires_items,
            ),
            Chore("learnt pictures", lambda one: self._kept(one, Kind.LEARNT), nightly=True),
        )

    def _kept(self, one: ChoreContext, *kinds: Kind) -> Rest | None:
        return unless(self.retention.tenant(one.tenant, one.left_s, of=kinds))

    def _pictures(self, one: ChoreContext) -> Rest | None:
        after = self.pictures.delete(one.tenant.name, one.hour, one.after, one.left_s)
        return Rest(after) if after else None
