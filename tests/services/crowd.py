"""A gallery that is large enough for cohorts."""

from __future__ import annotations

from chalicelib.core.cohorts import SMALLEST_COHORT_GALLERY
from chalicelib.core.decision import ImpostorCurve
from chalicelib.core.model import Labels, Tenant
from chalicelib.services import Services
from tests.fakes import CURVE, FakeVision, Person, picture
from tests.services.conftest import RULES

CROWD = SMALLEST_COHORT_GALLERY + 10
NORMALISED = ImpostorCurve(CURVE.points, CURVE.tail_above, CURVE.tail_fmr, CURVE.tail_rate, CURVE)


class CalibratedVision(FakeVision):
    impostor_curve = NORMALISED


def enrol_crowd(services: Services, tenant: Tenant) -> None:
    """Enrol so many people as regulars: persons 0 to CROWD - 1."""
    for first in range(0, CROWD, 35):
        crowd = picture(*(Person(n, 100.0 + n) for n in range(first, first + 35)))
        services.group_enrolment.all_in_picture(tenant, "regular", crowd, RULES, Labels())
