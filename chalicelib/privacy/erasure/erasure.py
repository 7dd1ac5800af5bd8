"""Erasure of people, what follows each deletion, and what is kept no longer by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from chalicelib.book.deletion.deletion import Deleted
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.jobs import Job, JobContext, Unfinished, make_unfinished
from chalicelib.domain.model import Tenant
from chalicelib.domain.observations import is_of
from chalicelib.lazy import lazy
from chalicelib.privacy.retention import SWEPT, Kind
from chalicelib.service import Service

if TYPE_CHECKING:
    from chalicelib.privacy.erasure.again import Again
    from chalicelib.privacy.erasure.captures import CaptureErasure
    from chalicelib.privacy.erasure.naming import Naming
    from chalicelib.privacy.erasure.records import Erasures
    from chalicelib.privacy.erasure.retention import PicturesOff, Retention
    from chalicelib.privacy.erasure.staff import StaffFeelings
    from chalicelib.privacy.erasure.steps import ErasureSteps
    from chalicelib.privacy.erasure.strangers import StrangerErasure
    from chalicelib.privacy.erasure.stripping import Stripping
    from chalicelib.privacy.erasure.tenant import TenantErasures
    from chalicelib.privacy.erasure.traces import Traces
    from chalicelib.services import Services


class Forgetting(Service["Services"]):
    """Erasures, the steps after deletions, and retention."""

    @lazy
    def records(self) -> Erasures:
        from chalicelib.privacy.erasure.records import Erasures

        return Erasures(self.services)

    @lazy
    def naming(self) -> Naming:
        from chalicelib.privacy.erasure.naming import Naming

        return Naming(self.services)

    @lazy
    def steps(self) -> ErasureSteps:
        from chalicelib.privacy.erasure.steps import ErasureSteps

        return ErasureSteps(self.services)

    @lazy
    def traces(self) -> Traces:
        from chalicelib.privacy.erasure.traces import Traces

        return Traces(self.services)

    @lazy
    def captures(self) -> CaptureErasure:
        from chalicelib.privacy.erasure.captures import CaptureErasure

        return CaptureErasure(self.services)

    @lazy
    def again(self) -> Again:
        from chalicelib.privacy.erasure.again import Again

        return Again(self.services)

    @lazy
    def of_tenants(self) -> TenantErasures:
        from chalicelib.privacy.erasure.tenant import TenantErasures

        return TenantErasures(self.services)

    @lazy
    def pictures(self) -> PicturesOff:
        from chalicelib.privacy.erasure.retention import PicturesOff

        return PicturesOff(self.services)

    @lazy
    def retention(self) -> Retention:
        from chalicelib.privacy.erasure.retention import Retention

        return Retention(self.services)

    @lazy
    def staff(self) -> StaffFeelings:
        from chalicelib.privacy.erasure.staff import StaffFeelings

        return StaffFeelings(self.services)

    @lazy
    def strangers(self) -> StrangerErasure:
        from chalicelib.privacy.erasure.strangers import StrangerErasure

        return StrangerErasure(self.services)

    @lazy
    def stripping(self) -> Stripping:
        from chalicelib.privacy.erasure.stripping import Stripping

        return Stripping(self.services)

    def erase_gone_face(
        self,
        tenant: Tenant,
        faceid: str,
        request: RequestId | None = None,
        *,
        by: str = "",
        asked_at: datetime | None = None,
    ) -> Deleted:
        """Erase what an already deleted face left: sightings, and the captures that show it.

        A person who was enrolled with its id since stays. `not_exist` names it if it left nothing.
        `asked_at`: when it was asked for first, if a backup brought that back. Raises Busy,
        AnsweredAlready.
        """
        if not self.has_left_traces(tenant, faceid):
            return Deleted([], [], [faceid])
        erasure = self.records.make_erasure_of_gone(tenant, faceid, by, asked_at)
        deleted = Deleted([faceid], [], [], [erasure.id])
        self.services.requests.write_with_answer(
            tenant.name, self.records.make_put_actions(tenant, erasure), request, asdict(deleted)
        )
        self.records.send_message(tenant.name, erasure)
        return deleted

    def has_left_traces(self, tenant: Tenant, faceid: str) -> bool:
        """Return whether a face of this id that was deleted has left a sighting.

        One that has the id now is another.
        """
        present_face = self.services.faces.by_id(tenant, [faceid], restricted=True).get(faceid)
        return any(
            present_face is None or not is_of(present_face, observation)
            for observation in self.services.merges.mover.list_observations(tenant, faceid)
        )

    def list_jobs(self) -> tuple[Job, ...]:
        """Return the jobs: erasures that were begun, then strangers, pictures, feelings,
        consents and retention.

        "retention" runs at night where storage itself deletes expired items, else each hour.
        """
        return (
            Job(
                "erasures",
                lambda context: self.steps.continue_all(context.tenant, context.remaining_s),
                ignores_clock=True,
            ),
            Job(
                "strangers",
                lambda context: make_unfinished(
                    self.strangers.forget(context.tenant, context.remaining_s)
                ),
                ignores_clock=True,
            ),
            Job(
                "pictures off",
                lambda context: make_unfinished(
                    self.pictures.remove_pictures(context.tenant, context.hour, context.remaining_s)
                ),
            ),
            Job(
                "feelings of staff",
                lambda context: make_unfinished(
                    self.staff.remove(context.tenant, context.remaining_s)
                ),
                nightly=True,
            ),
            Job("consents", self._restrict_expired),
            Job("withdrawn", self._settle_withdrawn, nightly=True),
            Job(
                "retention",
                lambda context: self._apply_retention(context, *SWEPT),
                nightly=self.services.storage.expires_items,
            ),
            Job(
                "learnt pictures",
                lambda context: self._apply_retention(context, Kind.LEARNT),
                nightly=True,
            ),
            Job(
                "rejections",
                lambda context: make_unfinished(
                    self.traces.forget_memories(context.tenant, context.remaining_s)
                ),
                nightly=True,
            ),
        )

    def _restrict_expired(self, context: JobContext) -> Unfinished | None:
        self.services.restrictions.restrict_expired(
            context.tenant, looks=True, remaining_s=context.remaining_s
        )
        return self._apply_retention(context, Kind.CONSENTS, Kind.REMEMBERED)

    def _settle_withdrawn(self, context: JobContext) -> None:
        self.services.restrictions.note_withdrawn(context.tenant)
        self.strangers.forget_counts(context.tenant)

    def _apply_retention(self, context: JobContext, *kinds: Kind) -> Unfinished | None:
        return make_unfinished(
            self.retention.sweep_tenant(context.tenant, context.remaining_s, swept_kinds=kinds)
        )
