"""Somebody went back a version, and events wait of a kind that only the later one knows."""

import json

import pytest

from chalicelib.book.webhooks import OVERDUE
from chalicelib.storage import keys
from chalicelib.storage.ports import Put, Update, exists
from tests.support.hooks.hook_desk import TENANT, Desk, told
from tests.support.hooks.receiver import answers, receiving

LATER = "face.waved"


def leave_event_of_later_version(desk: Desk) -> str:
    """Write an event, and have its stored kind be one that nobody here knows; return its id."""
    event = desk.event()
    event_puts = desk.outbox.make_delivery_puts(TENANT, [event])
    desk.items.transact(event_puts)
    for put in event_puts:
        assert isinstance(put, Put)
        payload = json.dumps({**json.loads(put.item["payload"]), "type": LATER})
        place = (TENANT, put.item["id"])
        desk.items.transact(
            [
                Update(
                    keys.OUTBOX, place, (exists("there"),), set={"kind": LATER, "payload": payload}
                )
            ]
        )
    desk.outbox.send_messages(TENANT, event_puts)
    return event.id


def test_an_event_of_an_unknown_kind_is_parked_and_said_and_stops_no_other(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving(answers(200)) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        later, known = leave_event_of_later_version(desk), desk.event()
        desk.tell(known)
        desk.work()
        assert told(*receiver.heard) == [known.id]
    [parked] = desk.parked
    assert (parked.event_id, parked.kind, parked.attempts) == (later, LATER, 0)
    assert parked.last_error == (
        "events of 'face.waved' are of a later version: update the service, then send its "
        "deliveries again"
    )
    assert parked.last_error in caplog.text
    assert desk.pending == []


def test_the_sweep_announces_what_is_late_beside_an_unknown_kind(desk: Desk) -> None:
    with receiving(answers(200)) as receiver:
        desk.hooks.add(TENANT, receiver.url)
        leave_event_of_later_version(desk)
        known = desk.event()
        desk.commit(known)
        while messages := desk.queue.receive(10, 1):
            for message in messages:
                desk.queue.delete(message.receipt)
        desk.clock.advance(2 * OVERDUE)
        assert desk.outbox.announce_overdue(TENANT) == 2
        desk.work()
        assert told(*receiver.heard) == [known.id]


def test_an_unknown_kind_is_listed_sent_again_and_left_as_it_is(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, "https://shop.example/hook")
    later = leave_event_of_later_version(desk)
    desk.work()
    for _ in range(2):
        [listed] = desk.outbox.read_page(TENANT, hook.id, parked=True, limit=10).rows
        assert (listed.event_id, listed.kind, json.loads(listed.payload)["type"]) == (
            later,
            LATER,
            LATER,
        )
        assert desk.outbox.redeliver_hook(TENANT, hook.id) == 1
        desk.work()
    assert desk.outbox.forget_expired(TENANT) == 0


def test_a_mailbox_gives_an_unknown_kind_as_the_later_version_left_it(desk: Desk) -> None:
    hook, _ = desk.hooks.add(TENANT, None)
    later, known = leave_event_of_later_version(desk), desk.event()
    desk.tell(known)
    listed = desk.outbox.read_page(TENANT, hook.id, parked=False, limit=10).rows
    assert [(delivery.event_id, delivery.kind) for delivery in listed] == [
        (later, LATER),
        (known.id, known.kind),
    ]
