"""Hooks, outbox and deliveries on embedded storage, with a worker that a test drives and a clock
that stands still."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chalicelib.book.idempotency import Requests
from chalicelib.book.tenants import Tenants
from chalicelib.book.webhooks import Deliveries, Hooks, Outbox
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.events import EventKind
from chalicelib.domain.webhooks import Delivery, Event, delivery_from
from chalicelib.http_client.safe_requests import SafePostman
from chalicelib.storage import keys
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.ports import ItemStore, Message, Queue
from tests.support.fakes import FakeClock
from tests.support.hooks.events import make_data
from tests.support.hooks.receiver import Heard

TENANT = "shop"
VISIBILITY_S = 60


class NoQueue:
    """A queue that never answers."""

    def send(self, body: str, delay_s: int = 0, group: str = "") -> None:
        raise StorageUnavailable("the queue did not answer: try again")

    def receive(self, limit: int, visibility_s: int) -> list[Message]:
        raise StorageUnavailable("the queue did not answer: try again")

    def hide(self, receipt: str, visibility_s: int) -> None:
        raise StorageUnavailable("the queue did not answer: try again")

    def delete(self, receipt: str) -> None: ...


class Desk:
    """`jitter` waits the longest that may be waited, so that times are known."""

    def __init__(
        self,
        items: ItemStore,
        queue: Queue,
        clock: FakeClock,
        limit_s: float = 1.0,
        jitter: Callable[[float, float], float] = max,
        networks: Sequence[str] = ("127.0.0.0/8",),
    ) -> None:
        self.items = items
        self.queue = queue
        self.clock = clock
        self.postman = SafePostman(
            networks=[ip_network(text) for text in networks], limit_s=limit_s
        )
        storage = SimpleNamespace(vault=PlainVault(), deliveries_queue=queue)
        ports = SimpleNamespace(postman=self.postman)
        requests = Requests(items, clock)
        book: Any = SimpleNamespace(
            items=items, clock=clock, requests=requests, storage=storage, ports=ports, webhooks=self
        )
        book.tenants = Tenants(book)  # there is none: no consent of theirs expires
        self.hooks, self.outbox = Hooks(book), Outbox(book)
        self.deliveries = Deliveries(book)
        self.deliveries.jitter = jitter
        self._numbers = itertools.count(1)

    def event(self, kind: EventKind = EventKind.FACE_ARRIVED, group: str | None = "vip") -> Event:
        number = next(self._numbers)
        data = make_data(kind, faceid=str(number))
        return Event(f"{kind}-{number}", data, self.clock.now(), group, "door")

    def commit(self, *events: Event) -> None:
        """What a causing transaction does, without the announcement: the process is killed behind
        it."""
        actions = self.outbox.make_delivery_puts(TENANT, events)
        if actions:
            self.items.transact(actions)

    def tell(self, *events: Event) -> None:
        actions = self.outbox.make_delivery_puts(TENANT, events)
        if actions:
            self.items.transact(actions)
        self.outbox.send_messages(TENANT, actions)

    def work(self) -> int:
        """Do what is in the queue now; returns how many messages that were."""
        done = 0
        while messages := self.queue.receive(10, VISIBILITY_S):
            failed = self.deliveries.deliver_all(
                {message.receipt: message.body for message in messages}
            )
            for message in messages:
                if message.receipt not in failed:
                    self.queue.delete(message.receipt)
            done += len(messages)
        return done

    def work_for(self, time: timedelta, step: timedelta = timedelta(seconds=10)) -> None:
        """As time passes, in steps, what is in the queue is done."""
        self.work()
        for _ in range(int(time / step)):
            self.clock.advance(step)
            self.work()

    @property
    def pending(self) -> list[Delivery]:
        return self._of(keys.PENDING)

    @property
    def parked(self) -> list[Delivery]:
        return [one for one in self._of(keys.EXPIRING) if one.parked]

    @property
    def mailed(self) -> list[Delivery]:
        return [one for one in self._of(keys.EXPIRING) if one.in_mailbox]

    def _of(self, bounds: Sequence[str]) -> list[Delivery]:
        low, high = bounds
        return [
            delivery_from(item)
            for item in self.items.query(keys.OUTBOX, TENANT, low=low, high=high).items
        ]


@contextmanager
def stores(folder: Path, clock: FakeClock) -> Iterator[tuple[SqliteItemStore, SqliteQueue]]:
    path = folder / "regulars.sqlite"
    items, queue = SqliteItemStore(path, keys.TABLES), SqliteQueue(path, "deliveries", clock)
    yield items, queue
    queue.close()
    items.close()


def told(*heard: Heard) -> list[str]:
    """The events' ids, in the order in which they came."""
    return [json.loads(one.body)["id"] for one in heard]
