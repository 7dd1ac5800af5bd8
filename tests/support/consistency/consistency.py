"""All checks of a tenant, also while it is served, and the repairs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from chalicelib.book.commit import GalleryMoved
from chalicelib.domain.errors import RegularsError, StorageUnavailable
from chalicelib.service import Service
from tests.support.consistency.captures import CaptureRecords
from tests.support.consistency.findings import Disagreement, Subject
from tests.support.consistency.gallery import GalleryRecords
from tests.support.consistency.pictures import PictureRecords
from tests.support.consistency.pointers import NameRecords, PointerRecords
from tests.support.consistency.statistics import StatisticsRecords
from tests.support.consistency.users import UserRecords
from tests.support.consistency.visits import VisitRecords

if TYPE_CHECKING:
    from chalicelib.services import Services


MAX_LOOKS = 5
"""How often a subject is looked at, at most, until two looks in a row find the same."""

MAX_ROUNDS = 5
"""How often a repair looks again at most."""

CHECKS: Mapping[str, tuple[type[Subject], tuple[str, ...]]] = {
    "faces and index": (GalleryRecords, ("faces", "journal", "snapshots")),
    "users": (UserRecords, ("users",)),
    "names": (NameRecords, ("names", "holds")),
    "pictures": (PictureRecords, ("face pictures",)),
    "visits": (VisitRecords, ("arrivals", "negatives", "merges")),
    "captures": (CaptureRecords, ("captures", "capture pictures")),
    "statistics": (StatisticsRecords, ("observations", "sealed days")),
    "credentials, and the names of groups and cameras": (PointerRecords, ()),
}
"""The kinds of records that are compared, with the places of people that they are."""

_log = logging.getLogger(__name__)


class Consistency(Service["Services"]):
    def __init__(self, services: Services) -> None:
        """Name the kinds of records that are compared, in their order."""
        super().__init__(services)
        self._subjects: Mapping[str, Subject] = {
            name: subject(services) for name, (subject, _) in CHECKS.items()
        }

    def list_disagreements(self, tenant: str) -> list[Disagreement]:
        """Return the findings, and the subjects that cannot be read. Raises TenantNotFound, Busy.

        A tenant may be served meanwhile. Records are read one after the other, so one look can see
        half of a change. Therefore only that is returned which two looks in a row found, at the
        same versions: nothing that was compared has changed between them.
        """
        return [finding for name in self._subjects for finding in self._list_readable(tenant, name)]

    def repair(self, tenant: str) -> tuple[list[Disagreement], list[Disagreement]]:
        """Mend what can be mended; return the findings that were mended, and those that are left.

        Nothing is mended that changed after it was read. Repairs of one record wait for each other:
        they are read anew.
        """
        mended_findings: list[Disagreement] = []
        open_findings = self.list_disagreements(tenant)
        for _ in range(MAX_ROUNDS):
            mended_now = [finding for finding in open_findings if self._mend_disagreement(finding)]
            if not mended_now:
                break
            mended_findings += mended_now
            open_findings = self.list_disagreements(tenant)
        is_open = _make_membership(open_findings)
        return [finding for finding in mended_findings if not is_open(finding)], open_findings

    def _mend_disagreement(self, finding: Disagreement) -> bool:
        """Tell whether a finding could be mended now."""
        if finding.mend is None:
            return False
        try:
            finding.mend()
        except (RegularsError, GalleryMoved) as error:
            # not the finding itself, which may have a person's name
            _log.info("left as it is for now: %s", error)
            return False
        return True

    def _list_readable(self, tenant: str, name: str) -> list[Disagreement]:
        """Return the findings of a subject.

        One that lies on a damaged page does not stop the others.
        """
        try:
            return self._list_lasting(tenant, self._subjects[name])
        except StorageUnavailable as error:
            return [Disagreement(f"{name}: not all of them can be read ({error})")]

    def _list_lasting(self, tenant: str, subject: Subject) -> list[Disagreement]:
        """Return what two looks in a row find, after as many looks as it takes, up to MAX_LOOKS."""
        former_findings: list[Disagreement] = []
        lasting: list[Disagreement] = []
        for _ in range(MAX_LOOKS):
            findings = list(subject.find_disagreements(self.services.tenants.get_by_name(tenant)))
            lasting = [*filter(_make_membership(former_findings), findings)]
            if len(lasting) == len(findings):
                break
            former_findings = findings
        return lasting


def _make_membership(findings: Iterable[Disagreement]) -> Callable[[Disagreement], bool]:
    """Return what tells whether a finding is one of these.

    It compares those of one text alone: after a loss of files there are tens of thousands, and
    their versions may have no hash.
    """
    by_text = defaultdict[str, list[Disagreement]](list)
    for finding in findings:
        by_text[finding.says].append(finding)
    return lambda finding: finding in by_text.get(finding.says, ())
