"""The format of stored data: a number in each tenant's record and in each backup."""

from __future__ import annotations

from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.ports import Item

FORMAT = 2
"""The format of this version. A change that makes an older version misread the data takes the next number."""


def require_format(tenant: Item) -> None:
    """Raise StorageUnavailable if a tenant's data are of another format, by the number in the tenant's record."""
    if complaint := wrong_format(f"the data of tenant {tenant['id']}", tenant.get("format")):
        raise StorageUnavailable(complaint)


def wrong_format(data: str, found: object) -> str | None:
    """Say why this version cannot read `data` with the number `found` (None: it has none); None if it can."""
    if found == FORMAT:
        return None
    if found is None:
        return (
            f"{data} has no format number, so a version before 0.1.0 wrote it, and this one reads format {FORMAT}: "
            "go on with the version that wrote it, or begin anew in an empty folder, on AWS in a new stage"
        )
    return (
        f"{data} has format {found}, and this version reads format {FORMAT}: install the version that wrote it, "
        "whose CHANGELOG names that format"
    )
