"""How like two faces are is said by their score, and by how like the third ones are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.model import Face, Labels, Profile, Tenant
from chalicelib.domain.rules.decision import OperatingPoint, Population
from chalicelib.domain.rules.templates import parse_vector, reduce_templates
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.book.tenants import add_tenant
from tests.support.fakes import CURVE, RULES, FakeClock, FakeVision, Person, embedding_of, picture

ANN = 1_000
CROWD = 210


class JudgingVision(FakeVision):
    population = Population(np.stack([embedding_of(5_000 + n) for n in range(300)]), 0.2)


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    vision = JudgingVision()
    built = build(Settings(storage=tmp_path / "data"), clock=clock, vision=lambda: vision)
    yield built
    built.close()


@pytest.fixture
def tenant(services: Services) -> Tenant:
    tenant = add_tenant(services, "cloud", Profile.CLOUD)
    for first in range(0, CROWD, 35):
        crowd = picture(*(Person(n, 100.0 + n) for n in range(first, first + 35)))
        services.enrolment.everybody.enrol_all_in_picture(tenant, "regular", crowd, RULES, Labels())
    for name in ("one", "other"):
        services.groups.create(tenant, name, None, "")
    return tenant


def score(one: Face, other: Face) -> float:
    """The score of two faces, less their demand."""
    [own], [theirs] = (map(parse_vector, reduce_templates(face.templates)) for face in (one, other))
    return float(own @ theirs) - JudgingVision.population.compute_demand(own, theirs)


def test_a_pair_leads_if_its_score_counts_for_more_than_all_third_faces(
    services: Services, tenant: Tenant
) -> None:
    point = OperatingPoint(CURVE)
    for likeness in (0.62, 0.7):
        one, other = (
            services.enrolment.enrol_largest_face(
                tenant, group, picture(Person(ANN, side, likeness=likeness)), RULES
            )
            for group, side in (("one", 90.0), ("other", 95.0))
        )
        third = [
            face
            for page in (1, 2, 3)
            for face in services.faces.read_page(tenant, "regular", page, 100).faces
        ]
        assert len(third) == CROWD
        found = score(one, other)
        next_best = max(score(face, each) for face in (one, other) for each in third)
        leads = found > next_best and found >= point.threshold_of_leader(CROWD + 2, next_best)
        said = [
            pair.has_lead
            for pair in services.joining.find_pairs(tenant, [one])
            if pair.other.faceid == other.faceid
        ]
        assert said == [leads] if leads else not any(said)
        services.deletion.delete_faces(tenant, [one.faceid, other.faceid])
