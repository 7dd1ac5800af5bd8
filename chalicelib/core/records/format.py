"""The format of what is stored: one number, which each tenant's record carries, and a backup."""

from __future__ import annotations

from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.ports import Item

FORMAT = 1
"""That of this version. A change after which an older version could misread the data takes the next number."""


def require_format(tenant: Item) -> None:
    """Refuse a tenant's record, and all the tenant's data with it, of another format. Raises StorageUnavailable."""
    if complaint := wrong_format(f"the data of tenant {tenant['id']}", tenant.get("format")):
        raise StorageUnavailable(complaint)


def wrong_format(data: str, found: object) -> str | None:
    """Say of `data` with the number `found` (None: it has none) why this version cannot read it; None if it can."""
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
