"""The settings and adapters that the book needs, as the operator chooses them (bootstrap)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chalicelib.book.search.compact import Compactor
    from chalicelib.domain.model import JournalEntry
    from chalicelib.domain.rules.decision import FaceSearch
    from chalicelib.storage.ports import Clock, Mailer, ObjectReader, Postman, Storage, Vision


class Buckets(Protocol):
    """Storage on AWS, as far as the book asks: its own buckets, in which no client may look."""

    @property
    def bucket(self) -> str: ...

    @property
    def captures_bucket(self) -> str: ...


class BookSettings(Protocol):
    """The operator's settings that the book asks for. `storage`: a folder on one box."""

    @property
    def storage(self) -> Path | Buckets: ...

    @property
    def capture_days(self) -> int: ...

    @property
    def clock_tolerance_s(self) -> int: ...

    @property
    def fpir_target(self) -> float: ...

    @property
    def public_url(self) -> str | None: ...


class Machinery(Protocol):
    """The adapter behind each port. `model` and `vision` are those of new tenants."""

    clock: Clock
    storage: Storage
    model: Callable[[], str]
    vision: Callable[[], Vision]
    vision_of: Callable[[str], Vision]

    @property
    def search(self) -> FaceSearch: ...

    @property
    def postman(self) -> Postman: ...

    @property
    def mailer(self) -> Mailer | None:
        """Return the mail sender; None if there is no mail server."""

    def objects(self) -> ObjectReader:
        """Make the reader of clients' objects."""

    def index(self, forget: Callable[[str, set[str]], object]) -> Compactor:
        """Make the builder of snapshots.

        `forget`: deletes the pictures that changed faces of a tenant left behind.
        """

    def journal(self, tenant: str, after_seq: int, wanted_seq: int) -> list[JournalEntry] | None:
        """Read the changes with seq `after_seq` + 1 to `wanted_seq`.

        Return None if one of them was trimmed.
        """
