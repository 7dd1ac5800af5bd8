"""How often a webhook is tried: one attempt a message, repeated later if it fails, parked after a day.

A hook that keeps failing gets a pause, and then one delivery that tries it before the
others follow. So a slow receiver costs us little, and one that was down is not flooded when it is back.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.errors import Busy, Conflict, InvalidInput, Unusable
from chalicelib.core.items import write_unless_changed
from chalicelib.core.page_tokens import ListPage
from chalicelib.core.ports import Clock, ItemStore, Postman, Update, equals, exists
from chalicelib.core.records.webhooks import delivery_from, is_event_id
from chalicelib.core.values import milliseconds, time_ordered_id
from chalicelib.core.webhooks import FAILING_FROM, Delivery, Event, EventKind, Hook, signature, test_event
from chalicelib.services.commit.idempotency import RequestId, Requests
from chalicelib.services.webhooks.hooks import Hooks, require_url
from chalicelib.services.webhooks.outbox import Notice, Outbox

ATTEMPT = timedelta(seconds=30)
"""Time after which an attempt is over or its process is gone. So long the others wait for the one that tries a hook."""

_FIRST_DELAY_S = 10
_LONGEST_DELAY_S = 3_600
_LONGEST_PAUSE_S = 900

MAX_ACKNOWLEDGED = 100
"""Events that one call acknowledges at most: as many as a page has."""

_AT_ONCE = 10
_SPREAD_S = 30.0
_GONE = 410

_log = logging.getLogger(__name__)


POSTS_OF_TENANT = 24
POSTS_OF_HOOK = 4
"""Posts that may be under way. If one more comes, the receiver is too slow: that delivery is postponed by seconds."""

WAITED_S = 1.0
"""Seconds to wait for a free slot, so that a burst to a quick receiver is not postponed."""


class DeliverySlots:
    """Limits of simultaneous posts, of a tenant and of a hook. One more waits a second, then raises Busy."""

    def __init__(
        self, of_tenant: int = POSTS_OF_TENANT, of_hook: int = POSTS_OF_HOOK, waited_s: float = WAITED_S
    ) -> None:
        self._limits = {"tenant": of_tenant, "hook": of_hook}
        self._waited_s = waited_s
        self._held: dict[tuple[str, str], threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one(self, tenant: str, hook_id: str) -> Iterator[None]:
        """Take a slot of the hook, then one of the tenant, for the block. Raises Busy.

        In this order, posts that wait for a slow hook take no slots from the tenant's other hooks.
        """
        with ExitStack() as held:
            for kind, name in (("hook", f"{tenant}/{hook_id}"), ("tenant", tenant)):
                slot = self._of(kind, name)
                if not slot.acquire(timeout=self._waited_s):
                    under_way = self._limits[kind]
                    raise Busy(
                        f"the receiver of this {kind} is too slow: {under_way} posts to it are under way already"
                    )
                held.callback(slot.release)
            yield

    def _of(self, kind: str, name: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._held.setdefault((kind, name), threading.BoundedSemaphore(self._limits[kind]))


@dataclass
class Deliveries:
    """The deliverer of events. `jitter`: returns a random number between two."""

    items: ItemStore
    hooks: Hooks
    outbox: Outbox
    requests: Requests
    postman: Callable[[], Postman]
    clock: Clock
    jitter: Callable[[float, float], float] = random.uniform
    slots: DeliverySlots = field(default_factory=DeliverySlots)

    def deliver_all(self, bodies: Mapping[str, str]) -> dict[str, Exception]:
        """Call `deliver` for messages by id, in parallel, so that none waits for another's receiver.

        Return the errors of those that failed, by id: they have to be received again.
        """

        def error_of(body: str) -> Exception | None:
            try:
                self.deliver(body)
            except Exception as error:
                return error
            return None

        with ThreadPoolExecutor(min(_AT_ONCE, max(len(bodies), 1))) as pool:
            each = pool.map if len(bodies) > 1 else map  # one box hands over one at a time
            errors = dict(zip(bodies, each(error_of, bodies.values()), strict=True))
        return {id_: error for id_, error in errors.items() if error}

    def deliver(self, message_body: str) -> None:
        """Attempt the delivery that a message names; if it or its hook is not ready, postpone, park or drop it.

        Raises Busy and StorageUnavailable: the message has to be received again. Raises ValueError or
        InvalidInput if it is no message of the outbox.
        """
        notice = Notice.read(message_body)
        delivery = self.outbox.find(notice)
        if delivery is None:
            return None
        now = self.clock.now()
        if delivery.next_at > now:
            # Our delay may be longer than a queue's, so send it again. With another `due`, another message will come.
            return self.outbox.notify(delivery) if delivery.next_at == notice.due else None
        hook = self.hooks.find(notice.tenant, notice.hook_id)
        if hook is None or hook.url is None:  # deleted; a mailbox's deliveries have no message
            return self.outbox.done(delivery)
        if not hook.enabled:
            return self._park(delivery, "the hook is disabled: enable it, then send its deliveries again")
        if hook.is_failing and not self._may_probe(hook, delivery, now):
            return self._wait_for(hook, delivery, now)
        return self._attempt(hook, hook.url, delivery)

    def page(
        self, tenant: str, hook_id: str, *, parked: bool, limit: int, token: str | None = None
    ) -> ListPage[Delivery]:
        """Return a hook's parked deliveries, or those that wait. Raises HookNotFound, InvalidInput (the token)."""
        waiting = keys.MAILBOX_PREFIX if self.hooks.get(tenant, hook_id).is_mailbox else ""
        prefix = keys.PARKED_PREFIX if parked else waiting
        page = self.outbox.page(tenant, hook_id, prefix, limit=limit, token=token)
        return ListPage(list(map(delivery_from, page.items)), page.token)

    def redeliver(self, tenant: str, hook_id: str) -> int:
        """Send a hook's parked and waiting deliveries now; return how many. Call it again until it returns 0.

        Raises HookNotFound, Conflict if it is a mailbox.
        """
        require_url(self.hooks.get(tenant, hook_id))
        self._recovered(tenant, hook_id)
        return self.outbox.redeliver(tenant, hook_id)

    def acknowledge(self, tenant: str, hook_id: str, event_ids: Sequence[str]) -> None:
        """Delete events from a mailbox; those that are not in it, or not any more, are passed over.

        Raises HookNotFound, Conflict if the hook has a URL, InvalidInput unless there are 1 to MAX_ACKNOWLEDGED ids.
        """
        if not self.hooks.get(tenant, hook_id).is_mailbox:
            raise Conflict(f"hook {hook_id} is no mailbox: what it receives is acknowledged by answering 2xx")
        if not 1 <= len(event_ids) <= MAX_ACKNOWLEDGED:
            raise InvalidInput(f"ids are those of 1 to {MAX_ACKNOWLEDGED} events, not {len(event_ids)}")
        for event_id in event_ids:
            if not is_event_id(event_id):
                raise InvalidInput(f"ids are those of events, as `id` in a delivery's event, not {event_id[:70]!r}")
        self.outbox.acknowledge(tenant, hook_id, event_ids)

    def test(self, tenant: str, hook_id: str, request: RequestId | None = None) -> Event:
        """Send the hook an event of kind TEST, and return the event. Called again with the same request, send no other.

        Raises HookNotFound, Conflict if the hook is disabled, AnsweredAlready, Busy.
        """
        hook, now = self.hooks.get(tenant, hook_id), self.clock.now()
        if not hook.enabled:
            raise Conflict(f"hook {hook_id} is disabled: enable it, then test it")
        event = test_event(f"{EventKind.TEST}-{time_ordered_id(now)}", now, hook_id)
        put = self.outbox.put(tenant, hook, event)
        self.requests.write(tenant, [put], request, {"id": event.id, "at": milliseconds(event.at)})
        self.outbox.announce(tenant, [put])
        return event

    def _attempt(self, hook: Hook, url: str, delivery: Delivery) -> None:
        attempts = delivery.attempts + 1
        try:
            status = self._posted(hook, url, delivery)
        except Busy as error:  # our own limits refused it, so this was no attempt
            until = self.clock.now() + timedelta(seconds=self.jitter(1, 5))
            return self.outbox.postpone(delivery, until, attempts=delivery.attempts, last_error=str(error))
        except InvalidInput as error:
            return self.outbox.park(delivery, attempts=attempts, last_error=str(error))
        except Unusable as error:
            return self._failed(hook, delivery, str(error))
        if 200 <= status < 300:
            self.outbox.done(delivery)
            if hook.failures:
                self._recovered(delivery.tenant, hook.id)
            return None
        if status == _GONE:
            gone = "the receiver answered 410: it does not want this any more"
            return self.outbox.park(delivery, attempts=attempts, last_error=gone)
        return self._failed(hook, delivery, f"the receiver answered {status}, not 200 to 299")

    def _posted(self, hook: Hook, url: str, delivery: Delivery) -> int:
        body = delivery.payload.encode()
        secret = self.hooks.secret(delivery.tenant, hook)
        headers = {
            "Content-Type": "application/json",
            "X-Regulars-Event": delivery.kind.value,
            "X-Regulars-Delivery": keys.delivery(delivery.hook_id, delivery.event_id),
            "X-Regulars-Signature": signature(secret, self.clock.now(), body),
        }
        with self.slots.one(delivery.tenant, hook.id):
            return self.postman().post(url, body, headers)

    def _failed(self, hook: Hook, delivery: Delivery, error: str) -> None:
        """Postpone or park the delivery, then count the hook's failure: a crash in between loses only the count."""
        now, attempts = self.clock.now(), delivery.attempts + 1
        if now >= delivery.ends_at:
            self.outbox.park(delivery, attempts=attempts, last_error=error)
        else:
            delay = timedelta(seconds=self.jitter(0, longest_delay_s(attempts)))
            until = min(now + delay, delivery.ends_at)
            self.outbox.postpone(delivery, until, attempts=attempts, last_error=error)
        failures = hook.failures + 1
        paused_until = now + timedelta(seconds=pause_s(failures)) if failures >= FAILING_FROM else None
        fields = {} if paused_until is None else {"paused_until": milliseconds(paused_until)}
        there = (exists("hook-exists"),)
        self._write(Update(keys.HOOKS, (delivery.tenant, hook.id), there, set=fields, add={"failures": 1}))

    def _may_probe(self, hook: Hook, delivery: Delivery, now: datetime) -> bool:
        """Claim to be the delivery that tries a failing hook; return whether it is."""
        if hook.paused_until is not None and hook.paused_until > now:
            return False
        seen = None if hook.paused_until is None else milliseconds(hook.paused_until)
        nobody_else = (equals("paused_until", seen, "nobody-else-tries"),)
        claim = {"paused_until": milliseconds(now + ATTEMPT)}
        return self._write(Update(keys.HOOKS, (delivery.tenant, hook.id), nobody_else, set=claim))

    def _wait_for(self, hook: Hook, delivery: Delivery, now: datetime) -> None:
        """Postpone the delivery until the hook has been tried, at random so that not all come at the same moment."""
        reason = delivery.last_error or f"not tried: the {hook.failures} deliveries to this hook before it failed"
        if now >= delivery.ends_at:
            return self._park(delivery, reason)
        free_at = max(now + ATTEMPT, hook.paused_until or now)
        until = min(free_at + timedelta(seconds=self.jitter(0, _SPREAD_S)), delivery.ends_at)
        return self.outbox.postpone(delivery, until, attempts=delivery.attempts, last_error=reason)

    def _park(self, delivery: Delivery, reason: str) -> None:
        self.outbox.park(delivery, attempts=delivery.attempts, last_error=reason)

    def _recovered(self, tenant: str, hook_id: str) -> None:
        there = (exists("hook-exists"),)
        healthy = Update(keys.HOOKS, (tenant, hook_id), there, set={"failures": 0}, remove=("paused_until",))
        self._write(healthy)

    def _write(self, update: Update) -> bool:
        """Write an update; return False if its condition did not hold."""
        return write_unless_changed(self.items, [update])


def longest_delay_s(attempts: int) -> int:
    """Return the longest wait after so many failed attempts (1 or more): 10 s, doubling up to an hour."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S << min(attempts - 1, 20))


def pause_s(failures: int) -> int:
    """Return the pause of a hook with so many consecutive failures: 10 s, doubling up to 15 minutes."""
    return min(_LONGEST_PAUSE_S, _FIRST_DELAY_S << min(max(failures - FAILING_FROM, 0), 20))
