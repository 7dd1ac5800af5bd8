"""The interface between a book and the dialects that keep several faces of a group together as one
person."""

# The methods below do nothing: their arguments are for the class that takes the calls.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Face, JournalEntry, Restriction
from chalicelib.storage.ports import Action

if TYPE_CHECKING:
    from chalicelib.domain.jobs import Job

_NOT_INSTALLED = (
    "the dialect is not installed that keeps several faces as one person: install it again, as by "
    "the wheel regulars_dialects"
)


class SetChanges(Struct, frozen=True):
    """The consequences of changed faces for face sets: more of the same transaction.

    `gained`: face sets by group id, negative if lost.
    """

    actions: Sequence[Action] = ()
    entries: Sequence[JournalEntry] = ()
    gained: Mapping[str, int] = field(default_factory=dict)


class FaceSets:
    """Calls to the dialect that keeps several faces of a group together as one person
    (domain/rules/templates). Without such a dialect no face is in a set, so these raise
    StorageUnavailable: a set without a dialect would keep deleted data."""

    def follow_changes(
        self, tenant: str, journal: Sequence[JournalEntry], *, keeps_empty: bool
    ) -> SetChanges:
        """Return the changes of a commit to the sets whose faces the journal names (`face_set`).

        It is called at each try of the commit. A set loses faces that are deleted or moved, and
        goes with its last face unless `keeps_empty`.
        """
        raise StorageUnavailable(_NOT_INSTALLED)

    def rejoin(self, tenant: str, face: Face, restriction: Restriction) -> tuple[Face, SetChanges]:
        """Return a face, which is back in its group, in the set that `restriction` names, if that
        has room; the set is made again if it is gone."""
        raise StorageUnavailable(_NOT_INSTALLED)

    def list_jobs(self) -> tuple[Job, ...]:
        return ()
