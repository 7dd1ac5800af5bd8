"""Fixtures of a visitor book. A folder's conftest takes them from here."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.domain.model import Profile, PromotionSettings, Tenant
from chalicelib.services import Services
from tests.support.book.book import Book
from tests.support.book.recount_visits import disagreements_of_visits
from tests.support.book.tenants import add_tenant
from tests.support.fakes import FakeClock
from tests.support.hooks.hook_desk import Desk, stores


@pytest.fixture
def camera(services: Services) -> Tenant:
    return add_tenant(services, "camera", Profile.CAMERA)


@pytest.fixture
def cloud(services: Services) -> Tenant:
    return add_tenant(services, "cloud", Profile.CLOUD)


@pytest.fixture
def desk(tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
    with stores(tmp_path, clock) as (items, queue):
        yield Desk(items, queue, clock)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A visitor book of one camera, in a folder of its own."""
    with closing(Book(tmp_path / "data")) as book:
        yield book


@pytest.fixture
def agreeing(tmp_path: Path) -> Iterator[Book]:
    """A book whose strangers become regulars at their third arrival in a week; at the end it agrees
    with itself."""
    with closing(Book(tmp_path / "data")) as book:
        book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
        yield book
        assert disagreements_of_visits(book) == []
        assert book.disagreements() == []
