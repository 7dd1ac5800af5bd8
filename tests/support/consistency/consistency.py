"""The check that everything stored of a tenant is consistent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.support.consistency.captures import CaptureRecords
from tests.support.consistency.findings import Subject
from tests.support.consistency.gallery import GalleryRecords
from tests.support.consistency.pictures import PictureRecords
from tests.support.consistency.pointers import NameRecords, PointerRecords
from tests.support.consistency.statistics import StatisticsRecords
from tests.support.consistency.users import UserRecords
from tests.support.consistency.visits import VisitRecords

if TYPE_CHECKING:
    from chalicelib.services import Services

CHECKS: Mapping[str, tuple[type[Subject], tuple[str, ...]]] = {
    "faces and index": (GalleryRecords, ("faces", "journal", "snapshots")),
    "users": (UserRecords, ("face_sets",)),
    "names": (NameRecords, ("names", "holds")),
    "pictures": (PictureRecords, ("face pictures",)),
    "visits": (VisitRecords, ("arrivals", "negatives", "merges")),
    "captures": (CaptureRecords, ("captures", "capture pictures")),
    "statistics": (StatisticsRecords, ("observations", "sealed days")),
    "credentials, and the names of groups and cameras": (PointerRecords, ()),
}
"""The kinds of records that are compared, with the places of people that they are."""


def list_disagreements(services: Services, name: str) -> list[str]:
    """Return a sentence for each two stored things of a tenant that do not agree.

    Nobody may change the book meanwhile. Raises TenantNotFound, Busy.
    """
    tenant = services.tenants.get_by_name(name)
    return [
        says
        for subject, _ in CHECKS.values()
        for says in subject(services).find_disagreements(tenant)
    ]
