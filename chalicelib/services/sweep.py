"""Chores of every hour for each tenant: snapshots, merges, joins, seals, lost captures, and deletions.

The schedule sends a message for each tenant, so that no tenant waits for another, and one that fails is tried again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from chalicelib.core import acts, keys, telemetry
from chalicelib.core.acts import chore
from chalicelib.core.chores import (
    NIGHT_HOUR,
    OWED,
    STOPS_AT_S,
    TRUSTED,
    Called,
    Chore,
    ChoreContext,
    Chores,
    Rest,
    called,
)
from chalicelib.core.errors import Busy, ConditionFailed, RegularsError
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Item, Put, Update, exists
from chalicelib.core.telemetry import log_failure, report_failure
from chalicelib.core.values import milliseconds, moment, time_text
from chalicelib.services.rooms import UseCase

_log = logging.getLogger(__name__)


class Sweep(UseCase):
    """The hourly chores of all rooms that have some. `items`: those of `storage`, audited."""

    def all(self, hour: datetime) -> None:
        """Inspect what all share, and send a message for each tenant. `hour`: when the schedule called."""
        self.book.readiness.inspect()
        for tenant in self.book.tenants.all():
            try:
                self._send(tenant, hour, self._due(tenant, hour))
            except RegularsError as error:
                report_failure(error, f"tenant {tenant.name} is swept in the next hour")

    def message(self, body: str, received: int, left_s: Callable[[], float]) -> None:
        """Do what a message of the index queue asks for: a tenant's chores, an erasure, that of a group's faces or,
        if it names none, snapshots.

        `received`: how often the message was received. The second time, each of its chores gets a message of its own,
        so that one that never ends holds up no other. `left_s`: how long this run may still take. Raises Busy if a
        chore failed, and what `build` raises.
        """
        asked = json.loads(body)
        telemetry.of_tenant(asked["tenant"])
        if "erasure" in asked:
            self.book.erasure.steps.go_on(self.book.tenants.named(asked["tenant"]), asked["erasure"], left_s)
            return
        if "group" in asked:
            tenant = self.book.tenants.named(asked["tenant"])
            if asked["group"] in tenant.gone:  # else an earlier run, or the sweep, has erased it
                self.book.erasure.of_groups.go_on(tenant, asked["group"], left_s)
            return
        if "hour" not in asked:
            self.book.index.build(asked["tenant"], erase=False)
            with acts.begun(chore("index joining", asked["tenant"])):
                self.book.joining.chore.tenant(self.book.tenants.named(asked["tenant"]), left_s)
            return
        tenant, hour = self.book.tenants.named(asked["tenant"]), moment(asked["hour"])
        if not self.book.storage.expires_items and abs(self.book.clock.now() - hour) > TRUSTED:
            return  # it waited while the box was off, or the clock has jumped: the next call of the schedule asks anew
        if received > 1 and len(asked["chores"]) > 1:
            for name in asked["chores"]:
                self._send(tenant, hour, [name], is_part=True)
            return
        self.tenant(tenant, hour, asked["chores"], asked["after"], left_s, is_part=asked.get("is_part", False))

    def tenant(
        self,
        tenant: Tenant,
        hour: datetime,
        chores: Sequence[str] = (),
        after: str = "",
        left_s: Callable[[], float] = lambda: float("inf"),
        *,
        is_part: bool = False,
    ) -> None:
        """Do chores of one tenant, or all. Each may be cut off anywhere and repeated; one that fails stops no other.

        `after`: the place where the first of them goes on; `is_part`: other messages ask for the rest, so the tenant is
        not swept whole. Raises Busy if a chore failed. If the time runs out before one does, a message is sent for the
        rest, which comes at once. So each has done something.
        """
        all_chores, this = self._chores(hour), ChoreContext(tenant, hour, left_s, after)
        failed: list[str] = []
        todo = [name for name in chores if name in all_chores] or list(all_chores)  # another version may have others
        for number, name in enumerate(todo):
            if number and left_s() < STOPS_AT_S:
                if failed:
                    failed += todo[number:]
                    break
                self._send(tenant, hour, todo[number:], is_part=is_part)
                return
            try:
                with acts.begun(chore(f"sweep {name}", tenant.name)):
                    rest = all_chores[name].do(this)
                    if isinstance(rest, Rest):
                        self._send(tenant, hour, [name], rest.after, is_part=True)
                    elif name in OWED:
                        self._note(tenant, name)
            except Exception as error:
                log_failure(error, f"the {name} of tenant {tenant.name} are swept again")
                failed.append(name)
        if failed:
            raise Busy(f"the sweep of tenant {tenant.name} did not do all: {', '.join(failed)}")
        if not is_part:
            self._note(tenant)

    def _note(self, tenant: Tenant, done: str = "at") -> None:
        """Note when a chore was done, and as `at` when all were."""
        now, place = {done: milliseconds(self.book.clock.now())}, (tenant.name, keys.SWEPT_ITEM)
        try:
            write(self.book.items, [Update(keys.DIRECTORY, place, (exists("swept-before"),), set=now)])
        except ConditionFailed:
            write(self.book.items, [Put(keys.DIRECTORY, {"tenant": place[0], "item": place[1], **now})])

    def _due(self, tenant: Tenant, hour: datetime) -> list[str]:
        """Return the names of this hour's chores, if the clock is wrong perhaps those only that it does not decide."""
        doubted = self._doubts(tenant)
        return [name for name, one in self._chores(hour).items() if one.by_no_clock or not doubted]

    def _doubts(self, tenant: Tenant) -> bool:
        """Note the call of the schedule, and tell whether the clock is doubted.

        Storage that expires items has a clock that can be trusted.
        """
        if self.book.storage.expires_items:
            return False
        noted = self.book.items.get(keys.DIRECTORY, (tenant.name, keys.CALLED_ITEM))
        call = called(_call_of(noted) if noted else None, self.book.clock.now())
        item = {"tenant": tenant.name, "item": keys.CALLED_ITEM, "at": milliseconds(call.at)}
        item |= {"believed_at": milliseconds(call.believed_at), "doubted": call.doubted_since is not None}
        if call.doubted_since is not None:
            item["doubted_since"] = milliseconds(call.doubted_since)
            _log.warning(
                "tenant %s was to be swept at %s last, and the clock says %s: set it if it is wrong. A sweep deletes "
                "what is kept no longer once the clock has run on for half an hour, or `regulars retention` does",
                tenant.name,
                time_text(call.believed_at),
                time_text(call.at),
            )
        write(self.book.items, [Put(keys.DIRECTORY, item)])
        return call.doubted_since is not None

    def _chores(self, hour: datetime) -> dict[str, Chore]:
        """Return this hour's chores by name, in their order: first what erases."""
        own = Chore("snapshots", lambda this: self.book.index.build(this.tenant.name), by_no_clock=True)
        wiping = Chore("files", lambda _: self.book.storage.wipe(), of_expired=True, by_no_clock=True)
        book = self.book
        rooms: Sequence[Chores] = (
            *(book.erasure, book.merges, book.statistics, book.captures, book.audit),
            *(book.sightings, book.requests, book.access, book.webhooks, book.joining, book.tenants),
        )
        of_rooms = [one for room in rooms for one in room.chores()]
        chores = sorted([*of_rooms, own], key=lambda one: not one.by_no_clock)
        return {
            one.name: one
            for one in [*chores, wiping]
            if (not one.nightly or hour.hour == NIGHT_HOUR) and not (one.of_expired and self.book.storage.expires_items)
        }

    def _send(
        self, tenant: Tenant, hour: datetime, chores: Sequence[str], after: str = "", *, is_part: bool = False
    ) -> None:
        body = {"tenant": tenant.name, "hour": milliseconds(hour), "chores": chores, "after": after, "is_part": is_part}
        self.book.storage.index_queue.send(json.dumps(body), group=tenant.name)


def _call_of(item: Item) -> Called:
    since = item.get("doubted_since")
    return Called(
        moment(item["at"]),
        moment(item.get("believed_at", item["at"])),  # an earlier version noted none
        None if since is None else moment(since),
    )
