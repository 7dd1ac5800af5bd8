"""The demand of a pair decides and is told, in a search and in a comparison, from the first
enrolled face on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.model import MASK, Profile, Tenant
from chalicelib.domain.rules.decision import NO_ADDITION, MaskRule, OperatingPoint, Population
from chalicelib.domain.rules.templates import make_template, parse_vector
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.support.book.tenants import add_tenant
from tests.support.fakes import CURVE, RULES, FakeClock, FakeVision, Person, embedding_of, picture

ANN = 1
_KIND = [embedding_of(ANN) + 0.8 * embedding_of(500 + n) for n in range(12)]


class JudgingVision(FakeVision):
    """Vision with a population of whom some look like Ann."""

    population = Population(
        np.stack(
            [
                *(row / np.linalg.norm(row) for row in _KIND),
                *(embedding_of(600 + n) for n in range(60)),
            ]
        ),
        0.2,
    )


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    vision = JudgingVision()
    built = build(Settings(storage=tmp_path / "data"), clock=clock, vision=lambda: vision)
    yield built
    built.close()


@pytest.fixture
def tenant(services: Services) -> Tenant:
    tenant = add_tenant(services, "cloud", Profile.CLOUD)
    services.enrolment.enrol_largest_face(tenant, "regular", picture(Person(ANN, 100.0)), RULES)
    return tenant


@pytest.mark.parametrize("likeness", [0.5, 0.6, 0.7, 0.8, 0.9, 0.999])
def test_a_search_and_a_comparison_ask_for_the_demand_of_the_pair(
    services: Services, tenant: Tenant, likeness: float
) -> None:
    probe = picture(Person(ANN, 90.0, likeness=likeness))
    vision = services.ports.vision()
    rows = [
        vision.embed(image, vision.detect(image))[0]
        for image in (
            vision.read_picture(one, RULES) for one in (probe, picture(Person(ANN, 100.0)))
        )
    ]
    template = parse_vector(make_template("fake", rows[1]))
    demand = JudgingVision.population.compute_demand(rows[0], template)
    asked = OperatingPoint(CURVE).find_threshold(1, demand)
    found = services.recognition.face_analysis.search_by_picture(tenant, probe, RULES)
    compared = services.recognition.verification.compare_pictures(
        tenant, probe, picture(Person(ANN, 100.0)), RULES
    )
    score = float(rows[0].astype(np.float64) @ template.astype(np.float64))

    assert demand > 0.2
    assert compared.threshold == pytest.approx(asked)
    assert compared.match == (found.match is not None) == (score >= asked)
    if score >= OperatingPoint(CURVE).find_threshold(1):
        assert found.decision.threshold == pytest.approx(asked)


def test_who_resembles_nobody_is_found_below_the_usual_threshold(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The search leaves nobody out whom the demand of the pair lets in."""
    rare, usual = embedding_of(2), OperatingPoint(CURVE).find_threshold(1)
    assert usual == pytest.approx(OperatingPoint(CURVE).find_threshold(2))

    class Judging(FakeVision):
        population = Population(JudgingVision.population.rows, 0.3)

    demand = Judging.population.compute_demand(rare, rare)
    assert demand < -0.2
    built = build(Settings(storage=tmp_path / "rare"), clock=clock, vision=Judging)
    tenant = add_tenant(built, "cloud", Profile.CLOUD)
    built.enrolment.enrol_largest_face(tenant, "regular", picture(Person(2, 100.0)), RULES)
    matches = {}
    for likeness in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        found = built.recognition.face_analysis.search_by_picture(
            tenant, picture(Person(2, 90.0, likeness=likeness)), RULES
        )
        compared = built.recognition.verification.compare_pictures(
            tenant, picture(Person(2, 90.0, likeness=likeness)), picture(Person(2, 100.0)), RULES
        )
        assert compared.match == (found.match is not None)
        matches[likeness] = (found.match is not None, compared.threshold)
    built.close()
    assert any(match and threshold < usual for match, threshold in matches.values())


def test_a_mask_lowers_the_threshold_and_the_decision_names_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The search finds who is only found because of the mask."""
    usual, vision = OperatingPoint(CURVE).find_threshold(1), FakeVision()
    bare, probe = picture(Person(ANN, 100.0)), picture(Person(ANN, 90.0, likeness=0.55))
    images = [vision.read_picture(one, RULES) for one in (probe, bare)]
    masked_row, bare_row = (vision.embed(image, vision.detect(image))[0] for image in images)
    score, weights = float(masked_row @ bare_row), masked_row - bare_row
    lowered = ((0.0, score - usual - 0.01),)
    rule = MaskRule(
        np.append(weights, np.float32(0)), (1 - score) / 2, 0.0, 1.0, lowered, NO_ADDITION
    )

    class Masking(FakeVision):
        population = Population(np.zeros((0, len(bare_row)), np.float32), 0.0, mask_rule=rule)

    found = {}
    for kind in (FakeVision, Masking):
        built = build(Settings(storage=tmp_path / kind.__name__), clock=clock, vision=kind)
        tenant = add_tenant(built, "cloud", Profile.CLOUD)
        built.enrolment.enrol_largest_face(tenant, "regular", bare, RULES)
        found[kind] = built.recognition.face_analysis.search_by_picture(tenant, probe, RULES)
        built.close()
    assert score < usual
    assert (found[FakeVision].match, found[FakeVision].decision.condition) == (None, None)
    decision = found[Masking].decision
    assert found[Masking].match is not None
    assert (decision.condition, decision.threshold) == (MASK, pytest.approx(score - 0.01))
