"""A shop that changes from one model to another."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from chalicelib.book.model_change import ReembeddingOutcome
from chalicelib.bootstrap import build
from chalicelib.domain.errors import WrongModel
from chalicelib.domain.model import Profile, Tenant
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Storage
from tests.support.book.tenants import add_tenant
from tests.support.fakes import RULES, FakeClock, FakeVision, OtherVision, Person, picture

OLD, NEW = FakeVision(), OtherVision()

T = TypeVar("T")


def open_folder(
    folder: Path, clock: FakeClock, wrap: Callable[[Storage], Storage] = lambda storage: storage
) -> Services:
    """A process of its own over a data folder, that has both models; `wrap` may put something
    around its storage."""
    visions, settings = {OLD.model: OLD, NEW.model: NEW}, Settings(storage=folder)
    storage = wrap(open_storage(settings, clock))
    return build(
        settings, clock=clock, vision=lambda: OLD, vision_of=visions.__getitem__, storage=storage
    )


@pytest.fixture
def shop(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    services = open_folder(tmp_path / "shop", clock)
    yield services
    services.close()


@pytest.fixture
def tenant(shop: Services) -> Tenant:
    return add_tenant(shop, "cloud", Profile.CLOUD)


def requested(services: Services, tenant: Tenant, use_case: Callable[[Tenant], T]) -> T:
    """As a request has it done: for the tenant as it is now, and once more if its model changes
    meanwhile."""
    try:
        return use_case(services.tenants.get_by_name(tenant.name))
    except WrongModel:
        return use_case(services.tenants.get_by_name(tenant.name))


def enrol(services: Services, tenant: Tenant, *seeds: int) -> dict[int, str]:
    def one(tenant: Tenant, seed: int) -> str:
        return services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(seed)), RULES
        ).faceid

    return {seed: requested(services, tenant, partial(one, seed=seed)) for seed in seeds}


def found(services: Services, tenant: Tenant, seed: int) -> str | None:
    sent = picture(Person(seed, side_px=90))
    match = requested(
        services,
        tenant,
        lambda now: services.recognition.face_analysis.search_by_picture(now, sent, RULES),
    ).match
    return match.face.faceid if match else None


def change(
    services: Services, tenant: Tenant, on_progress: Callable[[int, int], None] = lambda *_: None
) -> ReembeddingOutcome:
    return services.reembedding.change_model(tenant.name, OLD, NEW, on_progress)
