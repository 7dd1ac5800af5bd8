"""Retention: for how many days each kind of data is kept, and since when a face was not seen.

Without a setting, data is kept as long as the deployment allows: a capture's picture for
`capture_days` of chalicelib/settings, its record for SIGHTING_DAYS. New tenants begin with the
numbers below (docs/decisions/0049).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.consent import Ending
from chalicelib.domain.model import REGULAR, STRANGER, Face, Group, Picture, Tenant
from chalicelib.domain.pictures import Estimates
from chalicelib.domain.tenant_settings import count_ended_days, count_remembered_days
from chalicelib.storage.values import photo_id


class Kind(StrEnum):
    """A kind of data with a retention in days."""

    CAPTURES = "captures"
    """Pictures of captures, and faces that were cut out of them."""
    SIGHTINGS = "sightings"
    """Records of captures."""
    OBSERVATIONS = "observations"
    CONSENTS = "expired_consents"
    """Faces whose consent was withdrawn or has expired: erased, or all but the template goes."""
    REMEMBERED = "remembered"
    """Templates of people who are remembered after their consent has ended."""
    FACES = "faces"
    LEARNT = "learnt_pictures"
    COUNTED_MINUTES = "counted_minutes"
    """Minutes in which cameras counted people: they become hours."""
    COUNTED_HOURS = "counted_hours"


SWEPT = (
    Kind.CAPTURES,
    Kind.SIGHTINGS,
    Kind.OBSERVATIONS,
    Kind.FACES,
    Kind.COUNTED_MINUTES,
    Kind.COUNTED_HOURS,
)
"""Kinds that the job `retention` deletes; the others have jobs of their own."""


ONE_IN_A_SWEEP, LEAST_A_SWEEP = 5, 5
"""A sweep deletes one in five of a kind, or five, of what is overdue: only a wrong clock or a new
setting asks more."""

OVERDUE_AFTER = timedelta(days=2)
"""What became due since then is what each day brings, however much it is."""

RENEWED_WITHIN = timedelta(days=1)
"""How long after a change somebody has to renew a record of consent that has ended."""

PATIENCE = timedelta(days=7)
"""After so long what was withheld goes: nobody has said that it is wrong."""


RECOUNTED_AFTER = timedelta(hours=23)
"""Withheld data are counted once a day, though a box sweeps each hour: each item has to be read."""


class Withheld(Struct, frozen=True):
    """Things of one kind that no sweep deletes yet.

    `number`: of those that are overdue; `at`: of the last look; `days`: for how many the kind was
    kept then.
    """

    number: int
    since: datetime
    at: datetime
    days: int | None = None

    @property
    def goes_at(self) -> datetime:
        return self.since + PATIENCE

    @property
    def is_over(self) -> bool:
        return self.at >= self.goes_at

    def holds_at(self, now: datetime, days: int | None) -> bool:
        """Return whether the kind, which is kept for `days`, need not be counted again now."""
        is_recent = timedelta() <= now - self.at < RECOUNTED_AFTER
        return is_recent and days == self.days and not self.is_over


def is_too_many(overdue: int, total: int) -> bool:
    """Return whether this number of deletions is too large for one sweep.

    `total`: how many of the kind there are.
    """
    return overdue > LEAST_A_SWEEP and overdue * ONE_IN_A_SWEEP > total


def find_withheld(
    before: Withheld | None, overdue: int, total: int, now: datetime
) -> Withheld | None:
    """Return the withheld part of a kind; None if nothing is withheld. The arguments are those of
    `is_too_many`.

    Time in which nobody looked counts as a day at most: the box was off, or its clock has jumped.
    The wait begins anew if much more is to go than before.
    """
    if not is_too_many(overdue, total):
        return None
    if before is None or is_too_many(overdue - before.number, total):
        return Withheld(overdue, now, now)
    counted = min(max(now - before.at, timedelta()), timedelta(days=1))
    return Withheld(overdue, now - (before.at - before.since) - counted, now)


def find_unseen_days(tenant: Tenant, group: Group) -> int | None:
    """Return after how many days without a visit a face of the group without a name is deleted;
    None: never."""
    return {STRANGER: tenant.stranger_days, REGULAR: tenant.regular_days}.get(
        group.id, group.unseen_days
    )


def find_unseen_days_of_face(tenant: Tenant, group: Group, face: Face) -> int | None:
    """Return after how many days without a visit the face of that group is deleted; None: never.

    A stranger who has a name is kept as long as a regular.
    """
    days = find_unseen_days(tenant, group)
    if days is not None and group.id == STRANGER and face.name:
        return None if tenant.regular_days is None else max(days, tenant.regular_days)
    return days


def goes_at(tenant: Tenant, group: Group, face: Face) -> datetime | None:
    """Return when the face is deleted unless it is seen or changed before; None for never."""
    days = find_unseen_days_of_face(tenant, group, face)
    return (
        None if days is None or face.hold is not None else unseen_since(face) + timedelta(days=days)
    )


def consent_ended_at(face: Face) -> datetime | None:
    """Return when its record of consent was withdrawn, or when it expires; None: neither.

    Of both the first counts: a second no makes no days longer.
    """
    if face.restriction and face.restriction.ended is Ending.WITHDRAWN:
        return face.ended_at or face.withdrawn_at or face.restriction.at
    return face.consent.expires_at if face.consent else None


class Outlook(Struct, frozen=True):
    """The next and the last events for a face whose record of consent has ended.

    `since`: when it ended; `stripped_at`: when all but id and templates goes, None: it has, or the
    person is erased as a whole; `erased_at`: when the person is erased.
    """

    since: datetime
    stripped_at: datetime | None
    erased_at: datetime

    @property
    def next_at(self) -> datetime:
        return self.stripped_at or self.erased_at


def say_outlook(outlook: Outlook) -> str:
    """Return a line on what is deleted when."""
    erased_at = f"{outlook.erased_at:%Y-%m-%d %H:%M} UTC"
    if outlook.stripped_at is None:
        return f"The sweep erases the person at {erased_at}; a new record of consent prevents that."
    return (
        f"From {outlook.stripped_at:%Y-%m-%d %H:%M} UTC only the template is kept, to forget each "
        f"visit, and for nothing else; it is erased at {erased_at}. Until the first a new record "
        "of consent gives all back."
    )


def is_remembered(tenant: Tenant, face: Face) -> bool:
    """Return whether the template outlives the other data of a person whose consent ended: at the
    person's request, or because the tenant erases nobody at once."""
    return face.remembered is not None or not tenant.expired_consent_erases


def find_outlook(tenant: Tenant, face: Face) -> Outlook | None:
    """Return what happens to a face by the end of its record of consent; None if nothing does,
    since the record has no end, or the face is held.

    Somebody who changes it after that end, or lifts what kept it, has a day to renew the record. A
    template of another model than searches use forgets nobody, so it goes at once.
    """
    since = consent_ended_at(face)
    if (
        since is None
        or face.hold
        or (face.restriction and (face.restriction.reason or not face.restriction.ended))
    ):
        return None
    is_changed = face.changed_at is not None and face.changed_at > since
    renewed_until = (face.changed_at or since) + RENEWED_WITHIN if is_changed else since
    first_at = max(since + timedelta(days=count_ended_days(tenant)), renewed_until)
    if not is_remembered(tenant, face):
        return Outlook(since, None, first_at)
    last_at = max(since + timedelta(days=count_remembered_days(tenant)), first_at)
    if face.stripped_at is None:
        return Outlook(since, first_at, last_at)
    is_compared = any(template.model == tenant.model for template in face.templates)
    return Outlook(since, None, last_at if is_compared else face.stripped_at)


def strip_face(face: Face, now: datetime, absorbed: tuple[str, ...] = ()) -> Face:
    """Return what is left of a remembered person: id, templates, and the legal ground.

    It is as if somebody without a name were enrolled with the id now: what is stored from before
    is of another, whom the steps of an erasure take out. A new record of consent makes a regular
    of it. The quality of the picture stays, by which a template is compared. `absorbed`: the ids of
    the faces that became a part of it.
    """
    [first, *others] = (_strip_picture(picture, now) for picture in face.compared)
    quality = Estimates(quality=face.estimates.quality)
    bare_consent = face.consent and replace(face.consent, evidence="")
    return Face(
        face.faceid,
        face.group_id,
        now,
        (replace(first, estimates=quality), *others),
        consent=bare_consent,
        restriction=face.restriction
        and face.restriction._replace(group_id=REGULAR, face_set="", set_name=""),
        withdrawn_at=face.withdrawn_at,
        remembered=face.remembered,
        stripped_at=now,
        ended_at=face.ended_at,
        absorbed=absorbed,
        revision=face.revision,
        version=face.version,
    )


def unseen_since(face: Face) -> datetime:
    """Return since when a face is unseen: its last arrival, its enrolment or a person's change,
    whichever is latest."""
    given_at = (picture.added_at for picture in face.pictures if picture.learnt is None)
    return max(
        at
        for at in (face.enrolled_at, face.last_arrival_at, face.changed_at, *given_at)
        if at is not None
    )


def _strip_picture(picture: Picture, now: datetime) -> Picture:
    """Return a picture's templates alone. Its id follows from them, no longer from the photo."""
    vectors = b"".join(template.vector for template in picture.templates)
    return Picture(photo_id(hashlib.sha256(vectors).hexdigest()), "", now, picture.templates)


MISSED: Mapping[str, int] = {
    "press photos": 2,
    "pictures of a camera in typical light": 6,
    "pictures of a camera in the dark": 25,
    "pictures of a near camera, with three photos of the person": 1,
}
"""Of 100 pictures of somebody whose consent has ended, how many are not recognised and keep a
template, with one photo of the person: `python -m regulars_lab.bench.withdrawn --condition`, people
of LFW, drawn cameras."""


def say_missed() -> str:
    """Return a sentence on how often a camera does not recognise a person whose consent has
    ended."""
    said = ", ".join(f"{count} of 100 {condition}" for condition, count in MISSED.items())
    return f"Some pictures are not recognised, with one photo of the person: {said}."


def say_after_erasure(tenant: Tenant) -> str:
    """Return a sentence on what cameras keep of a person once that person is erased, at once or
    when the days are over."""
    if tenant.forgets_strangers:
        return (
            "After the erasure, later visits are counted, and nothing else is kept: this shop "
            "keeps no strangers."
        )
    return (
        "After the erasure the person is a stranger like any other. This shop keeps strangers: "
        "later visits make a new face, and after some visits a regular without a name. Only "
        "--remember forgets each visit."
    )
