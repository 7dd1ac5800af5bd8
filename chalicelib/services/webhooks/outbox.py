"""The outbox: deliveries to hooks, written in the transaction of the event, so that no crash loses them.

A delivery waits as an item; a message in the queue only says that it is time to look at it. `announce_overdue` replaces
a lost message, and a message that comes twice or too late finds nothing to do. See docs/decisions/0014.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.errors import ConditionFailed, RegularsError
from chalicelib.core.items import every, write, write_in_parts, write_unless_changed
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Page, Put, Queue, Update, equals
from chalicelib.core.records.webhooks import delivery_from, delivery_item, delivery_key
from chalicelib.core.telemetry import report_failure
from chalicelib.core.values import milliseconds, moment
from chalicelib.core.webhooks import Delivery, Event, Hook, payload
from chalicelib.services.webhooks.hooks import Hooks

OVERDUE = timedelta(seconds=60)
"""Time after which the message of a delivery that is due counts as lost."""

MAX_ANNOUNCED = 500
"""Messages that one call sends at most: some seconds of work."""

_LONGEST_QUEUE_DELAY_S = 900
_UNMOVED = "not-moved-meanwhile"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """The content of a message: look at this delivery, which is due at `due`."""

    tenant: str
    hook_id: str
    event_id: str
    due: datetime

    @classmethod
    def read(cls, body: str) -> Notice:
        """Parse a message's body. Raises ValueError if it is no message of the outbox."""
        try:
            fields = json.loads(body)
            return cls(fields["tenant"], *keys.parts_of_delivery(fields["id"]), due=moment(fields["due"]))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"this is no message of the outbox: {body[:200]!r}") from error


class Outbox:
    def __init__(self, items: ItemStore, hooks: Hooks, queue: Queue, clock: Clock) -> None:
        self._items = items
        self._hooks = hooks
        self._queue = queue
        self._clock = clock

    def actions(self, tenant: str, events: Sequence[Event]) -> list[Action]:
        """Return one Put for each event and each hook that takes it, for the transaction that causes the events."""
        if not events:
            return []
        hooks = self._hooks.all(tenant)
        return [self.put(tenant, hook, event) for event in events for hook in hooks if hook.takes(event)]

    def put(self, tenant: str, hook: Hook, event: Event) -> Put:
        """Return the action that has the event delivered to the hook, whether the hook takes it or not."""
        now, body = _whole_ms(self._clock.now()), payload(tenant, event)
        delivery = Delivery(tenant, hook.id, event.id, event.kind, body, now, now, in_mailbox=hook.is_mailbox)
        return Put(keys.OUTBOX, delivery_item(delivery))

    def announce(self, tenant: str, actions: Iterable[Action]) -> None:
        """Send the messages of the deliveries in these actions, after their transaction.

        If the queue fails, nothing is raised: `announce_overdue` sends them later.
        """
        for action in actions:
            if isinstance(action, Put) and action.table is keys.OUTBOX:
                delivery = delivery_from(action.item)
                try:
                    if not delivery.in_mailbox:
                        self.notify(delivery)
                except RegularsError as error:
                    report_failure(error, f"an event of tenant {tenant} is sent some minutes later")
                    return

    def notify(self, delivery: Delivery) -> None:
        """Queue the delivery's message, to arrive when it is due or after a queue's longest delay.

        Raises Busy, StorageUnavailable.
        """
        wait_s = math.ceil((delivery.next_at - self._clock.now()).total_seconds())
        tenant, id_ = delivery_key(delivery)
        body = json.dumps({"tenant": tenant, "id": id_, "due": milliseconds(delivery.next_at)})
        self._queue.send(body, delay_s=min(max(wait_s, 0), _LONGEST_QUEUE_DELAY_S))

    def find(self, notice: Notice) -> Delivery | None:
        """Return the delivery that a message names; None if it is done or parked."""
        item = self._items.get(keys.OUTBOX, (notice.tenant, keys.delivery(notice.hook_id, notice.event_id)))
        return delivery_from(item) if item else None

    def done(self, delivery: Delivery) -> None:
        write(self._items, [Delete(keys.OUTBOX, delivery_key(delivery))])

    def postpone(self, delivery: Delivery, until: datetime, *, attempts: int, last_error: str) -> None:
        """Set the delivery's next attempt to `until`. If another worker was first, nothing is changed."""
        later = replace(delivery, next_at=_whole_ms(until), attempts=attempts, last_error=last_error)
        if self._moved(delivery, later):
            self.notify(later)

    def park(self, delivery: Delivery, *, attempts: int, last_error: str) -> None:
        """Park the delivery: it is given up. If another worker was first, nothing is changed."""
        now = _whole_ms(self._clock.now())
        parked = replace(delivery, next_at=now, attempts=attempts, last_error=last_error, parked=True)
        unmoved = (equals("next_at", milliseconds(delivery.next_at), _UNMOVED),)
        try:
            delete = Delete(keys.OUTBOX, delivery_key(delivery), unmoved)
            write(self._items, [delete, Put(keys.OUTBOX, delivery_item(parked))])
        except ConditionFailed:
            return
        _log.warning("delivery %s to hook %s is parked: %s", delivery.event_id, delivery.hook_id, last_error)

    def announce_overdue(self, tenant: str, overdue: timedelta = OVERDUE) -> int:
        """Send messages for deliveries that are late by `overdue`; return how many, MAX_ANNOUNCED at most."""
        now = _whole_ms(self._clock.now())
        announced = 0
        for delivery in self._all(tenant, *keys.PENDING):
            if delivery.next_at < now - overdue and self._hastened(delivery, now):
                announced += 1
                if announced == MAX_ANNOUNCED:
                    break
        return announced

    def redeliver(self, tenant: str, hook_id: str) -> int:
        """Send a hook's parked and waiting deliveries at once; return how many, MAX_ANNOUNCED at most.

        Parked ones are then tried for another day.
        """
        now = _whole_ms(self._clock.now())
        sent = 0
        for prefix in (keys.PARKED_PREFIX, ""):
            for delivery in self._all(tenant, *keys.deliveries_range(hook_id, prefix)):
                if delivery.parked or delivery.next_at > now:
                    sent += self._revived(delivery, now) if delivery.parked else self._hastened(delivery, now)
                if sent == MAX_ANNOUNCED:
                    return sent
        return sent

    def acknowledge(self, tenant: str, hook_id: str, event_ids: Iterable[str]) -> None:
        """Delete these events from a mailbox; those that are not in it are passed over."""
        ids = (keys.delivery(hook_id, event_id, keys.MAILBOX_PREFIX) for event_id in dict.fromkeys(event_ids))
        write_in_parts(self._items, (Delete(keys.OUTBOX, (tenant, id_)) for id_ in ids))

    def page(self, tenant: str, hook_id: str, prefix: str, *, limit: int, token: str | None) -> Page:
        """Return a page of a hook's deliveries as items, by their events' ids. `prefix`: of their keys."""
        low, high = keys.deliveries_range(hook_id, prefix)
        return self._items.query(keys.OUTBOX, tenant, low=low, high=high, limit=limit, token=token)

    def forget_expired(self, tenant: str) -> int:
        """Delete deliveries that have expired, on storage that does not do so itself; return how many."""
        now = self._clock.now().timestamp()
        low, high = keys.EXPIRING
        kept = every(self._items, keys.OUTBOX, tenant, low=low, high=high)
        expired = (item["id"] for item in kept if item["expires_at"] <= now)
        return write_in_parts(self._items, (Delete(keys.OUTBOX, (tenant, id_)) for id_ in expired))

    def _all(self, tenant: str, low: str, high: str) -> Iterator[Delivery]:
        return map(delivery_from, every(self._items, keys.OUTBOX, tenant, low=low, high=high))

    def _hastened(self, delivery: Delivery, now: datetime) -> bool:
        sooner = replace(delivery, next_at=now)
        if not self._moved(delivery, sooner):
            return False
        self.notify(sooner)
        return True

    def _moved(self, delivery: Delivery, to: Delivery) -> bool:
        """Store the delivery's new time; return False if the time is not the one that was read any more."""
        unmoved = (equals("next_at", milliseconds(delivery.next_at), _UNMOVED),)
        fields = {"next_at": milliseconds(to.next_at), "attempts": to.attempts, "last_error": to.last_error}
        return write_unless_changed(self._items, [Update(keys.OUTBOX, delivery_key(delivery), unmoved, set=fields)])

    def _revived(self, delivery: Delivery, now: datetime) -> bool:
        fresh = replace(delivery, created_at=now, next_at=now, attempts=0, parked=False)
        there = (equals("next_at", milliseconds(delivery.next_at), _UNMOVED),)
        delete = Delete(keys.OUTBOX, delivery_key(delivery), there)
        if not write_unless_changed(self._items, [delete, Put(keys.OUTBOX, delivery_item(fresh))]):
            return False
        self.notify(fresh)
        return True


def _whole_ms(at: datetime) -> datetime:
    """Cut a time to whole milliseconds, as it is stored."""
    return moment(milliseconds(at))
