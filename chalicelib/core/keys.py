"""Every table, every item key and every blob path, in one place.

Numbers inside keys are padded to a fixed width, so that byte order is their order.
"""

from __future__ import annotations

from datetime import datetime

from chalicelib.core.ports import Table

TENANTS = Table("tenants", "kind", "id")
DIRECTORY = Table("directory", "tenant", "item")
FACES = Table("faces", "tenant", "faceid", {"by_enrolment": "enrolment_key", "by_arrival": "arrival_key"})
JOURNAL = Table("journal", "tenant", "seq_key")
REQUESTS = Table("requests", "tenant", "request")

TABLES = (TENANTS, DIRECTORY, FACES, JOURNAL, REQUESTS)

_MS_WIDTH = 13
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
GROUP_PREFIX = "GROUP#"


def group_item(group_id: str) -> str:
    return f"{GROUP_PREFIX}{group_id}"


def name_item(group_name: str) -> str:
    return f"NAME#{group_name}"


def index_item(model: str) -> str:
    return f"INDEX#{model}"


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


def seq_of_snapshot(tenant: str, model: str, snapshot_key: str) -> int:
    return int(snapshot_key.removeprefix(snapshots(tenant, model)).split("-", 1)[0])
