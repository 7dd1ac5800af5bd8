import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.auth import passwords
from chalicelib.auth.rate_limits import Rates
from chalicelib.domain.errors import TooManyRequests, WrongCredentials
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.values import time_text
from tests.support.api.devices import BY_HTTPS, PRESENT, Device, asked, invitation_of, sign_in
from tests.support.api.gateway import Reply
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, Person, photo, picture

KINDS = ("member", "session", "challenge")
MEMBERS, SESSION, CHALLENGE = "/v1/members", "/v1/session", "/v1/session/challenge"
WORDS = "four words that fit"
TOO_LONG = "w" * 201
"""For a password: a wrong one whose hash takes no fifth of a second."""


@pytest.fixture
def slow(services: Services) -> list[float]:
    """What tells the time of limits as they are, not as the tests' other services have them."""
    now = [0.0]
    services.access.__dict__["rates"] = Rates(100, 10, lambda: now[0])
    return now


@pytest.fixture
def invitation(v1: V1Client) -> str:
    return invited(v1)


def invited(v1: V1Client, name: str = "Maria", **said: Any) -> str:
    return invitation_of(v1.done("POST", MEMBERS, {"name": name, "role": "operator", **said}))


def accepted(browser: V1Client, invitation: str, device: Device | None = None) -> Device:
    device = device or Device()
    reply = entered(browser, invitation, device)
    assert reply.status == 201, reply
    return device


def entered(browser: V1Client, invitation: str, device: Device | None = None) -> Reply:
    """Begin a session by a new passkey, which takes a thousandth of the time of a password."""
    return sign_in(
        browser,
        {
            "invitation": invitation,
            "passkey": (device or Device()).make(asked(browser, invitation)),
        },
    )


def with_cookie(
    browser: V1Client, reply: Reply, method: str = "GET", path: str = SESSION, body: Any = None
) -> Reply:
    cookie = reply.headers["set-cookie"].partition(";")[0]
    headers = {
        "Cookie": cookie,
        **({} if method == "GET" else {"Sec-Fetch-Site": "same-origin"}),
        **BY_HTTPS,
    }
    return browser.send(method, path, body, headers=headers)


def test_somebody_is_invited_by_a_link_and_a_code_to_photograph(v1: V1Client) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria", "role": "operator"})
    assert re.fullmatch(
        r"http://box\.example:8080/api/console#invitation=shop\.\d+\.[\w-]{43}", member["url"]
    )
    assert member["invited_until"] == "2026-03-08T12:00:00.000Z"
    assert re.match(r"M4 4h1v1h-1zM5 4h1v1h-1z", member["qr_path"])
    assert member["qr_size"] > 40
    [listed] = v1.done("GET", MEMBERS)["members"]
    assert {**listed, **member} == member, "the list has no link"
    assert (listed["name"], listed["role"], listed["has_password"], listed["passkeys"]) == (
        "Maria",
        "operator",
        False,
        [],
    )


def test_a_link_says_who_it_is_for_and_makes_a_passkey_that_signs_in(
    v1: V1Client, browser: V1Client, invitation: str
) -> None:
    v1.done("PATCH", "/v1/settings", {"display_name": "Ann's corner"})
    question = asked(browser, invitation)
    whom = {
        "tenant": "shop",
        "display_name": "Ann's corner",
        "name": "Maria",
        "role": "operator",
        "screen": False,
        "page": None,
    }
    assert question["invited"] == whom
    device = accepted(browser, invitation)
    reply = sign_in(browser, {"passkey": device.sign(asked(browser)), "keep": True})
    assert (reply.status, reply.json["key"], reply.json["role"], reply.json["tenant"]) == (
        201,
        "Maria",
        "operator",
        "shop",
    )
    assert reply.json["expires_at"] == "2026-03-31T12:00:00.000Z"
    assert "Max-Age=2592000;" in reply.headers["set-cookie"]
    assert with_cookie(browser, reply).json == reply.json


def test_a_link_sets_a_password_that_signs_in_by_name_however_it_is_written(
    browser: V1Client, invitation: str
) -> None:
    assert sign_in(browser, {"invitation": invitation, "password": WORDS}).status == 201
    reply = sign_in(browser, {"name": "MARIA", "password": WORDS})
    assert (reply.status, reply.json["expires_at"]) == (201, "2026-03-02T00:00:00.000Z")
    assert sign_in(browser, {"name": "Maria", "password": "another that does not"}).status == 401


def test_of_several_shops_the_sign_in_names_one(
    browser: V1Client, services: Services, invitation: str
) -> None:
    """A new box has two, and people in one: there, nothing is asked."""
    services.tenants.add("other", Profile.CLOUD)
    sign_in(browser, {"invitation": invitation, "password": WORDS})
    body = {"name": "Maria", "password": WORDS}
    assert sign_in(browser, body).status == 201
    services.tenants.add("third", Profile.CLOUD)
    assert sign_in(browser, body).status == 400
    assert sign_in(browser, {**body, "tenant": "shop"}).status == 201
    assert [sign_in(browser, {**body, "tenant": one}).status for one in ("other", "nowhere")] == [
        401,
        401,
    ]


@pytest.mark.parametrize("password", ["short", "maria shop 1", "aaaaaaaaaaaaaaa", "x" * 201])
def test_a_poor_password_is_refused_and_the_link_stays_good(
    browser: V1Client, invitation: str, password: str
) -> None:
    assert sign_in(browser, {"invitation": invitation, "password": password}).status == 400
    assert sign_in(browser, {"invitation": invitation, "password": WORDS}).status == 201


def test_a_link_is_good_once(browser: V1Client, invitation: str) -> None:
    sign_in(browser, {"invitation": invitation, "password": WORDS})
    assert (
        sign_in(browser, {"invitation": invitation, "password": "somebody else's words"}).status
        == 401
    )
    assert sign_in(browser, {"name": "Maria", "password": WORDS}).status == 201


def test_a_link_is_good_for_seven_days(
    browser: V1Client, clock: FakeClock, invitation: str
) -> None:
    clock.advance(timedelta(days=7))
    reply = sign_in(browser, {"invitation": invitation, "password": WORDS})
    assert (reply.status, "ask for a new one" in reply.json["detail"]) == (401, True)


def test_a_new_link_ends_the_one_before_and_a_new_password_the_sessions(
    v1: V1Client, browser: V1Client
) -> None:
    first = v1.done("POST", MEMBERS, {"name": "Maria"})
    session = sign_in(browser, {"invitation": invitation_of(first), "password": WORDS})
    second, third = (
        invitation_of(v1.done("POST", f"{MEMBERS}/{first['id']}/invitation")) for _ in range(2)
    )
    assert sign_in(browser, {"invitation": second, "password": WORDS}).status == 401
    assert with_cookie(browser, session).status == 200
    assert (
        sign_in(browser, {"invitation": third, "password": "other words than those"}).status == 201
    )
    assert with_cookie(browser, session).status == 401
    assert sign_in(browser, {"name": "Maria", "password": WORDS}).status == 401


def test_whom_one_removes_is_signed_out_at_once(v1: V1Client, browser: V1Client) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria"})
    session = sign_in(browser, {"invitation": invitation_of(member), "password": WORDS})
    v1.done("DELETE", f"{MEMBERS}/{member['id']}")
    assert with_cookie(browser, session).status == 401
    assert sign_in(browser, {"name": "Maria", "password": WORDS}).status == 401
    assert v1.failed(404, "DELETE", f"{MEMBERS}/{member['id']}")["code"] == "MemberNotFound"


def test_a_removed_passkey_signs_in_no_more_and_ends_the_sessions(
    v1: V1Client, browser: V1Client
) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria"})
    device = accepted(browser, invitation_of(member))
    session = sign_in(browser, {"passkey": device.sign(asked(browser))})
    [passkey] = v1.done("GET", MEMBERS)["members"][0]["passkeys"]
    assert passkey["host"] == "box.example"
    v1.done_without_body("DELETE", f"{MEMBERS}/{member['id']}/passkeys/{passkey['id']}")
    assert with_cookie(browser, session).status == 401
    assert sign_in(browser, {"passkey": device.sign(asked(browser))}).status == 401
    assert (
        v1.failed(404, "DELETE", f"{MEMBERS}/{member['id']}/passkeys/x")["code"]
        == "PasskeyNotFound"
    )


def test_a_changed_role_holds_from_the_next_request_on(v1: V1Client, browser: V1Client) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria", "role": "admin"})
    session = entered(browser, invitation_of(member))
    assert with_cookie(browser, session, path="/v1/keys").status == 200
    v1.done("PATCH", f"{MEMBERS}/{member['id']}", {"role": "viewer"})
    assert with_cookie(browser, session, path="/v1/keys").status == 403


def test_a_screen_on_the_wall_needs_its_link_alone_and_stays(
    v1: V1Client, browser: V1Client, clock: FakeClock
) -> None:
    link = invited(v1, "Counter", role="viewer", screen=True)
    assert sign_in(browser, {"invitation": link, "password": WORDS}).status == 400
    session = sign_in(browser, {"invitation": link})
    assert (session.json["screen"], session.json["expires_at"], session.json["role"]) == (
        True,
        None,
        "viewer",
    )
    clock.advance(timedelta(days=800))
    again = with_cookie(browser, session)
    assert again.status == 200
    assert again.headers["set-cookie"] == session.headers["set-cookie"], (
        "browsers forget it after 400 days"
    )
    assert "Max-Age=34560000;" in again.headers["set-cookie"]


def test_a_screen_on_the_wall_is_a_viewers(v1: V1Client) -> None:
    screen = v1.done("POST", MEMBERS, {"name": "Counter", "screen": True})
    assert (
        v1.failed(400, "POST", MEMBERS, {"name": "Door", "role": "admin", "screen": True})["code"]
        == "InvalidInput"
    )
    assert (
        v1.failed(400, "PATCH", f"{MEMBERS}/{screen['id']}", {"role": "admin"})["code"]
        == "InvalidInput"
    )


def test_a_screen_shows_the_page_that_was_chosen_and_the_audit_says_which(
    v1: V1Client, browser: V1Client
) -> None:
    link = invited(v1, "Boss", role="viewer", screen=True, page="report")
    [boss] = v1.done("GET", MEMBERS)["members"]
    asked = browser.done("POST", "/v1/session/challenge", {"invitation": link})["invited"]
    session = sign_in(browser, {"invitation": link}).json
    assert [one["page"] for one in (boss, asked, session)] == ["report"] * 3
    assert v1.done("POST", MEMBERS, {"name": "Counter", "screen": True})["page"] == "visits"
    assert v1.done("POST", MEMBERS, {"name": "Maria"})["page"] is None
    assert "screen" in v1.failed(400, "POST", MEMBERS, {"name": "Ben", "page": "report"})["detail"]
    entries = v1.done("GET", "/v1/audit", what="POST /v1/members")["entries"]
    assert {one["details"].get("page") for one in entries} >= {"report", "visits"}


OF_FIGURES = ("report", "traffic")
CROPS = "captures/{id}/crops/{n}"
READ = {
    "report": {"session", "statistics"},
    "traffic": {"session", "statistics", "cameras"},
    "counter": {"session", "statistics", "arrivals", "groups", CROPS},
    "visits": {
        "session",
        "statistics",
        "arrivals",
        "groups",
        "observations",
        "cameras",
        "places",
        "usual",
        CROPS,
    },
}


@pytest.mark.parametrize("page", READ)
def test_a_screen_reads_what_its_page_needs_and_nothing_else(
    v1: V1Client, browser: V1Client, page: str
) -> None:
    session = sign_in(
        browser, {"invitation": invited(v1, "Boss", role="viewer", screen=True, page=page)}
    )
    refused = {}
    for one in (one for one in OPERATIONS if one.role is not None and one.path != SESSION):
        reply = with_cookie(browser, session, one.method, re.sub(r"{\w+}", "7", one.path), None)
        if reply.status == 403 and f"the page {page} alone" in reply.json["detail"]:
            refused[f"{one.method} {one.path}"] = reply.json["code"]
    needed = {f"GET /v1/{one}" for one in READ[page] - {"session"}}
    others = {
        f"{one.method} {one.path}"
        for one in OPERATIONS
        if one.role is not None and one.path != SESSION
    }
    assert refused == dict.fromkeys(others - needed, "NotAllowed")
    assert with_cookie(browser, session).status == 200
    assert with_cookie(browser, session, "DELETE").status == 204


def test_a_screen_reads_who_came_today_and_no_note_but_the_one_for_the_counter(
    v1: V1Client, browser: V1Client, services: Services
) -> None:
    v1.add_camera("door")
    known = {"group": "regular", "name": "Ann Lee", "note": "owes 20", "counter_note": "tea"}
    face = v1.done("POST", "/v1/faces", {**known, "picture": photo(71)})["id"]
    for minutes_ago in (1440, 5):
        v1.take(services, picture(Person(71)), minutes_ago)
    session = sign_in(
        browser, {"invitation": invited(v1, "Till", role="viewer", screen=True, page="visits")}
    )

    def read(path: str, **query: str) -> Reply:
        cookie = session.headers["set-cookie"].partition(";")[0]
        return browser.send("GET", path, query=query, headers={"Cookie": cookie, **BY_HTTPS})

    now = services.clock.now()
    today, yesterday = ({"from": time_text(now - timedelta(hours=hours))} for hours in (1, 30))
    reply = read("/v1/arrivals")
    [came] = reply.json["arrivals"]
    assert (came["face"], came["counter_note"], came["before"]) == (face, "tea", None)
    assert "owes 20" not in json.dumps(reply.json)
    assert read("/v1/observations", kind="sighting", **today).status == 200
    for path, query in (
        ("/v1/arrivals", yesterday),
        ("/v1/arrivals", {"face": face}),
        ("/v1/observations", {"kind": "sighting", **yesterday}),
        ("/v1/observations", {"kind": "sighting"}),
        ("/v1/observations", today),
        (f"/v1/faces/{face}", {}),
        (f"/v1/faces/{face}/sightings", {}),
    ):
        assert read(path, **query).status == 403, (path, query)
    rows = v1.done("GET", "/v1/arrivals", **yesterday)["arrivals"]
    crops = [urlsplit(one["crop_url"]) for one in rows]
    assert [
        read(one.path.removeprefix("/api"), **dict(parse_qsl(one.query))).status for one in crops
    ] == [302, 403]


@pytest.mark.parametrize("page", OF_FIGURES)
def test_a_link_to_read_figures_sees_no_pictures_whatever_is_asked(v1: V1Client, page: str) -> None:
    made = v1.done(
        "POST", MEMBERS, {"name": "Boss", "screen": True, "page": page, "pictures": True}
    )
    assert made["pictures"] is False
    assert v1.done("PATCH", f"{MEMBERS}/{made['id']}", {"pictures": True})["pictures"] is False
    assert v1.done("POST", MEMBERS, {"name": "Counter", "screen": True})["pictures"] is True


def test_two_people_have_two_names(v1: V1Client) -> None:
    v1.done("POST", MEMBERS, {"name": "Maria"})
    other = v1.done("POST", MEMBERS, {"name": "Ben"})
    assert v1.failed(409, "POST", MEMBERS, {"name": "maria"})["code"] == "MemberExists"
    assert (
        v1.failed(409, "PATCH", f"{MEMBERS}/{other['id']}", {"name": "MARIA"})["code"]
        == "MemberExists"
    )
    assert v1.done("PATCH", f"{MEMBERS}/{other['id']}", {"name": "BEN"})["name"] == "BEN"


def test_the_audit_names_the_person(v1: V1Client, browser: V1Client) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria", "role": "admin"})
    session = entered(browser, invitation_of(member))
    with_cookie(browser, session, "PATCH", "/v1/settings", {"min_age": 5})
    said = f"Maria (manager), member {member['id']}"
    entries = v1.done("GET", "/v1/audit")["entries"]
    assert {(one["what"], one["by"]) for one in entries if one["by"] != "sign-in"} == {
        ("POST /v1/members", "key first"),
        ("people read", "key first"),
        ("PATCH /v1/settings", said),
    }
    assert [one["details"]["member"] for one in entries if one["by"] == "sign-in"] == [said]


def test_storage_holds_no_secret_of_anybody_and_forgets_what_is_over(
    v1: V1Client, browser: V1Client, services: Services, clock: FakeClock
) -> None:
    waits = invited(v1, "Eva")
    screen = v1.done("POST", MEMBERS, {"name": "Counter", "screen": True})
    ended = sign_in(browser, {"invitation": invited(v1), "password": WORDS})
    endless = sign_in(browser, {"invitation": invitation_of(screen)})
    question = asked(browser)["challenge"]
    tokens = [
        one.headers["set-cookie"].partition(";")[0].partition("=")[2] for one in (ended, endless)
    ]
    items = [item for kind in KINDS for item in walk_items(services.items, keys.TENANTS, kind)]
    text = json.dumps(items, default=repr)
    assert not [one for one in (waits.split(".")[2], WORDS, question, *tokens) if one in text]
    clock.advance(timedelta(hours=12))
    assert services.access.sessions.forget_expired("shop") == 1, (
        "a session: no challenge was answered"
    )
    v1.done("DELETE", f"{MEMBERS}/{screen['id']}")
    assert services.access.sessions.forget_expired("shop") == 1, "that of the screen"


# --- what an attacker tries
# -------------------------------------------------------------------------------------------


def test_an_answer_that_is_sent_twice_signs_in_once(browser: V1Client, invitation: str) -> None:
    device = accepted(browser, invitation)
    answer = device.sign(asked(browser))
    assert [sign_in(browser, {"passkey": answer}).status for _ in range(2)] == [201, 401]


def test_challenges_that_nobody_answers_cost_nothing_and_wrong_answers_count(
    browser: V1Client, invitation: str, services: Services, slow: list[float]
) -> None:
    device = accepted(browser, invitation)
    answer = device.sign(asked(browser))
    kept = len(list(walk_items(services.items, keys.TENANTS, "challenge")))
    for _ in range(300):
        asked(browser)
    assert len(list(walk_items(services.items, keys.TENANTS, "challenge"))) == kept, (
        "a stranger stores nothing"
    )
    wrong = device.sign({"challenge": "A" * 43})
    assert [sign_in(browser, {"passkey": wrong}).status for _ in range(11)] == [401] * 10 + [429]
    assert sign_in(browser, {"passkey": answer}).status == 201, "a right one is taken all the same"


def test_a_challenge_that_is_altered_is_none(
    browser: V1Client, invitation: str, slow: list[float]
) -> None:
    device = accepted(browser, invitation)
    challenge = asked(browser)["challenge"]
    for at in range(len(challenge)):
        slow[0] += 60
        other = challenge[:at] + ("A" if challenge[at] != "A" else "Q") + challenge[at + 1 :]
        assert sign_in(browser, {"passkey": device.sign({"challenge": other})}).status == 401, at
    assert sign_in(browser, {"passkey": device.sign({"challenge": challenge})}).status == 201


def test_a_challenge_is_good_for_five_minutes_and_for_what_it_was_made(
    v1: V1Client, browser: V1Client, clock: FakeClock, invitation: str
) -> None:
    device = accepted(browser, invitation)
    late = device.sign(asked(browser))
    clock.advance(timedelta(minutes=5))
    assert sign_in(browser, {"passkey": late}).status == 401
    assert sign_in(browser, {"passkey": device.sign({"challenge": "A" * 43})}).status == 401, (
        "never asked"
    )
    one, other = invited(v1, "Ben"), invited(v1, "Eva")
    assert sign_in(browser, {"passkey": device.sign(asked(browser, one))}).status == 401, (
        "asked to make one"
    )
    made = Device().make(asked(browser, one))
    assert sign_in(browser, {"invitation": other, "passkey": made}).status == 401, (
        "asked of somebody else"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://box.example.evil.example"},
        {"origin": "https://evil.box.example"},
        {"origin": "https://box.example"},
        {"host": "evil.example"},
        {"host": "example"},
    ],
    ids=str,
)
def test_a_passkey_signs_in_by_the_page_of_its_own_host_only(
    browser: V1Client, invitation: str, wrong: dict[str, str]
) -> None:
    astray = replace(Device(), **wrong)
    made = {"invitation": invitation, "passkey": astray.make(asked(browser, invitation))}
    assert sign_in(browser, made).status == 401
    device = accepted(browser, invitation)
    assert (
        sign_in(browser, {"passkey": replace(device, **wrong).sign(asked(browser))}).status == 401
    )
    assert sign_in(browser, {"passkey": device.sign(asked(browser))}).status == 201


def test_a_passkey_of_one_host_is_none_of_another_that_leads_here(
    browser: V1Client, invitation: str
) -> None:
    device = accepted(browser, invitation)
    there = {
        "Host": "evil.box.example",
        "Origin": "https://evil.box.example",
        "X-Forwarded-Proto": "https",
    }
    question = browser.send("POST", CHALLENGE, {}, headers=there).json
    for host in ("box.example", "evil.box.example"):
        answer = replace(device, origin="https://evil.box.example", host=host).sign(question)
        assert sign_in(browser, {"passkey": answer}, **there).status == 401


def test_a_passkey_that_nobody_unlocked_neither_is_made_nor_signs_in(
    browser: V1Client, invitation: str
) -> None:
    locked = Device().make(asked(browser, invitation), PRESENT)
    assert sign_in(browser, {"invitation": invitation, "passkey": locked}).status == 401
    device = accepted(browser, invitation)
    assert sign_in(browser, {"passkey": device.sign(asked(browser), PRESENT)}).status == 401


def test_another_tenants_passkey_says_in_vain_that_it_is_of_this_one(
    v1: V1Client, browser: V1Client, services: Services, invitation: str
) -> None:
    victim = accepted(browser, invitation)
    other = v1.with_key(services.tenants.add("other", Profile.CLOUD).api_key)
    mallory = accepted(browser, invited(other, "Maria"))
    mallory.handle = victim.handle
    assert sign_in(browser, {"passkey": mallory.sign(asked(browser))}).status == 401
    mallory.id = victim.id
    assert sign_in(browser, {"passkey": mallory.sign(asked(browser))}).status == 401


def test_a_copied_passkey_is_found_by_its_counter(browser: V1Client, invitation: str) -> None:
    device = accepted(browser, invitation, Device(counter=7))
    copy = replace(device)
    assert sign_in(browser, {"passkey": device.sign(asked(browser))}).status == 201
    reply = sign_in(browser, {"passkey": copy.sign(asked(browser))})
    assert (reply.status, "copy" in reply.json["detail"]) == (401, True)


def test_the_role_of_an_invitation_cannot_be_raised(browser: V1Client, invitation: str) -> None:
    body = {"invitation": invitation, "password": WORDS, "role": "admin"}
    assert sign_in(browser, body).status == 400
    shop, id_, secret = invitation.split(".")
    for forged in (
        f"{shop}.1.{secret}",
        f"other.{id_}.{secret}",
        f"{shop}.{id_}.{'A' * 43}",
        f"{shop}.{id_}",
    ):
        assert sign_in(browser, {"invitation": forged, "password": WORDS}).status == 401


def test_who_does_not_manage_invites_nobody(v1: V1Client, browser: V1Client) -> None:
    member = v1.done("POST", MEMBERS, {"name": "Maria", "role": "operator"})
    session = entered(browser, invitation_of(member))
    own = f"{MEMBERS}/{member['id']}"
    for method, path, body in (
        ("POST", MEMBERS, {"name": "Eva", "role": "admin"}),
        ("PATCH", own, {"role": "admin"}),
        ("POST", f"{own}/invitation", None),
        ("GET", MEMBERS, None),
    ):
        assert with_cookie(browser, session, method, path, body).status == 403
    assert [one["name"] for one in v1.done("GET", MEMBERS)["members"]] == ["Maria"]


def test_hostile_answers_of_a_passkey_are_wrong_credentials(
    browser: V1Client, slow: list[float], invitation: str
) -> None:
    device = accepted(browser, invitation)
    right = device.sign(asked(browser))
    for name in ("client_data", "authenticator_data", "signature", "user_handle", "id"):
        for wrong in ("", "A", "####", "oA" * 40, "oW" + "gY" * 900):
            slow[0] += 60
            assert sign_in(browser, {"passkey": {**right, name: wrong}}).status == 401, (
                name,
                wrong,
            )
    assert sign_in(browser, {"passkey": {"id": "A", "client_data": "A"}}).status == 401


def test_on_an_address_without_a_name_there_are_no_passkeys_and_the_answer_says_so(
    browser: V1Client, invitation: str
) -> None:
    there = {"Host": "192.168.1.20:8000", "Origin": "http://192.168.1.20:8000"}
    reply = browser.send("POST", CHALLENGE, {"invitation": invitation}, headers=there)
    assert (reply.json["challenge"], reply.json["invited"]["name"]) == (None, "Maria")
    reply = browser.send("POST", CHALLENGE, {}, headers=there)
    assert (reply.status, "https and a host name" in reply.json["detail"]) == (400, True)


def test_a_password_is_not_looked_at_after_ten_wrong_ones_of_an_address(
    browser: V1Client, slow: list[float], invitation: str
) -> None:
    sign_in(browser, {"invitation": invitation, "password": WORDS})
    assert sign_in(browser, {"name": "Maria", "password": "a wrong one"}).status == 401
    statuses = [sign_in(browser, {"name": "Maria", "password": TOO_LONG}).status for _ in range(10)]
    assert statuses == [401] * 9 + [429]
    assert sign_in(browser, {"name": "Maria", "password": WORDS}).status == 429, (
        "it could be told from a wrong one"
    )
    slow[0] += 60
    assert sign_in(browser, {"name": "Maria", "password": WORDS}).status == 201


def test_a_password_that_would_have_to_wait_for_others_is_told_to_come_again_and_is_no_guess(
    browser: V1Client, v1: V1Client, slow: list[float], invitation: str
) -> None:
    right = {"name": "Maria", "password": WORDS}
    sign_in(browser, {"invitation": invitation, "password": WORDS})
    with passwords.hold_hashing_place(), passwords.hold_hashing_place():
        replies = [sign_in(browser, right) for _ in range(20)]
        assert {
            (reply.status, reply.json["code"], reply.headers["retry-after"]) for reply in replies
        } == {(429, "Busy", "1")}
        assert sign_in(browser, {"invitation": invited(v1, "Ann"), "password": WORDS}).status == 429
        assert sign_in(browser, {"api_key": v1.api_key}).status == 201
    assert sign_in(browser, right).status == 201


def test_guesses_from_many_addresses_end_and_leave_her_own_address_alone(
    services: Services, browser: V1Client, slow: list[float], invitation: str
) -> None:
    sign_in(browser, {"invitation": invitation, "password": WORDS})
    sessions = services.access.sessions
    token, _ = sessions.begin_by_password(None, "Maria", WORDS, "192.0.2.1")
    for n in range(25):
        with pytest.raises(WrongCredentials if n < 20 else TooManyRequests):
            sessions.begin_by_password(None, "maria", TOO_LONG, f"203.0.113.{n}")
    assert sessions.begin_by_password(None, "Maria", WORDS, "192.0.2.1")[0] != token
