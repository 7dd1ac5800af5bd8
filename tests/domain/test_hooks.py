import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.events import EventKind
from chalicelib.domain.webhooks import (
    Delivery,
    Event,
    Hook,
    delivery_from,
    delivery_item,
    delivery_key,
    hook_fields,
    hook_from,
    hook_item,
    make_signature,
    write_payload,
)
from chalicelib.storage.keys import (
    DELIVERY_PREFIXES,
    EXPIRING,
    HOOK_ADDITIONS,
    HOOK_IDS,
    PENDING,
    deliveries_range,
    delivery,
    parts_of_delivery,
)
from chalicelib.storage.values import milliseconds, moment, time_text
from tests.support.hooks.events import make_data

AT = datetime(2026, 11, 20, 10, 22, 40, 123000, tzinfo=UTC)

names = st.sampled_from(["vip", "staff", "stranger"])
cameras = st.sampled_from(["door", "till", "yard"])
kinds = st.sampled_from(list(EventKind))
events = st.builds(
    Event,
    id=st.just("e1"),
    data=kinds.map(make_data),
    at=st.just(AT),
    group=st.none() | names,
    camera=st.none() | cameras,
)
moments = st.integers(1_600_000_000_000, 4_000_000_000_000).map(moment)
hooks = st.builds(
    Hook,
    id=st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True),
    url=st.none() | st.just("https://shop.example/hook"),
    created_at=moments,
    sealed_secret=st.binary(min_size=1, max_size=50),
    kinds=st.none() | st.lists(kinds, min_size=1, max_size=3, unique=True).map(tuple),
    groups=st.none() | st.lists(names, min_size=1, max_size=3, unique=True).map(tuple),
    cameras=st.none() | st.lists(cameras, min_size=1, max_size=3, unique=True).map(tuple),
    enabled=st.booleans(),
    failures=st.integers(0, 100),
    paused_until=st.none() | moments,
    version=st.integers(1, 1000),
)
deliveries = (
    st.builds(
        Delivery,
        tenant=st.just("shop"),
        hook_id=st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True),
        event_id=st.from_regex(r"[!-~]{1,200}", fullmatch=True),
        kind=kinds,
        payload=st.text(),
        created_at=moments,
        next_at=moments,
        attempts=st.integers(0, 1000),
        last_error=st.text(),
        last_code=st.text(),
        parked=st.booleans(),
    )
    | st.builds(
        Delivery,
        tenant=st.just("shop"),
        hook_id=st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True),
        event_id=st.from_regex(r"[!-~]{1,200}", fullmatch=True),
        kind=kinds,
        payload=st.text(),
        created_at=moments,
        next_at=moments,
        on_phone=st.just(True),
    )
    | st.builds(
        Delivery,
        tenant=st.just("shop"),
        hook_id=st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True),
        event_id=st.from_regex(r"[!-~]{1,200}", fullmatch=True),
        kind=kinds,
        payload=st.text(),
        created_at=moments,
        next_at=moments,
        in_mailbox=st.just(value=True),
    )
)


@given(hooks, events)
def test_hook_takes_what_each_of_its_filters_takes(hook: Hook, event: Event) -> None:
    filters = [(hook.kinds, event.kind), (hook.groups, event.group), (hook.cameras, event.camera)]
    refused = [value for allowed, value in filters if allowed is not None and value not in allowed]
    assert hook.lets_pass(event) == (hook.enabled and not refused)


@given(hooks, events)
def test_a_narrower_filter_never_takes_more(hook: Hook, event: Event) -> None:
    wide = Hook("1", hook.url, AT, b"s")
    assert wide.lets_pass(event)
    for name in ("kinds", "groups", "cameras"):
        narrow = Hook("1", hook.url, AT, b"s", **{name: getattr(hook, name)})
        assert narrow.lets_pass(event) or not hook.lets_pass(event)


def test_filter_of_groups_takes_no_event_that_has_no_group() -> None:
    silent = Event("e1", make_data(EventKind.CAMERA_SILENT), AT, camera="door")
    assert not Hook("1", "https://shop.example/", AT, b"s", groups=("vip",)).lets_pass(silent)
    assert Hook("1", "https://shop.example/", AT, b"s", cameras=("door",)).lets_pass(silent)


@given(hooks)
def test_hook_is_read_as_it_was_written(hook: Hook) -> None:
    item = {**hook_item("shop", hook), "failures": hook.failures}
    if hook.paused_until is not None:
        item["paused_until"] = milliseconds(hook.paused_until)
    assert hook_from(item) == hook
    assert set(hook_fields(hook)) < set(item)


def test_secret_is_not_shown_where_a_hook_is_printed() -> None:
    assert "sealed" not in repr(Hook("1", "https://shop.example/", AT, b"sealed"))


@given(deliveries)
def test_delivery_is_read_as_it_was_written(one: Delivery) -> None:
    item = delivery_item(one)
    assert delivery_from(item) == one
    assert (item["tenant"], item["id"]) == delivery_key(one)


@given(deliveries)
def test_delivery_stands_where_its_state_and_its_hook_are_looked_for(one: Delivery) -> None:
    _, id_ = delivery_key(one)
    expires = one.parked or one.in_mailbox or one.on_phone
    pending_low, pending_high = PENDING
    low, high = EXPIRING
    assert (pending_low <= id_ <= pending_high) == (not expires)
    assert (low <= id_ <= high) == expires
    for prefix in DELIVERY_PREFIXES:
        low, high = deliveries_range(one.hook_id, prefix)
        assert (low <= id_ <= high) == (prefix == parts_of_delivery(id_)[0])
        other_low, other_high = deliveries_range(one.hook_id + "0", prefix)
        assert not other_low <= id_ <= other_high


@given(deliveries)
def test_delivery_is_named_by_its_hook_and_its_event(one: Delivery) -> None:
    for prefix in DELIVERY_PREFIXES:
        assert parts_of_delivery(delivery(one.hook_id, one.event_id, prefix)) == (
            prefix,
            one.hook_id,
            one.event_id,
        )


def test_counter_of_hooks_is_no_hook() -> None:
    low, high = HOOK_IDS
    assert not low <= HOOK_ADDITIONS <= high


@pytest.mark.parametrize("event_id", ["", "two words", "line\nbreak", "\u4eba", "x" * 201])
def test_event_id_that_cannot_stand_in_a_header_is_refused(event_id: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        delivery_item(Delivery("shop", "1", event_id, EventKind.FACE_ARRIVED, "{}", AT, AT))


@given(st.text(min_size=1), moments, st.binary())
def test_signature_is_what_a_receiver_computes(secret: str, at: datetime, body: bytes) -> None:
    parts = dict(part.split("=") for part in make_signature(secret, at, body).split(","))
    signed = parts["t"].encode() + b"." + body
    assert parts["v1"] == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert 0 <= at.timestamp() - int(parts["t"]) < 1


def test_payload_says_what_happened() -> None:
    data = make_data(EventKind.FACE_ARRIVED, faceid="7", score=0.812345, name="\u4eba")
    event = Event("face.arrived-1", data, AT, "vip", "door")
    assert json.loads(write_payload("shop", event)) == {
        "id": "face.arrived-1",
        "type": "face.arrived",
        "at": "2026-11-20T10:22:40.123Z",
        "tenant": "shop",
        "group": "vip",
        "camera": "door",
        "data": data.write(),
    }


def test_payload_is_json_that_every_reader_takes() -> None:
    data = make_data(EventKind.FACE_ARRIVED, score=float("nan"))
    with pytest.raises(ValueError, match="JSON compliant"):
        write_payload("shop", Event("e1", data, AT))


def test_times_are_told_in_utc() -> None:
    assert time_text(AT.astimezone(timezone(timedelta(hours=8)))) == "2026-11-20T10:22:40.123Z"
