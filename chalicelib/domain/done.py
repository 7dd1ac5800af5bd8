"""What people did, with what was before: each act is listed for 30 days, and can be taken back.

Who writes says with the write itself (`was` of an action in storage/ports) what it changes. The
store makes an item of it, in the same transaction as the audit's entry (privacy/audit).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

KEPT_FOR = timedelta(days=30)
"""How long what was before is kept, and an act can be taken back; so long a merge can be undone."""


class ActKind(StrEnum):
    """The kind of thing that an act changed."""

    FACE = "face"
    DELETION = "deletion"
    """People who were deleted: their number. It cannot be taken back."""


Values = Mapping[str, Any]
"""Values by the members of v1 that set them. A part of a member is named like `labels.a`."""


class Was(Struct, frozen=True):
    """What a write changes. `of`: the id of the thing; `faces`: the people whom it concerns.

    `before` and `after` have the values that differ.
    """

    kind: ActKind
    of: str
    faces: tuple[str, ...]
    before: Values
    after: Values


class Done(Struct, frozen=True):
    """An act of somebody. `id`: that of its entry in the audit, which begins with the time.

    `takes_back`: the id of the act that it took back; `taken_back_at`: when it was taken back
    itself.
    """

    id: str
    at: datetime
    what: str
    by: str
    kind: ActKind
    of: str
    faces: tuple[str, ...]
    before: Values
    after: Values
    takes_back: str = ""
    taken_back_at: datetime | None = None
    taken_back_by: str = ""

    @property
    def expires_at(self) -> datetime:
        return self.at + KEPT_FOR

    def is_in_the_way_of(self, earlier: Done) -> bool:
        """Tell whether this later act must be taken back before the other one.

        It must if it changed a value that the other one had set.
        """
        if self.taken_back_at is not None or self.takes_back or self.id <= earlier.id:
            return False
        is_of_same = (self.kind, self.of) == (earlier.kind, earlier.of)
        return is_of_same and not earlier.after.keys().isdisjoint(self.after)


def compare(
    kind: ActKind, of: str, before: Values, after: Values, faces: tuple[str, ...] = ()
) -> Was | None:
    """Return what differs between two states of a thing; None: nothing does."""
    names = [
        name
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]
    if not names:
        return None
    former, now = ({name: values.get(name, "") for name in names} for values in (before, after))
    return Was(kind, of, faces, former, now)
