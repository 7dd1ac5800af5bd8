"""All checks of what a tenant stores, also while the tenant is served, and the repairs of what they find."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import RegularsError, StorageUnavailable
from chalicelib.core.items import write
from chalicelib.core.model import Tenant
from chalicelib.core.places import PLACES, Agrees
from chalicelib.core.ports import Action
from chalicelib.services.commit import GalleryMoved
from chalicelib.services.rooms import UseCase

if TYPE_CHECKING:
    from chalicelib.services import Services


LOOKS = 5
"""How often a subject is looked at, at most, until two looks in a row find the same."""

ROUNDS = 5
"""How often a repair looks again at most."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disagreement:
    """Two stored things that do not agree. Two looks found the same one if text and versions are equal.

    `says`: an English sentence. `at`: the versions of what was compared, each read before the things that change with
    it. `mend`: makes the two agree, if they are still as they were read, else raises a RegularsError; None: nobody can
    know what would be right.
    """

    says: str
    at: tuple[Any, ...] = ()
    mend: Callable[[], object] | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.says


class Subject(UseCase):
    """One subject's records, which must agree. The places of people say which there are (core/places)."""

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Read all records of the subject once, and yield what does not agree."""
        raise NotImplementedError

    def wrong(self, says: str, at: tuple[Any, ...], *mend: Action) -> Disagreement:
        """Return a disagreement that these actions mend, together."""
        return Disagreement(says, at, partial(write, self.book.items, mend))


class Consistency(UseCase):
    def __init__(self, book: Services) -> None:
        from chalicelib.services.consistency import gallery, visits

        super().__init__(book)
        checks: Mapping[Agrees, type[Subject]] = {
            Agrees.INDEX: gallery.GalleryRecords,
            Agrees.USERS: gallery.UserRecords,
            Agrees.NAMES: gallery.NameRecords,
            Agrees.PICTURES: gallery.PictureRecords,
            Agrees.VISITS: visits.VisitRecords,
            Agrees.CAPTURES: visits.CaptureRecords,
            Agrees.STATISTICS: visits.StatisticsRecords,
        }
        of_people = dict.fromkeys(place.agrees for place in PLACES if place.agrees)
        self._subjects: Mapping[str, Subject] = {
            **{one: checks[one](book) for one in of_people},
            "credentials, and the names of groups and cameras": gallery.PointerRecords(book),
        }

    def disagreements(self, tenant: str) -> list[Disagreement]:
        """Return what does not agree, and which subjects cannot be read. Raises TenantNotFound, Busy.

        A tenant may be served meanwhile. Records are read one after the other, so one look can see half of a change.
        Therefore only that is returned which two looks in a row found, at the same versions: nothing that was compared
        has changed between them.
        """
        return [one for name in self._subjects for one in self._readable(tenant, name)]

    def repair(self, tenant: str) -> tuple[list[Disagreement], list[Disagreement]]:
        """Mend what can be mended; return what was mended, and what is left.

        Nothing is mended that changed after it was read. Repairs of one record wait for each other: they are read anew.
        """
        tried: list[Disagreement] = []
        left = self.disagreements(tenant)
        for _ in range(ROUNDS):
            mended = [one for one in left if self._mended(one)]
            if not mended:
                break
            tried += mended
            left = self.disagreements(tenant)
        return [one for one in tried if one not in left], left

    def _mended(self, one: Disagreement) -> bool:
        if one.mend is None:
            return False
        try:
            one.mend()
        except (RegularsError, GalleryMoved) as error:
            _log.info("left as it is for now: %s", error)  # what it says may have a name
            return False
        return True

    def _readable(self, tenant: str, name: str) -> list[Disagreement]:
        """Settle a subject. One that lies on a damaged page does not stop the others."""
        try:
            return self._settled(tenant, self._subjects[name])
        except StorageUnavailable as error:
            return [Disagreement(f"{name}: not all of them can be read ({error})")]

    def _settled(self, tenant: str, subject: Subject) -> list[Disagreement]:
        before: list[Disagreement] = []
        same: list[Disagreement] = []
        for _ in range(LOOKS):
            found = list(subject.look(self.book.tenants.named(tenant)))
            same = [one for one in found if one in before]
            if len(same) == len(found):
                break
            before = found
        return same
