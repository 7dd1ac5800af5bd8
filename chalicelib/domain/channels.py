"""Messages to people by ntfy, Slack, mail and so on (ways): their templates, and their requests.

A channel is secret: who knows it can write to that phone, or read what it is told. See
docs/decisions/0098.
"""

from __future__ import annotations

import json
import re
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from email.header import Header
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.events import CHOSEN, EventKind, list_samples, list_shown, members_of
from chalicelib.domain.model import REGULAR, STRANGER
from chalicelib.domain.rules.camera_states import TROUBLES
from chalicelib.domain.texts import Texts
from chalicelib.domain.webhooks import Way
from chalicelib.storage.values import moment_of_text

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Channel(Struct, frozen=True, omit_defaults=True):
    """A place that messages go to, with all that it takes to send them there."""

    way: Way
    url: str = ""
    token: str = ""
    """Of the sender: a bot's, or an application's."""
    to: str = ""
    """Of the receiver: a chat, a user, an address of mail."""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    p256dh: str = ""
    auth: str = ""

    def __repr__(self) -> str:
        return f"Channel({self.way!r})"  # no log shows it

    @property
    def address(self) -> str:
        """Return the part of the address that may be shown: the host, with plain http marked, or
        the address of mail."""
        if self.way is Way.MAIL:
            return self.to
        url = urlsplit(self.url)
        return f"{'http://' if url.scheme == 'http' else ''}{url.hostname or ''}"


class _Needs(NamedTuple):
    """The fields that a way needs, those that it may have, and the beginning of its URL if that is
    always one."""

    needs: str = "url"
    may: str = ""
    home: str = ""


_NEEDS: Mapping[Way, _Needs] = {
    Way.NTFY: _Needs(may="token"),
    Way.TELEGRAM: _Needs("token to", "url", "https://api.telegram.org"),
    Way.SLACK: _Needs(),
    Way.TEAMS: _Needs(),
    Way.DISCORD: _Needs(),
    Way.PUSHOVER: _Needs("token to", "url", "https://api.pushover.net"),
    Way.REQUEST: _Needs(may="method headers"),
    Way.MAIL: _Needs("to"),
    Way.PUSH: _Needs("url p256dh auth"),
}
WITH_PICTURE = frozenset({Way.NTFY, Way.TELEGRAM, Way.DISCORD, Way.PUSHOVER, Way.MAIL})
"""The ways that take a picture beside the text."""

NEW_TOPIC = "https://ntfy.sh/regulars-"
"""The beginning of the address of a topic of ntfy that the service makes."""

METHODS = ("POST", "PUT")
_MOST_BYTES = 3_500
"""Of a channel as it is sealed: KMS seals 4,096."""
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE = re.compile(r"[ -~]{0,500}")
_OUR_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TOKEN = re.compile(r"[!-.0-~]{1,200}")
"""No slash: Telegram's stands in a path."""
MAIL_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\=?]{1,64}@[A-Za-z0-9.-]{1,190}")
"""Without = and ?: a mail program decodes `=?utf-8?q?a=40b?=` into another address."""


def check_channel(channel: Channel) -> Channel:
    """Return the channel (a place that messages go to) if it can be stored, its URL filled in.

    Its way (ntfy, mail and so on) says which fields it needs and may have. Telegram, for example,
    needs a `token` and `to`, and its URL is always the same. Raises InvalidInput if a field is
    missing, too much, or cannot be sent.
    """
    needs, may_have, default_url = _NEEDS[channel.way]
    needed_names, allowed_names = needs.split(), may_have.split()
    names = [name for name in Channel.__struct_fields__ if name not in ("way", "method")]
    given_names = {name for name in names if getattr(channel, name)}
    if channel.method != "POST":  # POST is the default: nobody has given it
        given_names.add("method")

    if missing := [name for name in needed_names if name not in given_names]:
        raise InvalidInput(
            f"a channel of {channel.way} needs {' and '.join(needed_names)}: send {missing[0]}, "
            "too",
            field=f"channel.{missing[0]}",
        )
    if surplus := sorted(given_names.difference(needed_names, allowed_names)):
        known_names = ", ".join([*needed_names, *allowed_names])
        raise InvalidInput(f"a channel of {channel.way} has no {surplus[0]}: it has {known_names}")
    _check_values(channel)

    checked = replace(channel, url=default_url) if default_url and not channel.url else channel
    if len(json.dumps(channel_fields(checked))) > _MOST_BYTES:
        raise InvalidInput(
            f"the channel has over {_MOST_BYTES} bytes: shorten its URL or its headers"
        )
    return checked


def _check_values(channel: Channel) -> None:
    """Raise InvalidInput if a value of a channel (where messages go) cannot be sent.

    Checked are the method, the token, the mail address, headers, and the keys of a browser's
    subscription.
    """
    if channel.method not in METHODS:
        raise InvalidInput(f"the method is {' or '.join(METHODS)}, not {channel.method[:20]!r}")
    if channel.token and not _TOKEN.fullmatch(channel.token):
        raise InvalidInput(
            "the token has 1 to 200 letters, digits and signs, none of them a slash or a space",
            field="channel.token",
        )
    if channel.way is Way.MAIL and not MAIL_ADDRESS.fullmatch(channel.to):
        raise InvalidInput("to is one address of mail, as boss@shop.example", field="channel.to")

    for name, value in channel.headers.items():
        is_ours = name.lower() in _OUR_HEADERS  # those that the HTTP client sets itself
        if is_ours or not _HEADER.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InvalidInput(
                f"header {name[:64]!r} cannot be sent: a name has letters, digits and hyphens, a "
                "value up to 500 visible ASCII characters, and those of the connection itself are "
                "ours"
            )
    names = [name.lower() for name in channel.headers]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InvalidInput(f"header {repeated!r} is there twice: send it once")

    if channel.way is Way.PUSH:
        # The keys of a browser's subscription (RFC 8291): a point of the curve P-256, and a secret.
        for name, size in (("p256dh", 65), ("auth", 16)):
            if len(from_base64url(getattr(channel, name))) != size:
                raise InvalidInput(
                    f"{name} is {size} bytes in base64url, as the browser's subscription has it"
                )


def channel_fields(channel: Channel) -> dict[str, Any]:
    """Return the fields of a channel that it has, as JSON takes them."""
    fields = {name: getattr(channel, name) for name in Channel.__struct_fields__}
    return {
        name: dict(value) if name == "headers" else value for name, value in fields.items() if value
    }


def channel_text(channel: Channel) -> str:
    """Write a channel, for the Vault to seal."""
    return json.dumps(channel_fields(channel))


def channel_from(text: str) -> Channel:
    """Invert `channel_text`. Raises InvalidInput if its way is of a later version."""
    fields = json.loads(text)
    if fields["way"] not in _WAYS:
        raise InvalidInput(
            f"channels of {fields['way'][:40]!r} are of a later version: update the service"
        )
    return Channel(**{**fields, "way": Way(fields["way"])})


_WAYS = frozenset(map(str, Way))


def from_base64url(text: str) -> bytes:
    """Decode base64url without its padding; b"" if it is none."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


OF_ALL = ("who", "guest", "event", "group", "camera", "time", "date", "shop")
MAX_TEMPLATE = 500
"""Characters of a message's template: push services and chats cut longer ones."""
DEFAULT_TEMPLATE = "{who}, {camera}, {time}"
UNNAMED_TEMPLATE = "{guest}, {camera}, {time}"
"""Template of phones, browsers and mailboxes at first: others may read a lock screen."""
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_SAMPLES = {"who": "Ann Lee", "guest": "VIP", "event": "test", "group": "VIP"}
_SAMPLE_TEXTS = ("camera", "report")
"""Samples that each language has its own of."""


def list_fields(kinds: Iterable[EventKind] | None) -> list[str]:
    """Return the fields that all events of these kinds have; None: of all kinds."""
    event_kinds = [kind for kind in kinds or CHOSEN if kind != EventKind.TEST]
    common = set.intersection(*(set(list_shown(kind)) for kind in event_kinds))
    return [*OF_ALL, *(name for name in list_samples() if name in common)]


def check_template(template: str, kinds: Iterable[EventKind] | None, channel: Channel) -> None:
    """Raise InvalidInput unless a channel can write its messages by this template.

    A template is a text with fields, such as `{who} came`. It must not be empty or too long. Each
    field must be one that all events of these `kinds` have (None: of all kinds). If the channel
    sends JSON, the template with its fields filled has to be JSON.
    """
    if not template.strip() or len(template) > MAX_TEMPLATE:
        raise InvalidInput(f"a template has 1 to {MAX_TEMPLATE} characters", field="template")
    fields = list_fields(kinds)
    if unknown := [name for name in _FIELD.findall(template) if name not in fields]:
        known_fields = ", ".join(f"{{{name}}}" for name in fields)
        raise InvalidInput(
            f"the template names {{{unknown[0][:40]}}}, which not all of these events have: there "
            f"are {known_fields}",
            field="template",
        )
    if is_json(channel):
        any_values = dict.fromkeys(fields, "x")  # to see whether the text around them is JSON
        try:
            json.loads(fill_template(template, any_values, _escape_json))
        except ValueError:
            raise InvalidInput(
                "the channel's Content-Type is application/json, and the template is none: as "
                '{"text": "{who}"}',
                field="template",
            ) from None


def is_json(channel: Channel) -> bool:
    """Tell whether the request body has to be JSON."""
    return channel.way is Way.REQUEST and any(
        "json" in content_type.lower() for content_type in _content_types(channel)
    )


def _content_types(channel: Channel) -> list[str]:
    return [value for name, value in channel.headers.items() if name.lower() == "content-type"]


def fill_template(
    template: str, values: Mapping[str, str], escape: Callable[[str], str] = str
) -> str:
    """Fill the fields of a template: `{who} came` with `who` Ann is `Ann came`.

    A value that lacks is "".
    """
    return _FIELD.sub(lambda match: escape(values.get(match[1], "")), template)


def event_values(
    event: Mapping[str, Any], zone: tzinfo, shop: str, camera: str, texts: Texts
) -> dict[str, str]:
    """Return the value of each field of a message's template, such as `{who}`.

    `event` is the body that a webhook gets; a test event has sample values. `zone` is the shop's
    time zone. `shop` and `camera` are their display names, "" without a camera. `texts` are of the
    language in which groups, dates and numbers are written. `who` is the face's name; without one
    its group and number; else the camera, or the shop. `guest` is the same, but never a person's
    name.
    """
    data, event_time = event["data"], moment_of_text(event["at"]).astimezone(zone)
    written_time = _write_moment(event_time, texts)
    if event["type"] == EventKind.TEST:
        own_samples = {name: texts.write(f"sample.{name}") for name in _SAMPLE_TEXTS}
        own_samples["state"] = texts.write("camera.covered")
        return {**_SAMPLES, **list_samples(), **own_samples, "shop": shop, **written_time}

    members = members_of(event["type"])  # the declared fields of `data`, by name
    values = {
        member.shown_as: _write_member(member.form, name, data, zone, texts=texts)
        for name, member in members.items()
        if member.shown_as
    }
    group = _write_plain(event["group"])
    shown_group = texts.write(f"group.{group}") if group in (STRANGER, REGULAR) else group
    # The member that says whom the event is about: a person's name, or that of a thing.
    subject = next((name for name, member in members.items() if member.is_who), "")
    who = _write_plain(data.get(subject))
    is_person = bool(subject) and members[subject].names
    guest = "" if is_person else who
    group_and_number = " ".join(filter(None, (shown_group, values.get("number"))))
    unnamed = group_and_number or camera or shop
    of_all = {"event": event["type"], "group": shown_group, "camera": camera, "shop": shop}
    fields_of_others = dict.fromkeys(list_samples(), "")  # of other kinds of event: empty here
    whom = {"who": who or unnamed, "guest": guest or unnamed}
    return {**fields_of_others, **values, **whom, **of_all, **written_time}


def _write_member(form: str, name: str, data: Mapping[str, Any], zone: tzinfo, texts: Texts) -> str:
    """Write a member of an event as its form says."""
    value = data.get(name)
    if value is None:
        return ""
    if form == "share":
        minutes, of = data["watched_s"] // 60, data["open_s"] // 60
        return "" if value else texts.write("watched", minutes=minutes, of=of)
    if form == "time":
        return f"{moment_of_text(value).astimezone(zone):%H:%M}"
    if form == "state":
        return texts.write(f"camera.{value if value in (*TROUBLES, 'well') else 'faulty'}")
    return str(value) if form == "lines" else _write_plain(value)


def _write_plain(value: object) -> str:
    """Write a value on one line."""
    return "" if value is None else " ".join(str(value).split())


def _write_moment(at: datetime, texts: Texts) -> dict[str, str]:
    return {"time": f"{at:%H:%M}", "date": texts.write_day("date", at)}


_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def check_hours(hours: str) -> str:
    """Return the hours in which a hook notifies people, such as `09:00-18:30`; "" for always.

    Raises InvalidInput if they are written otherwise. `22:00-06:00` goes over midnight.
    """
    if hours and not _HOURS.fullmatch(hours):
        raise InvalidInput(
            "hours are as 09:00-18:30, or over midnight as 22:00-06:00, in the shop's time zone"
        )
    return hours


class Post(NamedTuple):
    """A request of a way. `url` may hold a secret."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"


_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_WITH_MARKDOWN = frozenset({Way.TEAMS, Way.DISCORD})
_MARKS = re.compile(r"[\\`*_\[\]()~<>|#]")
MAX_TEXT = 1_000
"""Units of UTF-16 of a message, of which an emoji has two: Telegram takes 1,024 beside a picture,
and Pushover as many letters."""

PUSHED_FOR = timedelta(hours=1)
"""How long a push service keeps a message for a browser that is off."""


def write_message(
    channel: Channel,
    template: str,
    values: Mapping[str, str],
    picture: bytes | None = None,
    *,
    link: str = "",
) -> Post:
    """Return the HTTP request by which a channel's way (ntfy, Slack and so on) takes a message.

    `template`: the message with fields, such as `{who} came`, and `values` by the fields' names.
    `picture`: a JPEG, for ways of WITH_PICTURE. `link`: the page that a press of ntfy's message
    opens; "": none. The way REQUEST is any server of the user's: the
    body is the filled template itself, and if that is JSON, values are escaped.
    """
    if channel.way is Way.REQUEST:
        body = fill_template(template, values, _escape_json if is_json(channel) else str)
        content_type = {} if _content_types(channel) else {"Content-Type": _TEXT}
        return Post(channel.url, body.encode(), {**content_type, **channel.headers}, channel.method)
    escape = _escape_markdown if channel.way in _WITH_MARKDOWN else str
    text = message_text(template, values, escape)
    post = _WRITERS[channel.way](channel, text, picture)
    if channel.way is not Way.NTFY or not link:
        return post
    return post._replace(headers={**post.headers, "Click": link})


def message_text(
    template: str, values: Mapping[str, str], escape: Callable[[str], str] = str
) -> str:
    """Write a message as people read it, without a name if its template leaves it blank: such as
    `{name}` of a stranger."""
    filled = fill_template(template, values, escape)
    text = filled if filled.strip() else fill_template(UNNAMED_TEMPLATE, values, escape)
    return text.encode("utf-16-le", "surrogatepass")[: 2 * MAX_TEXT].decode("utf-16-le", "ignore")


def _escape_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _escape_markdown(value: str) -> str:
    """Write a value as text where texts have marks, so that no name is a link."""
    return _MARKS.sub(r"\\\g<0>", value)


def _post_json(url: str, body: Mapping[str, Any]) -> Post:
    return Post(url, json.dumps(body).encode(), {"Content-Type": _JSON})


def _to_ntfy(channel: Channel, text: str, picture: bytes | None) -> Post:
    """Make the request for ntfy: the text is the body, or with a picture, which is the body then,
    a header."""
    headers = {"Authorization": f"Bearer {channel.token}"} if channel.token else {}
    if picture is None:
        return Post(channel.url, text.encode(), {"Content-Type": _TEXT, **headers})
    header_text = " ".join(text.split())
    if not (header_text.isascii() and header_text.isprintable()):
        # Encoded by RFC 2047, on one line: a header has no line breaks.
        header_text = Header(header_text, "utf-8", maxlinelen=100_000).encode()
    headers = {"Message": header_text, "Filename": "face.jpg", **headers}
    return Post(channel.url, picture, headers, "PUT")


def _to_telegram(channel: Channel, text: str, picture: bytes | None) -> Post:
    call = f"{channel.url.rstrip('/')}/bot{channel.token}"
    if picture is None:
        return _post_json(f"{call}/sendMessage", {"chat_id": channel.to, "text": text})
    return _post_form(
        f"{call}/sendPhoto", {"chat_id": channel.to, "caption": text}, "photo", picture
    )


def _to_slack(channel: Channel, text: str, _picture: bytes | None) -> Post:
    # No name may call everybody of a channel: `<!channel>` is a command of Slack's.
    return _post_json(
        channel.url, {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    )


def _to_teams(channel: Channel, text: str, _picture: bytes | None) -> Post:
    card = {
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "TextBlock", "text": text, "wrap": True}],
    }
    attached = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return _post_json(channel.url, {"type": "message", "attachments": [attached]})


def _to_discord(channel: Channel, text: str, picture: bytes | None) -> Post:
    message = {"content": text, "allowed_mentions": {"parse": []}}  # no name may call everybody
    if picture is None:
        return _post_json(channel.url, message)
    return _post_form(channel.url, {"payload_json": json.dumps(message)}, "files[0]", picture)


def _to_pushover(channel: Channel, text: str, picture: bytes | None) -> Post:
    url = f"{channel.url.rstrip('/')}/1/messages.json"
    fields = {"token": channel.token, "user": channel.to, "message": text}
    if picture is None:
        return Post(
            url, urlencode(fields).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )
    return _post_form(url, fields, "attachment", picture)


def _post_form(url: str, fields: Mapping[str, str], name: str, picture: bytes) -> Post:
    """Make a request of multipart/form-data: text fields, and a JPEG (RFC 7578)."""
    boundary = secrets.token_hex(16)
    begin_part = partial('--{0}\r\nContent-Disposition: form-data; name="{1}"'.format, boundary)
    texts = "".join(f"{begin_part(field)}\r\n\r\n{text}\r\n" for field, text in fields.items())
    file = f'{begin_part(name)}; filename="face.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = texts.encode() + file.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    return Post(url, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


_WRITERS: Mapping[Way, Callable[[Channel, str, bytes | None], Post]] = {
    Way.NTFY: _to_ntfy,
    Way.TELEGRAM: _to_telegram,
    Way.SLACK: _to_slack,
    Way.TEAMS: _to_teams,
    Way.DISCORD: _to_discord,
    Way.PUSHOVER: _to_pushover,
}
