import re
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.book.webhooks import MAX_ANNOUNCED, MAX_HOOKS
from chalicelib.domain.events import CHOSEN, GroupFull
from chalicelib.domain.model import Credentials
from chalicelib.domain.webhooks import FAILING_FROM, Event, Hindrance, Why
from chalicelib.qr_code import draw_code
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import Update, exists
from tests.support.api.v1.client import V1Client, document
from tests.support.fakes import photo

HOOKS = "/v1/hooks"
URL = "https://shop.example:8443/hook?shop=12"
ANY = {
    "url": URL,
    "events": None,
    "groups": None,
    "cameras": None,
    "enabled": True,
    "name": None,
    "passes_to": "",
}
TELLS_NOBODY = {
    "people": None,
    "way": None,
    "address": "",
    "template": "",
    "hours": "",
    "pause_s": 0,
    "picture": False,
}
HEALTHY = {"state": "ok", "failures": 0, "paused_until": None}


def add(v1: V1Client, **settings: Any) -> dict[str, Any]:
    return v1.done("POST", HOOKS, {"url": URL, **settings})


def happen(services: Services, tenant: str, count: int) -> None:
    """So many events that nobody announced."""
    outbox = services.webhooks.outbox
    for number in range(count):
        data, now = GroupFull(capacity=number), services.clock.now()
        event = Event(f"group.full-{number:04}", data, now, "vip")
        services.items.transact(outbox.make_delivery_puts(tenant, [event]))


def park(services: Services, tenant: str, hook_id: str) -> None:
    outbox = services.webhooks.outbox
    for one in services.webhooks.outbox.read_page(tenant, hook_id, parked=False, limit=1000).rows:
        why = Why(Hindrance.ANSWERED, "the receiver answered 500, not 200 to 299")
        outbox.park(replace(one, attempts=3), why)


def test_a_hook_needs_a_url_only_and_its_secret_is_shown_once(v1: V1Client) -> None:
    reply = v1.send("POST", HOOKS, {"url": URL})
    assert reply.status == 201
    hook = reply.json
    assert hook.pop("secret").startswith("whsec_")
    assert [hook.pop(name) for name in ("topic", "qr_path", "qr_size")] == [None] * 3
    expected = {
        **ANY,
        **TELLS_NOBODY,
        "id": hook["id"],
        "created_at": "2026-03-01T12:00:00.000Z",
        "health": HEALTHY,
    }
    assert hook == expected
    assert v1.done("GET", f"{HOOKS}/{hook['id']}") == expected
    assert v1.done("GET", HOOKS) == {"hooks": [expected]}


def test_everything_that_can_be_set_is_kept_and_changed_alone(door: V1Client) -> None:
    v1 = door
    for group in ("VIP", "staff"):
        v1.done("POST", "/v1/groups", {"name": group, "capacity": 9})
    filters = {
        "events": ["face.arrived", "group.full"],
        "groups": ["VIP"],
        "cameras": ["door"],
        "enabled": False,
    }
    hook = add(v1, **filters)
    assert hook["health"]["state"] == "disabled"
    path = f"{HOOKS}/{hook['id']}"
    assert filters.items() <= v1.done("GET", path).items()
    changes = (
        {"events": None},
        {"groups": ["staff"]},
        {"cameras": None},
        {"enabled": True},
        {"url": f"{URL}&x"},
    )
    for change in (
        *changes,
        {"name": "till"},
        {"name": None},
        {"passes_to": "broker.lan"},
        {"passes_to": ""},
    ):
        before = v1.done("GET", path)
        after = v1.done("PATCH", path, change)
        assert {name for name in ANY if before[name] != after[name]} == set(change)
        assert after == v1.done("GET", path)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"url": "https://127.0.0.1/"}, "not public"),
        ({"url": "https://shop.example:25/"}, "port"),
        ({"url": URL, "events": ["face.left"]}, "events are face.arrived, "),
    ],
)
def test_what_no_hook_can_be_is_refused(v1: V1Client, body: dict[str, Any], what: str) -> None:
    error = v1.failed(400, "POST", HOOKS, body)
    assert error["code"] == "InvalidInput"
    assert what in error["detail"]
    assert v1.done("GET", HOOKS) == {"hooks": []}


def test_deleted_hook_is_not_there_any_more(v1: V1Client) -> None:
    hook = add(v1)
    path = f"{HOOKS}/{hook['id']}"
    assert v1.send("DELETE", path).status == 204
    for method, at in (
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/secret"),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/redeliver"),
    ):
        body = {"enabled": True} if method == "PATCH" else None
        assert v1.failed(404, method, at, body)["code"] == "HookNotFound"


def test_what_waits_and_what_is_parked_are_listed(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    hook = add(v1)
    path = f"{HOOKS}/{hook['id']}/deliveries"
    happen(services, shop.tenant, 1)
    assert v1.done("GET", path) == {"deliveries": [], "next_token": None}
    (waiting,) = v1.done("GET", path, state="pending")["deliveries"]
    assert waiting == {
        "event": {
            "id": "group.full-0000",
            "type": "group.full",
            "at": "2026-03-01T12:00:00.000Z",
            "tenant": shop.tenant,
            "group": "vip",
            "camera": None,
            "data": {"capacity": 0},
        },
        "state": "pending",
        "attempts": 0,
        "created_at": "2026-03-01T12:00:00.000Z",
        "next_at": "2026-03-01T12:00:00.000Z",
        "parked_at": None,
        "last_error": "",
        "last_code": "",
    }
    park(services, shop.tenant, hook["id"])
    assert v1.done("GET", path, state="pending")["deliveries"] == []
    (parked,) = v1.done("GET", path)["deliveries"]
    assert parked == {
        **waiting,
        "state": "parked",
        "attempts": 3,
        "next_at": None,
        "parked_at": "2026-03-01T12:00:00.000Z",
        "last_error": "the receiver answered 500, not 200 to 299",
        "last_code": "answered",
    }


def test_a_mailbox_keeps_events_until_they_are_acknowledged(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    box = v1.done("POST", HOOKS, {"url": None, "events": ["group.full"]})
    assert (box["url"], box["secret"]) == (None, None)
    happen(services, shop.tenant, 3)
    path = f"{HOOKS}/{box['id']}"
    kept = v1.done("GET", f"{path}/deliveries", state="pending")["deliveries"]
    ids = [one["event"]["id"] for one in kept]
    assert ids == [f"group.full-{number:04}" for number in range(3)]
    assert [(one["state"], one["attempts"], one["next_at"], one["parked_at"]) for one in kept] == [
        ("pending", 0, None, None)
    ] * 3
    for _ in range(2):
        for wrong in ([], [ids[0], "e 1"], [""], ["x" * 201], ["\u00e9"], ids[:1] * 101):
            assert "ids" in v1.failed(400, "POST", f"{path}/ack", {"ids": wrong})["detail"]
        assert v1.done("POST", f"{path}/ack", {"ids": [ids[0], ids[2], ids[0]]}) == {
            "acknowledged": 2
        }
    left = v1.done("GET", f"{path}/deliveries", state="pending")["deliveries"]
    assert [one["event"]["id"] for one in left] == [ids[1]]
    assert v1.done("GET", f"{path}/deliveries")["deliveries"] == []


def test_a_mailbox_lists_an_event_of_a_later_version_beside_the_others(
    v1: V1Client, services: Services, shop: Credentials
) -> None:
    box = v1.done("POST", HOOKS, {"url": None})
    happen(services, shop.tenant, 2)
    place = (shop.tenant, keys.delivery(box["id"], "group.full-0000", keys.MAILBOX_PREFIX))
    stored = services.items.get(keys.OUTBOX, place)
    assert stored
    later = {
        "kind": "face.waved",
        "payload": stored["payload"].replace('group.full"', 'face.waved"'),
    }
    services.items.transact([Update(keys.OUTBOX, place, (exists("there"),), set=later)])
    listed = v1.done("GET", f"{HOOKS}/{box['id']}/deliveries", state="pending")["deliveries"]
    assert [one["event"]["type"] for one in listed] == ["face.waved", "group.full"]


def test_a_test_event_waits_to_be_sent_to_this_hook_alone(v1: V1Client) -> None:
    hook, other = add(v1, events=["group.full"]), add(v1)
    reply = v1.send("POST", f"{HOOKS}/{hook['id']}/test")
    assert reply.status == 202
    event = reply.json["event"]
    assert (event["type"], event["tenant"], event["data"]) == ("test", "shop", {"hook": hook["id"]})
    (waiting,) = v1.done("GET", f"{HOOKS}/{hook['id']}/deliveries", state="pending")["deliveries"]
    assert waiting["event"] == event
    assert v1.done("GET", f"{HOOKS}/{other['id']}/deliveries", state="pending")["deliveries"] == []
    v1.done("PATCH", f"{HOOKS}/{hook['id']}", {"enabled": False})
    assert "enable it" in v1.failed(409, "POST", f"{HOOKS}/{hook['id']}/test")["detail"]


def test_document_has_the_codes_bounds_and_words() -> None:
    schemas = document().all["components"]["schemas"]
    settings = schemas["NewHook"]["properties"]
    assert {settings[name]["anyOf"][0]["maxItems"] for name in ("events", "groups", "cameras")} == {
        100
    }
    assert settings["events"]["anyOf"][0]["items"]["enum"] == list(CHOSEN)
    assert (
        f"last {FAILING_FROM} deliveries"
        in schemas["HookHealth"]["properties"]["state"]["description"]
    )
    paths = document().all["paths"]
    assert schemas["Hooks"]["properties"]["hooks"]["maxItems"] == MAX_HOOKS
    assert f"Up to {MAX_ANNOUNCED} " in paths[f"{HOOKS}/{{id}}/redeliver"]["post"]["description"]


NTFY = {"way": "ntfy", "url": "https://ntfy.example/secret-topic", "token": "tk_secret"}
TELLS = {
    "url": None,
    "channel": NTFY,
    "events": ["face.arrived"],
    "template": "{who}",
    "hours": "09:00-18:00",
}
ANN = {"picture": photo(1), "group": "regular", "id": "456088349737713666"}


def test_a_hook_that_tells_people_shows_its_host_and_no_secret(v1: V1Client) -> None:
    v1.done("POST", "/v1/faces", ANN)
    made = v1.done("POST", HOOKS, {**TELLS, "pause_s": 60, "people": ["456088349737713666"]})
    assert made["secret"] is None
    code = draw_code(NTFY["url"])
    assert (made["topic"], made["qr_path"], made["qr_size"]) == (NTFY["url"], code.path, code.size)
    new = v1.done("POST", HOOKS, {**TELLS, "channel": {"way": "ntfy"}})["topic"]
    assert re.fullmatch(r"https://ntfy\.sh/regulars-[0-9a-f]{32}", new)
    path = f"{HOOKS}/{made['id']}"
    assert v1.failed(400, "PATCH", path, {"channel": {"way": "ntfy"}})["code"] == "InvalidInput"
    shown = v1.done("GET", f"{HOOKS}/{made['id']}")
    assert (shown["way"], shown["address"], shown["template"]) == ("ntfy", "ntfy.example", "{who}")
    assert (shown["hours"], shown["pause_s"], shown["people"]) == (
        "09:00-18:00",
        60,
        ["456088349737713666"],
    )
    slack = {"way": "slack", "url": "https://hooks.example/secret-topic"}
    after = v1.done(
        "PATCH", f"{HOOKS}/{made['id']}", {"channel": slack, "hours": "", "people": None}
    )
    assert (after["way"], after["hours"], after["people"]) == ("slack", "", None)
    assert "secret" not in str([shown, after, v1.done("GET", HOOKS)])
    assert v1.failed(409, "POST", f"{HOOKS}/{made['id']}/secret")["code"] == "Conflict"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"template": "{who} {colour}"}, "there are {who}, {guest}, {event}, {group}"),
        ({"url": URL}, "a url or a channel"),
        ({"channel": {**NTFY, "url": "http://127.0.0.1:6379/"}}, "not public"),
        ({"channel": {"way": "smoke", "url": URL}}, "way"),
        ({"channel": {"way": "mail", "to": "boss@shop.example"}}, "smtp_host"),
        ({"hours": "9 to 5"}, "hours"),
        ({"pause_s": -1}, "pause_s"),
    ],
)
def test_what_cannot_tell_people_is_refused(
    v1: V1Client, change: dict[str, Any], what: str
) -> None:
    error = v1.failed(400, "POST", HOOKS, {**TELLS, **change})
    assert what in error["detail"]
    assert v1.done("GET", HOOKS) == {"hooks": []}


def test_pictures_go_along_only_for_keys_that_see_them(v1: V1Client) -> None:
    made = v1.done("POST", "/v1/keys", {"name": "blind", "role": "admin", "pictures": False})
    blind = v1.with_key(made["api_key"])
    hook = v1.done("POST", HOOKS, {**TELLS, "picture": True})
    assert hook["picture"] is True
    for method, path in (("POST", HOOKS), ("PATCH", f"{HOOKS}/{hook['id']}")):
        body = {**(TELLS if method == "POST" else {}), "picture": True}
        assert blind.failed(403, method, path, body)["code"] == "NotAllowed"
    assert blind.done("PATCH", f"{HOOKS}/{hook['id']}", {"picture": False})["picture"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"channel": {**NTFY, "url": "https://ntfy.example/a-topic-of-mine"}},
        {"people": ["456088349737713666"]},
        {"groups": None},
        {"cameras": None},
        {"events": None, "template": "{who}"},
        {"hours": ""},
        {"pause_s": 0},
        {"enabled": True},
        {"enabled": False, "hours": ""},
    ],
)
def test_a_key_that_sees_no_pictures_changes_no_hook_that_sends_some(
    v1: V1Client, change: dict[str, Any]
) -> None:
    v1.done("POST", "/v1/faces", ANN)
    made = v1.done("POST", "/v1/keys", {"name": "blind", "role": "admin", "pictures": False})
    blind = v1.with_key(made["api_key"])
    hook = v1.done("POST", HOOKS, {**TELLS, "picture": True, "enabled": False})
    path = f"{HOOKS}/{hook['id']}"
    assert "sees no pictures" in blind.failed(403, "PATCH", path, change)["detail"]
    assert {**hook, **v1.done("GET", path)} == hook
    assert blind.done("PATCH", path, {"enabled": False})["enabled"] is False
    after = blind.done("PATCH", path, {**change, "picture": False})
    assert after["picture"] is False
    assert blind.done("PATCH", path, {**change, "enabled": True})["enabled"] is True


def test_the_push_key_stays_the_same(v1: V1Client) -> None:
    key = v1.done("GET", "/v1/push-key")["key"]
    assert v1.done("GET", "/v1/push-key")["key"] == key


def test_the_page_that_asks_for_the_push_key_says_where_the_shop_is(
    v1: V1Client, services: Services
) -> None:
    """Apple's push service takes no push of a sender whom nobody can ask."""
    for scheme, host in (("https", "a1b2.execute-api.eu-west-1.amazonaws.com"), ("http", "[")):
        headers = {"X-Forwarded-Proto": scheme, "Host": host}
        assert v1.send("GET", "/v1/push-key", headers=headers).status == 200
    item = services.items.get(keys.HOOKS, keys.push_key("shop"))
    assert item is not None
    assert item["origin"] == "https://a1b2.execute-api.eu-west-1.amazonaws.com"
