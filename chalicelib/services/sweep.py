"""Chores of every hour for each tenant: snapshots, merges, joins, seals, lost captures, and deletions.

The schedule sends a message for each tenant, so that no tenant waits for another, and one that fails is tried again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import chore
from chalicelib.core.errors import Busy, RegularsError
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Clock, ItemStore, Put, Queue
from chalicelib.core.search import IndexBuilder
from chalicelib.core.telemetry import log_failure, report_failure
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.audit.closing import Closing
from chalicelib.services.audit.erasing import AuditErasing
from chalicelib.services.captures.kept import KeptCaptures
from chalicelib.services.captures.redrive import Redrive
from chalicelib.services.commit.idempotency import Requests
from chalicelib.services.erasure.consents import ConsentExpiry
from chalicelib.services.erasure.erasing import Erasing
from chalicelib.services.erasure.groups import GroupDeletion
from chalicelib.services.erasure.learnt import LearntExpiry
from chalicelib.services.erasure.pictures import STOPS_AT_S, OrphanedPictures
from chalicelib.services.erasure.pictures_off import PicturesOff
from chalicelib.services.erasure.retention import Retention
from chalicelib.services.joining.chore import JoiningChore
from chalicelib.services.merges.chores import MergeChores
from chalicelib.services.merges.duplicates import Duplicates
from chalicelib.services.sightings.reviews import Reviews
from chalicelib.services.statistics.sealing import Sealing
from chalicelib.services.tenants.accounts import Tenants
from chalicelib.services.tenants.sessions import Sessions
from chalicelib.services.webhooks.outbox import Outbox

_log = logging.getLogger(__name__)

LOST_CAPTURES_HOUR = 3
"""The hour, in UTC, whose sweep searches all captures for lost events, all reviews for those that are over, and all
faces for what they learnt too long ago. On AWS it also deletes what a tenant keeps no longer; on one box, each does.
`watch` searches only the newest captures."""

TRUSTED = timedelta(days=1)
"""On one box, a clock that is so far from that of the last sweep may be wrong. A sweep then does only what no clock
decides, and the next one all: until then somebody, or the network, may have set the clock."""
_BY_NO_CLOCK = ("groups", "erasures", "snapshots", "files")


@dataclass
class Sweep:
    """The hourly chores.

    `expires_items`: storage itself deletes items after their `expires_at` (DynamoDB does). `wipe`: takes what was
    deleted out of the files of a storage that does not (core.ports.Storage).
    """

    items: ItemStore
    tenants: Tenants
    queue: Queue
    index: IndexBuilder
    requests: Requests
    sessions: Sessions
    redrive: Redrive
    outbox: Outbox
    orphans: OrphanedPictures
    consents: ConsentExpiry
    pictures_off: PicturesOff
    retention: Retention
    learnt: LearntExpiry
    groups: GroupDeletion
    erasing: Erasing
    merges: MergeChores
    joining: JoiningChore
    duplicates: Duplicates
    sealing: Sealing
    reviews: Reviews
    kept: KeptCaptures
    audit: Closing
    audit_erasing: AuditErasing
    clock: Clock
    expires_items: bool
    wipe: Callable[[], None]

    def all(self, hour: datetime) -> None:
        """Send a message for each tenant. `hour`: when the schedule called."""
        for tenant in self.tenants.all():
            try:
                self._send(tenant, hour, self._due(tenant, hour))
            except RegularsError as error:
                report_failure(error, f"tenant {tenant.name} is swept in the next hour")

    def message(self, body: str, received: int, left_s: Callable[[], float]) -> None:
        """Do what a message of the index queue asks for: a tenant's chores, an erasure, that of a group's faces or,
        if it names none, snapshots.

        `received`: how often the message was received. Each time another chore is the first, so that one that never
        ends does not hold up the others for ever. `left_s`: how long this run may still take. Raises Busy if a chore
        failed, and what `build` raises.
        """
        asked = json.loads(body)
        telemetry.of_tenant(asked["tenant"])
        if "erasure" in asked:
            self.erasing.go_on(self.tenants.named(asked["tenant"]), asked["erasure"], left_s)
            return
        if "group" in asked:
            tenant = self.tenants.named(asked["tenant"])
            if asked["group"] in tenant.gone:  # else an earlier run, or the sweep, has erased it
                self.groups.go_on(tenant, asked["group"], left_s)
            return
        if "hour" not in asked:
            self.index.build(asked["tenant"])
            with acts.begun(chore("index joining", asked["tenant"])):
                self.joining.tenant(self.tenants.named(asked["tenant"]), left_s)
            return
        chores = asked["chores"]
        turn = (received - 1) % max(1, len(chores))
        tenant, hour = self.tenants.named(asked["tenant"]), moment(asked["hour"])
        if not self.expires_items and abs(self.clock.now() - hour) > TRUSTED:
            return  # it waited while the box was off, or the clock has jumped: the next call of the schedule asks anew
        self.tenant(tenant, hour, [*chores[turn:], *chores[:turn]], asked["after"], left_s)

    def tenant(
        self,
        tenant: Tenant,
        hour: datetime,
        chores: Sequence[str] = (),
        after: str = "",
        left_s: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        """Do chores of one tenant, or all. Each may be cut off anywhere and repeated; one that fails stops no other.

        `after`: the key of the picture after which the look at pictures goes on. Raises Busy if a chore failed. If the
        time runs out before one does, a message is sent for the rest, which comes at once. So each has done something.
        """
        all_chores = self._chores(tenant, hour, after, left_s)
        failed: list[str] = []
        todo = [name for name in chores if name in all_chores] or list(all_chores)  # another version may have others
        for number, name in enumerate(todo):
            if number and left_s() < STOPS_AT_S:
                if failed:
                    failed += todo[number:]
                    break
                self._send(tenant, hour, todo[number:])
                return
            try:
                with acts.begun(chore(f"sweep {name}", tenant.name)):
                    all_chores[name]()
            except Exception as error:
                log_failure(error, f"the {name} of tenant {tenant.name} are swept again")
                failed.append(name)
        if failed:
            raise Busy(f"the sweep of tenant {tenant.name} did not do all: {', '.join(failed)}")
        swept = {"tenant": tenant.name, "item": keys.SWEPT_ITEM, "at": milliseconds(self.clock.now())}
        write(self.items, [Put(keys.DIRECTORY, swept)])

    def _due(self, tenant: Tenant, hour: datetime) -> list[str]:
        """Return the names of this hour's chores, if the clock is wrong perhaps those only that it does not decide."""
        doubted = self._doubts(tenant)
        return [name for name in self._chores(tenant, hour) if name in _BY_NO_CLOCK or not doubted]

    def _doubts(self, tenant: Tenant) -> bool:
        """Note the call of the schedule, and tell whether the clock has jumped since the one before.

        Two calls in a row do not doubt it: a box that is on for less than an hour at a time deletes with every second
        one. Storage that expires items has a clock that can be trusted.
        """
        if self.expires_items:
            return False
        now = self.clock.now()
        called = self.items.get(keys.DIRECTORY, (tenant.name, keys.CALLED_ITEM))
        at = moment(called["at"]) if called and not called["doubted"] else now
        doubted = abs(now - at) > TRUSTED
        call = {"tenant": tenant.name, "item": keys.CALLED_ITEM, "at": milliseconds(now), "doubted": doubted}
        write(self.items, [Put(keys.DIRECTORY, call)])
        if doubted:
            _log.warning(
                "tenant %s was to be swept at %s last, and the clock says %s: set it if it is wrong. "
                "The next sweep deletes what is kept no longer",
                tenant.name,
                time_text(at),
                time_text(now),
            )
        return doubted

    def _chores(
        self, tenant: Tenant, hour: datetime, after: str = "", left_s: Callable[[], float] = lambda: 0.0
    ) -> dict[str, Callable[[], object]]:
        """Return the chores by name, in their order: first what erases."""
        chores: dict[str, Callable[[], object]] = {
            "groups": lambda: self.groups.tenant(tenant, left_s),
            "erasures": lambda: self.erasing.tenant(tenant, left_s),
            "snapshots": lambda: self.index.build(tenant.name),
            "merges": lambda: self.merges.tenant(tenant),
            "pictures": lambda: self._pictures(tenant, hour, after, left_s),
            "pictures off": lambda: self._pictures_off(tenant, hour, left_s),
            "consents": lambda: self.consents.tenant(tenant, left_s),
            "seals": lambda: self.sealing.tenant(tenant),
            "usage": lambda: self.kept.count(tenant.name),
            "audit": lambda: self.audit.tenant(tenant.name),
        }
        if hour.hour == LOST_CAPTURES_HOUR:
            chores["lost captures"] = lambda: self.redrive.lost(tenant)
            chores["audit retention"] = lambda: self.audit_erasing.nightly(tenant.name, tenant.audit_days)
            chores["reviews"] = lambda: self.reviews.tidy(tenant)
            chores["duplicates"] = lambda: self.duplicates.tidy(tenant)
            chores["learnt pictures"] = lambda: self.learnt.tenant(tenant)
        if hour.hour == LOST_CAPTURES_HOUR or not self.expires_items:
            chores["retention"] = lambda: self._retention(tenant, hour, left_s)
        if not self.expires_items:
            chores["requests"] = lambda: self.requests.forget_expired(tenant.name)
            chores["sessions"] = lambda: self.sessions.forget_expired(tenant.name)
            chores["events"] = lambda: self.outbox.forget_expired(tenant.name)
            chores["files"] = self.wipe
        chores["joining"] = lambda: self._joining(tenant, hour, left_s)
        return chores

    def _pictures(self, tenant: Tenant, hour: datetime, after: str, left_s: Callable[[], float]) -> None:
        place = self.orphans.delete(tenant.name, hour, after, left_s)
        if place:
            self._send(tenant, hour, ["pictures"], place)

    def _retention(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> None:
        if not self.retention.tenant(tenant, left_s):
            self._send(tenant, hour, ["retention"])

    def _pictures_off(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> None:
        if not self.pictures_off.tenant(tenant, hour, left_s):
            self._send(tenant, hour, ["pictures off"])

    def _joining(self, tenant: Tenant, hour: datetime, left_s: Callable[[], float]) -> None:
        if not self.joining.tenant(tenant, left_s):
            self._send(tenant, hour, ["joining"])

    def _send(self, tenant: Tenant, hour: datetime, chores: Sequence[str], after: str = "") -> None:
        body = {"tenant": tenant.name, "hour": milliseconds(hour), "chores": chores, "after": after}
        self.queue.send(json.dumps(body))
