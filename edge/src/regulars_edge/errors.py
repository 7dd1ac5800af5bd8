"""Errors, and what the caller does about each."""

from __future__ import annotations

from typing import ClassVar

from regulars_edge import exits
from regulars_edge.troubles import Trouble


class EdgeError(Exception):
    """Root of all errors that this package raises on purpose; the message is meant for the
    operator."""

    exit_code = exits.INCOMPLETE
    trouble: ClassVar[Trouble | None] = None
    """What a heartbeat calls it; None: it has no name there."""


class Misconfigured(EdgeError):
    """A mistake in edge.toml, the command line or a secret's file."""

    exit_code = exits.MISUSED


class ExtraMissing(Misconfigured):
    """An extra of this package that is not installed. `who`: what needs it."""

    def __init__(self, who: str, extra: str) -> None:
        super().__init__(
            f"{who} need the extra `{extra}`. In the folder of the release, install both extras "
            "by its lock: `pipx install --force 'regulars-edge[video,detector]' "
            "--pip-args='--constraint dist/regulars-edge.lock'`"
        )


class SpoolInUse(EdgeError):
    """Another uploader has the spool."""

    exit_code = exits.IN_USE


class SpoolDamaged(EdgeError):
    """A disk, or books, that cannot be used."""

    exit_code = exits.NO_SPOOL


class BooksDamaged(SpoolDamaged):
    """Books that cannot be read: they are set aside, and the copies taken in again."""


class SpoolFull(EdgeError):
    """No room: the picture was not taken, its owner keeps it."""

    exit_code = exits.NO_SPOOL
    trouble = Trouble.FULL


class SourceFailed(EdgeError):
    """A camera that does not answer; try again."""


class TooLate(SourceFailed):
    """A stream whose pictures come too late to be used."""

    trouble = Trouble.SLOW


class PasswordRefused(SourceFailed):
    """A camera that refuses user and password.

    How long they are not tried again: sources/wrong_password.py.
    """

    trouble = Trouble.LOGIN


class ServiceError(EdgeError):
    """A fault of the service, or of the way to it."""


class Unreachable(ServiceError):
    """No answer, or one that makes no sense; try again, later each time."""


class Busy(ServiceError):
    """An answer that says: later (408, 425, 429, 5xx); after `retry_after_s`, if it says when."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotAllowed(ServiceError):
    """Key, camera or address are wrong (401, 403, 404): pictures are kept.

    `code`: as CameraDisabled.
    """

    exit_code = exits.OPERATOR

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Refused(ServiceError):
    """A capture that will never be taken (any other 4xx with a code).

    `index`: of the batch, if the service says it.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class Damaged(ServiceError):
    """Other bytes at the store than were announced."""
