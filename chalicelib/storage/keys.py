"""Every table, every item key and every blob path.

Numbers inside keys are padded to a fixed width, so that byte order is the numbers' order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.local_time import DAY_MS, day_number, day_text
from chalicelib.storage.ports import Table
from chalicelib.storage.values import milliseconds

TENANTS = Table("tenants", "kind", "id", expires=True)
DIRECTORY = Table("directory", "tenant", "item")
FACES = Table(
    "faces",
    "tenant",
    "faceid",
    indexes={
        "by_enrolment": "enrolment_key",
        "by_arrival": "arrival_key",
        "by_consent": "consent_key",
    },
    projections={
        "by_arrival": (
            "group",
            "enrolled_at",
            "portrait",
            "pictures",
            "age",
            "gender",
            "attributes",
            "labels",
            "name",
            "note",
            "arrive_count",
            "last_arrival_at",
            "negatives",
            "revision",
            "number",
        )
    },
    beside={"by_arrival": ("name", "arrive_count")},
)
JOURNAL = Table("journal", "tenant", "seq_key")
REQUESTS = Table("requests", "tenant", "request", expires=True)
OBSERVATIONS = Table("observations", "tenant_day", "time_id")
SUMMARIES = Table("summaries", "tenant_zone", "day")
CAPTURES = Table("captures", "tenant_camera", "capture", expires=True)
ARRIVALS = Table("arrivals", "tenant", "faceid")
CAMERAS = Table("cameras", "tenant", "id")
HOOKS = Table("hooks", "tenant", "id")
OUTBOX = Table("outbox", "tenant", "id", expires=True)
NEGATIVES = Table("negatives", "tenant", "id")
MERGES = Table("merges", "tenant", "id")
REVIEWS = Table("reviews", "tenant", "id")
DUPLICATES = Table("duplicates", "tenant", "id")
NAMES = Table("names", "tenant", "term")
AUDIT = Table("audit", "tenant", "id")
ERASURES = Table("erasures", "tenant", "id")
DONE = Table("done", "tenant", "id", expires=True)

TABLES = tuple(value for value in list(globals().values()) if isinstance(value, Table))

_MS_WIDTH = 13
"""Digits of a time in a key: until the year 2286, so keys sort by time."""
LAST_MS = 10**_MS_WIDTH - 1
"""The last millisecond that fits a key, in the year 2286."""
_SEQ_WIDTH = 15
"""Digits of a seq in a key, so that keys sort by it."""


# --- tenants: one partition a kind, so that a credential is found by a consistent read
# ------------------------------


def tenant_item(name: str) -> tuple[str, str]:
    return ("tenant", name)


ERASED = "erased"
"""Kind of what is left of erased tenants: their receipts, by their names, which nobody gets
again."""


def erased_item(tenant: str) -> tuple[str, str]:
    """Make the key of the record of a tenant's erasure, which outlives all else of the tenant."""
    return (ERASED, tenant)


VAULT_ITEM = ("vault", "check")
"""Key of the item that says whether a key seals the secrets of a box's folder, and which."""


def app_id_item(app_id: str) -> tuple[str, str]:
    return ("app_id", app_id)


def appcode_item(appcode_digest: str) -> tuple[str, str]:
    return ("appcode", appcode_digest)


def access_key_item(access_key_id: str) -> tuple[str, str]:
    return ("access_key", access_key_id)


def api_key_item(key_digest: str) -> tuple[str, str]:
    """Make the key of a bearer key's item, a tenant's or a camera's."""
    return ("api_key", key_digest)


def key_record(tenant: str, id_: str) -> tuple[str, str]:
    """Make the key of the record of one of a tenant's own keys."""
    return ("key", f"{tenant}#{id_}")


def ids_range(tenant: str) -> tuple[str, str]:
    """Make the bounds around the ids of a tenant's keys or members: digits (":" is the byte after
    "9")."""
    return f"{tenant}#0", f"{tenant}#:"


CHANGES = "changes"
"""In place of an id: the item that counts the changes of a tenant's keys, or members."""


def signing_key(tenant: str) -> tuple[str, str]:
    """Make the key of the item that holds the key by which a tenant signs."""
    return ("signing_key", tenant)


def session_item(token_digest: str) -> tuple[str, str]:
    return ("session", token_digest)


def code_item(code_digest: str) -> tuple[str, str]:
    """Make the key of a sign-in code that is good once."""
    return ("code", code_digest)


def sign_in_item(digest: str) -> tuple[str, str]:
    """Make the key of what is counted of an address, or of a person, who signs in."""
    return ("sign_in", digest)


STILL = "still"


def still_item(tenant: str, camera_id: str) -> tuple[str, str]:
    """Make the key of a camera's still, which is kept for an hour after a request."""
    return (STILL, f"{tenant}#{camera_id}")


def view_item(tenant: str, camera_id: str, *, is_former: bool = False) -> tuple[str, str]:
    """Make the key of the view of a morning; `is_former`: of the one before it. Both are kept for
    two days."""
    return (STILL, f"{tenant}#{camera_id}#{'former' if is_former else 'view'}")


def stills_range(tenant: str) -> tuple[str, str]:
    """Return the lowest and the highest id that a still of the tenant may have."""
    return (f"{tenant}#", f"{tenant}$")


CHALLENGE_KEY = ("challenge", "key")
"""Key of the item by which we know the challenges again that we made."""


def challenge_item(challenge_digest: str) -> tuple[str, str]:
    """Make the key of what a passkey signed, once."""
    return ("challenge", challenge_digest)


def member_item(tenant: str, id_: str) -> tuple[str, str]:
    return ("member", f"{tenant}#{id_}")


def shared_passkey_item(passkey_digest: str, tenant: str, member: str) -> tuple[str, str]:
    """Make the key of the item by which a member is found whose passkey was made in another
    shop."""
    return ("shared_passkey", f"{passkey_digest}#{tenant}#{member}")


def shared_passkeys_range(passkey_digest: str) -> tuple[str, str]:
    """Return the lowest and the highest id that an item of the passkey may have."""
    return f"{passkey_digest}#", f"{passkey_digest}$"


def maker_item(tenant: str, access: str) -> tuple[str, str]:
    """Make the key of the item that says who gave an access, such as `key 12`."""
    return ("maker", f"{tenant}#{access}")


def makers_range(tenant: str) -> tuple[str, str]:
    """Return the lowest and the highest id that a maker's item of the tenant may have."""
    return f"{tenant}#", f"{tenant}$"


KINDS_BY_TENANT = frozenset({"tenant", "signing_key", "key", "member", "maker", STILL})
"""Kinds of which an id begins with the tenant's name; items of other kinds say it by `tenant`."""


def tenant_of_item(table: Table, item: Mapping[str, Any]) -> str:
    """Return the tenant whose an item is; "": it does not say, or is what outlives a tenant."""
    if table.name != TENANTS.name:
        return str(item[table.partition].partition("#")[0])
    if item["kind"] in KINDS_BY_TENANT:
        return str(item["id"].partition("#")[0])
    return "" if item["kind"] == ERASED else str(item.get("tenant") or "")


def is_of_tenant(table: Table, item: Mapping[str, Any], tenant: str) -> bool:
    """Tell whether an item is a tenant's: all of these go when the tenant is erased."""
    return tenant_of_item(table, item) == tenant


# --- directory
# --------------------------------------------------------------------------------------------------

TENANT_ITEM = "TENANT"
QUOTA_ITEM = "QUOTA"
SWEPT_ITEM = "SWEPT"
"""Of the item that says when the tenant was last swept whole, and when the jobs were done that are
owed."""
CALLED_ITEM = "CALLED"
"""Of the item that says when the schedule last asked for a sweep, and whether the clock was doubted
then."""
WITHHELD_ITEM = "WITHHELD"
"""Of the item that says what is kept no longer, and is so much that the sweep waits with it."""
EXPIRED_ITEM = "EXPIRED"
"""Of the item that says before which UTC day observations and counts may have expired, whatever
`observation_days` is now."""
KEPT_ITEM = "KEPT"
"""Of the item that says how many captures the tenant keeps, and when they were counted."""
UNPICTURED_ITEM = "UNPICTURED"
"""Of the item that says how far pictures that are not kept any more were removed."""
JOINED_ITEM = "JOINED"
"""Of the item that says up to which change of the gallery faces were looked at that may be one
person."""
SEALS_ITEM = "SEALS"
"""Of the item that says when a question asked for days to be sealed anew. For 15 minutes no other
question asks for it, unless many days were sealed before."""
_GROUP_PREFIX = "GROUP#"
GROUPS = (_GROUP_PREFIX, _GROUP_PREFIX[:-1] + "$")
"""Bounds around all groups ("$" is the byte after "#")."""


PLACES_ITEM = "PLACES"
"""Of the item with all places, their doors and corrections."""
VOIDS_ITEM = "VOIDS"
"""Of the item with all times whose counts of a camera count nowhere."""
_CHECKS_PREFIX = "CHECKS#"
CHECKS = (_CHECKS_PREFIX, _CHECKS_PREFIX[:-1] + "$")
"""Bounds around the checks of all cameras' counts ("$" is the byte after "#")."""


def checks_item(camera_id: str) -> str:
    """Make the key of the item of a camera's checks: what people saw, beside what it counted."""
    return f"{_CHECKS_PREFIX}{camera_id}"


def camera_of_checks(item: str) -> str:
    """Return the id of the camera: invert `checks_item`."""
    return item.removeprefix(_CHECKS_PREFIX)


def film_item(camera_id: str) -> str:
    """Make the key of the film without people that waits for a person's answer."""
    return f"FILM#{camera_id}"


def camera_quota_item(camera_id: str) -> str:
    """Make the key of the item that counts what a camera offers in a day.

    It outlives the camera.
    """
    return f"{QUOTA_ITEM}#{camera_id}"


def group_item(group_id: str) -> str:
    return f"{_GROUP_PREFIX}{group_id}"


_HOLD_PREFIX = "HOLD#"
HOLDS = (_HOLD_PREFIX, _HOLD_PREFIX[:-1] + "$")
"""Bounds around the legal holds of all faces ("$" is the byte after "#")."""


def hold_item(faceid: str) -> str:
    return f"{_HOLD_PREFIX}{faceid}"


def gone_item(group_id: str) -> str:
    """Make the key of the item that says how the faces of a deleted group go, until they are
    gone."""
    return f"GONE#{group_id}"


NOBODIES = "NOBODIES#", "NOBODIES$"
"""Bounds of the items that count who matched nobody. "$" is the byte after "#"."""


def nobodies_item(hour_ms: int) -> str:
    """Make the key of the item that counts an hour's faces without a match that were not kept."""
    return f"NOBODIES#{hour_ms:0{_MS_WIDTH}d}"


def refused_item(hashed: str) -> str:
    """Make the key of the item that says until when a record of consent of somebody who said no
    counts no more, by the hash of an id, a picture or a record; "": of one that says that there are
    such."""
    return f"REFUSED#{hashed}"


def full_item(group_id: str) -> str:
    """Make the key of the item that keeps the time of the last event "group full"."""
    return f"FULL#{group_id}"


def name_item(group_name: str) -> str:
    return f"NAME#{group_name}"


_FACE_SET_PREFIX = "FACE_SET#"
FACE_SETS = (_FACE_SET_PREFIX, _FACE_SET_PREFIX[:-1] + "$")
"""Bounds around the face sets of all groups."""


def face_set_item(entry: str) -> str:
    """Make the key of a face set's item from its entry in the gallery (domain/rules/templates)."""
    return f"{_FACE_SET_PREFIX}{entry}"


def face_sets_range(group_id: str) -> tuple[str, str]:
    """Make the bounds around the face sets of a group, by their ids ("." is in no group's id; "/"
    is the byte after it)."""
    return f"{_FACE_SET_PREFIX}{group_id}.", f"{_FACE_SET_PREFIX}{group_id}/"


MERGED_PREFIX = "MERGED#"


def merged_item(faceid: str) -> str:
    """Make the key of the item that says into which face another one was merged."""
    return f"{MERGED_PREFIX}{faceid}"


INDEX_RANGE = ("INDEX#", "INDEX$")
"""Bounds around all pointers to snapshots ("$" is the byte after "#")."""


def index_item(model: str) -> str:
    """Make the key of the pointer to the newest snapshots of a gallery."""
    return INDEX_RANGE[0] + model


# --- faces
# --------------------------------------------------------------------------------------------------


def _milliseconds(at: datetime) -> str:
    return f"{milliseconds(at):0{_MS_WIDTH}d}"


def enrolment_key(group_id: str, enrolled_at: datetime, faceid: str) -> str:
    return f"{group_id}#{_milliseconds(enrolled_at)}#{faceid}"


def arrival_key(group_id: str, last_seen_at: datetime, faceid: str) -> str:
    """Make a face's key in the order of arrival.

    `last_seen_at`: its last arrival, or its enrolment if it has none.
    """
    return f"{group_id}#{_milliseconds(last_seen_at)}#{faceid}"


def consent_key(expires_at: datetime | None, faceid: str) -> str:
    """Make the key of a face with a record of consent, in the order in which they expire; last
    those that do not."""
    ms = LAST_MS if expires_at is None else milliseconds(expires_at)
    return f"{ms:0{_MS_WIDTH}d}#{faceid}"


def consents_until(before: datetime) -> str:
    """Make the bound behind the keys of the records that expire before then ("#" is in each
    key)."""
    return f"{min(max(milliseconds(before), 0), LAST_MS):0{_MS_WIDTH}d}"


def group_range(group_id: str) -> tuple[str, str]:
    """Make the bounds around all index keys of a group's faces ("$" is the byte after "#")."""
    return f"{group_id}#", f"{group_id}$"


# --- journal
# --------------------------------------------------------------------------------------------------


def seq_key(seq: int) -> str:
    return f"{seq:0{_SEQ_WIDTH}d}"


# --- observations: a partition is a UTC day; days are numbers since 1970
# ----------------------------------------------


def observation(tenant: str, at_ms: int, id_: str) -> tuple[str, str]:
    return observations(tenant, at_ms // DAY_MS), f"{at_ms:0{_MS_WIDTH}d}#{id_}"


def observations(tenant: str, utc_day: int) -> str:
    return f"{tenant}#{day_text(utc_day)}"


def observation_range(first_ms: int, last_ms: int) -> tuple[str, str]:
    """Make the bounds around a partition's observations between two instants, both included ("$"
    comes after "#")."""
    return f"{first_ms:0{_MS_WIDTH}d}#", f"{last_ms:0{_MS_WIDTH}d}$"


def parts_of_observation(time_id: str) -> tuple[int, str]:
    """Split a key of an observation into the instant in ms and the id."""
    at_ms, _, id_ = time_id.partition("#")
    return int(at_ms), id_


# --- arrivals: the head of a face's visits by its id, and its pages behind it ("#" is in no faceid)
# -------------------


def visits_page(faceid: str, start_ms: int) -> str:
    return f"{faceid}#{start_ms:0{_MS_WIDTH}d}"


def parts_of_visits(key: str) -> tuple[str, int]:
    """Split a key of visits into the face's id and the start of the page in ms; -1: it is the
    head."""
    faceid, _, start = key.partition("#")
    return faceid, int(start or -1)


# --- summaries: sealed days of a time zone, and the calendar of UTC days, which has no zone
# ---------------------------


def calendar(tenant: str) -> str:
    """Make the calendar's partition: no time zone is called "calendar"."""
    return f"{tenant}#calendar"


def calendar_field(utc_day: int) -> tuple[str, str]:
    """Make a month's key in the calendar, and the name of the day's field in it."""
    day = day_text(utc_day)
    return day[:6], f"d{day[6:]}"


def calendar_day(month: str, field: str) -> int:
    """Invert `calendar_field`."""
    return day_number(month + field[1:])


def totals(tenant: str, zone: str) -> str:
    return f"{tenant}#{zone}"


def label_counts(tenant: str, zone: str) -> str:
    """Make the partition of label counts: its own, so that a reader of `totals` does not read past
    these."""
    return f"{tenant}#{zone}#labels"


def presences(tenant: str, zone: str) -> str:
    """Make the partition of the days' presences: its own, too, since it is the largest."""
    return f"{tenant}#{zone}#presences"


def label_chunk(day: int, chunk: int) -> str:
    return f"{day_text(day)}#{chunk:03d}"


def counted_minutes(tenant: str) -> str:
    """Make the partition of the minutes in which cameras counted people: no zone is called so."""
    return f"{tenant}#minutes"


def counted_hours(tenant: str) -> str:
    """Make the partition of the hours that such minutes became."""
    return f"{tenant}#hours"


def closed_periods(tenant: str, by: str) -> str:
    """Make the partition of the signed figures of days, weeks or months: no zone is called so."""
    return f"{tenant}#{by}s"


def counted_day(utc_day: int, camera_id: str) -> str:
    return f"{day_text(utc_day)}#{camera_id}"


def counted_days_range(first_day: int, last_day: int) -> tuple[str, str]:
    """Make the bounds around the counts of UTC days, both included ("$" is the byte after "#")."""
    return f"{day_text(first_day)}#", f"{day_text(last_day)}$"


def parts_of_counted_day(key: str) -> tuple[int, str]:
    """Split a key of `counted_day` into the UTC day and the camera's id."""
    day, _, camera_id = key.partition("#")
    return day_number(day), camera_id


# --- cameras; beside them the names that are taken, and how many more fit; no id begins with "#"
# ----------------------


CAMERAS_LEFT = "#left"

FLEET = "#fleet"
"""The settings of the whole boxes, and how far they are."""

CAMERAS_EVER = ("#past#", None)
"""Bounds around the ids of deleted cameras whose captures are still kept, and those of cameras."""

CAMERA_IDS = ("0", None)
"""Bounds around the ids of cameras: all other items' ids are lower."""


def camera_name(name: str) -> str:
    """Make the key by which a camera claims a name.

    It claims its name and its id, so that either means one camera.
    """
    return f"#name#{name}"


def past_camera(camera_id: str) -> str:
    return f"#past#{camera_id}"


# --- captures: a partition a camera; an id begins with the time, so that ids are in the captures'
# order ---------------


def capture(tenant: str, camera_id: str, id_: str) -> tuple[str, str]:
    return captures(tenant, camera_id), id_


def captures(tenant: str, camera_id: str) -> str:
    return f"{tenant}#{camera_id}"


def capture_range(first_ms: int, last_ms: int) -> tuple[str, str]:
    """Make the bounds around captures taken between two instants, both included ("." is the byte
    after "-")."""
    return f"{first_ms:0{_MS_WIDTH}d}-", f"{last_ms:0{_MS_WIDTH}d}."


# --- hooks: ids are digits, so the counter of additions stands before them
# -------------------------------------------

HOOK_ADDITIONS = "#additions"
HOOK_IDS = ("0", ":")
"""Bounds around all ids (":" is the byte after "9")."""
PUSH_KEY = "#push"


def push_key(tenant: str) -> tuple[str, str]:
    """Make the place of the private key by which browsers' push services know the tenant."""
    return tenant, PUSH_KEY


def hook_secret(tenant: str, hook_id: str) -> str:
    """Name a hook's secret, for the Vault."""
    return f"{tenant}/hooks/{hook_id}"


# --- outbox: deliveries that wait for a hook, and after them those in mailboxes, those that a phone
# may show still, and those that were given up ----------

PENDING = HOOK_IDS
"""Bounds around the waiting deliveries of every hook that has a URL."""
MAILBOX_PREFIX, PHONE_PREFIX, PARKED_PREFIX = "mailbox#", "on-phone#", "parked#"
EXPIRING = (MAILBOX_PREFIX, PARKED_PREFIX[:-1] + "$")
"""Bounds around the deliveries that expire: all that do not wait to be sent."""
ON_PHONES = (PHONE_PREFIX, PHONE_PREFIX[:-1] + "$")
"""Bounds around those that a browser may show still."""
DELIVERY_PREFIXES = ("", MAILBOX_PREFIX, PHONE_PREFIX, PARKED_PREFIX)


def delivery(hook_id: str, event_id: str, prefix: str = "") -> str:
    """Make a delivery's key. `prefix`: one of DELIVERY_PREFIXES; none while it waits to be sent."""
    return f"{prefix}{hook_id}#{event_id}"


def deliveries_range(hook_id: str, prefix: str = "") -> tuple[str, str]:
    """Make the bounds around a hook's deliveries ("$" is the byte after "#")."""
    return f"{prefix}{hook_id}#", f"{prefix}{hook_id}$"


def parts_of_delivery(id_: str) -> tuple[str, str, str]:
    """Split a delivery's key into its prefix, the hook's id and the event's: invert `delivery`."""
    prefix = next(prefix for prefix in reversed(DELIVERY_PREFIXES) if id_.startswith(prefix))
    hook_id, _, event_id = id_.removeprefix(prefix).partition("#")
    return prefix, hook_id, event_id


# --- negatives: pictures that were rejected for a face
# ----------------------------------------------------------------


def negative(faceid: str, sighting_id: str) -> str:
    return f"{faceid}#{sighting_id}"


def parts_of_negative(id_: str) -> tuple[str, str]:
    """Split a negative's key into the face's id and the sighting's."""
    faceid, _, sighting_id = id_.partition("#")
    return faceid, sighting_id


def negatives_range(faceid: str) -> tuple[str, str]:
    return f"{faceid}#", f"{faceid}$"


# --- merges: those of one survivor together, in order ("." is in no faceid; "/" is the byte after
# it) -----------------


def merge(survivor: str, id_: str) -> str:
    return f"{survivor}.{id_}"


def merges_range(survivor: str) -> tuple[str, str]:
    return f"{survivor}.", f"{survivor}/"


# --- reviews: those of one kind together, in order (domain/observations; "." is the byte after "-")
# ---------------------


def reviews_range(
    kind: str, first_ms: int | None = None, last_ms: int | None = None
) -> tuple[str, str]:
    """Return the range of a kind's reviews; with `first_ms` and `last_ms`, of sightings' of that
    time."""
    if first_ms is None or last_ms is None:
        return f"{kind}-", f"{kind}."
    return f"{kind}-{first_ms:0{_MS_WIDTH}d}-", f"{kind}-{last_ms:0{_MS_WIDTH}d}."


# --- duplicates: pairs of faces, by the lower id ("." is in no faceid)
# ------------------------------------------------


def duplicate(one: str, other: str) -> str:
    """Make the key of two faces' duplicate, in whatever order they come."""
    return f"{min(one, other)}.{max(one, other)}"


def parts_of_duplicate(id_: str) -> tuple[str, str]:
    """Split a duplicate's key into the faces' ids: invert `duplicate`."""
    first, _, second = id_.partition(".")
    return first, second


# --- names: terms of faces' names (domain/names.py), which hold letters, digits and marks only
# --------------------------


def name_term(term: str, faceid: str) -> str:
    return f"{term}#{faceid}"


def parts_of_name_term(key: str) -> tuple[str, str]:
    """Split a key of `name_term` into the term and the face's id."""
    term, _, faceid = key.rpartition("#")
    return term, faceid


HIDDEN_TERM = "-hidden"
"""In place of a word: the term of a face that lists leave out. No word has a hyphen."""
HIDDEN = (f"{HIDDEN_TERM}#", f"{HIDDEN_TERM}$")
"""Bounds around the terms of all such faces ("$" is the byte after "#")."""


def name_terms_range(prefix: str) -> tuple[str, str]:
    """Make the bounds around the keys of all terms that begin so."""
    return prefix, prefix + "\U0010ffff"


# --- audit: open entries, whose ids begin with a time; beside them the end of the chain, and its
# heads ----------------

AUDIT_END, AUDIT_WITNESSED, AUDIT_STANDING = "#end", "#witnessed", "#standing"
AUDIT_OPEN = ("0", ":")
"""Bounds around all open entries (":" is the byte after "9")."""
_NUMBER_WIDTH = 9
"""Digits of a number in a key, so that keys sort by it."""


def audit_heads(tenant: str) -> str:
    return f"{tenant}#heads"


def audit_number(number: int) -> str:
    return f"{number:0{_NUMBER_WIDTH}d}"


# --- done: what people did, by the ids of its entries in the audit, which begin with the time
# -----------------------------


def act_time(at: datetime) -> str:
    """Make the bound before the ids of acts from a time on."""
    return _milliseconds(at)


# --- blobs
# --------------------------------------------------------------------------------------------------


def objects_of_tenant(tenant: str) -> str:
    """Return what the keys of all objects of a tenant begin with, in either store."""
    return f"{tenant}/"


def face_picture(tenant: str, faceid: str, nonce: str) -> str:
    return f"{tenant}/faces/{faceid}/{nonce}.jpg"


def nonce_of_picture(key: str) -> str:
    """Read the nonce from a face picture's key; "" if there is no key."""
    return key.rpartition("/")[2].removesuffix(".jpg")


_THUMBNAIL = ".160.jpg"


def thumbnail(picture_key: str) -> str:
    """Make the key of the thumbnail of a face's picture, which lies beside it."""
    return picture_key + _THUMBNAIL


def picture_of_thumbnail(key: str) -> str:
    """Return the picture's key, for a picture's own too."""
    return key.removesuffix(_THUMBNAIL)


def face_pictures(tenant: str) -> str:
    return f"{tenant}/faces/"


def face_folder(tenant: str, faceid: str) -> str:
    return f"{tenant}/faces/{faceid}/"


def archive(tenant: str, faceid: str, nonce: str) -> str:
    """Make the key of an archive of all that is held about a face.

    It lies among the face's pictures: what deletes those that no face names deletes it after six to
    twelve hours.
    """
    return f"{face_folder(tenant, faceid)}{nonce}.zip"


def is_archive(key: str) -> bool:
    """Tell an archive from the pictures beside it."""
    return key.endswith(".zip")


def folder_of_picture(picture_key: str) -> str:
    """Read the `face_folder` from a face picture's key."""
    return picture_key.rpartition("/")[0] + "/"


def faceid_of_picture(tenant: str, picture_key: str) -> str:
    return picture_key.removeprefix(face_pictures(tenant)).split("/", 1)[0]


def capture_picture(tenant: str, camera_id: str, capture_id: str) -> str:
    """Make a capture's key in the captures' own store: each object stored there makes an event."""
    return f"{tenant}/{camera_id}/{capture_id}"


def capture_pictures(tenant: str) -> str:
    return f"{tenant}/"


BEHIND_CAPTURES = ":"
"""Behind all ids of captures, which begin with digits (":" is the byte after "9")."""


def crops(tenant: str) -> str:
    """Return what the keys of crops begin with, among the captures.

    No camera is called `-crops`.
    """
    return f"{capture_pictures(tenant)}-crops/"


def crop(tenant: str, camera_id: str, capture_id: str, part: int | str) -> str:
    """Make the key of a face that was cut out of a capture, by its number, or of the thumbnail
    (WHOLE)."""
    return f"{crops(tenant)}{camera_id}/{capture_id}-{part}.jpg"


WHOLE, PICTURE = "whole", "picture"
"""Parts of a capture that are all of it: the thumbnail, and the picture in its own size, of which
only one that hides somebody is stored."""


def shown_parts(tenant: str, camera_id: str, capture_id: str) -> str:
    """Return what the keys of a capture's parts begin with in which restricted people are hidden.

    They lie apart, so that an erasure finds those of one capture among few. No camera is called
    `-shown`.
    """
    return f"{crops(tenant)}-shown/{camera_id}/{capture_id}-"


def shown_part(
    tenant: str, camera_id: str, capture_id: str, part: int | str, hidden: Iterable[int]
) -> str:
    """Make the key of such a part. `hidden`: the numbers of the faces that are hidden."""
    numbers = "-".join(map(str, hidden))
    return f"{shown_parts(tenant, camera_id, capture_id)}{part}.{numbers}.jpg"


def capture_of_picture(key: str) -> tuple[str, str, str]:
    """Split a key of `capture_picture` into tenant, camera and capture id. Raises ValueError."""
    tenant, camera_id, capture_id = filter(None, key.split("/"))
    return tenant, camera_id, capture_id


def snapshot(tenant: str, model: str, seq: int, nonce: str) -> str:
    return f"{snapshots(tenant, model)}{seq:0{_SEQ_WIDTH}d}-{nonce}.snapshot"


_ON = ".on."


def delta(base: str, seq: int, nonce: str) -> str:
    """Make the key of a snapshot that holds only the changes since the snapshot `base`."""
    folder, _, name = base.rpartition("/")
    return f"{folder}/{seq:0{_SEQ_WIDTH}d}-{nonce}{_ON}{name}"


def base_of_snapshot(key: str) -> str:
    """Read from a key that `delta` made the key of the whole snapshot; any other key is returned as
    it is."""
    name = key.rpartition("/")[2]
    return key.removesuffix(name) + name.rpartition(_ON)[2]


def seq_of_snapshot(key: str) -> int:
    """Read the seq from a key that `snapshot` or `delta` made."""
    return int(key.rpartition("/")[2].partition("-")[0])


def snapshots(tenant: str, model: str) -> str:
    return f"{tenant}/index/{model}/"


def audit_entries(tenant: str, number: int, nonce: str) -> str:
    """Make the key of a closed hour's entries."""
    return f"{audit_folder(tenant)}{audit_number(number)}-{nonce}.entries"


def audit_anchor(tenant: str, number: int) -> str:
    """Make the key of the copy of a head."""
    return f"{audit_folder(tenant)}{audit_number(number)}.head"


def number_of_anchor(key: str) -> int:
    """Invert `audit_anchor`."""
    return int(key.rpartition("/")[2].removesuffix(".head"))


def audit_folder(tenant: str) -> str:
    return f"{tenant}/audit/"


def day_columns(tenant: str, zone: str, day: int, nonce: str) -> str:
    return f"{days_columns(tenant, zone)}{day_text(day)}-{nonce}.columns"


def days_columns(tenant: str, zone: str) -> str:
    return f"{zones_columns(tenant)}{zone}/"


def zones_columns(tenant: str) -> str:
    return f"{tenant}/observations/"


def parts_of_columns(tenant: str, key: str) -> tuple[str, int]:
    """Split a key of `day_columns` into the time zone and the local day."""
    zone, _, name = key.removeprefix(zones_columns(tenant)).rpartition("/")
    return zone, day_number(name[:8])
