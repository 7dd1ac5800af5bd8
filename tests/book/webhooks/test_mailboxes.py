import json
from datetime import timedelta

import pytest

from chalicelib.domain.errors import Conflict, HookNotFound, InvalidInput
from chalicelib.domain.events import EventKind
from tests.support.hooks.hook_desk import TENANT, Desk
from tests.support.hooks.receiver import answers, receiving

URL = "https://shop.example/hook"


def ids_in(desk: Desk, hook_id: str) -> list[str]:
    page = desk.outbox.read_page(TENANT, hook_id, parked=False, limit=100)
    return [one.event_id for one in page.rows]


def test_a_mailbox_keeps_the_events_that_pass_its_filters_and_nobody_is_told(desk: Desk) -> None:
    hook, secret = desk.hooks.add(TENANT, None, groups=["vip"])
    assert secret is None
    assert desk.hooks.get(TENANT, hook.id).is_mailbox
    one, other, passed_over = desk.event(), desk.event(), desk.event(group="staff")
    desk.tell(one, other, passed_over)
    assert ids_in(desk, hook.id) == [one.id, other.id]
    assert desk.work() == 0
    assert desk.pending == []
    desk.clock.advance(timedelta(hours=25))
    assert desk.outbox.announce_overdue(TENANT) == 0
    assert ids_in(desk, hook.id) == [one.id, other.id]


def test_an_event_goes_to_mailboxes_and_to_urls_alike(desk: Desk) -> None:
    with receiving(answers(200)) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        hook, _ = desk.hooks.add(TENANT, None)
        event = desk.event()
        desk.tell(event)
        desk.work()
        assert [json.loads(one.body)["id"] for one in receiver.heard] == [event.id]
    assert ids_in(desk, hook.id) == [event.id]


def test_events_in_a_mailbox_expire_after_thirty_days(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, None)
    desk.tell(desk.event())
    desk.clock.advance(timedelta(days=30) - timedelta(seconds=2))
    assert desk.outbox.forget_expired(TENANT) == 0
    desk.clock.advance(timedelta(seconds=3))
    assert desk.outbox.forget_expired(TENANT) == 1
    assert ids_in(desk, hook.id) == []


def test_a_deleted_mailbox_takes_its_events_along(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, None)
    desk.tell(desk.event())
    desk.hooks.delete(TENANT, hook.id)
    assert desk.mailed == []


def test_a_mailbox_has_no_secret_and_nothing_to_send_again(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, None)
    for refused in (desk.hooks.replace_secret, desk.outbox.redeliver_hook):
        with pytest.raises(Conflict, match="is a mailbox"):
            refused(TENANT, hook.id)


def test_a_hook_with_a_url_has_nothing_to_acknowledge(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, URL)
    with pytest.raises(Conflict, match="is no mailbox"):
        desk.outbox.acknowledge_deliveries(TENANT, hook.id, ["e1"])
    with pytest.raises(HookNotFound):
        desk.outbox.acknowledge_deliveries(TENANT, "1", ["e1"])


def test_a_mailbox_gets_no_url_and_a_hook_does_not_lose_its_own(desk: Desk) -> None:
    for before, after in ((None, URL), (URL, None)):
        hook, _ = desk.hooks.add(TENANT, before)
        with pytest.raises(InvalidInput, match="add another hook"):
            desk.hooks.change_hook(TENANT, hook.id, {"url": after})
        assert (
            desk.hooks.change_hook(TENANT, hook.id, {"url": before, "enabled": False}).url == before
        )


def test_a_tested_hook_gets_a_test_whatever_its_filters_are(desk: Desk) -> None:
    with receiving(answers(200)) as receiver:
        hook, _ = desk.hooks.add(
            TENANT, receiver.url, kinds=["group.full"], groups=["vip"], cameras=["door"]
        )
        desk.hooks.add(TENANT, receiver.url)
        event = desk.deliveries.send_test(TENANT, hook.id)
        desk.work()
        (heard,) = receiver.heard
        assert heard.headers["X-Regulars-Event"] == "test"
        body = json.loads(heard.body)
        assert (body["id"], body["type"], body["data"]) == (event.id, "test", {"hook": hook.id})


def test_a_test_lies_in_a_mailbox_too(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, None)
    assert ids_in(desk, hook.id) == [] != [desk.deliveries.send_test(TENANT, hook.id).id]
    assert [one.kind for one in desk.mailed] == [EventKind.TEST]
