"""Errors that the service answers, by their code, as it knows them.

`make client` writes this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from regulars_client.errors import ApiError


class InvalidInput(ApiError):
    """A value that is not accepted. `details["field"]`: the field in the request, if it is one."""


class IllegalGroupName(InvalidInput): ...


class IllegalCapacity(InvalidInput): ...


class DefaultGroup(InvalidInput): ...


class IllegalAttribute(InvalidInput): ...


class WrongAttributeCount(InvalidInput): ...


class ConsentMissing(InvalidInput): ...


class NotFound(ApiError): ...


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


class Conflict(ApiError): ...


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


class LimitReached(ApiError): ...


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


class TooManyRequests(LimitReached):
    """Too many requests in a short time.

    `again_in_s`: seconds until the next one is answered; `headers`: the limit, for the answer.
    """


class Unauthorized(ApiError): ...


class WrongCredentials(Unauthorized):
    """Credentials that are missing, or not good any more."""


class StaleRequest(Unauthorized): ...


class TenantDisabled(Unauthorized): ...


class CameraDisabled(Unauthorized): ...


class NotAllowed(Unauthorized): ...


class OtherBook(NotAllowed):
    """A request for another tenant's book, or another life of it, than the caller's key or session
    opens."""


class Unusable(ApiError):
    """A picture that cannot be used: it is no picture, too large, without a face, or too poor."""


class NotThisPerson(Unusable):
    """A picture that is too unlike the face.

    Details: `score`, how alike they are, and `threshold`, the score that it would need; neither if
    they are not known.
    """


class AnotherFace(NotThisPerson):
    """A picture that looks like another face. Details: also that `face`, and its `other_score`."""


class Busy(ApiError):
    """Contention or throttling: nothing was changed, and the call may be sent again."""


class WrongModel(Busy):
    """An embedding by a model that is no longer the tenant's: the model was changed meanwhile.

    Nothing was searched or changed.
    """


class StorageUnavailable(ApiError):
    """A failure of storage; nothing was changed."""


BY_CODE: Mapping[str, type[ApiError]] = {
    name: kind
    for name, kind in [*vars().items()]
    if isinstance(kind, type) and issubclass(kind, ApiError)
}
