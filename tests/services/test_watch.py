from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from chalicelib.core import keys
from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.model import Profile, Tenant
from chalicelib.core.ports import Action
from chalicelib.core.records.webhooks import delivery_from
from chalicelib.core.webhooks import Delivery, Event, EventKind
from chalicelib.services import Services
from chalicelib.services.captures.camera_settings import CameraSettings
from chalicelib.services.watch import Watch
from chalicelib.services.webhooks.outbox import Outbox
from tests.fakes import FakeClock
from tests.services.conftest import add_tenant

QUARTER = timedelta(minutes=15)
URL = "https://shop.example/hook"


def pending(services: Services, tenant: Tenant) -> list[Delivery]:
    low, high = keys.PENDING
    found = services.watch._items.query(keys.OUTBOX, tenant.name, low=low, high=high)
    return [delivery_from(item) for item in found.items]


def add_camera(services: Services, tenant: Tenant, id_: str = "door", silent_after_s: int | None = 900) -> None:
    services.cameras.add(tenant, id_, f"the {id_}", CameraSettings(silent_after_s=silent_after_s))


def watch(services: Services, requeue_lost: Callable[[Tenant], object]) -> Watch:
    ready = services.watch
    return Watch(
        ready._items, ready._tenants, ready._cameras, ready._outbox, requeue_lost, ready._cut_off, services.clock
    )


def test_silent_camera_is_told_once(services: Services, cloud: Tenant, clock: FakeClock) -> None:
    hook, _ = services.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(timedelta(minutes=5))
    services.cameras.seen(cloud, services.cameras.get(cloud, "door"), clock.now())
    clock.advance(QUARTER - timedelta(seconds=1))
    services.watch.run()
    assert pending(services, cloud) == []
    clock.advance(timedelta(seconds=1))
    for _ in range(3):
        services.watch.run()
    (told,) = pending(services, cloud)
    assert (told.hook_id, told.kind) == (hook.id, EventKind.CAMERA_SILENT)
    assert json.loads(told.payload) == {
        "id": told.event_id,
        "type": "camera.silent",
        "at": "2026-03-01T12:20:00.000Z",
        "tenant": "cloud",
        "group": None,
        "camera": "door",
        "data": {"name": "the door", "last_seen_at": "2026-03-01T12:05:00.000Z", "silent_after_s": 900},
    }
    assert services.cameras.get(cloud, "door").silent_since == clock.now()
    (message,) = services.deliveries_queue.receive(10, 30)
    assert json.loads(message.body)["id"] == keys.delivery(hook.id, told.event_id)


def test_camera_that_was_heard_again_may_fall_silent_again(services: Services, cloud: Tenant, clock: FakeClock) -> None:
    services.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    for _ in range(2):
        clock.advance(QUARTER)
        services.watch.run()
        services.cameras.seen(cloud, services.cameras.get(cloud, "door"), clock.now())
        assert services.cameras.get(cloud, "door").silent_since is None
    assert len({told.event_id for told in pending(services, cloud)}) == 2


def test_camera_that_never_came_is_silent_too(services: Services, cloud: Tenant, clock: FakeClock) -> None:
    services.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(QUARTER)
    services.watch.run()
    (told,) = pending(services, cloud)
    assert json.loads(told.payload)["data"]["last_seen_at"] is None


@pytest.mark.parametrize("why", ["no limit", "disabled camera", "disabled tenant"])
def test_camera_may_be_silent(services: Services, cloud: Tenant, clock: FakeClock, why: str) -> None:
    services.hooks.add(cloud.name, URL)
    add_camera(services, cloud, silent_after_s=None if why == "no limit" else 900)
    if why == "disabled camera":
        services.cameras.change(cloud, "door", {"enabled": False})
    if why == "disabled tenant":
        services.tenants.disable(cloud.name)
    clock.advance(timedelta(days=3))
    services.watch.run()
    assert pending(services, cloud) == []


def test_camera_that_is_heard_while_its_silence_is_told_is_not_silent(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(QUARTER)

    class HeardMeanwhile(Outbox):
        def actions(self, tenant: str, events: Sequence[Event]) -> list[Action]:
            services.cameras.seen(cloud, services.cameras.get(cloud, "door"), clock.now())
            return super().actions(tenant, events)

    ready = services.watch
    outbox = HeardMeanwhile(ready._items, services.hooks, services.deliveries_queue, clock)
    Watch(ready._items, ready._tenants, ready._cameras, outbox, ready._requeue_lost, ready._cut_off, clock).run()
    assert pending(services, cloud) == []
    assert services.cameras.get(cloud, "door").silent_since is None


def test_silence_that_another_tells_meanwhile_is_not_told_again(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(QUARTER)
    told_at = clock.now()

    class ToldMeanwhile(Outbox):
        def actions(self, tenant: str, events: Sequence[Event]) -> list[Action]:
            services.watch.run()
            clock.advance(timedelta(seconds=1))
            return super().actions(tenant, events)

    ready = services.watch
    outbox = ToldMeanwhile(ready._items, services.hooks, services.deliveries_queue, clock)
    Watch(ready._items, ready._tenants, ready._cameras, outbox, ready._requeue_lost, ready._cut_off, clock).run()
    assert [one.created_at for one in pending(services, cloud)] == [told_at]
    assert services.cameras.get(cloud, "door").silent_since == told_at


def test_silence_is_noted_where_no_hook_wants_it(services: Services, cloud: Tenant, clock: FakeClock) -> None:
    services.hooks.add(cloud.name, URL, ["face.arrived"])
    add_camera(services, cloud)
    clock.advance(QUARTER)
    services.watch.run()
    assert pending(services, cloud) == []
    assert services.cameras.get(cloud, "door").silent_since == clock.now()


def test_what_is_overdue_in_the_outbox_is_announced(services: Services, cloud: Tenant, clock: FakeClock) -> None:
    services.hooks.add(cloud.name, URL)
    event = Event("group.full-1", EventKind.GROUP_FULL, clock.now(), "vip")
    services.watch._items.transact(services.watch._outbox.actions(cloud.name, [event]))
    services.watch.run()
    assert services.deliveries_queue.receive(10, 30) == []
    clock.advance(timedelta(seconds=61))
    services.watch.run()
    assert len(services.deliveries_queue.receive(10, 30)) == 1


def test_chore_that_fails_holds_up_no_other_and_no_other_tenant(services: Services, clock: FakeClock) -> None:
    """Captures come between cameras and outbox; the first tenant's fail in our words, the second's in nobody's."""
    tenants = [add_tenant(services, name, Profile.CLOUD) for name in ("one", "other", "third")]
    for tenant in tenants:
        services.hooks.add(tenant.name, URL)
        add_camera(services, tenant)
        event = Event("group.full-1", EventKind.GROUP_FULL, clock.now(), "vip")
        services.watch._items.transact(services.watch._outbox.actions(tenant.name, [event]))
    asked: list[str] = []

    def requeue_lost(tenant: Tenant) -> None:
        asked.append(tenant.name)
        if tenant.name == "one":
            raise StorageUnavailable("storage did not answer: try again")
        if tenant.name == "other":
            raise KeyError("a fault of ours")

    clock.advance(QUARTER)
    watch(services, requeue_lost).run()
    assert asked == ["one", "other", "third"]
    assert all(services.cameras.get(tenant, "door").silent_since for tenant in tenants)
    assert len(services.deliveries_queue.receive(10, 30)) == 3 + 3
