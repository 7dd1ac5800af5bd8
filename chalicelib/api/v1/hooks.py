"""Hooks and their deliveries over v1."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.api.v1.auth import find_origin
from chalicelib.api.v1.cameras import CameraId
from chalicelib.api.v1.endpoint import (
    Operations,
    V1Context,
    answer_as,
    answer_nothing,
    refuse_secret_again,
)
from chalicelib.api.v1.filters import require_named
from chalicelib.api.v1.shapes import draw_qr_code
from chalicelib.api.v1.wire import (
    Answer,
    Changes,
    NextToken,
    Sent,
    Time,
    Token,
    list_sent_members,
    parse_as,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events, channels, webhooks
from chalicelib.domain.events import CHOSEN, EventKind
from chalicelib.domain.webhooks import Way
from chalicelib.storage.values import moment

operations = Operations()

HookId = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
HookSecret = Annotated[
    str,
    Meta(
        pattern="^whsec_[A-Za-z0-9_-]{43}$",
        description="Shown nowhere else. Its bytes are the key of the signature.",
    ),
]
Url = Annotated[
    str,
    Meta(
        max_length=2048,
        description="http or https, on its own port or one from 1024 on, at a public address, or "
        "one that the operator "
        "lets hooks reach.",
        extra_json_schema={"format": "uri"},
    ),
]
Events = Annotated[
    Annotated[
        list[Annotated[str, Meta(extra_json_schema={"enum": [*map(str, CHOSEN)]})]],
        Meta(min_length=1, max_length=100),
    ]
    | None,
    Meta(description="Which kinds are told; null for all."),
]
Groups = Annotated[
    Annotated[list[Annotated[str, Meta(max_length=1000)]], Meta(min_length=1, max_length=100)]
    | None,
    Meta(
        description="Only events of groups that have one of these names when it happens, and so "
        "none that has no "
        "group; null for all."
    ),
]
Cameras = Annotated[
    Annotated[list[CameraId], Meta(min_length=1, max_length=100)] | None,
    Meta(description="Only events of these cameras; null for all."),
]

HookName = Annotated[
    str, Meta(min_length=1, max_length=100, description="What it is for, such as `home`.")
]
PassesTo = Annotated[
    str,
    Meta(
        max_length=200,
        description="Whom the program that empties a mailbox tells of the events, such as an MQTT "
        "broker's host. The "
        "notice proposes it as a recipient, and the archive of a person names it.",
    ),
]


Secret = Annotated[str, Meta(max_length=200)]


class Channel(Sent):
    """By which way people are told. It is kept sealed, as a hook's secret is, and shown nowhere."""

    way: Way
    url: Annotated[
        Url,
        Meta(
            description="Of ntfy (with its topic; a new hook without one gets a new one), Slack, "
            "Teams, Discord, request and push; else if it is your own."
        ),
    ] = ""
    token: Annotated[
        Secret,
        Meta(description="Of ntfy, if it needs one; of Telegram's bot; of Pushover's application."),
    ] = ""
    to: Annotated[
        Secret, Meta(description="Telegram's chat, Pushover's user, an address of mail.")
    ] = ""
    method: Annotated[Literal["POST", "PUT"], Meta(description="Of request.")] = "POST"
    headers: Annotated[
        dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=500)]],
        Meta(max_length=20, description="Of request, such as Authorization."),
    ] = msgspec.field(default_factory=dict)
    p256dh: Annotated[
        Secret, Meta(description="Of push, as the browser's subscription has it.")
    ] = ""
    auth: Annotated[Secret, Meta(description="Of push, as the browser's subscription has it.")] = ""


Template = Annotated[
    str,
    Meta(
        max_length=500,
        description="The text of a message, with fields such as {who}, {camera} and {time}. A "
        "field that the events "
        "lack is refused with the list of those that they have.",
    ),
]
Hours = Annotated[
    str,
    Meta(
        pattern="^([0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2})?$",
        description="Within which people are told, in the tenant's time zone, as 09:00-18:30; "
        "empty: always.",
    ),
]
PauseS = Annotated[
    int,
    Meta(
        ge=0,
        le=86_400,
        description="The least seconds between two messages of a kind of event or, with `people`, "
        "of a person; what "
        "happens meanwhile is not told. Events of cameras, group.full, place.full and place.free "
        "wait for no pause.",
    ),
]
People = Annotated[
    Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(min_length=1, max_length=100)] | None,
    Meta(
        description="Only events of these faces; null for all. If all of them are erased, the hook "
        "is off."
    ),
]


class HookSettings(Sent):
    kinds: Events | UnsetType = msgspec.field(default=UNSET, name="events")
    groups: Groups | UnsetType = UNSET
    cameras: Cameras | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    name: HookName | UnsetType | None = UNSET
    passes_to: PassesTo | UnsetType = UNSET
    people: People | UnsetType = UNSET
    channel: (
        Annotated[Channel, Meta(description="Makes a hook that tells people: `url` is null.")]
        | UnsetType
    ) = UNSET
    template: Template | UnsetType = UNSET
    hours: Hours | UnsetType = UNSET
    pause_s: PauseS | UnsetType = UNSET
    picture: (
        Annotated[
            bool,
            Meta(
                description="Sends the face's picture along. Only keys that see pictures set it, "
                "or change a hook that "
                "has it; any admin's may end it."
            ),
        ]
        | UnsetType
    ) = UNSET


class NewHook(HookSettings, kw_only=True):
    url: Annotated[
        Url | None,
        Meta(
            description="Null makes a mailbox, whose events wait for 30 days until a program "
            "acknowledges them. With a "
            "channel, it makes what tells people."
        ),
    ]


class HookChanges(HookSettings, Changes):
    url: (
        Annotated[Url | None, Meta(description="Null of a hook that has none, and of no other.")]
        | UnsetType
    ) = UNSET


class HookHealth(Answer):
    state: Annotated[
        Literal["ok", "failing", "disabled"],
        Meta(
            description="failing: the last 5 deliveries or more failed; it is tried with one at a "
            "time."
        ),
    ]
    failures: Annotated[int, Meta(ge=0, description="Since the last delivery that did not fail.")]
    paused_until: Time | None


class Hook(Answer):
    id: HookId
    url: Annotated[str | None, Meta(description="Null of a mailbox, and of what tells people.")]
    kinds: list[EventKind] | None = msgspec.field(name="events")
    groups: list[str] | None
    cameras: list[str] | None
    enabled: bool
    name: str | None
    passes_to: PassesTo
    people: Annotated[
        list[str] | None, Meta(description="Null for all; empty if all of them were erased.")
    ]
    way: Annotated[
        str | None,
        Meta(
            description="A Way by which people are told, or one that a later version has stored; "
            "null: a program is."
        ),
    ]
    address: Annotated[
        str,
        Meta(
            description="The host of its channel, after http:// if that is plain; or its address "
            "of mail."
        ),
    ]
    template: Template
    hours: Hours
    pause_s: PauseS
    picture: bool
    created_at: Time
    health: HookHealth


class HookMade(Hook):
    secret: Annotated[
        HookSecret | None, Meta(description="Null of a mailbox, and of what tells people.")
    ]
    topic: Annotated[
        str | None,
        Meta(
            description="Of ntfy: the address of its topic, which a phone joins. Shown nowhere "
            "else, and null in the answer to a repeat."
        ),
    ]
    qr_path: Annotated[
        str | None,
        Meta(description="The topic's address as a code: an SVG path of its dark squares."),
    ]
    qr_size: Annotated[int | None, Meta(description="Squares of the code's side.")]


class Hooks(Answer):
    hooks: Annotated[list[Hook], Meta(max_length=20)]


class HookSecretMade(Answer):
    id: HookId
    secret: HookSecret


class DeliveriesWanted(Sent):
    state: Annotated[
        Literal["parked", "pending"],
        Meta(
            description="parked: given up after 24 hours, kept for 30 days. pending: still to be "
            "sent or, of a "
            "mailbox, to be acknowledged."
        ),
    ] = "parked"
    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    token: Token | None = None


class Event(Answer):
    """The message that is posted to a hook."""

    id: Annotated[
        str, Meta(description="The same happening has the same id, however often it is posted.")
    ]
    type: Annotated[
        str, Meta(description="A kind of event, or one that a later version has stored.")
    ]
    at: Time
    tenant: str
    group: str | None
    camera: str | None
    data: dict[str, Any]


class Delivery(Answer):
    event: Event
    state: Literal["parked", "pending"]
    attempts: Annotated[int, Meta(ge=0)]
    created_at: Time
    next_at: Annotated[
        Time | None,
        Meta(description="When it is tried next; null if it is parked or in a mailbox."),
    ]
    parked_at: Time | None
    last_error: str
    last_code: Annotated[
        str,
        Meta(
            description="The kind of `last_error`, such as `unusable`, for words in other "
            'languages; "" if there is none.'
        ),
    ]


class DeliveriesPage(Answer):
    deliveries: Annotated[list[Delivery], Meta(description="By the ids of the events.")]
    next_token: NextToken


class EventIds(Sent):
    ids: Annotated[
        list[Annotated[str, Meta(pattern="^[!-~]{1,200}$")]],
        Meta(min_length=1, max_length=100, description="The `id` of each event."),
    ]


class Acknowledged(Answer):
    acknowledged: Annotated[
        int, Meta(ge=1, le=100, description="How many different events were named.")
    ]


class TestSent(Answer):
    event: Event


class Redelivered(Answer):
    redelivered: Annotated[int, Meta(ge=0, le=500, description="How many are sent.")]


@operations("GET", "/v1/hooks", Role.ADMIN)
def list_hooks(context: V1Context) -> Hooks:
    """List all hooks, by age."""
    return Hooks(
        hooks=[
            _describe_hook(hook)
            for hook in context.services.webhooks.hooks.list_all(context.tenant.name)
        ]
    )


def _answer_hook_again(context: V1Context, body: Mapping[str, Any]) -> HookMade:
    """Answer a repeat: without a URL, there is no secret that would be lost."""
    hook = context.services.webhooks.hooks.get(context.tenant.name, body["id"])
    if hook.url is not None:
        refuse_secret_again("hook", "ask for another secret")(context, body)
    return _describe_made(hook, None, _read_topic(context, hook))


@operations("POST", "/v1/hooks", Role.ADMIN, status=201, again=_answer_hook_again)
def add_hook(context: V1Context, body: NewHook) -> HookMade:
    """Add a hook and its secret, which is shown nowhere else.

    What is sent to it, how to check the signature, and how people are told, stands in
    docs/webhooks.md.
    """
    settings = _list_settings(context, body)
    _require_named(context, settings, None)
    if channel := settings.get("channel"):
        settings["channel"] = _fill_topic(channel)
    hook, secret = context.services.webhooks.hooks.add(
        context.tenant.name, **settings, request=context.request_id
    )
    return _describe_made(hook, secret, _read_topic(context, hook))


def _read_topic(context: V1Context, hook: webhooks.Hook) -> str:
    """Return the address of ntfy that a phone joins; "": the hook tells people otherwise."""
    if hook.way != Way.NTFY:
        return ""
    return context.services.webhooks.messages.read_channel(context.tenant.name, hook).url


def _require_named(
    context: V1Context, settings: Mapping[str, Any], before: webhooks.Hook | None
) -> None:
    """Raise CameraNotFound, GroupNotFound or FaceNotFound if a filter names something that does not
    exist. The hook would tell nobody, and nobody would notice.

    `before`: the hook before the change, whose own names may be gone by now; None: a new hook.
    """
    for filter_name, name in (("cameras", "camera"), ("groups", "group"), ("people", "face")):
        known = () if before is None else getattr(before, filter_name) or ()
        for value in settings.get(filter_name) or ():
            if value not in known:
                require_named(context.services, context.tenant, **{name: value})


def _list_settings(context: V1Context, body: HookSettings) -> dict[str, Any]:
    """Return what was sent, with cameras by their ids.

    Raises NotAllowed for pictures that the caller does not see.
    """
    sent_members = dict(list_sent_members(body))
    if sent_members.get("picture"):
        context.caller.require_pictures()
    if channel := sent_members.get("channel"):
        sent_members["channel"] = channels.Channel(**channel)
    if cameras := sent_members.get("cameras"):
        id_of = context.services.cameras.id_of
        sent_members["cameras"] = [id_of(context.tenant, camera) for camera in cameras]
    return sent_members


def _fill_topic(channel: channels.Channel) -> channels.Channel:
    """Return a channel of ntfy without an address with one that nobody guesses; others as they
    are."""
    if channel.way is not Way.NTFY or channel.url:
        return channel
    return msgspec.structs.replace(channel, url=f"{channels.NEW_TOPIC}{secrets.token_hex(16)}")


class PushKey(Answer):
    key: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_-]{87}$",
            description="What `applicationServerKey` takes, in base64url.",
        ),
    ]


@operations("GET", "/v1/push-key", Role.ADMIN)
def get_push_key(context: V1Context) -> PushKey:
    """Read the key by which browsers' push services know this service.

    Subscribe a browser with it, and add a hook whose channel is that subscription.
    """
    origin = find_origin(context.request, context.services.settings.public_url)
    key = context.services.webhooks.messages.read_push_key(context.tenant.name, origin)
    return PushKey(key=key)


@operations("GET", "/v1/hooks/{id}", Role.ADMIN)
def get_hook(context: V1Context) -> Hook:
    """Read one hook."""
    return _describe_hook(
        context.services.webhooks.hooks.get(context.tenant.name, context.path_values["id"])
    )


@operations("PATCH", "/v1/hooks/{id}", Role.ADMIN, again=answer_as(get_hook))
def change_hook(context: V1Context, body: HookChanges) -> Hook:
    """Change what is sent; the rest stays.

    A hook that was failing is tried again at once.
    """
    changes, id_ = _list_settings(context, body), context.path_values["id"]
    stored_hook = context.services.webhooks.hooks.get(context.tenant.name, id_)

    def check(hook: webhooks.Hook) -> None:
        if hook.picture and changes != {"enabled": False}:
            context.caller.require_pictures()
        _require_named(context, changes, stored_hook)

    change = context.services.webhooks.hooks.change_hook
    return _describe_hook(
        change(context.tenant.name, id_, changes, context.request_id, check=check)
    )


@operations("DELETE", "/v1/hooks/{id}", Role.ADMIN, again=answer_nothing)
def delete_hook(context: V1Context) -> None:
    """Forget a hook with all that waits for it."""
    context.services.webhooks.hooks.delete(
        context.tenant.name, context.path_values["id"], context.request_id
    )


@operations(
    "POST",
    "/v1/hooks/{id}/secret",
    Role.ADMIN,
    again=refuse_secret_again("a secret of hook", "ask for one once more"),
)
def renew_hook_secret(context: V1Context) -> HookSecretMade:
    """Make another secret.

    For a day a post that the receiver refuses is sent again at once, signed with the old one.
    """
    id_ = context.path_values["id"]
    return HookSecretMade(
        id=id_,
        secret=context.services.webhooks.hooks.replace_secret(
            context.tenant.name, id_, context.request_id
        ),
    )


@operations("GET", "/v1/hooks/{id}/deliveries", Role.ADMIN)
def list_deliveries(context: V1Context, query: DeliveriesWanted) -> DeliveriesPage:
    """List what could not be delivered, or is still to be; what was delivered is gone."""
    page = context.services.webhooks.outbox.read_page(
        context.tenant.name,
        context.path_values["id"],
        parked=query.state == "parked",
        limit=query.limit,
        token=query.token,
    )
    return DeliveriesPage(
        deliveries=[_describe_delivery(delivery) for delivery in page.rows],
        next_token=page.next_token,
    )


@operations("POST", "/v1/hooks/{id}/redeliver", Role.ADMIN)
def redeliver(context: V1Context) -> Redelivered:
    """Send again what is parked, and now what waits.

    Up to 500 in a call; call again until it answers 0.
    """
    return Redelivered(
        redelivered=context.services.webhooks.outbox.redeliver_hook(
            context.tenant.name, context.path_values["id"]
        )
    )


@operations("POST", "/v1/hooks/{id}/ack", Role.ADMIN)
def acknowledge(context: V1Context, body: EventIds) -> Acknowledged:
    """Take events out of a mailbox.

    Those that are not in it, or not any more, are passed over, so a call may be repeated.
    """
    context.services.webhooks.outbox.acknowledge_deliveries(
        context.tenant.name, context.path_values["id"], body.ids
    )
    return Acknowledged(acknowledged=len(set(body.ids)))


def _answer_test_again(context: V1Context, body: Mapping[str, Any]) -> TestSent:
    return _describe_test_event(
        context, webhooks.test_event(body["id"], moment(body["at"]), context.path_values["id"])
    )


@operations("POST", "/v1/hooks/{id}/test", Role.ADMIN, status=202, again=_answer_test_again)
def test_hook(context: V1Context) -> TestSent:
    """Send the hook an event of kind `test`, whatever its filters are.

    It is sent like any other event: look at the deliveries that are pending to see whether it
    arrived.
    """
    return _describe_test_event(
        context,
        context.services.webhooks.deliveries.send_test(
            context.tenant.name, context.path_values["id"], context.request_id
        ),
    )


def _describe_test_event(context: V1Context, event: webhooks.Event) -> TestSent:
    return TestSent(
        event=parse_as(Event, json.loads(webhooks.write_payload(context.tenant.name, event)))
    )


def _describe_hook(hook: webhooks.Hook) -> Hook:
    return Hook.made_of(hook, health=_describe_health(hook))


def _describe_made(hook: webhooks.Hook, secret: str | None, topic: str) -> HookMade:
    """Describe a hook that was just made. `topic`: the address that a phone joins; "": none."""
    health = _describe_health(hook)
    code = draw_qr_code(topic)
    return HookMade.made_of(hook, health=health, secret=secret, topic=topic or None, **code)


def _describe_health(hook: webhooks.Hook) -> HookHealth:
    return HookHealth.made_of(
        hook, state="disabled" if not hook.enabled else "failing" if hook.is_failing else "ok"
    )


def _describe_delivery(delivery: webhooks.Delivery) -> Delivery:
    """Describe a delivery. `event` is the body that is posted."""
    event = parse_as(Event, json.loads(delivery.payload))
    audit_events.report_people(
        event.data[name] for name in ("faceid", "other") if event.data.get(name)
    )
    return Delivery.made_of(
        delivery,
        event=event,
        state="parked" if delivery.parked else "pending",
        next_at=None if delivery.parked or delivery.in_mailbox else delivery.next_at,
        parked_at=delivery.next_at if delivery.parked else None,
    )
