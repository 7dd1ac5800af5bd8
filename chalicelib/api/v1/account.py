"""A tenant's own settings, what it uses, what retention deletes next, the audit, and the notice to
post at cameras."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, defstruct, field
from msgspec.structs import asdict

from chalicelib.api.v1.endpoint import Operations, V1Context, answer_as
from chalicelib.api.v1.shapes import draw_qr_code
from chalicelib.api.v1.wire import (
    MAX_BYTES,
    Answer,
    Changes,
    Instant,
    NextToken,
    Sent,
    Time,
    Token,
    list_sent_members,
    make_setting_type,
)
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.model import MAX_PICTURES, PROMOTION_SETTINGS, Tenant
from chalicelib.domain.pictures import MAX_PICTURE_BYTES
from chalicelib.domain.tenant_settings import OF_TENANT, SETTINGS, NoticeSetting, count_capture_days
from chalicelib.privacy.audit_entries import faces_of
from chalicelib.privacy.retention import Kind
from chalicelib.privacy.texts import Language
from chalicelib.storage.values import milliseconds, moment_of_text, time_text

operations = Operations()


_MIGRATION = {name: make_setting_type(row) for name, row in PROMOTION_SETTINGS.items()}
_OPERATORS = {
    "model": Annotated[
        str, Meta(description="Id of the embedding model. Its operator changes it.")
    ],
    "requests_a_day": Annotated[
        int | None,
        Meta(description="Of those that send the AppCode; null: any number. Its operator sets it."),
    ],
    "captures_kept_days": Annotated[
        int,
        Meta(
            description="For how long captures' pictures are kept: `capture_days`, or the "
            "service's own if less."
        ),
    ],
}
_FIRST = ("display_name", "time_zone")
_OWN = {name: make_setting_type(SETTINGS[name]) for name in OF_TENANT}
_TYPES = {**{name: _OWN[name] for name in _FIRST}, **_MIGRATION, **_OWN}

if TYPE_CHECKING:
    from chalicelib.api.v1.wire import Answer as _OwnSettings
    from chalicelib.api.v1.wire import Changes as _OwnChanges
else:
    _sent = [(name, kind | UnsetType, UNSET) for name, kind in _TYPES.items()]
    _OwnChanges = defstruct("_OwnChanges", _sent, bases=(Changes,), kw_only=True)
    _OwnSettings = defstruct(
        "_OwnSettings", [*(_TYPES | _OPERATORS).items()], bases=(Answer,), kw_only=True
    )


class SettingsChanges(_OwnChanges): ...


class Settings(_OwnSettings): ...


class Limits(Answer):
    """The most that the tenant may have or send."""

    groups: int
    faces: int
    cameras: int
    hooks: int
    keys: int
    pictures_of_a_face: int
    requests_a_day: Annotated[
        int | None, Meta(description="Of those that send the AppCode; null: any number.")
    ]
    capture_mb_a_day: Annotated[
        int | None,
        Meta(
            description="Megabytes of captures that each camera may offer a day; null: any number."
        ),
    ]
    capture_bytes: Annotated[int, Meta(description="Of one capture that is offered and uploaded.")]
    body_bytes: Annotated[
        int, Meta(description="Of a body with a picture. One without has up to 4 MiB everywhere.")
    ]


class KeptCaptures(Answer):
    captures: int
    bytes: int
    counted_at: Annotated[Time, Meta(description="They are counted about once a day.")]


class Disk(Answer):
    free_bytes: Annotated[int, Meta(ge=0)]
    total_bytes: Annotated[int, Meta(ge=0)]


class Nobodies(Answer):
    """The faces that cameras saw in an hour, matched nobody and were forgotten."""

    hour: Annotated[Time, Meta(description="When it began.")]
    number: int


class Usage(Answer):
    groups: int
    faces: int
    capacity_left: Annotated[
        int, Meta(description="What the capacities of groups may still grow by, all together.")
    ]
    cameras: int
    hooks: int
    requests_today: Annotated[
        int | None,
        Meta(
            description="Of those that send the AppCode; null: not counted, since any number may "
            "come."
        ),
    ]
    captures_kept: Annotated[
        KeptCaptures | None, Meta(description="Null until they were counted for the first time.")
    ]
    disk: Annotated[
        Disk | None,
        Meta(
            description="The disk of the box that keeps everything; null: storage without an end, "
            "on AWS."
        ),
    ]
    nobodies: Annotated[
        list[Nobodies],
        Meta(description="Of the last 24 hours, if the tenant's setting `strangers` is forget."),
    ]
    changes: Annotated[int, Meta(description="How many changes the gallery has seen.")]
    snapshot_lag: Annotated[
        int,
        Meta(
            description="How many of the last changes the snapshot lacks: a search that starts "
            "cold reads them."
        ),
    ]
    limits: Limits


class EarlierKey(Answer):
    """A key that was renewed. What it signed while it was in use stays good."""

    public_key: str
    fingerprint: str
    since: Time
    until: Annotated[
        Time, Meta(description="When it was renewed: trust nothing of a later time that it signed.")
    ]
    signed_next: Annotated[
        bool,
        Meta(
            description="Whether it signed the key after it, too; false: nobody could read it any "
            "more."
        ),
    ]


class SigningKey(Answer):
    public_key: Annotated[str, Meta(description="Of Ed25519: 32 bytes in base64.")]
    fingerprint: Annotated[
        str, Meta(description="SHA-256 of these bytes, in hexadecimal, which people compare.")
    ]
    earlier: Annotated[list[EarlierKey], Meta(description="The keys before it, the oldest first.")]


@operations("GET", "/v1/settings", Role.VIEWER)
def get_settings(context: V1Context) -> Settings:
    """Read the tenant's settings."""
    tenant, promotion_settings = context.services.account.read_settings(context.tenant)
    groups = context.services.groups.list_all(tenant) if tenant.no_pictures_of else []
    return Settings.made_of(
        tenant,
        **asdict(promotion_settings),
        captures_kept_days=count_capture_days(tenant, context.services.settings.capture_days),
        attributes_off=sorted(tenant.attributes_off),
        no_pictures_of=[group.name for group in groups if group.id in tenant.no_pictures_of],
    )


@operations("PATCH", "/v1/settings", Role.ADMIN, again=answer_as(get_settings))
def change_settings(context: V1Context, body: SettingsChanges) -> Settings:
    """Change what is sent, all or nothing; the rest stays.

    A setting holds from the next request on. Another time zone counts for the past, too.
    """
    changes = list_sent_members(body)
    if "attributes_off" in changes:
        changes["attributes_off"] = frozenset(changes["attributes_off"])
    if "no_pictures_of" in changes:
        find_group = context.services.groups.get_by_name
        changes["no_pictures_of"] = frozenset(
            find_group(context.tenant, name).id for name in changes["no_pictures_of"]
        )
    context.services.account.change(context.tenant, changes, context.request_id)
    return get_settings(context)


@operations("GET", "/v1/usage", Role.VIEWER)
def get_usage(context: V1Context) -> Usage:
    """Read what the tenant has and used, and the most that it may."""
    usage = context.services.account.measure_usage(context.tenant)
    return Usage.made_of(
        usage,
        captures_kept=None
        if usage.kept is None
        else KeptCaptures.made_of(usage.kept, bytes=usage.kept.size),
        disk=None if usage.disk is None else Disk.made_of(usage.disk),
        nobodies=[Nobodies(hour=time_text(hour), number=number) for hour, number in usage.nobodies],
        limits=_describe_limits(context.tenant, context.request.limit_bytes(MAX_BYTES)),
    )


@operations("GET", "/v1/signing-key", Role.VIEWER)
def get_signing_key(context: V1Context) -> SigningKey:
    """Read the public keys that this tenant's receipts are checked with: the one in use, and those
    before it.

    It changes only if the operator renews it. The first call makes it.
    """
    from chalicelib.privacy.signing import renewal_of  # not at the other routes' cold starts

    keys = context.services.audit.signing.read_public_keys(context.tenant.name)
    earlier = [
        EarlierKey(
            **_describe_public_key(renewal.old),
            since=renewal.since,
            until=renewal.until,
            signed_next=renewal.is_vouched,
        )
        for renewal in map(renewal_of, keys.renewals)
    ]
    return SigningKey(**_describe_public_key(keys.current), earlier=earlier)


def _describe_public_key(key: bytes) -> dict[str, str]:
    from chalicelib.privacy.signing import fingerprint

    return {"public_key": base64.b64encode(key).decode(), "fingerprint": fingerprint(key)}


def _describe_limits(tenant: Tenant, body_bytes: int) -> Limits:
    """Describe the tenant's own limits, and the limits that are the same for all tenants."""
    from chalicelib.auth.access import MAX_KEYS
    from chalicelib.book.cameras import MAX_CAMERAS  # not at the other routes' cold starts
    from chalicelib.book.webhooks import MAX_HOOKS

    return Limits.made_of(
        tenant,
        groups=tenant.limits.groups,
        faces=tenant.limits.faces,
        cameras=MAX_CAMERAS,
        hooks=MAX_HOOKS,
        keys=MAX_KEYS,
        pictures_of_a_face=MAX_PICTURES,
        capture_bytes=MAX_PICTURE_BYTES,
        body_bytes=body_bytes,
    )


class NoticeWanted(Sent):
    language: Language = "en"
    layer: Annotated[
        Literal["whole", "sheet"],
        Meta(
            description="whole: all that Article 13 of the GDPR asks for. sheet: the first layer, "
            "for the door."
        ),
    ] = "whole"


class NoticeSection(Answer):
    heading: str
    lines: list[str]


class Notice(Answer):
    """The same three times: in parts, as plain text, and as a page of its own to print on A4."""

    language: Language
    title: str
    sections: list[NoticeSection]
    text: str
    html: str
    missing: Annotated[
        list[NoticeSetting],
        Meta(
            description="Settings that are empty: the notice has a blank to fill in by hand for "
            "each. `recipients`, "
            "too, if it says that there are none and some are told."
        ),
    ]
    recipients: Annotated[
        list[str],
        Meta(
            description="Who gets data, as far as it is known: to propose as the setting "
            "`recipients`."
        ),
    ]
    qr_path: Annotated[
        str | None,
        Meta(
            description="Of the sheet: the code of `notice_url`, an SVG path of its dark squares. "
            "Null: none is set."
        ),
    ]
    qr_size: Annotated[int | None, Meta(description="Squares of the code's side.")]


@operations("GET", "/v1/notice", Role.VIEWER, tag="notice")
def get_notice(context: V1Context, query: NoticeWanted) -> Notice:
    """Write the notice to post where the cameras look, from the settings of the tenant, its cameras
    and its hooks."""
    from chalicelib.privacy import notices

    facts = context.services.notices.read_facts(context.tenant)
    page = (notices.write_sheet if query.layer == "sheet" else notices.write_notice)(
        facts, query.language
    )
    code = draw_qr_code(page.url)
    return Notice(
        language=query.language,
        title=page.title,
        sections=[
            NoticeSection(heading=heading, lines=lines) for heading, lines in page.sections.items()
        ],
        text=page.write_text(),
        html=page.write_html(),
        missing=page.missing,
        recipients=list(facts.known),
        **code,
    )


class Kept(Answer):
    """One kind of data, and of faces one group."""

    kind: Kind
    group: Annotated[
        str | None, Meta(description="The name of a group of faces; null for the other kinds.")
    ]
    days: Annotated[int | None, Meta(description="For how long it is kept; null: for ever.")]
    now: Annotated[int, Meta(ge=0, description="How many go with the next sweep.")]
    within_7_days: Annotated[
        int, Meta(ge=0, description="How many are gone within seven days, those of `now` too.")
    ]
    more: Annotated[
        bool, Meta(description="There are more: each is read, so no more than 2,000 are counted.")
    ]
    oldest: Annotated[
        Time | None, Meta(description="Since when the oldest of them is kept; null: nothing goes.")
    ]
    waits_until: Annotated[
        Time | None,
        Meta(
            description="Those of `now` are too many for one sweep: they go then; null: with the "
            "next."
        ),
    ]


class RetentionWanted(Sent):
    """With `strangers`, count who would go at once if the tenant chose that, and these days."""

    strangers: Literal["undecided", "forget", "keep"] | None = None
    stranger_days: Annotated[int, Meta(ge=1, le=3_650)] | None = None


class Retention(Answer):
    kinds: list[Kept]
    strangers: Annotated[int, Meta(ge=0, description="How many would go at once by that choice.")]
    held: Annotated[
        int,
        Meta(
            ge=0, description="How many faces are under legal hold, and so not among those that go."
        ),
    ]


@operations("GET", "/v1/retention", Role.OPERATOR, tag="retention")
def get_retention(context: V1Context, query: RetentionWanted) -> Retention:
    """Say what the sweep deletes next and within seven days, by the settings as they are, and which
    strangers another choice would delete.

    Nothing is deleted.

    Faces under legal hold, and what shows them, are not counted.
    """
    planned = context.services.erasure.retention.plan(context.tenant)
    kinds = [Kept.made_of(plan, within_7_days=plan.soon) for plan in planned]
    choice = {name: value for name, value in asdict(query).items() if value is not None}
    return Retention(
        kinds=kinds,
        strangers=context.services.erasure.strangers.count_forgotten(context.tenant, choice),
        held=len(context.services.faces.holds.list_all(context.tenant.name)),
    )


Name = Annotated[str, Meta(max_length=200)]


class EntriesWanted(Sent):
    """Of a time, a face, an act or somebody; all that is given must fit."""

    since: Annotated[Instant | None, Meta(description="From this time on.")] = field(
        default=None, name="from"
    )
    until: Annotated[Instant | None, Meta(description="Before this time.")] = field(
        default=None, name="to"
    )
    face: Annotated[Name | None, Meta(description="Only entries that name this face.")] = None
    what: Annotated[
        Name | None, Meta(description="Only this act, such as `PATCH /v1/settings` or `sighting`.")
    ] = None
    by: Annotated[
        Name | None, Meta(description="Only who acted so: `key first`, `camera door`, `operator`.")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    token: Token | None = None


class Entry(Answer):
    """One act, decision or export, or what somebody was told of people in an hour."""

    id: str
    at: Time
    what: Annotated[
        str, Meta(description="A route, a command, a job of the service, or `sighting`.")
    ]
    by: Annotated[
        str,
        Meta(
            description="A person, a key's or a camera's id, a dialect's credential, the operator "
            "or `regulars`."
        ),
    ]
    hour: Annotated[
        int | None,
        Meta(description="Number of the closed hour that holds it; null: it is not closed yet."),
    ]
    details: Annotated[
        dict[str, Any],
        Meta(
            description="What else it says: `faces`, `deleted`, the gallery's `seq`, the "
            "`request`, of a decision the "
            "model, score and threshold, and of reading `people` and `kinds`, their numbers, or "
            "`read`, who they are."
        ),
    ]


class EntriesPage(Answer):
    entries: list[Entry]
    next_token: NextToken


@operations("GET", "/v1/audit", Role.ADMIN, tag="audit")
def list_entries(context: V1Context, query: EntriesWanted) -> EntriesPage:
    """List the audit's entries, newest first.

    A page may be short, or empty, and still have a `next_token`.
    """
    from chalicelib.privacy.audit_entries import EntryFilter

    first, last = (
        None if instant is None else milliseconds(instant) for instant in (query.since, query.until)
    )
    caller = (
        None
        if query.by is None
        else context.services.access.callers.find_caller(context.tenant, query.by)
    )
    entry_filter = EntryFilter(first, last, query.face, query.what, caller)
    page = context.services.audit.chain.read_page(
        context.tenant.name, entry_filter, query.limit, query.token
    )
    if not page.rows and page.next_token is None:
        # it knows the acts of all dialects
        from chalicelib.api.v1.filters import require_named_in_audit

        require_named_in_audit(
            context.services, context.tenant, face=query.face, act=query.what, by=query.by
        )
    audit_events.report_people(face for _, entry in page.rows for face in sorted(faces_of(entry)))
    return EntriesPage(
        entries=[_describe_entry(hour, dict(entry)) for hour, entry in page.rows],
        next_token=page.next_token,
    )


def _describe_entry(hour: int | None, entry: dict[str, Any]) -> Entry:
    id_, at_text, act, by = (entry.pop(name) for name in ("id", "at", "what", "by"))
    return Entry(
        id=id_, at=time_text(moment_of_text(at_text)), what=act, by=by, hour=hour, details=entry
    )
