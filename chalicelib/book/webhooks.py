"""Webhooks: the receivers of events, and the delivery of events to them with retries.

Hooks: URLs that a tenant's events are posted to, each with a secret that signs the posts; or
channels that notify people (book/messages).

Outbox: a delivery is written in the transaction of its event, so that no crash loses it. It waits
as an item; a message in the queue only says that it is time to look at it. `announce_overdue`
replaces a lost message, and one that comes twice or too late finds nothing to do. See
docs/decisions/0014.

Deliveries: one attempt a message, repeated later if it fails, parked after a day. A hook that keeps
failing gets a pause, and then one delivery that tries it before the others follow. So a slow
receiver costs us little, and one that was down is not flooded when it is back.
"""

from __future__ import annotations

import logging
import math
import random
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain.captures import require_camera_id
from chalicelib.domain.done import ActKind, Was, compare, list_values, make_deletion
from chalicelib.domain.effects import Effect, name_access
from chalicelib.domain.errors import (
    Busy,
    Conflict,
    HookNotFound,
    InvalidInput,
    RegularsError,
    StorageUnavailable,
    TenantNotFound,
    TooManyHooks,
    Unusable,
)
from chalicelib.domain.events import CHOSEN, EventKind
from chalicelib.domain.jobs import Job
from chalicelib.domain.names import legal_group_name
from chalicelib.domain.webhooks import (
    FAILING_FROM,
    OLD_SECRET_HOLDS,
    SETTINGS_OF_HOOK,
    TAKEN_BACK,
    Delivery,
    Event,
    Hindrance,
    Hook,
    Way,
    Why,
    delivery_from,
    delivery_item,
    delivery_key,
    event_put,
    event_puts,
    hook_fields,
    hook_from,
    hook_item,
    list_absent_fields,
    make_signature,
    test_event,
)
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.slots import hold_slot
from chalicelib.storage import keys
from chalicelib.storage.items import (
    Bounds,
    CountedList,
    ListPage,
    delete_in_parts,
    retry_if_changed,
    walk_items,
    write,
    write_in_parts,
    write_unless_changed,
)
from chalicelib.storage.ports import (
    LONGEST_ASKED_S,
    Action,
    Answered,
    ComeBackLater,
    Condition,
    Delete,
    Does,
    Put,
    SenderRefused,
    TooMany,
    Update,
    absent,
    equals,
    exists,
)
from chalicelib.storage.values import milliseconds, moment, parse_optional, time_ordered_id
from chalicelib.telemetry import report_failure

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.book.messages import Messages
    from chalicelib.domain.channels import Channel

_log = logging.getLogger(__name__)

MAX_HOOKS = 20
"""Hooks of a tenant. An event is written once for each hook that takes it, in one transaction of
limited size."""

_SECRET_BYTES = 32
"""Bytes of a hook's secret, by which its deliveries are signed (HMAC-SHA-256)."""
_OF_NO_CHANNEL = frozenset({"enabled", "name", "passes_to", "groups", "cameras", "people"})
"""Settings that are changed without a look at the channel, which may be sealed by a lost key."""
_THERE = exists("hook-exists")
_HOOK_ID = re.compile(r"[0-9]{1,20}")
_FACEID = re.compile(r"[!-~]{1,64}")

_REFUSALS = frozenset({400, 401, 403, 404, 422})
"""Answers by which a receiver may refuse a post since it knows another secret."""


class Hooks(Service["Book"]):
    @retry_if_changed(
        "many hooks of this tenant are added at once: send the request again in a moment"
    )
    def add(
        self, tenant: str, url: str | None, *, request: RequestId | None = None, **given: Any
    ) -> tuple[Hook, str | None]:
        """Add a hook; return it and its secret, which is not shown again.

        `given`: `kinds`, `groups`, `cameras` and `people`, of which None takes everything,
        `enabled`, a `name`, and whom it `passes_to`. With a `channel` it tells people, as
        `template`, `hours`, `pause_s` and `picture` say, and has no secret of its own. Without a
        `url` and a channel it is a mailbox, which has none, either. Raises InvalidInput,
        TooManyHooks, Busy, AnsweredAlready with the `id` of the hook.
        """
        now = self.services.clock.now()
        id_ = time_ordered_id(now)
        fields = self._check_fields({"url": url, **given})
        channel = fields.pop("channel", None)
        sealed_secret, secret = (b"", None) if url is None else self._make_secret(tenant, id_)
        hook = self._attach_channel(
            tenant, Hook(id=id_, created_at=now, sealed_secret=sealed_secret, **fields), channel
        )
        counter = self.services.items.get(keys.HOOKS, (tenant, keys.HOOK_ADDITIONS))
        hooks = CountedList(
            self.list_all(tenant),
            keys.HOOKS,
            {"tenant": tenant, "id": keys.HOOK_ADDITIONS},
            counter,
        )
        if len(hooks.rows) >= MAX_HOOKS:
            raise TooManyHooks(
                f"there are {MAX_HOOKS} hooks already, the most that a tenant may have: delete one"
            )
        does = ((Effect.GIVES_ACCESS, name_access("hook", id_)),)
        put = Put(keys.HOOKS, hook_item(tenant, hook), (absent("id-free"),), does)
        self.services.requests.write_with_answer(tenant, [put, hooks.changed], request, {"id": id_})
        return hook, secret

    def list_all(self, tenant: str) -> list[Hook]:
        """Return all hooks, oldest first."""
        hooks = map(
            hook_from, walk_items(self.services.items, keys.HOOKS, tenant, between=keys.HOOK_IDS)
        )
        return sorted(hooks, key=lambda hook: (hook.created_at, hook.id))

    def named_kinds(self, tenant: str) -> set[EventKind]:
        """Return the kinds of events that enabled hooks name. A hook without a list takes all
        kinds, but adds none here, so it causes no extra searches."""
        return {kind for hook in self.list_all(tenant) if hook.enabled for kind in hook.kinds or ()}

    def find(self, tenant: str, id_: str) -> Hook | None:
        if not _HOOK_ID.fullmatch(id_):
            return None
        return parse_optional(hook_from, self.services.items.get(keys.HOOKS, (tenant, id_)))

    def get(self, tenant: str, id_: str) -> Hook:
        """Return the hook of that id. Raises HookNotFound."""
        hook = self.find(tenant, id_)
        if hook is None:
            raise HookNotFound(f"there is no hook {id_[:40]!r}: see the list of hooks")
        return hook

    def change_hook(
        self,
        tenant: str,
        id_: str,
        changes: Mapping[str, Any],
        request: RequestId | None = None,
        *,
        check: Callable[[Hook], None] = lambda _: None,
    ) -> Hook:
        """Set the fields in `changes`, which are those of `add`.

        A hook that was failing is tried again at once.

        `check`: raises if the caller may not leave the hook like this. Raises HookNotFound,
        InvalidInput, Busy, AnsweredAlready.
        """
        fields = self._check_fields(changes)
        channel = fields.pop("channel", None)
        stored_hook = self.get(tenant, id_)
        becomes_mailbox_or_none = "url" in changes and (changes["url"] is None) is not (
            stored_hook.url is None
        )
        if becomes_mailbox_or_none or (channel and stored_hook.way is None):
            raise InvalidInput(
                "a hook has a url for good, a mailbox none, and what tells people a channel: add "
                "another hook for that"
            )

        def change_fields(hook: Hook) -> Hook:
            changed_hook = replace(hook, **fields)
            check(changed_hook)
            return (
                changed_hook
                if _OF_NO_CHANNEL.issuperset(changes)
                else self._attach_channel(tenant, changed_hook, channel)
            )

        return self._change_hook(tenant, id_, change_fields, request)

    def replace_secret(
        self,
        tenant: str,
        id_: str,
        request: RequestId | None = None,
        *,
        old_holds: timedelta = OLD_SECRET_HOLDS,
    ) -> str:
        """Replace the hook's secret.

        For `old_holds` a post that the receiver refuses is sent again, signed with the old one.

        Raises HookNotFound, Conflict if it is a mailbox, Busy, AnsweredAlready.
        """
        hook = self.get(tenant, id_)
        require_url(hook)
        if hook.way is not None:
            raise Conflict(f"hook {id_} tells people, and signs nothing: change its channel")
        sealed, secret = self._make_secret(tenant, id_)
        until = moment(milliseconds(self.services.clock.now() + old_holds))

        def renew(hook: Hook) -> Hook:
            return replace(
                hook,
                sealed_secret=sealed,
                former_secret=hook.sealed_secret,
                former_until=until,
            )

        self._change_hook(tenant, id_, renew, request)
        return secret

    def read_secrets(self, tenant: str, hook: Hook) -> list[str]:
        """Return in the clear the hook's secret, to sign with, and behind it the one before, while
        it is tried."""
        holds = hook.former_until is not None and self.services.clock.now() < hook.former_until
        sealed = [hook.sealed_secret, *([hook.former_secret] if holds else [])]
        context = keys.hook_secret(tenant, hook.id)
        return [self.services.storage.vault.unseal(secret, context) for secret in sealed]

    @retry_if_changed(
        "this hook is changed by others all the time: send the request again in a moment"
    )
    def delete(self, tenant: str, id_: str, request: RequestId | None = None) -> None:
        """Delete a hook and its deliveries. Raises HookNotFound, AnsweredAlready."""
        hook = self.get(tenant, id_)
        does = ((Effect.TAKES_ACCESS, name_access("hook", id_)),)
        was = make_deletion(ActKind.HOOK, id_, hook.name or "")
        delete = Delete(keys.HOOKS, (tenant, id_), (_THERE,), does, was)
        self.services.requests.write_with_answer(tenant, [delete], request)
        # if this is cut off, the rest are dropped when they are due, or expire
        for prefix in keys.DELIVERY_PREFIXES:
            deliveries = walk_items(
                self.services.items, keys.OUTBOX, tenant, between=keys.deliveries_range(id_, prefix)
            )
            delete_in_parts(self.services.items, keys.OUTBOX, deliveries)

    @retry_if_changed(
        "this hook is changed by others all the time: send the request again in a moment"
    )
    def _change_hook(
        self, tenant: str, id_: str, change: Callable[[Hook], Hook], request: RequestId | None
    ) -> Hook:
        """Change a hook, and let it begin anew: no failure is counted, and no pause runs. Return
        it.

        `change`: returns the hook as it is to be. Raises HookNotFound, Busy, AnsweredAlready, and
        what `change` raises.
        """
        hook = self.get(tenant, id_)
        changed_hook = replace(
            change(hook), failures=0, paused_until=None, claims="", version=hook.version + 1
        )
        update = Update(
            keys.HOOKS,
            (tenant, id_),
            (_is_unchanged(hook),),
            set={**hook_fields(changed_hook), "version": changed_hook.version},
            remove=("failures", "paused_until", "claims", *list_absent_fields(changed_hook)),
            does=_describe_change(hook, changed_hook),
            was=_compare_hooks(hook, changed_hook),
        )
        self.services.requests.write_with_answer(tenant, [update], request, {"id": id_})
        return changed_hook

    def note_fields(
        self, tenant: str, id_: str, condition: Condition = _THERE, **changes: Any
    ) -> bool:
        """Note how deliveries to a hook go; return False, and change nothing, if the condition does
        not hold."""
        does = ((Effect.ARRANGES, name_access("hook", id_)),)
        return write_unless_changed(
            self.services.items,
            [Update(keys.HOOKS, (tenant, id_), (condition,), does=does, **changes)],
        )

    def note_recovery(self, tenant: str, id_: str) -> None:
        self.note_fields(tenant, id_, set={"failures": 0}, remove=("paused_until",))

    def _check_fields(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the given values in the forms that are stored. Raises InvalidInput."""
        checked_values = dict(values)
        if values.get("url") is not None:
            self.services.ports.postman.require_url(values["url"])
        filters: Mapping[str, Callable[[str], Any]] = {
            "kinds": _parse_kind,
            "groups": legal_group_name,
            "cameras": require_camera_id,
            "people": _check_faceid,
        }
        for name, check in filters.items():
            if values.get(name) is not None:
                checked_values[name] = tuple(dict.fromkeys(map(check, values[name])))
        return checked_values

    def _attach_channel(self, tenant: str, hook: Hook, channel: Channel | None) -> Hook:
        """Return the hook as it is stored, with its channel if it has one. Raises InvalidInput."""
        if channel is None and hook.way is None:
            if hook.template or hook.hours or hook.pause_s or hook.picture:
                raise InvalidInput(
                    "template, hours, pause_s and picture are of a hook that has a channel"
                )
            return hook
        if hook.url is not None:
            raise InvalidInput("a hook has a url or a channel: send url as null")
        messages = self.services.webhooks.messages
        checked_hook, checked_channel = messages.check_hook(
            hook, channel or messages.read_channel(tenant, hook)
        )
        return (
            replace(
                checked_hook,
                sealed_secret=messages.seal_channel(tenant, checked_hook, checked_channel),
            )
            if channel
            else checked_hook
        )

    def _make_secret(self, tenant: str, id_: str) -> tuple[bytes, str]:
        secret = f"whsec_{secrets.token_urlsafe(_SECRET_BYTES)}"
        return self.services.storage.vault.seal(secret, keys.hook_secret(tenant, id_)), secret


def _has_other_channel(before: Hook, after: Hook) -> bool:
    return after.way is not None and after.sealed_secret != before.sealed_secret


def _compare_hooks(before: Hook, after: Hook) -> Was | None:
    """Return what a change of a hook changes; of a channel, which is secret, only that it does, and
    of its URL the host, since the path of one may be all that it takes to post there."""
    former, now = (list_values(hook, SETTINGS_OF_HOOK) for hook in (before, after))
    if _has_other_channel(before, after):
        former["channel"], now["channel"] = "", "changed"
    people = dict.fromkeys((*(before.people or ()), *(after.people or ())))
    was = compare(ActKind.HOOK, after.id, former, now, tuple(people))
    if was is None or "url" not in was.after:
        return was
    return replace(
        was,
        before={**was.before, "url": before.recipient},
        after={**was.after, "url": after.recipient},
    )


def _describe_change(before: Hook, after: Hook) -> Does:
    """Return what a changed hook's write does: another receiver takes the place of the one before.

    A secret that signs lets nobody in, so another one is a change.
    """
    is_sent_elsewhere = after.url != before.url or _has_other_channel(before, after)
    effects = (
        (Effect.TAKES_ACCESS, Effect.GIVES_ACCESS)
        if is_sent_elsewhere
        else (Effect.CHANGES_ACCESS,)
    )
    return tuple((effect, name_access("hook", after.id)) for effect in effects)


def require_url(hook: Hook) -> None:
    """Raise Conflict if nothing is posted to the hook, or nothing that a secret of ours signs."""
    if hook.is_mailbox:
        raise Conflict(
            f"hook {hook.id} is a mailbox, to which nothing is posted: list its pending deliveries "
            "and acknowledge them"
        )


def _parse_kind(value: str) -> EventKind:
    if value not in CHOSEN:
        raise InvalidInput(f"events are {', '.join(CHOSEN)}, not {value[:40]!r}")
    return EventKind(value)


def _check_faceid(value: str) -> str:
    if not _FACEID.fullmatch(value):
        raise InvalidInput(
            f"people are ids of faces, such as 456088349737713666, not {value[:40]!r}"
        )
    return value


OVERDUE = timedelta(seconds=60)
"""Time after which the message of a delivery that is due counts as lost."""

MAX_ANNOUNCED = 500
"""Messages that one call sends at most: some seconds of work."""

_LONGEST_QUEUE_DELAY_S = 900
"""Longest delay of a message that SQS takes, in s; what is due later is sent on when it comes."""
_UNMOVED = "not-moved-meanwhile"


class _Notice(Struct, frozen=True):
    """The content of a message: look at this delivery, which is due at `due`, in ms since 1970."""

    tenant: str
    id: str
    due: int


# Made once: msgspec looks into a type at its first use, which threads that deliver side by side
# must not share.
_NOTICES = msgspec.json.Decoder(_Notice)


class Outbox(Service["Book"]):
    def make_delivery_puts(self, tenant: str, events: Sequence[Event]) -> list[Action]:
        """Return one Put for each event and each hook that takes it, for the transaction that
        causes the events."""
        return (
            event_puts(
                tenant,
                self.services.webhooks.hooks.list_all(tenant),
                events,
                self.services.clock.now(),
            )
            if events
            else []
        )

    def send_messages(self, tenant: str, actions: Iterable[Action]) -> None:
        """Send the messages of the deliveries in these actions, after their transaction.

        If the queue fails, nothing is raised: `announce_overdue` sends them later.
        """
        for action in actions:
            if isinstance(action, Put) and action.table is keys.OUTBOX:
                delivery = delivery_from(action.item)
                try:
                    if not delivery.in_mailbox:
                        self.queue_message(delivery)
                except RegularsError as error:
                    report_failure(error, f"an event of tenant {tenant} is sent some minutes later")
                    return

    def read_last_position(self, tenant: str, kind: EventKind) -> str | None:
        """Return the position of the last event of a kind that the sweep sent; None: it has sent
        none yet."""
        return (self.services.items.get(keys.DIRECTORY, (tenant, keys.SWEPT_ITEM)) or {}).get(
            f"told {kind}"
        )

    def send_event_once(
        self, tenant: str, position: str, position_before: str | None, event: Event
    ) -> bool:
        """Send hooks an event that the sweep found. Return False if another sweep was quicker.

        The sweep finds events of a kind in the order of their positions. The write that makes an
        event's deliveries notes its position, so no event is sent twice. `position`: the event's
        position; `position_before`: the last one, which `read_last_position` returned.
        """
        actions = self.make_delivery_puts(tenant, [event])
        item_key, field_name = (tenant, keys.SWEPT_ITEM), f"told {event.kind}"
        if self.services.items.get(keys.DIRECTORY, item_key) is None:
            write_unless_changed(
                self.services.items,
                [
                    Put(
                        keys.DIRECTORY,
                        {"tenant": tenant, "item": item_key[1]},
                        (absent("not-swept"),),
                    )
                ],
            )
        note = Update(
            keys.DIRECTORY,
            item_key,
            (equals(field_name, position_before, "not-told-meanwhile"),),
            set={field_name: position},
        )
        if not write_unless_changed(self.services.items, [note, *actions]):
            return False
        self.send_messages(tenant, actions)
        return True

    def queue_message(self, delivery: Delivery) -> None:
        """Queue the delivery's message, to arrive when it is due or after a queue's longest delay.

        Raises Busy, StorageUnavailable.
        """
        wait_s = math.ceil((delivery.next_at - self.services.clock.now()).total_seconds())
        tenant, id_ = delivery_key(delivery)
        body = msgspec.json.encode(_Notice(tenant, id_, milliseconds(delivery.next_at))).decode()
        self.services.storage.deliveries_queue.send(
            body, min(max(wait_s, 0), _LONGEST_QUEUE_DELAY_S), tenant
        )

    def delete_delivery(self, delivery: Delivery) -> None:
        write(self.services.items, [Delete(keys.OUTBOX, delivery_key(delivery))])

    def postpone_delivery(self, delivery: Delivery, next_at: datetime, why: Why) -> None:
        """Set the delivery's next attempt to `next_at`.

        If another worker was first, nothing is changed.
        """
        waiting = replace(delivery, next_at=moment(milliseconds(next_at)))
        self._move_delivery(delivery, _with_reason(waiting, why))

    def park(self, delivery: Delivery, why: Why) -> None:
        """Park the delivery: it is given up. If another worker was first, nothing is changed.

        What takes a push back says nothing to anybody later, so it is deleted.
        """
        if delivery.kind == TAKEN_BACK:
            self.delete_delivery(delivery)
            return
        now = moment(milliseconds(self.services.clock.now()))
        parked = _with_reason(replace(delivery, next_at=now, parked=True), why)
        if not write_unless_changed(self.services.items, _replacement_actions(delivery, parked)):
            return
        _log.warning(
            "delivery %s to hook %s is parked: %s", delivery.event_id, delivery.hook_id, why.text
        )

    def announce_overdue(self, tenant: str, overdue: timedelta = OVERDUE) -> int:
        """Send messages for deliveries that are late by `overdue`; return how many, MAX_ANNOUNCED
        at most.

        What this process attempts just now is no lost message, however long its receiver takes.
        """
        now = moment(milliseconds(self.services.clock.now()))
        waiting = self._list_deliveries(tenant, keys.PENDING)
        on_phones = self._list_deliveries(tenant, keys.ON_PHONES)
        taken_back = (delivery for delivery in on_phones if delivery.kind == TAKEN_BACK)
        is_under_way = self.services.webhooks.deliveries.is_under_way
        late = (
            delivery
            for delivery in chain(waiting, taken_back)
            if delivery.next_at < now - overdue and not is_under_way(delivery)
        )
        announced = (delivery for delivery in late if self._hasten_delivery(delivery, now))
        return sum(1 for _ in islice(announced, MAX_ANNOUNCED))

    def read_page(
        self, tenant: str, hook_id: str, *, parked: bool, limit: int, token: str | None = None
    ) -> ListPage[Delivery]:
        """Return a hook's parked deliveries, or those that wait, by their events' ids.

        Raises HookNotFound, InvalidInput (the token).
        """
        waiting_prefix = (
            keys.MAILBOX_PREFIX
            if self.services.webhooks.hooks.get(tenant, hook_id).is_mailbox
            else ""
        )
        low, high = keys.deliveries_range(hook_id, keys.PARKED_PREFIX if parked else waiting_prefix)
        page = self.services.items.query(
            keys.OUTBOX, tenant, low=low, high=high, limit=limit, token=token
        )
        return ListPage(list(map(delivery_from, page.items)), page.token)

    def redeliver_hook(self, tenant: str, hook_id: str) -> int:
        """Send a hook's parked and waiting deliveries now; return how many, MAX_ANNOUNCED at most.

        Call it again until it returns 0. Parked ones are then tried for another day. Raises
        HookNotFound, Conflict if it is a mailbox.
        """
        require_url(self.services.webhooks.hooks.get(tenant, hook_id))
        self.services.webhooks.hooks.note_recovery(tenant, hook_id)
        now = moment(milliseconds(self.services.clock.now()))
        prefixes = (keys.PARKED_PREFIX, "")
        deliveries = (
            delivery
            for prefix in prefixes
            for delivery in self._list_deliveries(tenant, keys.deliveries_range(hook_id, prefix))
        )
        sent_deliveries = (
            delivery
            for delivery in deliveries
            if (delivery.parked or delivery.next_at > now) and self._hasten_delivery(delivery, now)
        )
        return sum(1 for _ in islice(sent_deliveries, MAX_ANNOUNCED))

    def acknowledge_deliveries(self, tenant: str, hook_id: str, event_ids: Sequence[str]) -> None:
        """Delete events from a mailbox; those that are not in it, or not any more, are passed over.

        Raises HookNotFound, Conflict if the hook has a URL.
        """
        if not self.services.webhooks.hooks.get(tenant, hook_id).is_mailbox:
            raise Conflict(
                f"hook {hook_id} is no mailbox: what it receives is acknowledged by answering 2xx"
            )
        ids = (
            keys.delivery(hook_id, event_id, keys.MAILBOX_PREFIX)
            for event_id in dict.fromkeys(event_ids)
        )
        write_in_parts(self.services.items, (Delete(keys.OUTBOX, (tenant, id_)) for id_ in ids))

    def forget_expired(self, tenant: str) -> int:
        """Delete deliveries that have expired, on storage that does not do so itself; return how
        many."""
        deliveries = walk_items(self.services.items, keys.OUTBOX, tenant, between=keys.EXPIRING)
        return delete_in_parts(
            self.services.items, keys.OUTBOX, deliveries, self.services.clock.now()
        )

    def _list_deliveries(self, tenant: str, between: Bounds) -> Iterator[Delivery]:
        return map(
            delivery_from, walk_items(self.services.items, keys.OUTBOX, tenant, between=between)
        )

    def _hasten_delivery(self, delivery: Delivery, now: datetime) -> bool:
        """Have the delivery tried now, a parked one for another day; return False if others changed
        it."""
        if not delivery.parked:
            return self._move_delivery(delivery, replace(delivery, next_at=now))
        fresh = replace(delivery, created_at=now, next_at=now, attempts=0, parked=False)
        return self._queue_delivery(_replacement_actions(delivery, fresh), fresh)

    def _move_delivery(self, delivery: Delivery, to: Delivery) -> bool:
        """Store the delivery's new time; return False if others changed its time or its names."""
        fields = {
            "next_at": milliseconds(to.next_at),
            "attempts": to.attempts,
            "last_error": to.last_error,
            "last_code": to.last_code,
        }
        return self._queue_delivery(
            [Update(keys.OUTBOX, delivery_key(delivery), _if_same(delivery), set=fields)], to
        )

    def _queue_delivery(self, actions: Sequence[Action], delivery: Delivery) -> bool:
        """Store a delivery and queue its message; return False if others changed it."""
        is_stored = write_unless_changed(self.services.items, actions)
        if is_stored:
            self.queue_message(delivery)
        return is_stored


def _with_reason(delivery: Delivery, why: Why) -> Delivery:
    return replace(delivery, last_error=why.text, last_code=why.code)


def _if_same(delivery: Delivery) -> tuple[Condition, ...]:
    """Return the conditions that neither its time nor its names have changed since it was read."""
    return (
        equals("next_at", milliseconds(delivery.next_at), _UNMOVED),
        equals("payload", delivery.payload, _UNMOVED),
    )


def _replacement_actions(delivery: Delivery, to: Delivery) -> list[Action]:
    """Return the actions that put another delivery in a delivery's place."""
    return [
        Delete(keys.OUTBOX, delivery_key(delivery), _if_same(delivery)),
        Put(keys.OUTBOX, delivery_item(to)),
    ]


ATTEMPT = timedelta(seconds=30)
"""Time after which an attempt is over or its process is gone. So long the others wait for the one
that tries a hook."""

_FIRST_DELAY_S = 10
"""Wait before a delivery's second attempt, in s. It doubles with each further one."""
_LONGEST_DELAY_S = 3_600
"""Longest wait of one delivery between two attempts: it is parked after a day."""
_LONGEST_PAUSE_S = 900
"""Longest pause of a hook that keeps failing: when the receiver is back, it gets its events within
15 minutes."""

_AT_ONCE = 10
"""Deliveries that one process attempts at once."""
_CLOCKS_APART = timedelta(minutes=1)
"""By how much the clocks of two processes may differ."""
_SPREAD_S = 30.0
"""Seconds over which those that waited for a hook are spread when it is back."""
_GONE = 410
_UPDATE = "update the service, then send its deliveries again"


POSTS_OF_TENANT = 24
"""Posts of one tenant that may be under way."""
POSTS_OF_HOOK = 4
"""Posts that may be under way. If one more comes, the receiver is too slow: that delivery is
postponed by seconds."""

WAITED_S = 1.0
"""Seconds to wait for a free slot, so that a burst to a quick receiver is not postponed."""


class DeliverySlots:
    """Limits of simultaneous posts, of a tenant and of a hook.

    One more waits a second, then raises Busy.
    """

    def __init__(
        self,
        of_tenant: int = POSTS_OF_TENANT,
        of_hook: int = POSTS_OF_HOOK,
        waited_s: float = WAITED_S,
    ) -> None:
        self._limits = {"tenant": of_tenant, "hook": of_hook}
        self._waited_s = waited_s
        self._slots: dict[tuple[str, str], threading.BoundedSemaphore] = {}

    @contextmanager
    def take_slot(self, tenant: str, hook_id: str) -> Iterator[None]:
        """Take a slot of the hook, then one of the tenant, for the block. Raises Busy.

        In this order, posts that wait for a slow hook take no slots from the tenant's other hooks.
        """
        with ExitStack() as slots:
            for kind, name in (("hook", f"{tenant}/{hook_id}"), ("tenant", tenant)):
                limit = self._limits[kind]
                # one step
                slot = self._slots.setdefault((kind, name), threading.BoundedSemaphore(limit))
                slow = (
                    f"the receiver of this {kind} is too slow: {limit} posts to it are under "
                    "way already"
                )
                slots.enter_context(hold_slot(slot, slow, self._waited_s))
            yield


def _is_unchanged(hook: Hook) -> Condition:
    return equals("version", hook.version, "not-changed-meanwhile")


class Deliveries(Service["Book"]):
    """The deliverer of events. `jitter`: returns a random number between two."""

    def __init__(self, services: Book) -> None:
        super().__init__(services)
        self.hooks = services.webhooks.hooks
        self.outbox = services.webhooks.outbox
        self.slots = DeliverySlots()
        self.jitter: Callable[[float, float], float] = random.uniform
        self._lock = threading.Lock()
        self._under_way: set[tuple[str, str]] = set()

    def is_under_way(self, delivery: Delivery) -> bool:
        """Tell whether this process is attempting the delivery now."""
        return delivery_key(delivery) in self._under_way

    def deliver_all(self, bodies: Mapping[str, str]) -> dict[str, Exception]:
        """Attempt the deliveries of messages by id, in parallel, so that none waits for another's
        receiver.

        Return the errors of those that failed, by id: they have to be received again.
        """

        def try_delivery(body: str) -> Exception | None:
            try:
                self.attempt_delivery(body)
            except Exception as error:
                return error
            return None

        with ThreadPoolExecutor(min(_AT_ONCE, max(len(bodies), 1))) as pool:
            # one box hands over one at a time: it needs no thread
            map_ = pool.map if len(bodies) > 1 else map
            errors = dict(zip(bodies, map_(try_delivery, bodies.values()), strict=True))
        return {id_: error for id_, error in errors.items() if error}

    def attempt_delivery(self, message_body: str) -> None:
        """Attempt the delivery that a message names; if it or its hook is not ready, postpone, park
        or drop it.

        Raises Busy, also while this process attempts the delivery already, and StorageUnavailable:
        the message has to be received again. Raises ValueError if it is no message of the outbox.
        """
        notice = _NOTICES.decode(message_body)
        with self._hold_delivery((notice.tenant, notice.id)):
            self._look_at(notice)

    @contextmanager
    def _hold_delivery(self, key: tuple[str, str]) -> Iterator[None]:
        """Have no other thread attempt the delivery in this block. Raises Busy."""
        with self._lock:
            if key in self._under_way:
                raise Busy("this delivery is under way already")
            self._under_way.add(key)
        try:
            yield
        finally:
            self._under_way.remove(key)

    def _look_at(self, notice: _Notice) -> None:
        """Attempt, postpone, park or drop the delivery that a notice names."""
        delivery = parse_optional(
            delivery_from, self.services.items.get(keys.OUTBOX, (notice.tenant, notice.id))
        )
        if delivery is None:
            return None
        now = self.services.clock.now()
        if delivery.next_at > now:
            # Our delay may be longer than a queue's, so send it again. With another `due`, another
            # message will come.
            return (
                self.outbox.queue_message(delivery)
                if milliseconds(delivery.next_at) == notice.due
                else None
            )
        if delivery.created_at < now - OVERDUE and self._may_name_expired(notice.tenant):
            return self.outbox.postpone_delivery(
                delivery,
                now + OVERDUE,
                Why(Hindrance.CONSENT, "the consent of somebody has expired"),
            )
        hook = self.hooks.find(notice.tenant, delivery.hook_id)
        if hook is None or hook.is_mailbox:  # deleted; a mailbox's deliveries have no message
            return self.outbox.delete_delivery(delivery)
        if not hook.enabled and delivery.kind != TAKEN_BACK:
            disabled = "the hook is disabled: enable it, then send its deliveries again"
            return self.outbox.park(delivery, Why(Hindrance.DISABLED, disabled))
        if not delivery.is_known:
            later = f"events of {delivery.kind[:40]!r} are of a later version: {_UPDATE}"
            return self.outbox.park(delivery, Why(Hindrance.LATER_VERSION, later))
        is_tried = hook.is_failing or hook.paused_until is not None
        if is_tried and not self._may_probe(hook, delivery, now):
            return self._wait_for(hook, delivery, now)
        return self._attempt_delivery(hook, delivery)

    def send_test(self, tenant: str, hook_id: str, request: RequestId | None = None) -> Event:
        """Send the hook an event of kind TEST, and return the event.

        Called again with the same request, send no other.

        Raises HookNotFound, Conflict if the hook is disabled, AnsweredAlready, Busy.
        """
        hook, now = self.hooks.get(tenant, hook_id), self.services.clock.now()
        if not hook.enabled:
            raise Conflict(f"hook {hook_id} is disabled: enable it, then test it")
        event = test_event(f"{EventKind.TEST}-{time_ordered_id(now)}", now, hook_id)
        put = event_put(tenant, hook, event, now)  # whether the hook takes it or not
        self.services.requests.write_with_answer(
            tenant, [put], request, {"id": event.id, "at": milliseconds(event.at)}
        )
        self.outbox.send_messages(tenant, [put])
        return event

    def _may_name_expired(self, tenant: str) -> bool:
        """Tell whether somebody's consent has expired whom nobody has put away yet.

        An event that waited may name such a person. The next reader of the tenant's faces puts them
        away, or what the watch asks for. This one does not: on AWS its function may not write
        faces.
        """
        with suppress(TenantNotFound):
            return self.services.tenants.has_expired_consent(
                self.services.tenants.read_stored(tenant)
            )
        return False

    def _attempt_delivery(self, hook: Hook, delivery: Delivery) -> None:
        """Post a delivery, and delete, postpone or park it by the answer.

        Raises StorageUnavailable.
        """
        tried = replace(delivery, attempts=delivery.attempts + 1)
        try:
            answer = self.post_delivery(hook, delivery)
        except Busy as error:  # our own limits refused it, so this was no attempt
            self._give_turn_back(hook, delivery.tenant)
            return self.outbox.postpone_delivery(
                delivery,
                self.services.clock.now() + timedelta(seconds=self.jitter(1, 5)),
                Why(Hindrance.SLOW, str(error)),
            )
        except InvalidInput as error:
            self._give_turn_back(hook, delivery.tenant)
            return self.outbox.park(tried, Why(Hindrance.UNFIT, str(error)))
        except TooMany as error:
            return self._obey(hook, tried, error)
        except ComeBackLater as error:
            why = Why(Hindrance.ASKED_TO_WAIT, str(error))
            return self._note_failure(hook, tried, why, asked_s=error.again_in_s)
        except SenderRefused as error:  # the next one is refused as well: the hook fails at once
            why = Why(Hindrance.SENDER_REFUSED, str(error))
            return self._note_failure(hook, tried, why, at_least=FAILING_FROM)
        except Unusable as error:
            return self._note_failure(hook, tried, Why(Hindrance.UNUSABLE, str(error)))
        except StorageUnavailable:
            raise
        except Exception as error:  # else it would come again and again, and nobody be told of it
            report_failure(
                error, f"a delivery to hook {hook.id} of tenant {delivery.tenant} failed"
            )
            why = Why(Hindrance.FAILED, "the service failed at it: its log says why")
            return self._note_failure(hook, tried, why)
        if answer is None:
            self._give_turn_back(hook, delivery.tenant)
            return self._put_away(hook, delivery)
        if answer.is_well:
            self.outbox.delete_delivery(delivery)
            if hook.failures or hook.paused_until is not None:
                self.hooks.note_recovery(delivery.tenant, hook.id)
            return None
        if answer.status == _GONE:
            self._give_turn_back(hook, delivery.tenant)
            if hook.way == Way.PUSH:  # a browser that is gone never comes back: it subscribes anew
                self._switch_off_hook(hook, delivery.tenant)
            gone = "the receiver answered 410: it does not want this any more"
            return self.outbox.park(tried, Why(Hindrance.GONE, gone))
        answered = f"the receiver answered {answer}, not 200 to 299"
        return self._note_failure(hook, tried, Why(Hindrance.ANSWERED, answered))

    def _put_away(self, hook: Hook, delivery: Delivery) -> None:
        """Delete a delivery that nobody was to get, or let it wait for its hook's hours."""
        due_at = self.services.webhooks.messages.find_due_at(hook, delivery)
        if due_at is None:
            self.outbox.delete_delivery(delivery)
        else:
            why = Why(Hindrance.HOURS, "it waits for the hook's hours")
            self.outbox.postpone_delivery(delivery, due_at, why)

    def post_delivery(self, hook: Hook, delivery: Delivery) -> Answered | None:
        """Post a delivery, and return the answer; None if there was no receiver, so nothing was
        sent.

        Of a URL's answer the status alone counts (docs/webhooks.md).
        """
        if hook.url is None:
            with self.slots.take_slot(delivery.tenant, hook.id):
                return self.services.webhooks.messages.send_message(hook, delivery)
        body = delivery.payload.encode()
        headers = {
            "Content-Type": "application/json",
            "X-Regulars-Event": delivery.kind,
            "X-Regulars-Delivery": keys.delivery(delivery.hook_id, delivery.event_id),
        }
        status = None
        for secret in self.hooks.read_secrets(delivery.tenant, hook):
            signature = make_signature(secret, self.services.clock.now(), body)
            signed = {**headers, "X-Regulars-Signature": signature}
            with self.slots.take_slot(delivery.tenant, hook.id):
                status = self.services.ports.postman.post(hook.url, body, signed).status
            if status not in _REFUSALS:
                break
        return None if status is None else Answered(status)

    def _switch_off_hook(self, hook: Hook, tenant: str) -> None:
        """Switch off a hook, unless somebody has changed it meanwhile."""
        changes = {"enabled": False, "version": hook.version + 1}
        self.hooks.note_fields(tenant, hook.id, _is_unchanged(hook), set=changes)

    def _note_failure(
        self, hook: Hook, delivery: Delivery, why: Why, *, at_least: int = 0, asked_s: float = 0.0
    ) -> None:
        """Postpone or park the delivery, then count the failure of a hook that nobody has changed
        meanwhile: a crash in between loses only the count.

        `at_least`: failures that the hook has by this one, however many come at once. `asked_s`:
        the least wait.
        """
        now = self.services.clock.now()
        self._try_again(delivery, now, why, now + timedelta(seconds=asked_s))
        wait_s = max(pause_s(max(hook.failures + 1, at_least)), asked_s)
        fields = {"paused_until": milliseconds(now + timedelta(seconds=wait_s))} if wait_s else {}
        note = partial(self.hooks.note_fields, delivery.tenant, hook.id, _is_unchanged(hook))
        if hook.failures < at_least:  # what others count meanwhile is lost: it fails all the same
            note(set={**fields, "failures": at_least})
            return
        note(set=fields, add={"failures": 1})

    def _obey(self, hook: Hook, delivery: Delivery, error: TooMany) -> None:
        """Postpone the delivery as its receiver asked, which is no failure, and let the hook's
        others wait as long."""
        now = self.services.clock.now()
        until = now + timedelta(seconds=error.again_in_s)
        self._try_again(delivery, now, Why(Hindrance.ASKED_TO_WAIT, str(error)), until)
        fields = {"paused_until": milliseconds(until)}
        self.hooks.note_fields(delivery.tenant, hook.id, _is_unchanged(hook), set=fields)

    def _try_again(
        self, delivery: Delivery, now: datetime, why: Why, earliest: datetime | None = None
    ) -> None:
        """Postpone a delivery by its own delay, and at least until `earliest`, or park it after its
        day."""
        if now >= delivery.ends_at:
            return self.outbox.park(delivery, why)
        delay = timedelta(seconds=self.jitter(0, longest_delay_s(delivery.attempts)))
        next_at = min(max(now + delay, earliest or now), delivery.ends_at)
        return self.outbox.postpone_delivery(delivery, next_at, why)

    def _may_probe(self, hook: Hook, delivery: Delivery, now: datetime) -> bool:
        """Claim to be the delivery that tries a hook when its pause is over; return whether it
        is."""
        if find_free_at(hook, now) > now:
            return False
        paused_until_ms = None if hook.paused_until is None else milliseconds(hook.paused_until)
        nobody_else = equals("paused_until", paused_until_ms, "nobody-else-tries")
        probe_fields = {"paused_until": milliseconds(now + ATTEMPT)}
        return self.hooks.note_fields(delivery.tenant, hook.id, nobody_else, set=probe_fields)

    def _give_turn_back(self, hook: Hook, tenant: str) -> None:
        """Let the next delivery try the hook at once, since this one says nothing of it: it was not
        sent, or is not wanted."""
        if not hook.is_failing and hook.paused_until is None:
            return  # no turn was taken
        paused: dict[str, Any] = {"remove": ("paused_until",)}
        if hook.is_failing and hook.paused_until is not None:
            paused = {"set": {"paused_until": milliseconds(hook.paused_until)}}
        self.hooks.note_fields(tenant, hook.id, _is_unchanged(hook), **paused)

    def _wait_for(self, hook: Hook, delivery: Delivery, now: datetime) -> None:
        """Postpone the delivery until the hook has been tried, at random so that not all come at
        the same moment."""
        before = (
            f"the {hook.failures} deliveries to this hook before it failed"
            if hook.is_failing
            else "the receiver asked to wait"
        )
        why = (
            Why(delivery.last_code, delivery.last_error)
            if delivery.last_error
            else Why(Hindrance.NOT_TRIED, f"not tried: {before}")
        )
        if now >= delivery.ends_at:
            return self.outbox.park(delivery, why)
        free_at = max(now + ATTEMPT, find_free_at(hook, now))
        spread = timedelta(seconds=self.jitter(0, _find_spread_s(hook, delivery, now)))
        next_at = min(free_at + spread, delivery.ends_at)
        return self.outbox.postpone_delivery(delivery, next_at, why)


def longest_delay_s(attempts: int) -> int:
    """Return the longest wait after this many failed attempts (1 or more): 10 s, doubling up to an
    hour."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S << min(attempts - 1, 20))


def pause_s(failures: int) -> int:
    """Return the pause of a hook with this many consecutive failures: none, then 10 s, doubling up
    to 15 minutes."""
    if failures < FAILING_FROM:
        return 0
    return min(_LONGEST_PAUSE_S, _FIRST_DELAY_S << min(failures - FAILING_FROM, 20))


def find_free_at(hook: Hook, now: datetime) -> datetime:
    """Return when the hook's pause is over, or now.

    A pause that is longer than any may be was noted by a clock that was ahead.
    """
    paused_until = hook.paused_until or now
    is_held = now < paused_until <= now + timedelta(seconds=LONGEST_ASKED_S) + _CLOCKS_APART
    return paused_until if is_held else now


def _find_spread_s(hook: Hook, delivery: Delivery, now: datetime) -> float:
    """Return the seconds over which a delivery waits behind its hook's pause.

    A receiver that asks for pauses all day may ask for short ones: a delivery then comes the more
    rarely, the longer it has waited.
    """
    if hook.is_failing:
        return _SPREAD_S
    waited_s = (now - delivery.created_at).total_seconds()
    return min(max(waited_s, _SPREAD_S), _LONGEST_PAUSE_S)


class Webhooks(Service["Book"]):
    @lazy
    def messages(self) -> Messages:
        from chalicelib.book.messages import Messages

        return Messages(self.services)

    @lazy
    def hooks(self) -> Hooks:
        return Hooks(self.services)

    @lazy
    def outbox(self) -> Outbox:
        return Outbox(self.services)

    @lazy
    def deliveries(self) -> Deliveries:
        return Deliveries(self.services)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job(
                "events",
                lambda context: self.outbox.forget_expired(context.tenant.name),
                of_expired=True,
            ),
        )
