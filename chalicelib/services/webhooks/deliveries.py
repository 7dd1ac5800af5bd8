"""Deliveries to hooks: one attempt a message, repeated later if it fails, parked after a day.

A hook that keeps failing gets a pause, and then one delivery that tries it before the others follow. So a receiver that
hangs costs us little, and one that was down is not flooded when it is back.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, InvalidInput, RegularsError, Unusable
from chalicelib.core.ports import Clock, ItemStore, Postman, Update, equals, exists
from chalicelib.core.records.values import milliseconds
from chalicelib.core.records.webhooks import delivery_from
from chalicelib.core.webhooks import FAILING_FROM, Delivery, Hook, longest_delay_s, pause_s, signature
from chalicelib.services.commit.transaction import write
from chalicelib.services.webhooks.hooks import Hooks
from chalicelib.services.webhooks.outbox import Notice, Outbox

ATTEMPT = timedelta(seconds=30)
"""Time after which an attempt is over or its process is gone. So long the others wait for the one that tries a hook."""

_AT_ONCE = 10
_SPREAD_S = 30.0
_GONE = 410

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryPage:
    deliveries: tuple[Delivery, ...]
    next_token: str | None


class Deliveries:
    """The deliverer of events. `jitter`: returns a random number between two."""

    def __init__(
        self,
        items: ItemStore,
        hooks: Hooks,
        outbox: Outbox,
        postman: Callable[[], Postman],
        clock: Clock,
        jitter: Callable[[float, float], float] = random.uniform,
        slots: DeliverySlots | None = None,
    ) -> None:
        self._items = items
        self._hooks = hooks
        self._outbox = outbox
        self._postman = postman
        self._clock = clock
        self._jitter = jitter
        self._slots = slots or DeliverySlots()

    def deliver_all(self, bodies: Mapping[str, str]) -> list[str]:
        """Call `deliver` for messages by id, in parallel, so that none waits for another's receiver.

        Return the ids of those that raised an error: they have to be received again.
        """

        def failed(body: str) -> bool:
            try:
                self.deliver(body)
            except RegularsError as error:
                _log.warning("a delivery's message is received again: %s", error)
                return True
            except Exception:
                _log.exception("a delivery's message is received again")
                return True
            return False

        with ThreadPoolExecutor(min(_AT_ONCE, max(len(bodies), 1))) as pool:
            return [id_ for id_, again in zip(bodies, pool.map(failed, bodies.values()), strict=True) if again]

    def deliver(self, message_body: str) -> None:
        """Attempt the delivery that a message names; if it or its hook is not ready, postpone, park or drop it.

        Raises Busy and StorageUnavailable: the message has to be received again. Raises ValueError if it is no message
        of the outbox.
        """
        notice = Notice.read(message_body)
        delivery = self._outbox.find(notice)
        if delivery is None:
            return None
        now = self._clock.now()
        if delivery.next_at > now:
            # Our delay may be longer than a queue's, so send it again. With another `due`, another message will come.
            return self._outbox.notify(delivery) if delivery.next_at == notice.due else None
        hook = self._hooks.find(notice.tenant, notice.hook_id)
        if hook is None:
            return self._outbox.done(delivery)
        if not hook.enabled:
            return self._park(delivery, "the hook is disabled: enable it, then send its deliveries again")
        if hook.is_failing and not self._may_probe(hook, delivery, now):
            return self._wait_for(hook, delivery, now)
        return self._attempt(hook, delivery)

    def page(self, tenant: str, hook_id: str, *, parked: bool, limit: int, token: str | None = None) -> DeliveryPage:
        """Return a hook's parked deliveries, or those that wait. Raises HookNotFound, InvalidInput (the token)."""
        self._hooks.get(tenant, hook_id)
        page = self._outbox.page(tenant, hook_id, parked=parked, limit=limit, token=token)
        return DeliveryPage(tuple(map(delivery_from, page.items)), page.token)

    def redeliver(self, tenant: str, hook_id: str) -> int:
        """Send a hook's parked and waiting deliveries now; return how many. Call it again until it returns 0.

        Raises HookNotFound.
        """
        self._hooks.get(tenant, hook_id)
        self._recovered(tenant, hook_id)
        return self._outbox.redeliver(tenant, hook_id)

    def _attempt(self, hook: Hook, delivery: Delivery) -> None:
        attempts = delivery.attempts + 1
        try:
            status = self._posted(hook, delivery)
        except Busy as error:  # our own limits refused it, so this was no attempt
            until = self._clock.now() + timedelta(seconds=self._jitter(1, 5))
            return self._outbox.postpone(delivery, until, attempts=delivery.attempts, last_error=str(error))
        except InvalidInput as error:
            return self._outbox.park(delivery, attempts=attempts, last_error=str(error))
        except Unusable as error:
            return self._failed(hook, delivery, str(error))
        if 200 <= status < 300:
            self._outbox.done(delivery)
            if hook.failures:
                self._recovered(delivery.tenant, hook.id)
            return None
        if status == _GONE:
            said = "the receiver answered 410: it does not want this any more"
            return self._outbox.park(delivery, attempts=attempts, last_error=said)
        return self._failed(hook, delivery, f"the receiver answered {status}, not 200 to 299")

    def _posted(self, hook: Hook, delivery: Delivery) -> int:
        body = delivery.payload.encode()
        secret = self._hooks.secret(delivery.tenant, hook)
        headers = {
            "Content-Type": "application/json",
            "X-Regulars-Event": delivery.kind.value,
            "X-Regulars-Delivery": keys.delivery(delivery.hook_id, delivery.event_id),
            "X-Regulars-Signature": signature(secret, self._clock.now(), body),
        }
        with self._slots.one(delivery.tenant, hook.id):
            return self._postman().post(hook.url, body, headers)

    def _failed(self, hook: Hook, delivery: Delivery, error: str) -> None:
        """Postpone or park the delivery, then count the hook's failure: a crash in between loses only the count."""
        now, attempts = self._clock.now(), delivery.attempts + 1
        if now >= delivery.ends_at:
            self._outbox.park(delivery, attempts=attempts, last_error=error)
        else:
            delay = timedelta(seconds=self._jitter(0, longest_delay_s(attempts)))
            until = min(now + delay, delivery.ends_at)
            self._outbox.postpone(delivery, until, attempts=attempts, last_error=error)
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
        said = delivery.last_error or f"not tried: the {hook.failures} deliveries to this hook before it failed"
        if now >= delivery.ends_at:
            return self._park(delivery, said)
        free_at = max(now + ATTEMPT, hook.paused_until or now)
        until = min(free_at + timedelta(seconds=self._jitter(0, _SPREAD_S)), delivery.ends_at)
        return self._outbox.postpone(delivery, until, attempts=delivery.attempts, last_error=said)

    def _park(self, delivery: Delivery, reason: str) -> None:
        self._outbox.park(delivery, attempts=delivery.attempts, last_error=reason)

    def _recovered(self, tenant: str, hook_id: str) -> None:
        there = (exists("hook-exists"),)
        healthy = Update(keys.HOOKS, (tenant, hook_id), there, set={"failures": 0}, remove=("paused_until",))
        self._write(healthy)

    def _write(self, update: Update) -> bool:
        """Write an update; return False if its condition did not hold."""
        try:
            write(self._items, [update])
        except ConditionFailed:
            return False
        return True


OF_TENANT = 24
OF_HOOK = 4
WAITED_S = 1.0
"""Seconds to wait for a free slot, so that a burst to a quick receiver is not postponed."""


class DeliverySlots:
    """Limits of simultaneous posts, of a tenant and of a hook. One more waits a second, then raises Busy."""

    def __init__(self, of_tenant: int = OF_TENANT, of_hook: int = OF_HOOK, waited_s: float = WAITED_S) -> None:
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
                    raise Busy(f"this {kind}'s receivers hang: as many as may be are being told just now")
                held.callback(slot.release)
            yield

    def _of(self, kind: str, name: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._held.setdefault((kind, name), threading.BoundedSemaphore(self._limits[kind]))
