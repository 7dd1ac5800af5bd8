"""All checks of what a tenant stores, also while the tenant is served, and the repairs of what they find."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Protocol

from chalicelib.core.errors import RegularsError
from chalicelib.core.model import Tenant
from chalicelib.services.commit.gallery import GalleryMoved
from chalicelib.services.consistency.disagreement import Disagreement
from chalicelib.services.tenants.accounts import Tenants

LOOKS = 5
"""How often a subject is looked at, at most, until two looks in a row find the same."""

ROUNDS = 5
"""How often a repair looks again at most."""

_log = logging.getLogger(__name__)


class Subject(Protocol):
    """One subject's records, which must agree."""

    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        """Read all records of the subject once, and yield what does not agree."""


class Consistency:
    def __init__(self, tenants: Tenants, subjects: Sequence[Subject]) -> None:
        self._tenants = tenants
        self._subjects = subjects

    def disagreements(self, tenant: str) -> list[Disagreement]:
        """Return what does not agree. Raises TenantNotFound, Busy, StorageUnavailable.

        A tenant may be served meanwhile. Records are read one after the other, so one look can see half of a change.
        Therefore only that is returned which two looks in a row found, at the same versions: nothing that was compared
        has changed between them.
        """
        return [one for subject in self._subjects for one in self._settled(tenant, subject)]

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
            _log.info("left as it is for now: %s: %s", one.says, error)
            return False
        return True

    def _settled(self, tenant: str, subject: Subject) -> list[Disagreement]:
        before: list[Disagreement] = []
        same: list[Disagreement] = []
        for _ in range(LOOKS):
            found = list(subject.look(self._tenants.named(tenant)))
            same = [one for one in found if one in before]
            if len(same) == len(found):
                break
            before = found
        return same
