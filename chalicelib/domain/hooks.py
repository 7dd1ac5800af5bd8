"""Hooks: what others have to do when the book changes. The book asks at the moment of the change.

Alone the book has nobody to ask; who has something to do says so in one place
(`Services.book_hooks`). Actions ride in the transaction of the change itself, so that both are
there or neither.
"""

# The methods below do nothing: their arguments are for the class that takes the hooks.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.captures import Capture, Sighting
from chalicelib.domain.model import MAX_COMPARED, Face, Tenant
from chalicelib.storage.ports import Action

FULL = "full group"
"""The asker if a stranger leaves to make room for another."""

UNSEEN = "retention"
"""The asker if somebody was not seen for longer than the shop keeps people."""

UNASKED = frozenset({FULL, UNSEEN})
"""Askers that are the shop's own rules, day by day: nobody waits for the receipt."""

ENDED = "ended consent"
"""The asker if somebody's consent has ended, and the days after that are over."""

NOBODY = "who withdrew is nobody"
"""The asker if a stranger turns out to be somebody whose record of consent has ended."""

FORGOTTEN = "strangers are forgotten"
"""The asker if a shop keeps no strangers."""

MOST_LEAVING = 100
"""Faces that leave together at most, by their weights, if nothing may be left of them: the record
of an erasure has hashes of their pictures, small ones too, and templates, and at its end the
receipt has them once more."""


def weight_of(face: Face) -> int:
    """Return how many faces of MAX_COMPARED pictures have as many pictures as this one, with those
    merged into it."""
    more = (len(face.pictures) - 1) // MAX_COMPARED
    return 1 + more + (face.merges + more if face.merges else 0)


class Departure(Struct, frozen=True):
    """The consequences of faces that leave.

    `id`: names them for those who ask how far they are; "": nobody can ask.

    `faceids`: with the faces that were merged into them; `actions`: of the transaction that deletes
    the faces, or of one before it; `follow`: called behind that transaction. If the process is
    killed in between, the clock goes on.
    """

    id: str
    faceids: tuple[str, ...]
    actions: tuple[Action, ...] = ()
    follow: Callable[[], None] = lambda: None


class BookHooks:
    """Calls to other services when faces change or are removed; in a book that runs alone, they do
    nothing."""

    def faces_leave(
        self,
        tenant: Tenant,
        faces: Sequence[Face],
        by: str,
        *,
        erases: bool,
        refuses: bool = False,
        asked_at: datetime | None = None,
    ) -> Departure:
        """Return the actions that the deletion of these faces requires; a book alone has none.

        Other parts override this. It is called before the deletion, and again at each try of that.
        `by` is who asked for it. `erases`: nothing may be left of the faces. `refuses`: nobody
        enrols these people again without a newer record (`refuse_ended`). `asked_at` is when that
        was asked for first, if a backup brought them back.
        """
        return Departure("", tuple(face.faceid for face in faces))

    def refuse_ended(
        self, tenant: str, before: Face | None, face: Face, *, is_somebody_else: bool
    ) -> None:
        """Raise FaceErased or ConsentOlder if a face to be enrolled, or what a change adds to it,
        belongs to a person who withdrew (`list_claims`).

        `is_somebody_else`: a caller says so, and only the record of consent is compared.
        """

    def restrict_expired(self, tenant: Tenant) -> None:
        """Restrict the faces whose record of consent has expired, before the tenant's faces are
        read. Raises Busy."""

    def raise_busy_until_restricted(self, tenant: Tenant) -> None:
        """Raise Busy for a reader that may not restrict these faces itself, until another process
        has, which is asked to."""

    def strangers_go(self, tenant: str) -> None:
        """Handle that a tenant no longer keeps strangers, after that was stored."""

    def face_changed(self, tenant: Tenant, faceid: str) -> None:
        """Handle that a face has lost sightings, or another face that was merged into it."""

    def sighting_resolved(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        """Return more actions for the transaction that stores the match of a sighting."""
        return ()

    def sighting_rejected(
        self, tenant: str, capture: Capture, sighting: Sighting
    ) -> Sequence[Action]:
        """Return more actions for the transaction by which a face loses a sighting.

        `sighting`: as it was resolved.
        """
        return ()
