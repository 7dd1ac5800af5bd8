"""A tenant's own settings, what it uses, what retention deletes next, the audit, and the notice to post at cameras."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from chalicelib.api.http import MAX_BODY_BYTES, ONE_BOX
from chalicelib.api.v1.endpoint import Call, Operation, answer_of
from chalicelib.api.v1.wire import Answer, Changes, Instant, NextToken, Sent, Text, Time, Token, sent
from chalicelib.core.access import Role
from chalicelib.core.model import MAX_PICTURES, Migration, Tenant
from chalicelib.core.pictures import MAX_PICTURE_BYTES
from chalicelib.core.retention import Kind
from chalicelib.core.values import milliseconds, moment_of_text, time_text

if TYPE_CHECKING:
    from chalicelib.services import account as usage

TimeZone = Annotated[
    str,
    Meta(
        max_length=100, description="IANA name. Days, weeks and months are counted in it.", examples=["Europe/Berlin"]
    ),
]
ArriveTimes = Annotated[
    int, Meta(ge=1, le=10, description="A stranger who arrives so often within `period_days` becomes a regular.")
]
PeriodDays = Annotated[int, Meta(ge=1, le=100)]
Off = Annotated[
    list[Literal["age", "gender", "emotion", "pose", "beauty", "liveness"]],
    Meta(max_length=6, description="What is neither stored nor answered."),
]
LeastLiveness = Annotated[
    Annotated[float, Meta(gt=0, le=1)] | None,
    Meta(description="Faces that look less alive are neither enrolled nor identified; null: any."),
]
LeastGender = Annotated[
    Annotated[float, Meta(ge=0.5, le=1)] | None,
    Meta(description="The score from which on a gender is told; 0.5: always. Null: as the model pack says."),
]
MinAge = Annotated[
    Annotated[float, Meta(ge=1, le=21)] | None,
    Meta(
        description="Faces that are estimated to be younger, in years, are neither enrolled by cameras nor identified; "
        "null: any. The estimate is 2 to 4 years too high for children, whom recognition does not tell apart reliably."
    ),
]
EnrolQuality = Annotated[
    Annotated[float, Meta(ge=20, le=100)] | None,
    Meta(description="Least quality of a picture to enrol; null: 20, the least with which faces can be compared."),
]
Fpir = Annotated[
    Annotated[float, Meta(ge=0.0001, le=0.02)] | None,
    Meta(
        description="Share of searches by strangers that may return somebody (FPIR). Less misses more regulars, too. "
        "Null: as the service says, 0.003 unless its operator changed it."
    ),
]
ReviewMargin = Annotated[
    float, Meta(ge=0, le=0.5, description="Matches that score less than this above their threshold are for review.")
]

Learns = Annotated[
    bool, Meta(description="Whether faces learn from their sure sightings, unless their camera or group says no.")
]
LearntDays = Annotated[
    Annotated[int, Meta(ge=1, le=3_650)] | None,
    Meta(description="Days after its capture for which a learnt picture is kept; null: as long as its face."),
]
ConsentRequired = Annotated[bool, Meta(description="Nobody is enrolled by hand without a record of consent.")]
ExpiredConsentErases = Annotated[
    bool, Meta(description="The hourly sweep erases faces whose consent has expired; else they are only listed.")
]
DisplayName = Annotated[
    str, Meta(max_length=60, description="What people call the tenant, in the console and invitations; empty: its id.")
]
Controller = Annotated[
    str, Meta(max_length=200, description="Who is responsible for the data, with the address; the notice says it.")
]
Contact = Annotated[str, Meta(max_length=200, description="How to reach them about the data.")]
Purposes = Annotated[
    str, Meta(max_length=500, description="What the faces are recognised for; empty: to count and recognise visitors.")
]
CaptureDays = Annotated[
    Annotated[int, Meta(ge=1, le=36_500)] | None,
    Meta(description="Days that the pictures of captures are kept; null: as long as the service keeps any."),
]
SightingDays = Annotated[
    Annotated[int, Meta(ge=1, le=120)] | None,
    Meta(
        description="Days after which the records of captures go, which say who was seen in them; null: 120. Not fewer "
        "than their pictures."
    ),
]
StrangerDays = Annotated[
    Annotated[int, Meta(ge=1, le=3_650)] | None,
    Meta(
        description="Days after which a stranger is deleted who was not seen again; null: never. One who has a name is "
        "kept as a regular."
    ),
]
RegularDays = Annotated[
    Annotated[int, Meta(ge=1, le=3_650)] | None, Meta(description="The same for regulars. Groups have their own.")
]
ObservationDays = Annotated[
    Annotated[int, Meta(ge=150, le=3_650)] | None,
    Meta(description="Days that observations are kept, from which statistics are counted; null: for ever."),
]
AuditDays = Annotated[
    Annotated[int, Meta(ge=1, le=3_650)] | None, Meta(description="Days that the audit is kept; null: for ever.")
]
KeepsPictures = Annotated[
    bool,
    Meta(
        description="False: templates only. No face's picture is stored, that of a capture goes once it is resolved, "
        "and the sweep removes those that were stored before."
    ),
]
NoPicturesOf = Annotated[
    list[Text],
    Meta(max_length=100, description="Names of groups of whose faces, and of captures that show them, none is kept."),
]


DeletesErase = Annotated[
    bool, Meta(description="Whether each deletion of a face erases the person, in all dialects (`DELETE /v1/faces`).")
]


class SettingsChanges(Changes):
    display_name: DisplayName | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    arrive_times: ArriveTimes | UnsetType = UNSET
    period_days: PeriodDays | UnsetType = UNSET
    attributes_off: Off | UnsetType = UNSET
    least_liveness: LeastLiveness | UnsetType = UNSET
    least_gender: LeastGender | UnsetType = UNSET
    min_age: MinAge | UnsetType = UNSET
    fpir: Fpir | UnsetType = UNSET
    enrol_quality: EnrolQuality | UnsetType = UNSET
    review_margin: ReviewMargin | UnsetType = UNSET
    learns: Learns | UnsetType = UNSET
    learnt_days: LearntDays | UnsetType = UNSET
    deletes_erase: DeletesErase | UnsetType = UNSET
    consent_required: ConsentRequired | UnsetType = UNSET
    expired_consent_erases: ExpiredConsentErases | UnsetType = UNSET
    controller: Controller | UnsetType = UNSET
    contact: Contact | UnsetType = UNSET
    purposes: Purposes | UnsetType = UNSET
    keeps_pictures: KeepsPictures | UnsetType = UNSET
    no_pictures_of: NoPicturesOf | UnsetType = UNSET
    capture_days: CaptureDays | UnsetType = UNSET
    sighting_days: SightingDays | UnsetType = UNSET
    stranger_days: StrangerDays | UnsetType = UNSET
    regular_days: RegularDays | UnsetType = UNSET
    observation_days: ObservationDays | UnsetType = UNSET
    audit_days: AuditDays | UnsetType = UNSET


class Settings(Answer):
    display_name: DisplayName
    time_zone: TimeZone
    arrive_times: ArriveTimes
    period_days: PeriodDays
    attributes_off: Off
    least_liveness: LeastLiveness
    least_gender: LeastGender
    min_age: MinAge
    fpir: Fpir
    enrol_quality: EnrolQuality
    review_margin: ReviewMargin
    learns: Learns
    learnt_days: LearntDays
    deletes_erase: DeletesErase
    consent_required: ConsentRequired
    expired_consent_erases: ExpiredConsentErases
    controller: Controller
    contact: Contact
    purposes: Purposes
    keeps_pictures: KeepsPictures
    no_pictures_of: NoPicturesOf
    capture_days: CaptureDays
    sighting_days: SightingDays
    stranger_days: StrangerDays
    regular_days: RegularDays
    observation_days: ObservationDays
    audit_days: AuditDays
    model: Annotated[str, Meta(description="Id of the embedding model. Its operator changes it.")]
    requests_a_day: Annotated[
        int | None, Meta(description="Of the iCREDIT dialect; null: any number. Its operator sets it.")
    ]


class Limits(Answer):
    """The most that the tenant may have or send."""

    groups: int
    faces: int
    cameras: int
    hooks: int
    keys: int
    pictures_of_a_face: int
    requests_a_day: Annotated[int | None, Meta(description="Of the iCREDIT dialect; null: any number.")]
    capture_mb_a_day: Annotated[
        int | None, Meta(description="Megabytes of captures that each camera may offer a day; null: any number.")
    ]
    capture_bytes: Annotated[int, Meta(description="Of one capture that is offered and uploaded.")]
    body_bytes: Annotated[int, Meta(description="Of a body with a picture. One without has up to 4 MiB everywhere.")]


class KeptCaptures(Answer):
    captures: int
    bytes: int
    counted_at: Annotated[Time, Meta(description="They are counted about once a day.")]


class Disk(Answer):
    free_bytes: Annotated[int, Meta(ge=0)]
    total_bytes: Annotated[int, Meta(ge=0)]


class Usage(Answer):
    groups: int
    faces: int
    capacity_left: Annotated[int, Meta(description="What the capacities of groups may still grow by, all together.")]
    cameras: int
    hooks: int
    requests_today: Annotated[
        int | None, Meta(description="Of the iCREDIT dialect; null: not counted, since any number may come.")
    ]
    captures_kept: Annotated[KeptCaptures | None, Meta(description="Null until they were counted for the first time.")]
    disk: Annotated[
        Disk | None,
        Meta(description="The disk of the box that keeps everything; null: storage without an end, on AWS."),
    ]
    changes: Annotated[int, Meta(description="How many changes the gallery has seen.")]
    snapshot_lag: Annotated[
        int, Meta(description="How many of the last changes the snapshot lacks: a search that starts cold reads them.")
    ]
    limits: Limits


class EarlierKey(Answer):
    """A key that was renewed. What it signed while it was in use stays good."""

    public_key: str
    fingerprint: str
    since: Time
    until: Annotated[Time, Meta(description="When it was renewed: trust nothing of a later time that it signed.")]
    signed_next: Annotated[
        bool, Meta(description="Whether it signed the key after it, too; false: nobody could read it any more.")
    ]


class SigningKey(Answer):
    public_key: Annotated[str, Meta(description="Of Ed25519: 32 bytes in base64.")]
    fingerprint: Annotated[str, Meta(description="SHA-256 of these bytes, in hexadecimal, which people compare.")]
    earlier: Annotated[list[EarlierKey], Meta(description="The keys before it, the oldest first.")]


def get_settings(call: Call) -> Settings:
    """Read the tenant's settings."""
    tenant, migration = call.services.account.settings.get(call.tenant)
    groups = call.services.groups.all(tenant) if tenant.no_pictures_of else []
    return _settings(tenant, migration, [one.name for one in groups if one.id in tenant.no_pictures_of])


def change_settings(call: Call, body: SettingsChanges) -> Settings:
    """Change what is sent, all or nothing; the rest stays.

    A setting holds from the next request on. Another time zone counts for the past, too.
    """
    changes = sent(body)
    if "attributes_off" in changes:
        changes["attributes_off"] = frozenset(changes["attributes_off"])
    if "no_pictures_of" in changes:
        named = call.services.groups.named
        changes["no_pictures_of"] = frozenset(named(call.tenant, name).id for name in changes["no_pictures_of"])
    call.services.account.settings.change(call.tenant, changes, call.request)
    return get_settings(call)


def get_usage(call: Call) -> Usage:
    """Read what the tenant has and used, and the most that it may."""
    from chalicelib.api.v1.picture_bodies import MAX_BYTES  # not at the other routes' cold starts

    most = MAX_BYTES if call.http.stage == ONE_BOX else MAX_BODY_BYTES
    return _usage(call.tenant, call.services.account.usage.of(call.tenant), most)


def get_signing_key(call: Call) -> SigningKey:
    """Read the public keys that this tenant's receipts are checked with: the one in use, and those before it.

    It changes only if the operator renews it. The first call makes it.
    """
    from chalicelib.core.signing import renewal_of  # not at the other routes' cold starts

    keys = call.services.audit.signing.public_keys(call.tenant.name)
    earlier = [
        EarlierKey(**_public(one.old), since=one.since, until=one.until, signed_next=one.is_vouched)
        for one in map(renewal_of, keys.renewals)
    ]
    return SigningKey(**_public(keys.current), earlier=earlier)


def _settings(tenant: Tenant, migration: Migration, groups: list[str]) -> Settings:
    off = sorted(tenant.attributes_off)
    return Settings.made_of(tenant, **vars(migration), attributes_off=off, no_pictures_of=groups)


def _public(key: bytes) -> dict[str, str]:
    from chalicelib.core.signing import fingerprint

    return {"public_key": base64.b64encode(key).decode(), "fingerprint": fingerprint(key)}


def _usage(tenant: Tenant, used: usage.Usage, body_bytes: int) -> Usage:
    kept = used.kept
    return Usage.made_of(
        used,
        captures_kept=None if kept is None else KeptCaptures.made_of(kept, bytes=kept.size),
        disk=None if used.disk is None else Disk.made_of(used.disk),
        limits=_limits(tenant, body_bytes),
    )


def _limits(tenant: Tenant, body_bytes: int) -> Limits:
    from chalicelib.services.access.access import MAX_KEYS
    from chalicelib.services.cameras import MAX_CAMERAS  # not at the other routes' cold starts
    from chalicelib.services.webhooks import MAX_HOOKS

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
    language: Literal["en", "zh"] = "en"


class NoticeSection(Answer):
    heading: str
    lines: list[str]


class Notice(Answer):
    """The same three times: in parts, as plain text, and as a page of its own to print on A4."""

    language: Literal["en", "zh"]
    title: str
    sections: list[NoticeSection]
    text: str
    html: str
    missing: Annotated[
        list[Literal["controller", "contact"]],
        Meta(description="Settings that are empty: the notice has a blank to fill in by hand for each."),
    ]


def get_notice(call: Call, query: NoticeWanted) -> Notice:
    """Write the notice to post where the cameras look, with the tenant's own name, contact, purposes and retention."""
    from chalicelib.services.account import Language, notice

    tenant = call.services.tenants.named(call.tenant.name)
    made = notice(tenant, Language(query.language), call.services.settings.capture_days)
    return Notice(
        language=query.language,
        title=made.title,
        sections=[NoticeSection(heading=one.heading, lines=one.lines) for one in made.sections],
        text=made.text(),
        html=made.html(),
        missing=[name for name in ("controller", "contact") if name in made.missing],
    )


class Kept(Answer):
    """One kind of data, and of faces one group."""

    kind: Kind
    group: Annotated[str | None, Meta(description="The name of a group of faces; null for the other kinds.")]
    days: Annotated[int | None, Meta(description="For how long it is kept; null: for ever.")]
    now: Annotated[int, Meta(ge=0, description="How many go with the next sweep.")]
    within_7_days: Annotated[int, Meta(ge=0, description="How many are gone within seven days, those of `now` too.")]
    more: Annotated[bool, Meta(description="There are more: each is read, so no more than 10,000 are counted.")]
    oldest: Annotated[Time | None, Meta(description="Since when the oldest of them is kept; null: nothing goes.")]
    waits_until: Annotated[
        Time | None, Meta(description="Those of `now` are too many for one sweep: they go then; null: with the next.")
    ]


class Retention(Answer):
    kinds: list[Kept]
    held: Annotated[int, Meta(ge=0, description="How many faces are under legal hold, and so not among those that go.")]


def get_retention(call: Call) -> Retention:
    """Say what the sweep deletes next and within seven days, by the settings as they are. Nothing is deleted.

    Faces under legal hold, and what shows them, are not counted.
    """
    planned = call.services.erasure.retention.plan(call.tenant)
    kinds = [Kept.made_of(one, within_7_days=one.soon) for one in planned]
    return Retention(kinds=kinds, held=len(call.services.faces.holds.all(call.tenant.name)))


Name = Annotated[str, Meta(max_length=200)]


class EntriesWanted(Sent):
    """Of a time, a face, an act or somebody; all that is given must fit."""

    since: Annotated[Instant | None, Meta(description="From this time on.")] = field(default=None, name="from")
    until: Annotated[Instant | None, Meta(description="Before this time.")] = field(default=None, name="to")
    face: Annotated[Name | None, Meta(description="Only entries that name this face.")] = None
    what: Annotated[Name | None, Meta(description="Only this act, such as `PATCH /v1/settings` or `sighting`.")] = None
    by: Annotated[Name | None, Meta(description="Only who acted so: `key first`, `camera door`, `operator`.")] = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    token: Token | None = None


class Entry(Answer):
    """One act, decision, export or read of pictures."""

    id: str
    at: Time
    what: Annotated[str, Meta(description="A route, a command, a chore of the service, or `sighting`.")]
    by: Annotated[
        str, Meta(description="A person, a key's or a camera's id, a dialect's credential, the operator or `regulars`.")
    ]
    hour: Annotated[
        int | None, Meta(description="Number of the closed hour that holds it; null: it is not closed yet.")
    ]
    details: Annotated[
        dict[str, Any],
        Meta(
            description="What else it says: `faces`, `deleted`, `shown`, the gallery's `seq`, the `request`, and of a "
            "decision the model, score and threshold."
        ),
    ]


class EntriesPage(Answer):
    entries: list[Entry]
    next_token: NextToken


def list_entries(call: Call, query: EntriesWanted) -> EntriesPage:
    """List the audit's entries, newest first. A page may be short, or empty, and still have a `next_token`."""
    from chalicelib.services.audit.audit import Wanted

    first, last = (None if one is None else milliseconds(one) for one in (query.since, query.until))
    wanted = Wanted(first, last, query.face, query.what, query.by)
    page = call.services.audit.reading.page(call.tenant.name, wanted, query.limit, query.token)
    return EntriesPage(entries=[_entry(hour, dict(entry)) for hour, entry in page.rows], next_token=page.next_token)


def _entry(hour: int | None, said: dict[str, Any]) -> Entry:
    id_, at, what, by = (said.pop(name) for name in ("id", "at", "what", "by"))
    return Entry(id=id_, at=time_text(moment_of_text(at)), what=what, by=by, hour=hour, details=said)


OPERATIONS = (
    Operation("GET", "/v1/signing-key", get_signing_key, Role.VIEWER),
    Operation("GET", "/v1/settings", get_settings, Role.VIEWER),
    Operation("PATCH", "/v1/settings", change_settings, Role.ADMIN, again=answer_of(get_settings)),
    Operation("GET", "/v1/usage", get_usage, Role.VIEWER),
    Operation("GET", "/v1/notice", get_notice, Role.VIEWER, tag="notice"),
    Operation("GET", "/v1/retention", get_retention, Role.OPERATOR, tag="retention"),
    Operation("GET", "/v1/audit", list_entries, Role.ADMIN, tag="audit"),
)
