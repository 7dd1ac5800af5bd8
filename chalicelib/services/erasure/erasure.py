"""Deletion and erasure of faces, groups and pictures: by people, and by the clock for what is kept no longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.core.chores import Chore, Rest, Round, unless
from chalicelib.core.lazy import lazy
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock, ItemStore, Storage
from chalicelib.core.search import IndexBuilder
from chalicelib.services.audit.audit import Audit
from chalicelib.services.captures.captures import Captures
from chalicelib.services.commit import GalleryWriter
from chalicelib.services.consents import Consents
from chalicelib.services.enrolment.enrolment import Enrolment
from chalicelib.services.faces import Faces
from chalicelib.services.groups import Groups
from chalicelib.services.idempotency import Requests
from chalicelib.services.merges.merges import Merges
from chalicelib.services.models import TenantVision
from chalicelib.services.portraits import Portraits
from chalicelib.services.statistics.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Collection

    from chalicelib.services.erasure.erasing import Erasing, Erasures
    from chalicelib.services.erasure.faces import Deletion
    from chalicelib.services.erasure.groups import GroupDeletion
    from chalicelib.services.erasure.pictures import OrphanedPictures, PicturesOff
    from chalicelib.services.erasure.retention import ConsentExpiry, LearntExpiry, Retention, Withholding
    from chalicelib.services.erasure.traces import Traces

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


@dataclass
class Deletions:
    """`items`: those of `storage`, audited. `in_review`: reads the faces that somebody is to look at; `index`: makes
    the builder of snapshots."""

    items: ItemStore
    storage: Storage
    groups: Groups
    faces: Faces
    portraits: Portraits
    captures: Captures
    statistics: Statistics
    merges: Merges
    consents: Consents
    enrolment: Callable[[], Enrolment]
    in_review: Callable[[Tenant], Collection[str]]
    tenant_vision: TenantVision
    audit: Audit
    index: Callable[[], IndexBuilder]
    writer: GalleryWriter
    requests: Requests
    clock: Clock
    capture_days: int

    @lazy
    def records(self) -> Erasures:
        from chalicelib.services.erasure.erasing import Erasures

        return Erasures(self.items, self.storage.blobs, self.storage.index_queue, self.merges, self.clock)

    @lazy
    def traces(self) -> Traces:
        from chalicelib.services.erasure.traces import Traces

        return Traces(self.items, self.storage.blobs)

    @lazy
    def steps(self) -> Erasing:
        from chalicelib.services.erasure.erasing import Erasing
        from chalicelib.services.erasure.traces import Shown

        return Erasing(
            self.items,
            self.records,
            self.traces,
            Shown(self.items, self.storage.uploads, self.tenant_vision),
            merges=self.merges,
            statistics=self.statistics,
            index=self.index(),
            audit=self.audit,
            clock=self.clock,
            wipe=self.storage.scrub,
        )

    @lazy
    def deletion(self) -> Deletion:
        from chalicelib.services.erasure.faces import Deletion

        return Deletion(
            self.items,
            self.groups,
            self.faces,
            self.portraits,
            writer=self.writer,
            requests=self.requests,
            merges=self.merges,
            erasures=self.records,
        )

    @lazy
    def of_groups(self) -> GroupDeletion:
        from chalicelib.services.erasure.groups import GroupDeletion

        return GroupDeletion(
            self.items,
            self.groups,
            self.faces.holds,
            self.writer,
            requests=self.requests,
            erasures=self.records,
            traces=self.traces,
            merges=self.merges,
            index=self.index(),
            queue=self.storage.index_queue,
        )

    @lazy
    def pictures(self) -> OrphanedPictures:
        from chalicelib.services.erasure.pictures import OrphanedPictures

        return OrphanedPictures(self.items, self.storage.blobs, self.merges, self.clock)

    @lazy
    def pictures_off(self) -> PicturesOff:
        from chalicelib.services.erasure.pictures import PicturesOff

        return PicturesOff(self.items, self.storage.uploads, self.portraits, self.captures, merges=self.merges)

    @lazy
    def retention(self) -> Retention:
        from chalicelib.services.erasure.retention import CaptureExpiry, Retention

        return Retention(
            self.withholding,
            self.groups,
            self.faces,
            deletion=self.deletion,
            captures=CaptureExpiry(self.items, self.storage.uploads, self.capture_days),
            statistics=self.statistics,
            in_review=self.in_review,
            clock=self.clock,
            expires_items=self.storage.expires_items,
        )

    @lazy
    def withholding(self) -> Withholding:
        from chalicelib.services.erasure.retention import Withholding

        return Withholding(self.items, self.clock)

    @lazy
    def of_consents(self) -> ConsentExpiry:
        from chalicelib.services.erasure.retention import ConsentExpiry

        return ConsentExpiry(self.withholding, self.consents, self.deletion, self.clock)

    @lazy
    def of_learnt(self) -> LearntExpiry:
        from chalicelib.services.erasure.retention import LearntExpiry

        return LearntExpiry(self.withholding, self.items, self.enrolment(), self.clock)

    def chores(self) -> tuple[Chore, ...]:
        """Return the chores: what was begun first, and what is kept no longer."""
        return (
            Chore("groups", lambda one: self.of_groups.tenant(one.tenant, one.left_s), by_no_clock=True),
            Chore("erasures", lambda one: self.steps.tenant(one.tenant, one.left_s), by_no_clock=True),
            Chore("pictures", self._pictures),
            Chore("pictures off", lambda one: unless(self.pictures_off.tenant(one.tenant, one.hour, one.left_s))),
            Chore("consents", lambda one: self.of_consents.tenant(one.tenant, one.left_s)),
            Chore(
                "retention",
                lambda one: unless(self.retention.tenant(one.tenant, one.left_s)),
                nightly=self.storage.expires_items,
            ),
            Chore("learnt pictures", lambda one: self.of_learnt.tenant(one.tenant), nightly=True),
        )

    def _pictures(self, one: Round) -> Rest | None:
        after = self.pictures.delete(one.tenant.name, one.hour, one.after, one.left_s)
        return Rest(after) if after else None
