"""Hooks and deliveries to items and back."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from datetime import datetime

from chalicelib.core import keys
from chalicelib.core.ports import Action, Item, Put, Update, exists
from chalicelib.core.values import Codec, milliseconds, moment
from chalicelib.core.webhooks import KEPT_FOR, Delivery, Event, Hook, payload

_DELIVERY = Codec(Delivery, apart="hook_id event_id parked in_mailbox")

_EVENT_ID = re.compile(r"[!-~]{1,200}")


_HOOK = Codec(Hook, {"sealed_secret": "secret"}, rare="failures paused_until", nulls="url kinds groups cameras name")
hook_from = _HOOK.read


def hook_item(tenant: str, hook: Hook) -> Item:
    return {"tenant": tenant, **_HOOK.write(hook)}


def hook_fields(hook: Hook) -> Item:
    """Make the attributes that a tenant may change; those of failures and pauses come with the first failure."""
    return _HOOK.write(hook, "url", "sealed_secret", "kinds", "groups", "cameras", "enabled", "name")


def event_puts(tenant: str, hooks: Sequence[Hook], events: Sequence[Event], now: datetime) -> list[Action]:
    """Return one Put for each event and each of the hooks that takes it, for the transaction that causes the events."""
    return [event_put(tenant, hook, event, now) for event in events for hook in hooks if hook.takes(event)]


def event_put(tenant: str, hook: Hook, event: Event, now: datetime) -> Put:
    """Return the action that has the event delivered to the hook, whether the hook takes it or not."""
    at, body = moment(milliseconds(now)), payload(tenant, event)
    delivery = Delivery(tenant, hook.id, event.id, event.kind, body, at, at, in_mailbox=hook.is_mailbox)
    return Put(keys.OUTBOX, delivery_item(delivery))


def delivery_key(delivery: Delivery) -> tuple[str, str]:
    prefix = keys.PARKED_PREFIX if delivery.parked else keys.MAILBOX_PREFIX if delivery.in_mailbox else ""
    return delivery.tenant, keys.delivery(delivery.hook_id, delivery.event_id, prefix)


def is_event_id(text: str) -> bool:
    """Return whether an event may have this id: it stands in headers, so it is 1 to 200 visible ASCII characters."""
    return _EVENT_ID.fullmatch(text) is not None


def delivery_item(delivery: Delivery) -> Item:
    """Make a delivery's item.

    Raises ValueError if the event's id cannot stand in a header: it is 1 to 200 visible ASCII characters.
    """
    if not is_event_id(delivery.event_id):
        raise ValueError(f"an event's id is 1 to 200 visible ASCII characters, not {delivery.event_id[:200]!a}")
    item = {"id": delivery_key(delivery)[1], **_DELIVERY.write(delivery)}
    if delivery.parked or delivery.in_mailbox:
        item["expires_at"] = int((delivery.next_at + KEPT_FOR).timestamp())
    return item


def delivery_from(item: Item) -> Delivery:
    hook_id, event_id = keys.parts_of_delivery(item["id"])
    prefix = keys.prefix_of_delivery(item["id"])
    parked, in_mailbox = prefix == keys.PARKED_PREFIX, prefix == keys.MAILBOX_PREFIX
    return _DELIVERY.read(item, hook_id=hook_id, event_id=event_id, parked=parked, in_mailbox=in_mailbox)


def without_name(item: Item, faceids: Collection[str]) -> Update | None:
    """Return the update that takes the name out of a delivery about one of these faces; None: there is none in it."""
    payload = json.loads(item["payload"])
    data = payload["data"]
    if not data.get("name") or {data.get("faceid"), data.get("other")}.isdisjoint(faceids):
        return None
    unnamed = json.dumps({**payload, "data": {**data, "name": ""}}, ensure_ascii=False)
    return Update(keys.OUTBOX, (item["tenant"], item["id"]), (exists("still-there"),), set={"payload": unnamed})
