"""From a few hundred faces on, what a score means hangs on how much the probe looks like anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.bootstrap import build
from chalicelib.core.cohorts import COHORT, SMALLEST_COHORT_GALLERY
from chalicelib.core.decision import OperatingPoint
from chalicelib.core.model import Profile, Tenant
from chalicelib.core.search import SearchRequest
from chalicelib.core.templates import canonical, vector
from chalicelib.services import Services
from chalicelib.settings import Settings
from tests.fakes import FakeClock, Person, picture
from tests.services.conftest import RULES, add_tenant
from tests.services.crowd import NORMALISED, CalibratedVision, enrol_crowd


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    vision = CalibratedVision()
    built = build(Settings(storage=tmp_path / "data"), clock=clock, vision=lambda: vision)
    yield built
    built.close()


@pytest.fixture
def tenant(services: Services) -> Tenant:
    tenant = add_tenant(services, "cloud", Profile.CLOUD)
    enrol_crowd(services, tenant)
    return tenant


def embedded(services: Services, shown: bytes) -> NDArray[np.float32]:
    vision = services.ports.vision()
    image = vision.read(shown, RULES)
    return vision.embed(image, vision.detect(image))


def test_a_match_carries_what_it_hung_on(services: Services, tenant: Tenant) -> None:
    point = OperatingPoint(NORMALISED)
    kinds = set()
    for likeness in np.linspace(0.4, 0.95, 12):
        probe = picture(Person(7, 90.0, likeness=float(likeness)))
        found = services.identify.by_picture(tenant, probe, RULES)
        size = found.decision.gallery_size
        assert size >= SMALLEST_COHORT_GALLERY
        request = SearchRequest("fake", embedded(services, probe), limit=41)
        (near,) = services.search.search(tenant.name, request).candidates
        best = near[0]
        kind = "open" if point.open_ones([near], size) else "sure" if best.score >= point.ceiling(size) else "nobody"
        kinds.add(kind)
        cohort = point.cohort(best.score, [one.score for one in near], size) if kind == "open" else ()
        template = vector(canonical("fake", embedded(services, picture(Person(7, 107.0)))[0]))[None]
        (alike,) = services.search.search(tenant.name, SearchRequest("fake", template, limit=41)).candidates
        of_candidate = point.candidates_cohort([one.score for one in alike], size)
        assert len(of_candidate) == COHORT
        if kind == "sure":
            assert found.decision.threshold == point.ceiling(size)
        else:
            assert found.decision.threshold == point.threshold(size, cohort, of_candidate)
        assert (found.match is not None) == (best.score >= found.decision.threshold)
        if found.match is not None:
            assert found.match.decision == found.decision
            assert found.decision.score == best.score
            assert found.decision.false_match_probability is not None
            assert 0 < found.decision.false_match_probability <= 0.003 * 1.001
        else:
            assert (found.decision.score, found.decision.false_match_probability) == (None, None)
    assert kinds == {"open", "sure", "nobody"}
