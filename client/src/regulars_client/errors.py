"""What can go wrong. An error that the service answers is a class of `codes.py`, by its `code`.

RegularsError
|- NotConfigured       no key, or no such URL
|- NoAnswer            the service could not be reached, also not again and again
|- WrongAnswer         the answer is not in the service's contract: another service, or version
|- PictureTooLarge     it is larger than the service takes, and Pillow is not there to shrink it
|- ApiError            the service refused; its kinds are in `codes.py`
OperatorError          of a command: `str(error)` says what was wrong and what would be right
|- DamagedFile         a file of ours is not what we wrote
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RegularsError(Exception):
    """Base of all. `str(error)` is one English sentence: what was wrong and what would be right."""


class OperatorError(Exception): ...


class DamagedFile(OperatorError): ...


class NotConfigured(RegularsError): ...


class NoAnswer(RegularsError): ...


class WrongAnswer(RegularsError): ...


class PictureTooLarge(RegularsError): ...


class ApiError(RegularsError):
    """A refusal of the service.

    `code`: its name, on which callers may rely. `status`: that of HTTP. `request_id`: what to name
    if you ask for help. `details`: what else the service said, by name. `retry_after_s`: when it
    may be tried again.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int = 0,
        request_id: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.request_id = request_id
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s
