"""A gallery that is enrolled into, searched cold and killed, and what is left of a template."""

import base64
from pathlib import Path
from typing import Any

from chalicelib.book.search.galleries import Galleries
from chalicelib.bootstrap import build
from chalicelib.domain.model import Template, Tenant
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from tests.support.fakes import (
    RULES,
    UNHURRIED,
    FakeClock,
    FakeVision,
    Person,
    embedding_of,
    picture,
)


def enrol(services: Services, tenant: Tenant, seeds: range) -> dict[int, str]:
    return {
        n: services.enrolment.enrol_largest_face(
            tenant, "regular", picture(Person(n)), RULES
        ).faceid
        for n in seeds
    }


def opened(folder: Path, clock: FakeClock) -> Services:
    return build(Settings(storage=folder, **UNHURRIED), clock=clock, vision=FakeVision)


def cold(services: Services, memory_bytes: int = 2**30) -> Galleries:
    return Galleries(services.requests._items, services.storage.blobs, memory_bytes)


def best(galleries: Galleries, tenant: Tenant, seed: int) -> tuple[str, int]:
    answer = galleries.search(tenant.name, SearchRequest("fake", embedding_of(seed)[None]))
    return answer.candidates[0][0].faceid, answer.gallery_size


def journal_length(services: Services, tenant: Tenant) -> int:
    return len(services.requests._items.query(keys.JOURNAL, tenant.name).items)


def traces(services: Services, template: Template) -> list[str]:
    """Files of the data folder that hold the template, as bytes or as base64."""
    files = [path for path in services.settings.storage.rglob("*") if path.is_file()]
    needles = (template.vector, base64.b64encode(template.vector))
    return [path.name for path in files if any(needle in path.read_bytes() for needle in needles)]


class StopsAt:
    """Storage that fails, as if the process were killed, at the `n`th change from now on; before,
    it does as asked."""

    def __init__(self, store: Any, changes: tuple[str, ...], left: list[int]) -> None:
        self._store = store
        self._changes = changes
        self._left = left

    def __getattr__(self, name: str) -> Any:
        if name in self._changes:
            if self._left[0] == 0:
                raise Killed(name)
            self._left[0] -= 1
        return getattr(self._store, name)


class Killed(Exception): ...
