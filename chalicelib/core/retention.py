"""Retention: for how many days each kind of data is kept, and since when a face was not seen.

Without a setting, data is kept as long as the deployment allows: a capture's picture for `capture_days` of
chalicelib/settings, its record for SIGHTING_DAYS. Tenants from older versions have no settings, so
nothing of theirs is deleted. New tenants begin with the numbers below (docs/decisions/0049).

A face under legal hold may gain: visits, pictures, what was empty. It loses nothing. Each write of a face asks here
(services/visits, services/faces), so no dialect, command or chore has to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from chalicelib.core.errors import FaceHeld
from chalicelib.core.model import REGULAR, STRANGER, Face, Group, Tenant
from chalicelib.core.tenant_settings import SIGHTING_DAYS

What = TypeVar("What")


class Kind(StrEnum):
    """A kind of data that is kept for so many days."""

    CAPTURES = "captures"
    """Pictures of captures, and faces that were cut out of them."""
    SIGHTINGS = "sightings"
    """Records of captures."""
    OBSERVATIONS = "observations"
    CONSENTS = "expired_consents"
    """Faces whose consent has expired."""
    FACES = "faces"
    LEARNT = "learnt_pictures"


SWEPT = (Kind.CAPTURES, Kind.SIGHTINGS, Kind.OBSERVATIONS, Kind.FACES)
"""Kinds that the chore `retention` deletes; the others have chores of their own."""


class Due(NamedTuple, Generic[What]):
    """A thing that is deleted. `since`: its age counts from then; `goes_at`: from then on it is kept no longer."""

    since: datetime
    goes_at: datetime
    what: What


RETENTION = ("capture_days", "sighting_days", "stranger_days", "regular_days", "observation_days", "audit_days")
"""Settings of a tenant."""


SHARE, FEW = 5, 5
"""Of what is overdue a sweep deletes a fifth of the kind, or 5: only a wrong clock, or a new setting, asks for more."""

OVERDUE = timedelta(days=2)
"""What became due since then is what each day brings, however much it is."""

RENEWED_WITHIN = timedelta(days=1)

PATIENCE = timedelta(days=7)
"""After so long what was withheld goes: nobody has said that it is wrong."""


class Withheld(Struct, frozen=True):
    """Things of one kind that no sweep deletes yet. `number`: of those that are overdue; `at`: of the last look."""

    number: int
    since: datetime
    at: datetime

    @property
    def goes_at(self) -> datetime:
        return self.since + PATIENCE

    @property
    def is_over(self) -> bool:
        return self.at >= self.goes_at


def is_much(overdue: int, of: int) -> bool:
    """Return whether these are too many for one sweep. `of`: how many of the kind there are."""
    return overdue > FEW and overdue * SHARE > of


def withheld(before: Withheld | None, overdue: int, of: int, now: datetime) -> Withheld | None:
    """Tell what of a kind is withheld now; None: nothing. The arguments are those of `is_much`.

    Time in which nobody looked counts as a day at most: the box was off, or its clock has jumped. The wait begins anew
    if much more is to go than before.
    """
    if not is_much(overdue, of):
        return None
    if before is None or is_much(overdue - before.number, of):
        return Withheld(overdue, now, now)
    counted = min(max(now - before.at, timedelta()), timedelta(days=1))
    return Withheld(overdue, now - (before.at - before.since) - counted, now)


def captures_kept(tenant: Tenant, most: int) -> int:
    """Return for how many days the tenant's pictures of captures are kept. `most`: the deployment's days."""
    return min(tenant.capture_days or most, most)


def sightings_kept(tenant: Tenant) -> int:
    """Return for how many days the records of the tenant's captures are kept."""
    return tenant.sighting_days or SIGHTING_DAYS


def unseen_kept(tenant: Tenant, group: Group) -> int | None:
    """Return after how many days without a visit a face of the group without a name is deleted; None: never."""
    return {STRANGER: tenant.stranger_days, REGULAR: tenant.regular_days}.get(group.id, group.unseen_days)


def face_kept(tenant: Tenant, group: Group, face: Face) -> int | None:
    """Return after how many days without a visit the face of that group is deleted; None: never.

    A stranger who has a name is kept as long as a regular.
    """
    days = unseen_kept(tenant, group)
    if days is not None and group.id == STRANGER and face.name:
        return None if tenant.regular_days is None else max(days, tenant.regular_days)
    return days


def goes_at(tenant: Tenant, group: Group, face: Face) -> datetime | None:
    """Return when the face is deleted unless somebody sees or changes it before; None: never."""
    days = face_kept(tenant, group, face)
    return None if days is None or face.hold is not None else unseen_since(face) + timedelta(days=days)


def erased_at(face: Face) -> datetime | None:
    """Return from when on its expired consent has the face erased, if the tenant says so; None: it does not.

    Somebody who changes it after that, or lifts a hold that kept it, has a day to renew the record.
    """
    end = face.consent.expires_at if face.consent else None
    if end is None or face.hold or face.restriction:
        return None
    return end if face.changed_at is None or face.changed_at < end else face.changed_at + RENEWED_WITHIN


def unseen_since(face: Face) -> datetime:
    """Return since when a face is unseen: its last arrival, its enrolment or a person's change, whichever is latest."""
    given = (one.added_at for one in face.pictures if one.learnt is None)
    return max(at for at in (face.enrolled_at, face.last_arrival_at, face.changed_at, *given) if at is not None)


_KEPT = ("own_group_id", "age", "gender", "name", "note", "consent", "external_id", "own_user")


def loses(before: Face, after: Face) -> bool:
    """Return whether a change of a face removes or replaces a picture or a value. Visits only grow, but by a rejection,
    and that is refused beforehand.
    """
    pairs = [(getattr(before, name), getattr(after, name)) for name in _KEPT]
    pairs += zip(before.labels, after.labels, strict=True)
    pairs += [(value, after.attributes.get(id_)) for id_, value in before.attributes.items()]
    return (
        any(old not in (None, "") and old != new for old, new in pairs)
        or not before.portrait.is_among(after.pictures[:1])
        or not all(one.is_among(after.pictures) for one in before.pictures)
        or after.negatives < before.negatives
    )


def require_kept(before: Face, after: Face | None = None) -> None:
    """Raise FaceHeld if the face is held and would lose something; None: the face itself goes, or sightings of it."""
    if before.hold is not None and (after is None or loses(before, after)):
        raise FaceHeld(
            f"face {before.faceid!r} is under legal hold since {before.hold.at:%Y-%m-%d}: nothing of it is removed or "
            "replaced; lift the hold first, if you may"
        )


def require_free(faces: Iterable[Face]) -> None:
    """Raise FaceHeld if one of these faces, which are to go or to lose something, is held."""
    for face in faces:
        require_kept(face)
