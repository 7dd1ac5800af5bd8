import json
from datetime import timedelta
from pathlib import Path

import pytest
from chalice.app import Chalice
from msgspec.structs import replace

from chalicelib.api import health
from chalicelib.api.readiness import DAMAGED, REMEMBERED
from chalicelib.book.vision.packs.packs import MissingModel
from chalicelib.bootstrap import build
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import FULL_BYTES, Disk
from tests.support.api.gateway import Reply, send
from tests.support.fakes import FakeClock, FakeVision

READY = {"ready": True, "pack": "fake-pack", "storage": "ok", "models": "ok", "gallery": "ok"}


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Services:
    return build(Settings(storage=tmp_path), clock=clock, vision=FakeVision)


@pytest.fixture
def stage(services: Services) -> Chalice:
    app = Chalice("health", configure_logs=False)
    app.register_blueprint(health.make_blueprint(lambda: services))
    return app


def get(stage: Chalice, path: str) -> Reply:
    return send(stage, path, method="GET", content_type=None)


def fails(error: Exception) -> object:
    class Failing:
        def __getattr__(self, _name: str) -> object:
            raise error

    return Failing()


def test_alive_is_said_without_a_key_and_without_the_services() -> None:
    import app

    reply = send(app.app, "/health", method="GET", content_type=None)
    assert (reply.status, reply.json) == (200, {"alive": True})


@pytest.mark.parametrize("tenants", [0, 1, 2])
def test_ready_is_said_with_the_name_of_the_pack(
    stage: Chalice, services: Services, tenants: int
) -> None:
    for number in range(tenants):
        services.tenants.add(f"shop-{number}", Profile.CAMERA)
    reply = get(stage, "/ready")
    assert (reply.status, reply.json) == (200, READY)


SECRET = "arn:aws:dynamodb:eu-central-1:111122223333:table/prod"


@pytest.mark.parametrize("error", [StorageUnavailable(SECRET), RuntimeError(SECRET)])
def test_storage_that_fails_is_missing_and_no_more_is_told(
    stage: Chalice, services: Services, error: Exception
) -> None:
    services.items = fails(error)  # type: ignore[assignment]
    reply = get(stage, "/ready")
    assert reply.status == 503
    assert reply.json == {
        "ready": False,
        "pack": None,
        "storage": "the storage does not answer",
        "models": None,
        "gallery": None,
    }
    assert "arn" not in reply.body
    assert reply.headers["retry-after"] == "5"


def test_a_full_disk_is_not_ready(stage: Chalice, services: Services) -> None:
    services.storage = replace(services.storage, disk=lambda: Disk(FULL_BYTES - 1, 10**12))
    reply = get(stage, "/ready")
    assert (reply.status, reply.json["storage"], reply.json["models"]) == (
        503,
        "the disk is full",
        None,
    )


def test_a_pack_that_is_not_complete_is_missing(stage: Chalice, services: Services) -> None:
    def absent(_model: str) -> FakeVision:
        raise MissingModel(f"/home/somebody has no {SECRET}")

    services.ports.vision = lambda: absent("")
    reply = get(stage, "/ready")
    assert (reply.status, reply.json["storage"], reply.json["gallery"]) == (503, "ok", None)
    assert "model pack is not complete" in reply.json["models"]
    assert "somebody" not in reply.body


def test_a_gallery_that_does_not_answer_is_missing(stage: Chalice, services: Services) -> None:
    services.tenants.add("shop", Profile.CAMERA)
    services.ports.search = fails(StorageUnavailable(SECRET))  # type: ignore[misc]
    reply = get(stage, "/ready")
    assert (reply.status, reply.json["models"], reply.json["pack"]) == (503, "ok", "fake-pack")
    assert reply.json["gallery"] == "the gallery does not answer"


def test_an_answer_is_given_again_for_some_seconds_and_then_looked_for_anew(
    stage: Chalice, services: Services, clock: FakeClock
) -> None:
    assert get(stage, "/ready").status == 200
    good, services.items = services.items, fails(StorageUnavailable(SECRET))  # type: ignore[assignment]
    clock.advance(REMEMBERED - timedelta(seconds=1))
    assert get(stage, "/ready").status == 200
    clock.advance(timedelta(seconds=2))
    assert get(stage, "/ready").status == 503
    services.items = good
    clock.advance(timedelta(seconds=-60))  # somebody set the clock back
    assert get(stage, "/ready").json == READY


def test_a_sweep_looks_for_damage_at_the_start_and_once_a_week_and_the_service_stays_ready(
    stage: Chalice, services: Services, clock: FakeClock
) -> None:
    found = [None, "Tree 4 page 5", None]
    services.storage = replace(services.storage, damage=lambda: found.pop(0))
    for days, left, damage in (
        (0, 2, None),
        (6, 2, None),
        (1, 1, DAMAGED),
        (6, 1, DAMAGED),
        (1, 0, None),
    ):
        clock.advance(timedelta(days=days))
        services.sweep.request_sweeps(clock.now())
        reply = get(stage, "/ready")
        assert (reply.status, reply.json.get("damage"), len(found)) == (200, damage, left)


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_other_methods_and_keys_change_nothing(stage: Chalice, path: str) -> None:
    assert send(stage, path, json.dumps({}).encode(), content_type="application/json").status == 405
    with_key = send(
        stage, path, method="GET", content_type=None, headers={"Authorization": "Bearer rk_nobody"}
    )
    assert with_key.status == 200
