import json
from collections.abc import Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import telemetry
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.redrive import Redrive
from chalicelib.book.webhooks import Outbox
from chalicelib.domain.captures import MOST_OUTAGES
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.events import EventKind, GroupFull
from chalicelib.domain.model import Profile, Tenant
from chalicelib.domain.webhooks import Delivery, Event, delivery_from
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Action
from chalicelib.sweep import Watch, choose_first_tenant
from chalicelib.telemetry import FAILURES_UNAVAILABLE, FAILURES_UNEXPECTED, SWEEP_AGE
from tests.support.book.book_with import book_with
from tests.support.book.tenants import add_tenant
from tests.support.fakes import FakeClock

QUARTER = timedelta(minutes=15)
URL = "https://shop.example/hook"


def pending(services: Services, tenant: Tenant) -> list[Delivery]:
    low, high = keys.PENDING
    found = services.items.query(keys.OUTBOX, tenant.name, low=low, high=high)
    return [delivery_from(item) for item in found.items]


def add_camera(
    services: Services, tenant: Tenant, id_: str = "door", silent_after_s: int | None = 900
) -> None:
    services.cameras.add(tenant, id_, f"the {id_}", CameraSettings(silent_after_s=silent_after_s))


def test_silent_camera_is_told_once(
    services: Services, cloud: Tenant, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    hook, _ = services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(timedelta(minutes=5))
    services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "door"), None)
    clock.advance(QUARTER - timedelta(seconds=1))
    services.watch.run()
    assert pending(services, cloud) == []
    clock.advance(timedelta(seconds=1))
    for _ in range(3):
        services.watch.run()
    silent = (
        "camera door of tenant cloud fell silent: nothing came from it since "
        "2026-03-01T12:05:00.000Z"
    )
    assert caplog.messages == [silent]
    (told,) = pending(services, cloud)
    assert (told.hook_id, told.kind) == (hook.id, EventKind.CAMERA_SILENT)
    assert json.loads(told.payload) == {
        "id": told.event_id,
        "type": "camera.silent",
        "at": "2026-03-01T12:20:00.000Z",
        "tenant": "cloud",
        "group": None,
        "camera": "door",
        "data": {
            "name": "the door",
            "last_seen_at": "2026-03-01T12:05:00.000Z",
            "state": "silent",
            "silent_after_s": 900,
            "error": None,
            "trouble": "silent",
        },
    }
    assert services.cameras.get(cloud, "door").silent_since == clock.now()
    (message,) = services.ports.storage.deliveries_queue.receive(10, 30)
    assert json.loads(message.body)["id"] == keys.delivery(hook.id, told.event_id)


def test_the_age_of_the_oldest_sweep_is_reported(services: Services, clock: FakeClock) -> None:
    first = add_tenant(services, "first", Profile.CAMERA)
    clock.advance(timedelta(hours=2))
    second = add_tenant(services, "second", Profile.CAMERA)

    def oldest() -> float:
        with telemetry.begin_invocation("watch", "r") as this:
            services.watch.run()
        return this.measured[SWEEP_AGE]

    assert oldest() == 2 * 3600
    services.sweep.sweep_tenant(first, clock.now())
    assert oldest() == 0
    clock.advance(timedelta(hours=1))
    services.sweep.sweep_tenant(second, clock.now())
    assert oldest() == 3600


def test_a_watch_whose_time_always_runs_out_looks_at_all_tenants_in_turn(
    services: Services, clock: FakeClock
) -> None:
    tenants = [add_tenant(services, f"shop-{number}", Profile.CLOUD) for number in range(5)]
    for tenant in tenants:
        add_camera(services, tenant)
    clock.advance(QUARTER)
    for _ in range(6):
        left = iter([300.0, 200.0, 30.0])
        services.watch.run(partial(next, left))
        clock.advance(timedelta(minutes=5))
    assert all(services.cameras.get(tenant, "door").silent_since for tenant in tenants)


@given(st.integers(1, 2_000), st.datetimes(timezones=st.just(UTC)))
def test_runs_that_reach_a_third_of_the_tenants_leave_none_out_for_an_hour(
    count: int, now: datetime
) -> None:
    reached = {
        (choose_first_tenant(count, now + timedelta(minutes=5 * run)) + place) % count
        for run in range(12)
        for place in range(-(-count // 3))
    }
    assert len(reached) == count


def test_camera_that_was_heard_again_may_fall_silent_again(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    heard = [clock.now()]
    for _ in range(MOST_OUTAGES + 2):
        clock.advance(QUARTER)
        services.watch.run()
        heard.append(clock.now())
        if len(heard) % 2:  # a picture, of a camera that sent a heartbeat within the day
            services.cameras.note_last_seen(cloud, services.cameras.get(cloud, "door"), clock.now())
        else:
            services.cameras.note_heartbeat(cloud, services.cameras.get(cloud, "door"), None)
        assert services.cameras.get(cloud, "door").silent_since is None
    assert len({told.event_id for told in pending(services, cloud)}) == MOST_OUTAGES + 2
    outages = services.cameras.get(cloud, "door").outages
    assert outages == tuple(pairwise(heard))[-MOST_OUTAGES:], "and its last silences are kept"


@pytest.mark.parametrize("why", ["no limit", "disabled camera", "disabled tenant"])
def test_camera_may_be_silent(
    services: Services, cloud: Tenant, clock: FakeClock, why: str
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud, silent_after_s=None if why == "no limit" else 900)
    if why == "disabled camera":
        services.cameras.change(cloud, "door", {"enabled": False})
    if why == "disabled tenant":
        services.tenants.disable(cloud.name)
    clock.advance(timedelta(days=3))
    services.watch.run()
    assert pending(services, cloud) == []


def _telling_by(services: Services, outbox: Outbox) -> Watch:
    webhooks = copy(services.webhooks)
    webhooks.outbox = outbox
    return book_with(services, webhooks=webhooks).watch


def test_camera_that_is_heard_while_its_silence_is_told_is_not_silent(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(QUARTER)

    class HeardMeanwhile(Outbox):
        def make_delivery_puts(self, tenant: str, events: Sequence[Event]) -> list[Action]:
            services.cameras.note_last_seen(cloud, services.cameras.get(cloud, "door"), clock.now())
            return super().make_delivery_puts(tenant, events)

    outbox = HeardMeanwhile(services)
    _telling_by(services, outbox).run()
    assert pending(services, cloud) == []
    assert services.cameras.get(cloud, "door").silent_since is None


def test_silence_that_another_tells_meanwhile_is_not_told_again(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    clock.advance(QUARTER)
    told_at = clock.now()

    class ToldMeanwhile(Outbox):
        def make_delivery_puts(self, tenant: str, events: Sequence[Event]) -> list[Action]:
            services.watch.run()
            clock.advance(timedelta(seconds=1))
            return super().make_delivery_puts(tenant, events)

    outbox = ToldMeanwhile(services)
    _telling_by(services, outbox).run()
    assert [one.created_at for one in pending(services, cloud)] == [told_at]
    assert services.cameras.get(cloud, "door").silent_since == told_at


def test_what_is_told_of_a_silent_camera_says_why(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    add_camera(services, cloud)
    services.cameras.note_heartbeat(
        cloud, services.cameras.get(cloud, "door"), {"error": "no route to it"}, is_working=False
    )
    clock.advance(QUARTER)
    services.watch.run()
    (told,) = pending(services, cloud)
    assert json.loads(told.payload)["data"]["error"] == "no route to it"


def test_silence_is_noted_where_no_hook_wants_it(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL, kinds=["face.arrived"])
    add_camera(services, cloud)
    clock.advance(QUARTER)
    services.watch.run()
    assert pending(services, cloud) == []
    assert services.cameras.get(cloud, "door").silent_since == clock.now()


def test_what_is_overdue_in_the_outbox_is_announced(
    services: Services, cloud: Tenant, clock: FakeClock
) -> None:
    services.webhooks.hooks.add(cloud.name, URL)
    event = Event("group.full-1", GroupFull(capacity=7), clock.now(), "vip")
    services.items.transact(services.webhooks.outbox.make_delivery_puts(cloud.name, [event]))
    services.watch.run()
    assert services.ports.storage.deliveries_queue.receive(10, 30) == []
    clock.advance(timedelta(seconds=61))
    services.watch.run()
    assert len(services.ports.storage.deliveries_queue.receive(10, 30)) == 1


def test_job_that_fails_holds_up_no_other_and_no_other_tenant(
    services: Services, clock: FakeClock
) -> None:
    """Captures come between cameras and outbox; the first tenant's fail in our words, the second's
    in nobody's."""
    tenants = [add_tenant(services, name, Profile.CLOUD) for name in ("one", "other", "third")]
    for tenant in tenants:
        services.webhooks.hooks.add(tenant.name, URL)
        add_camera(services, tenant)
        event = Event("group.full-1", GroupFull(capacity=7), clock.now(), "vip")
        services.items.transact(services.webhooks.outbox.make_delivery_puts(tenant.name, [event]))
    asked: list[str] = []

    class Failing(Redrive):
        def watch_recent(self, tenant: Tenant, captured_in: timedelta) -> None:
            asked.append(tenant.name)
            if tenant.name == "one":
                raise StorageUnavailable("storage did not answer: try again")
            if tenant.name == "other":
                raise KeyError("a fault of ours")
            super().watch_recent(tenant, captured_in)

    clock.advance(QUARTER)
    with telemetry.begin_invocation("watch", "r") as this:
        services.captures.redrive = Failing(**vars(services.captures.redrive))
        services.watch.run()
    assert (this.measured[FAILURES_UNAVAILABLE], this.measured[FAILURES_UNEXPECTED]) == (1, 1)
    assert sorted(asked) == ["one", "other", "third"]
    assert all(services.cameras.get(tenant, "door").silent_since for tenant in tenants)
    assert len(services.ports.storage.deliveries_queue.receive(10, 30)) == 3 + 3
