"""A typed client of Regulars: enrol, find and name people, ask who came."""

from regulars_client import codes
from regulars_client.books import Book
from regulars_client.client import Regulars
from regulars_client.errors import (
    ApiError,
    NoAnswer,
    NotConfigured,
    PictureTooLarge,
    RegularsError,
    WrongAnswer,
)

__all__ = [
    "ApiError",
    "Book",
    "NoAnswer",
    "NotConfigured",
    "PictureTooLarge",
    "Regulars",
    "RegularsError",
]
__all__ += ["WrongAnswer", "codes"]
