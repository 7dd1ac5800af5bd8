"""Webhooks: events and their signature, hooks that receive them, deliveries on their way."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum, auto
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.events import EVENTS, EventData, EventKind, HookTested, empty_names
from chalicelib.storage import keys
from chalicelib.storage.ports import Action, Item, Put, Update, equals, exists
from chalicelib.storage.values import Codec, Form, milliseconds, moment, time_text

KEPT_FOR = timedelta(days=30)
"""How long a parked delivery is kept after its parking, and one in a mailbox after its event."""
SHOWN_FOR = timedelta(days=7)
"""How long a push is taken back if its person goes: a browser shows it until somebody wipes it
away."""
TAKEN_BACK = "taken back"
"""Kind of a delivery that takes a push back."""


class Way(StrEnum):
    """The channel by which a message reaches people (domain/channels)."""

    NTFY = "ntfy"
    TELEGRAM = "telegram"
    SLACK = "slack"
    TEAMS = "teams"
    DISCORD = "discord"
    PUSHOVER = "pushover"
    REQUEST = "request"
    """Any URL, with a method and headers."""
    MAIL = "mail"
    PUSH = "push"
    """A browser that asked (Web Push)."""


_OF_A_PERSON = frozenset({Way.PUSH, Way.MAIL, Way.NTFY, Way.TELEGRAM, Way.PUSHOVER})
"""Ways that end at a phone, a browser or a mailbox. Others end in a room of several people, or at a
program."""


class Event(Struct, frozen=True):
    """Something that happened. Its `id` is always the same, however often the event is processed.

    `group`, `camera`: values that hooks filter by; None if the event has none.
    """

    id: str
    data: EventData
    at: datetime
    group: str | None = None
    """Name of the group."""
    camera: str | None = None
    """Id of the camera."""

    @property
    def kind(self) -> EventKind:
        return self.data.KIND


PARKED_AT_AGE = timedelta(hours=24)
"""Age of a delivery at its last attempt: then it is parked (book/webhooks.py says when it is tried
again)."""

OLD_SECRET_HOLDS = timedelta(days=1)
"""How long a replaced secret is tried where the new one is refused, so that a receiver may get it
later."""

FAILING_FROM = 5
"""Consecutive failures from which on a hook gets one delivery at a time."""


SETTINGS_OF_HOOK = (
    *("url", "kinds", "groups", "cameras", "enabled", "name", "passes_to", "people"),
    *("template", "hours", "pause_s", "picture"),
)
"""Fields of a hook that somebody sets; its channel is a secret, and is kept nowhere else."""


class Hook(Struct, frozen=True):
    """A receiver, a URL or people, of the events that pass all its filters; a filter of None passes
    any.

    With a `way` it tells people, by a channel that its secret holds. Without both it is a mailbox:
    its events wait until the tenant's program reads and acknowledges them.
    """

    id: str
    """Digits; never changes."""
    url: str | None
    created_at: datetime
    sealed_secret: bytes
    """The secret that signs its deliveries, or the channel, sealed by the Vault; b"" of a mailbox,
    which has none."""
    kinds: tuple[EventKind, ...] | None = None
    groups: tuple[str, ...] | None = None
    """Names of the groups at the time of the event."""
    cameras: tuple[str, ...] | None = None
    """Ids."""
    enabled: bool = True
    name: str | None = None
    """By which a program finds its mailbox."""
    passes_to: str = ""
    """Whom the program that empties a mailbox tells of the events, as it says: such as an MQTT
    broker's host."""
    failures: int = 0
    """Number of deliveries that failed since the last success."""
    paused_until: datetime | None = None
    """Nothing is sent to a failing hook until then."""
    version: int = 1
    """Grows with each change by the tenant."""
    people: tuple[str, ...] | None = None
    """Ids of faces."""
    way: str | None = None
    """A Way, or one that a later version has stored."""
    address: str = ""
    """Part of its channel that may be shown: the host, after `http://` if it is not encrypted, or a
    mail address."""
    template: str = ""
    """Of its messages."""
    hours: str = ""
    """Within which people are told, in the tenant's zone, as `09:00-18:30`; "": always."""
    pause_s: int = 0
    """The least time between two messages of a kind of one group, or of one of `people`; what
    happens meanwhile is not told."""
    picture: bool = False
    """Whether the face's picture goes with a message."""
    claims: str = ""
    """JSON: of what a pause runs, to the time when its event was written, in ms since 1970, and
    that event's mark."""

    former_secret: bytes = b""
    """The secret before, sealed; b"": there was none."""
    former_until: datetime | None = None
    """Until then a post that the receiver refuses is signed with `former_secret`, too."""

    def __repr__(self) -> str:
        return f"Hook({self.id!r})"  # no log shows its secret

    @property
    def is_failing(self) -> bool:
        return self.failures >= FAILING_FROM

    @property
    def is_mailbox(self) -> bool:
        return self.url is None and self.way is None

    @property
    def is_of_a_person(self) -> bool:
        """Return whether its messages go to a person's phone, browser or mailbox."""
        return self.way in _OF_A_PERSON

    @property
    def recipient(self) -> str:
        """Its recipient: a host, of mail the domain alone, or the one that a mailbox's program
        names; "" if that has named none."""
        if self.way is not None:
            return self.address.rpartition("@")[2]
        return (urlsplit(self.url).hostname or "") if self.url else self.passes_to

    def is_within_hours(self, at: datetime) -> bool:
        """Return whether the hook's `hours` allow a message to people at this time.

        `at` is in the tenant's time zone. `09:00-18:00` holds 09:00, and not 18:00 any more.
        `22:00-06:00` is the night, and "" is always.
        """
        if not self.hours:
            return True
        begin, _, end = self.hours.partition("-")
        now = f"{at:%H:%M}"
        if begin < end:
            return begin <= now < end
        return now >= begin or now < end  # over midnight

    def find_next_begin(self, at: datetime) -> datetime:
        """Return the next start of its `hours` after a time in the tenant's zone."""
        hour, minute = map(int, self.hours.partition("-")[0].split(":"))
        begin = at.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return begin if begin > at else begin + timedelta(days=1)

    def find_paused_topic(self, delivery: Delivery) -> str:
        """Return the topic about which the hook sends no other message for a while (`pause_s`).

        If the hook tells of chosen people, and the delivery is about one of them, the topic is that
        face's id. Else it is the kind of event and the group, as `KIND VIP`, so that no stranger
        mutes a VIP. "": the next message may follow at once.
        """
        if not self.pause_s or not EVENTS[delivery.kind].PAUSES:
            return ""
        event = json.loads(delivery.payload)
        faceid, group = event["data"].get("faceid"), event["group"]
        if faceid in (self.people or ()):
            return str(faceid)
        return f"{delivery.kind} {group or ''}".strip()

    def lets_pass(self, event: Event) -> bool:
        """Return whether the hook takes an event: it is enabled, and each filter lets it pass.

        A filter that is None passes all. A filter of groups passes no event without a group; one of
        cameras none without a camera. A filter of people passes only events about one of them.
        """
        return (
            self.enabled
            and (self.kinds is None or event.kind in self.kinds)
            and (self.groups is None or event.group in self.groups)
            and (self.cameras is None or event.camera in self.cameras)
            and (self.people is None or event.data.about in self.people)
        )

    def limit(self, event: Event) -> Event:
        """Return an event with only what the hook may know.

        One that is told of some people only does not learn by their events how many others come
        into the book and leave it.
        """
        if (self.groups, self.cameras, self.people) == (None, None, None):
            return event
        return replace(event, data=event.data.hide_book())


class Hindrance(StrEnum):
    """Kind of obstacle to a delivery, for texts in other languages."""

    ANSWERED = auto()
    ASKED_TO_WAIT = auto()
    CONSENT = auto()
    DISABLED = auto()
    FAILED = auto()
    GONE = auto()
    HOURS = auto()
    LATER_VERSION = auto()
    NOT_TRIED = auto()
    SENDER_REFUSED = auto()
    SLOW = auto()
    UNFIT = auto()
    UNUSABLE = auto()


class Why(Struct, frozen=True):
    """Reason that a delivery waits or is given up: its kind, and a sentence."""

    code: str
    """A Hindrance, or one that a later version has stored."""
    text: str


class Delivery(Struct, frozen=True):
    """One event on its way to one hook.

    `parked`: it is given up, and waits until somebody sends it again; `in_mailbox`: nobody sends
    it, and it waits until somebody acknowledges it; `on_phone`: it was pushed, and waits for its
    person to go.
    """

    tenant: str
    hook_id: str
    event_id: str
    kind: str
    """An EventKind, or one that a later version has stored."""
    payload: str
    """The body, the same at each attempt, but for the name of a face that is deleted meanwhile."""
    created_at: datetime
    next_at: datetime
    """Time of the next attempt; of a parked one, the time of parking."""
    attempts: int = 0
    last_error: str = ""
    last_code: str = ""
    """A Hindrance, or one that a later version has stored; "": none."""
    parked: bool = False
    in_mailbox: bool = False
    on_phone: bool = False

    @property
    def ends_at(self) -> datetime:
        return self.created_at + (SHOWN_FOR if self.on_phone else PARKED_AT_AGE)

    @property
    def is_known(self) -> bool:
        return self.kind in EVENTS or self.kind == TAKEN_BACK

    @property
    def waits_for_hours(self) -> bool:
        return self.kind in EVENTS and EVENTS[self.kind].WAITS


def test_event(id_: str, at: datetime, hook_id: str) -> Event:
    """Make the event that tests a hook."""
    return Event(id_, HookTested(hook=hook_id), at)


def write_payload(tenant: str, event: Event) -> str:
    """Return the body, JSON, that a hook's receiver gets of an event."""
    body = {
        "id": event.id,
        "type": event.kind,
        "at": time_text(event.at),
        "tenant": tenant,
        "group": event.group,
        "camera": event.camera,
        "data": event.data.write(),
    }
    return json.dumps(body, ensure_ascii=False, allow_nan=False)


def make_signature(secret: str, at: datetime, body: bytes) -> str:
    """Make `t=<unix seconds>,v1=<hex>`: HMAC-SHA256 by the secret's bytes over the time, a dot and
    the body."""
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


_DELIVERY = Codec(Delivery, apart="hook_id event_id parked in_mailbox on_phone")

_EVENT_ID = re.compile(r"[!-~]{1,200}")


def _parse_kinds(stored: Collection[str]) -> tuple[EventKind, ...]:
    """Read the kinds that this version knows; a later one may have stored others.

    Without any, a hook takes nothing.
    """
    return tuple(EventKind(kind) for kind in stored if kind in EVENTS)


_OF_PEOPLE = ("people", "way", "address", "template", "hours", "pause_s", "picture")
_RARE = ("passes_to", *_OF_PEOPLE, "former_secret", "former_until")
_HOOK = Codec(
    Hook,
    {"sealed_secret": "secret"},
    rare=" ".join(("failures paused_until claims", *_RARE)),
    nulls="url kinds groups cameras name",
    kinds=Form(lambda kinds: list(map(str, kinds)), _parse_kinds),
)
hook_from = _HOOK.read


def hook_item(tenant: str, hook: Hook) -> Item:
    return {"tenant": tenant, **_HOOK.write(hook)}


def hook_fields(hook: Hook) -> Item:
    """Make the attributes that a tenant may change; those of failures and pauses come with the
    first failure."""
    return _HOOK.write(
        hook, "url", "sealed_secret", "kinds", "groups", "cameras", "enabled", "name", *_RARE
    )


def list_absent_fields(hook: Hook) -> tuple[str, ...]:
    """Return the attributes that a tenant may change and that the hook's item does not have."""
    return tuple(sorted({*_RARE}.difference(_HOOK.write(hook, *_RARE))))


def without_people(item: Item, faceids: Collection[str]) -> Update | None:
    """Return the write that takes faces out of a hook's list of people; None: none is in it.

    The list says of whom the hook tells. A hook without a list tells of everybody, so one whose
    list gets empty is switched off. `item` is the stored hook. The write fails if the hook was
    changed meanwhile.
    """
    people = item.get("people") or []
    people_left = [faceid for faceid in people if faceid not in faceids]
    if len(people_left) == len(people):
        return None
    fields = {"people": people_left, "version": item["version"] + 1}
    if not people_left:
        fields["enabled"] = False
    if_same = (equals("version", item["version"], "not-changed-meanwhile"),)
    key = (item["tenant"], item["id"])
    # `claims`: the faces and groups of which the hook pauses. They may name those who leave.
    return Update(keys.HOOKS, key, if_same, set=fields, remove=("claims",))


def event_puts(
    tenant: str, hooks: Sequence[Hook], events: Sequence[Event], now: datetime
) -> list[Action]:
    """Return the writes that put each event into the outbox for each of the hooks that takes it.

    From there a job sends them. Write them in the transaction that causes the events, so that no
    event is lost.
    """
    return [
        event_put(tenant, hook, event, now)
        for event in events
        for hook in hooks
        if hook.lets_pass(event)
    ]


def event_put(tenant: str, hook: Hook, event: Event, now: datetime) -> Put:
    """Return the action that has the event delivered to the hook, whether the hook takes it or
    not."""
    at, body = moment(milliseconds(now)), write_payload(tenant, hook.limit(event))
    delivery = Delivery(
        tenant, hook.id, event.id, event.kind, body, at, at, in_mailbox=hook.is_mailbox
    )
    return Put(keys.OUTBOX, delivery_item(delivery))


def delivery_key(delivery: Delivery) -> tuple[str, str]:
    """Return the key of a delivery, one event on its way to one hook, in the outbox.

    Three kinds are not to be sent. Parked ones failed too often. Those in a mailbox are fetched by
    their receiver. Those on a phone remember what is shown there. These have prefixes of their own,
    so that the sender does not read them.
    """
    prefix = ""
    if delivery.parked:
        prefix = keys.PARKED_PREFIX
    elif delivery.in_mailbox:
        prefix = keys.MAILBOX_PREFIX
    elif delivery.on_phone:
        prefix = keys.PHONE_PREFIX
    return delivery.tenant, keys.delivery(delivery.hook_id, delivery.event_id, prefix)


def delivery_item(delivery: Delivery) -> Item:
    """Make the item of a delivery, one event on its way to one hook.

    One that no sender is to send expires: it is parked, in a mailbox, or on a phone. It does so
    KEPT_FOR after `next_at`, on a phone SHOWN_FOR. Raises ValueError if the event's id cannot stand
    in an HTTP header.
    """
    if not _EVENT_ID.fullmatch(delivery.event_id):
        raise ValueError(
            f"an event's id is 1 to 200 visible ASCII characters, not {delivery.event_id[:200]!a}"
        )
    _, id_ = delivery_key(delivery)
    item = {"id": id_, **_DELIVERY.write(delivery)}
    if delivery.parked or delivery.in_mailbox or delivery.on_phone:
        kept_for = SHOWN_FOR if delivery.on_phone else KEPT_FOR
        item["expires_at"] = int((delivery.next_at + kept_for).timestamp())
    return item


def delivery_from(item: Item) -> Delivery:
    """Parse a delivery, one event on its way to one hook, from its item. The key's prefix gives its
    queue."""
    prefix, hook_id, event_id = keys.parts_of_delivery(item["id"])
    return _DELIVERY.read(
        item,
        hook_id=hook_id,
        event_id=event_id,
        parked=prefix == keys.PARKED_PREFIX,
        in_mailbox=prefix == keys.MAILBOX_PREFIX,
        on_phone=prefix == keys.PHONE_PREFIX,
    )


def name_push(faceid: str, private: str) -> str:
    """Return the name of a browser's notification about a person: a later push of that name
    replaces it.

    `private`: the sender's key, so that nobody finds the id by trying.
    """
    return hmac.new(private.encode(), faceid.encode(), hashlib.sha256).hexdigest()[:32]


def note_push(delivery: Delivery, name: str, faceid: str, now: datetime) -> Put:
    """Return the write that records what a phone or browser shows, so that it can be taken back.

    It is stored as a delivery that is `on_phone`. `delivery` is of the event that was pushed there.
    `name`, by which the phone knows the message (`name_push`), stands in place of the event's id.
    Of the event only its kind and the face's id are kept.
    """
    about = json.dumps({"type": delivery.kind, "data": {"faceid": faceid}})
    at = moment(milliseconds(now))
    pushed = Delivery(
        tenant=delivery.tenant,
        hook_id=delivery.hook_id,
        event_id=name,
        kind=delivery.kind,
        payload=about,
        created_at=at,
        next_at=at,
        on_phone=True,
    )
    return Put(keys.OUTBOX, delivery_item(pushed))


def take_back(item: Item, faceids: Collection[str]) -> Update | None:
    """Return the write that makes a phone remove a message about one of these faces.

    `item` is a stored delivery. If it remembers what a phone shows (`note_push`), it becomes an
    event of kind TAKEN_BACK, without data. None: it does not, or is about none of the faces.
    """
    delivery = delivery_from(item)
    event = json.loads(delivery.payload)
    if not delivery.on_phone or event["data"].get("faceid") not in faceids:
        return None
    payload = json.dumps({**event, "data": {}})
    return Update(
        keys.OUTBOX,
        (item["tenant"], item["id"]),
        (exists("still-there"),),
        set={"kind": TAKEN_BACK, "payload": payload},
    )


def without_names(item: Item, faceids: Collection[str]) -> Update | None:
    """Return the write that empties names and texts in a delivery about one of these faces.

    The receiver's reason goes, too: it may repeat what the receiver was sent. `item` is the stored
    delivery, one event on its way to one hook. None: it is about none of the faces, or has neither
    names nor a reason. The write fails if the delivery is gone meanwhile.
    """
    payload = json.loads(item["payload"])
    data = payload["data"]
    emptied = empty_names(payload["type"], data, faceids)
    if emptied is None or not (emptied or item.get("last_error")):
        return None
    unnamed = json.dumps({**payload, "data": {**data, **emptied}}, ensure_ascii=False)
    return Update(
        keys.OUTBOX,
        (item["tenant"], item["id"]),
        (exists("still-there"),),
        set={"payload": unnamed, "last_error": ""},
    )
