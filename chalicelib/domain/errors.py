"""Every error that Regulars raises for a caller.

    RegularsError
    |- InvalidInput           the caller must send something else
    |  |- IllegalGroupName
    |  |- IllegalCapacity
    |  |- DefaultGroup        not for `stranger` and `regular`
    |  |- IllegalAttribute    its name
    |  |- WrongAttributeCount
    |  |- ConsentMissing      an enrolment without a record of consent, which the tenant asks for
    |- NotFound
    |  |- GroupNotFound
    |  |- FaceNotFound
    |  |  |- FaceMerged       it was merged into another one, which the detail `into` names
    |  |- AttributeNotFound
    |  |- TenantNotFound
    |  |- CameraNotFound
    |  |- CaptureNotFound
    |  |- SightingNotFound
    |  |- RejectionNotFound
    |  |- HookNotFound
    |  |- PlaceNotFound
    |  |- CheckNotFound
    |  |- MergeNotFound
    |  |- DuplicateNotFound
    |  |- PictureNotFound
    |  |- KeyNotFound
    |  |- MemberNotFound      somebody who signs in
    |  |- PasskeyNotFound
    |  |- AccessNotFound      among those that somebody made
    |  |- ConsentNotFound
    |  |- ErasureNotFound
    |  |- ActNotFound         of what people did in the last 30 days
    |- Conflict               it exists already, or is not in the state that this needs
    |  |- GroupExists
    |  |- GroupNotEmpty
    |  |- FaceExists
    |  |- FaceKnown           the same person is enrolled already
    |  |- FaceErased          the same person said no
    |  |- Changed             since the caller read it
    |  |- TakenBack           an act that somebody has taken back before
    |  |- InTheWay            later acts changed it, which the detail `acts` names
    |  |- TenantExists
    |  |- CameraExists
    |  |- FaceHeld            under legal hold: it loses nothing
    |  |- MemberExists        of this name
    |  |- LastPicture         a face has at least one
    |  |- LastAdminKey        a tenant has at least one
    |  |- SecretNotKept       the request was done before, and its secret was shown once
    |  |- RequestReused       one request id, two contents
    |  |- ConditionFailed     a storage condition, by name; services turn it into one of the others
    |- LimitReached
    |  |- TooManyGroups
    |  |- GroupFull
    |  |- TenantFull
    |  |- TooManyCameras
    |  |- TooManyHooks
    |  |- TooManyPlaces
    |  |- TooManyPictures     of one face
    |  |- TooManyKeys
    |  |- TooManyMembers
    |  |- TooManyTags         of one group
    |  |- TooMany             for one answer
    |  |- DailyLimitReached   until the tenant's next day
    |  |- TooManyRequests     in a short time
    |- Unauthorized
    |  |- WrongCredentials
    |  |- StaleRequest        the time stamp lies outside the tolerance
    |  |- TenantDisabled
    |  |- CameraDisabled
    |  |- NotAllowed          the key is valid, but not for this
    |- Unusable               the picture cannot be used; the message says why
    |  |- NotThisPerson       it does not look enough like the face that it was sent for
    |     |- AnotherFace      it looks more like another one
    |- Busy                   nothing was changed; the same call may succeed in a moment
    |  |- WrongModel          the tenant's model has changed meanwhile: embed with the new one
    |- StorageUnavailable     nothing was changed; storage did not answer

The kinds are few, and each tells the caller what to do; the message has the detail. One table maps
this whole tree to statuses (`api/http.py`), and one to the codes of each dialect that has any
(`api/*/errors.py`); tests enumerate them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any


class RegularsError(Exception):
    """The base of all errors; `str(error)` is one English sentence with the problem and the valid
    value.

    `details`: values by name that a dialect may answer beside the sentence; fractions are rounded
    to six digits.
    """

    index: int | None = None
    """Number, from 0, of the thing that it concerns, if several were sent at once."""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message)
        self.details = {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in details.items()
        }


class InvalidInput(RegularsError):
    """A value that is not accepted. `details["field"]`: the field in the request, if it is one."""


class IllegalGroupName(InvalidInput): ...


class IllegalCapacity(InvalidInput): ...


class DefaultGroup(InvalidInput): ...


class IllegalAttribute(InvalidInput): ...


class WrongAttributeCount(InvalidInput): ...


class ConsentMissing(InvalidInput): ...


class NotFound(RegularsError): ...


class GroupNotFound(NotFound): ...


class FaceNotFound(NotFound): ...


class FaceMerged(FaceNotFound):
    """The face was merged into another one. `details["into"]`: the id of that one."""


class AttributeNotFound(NotFound): ...


class TenantNotFound(NotFound): ...


class ErasureNotFound(NotFound): ...


class CameraNotFound(NotFound): ...


class CaptureNotFound(NotFound): ...


class SightingNotFound(NotFound): ...


class RejectionNotFound(NotFound): ...


class HookNotFound(NotFound): ...


class PlaceNotFound(NotFound): ...


class CheckNotFound(NotFound): ...


class MergeNotFound(NotFound): ...


class ReviewNotFound(NotFound): ...


class DuplicateNotFound(NotFound): ...


class PictureNotFound(NotFound): ...


class KeyNotFound(NotFound): ...


class MemberNotFound(NotFound): ...


class PasskeyNotFound(NotFound): ...


class AccessNotFound(NotFound): ...


class ConsentNotFound(NotFound): ...


class ActNotFound(NotFound): ...


class Conflict(RegularsError): ...


class GroupExists(Conflict): ...


class GroupNotEmpty(Conflict): ...


class FaceExists(Conflict): ...


class FaceKnown(Conflict):
    """An enrolment of a person who is enrolled already.

    Details: as `face`, with a `score` of at least `threshold`.
    """


class ConsentOlder(Conflict):
    """A record of consent that was given before the person's last one ended."""


class FaceErased(Conflict):
    """An enrolment, by an id or a picture, of a person who was erased or whose consent has
    ended."""


class Changed(Conflict):
    """A change of something that another caller has changed since this one read it."""


def require_revision(what: str, revision: int, read: int | None) -> None:
    """Raise Changed if the caller read `what` (its name for users) at another revision than the
    current one; None accepts any."""
    if read not in (None, revision):
        raise Changed(
            f"{what} was changed meanwhile: it is at revision {revision}, and {read} was sent"
        )


class TakenBack(Conflict): ...


class InTheWay(Conflict):
    """An act that cannot be taken back, since what it set was set again. `details["acts"]`: ids of
    the later acts."""


class TenantExists(Conflict): ...


class CameraExists(Conflict): ...


class FaceHeld(Conflict): ...


class MemberExists(Conflict): ...


class LastPicture(Conflict): ...


class LastAdminKey(Conflict): ...


class SecretNotKept(Conflict):
    """A repeat of a request that made a secret, which is stored nowhere.

    Details: the `id` of what was made.
    """


class RequestReused(Conflict): ...


class ConditionFailed(Conflict):
    """A refusal of a whole transaction; `names` are those of its conditions that did not hold."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(f"the transaction's conditions did not hold: {', '.join(sorted(names))}")
        self.names = names


class LimitReached(RegularsError): ...


class TooManyGroups(LimitReached): ...


class GroupFull(LimitReached): ...


class TenantFull(LimitReached): ...


class TooManyCameras(LimitReached): ...


class TooManyHooks(LimitReached): ...


class TooManyPlaces(LimitReached): ...


class TooManyPictures(LimitReached): ...


class TooManyFaces(LimitReached): ...


class TooManyKeys(LimitReached): ...


class TooManyMembers(LimitReached): ...


class TooManyTags(LimitReached): ...


class TooMany(LimitReached): ...


class DailyLimitReached(LimitReached):
    """A limit that holds for a day of the tenant.

    `again_in_s`: seconds until the next one begins.
    """

    def __init__(self, message: str, again_in_s: int = 86_400) -> None:
        super().__init__(message)
        self.again_in_s = again_in_s


class TooManyRequests(LimitReached):
    """Too many requests in a short time.

    `again_in_s`: seconds until the next one is answered; `headers`: the limit, for the answer.
    """

    def __init__(
        self, message: str, again_in_s: int = 1, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.again_in_s = again_in_s
        self.headers = headers


class Unauthorized(RegularsError): ...


class WrongCredentials(Unauthorized):
    """Credentials that are missing, or not good any more."""

    def __init__(self, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """Say why. `headers`: a way to sign in, for the answer."""
        super().__init__(message)
        self.headers = headers


class StaleRequest(Unauthorized): ...


class TenantDisabled(Unauthorized): ...


class CameraDisabled(Unauthorized): ...


class NotAllowed(Unauthorized): ...


class OtherBook(NotAllowed):
    """A request for another tenant's book, or another life of it, than the caller's key or session
    opens."""


class Unusable(RegularsError):
    """A picture that cannot be used: it is no picture, too large, without a face, or too poor."""

    def __init__(
        self, message: str, breaks: str = "", sides: tuple[int, int] | None = None, **details: Any
    ) -> None:
        """Make the error of a picture that cannot be used.

        `breaks` is the limit that it breaks, by which each of the APIs (dialects) finds its own
        code. It is "bytes", "largest side", "least side", "format" (one that is known, and not
        taken), "picture" (it is none), "no face" or "several faces". "" is another reason. `sides`
        are width and height in pixels, if they break a limit.
        """
        broken = {"breaks": breaks} if breaks else {}
        super().__init__(message, **broken, **details)
        self.breaks = breaks
        self.sides = sides


class NotThisPerson(Unusable):
    """A picture that is too unlike the face.

    Details: `score`, how alike they are, and `threshold`, the score that it would need; neither if
    they are not known.
    """


class AnotherFace(NotThisPerson):
    """A picture that looks like another face. Details: also that `face`, and its `other_score`."""


class Busy(RegularsError):
    """Contention or throttling: nothing was changed, and the call may be sent again."""

    def __init__(self, message: str, again_in_s: int = 1) -> None:
        super().__init__(message)
        self.again_in_s = again_in_s


class WrongModel(Busy):
    """An embedding by a model that is no longer the tenant's: the model was changed meanwhile.

    Nothing was searched or changed.
    """


class StorageUnavailable(RegularsError):
    """A failure of storage; nothing was changed."""

    def __init__(self, message: str, again_in_s: int = 1) -> None:
        super().__init__(message)
        self.again_in_s = again_in_s


def every_error(kind: type[RegularsError] = RegularsError) -> Iterator[type[RegularsError]]:
    """Yield the kinds of errors above, each before those below it."""
    for below in kind.__subclasses__():
        if below.__module__ == __name__:
            yield below
            yield from every_error(below)


@contextmanager
def mark_errors(index: int) -> Iterator[None]:
    """Mark errors raised inside as concerning this one, from 0, of several things that were sent at
    once."""
    try:
        yield
    except RegularsError as error:
        error.index = index
        raise
