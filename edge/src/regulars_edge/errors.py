"""What can go wrong, and what the caller does about it.

EdgeError
|- Misconfigured      the operator must change something; nothing was done
|- SpoolInUse         another uploader holds the spool
|- SpoolDamaged       the spool cannot be used
|  |- BooksDamaged    its books are no books any more: it is set aside, and begun anew
|- SpoolFull          no room: the picture was not taken, its owner keeps it
|- Gone               the bytes of a spooled picture are lost
|- SourceFailed       the camera does not answer; try again
|- ServiceError
   |- Unreachable     no answer, or one that makes no sense; try again, later each time
   |- Busy            an answer that says: later (408, 425, 429, 5xx)
   |- NotAllowed      key, camera or address are wrong (401, 403, 404): pictures are kept, the operator must act
   |- Refused         this capture will never be taken (any other 4xx)
   |- Expired         the presigned URL has run out (403 of a PUT): ask for another
   |- Damaged         the store received other bytes than were announced
"""

from __future__ import annotations


class EdgeError(Exception):
    """Root of all errors that this package raises on purpose; the message is meant for the operator."""


class Misconfigured(EdgeError):
    pass


class SpoolInUse(EdgeError):
    pass


class SpoolDamaged(EdgeError):
    pass


class BooksDamaged(SpoolDamaged):
    pass


class SpoolFull(EdgeError):
    pass


class Gone(EdgeError):
    pass


class SourceFailed(EdgeError):
    pass


class ServiceError(EdgeError):
    pass


class Unreachable(ServiceError):
    pass


class Busy(ServiceError):
    """`retry_after_s`: how long the service asks to be left alone, None if it does not say."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAllowed(ServiceError):
    """`code`: the service's word for it, such as CameraNotFound or CameraDisabled."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Refused(ServiceError):
    """`index`: which capture of the batch; None if the service does not say."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class Expired(ServiceError):
    pass


class Damaged(ServiceError):
    pass
