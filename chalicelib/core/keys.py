"""Every table, every item key and every blob path, in one place.

Numbers inside keys are padded to a fixed width, so that byte order is their order.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.core.buckets import DAY_MS, day_number, day_text
from chalicelib.core.ports import Table

TENANTS = Table("tenants", "kind", "id")
DIRECTORY = Table("directory", "tenant", "item")
FACES = Table("faces", "tenant", "faceid", {"by_enrolment": "enrolment_key", "by_arrival": "arrival_key"})
JOURNAL = Table("journal", "tenant", "seq_key")
REQUESTS = Table("requests", "tenant", "request")
OBSERVATIONS = Table("observations", "tenant_day", "time_id")
SUMMARIES = Table("summaries", "tenant_zone", "day")

TABLES = (TENANTS, DIRECTORY, FACES, JOURNAL, REQUESTS, OBSERVATIONS, SUMMARIES)

_MS_WIDTH = 13
LAST_MS = 10**_MS_WIDTH - 1
"""The last millisecond that fits a key, in the year 2286."""
_SEQ_WIDTH = 15


# --- tenants: one partition a kind, so that a credential is found by a consistent read ------------------------------


def tenant_item(name: str) -> tuple[str, str]:
    return ("tenant", name)


def app_id_item(app_id: str) -> tuple[str, str]:
    return ("app_id", app_id)


def appcode_item(appcode_digest: str) -> tuple[str, str]:
    return ("appcode", appcode_digest)


# --- directory ------------------------------------------------------------------------------------------------------

TENANT_ITEM = "TENANT"
QUOTA_ITEM = "QUOTA"
GROUP_PREFIX = "GROUP#"


def group_item(group_id: str) -> str:
    return f"{GROUP_PREFIX}{group_id}"


def name_item(group_name: str) -> str:
    return f"NAME#{group_name}"


def index_item(model: str, shard: str = "0/1") -> str:
    """The pointer to the newest snapshot of a gallery, or of one shard of it, as `number/of`."""
    return f"INDEX#{model}" if shard == "0/1" else f"INDEX#{model}#{shard}"


def index_shards(model: str) -> tuple[str, str]:
    """The lowest and the highest key of a model's pointers to snapshots of shards, that of the whole left out."""
    return f"INDEX#{model}#0", f"INDEX#{model}#:"


# --- faces ----------------------------------------------------------------------------------------------------------


def _milliseconds(at: datetime) -> str:
    return f"{int(at.timestamp() * 1000):0{_MS_WIDTH}d}"


def enrolment_key(group_id: str, enrolled_at: datetime, faceid: str) -> str:
    return f"{group_id}#{_milliseconds(enrolled_at)}#{faceid}"


def arrival_key(group_id: str, last_seen_at: datetime, faceid: str) -> str:
    """`last_seen_at`: the last arrival, or the enrolment of a face that never arrived."""
    return f"{group_id}#{_milliseconds(last_seen_at)}#{faceid}"


def group_range(group_id: str) -> tuple[str, str]:
    """Bounds around all index keys of a group's faces ("$" is the byte after "#")."""
    return f"{group_id}#", f"{group_id}$"


# --- journal --------------------------------------------------------------------------------------------------------


def seq_key(seq: int) -> str:
    return f"{seq:0{_SEQ_WIDTH}d}"


# --- observations: a partition is a UTC day; days are numbers since 1970 ----------------------------------------------


def observation(tenant: str, at_ms: int, id_: str) -> tuple[str, str]:
    return observations(tenant, at_ms // DAY_MS), f"{at_ms:0{_MS_WIDTH}d}#{id_}"


def observations(tenant: str, utc_day: int) -> str:
    return f"{tenant}#{day_text(utc_day)}"


def observation_range(first_ms: int, last_ms: int) -> tuple[str, str]:
    """Bounds around the observations of a partition between two instants, both included ("$" is the byte after "#")."""
    return f"{first_ms:0{_MS_WIDTH}d}#", f"{last_ms:0{_MS_WIDTH}d}$"


def parts_of_observation(time_id: str) -> tuple[int, str]:
    """The instant in ms and the id."""
    at_ms, _, id_ = time_id.partition("#")
    return int(at_ms), id_


# --- summaries: sealed days of a time zone, and the calendar of UTC days, which is of none ----------------------------


def calendar(tenant: str) -> str:
    """No time zone has this name."""
    return f"{tenant}#calendar"


def calendar_month(utc_day: int) -> str:
    return day_text(utc_day)[:6]


def calendar_field(utc_day: int) -> str:
    return f"d{day_text(utc_day)[6:]}"


def calendar_day(month: str, field: str) -> int:
    """The inverse of `calendar_month` and `calendar_field`."""
    return day_number(month + field[1:])


def totals(tenant: str, zone: str) -> str:
    return f"{tenant}#{zone}"


def label_counts(tenant: str, zone: str) -> str:
    """A partition of its own, so that who counts all days without labels does not read past these."""
    return f"{tenant}#{zone}#labels"


def label_chunk(day: int, chunk: int) -> str:
    return f"{day_text(day)}#{chunk:03d}"


# --- blobs ----------------------------------------------------------------------------------------------------------


def face_picture(tenant: str, faceid: str, nonce: str) -> str:
    return f"{tenant}/faces/{faceid}/{nonce}.jpg"


def face_pictures(tenant: str) -> str:
    return f"{tenant}/faces/"


def faceid_of_picture(tenant: str, picture_key: str) -> str:
    return picture_key.removeprefix(face_pictures(tenant)).split("/", 1)[0]


def snapshot(tenant: str, model: str, seq: int, nonce: str) -> str:
    return f"{snapshots(tenant, model)}{seq:0{_SEQ_WIDTH}d}-{nonce}.snapshot"


def snapshots(tenant: str, model: str) -> str:
    return f"{tenant}/index/{model}/"


def day_columns(tenant: str, zone: str, day: int, nonce: str) -> str:
    return f"{days_columns(tenant, zone)}{day_text(day)}-{nonce}.columns"


def days_columns(tenant: str, zone: str) -> str:
    return f"{tenant}/observations/{zone}/"


def day_of_columns(tenant: str, zone: str, key: str) -> int:
    return day_number(key.removeprefix(days_columns(tenant, zone)).split("-", 1)[0])
