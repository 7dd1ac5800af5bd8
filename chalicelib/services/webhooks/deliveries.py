"""Telling hooks: one attempt a message, again later where it fails, given up after a day.

A hook that fails again and again is left alone for a while, and then tried with one delivery before the others follow:
who hangs costs us little, and who is down is not run over when back.
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
"""An attempt is over by then, or its process is gone: as long as the one delivery is waited for that tries a hook."""

_AT_ONCE = 10
_SPREAD_S = 30.0
_GONE = 410

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveryPage:
    deliveries: tuple[Delivery, ...]
    next_token: str | None


class Deliveries:
    """`jitter`: a random number between two."""

    def __init__(
        self,
        items: ItemStore,
        hooks: Hooks,
        outbox: Outbox,
        postman: Callable[[], Postman],
        clock: Clock,
        jitter: Callable[[float, float], float] = random.uniform,
        places: Places | None = None,
    ) -> None:
        self._items = items
        self._hooks = hooks
        self._outbox = outbox
        self._postman = postman
        self._clock = clock
        self._jitter = jitter
        self._places = places or Places()

    def deliver_all(self, bodies: Mapping[str, str]) -> list[str]:
        """`deliver` for messages by id, side by side, so that none waits for another's receiver.

        Returns the ids of those that storage failed: they are to be received again.
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
        """Do what a message asks for: an attempt, or nothing where it is done, not yet time, or nobody wants it.

        Raises Busy and StorageUnavailable, to be given the message again, and ValueError for what is none.
        """
        notice = Notice.read(message_body)
        delivery = self._outbox.find(notice)
        if delivery is None:
            return None
        now = self._clock.now()
        if delivery.next_at > now:
            # A queue's delay is shorter than ours may be. With another `due`, another message is on its way.
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
        """What is given up, or what is still to be sent, of a hook. Raises HookNotFound, InvalidInput (the token)."""
        self._hooks.get(tenant, hook_id)
        page = self._outbox.page(tenant, hook_id, parked=parked, limit=limit, token=token)
        return DeliveryPage(tuple(map(delivery_from, page.items)), page.token)

    def redeliver(self, tenant: str, hook_id: str) -> int:
        """Send again what is parked and, now, what waits; returns how many: call again until there are none.

        Raises HookNotFound.
        """
        self._hooks.get(tenant, hook_id)
        self._recovered(tenant, hook_id)
        return self._outbox.redeliver(tenant, hook_id)

    def _attempt(self, hook: Hook, delivery: Delivery) -> None:
        attempts = delivery.attempts + 1
        try:
            status = self._posted(hook, delivery)
        except Busy as error:  # of our own limits, so it is no attempt
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
        with self._places.one(delivery.tenant, hook.id):
            return self._postman().post(hook.url, body, headers)

    def _failed(self, hook: Hook, delivery: Delivery, error: str) -> None:
        """The delivery first: where the count of the hook's failures is lost, nothing else is."""
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
        """Whether this delivery is the one that tries a hook which is failing."""
        if hook.paused_until is not None and hook.paused_until > now:
            return False
        seen = None if hook.paused_until is None else milliseconds(hook.paused_until)
        nobody_else = (equals("paused_until", seen, "nobody-else-tries"),)
        claim = {"paused_until": milliseconds(now + ATTEMPT)}
        return self._write(Update(keys.HOOKS, (delivery.tenant, hook.id), nobody_else, set=claim))

    def _wait_for(self, hook: Hook, delivery: Delivery, now: datetime) -> None:
        """Come back when the hook has been tried: not all at the same moment."""
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
        """False where the condition did not hold."""
        try:
            write(self._items, [update])
        except ConditionFailed:
            return False
        return True


OF_TENANT = 24
OF_HOOK = 4
WAITED_S = 1.0
"""For a place to be free, so that a burst to a quick receiver is not put off."""


class Places:
    """At most so many posts at a time; one more waits a second, then is Busy."""

    def __init__(self, of_tenant: int = OF_TENANT, of_hook: int = OF_HOOK, waited_s: float = WAITED_S) -> None:
        self._limits = {"tenant": of_tenant, "hook": of_hook}
        self._waited_s = waited_s
        self._held: dict[tuple[str, str], threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    @contextmanager
    def one(self, tenant: str, hook_id: str) -> Iterator[None]:
        """A place, the hook's first: its many hold none of the tenant's others while they wait. Raises Busy."""
        with ExitStack() as held:
            for kind, name in (("hook", f"{tenant}/{hook_id}"), ("tenant", tenant)):
                place = self._of(kind, name)
                if not place.acquire(timeout=self._waited_s):
                    raise Busy(f"this {kind}'s receivers hang: as many as may be are being told just now")
                held.callback(place.release)
            yield

    def _of(self, kind: str, name: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._held.setdefault((kind, name), threading.BoundedSemaphore(self._limits[kind]))
