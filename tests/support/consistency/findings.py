"""Findings: two stored things that do not agree, and the base of the checks that find them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage.items import write
from chalicelib.storage.ports import Action

if TYPE_CHECKING:
    from chalicelib.services import Services


class Disagreement(Struct, frozen=True, eq=False):
    """Two stored things that do not agree.

    Two looks found the same one if text and versions are equal.

    `says`: an English sentence. `at`: the versions of what was compared, each read before the
    things that change with it. `mend`: makes the two agree, if they are still as they were read,
    else raises a RegularsError; None: nobody can know what would be right.
    """

    says: str
    at: tuple[Any, ...] = ()
    mend: Callable[[], object] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Disagreement) and (self.says, self.at) == (other.says, other.at)

    def __hash__(self) -> int:
        return hash((self.says, self.at))

    def __str__(self) -> str:
        return self.says


class Subject(Service["Services"]):
    """One subject's records, which must agree. The places of people say which subjects there are
    (privacy/data_map)."""

    def find_disagreements(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Read all records of the subject once, and yield the findings."""
        raise NotImplementedError

    def make_disagreement(
        self, says: str, versions: tuple[Any, ...], *mend: Action
    ) -> Disagreement:
        """Return a disagreement that these actions mend, all or none of them."""
        return Disagreement(says, versions, partial(write, self.services.items, mend))


MORE_FIT = "the tenant says that {{}} more {} fit, and {{}} do"
"""Fault in a number of free places. Filled in twice: with what the places are for, then with two
numbers."""

SAME = "as-it-was-read"
"""Name of the condition that a mended record is still as it was read."""
