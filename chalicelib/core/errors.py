"""Every error that Regulars raises for a caller.

    RegularsError
    |- InvalidInput           the caller must send something else
    |  |- IllegalGroupName
    |  |- IllegalCapacity
    |  |- DefaultGroup        not for `stranger` and `regular`
    |  |- IllegalAttribute    its name
    |  |- WrongAttributeCount
    |- NotFound
    |  |- GroupNotFound
    |  |- FaceNotFound
    |  |- AttributeNotFound
    |  |- TenantNotFound
    |  |- CameraNotFound
    |  |- CaptureNotFound
    |  |- SightingNotFound
    |  |- HookNotFound
    |  |- MergeNotFound
    |  |- PictureNotFound
    |- Conflict               it is there already, or not in the state that this needs
    |  |- GroupExists
    |  |- GroupNotEmpty
    |  |- FaceExists
    |  |- TenantExists
    |  |- CameraExists
    |  |- LastPicture         a face has one at least
    |  |- RequestReused       one request id, two contents
    |  |- ConditionFailed     a storage condition, by name; services turn it into one of the others
    |- LimitReached
    |  |- TooManyGroups
    |  |- GroupFull
    |  |- TenantFull
    |  |- TooManyCameras
    |  |- TooManyHooks
    |  |- TooManyPictures     of one face
    |- Unauthorized
    |  |- WrongCredentials
    |  |- StaleRequest        the time stamp lies outside the tolerance
    |  |- TenantDisabled
    |  |- CameraDisabled
    |  |- NotAllowed          the key is good, and not for this
    |- Unusable               the picture cannot be used, and why
    |  |- NotThisPerson       it does not look enough like the face that it was sent for
    |     |- AnotherFace      but more like another one
    |- Busy                   nothing was changed; the same call may succeed in a moment
    |  |- WrongModel          the tenant's model is another by now: embed with that one
    |- StorageUnavailable     nothing was changed; storage did not answer

Few kinds, each telling the caller what to do; the detail is in the message. Each dialect maps this whole tree in one
table (`api/*/errors.py`), and a test enumerates it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class RegularsError(Exception):
    """Base of all; `str(error)` is one English sentence: what was wrong and what would be right."""

    index: int | None = None
    """Which it concerns of several things that were sent at once, from 0."""

    @property
    def details(self) -> Mapping[str, float | str]:
        """What a dialect may tell beside the sentence, by name."""
        return {}


class InvalidInput(RegularsError): ...


class IllegalGroupName(InvalidInput): ...


class IllegalCapacity(InvalidInput): ...


class DefaultGroup(InvalidInput): ...


class IllegalAttribute(InvalidInput): ...


class WrongAttributeCount(InvalidInput): ...


class NotFound(RegularsError): ...


class GroupNotFound(NotFound): ...


class FaceNotFound(NotFound): ...


class AttributeNotFound(NotFound): ...


class TenantNotFound(NotFound): ...


class CameraNotFound(NotFound): ...


class CaptureNotFound(NotFound): ...


class SightingNotFound(NotFound): ...


class HookNotFound(NotFound): ...


class MergeNotFound(NotFound): ...


class PictureNotFound(NotFound): ...


class Conflict(RegularsError): ...


class GroupExists(Conflict): ...


class GroupNotEmpty(Conflict): ...


class FaceExists(Conflict): ...


class TenantExists(Conflict): ...


class CameraExists(Conflict): ...


class LastPicture(Conflict): ...


class RequestReused(Conflict): ...


class ConditionFailed(Conflict):
    """A transaction was refused as a whole; `names` says which of its named conditions did not hold."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__(f"the transaction's conditions did not hold: {', '.join(sorted(names))}")
        self.names = names


class LimitReached(RegularsError): ...


class TooManyGroups(LimitReached): ...


class GroupFull(LimitReached): ...


class TenantFull(LimitReached): ...


class TooManyCameras(LimitReached): ...


class TooManyHooks(LimitReached): ...


class TooManyPictures(LimitReached): ...


class Unauthorized(RegularsError): ...


class WrongCredentials(Unauthorized): ...


class StaleRequest(Unauthorized): ...


class TenantDisabled(Unauthorized): ...


class CameraDisabled(Unauthorized): ...


class NotAllowed(Unauthorized): ...


class Unusable(RegularsError):
    """The picture cannot be used: not a picture, too large, no face, too poor."""


class NotThisPerson(Unusable):
    """`score`: how much it looks like the face, of which it would have to be `threshold`; None: nobody could tell."""

    def __init__(self, message: str, score: float | None = None, threshold: float | None = None) -> None:
        super().__init__(message)
        self.score = score
        self.threshold = threshold

    @property
    def details(self) -> Mapping[str, float | str]:
        found = {"score": self.score, "threshold": self.threshold}
        return {name: round(value, 6) for name, value in found.items() if value is not None}


class AnotherFace(NotThisPerson):
    """`face`: the id of the one that it looks like, by `other_score`."""

    def __init__(
        self,
        message: str,
        score: float | None = None,
        threshold: float | None = None,
        face: str = "",
        other_score: float = 1.0,
    ) -> None:
        super().__init__(message, score, threshold)
        self.face = face
        self.other_score = other_score

    @property
    def details(self) -> Mapping[str, float | str]:
        return {**super().details, "face": self.face, "other_score": round(self.other_score, 6)}


class Busy(RegularsError):
    """Contention or throttling; nothing was changed and the call may be sent again."""


class WrongModel(Busy):
    """What was embedded is not of the tenant's model, which was changed meanwhile; nothing was searched or changed."""


class StorageUnavailable(RegularsError):
    """Storage failed; nothing was changed."""


@contextmanager
def concerning(index: int) -> Iterator[None]:
    """What is raised inside concerns this one, from 0, of several things that were sent at once."""
    try:
        yield
    except RegularsError as error:
        error.index = index
        raise
