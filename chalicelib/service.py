"""Services: objects of which each has one subject, such as faces or consents, and finds the others
beside it."""

from __future__ import annotations

from typing import Generic, TypeVar

All = TypeVar("All")
"""What holds all services that one may ask: `Book` within the book, `Services` around it."""


class Service(Generic[All]):
    """A service of one subject, such as enrolment. `services`: all that it may ask."""

    def __init__(self, services: All) -> None:
        self.services = services
