"""Hooks that tell people: in which words, by which way, and of whom they say nothing."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_plus

import pytest
from msgspec.structs import replace as changed

from chalicelib.book.cameras import CameraSettings
from chalicelib.book.webhooks import pause_s
from chalicelib.domain.channels import (
    OF_ALL,
    UNNAMED_TEMPLATE,
    Channel,
    from_base64url,
    list_fields,
)
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import (
    Conflict,
    HookNotFound,
    InvalidInput,
    StorageUnavailable,
    Unusable,
)
from chalicelib.domain.events import CHOSEN, EventKind
from chalicelib.domain.model import Face
from chalicelib.domain.webhooks import FAILING_FROM, Event, Hook, Way
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import ComeBackLater, Update, exists
from chalicelib.storage.values import milliseconds
from tests.support.book.book import MINUTE, MONDAY, Book, shot
from tests.support.book.person import worked_off
from tests.support.fakes import Person
from tests.support.hooks.browser import SUBSCRIPTION, decrypt
from tests.support.hooks.events import make_data
from tests.support.hooks.receiver import Heard, Receiver, answers, receiving

EVA, FINN = Person(21), Person(22)
ARRIVALS = (EventKind.FACE_ARRIVED,)


class Letters:
    """The mailer of a box whose mail server takes everything, or nothing."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, bytes | None]] = []
        self.error: Exception | None = None

    def mail(self, to: str, subject: str, text: str, picture: bytes | None = None) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append((to, subject, text, picture))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path)
    yield book
    book.close()


@pytest.fixture
def phone() -> Iterator[Receiver]:
    with receiving(answers(200)) as receiver:
        yield receiver


def channel_of(way: Way, phone: Receiver) -> Channel:
    url = f"{phone.origin}/secret-topic"
    return {
        Way.NTFY: Channel(way, url, token="tk_1"),
        Way.TELEGRAM: Channel(way, phone.origin, token="123:abc", to="-100"),
        Way.SLACK: Channel(way, url),
        Way.TEAMS: Channel(way, url),
        Way.DISCORD: Channel(way, url),
        Way.PUSHOVER: Channel(way, phone.origin, token="app", to="user"),
        Way.REQUEST: Channel(
            way, url, method="PUT", headers={"Authorization": "Bearer 7", "X-Priority": "high"}
        ),
        Way.MAIL: Channel(way, to="boss@shop.example"),
        Way.PUSH: Channel(way, url, **SUBSCRIPTION),
    }[way]


def add(book: Book, channel: Channel, **more: Any) -> Hook:
    more = {"kinds": ARRIVALS, "template": "{who} ({group}) is at {camera}, {time}", **more}
    return book.services.webhooks.hooks.add("shop", None, channel=channel, **more)[0]


def work(book: Book) -> None:
    """Do what is in the queue of deliveries now."""
    queue = book.storage.deliveries_queue
    while messages := queue.receive(10, 60):  # type: ignore[attr-defined]
        for message in messages:
            book.services.webhooks.deliveries.attempt_delivery(message.body)
            queue.delete(message.receipt)  # type: ignore[attr-defined]


def come(book: Book, person: Person, minutes: float = 0) -> None:
    """Somebody is seen, on the day of the book's clock."""
    days = (book.clock.now() - MONDAY) / MINUTE
    book.see(shot(days + minutes, person.seed))
    work(book)


def enrol_vip(book: Book, person: Person = EVA, name: str = "Eva Lee") -> Face:
    with suppress(Conflict):
        book.services.groups.create(book.tenant, "VIP", None, "")
    return book.enrol(person, "VIP", name=name)


def test_a_message_of_ntfy_leads_to_the_card_of_who_has_come(book: Book, phone: Receiver) -> None:
    eva = enrol_vip(book)
    add(book, channel_of(Way.NTFY, phone))
    add(book, channel_of(Way.SLACK, phone))
    come(book, EVA)
    assert [one.headers.get("Click") for one in phone.heard] == [None, None]
    settings = book.services.settings
    book.services.settings = changed(settings, public_url="https://box.example/shop")
    come(book, EVA, 60)
    links = {one.headers.get("Click") for one in phone.heard[2:]}
    card = f"https://box.example/shop/console?shop={book.tenant.book_id}#/counter/{eva.faceid}"
    assert links == {None, card}


def read_body(heard: Heard) -> str:
    return heard.body.decode()


def test_what_a_hook_of_a_later_versions_way_should_tell_is_parked_and_others_are_told(
    book: Book, phone: Receiver
) -> None:
    enrol_vip(book)
    for _ in range(2):
        hook = add(book, channel_of(Way.NTFY, phone), template="{who}")
    sealed = book.storage.vault.seal(
        '{"way": "pigeon", "to": "loft"}', keys.hook_secret("shop", hook.id)
    )
    later = {"way": "pigeon", "address": "loft", "secret": sealed}
    write(
        book.storage.items, [Update(keys.HOOKS, ("shop", hook.id), (exists("there"),), set=later)]
    )
    come(book, EVA)
    assert [read_body(heard) for heard in phone.heard] == ["Eva Lee"]
    assert [one.way for one in book.services.webhooks.hooks.list_all("shop")] == ["ntfy", "pigeon"]
    [parked] = book.services.webhooks.outbox.read_page("shop", hook.id, parked=True, limit=10).rows
    assert parked.last_error == "channels of 'pigeon' are of a later version: update the service"
    with pytest.raises(InvalidInput, match="'pigeon'"):
        book.services.webhooks.hooks.change_hook("shop", hook.id, {"template": "{who} came"})
    assert (
        book.services.webhooks.hooks.change_hook("shop", hook.id, {"enabled": False}).way
        == "pigeon"
    )


@pytest.mark.parametrize("way", [way for way in Way if way not in (Way.MAIL, Way.PUSH)])
def test_each_way_gets_the_text_as_it_wants_it(book: Book, phone: Receiver, way: Way) -> None:
    enrol_vip(book)
    add(book, channel_of(way, phone))
    come(book, EVA)
    [heard] = phone.heard
    assert "Eva Lee (VIP) is at door, 09:00" in read_body(heard).replace("+", " ").replace(
        "%28", "("
    ).replace("%29", ")").replace("%2C", ",").replace("%3A", ":")
    expected = {
        Way.NTFY: ("/secret-topic", "Bearer tk_1"),
        Way.TELEGRAM: ("/bot123:abc/sendMessage", None),
        Way.PUSHOVER: ("/1/messages.json", None),
        Way.REQUEST: ("/secret-topic", "Bearer 7"),
    }.get(way, ("/secret-topic", None))
    assert (heard.path, heard.headers["Authorization"]) == expected
    assert "X-Regulars-Signature" not in heard.headers


def test_a_mail_is_sent_by_the_mailer_of_the_box(book: Book, phone: Receiver) -> None:
    with pytest.raises(InvalidInput, match="smtp_host"):
        add(book, channel_of(Way.MAIL, phone))
    letters = book.services.ports.mailer = Letters()
    hook = add(book, channel_of(Way.MAIL, phone))
    assert (hook.address, hook.recipient) == ("boss@shop.example", "shop.example")
    enrol_vip(book)
    letters.error = Unusable("the mail was not sent")
    come(book, EVA)
    assert [one.attempts for one in pending(book, hook)] == [1], "it is tried again"
    letters.error = None
    book.clock.advance(timedelta(minutes=1))
    work(book)
    text = "Eva Lee (VIP) is at door, 09:00"
    assert letters.sent == [("boss@shop.example", text, text, None)]


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.REQUEST])
@pytest.mark.parametrize("template", ["{name}", " {name}\n{name} "])
def test_nobody_is_sent_an_empty_message(
    book: Book, phone: Receiver, way: Way, template: str
) -> None:
    """A stranger has no name."""
    letters = book.services.ports.mailer = Letters()
    hook = add(book, channel_of(way, phone), kinds=(EventKind.STRANGER_CREATED,), template=template)
    come(book, Person(23))
    text = "stranger 1, door, 09:00"
    if way is Way.MAIL:
        assert letters.sent == [("boss@shop.example", text, text, None)]
    elif way is not Way.PUSH:
        assert text in unquote_plus(read_body(phone.heard[0]))
    assert pending(book, hook) == []


def test_a_subject_is_the_first_line_that_says_something(book: Book, phone: Receiver) -> None:
    letters = book.services.ports.mailer = Letters()
    enrol_vip(book)
    add(book, channel_of(Way.MAIL, phone), template="\n \n{name}\nis here")
    come(book, EVA)
    assert letters.sent[0][1] == "Eva Lee"


@pytest.mark.parametrize(
    "error", [IndexError("list index out of range"), TypeError("no"), RuntimeError("gone")]
)
def test_an_error_that_nobody_foresaw_is_a_failure_of_the_delivery(
    book: Book, phone: Receiver, error: Exception
) -> None:
    letters = book.services.ports.mailer = Letters()
    letters.error = error
    enrol_vip(book)
    hook = add(book, channel_of(Way.MAIL, phone))
    come(book, EVA)
    [waits] = pending(book, hook)
    assert (waits.attempts, waits.last_error) == (1, "the service failed at it: its log says why")
    assert book.services.webhooks.hooks.get("shop", hook.id).failures == 1
    for _ in range(30):
        book.clock.advance(timedelta(hours=1))
        book.services.webhooks.outbox.announce_overdue("shop")
        work(book)
    assert pending(book, hook) == []
    assert (
        len(book.services.webhooks.outbox.read_page("shop", hook.id, parked=True, limit=10).rows)
        == 1
    )


def test_storage_that_is_away_is_no_failure_of_the_delivery(book: Book, phone: Receiver) -> None:
    letters = book.services.ports.mailer = Letters()
    letters.error = StorageUnavailable("away")
    enrol_vip(book)
    hook = add(book, channel_of(Way.MAIL, phone))
    with pytest.raises(StorageUnavailable):
        come(book, EVA)
    assert [one.attempts for one in pending(book, hook)] == [0]


def test_a_browser_gets_what_it_alone_can_read_and_410_ends_it(book: Book, phone: Receiver) -> None:
    eva = enrol_vip(book)
    hook = add(book, channel_of(Way.PUSH, phone))
    come(book, EVA)
    [heard] = phone.heard
    assert b"Eva" not in heard.body
    read = json.loads(decrypt(heard.body))
    assert read["face"] == eva.faceid, "whose card a click leads to"
    assert read["text"].startswith("Eva Lee (VIP) is at ")
    assert heard.headers["Content-Encoding"] == "aes128gcm"
    assert book.services.webhooks.messages.read_push_key("shop") in heard.headers["Authorization"]
    assert book.services.webhooks.hooks.get("shop", hook.id).enabled


@pytest.mark.parametrize("way", [way for way in Way if way is not Way.MAIL])
def test_who_asks_to_wait_is_not_asked_before_whatever_the_way(
    book: Book, phone: Receiver, way: Way
) -> None:
    enrol_vip(book)
    hook = add(book, channel_of(way, phone))
    phone.answer_from_now_on(answers(429, headers={"Retry-After": "40"}))
    come(book, EVA)
    [waiting] = pending(book, hook)
    assert waiting.next_at >= book.clock.now() + timedelta(seconds=39)
    assert book.services.webhooks.hooks.get("shop", hook.id).failures == 0


def test_a_mail_server_that_takes_mail_later_all_the_time_fails_within_an_hour(
    book: Book, phone: Receiver
) -> None:
    letters = book.services.ports.mailer = Letters()
    hook = add(book, channel_of(Way.MAIL, phone))
    enrol_vip(book)
    letters.error = ComeBackLater("greylisted", 300)
    come(book, EVA)
    [waiting] = pending(book, hook)
    assert waiting.next_at >= book.clock.now() + timedelta(seconds=299)
    assert book.services.webhooks.hooks.get("shop", hook.id).failures == 1
    for _ in range(12):
        book.clock.advance(timedelta(minutes=5))
        work(book)
    assert book.services.webhooks.hooks.get("shop", hook.id).is_failing


@pytest.mark.parametrize("failures", [0, FAILING_FROM])
def test_what_nobody_is_to_get_keeps_no_delivery_behind_it_waiting(
    book: Book, phone: Receiver, failures: int
) -> None:
    """After a pause one delivery tries: it gives its turn back if nothing is sent."""
    hooks = book.services.webhooks.hooks
    enrol_vip(book)
    hook = add(book, channel_of(Way.NTFY, phone), hours="00:00-00:01")
    over_ms = milliseconds(book.clock.now() - timedelta(minutes=1))
    hooks.note_fields("shop", hook.id, set={"paused_until": over_ms, "failures": failures})
    come(book, EVA)
    assert (phone.heard, pending(book, hook)) == ([], [])
    after = hooks.get("shop", hook.id)
    assert after.paused_until is None or after.paused_until < book.clock.now()
    hooks.note_fields("shop", hook.id, set={"hours": ""})
    come(book, EVA, minutes=600)
    assert (len(phone.heard), pending(book, hook)) == (1, [])


def read_subject(heard: Heard) -> str | None:
    claims = json.loads(from_base64url(heard.headers["Authorization"].split(".")[1]))
    return cast("str | None", claims.get("sub"))


def test_a_push_service_is_told_the_contact_else_where_the_browser_subscribed(
    book: Book, phone: Receiver
) -> None:
    """Apple's refuses a sender whose host cannot be real, or who names nobody."""
    messages = book.services.webhooks.messages
    enrol_vip(book)
    add(book, channel_of(Way.PUSH, phone))
    for minutes, origin in enumerate(
        ("http://box.shop.fr", "https://box.local", "https://box.shop.fr", "https://localhost")
    ):
        messages.read_push_key("shop", origin)
        come(book, EVA, minutes=600 * minutes)
    assert [read_subject(heard) for heard in phone.heard] == [
        None,
        None,
        *["https://box.shop.fr"] * 2,
    ]
    book.services.tenants.change_settings("shop", {"contact": "privacy@shop.fr"})
    come(book, EVA, minutes=2400)
    assert read_subject(phone.heard[-1]) == "mailto:privacy@shop.fr"


@pytest.mark.parametrize(
    ("contact", "remedy"), [("", "set the shop's `contact`"), ("a@shop.fr", "join once more")]
)
def test_a_push_services_refusal_is_told_with_its_reason_and_the_hook_fails_at_once(
    book: Book, phone: Receiver, contact: str, remedy: str
) -> None:
    book.services.tenants.change_settings("shop", {"contact": contact})
    enrol_vip(book)
    hook = add(book, channel_of(Way.PUSH, phone))
    phone.answer_from_now_on(answers(403, body=b'{"reason":"BadJwtToken"}'), answers(201))
    come(book, EVA)
    [waiting] = pending(book, hook)
    assert "(403 BadJwtToken)" in waiting.last_error
    assert remedy in waiting.last_error
    assert book.services.webhooks.hooks.get("shop", hook.id).is_failing
    book.clock.advance(timedelta(hours=1))
    work(book)
    assert (len(phone.heard), pending(book, hook)) == (2, [])
    assert book.services.webhooks.hooks.get("shop", hook.id).failures == 0


def test_refusals_at_one_time_of_one_sender_count_as_one(book: Book, phone: Receiver) -> None:
    both = threading.Barrier(2, timeout=20)
    enrol_vip(book)
    hook = add(book, channel_of(Way.PUSH, phone))

    def refuse(handler: http.server.BaseHTTPRequestHandler) -> None:
        both.wait()
        answers(403, body=b'{"reason":"BadJwtToken"}')(handler)

    phone.answer_from_now_on(refuse)
    webhooks = book.services.webhooks
    for _ in range(2):
        webhooks.deliveries.send_test("shop", hook.id)
    queue = book.storage.deliveries_queue
    messages = {one.receipt: one.body for one in queue.receive(10, 60)}  # type: ignore[attr-defined]
    assert (len(messages), webhooks.deliveries.deliver_all(messages)) == (2, {})
    after = webhooks.hooks.get("shop", hook.id)
    assert (len(phone.heard), after.failures) == (2, FAILING_FROM)
    assert after.paused_until is not None
    assert after.paused_until <= book.clock.now() + timedelta(seconds=pause_s(FAILING_FROM))


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_pushed_to_no_more(
    book: Book, phone: Receiver, status: int
) -> None:
    enrol_vip(book)
    hook = add(book, channel_of(Way.PUSH, phone))
    phone.answer_from_now_on(answers(status))
    come(book, EVA)
    come(book, EVA, minutes=600)
    assert len(phone.heard) == 1
    page = book.services.webhooks.outbox.read_page("shop", hook.id, parked=True, limit=10)
    assert ["410" in one.last_error for one in page.rows] == [True]
    after = book.services.webhooks.hooks.get("shop", hook.id)
    assert (after.enabled, after.version) == (False, 2)


def pending(book: Book, hook: Hook) -> list[Any]:
    return list(
        book.services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=10).rows
    )


def test_what_is_stored_and_shown_holds_no_secret(book: Book, phone: Receiver) -> None:
    hook = add(book, channel_of(Way.SLACK, phone))
    shown = book.services.webhooks.hooks.get("shop", hook.id)
    assert (shown.url, shown.address, shown.way) == (None, "http://127.0.0.1", Way.SLACK)
    channel = channel_of(Way.TELEGRAM, phone)
    for text in (repr(shown), repr(channel)):
        assert "secret-topic" not in text
        assert channel.token not in text
    with pytest.raises(Conflict, match="signs nothing"):
        book.services.webhooks.hooks.replace_secret("shop", hook.id)


@pytest.mark.parametrize("way", [Way.SLACK, Way.DISCORD])
def test_no_name_calls_everybody_of_a_chat(book: Book, phone: Receiver, way: Way) -> None:
    enrol_vip(book, name="<!channel> @everyone & you")
    add(book, channel_of(way, phone), template="{name}")
    come(book, EVA)
    body = json.loads(phone.bodies[0])
    if way is Way.SLACK:
        assert body == {"text": "&lt;!channel&gt; @everyone &amp; you"}
    else:
        assert body["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("way", [Way.TEAMS, Way.DISCORD])
@pytest.mark.parametrize("picture", [False, True])
def test_a_name_is_no_link_and_no_mark_where_texts_have_some(
    book: Book, phone: Receiver, way: Way, picture: bool
) -> None:
    enrol_vip(book, name="[Sign in](https://evil.example) *a* _b_ <@7> `c` \\[d](e)")
    add(
        book,
        channel_of(way, phone),
        template="**{name}** [door](https://shop.example)",
        picture=picture and way is Way.DISCORD,
    )
    come(book, EVA)
    escaped = r"\[Sign in\]\(https://evil.example\) \*a\* \_b\_ \<@7\> \`c\` \\\[d\]\(e\)"
    text = json.dumps(f"**{escaped}** [door](https://shop.example)")
    assert text in read_body(phone.heard[0])


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_request_has_one_content_type(book: Book, phone: Receiver, name: str) -> None:
    enrol_vip(book)
    add(book, Channel(Way.REQUEST, f"{phone.origin}/x", headers={name: "text/markdown"}))
    come(book, EVA)
    assert phone.heard[0].headers.get_all("Content-Type") == ["text/markdown"]


def test_a_name_stays_a_text_within_json(book: Book, phone: Receiver) -> None:
    enrol_vip(book, name='Eva "the \\ one"')
    headers = {"content-type": "application/json"}
    channel = Channel(Way.REQUEST, f"{phone.origin}/x", headers=headers)
    add(book, channel, template='{"text": "{who}", "is": {}}')
    with pytest.raises(InvalidInput, match="template is none"):
        add(book, channel, template='{"text": {who}}')
    come(book, EVA)
    assert json.loads(phone.bodies[0]) == {"text": 'Eva "the \\ one"', "is": {}}


@pytest.mark.parametrize("kinds", [None, *((kind,) for kind in CHOSEN)])
def test_a_template_names_only_what_all_its_events_have(
    book: Book, phone: Receiver, kinds: tuple[EventKind, ...] | None
) -> None:
    channel = channel_of(Way.NTFY, phone)
    fields = list_fields(kinds)
    assert {*OF_ALL} <= {*fields}
    add(book, channel, kinds=kinds, template="".join(f"{{{name}}}" for name in fields))
    other = {
        "name",
        "number",
        "visits",
        "days",
        "capacity",
        "last_seen",
        "colour",
        "who.name",
        "who__class__",
    } - {*fields}
    for name in other:
        with pytest.raises(
            InvalidInput, match=r"there are \{who\}, \{guest\}, \{event\}"
        ) as refused:
            add(book, channel, kinds=kinds, template=f"{{{name}}}")
        assert all(f"{{{one}}}" in str(refused.value) for one in fields)
    hook = add(book, channel, kinds=kinds)
    with pytest.raises(InvalidInput, match="colour"):
        book.services.webhooks.hooks.change_hook("shop", hook.id, {"template": "{colour}"})
    if kinds == ARRIVALS:
        book.services.webhooks.hooks.change_hook("shop", hook.id, {"template": "{visits}"})
        with pytest.raises(InvalidInput, match="visits"):
            book.services.webhooks.hooks.change_hook("shop", hook.id, {"kinds": None})


@pytest.mark.parametrize(
    ("channel", "what"),
    [
        (Channel(Way.NTFY), "needs url"),
        (Channel(Way.NTFY, "https://10.0.0.1/x"), "not public"),
        (Channel(Way.NTFY, "http://169.254.169.254/latest"), "not public"),
        (Channel(Way.NTFY, "https://ntfy.sh:25/x"), "port"),
        (Channel(Way.NTFY, "https://u:p@ntfy.sh/x"), "user name"),
        (Channel(Way.SLACK, "https://hooks.slack.com/x", token="t"), "has no token"),
        (Channel(Way.TELEGRAM, token="1:a"), "to, too"),
        (Channel(Way.TELEGRAM, token="1:a/../x", to="7"), "slash"),
        (Channel(Way.TELEGRAM, "http://[::1]/", token="1:a", to="7"), "not public"),
        (Channel(Way.REQUEST, "https://a.example/", headers={"Host": "b"}), "header 'Host'"),
        (Channel(Way.REQUEST, "https://a.example/", headers={"A": "b\r\nC: d"}), "header 'A'"),
        (Channel(Way.REQUEST, "https://a.example/", headers={"A\r\nB": "c"}), "header"),
        (
            Channel(Way.REQUEST, "https://a.example/", headers={"X-A": "b", "x-a": "c"}),
            "'x-a' is there twice",
        ),
        (Channel(Way.REQUEST, "https://a.example/", method="GET"), "POST or PUT"),
        (
            Channel(
                Way.REQUEST,
                f"https://a.example/{'a' * 1900}",
                headers={"A": "b" * 500, "B": "b" * 500, "C": "b" * 500, "D": "b" * 500},
            ),
            "3500 bytes",
        ),
        (Channel(Way.MAIL, to="boss"), "one address"),
        (Channel(Way.MAIL, to="a@b.example, c@d.example"), "one address"),
        (Channel(Way.MAIL, to="a@b.example\r\nBcc: c@d.example"), "one address"),
        (Channel(Way.MAIL, to="=?utf-8?q?x=40evil.example=2C?=@shop.example"), "one address"),
        (Channel(Way.PUSH, "https://push.example/", p256dh="AAAA", auth="AAAA"), "65 bytes"),
        (
            Channel(Way.PUSH, "https://push.example/", p256dh="B" + "A" * 86, auth="A" * 22),
            "subscribe it again",
        ),
    ],
)
def test_a_channel_that_cannot_be_used_is_refused(book: Book, channel: Channel, what: str) -> None:
    book.services.ports.mailer = Letters()
    with pytest.raises(InvalidInput, match=what):
        add(book, channel)
    assert book.services.webhooks.hooks.list_all("shop") == []


def test_what_a_program_is_told_has_neither_hours_nor_a_template(book: Book) -> None:
    for more in (
        {"template": "{who}"},
        {"hours": "09:00-10:00"},
        {"pause_s": 60},
        {"picture": True},
    ):
        for url in (None, "http://127.0.0.1:1999/"):
            with pytest.raises(InvalidInput, match="has a channel"):
                book.services.webhooks.hooks.add("shop", url, **more)


def test_a_person_and_a_group_are_told_apart(book: Book, phone: Receiver) -> None:
    eva, _ = enrol_vip(book), enrol_vip(book, FINN, "Finn Lee")
    channel = channel_of(Way.NTFY, phone)
    add(book, channel, people=[eva.faceid], template="one {who}")
    add(book, channel, groups=["VIP"], template="group {who}")
    add(
        book,
        channel,
        groups=["stranger"],
        kinds=(EventKind.STRANGER_CREATED,),
        template="new {who}",
    )
    for place, person in enumerate((EVA, FINN, Person(23))):
        come(book, person, place)
    assert sorted(map(read_body, phone.heard)) == [
        "group Eva Lee",
        "group Finn Lee",
        "new stranger 1",
        "one Eva Lee",
    ]


def test_nothing_is_told_outside_of_the_hours(book: Book, phone: Receiver) -> None:
    """At nine o'clock. The hours are the shop's."""
    enrol_vip(book)
    channel = channel_of(Way.NTFY, phone)
    for hours in ("09:00-10:00", "08:00-09:00", "22:00-09:01", "22:00-06:00", "00:00-23:59", ""):
        add(book, channel, hours=hours, template=f"within {hours}")
    come(book, EVA)
    assert {read_body(one) for one in phone.heard} == {
        "within 09:00-10:00",
        "within 22:00-09:01",
        "within 00:00-23:59",
        "within ",
    }
    for wrong in ("9-10", "09:00-24:00", "09:00"):
        with pytest.raises(InvalidInput, match="hours are as"):
            add(book, channel, hours=wrong)


@pytest.mark.parametrize(
    ("hours", "ends_after", "told_after"),
    [
        ("09:05-18:00", None, 10),
        ("22:00-08:00", None, 13 * 60),
        ("10:00-18:00", None, 60),
        ("10:00-18:00", 30, None),
        ("10:00-18:00", 240, 60),
    ],
    ids=["before the hours", "until the night", "until later", "ends first", "ends within them"],
)
@pytest.mark.parametrize("kind", [EventKind.CAMERA_UNWELL, EventKind.CAMERA_SILENT])
def test_what_is_wrong_with_a_camera_outside_of_the_hours_is_told_when_they_begin_if_it_lasts(
    book: Book,
    phone: Receiver,
    kind: EventKind,
    hours: str,
    ends_after: int | None,
    told_after: int | None,
) -> None:
    """It begins at nine o'clock, and is told ten minutes later."""
    services, tenant, began_at = book.services, book.tenant, book.clock.now()
    camera, _ = services.cameras.add(tenant, "till", "Till", CameraSettings(silent_after_s=600))
    told_of = {"kinds": (kind, EventKind.CAMERA_WELL), "cameras": (camera.id,)}
    add(book, channel_of(Way.NTFY, phone), hours=hours, template="{state}", **told_of)
    told = list[tuple[int, str]]()
    for minutes in range(0, 14 * 60, 5):
        is_well = ends_after is not None and minutes >= ends_after
        if is_well or kind is EventKind.CAMERA_UNWELL:
            status = {} if is_well else {"view_changed": True, "trouble": "covered"}
            services.cameras.note_heartbeat(tenant, services.cameras.get(tenant, camera.id), status)
        services.watch.run()
        work(book)
        told += [(minutes, read_body(heard)) for heard in phone.heard[len(told) :]]
        book.clock.advance(timedelta(minutes=5))
    assert began_at.hour == 9
    expected = list[tuple[int, str]]()
    if told_after is not None:
        state = "silent" if kind is EventKind.CAMERA_SILENT else "covered"
        expected = [(told_after, state)]
        expected += [(ends_after + 10, "well again")] if ends_after is not None else []
    assert told == expected


def test_a_camera_that_fails_all_night_is_told_once_when_the_hours_begin(
    book: Book, phone: Receiver
) -> None:
    """It is silent four times before ten o'clock, and heard in between."""
    services, tenant = book.services, book.tenant
    camera, _ = services.cameras.add(tenant, "till", "Till", CameraSettings(silent_after_s=600))
    told_of = {"kinds": (EventKind.CAMERA_SILENT,), "cameras": (camera.id,)}
    add(book, channel_of(Way.NTFY, phone), hours="10:00-18:00", template="{state}", **told_of)
    for minutes in range(0, 90, 5):
        if minutes in (15, 30, 45):
            services.cameras.note_heartbeat(tenant, services.cameras.get(tenant, camera.id), {})
        services.watch.run()
        work(book)
        book.clock.advance(timedelta(minutes=5))
    assert [read_body(heard) for heard in phone.heard] == ["silent"]


def test_people_are_told_in_the_language_of_the_shop(book: Book, phone: Receiver) -> None:
    book.services.tenants.change_settings("shop", {"language": "de"})
    kinds = (EventKind.STRANGER_CREATED,)
    hook = add(
        book, channel_of(Way.NTFY, phone), kinds=kinds, template="{who} ({group}), {camera}, {date}"
    )
    come(book, EVA)
    book.services.webhooks.deliveries.send_test("shop", hook.id)
    work(book)
    told = [read_body(one) for one in phone.heard]
    assert told == [
        "Unbekannt 1 (Unbekannt), door, 16.03.2026",
        "Ann Lee (VIP), Eingang, 16.03.2026",
    ]


def test_the_figures_of_a_week_are_told_whatever_the_hours_are(book: Book, phone: Receiver) -> None:
    add(
        book,
        channel_of(Way.NTFY, phone),
        kinds=("week.ended",),
        template="{report}",
        hours="22:00-23:00",
    )
    data = make_data(EventKind.WEEK_ENDED, report="3 visits")
    event = Event("week.ended-1", data, book.clock.now())
    actions = book.services.webhooks.outbox.make_delivery_puts("shop", [event])
    write(book.storage.items, actions)
    book.services.webhooks.outbox.send_messages("shop", actions)
    work(book)
    assert [read_body(one) for one in phone.heard] == ["3 visits"]


def test_how_many_are_inside_is_told_with_the_share_that_was_watched(
    book: Book, phone: Receiver
) -> None:
    kinds = (EventKind.PLACE_FULL, EventKind.PLACE_FREE)
    add(book, channel_of(Way.NTFY, phone), kinds=kinds, template="{inside}|{inside_share}")
    looks: list[dict[str, Any]] = [
        {"watched_s": 240, "open_s": 3_600, "whole": False},
        {"watched_s": 3_300, "open_s": 3_600, "whole": True},
        {},  # as an earlier version stored it, or of a place that is closed
    ]
    for number, looked in enumerate(looks):
        data = make_data("place.full", place="1", name="Hall", inside=80, **looked)
        puts = book.services.webhooks.outbox.make_delivery_puts(
            "shop", [Event(f"place.full-{number}", data, book.clock.now())]
        )
        write(book.storage.items, puts)
        book.services.webhooks.outbox.send_messages("shop", puts)
        work(book)
    assert [read_body(heard) for heard in phone.heard] == [
        "80|, of 4 minutes of 60",
        "80|",
        "80|",
    ]


def test_not_more_often_than_the_pause_but_another_if_it_failed(
    book: Book, phone: Receiver
) -> None:
    enrol_vip(book)
    enrol_vip(book, FINN, "Finn Lee")
    phone.answer_from_now_on(answers(500), answers(200))
    hook = add(book, channel_of(Way.NTFY, phone), pause_s=1800)
    come(book, EVA)
    come(book, FINN, 1)
    assert [read_body(one)[:3] for one in phone.heard] == ["Eva", "Fin"], (
        "who was not told mutes nobody"
    )
    book.clock.advance(timedelta(minutes=1))
    work(book)
    assert len(phone.heard) == 2
    assert pending(book, hook) == []
    book.clock.advance(timedelta(minutes=30))
    come(book, EVA, 600)
    assert read_body(phone.heard[-1]).startswith("Eva")
    stored = book.services.webhooks.hooks.get("shop", hook.id).claims
    assert list(json.loads(stored)) == ["face.arrived VIP"]
    book.services.webhooks.hooks.change_hook("shop", hook.id, {"pause_s": 0})
    assert book.services.webhooks.hooks.get("shop", hook.id).claims == ""


def test_a_message_that_was_cut_off_is_told_although_the_pause_runs(
    book: Book, phone: Receiver
) -> None:
    """The process is gone between the claim and the answer: the claim is that message's own."""
    letters = book.services.ports.mailer = Letters()
    enrol_vip(book)
    hook = add(book, channel_of(Way.MAIL, phone), pause_s=1800)
    letters.error = Unusable("cut off")
    come(book, EVA)
    [waits] = pending(book, hook)
    assert book.services.webhooks.messages.claim_pause(
        book.services.webhooks.hooks.get("shop", hook.id), waits
    )
    letters.error = None
    book.clock.advance(timedelta(minutes=1))
    work(book)
    assert len(letters.sent) == 1


def test_one_kind_of_event_mutes_no_other(book: Book, phone: Receiver) -> None:
    enrol_vip(book)
    add(book, channel_of(Way.NTFY, phone), kinds=None, template="{event} {group}", pause_s=1800)
    come(book, Person(23))
    come(book, EVA, 1)
    come(book, Person(24), 2)
    told = ["face.arrived VIP", "face.arrived stranger", "stranger.created stranger"]
    assert sorted(read_body(one) for one in phone.heard) == told


def test_somebody_of_one_group_mutes_nobody_of_another(book: Book, phone: Receiver) -> None:
    enrol_vip(book)
    enrol_vip(book, FINN, "Finn Lee")
    come(book, Person(23))
    add(book, channel_of(Way.NTFY, phone), pause_s=86_400)
    for place, person in enumerate((Person(23), EVA, FINN, Person(23), EVA)):
        come(book, person, 600 + 300 * place)
    assert [read_body(one)[:3] for one in phone.heard] == ["str", "Eva"], (
        "once of the strangers, once of the VIPs"
    )


def test_a_person_who_is_named_is_muted_by_no_other(book: Book, phone: Receiver) -> None:
    eva, finn = enrol_vip(book), enrol_vip(book, FINN, "Finn Lee")
    hook = add(book, channel_of(Way.NTFY, phone), people=[eva.faceid, finn.faceid], pause_s=86_400)
    for place, person in enumerate((EVA, FINN)):
        come(book, person, place)
    for person in (EVA, FINN):
        come(book, person, 600)
    assert [read_body(one)[:3] for one in phone.heard] == ["Eva", "Fin"]
    book.services.deletion.delete_faces(book.tenant, [eva.faceid], erase=True)
    worked_off(book)
    stored = book.storage.items.get(keys.HOOKS, ("shop", hook.id))
    assert eva.faceid not in str(stored)


@pytest.mark.parametrize("kind", [EventKind.CAMERA_SILENT, EventKind.GROUP_FULL])
def test_what_is_an_alarm_waits_for_no_pause(book: Book, phone: Receiver, kind: EventKind) -> None:
    hook = add(
        book,
        channel_of(Way.NTFY, phone),
        kinds=(kind,),
        template="{event} {camera}",
        pause_s=86_400,
    )
    for place, camera in enumerate(("door", "yard", "till")):
        data = make_data(kind, last_seen_at=None)
        event = Event(f"{kind}-{place}", data, book.clock.now(), camera=camera)
        actions = book.services.webhooks.outbox.make_delivery_puts("shop", [event])
        write(book.storage.items, actions)
        book.services.webhooks.outbox.send_messages("shop", actions)
    work(book)
    assert len(phone.heard) == 3
    assert book.services.webhooks.hooks.get("shop", hook.id).claims == ""


def test_what_is_not_told_says_nothing_about_a_phone_that_fails(
    book: Book, phone: Receiver
) -> None:
    enrol_vip(book)
    phone.answer_from_now_on(answers(500))
    hook = add(book, channel_of(Way.NTFY, phone), hours="09:00-09:01")
    come(book, EVA)
    for minutes in (600, 1200):
        come(book, EVA, minutes)
    assert len(phone.heard) == 1
    assert len(pending(book, hook)) == 1
    assert book.services.webhooks.hooks.get("shop", hook.id).failures == 1


@pytest.mark.parametrize("gone", ["restricted", "deleted", "expired", "without consent"])
def test_nobody_is_told_of_people_who_may_not_be_spoken_of(
    book: Book, phone: Receiver, gone: str
) -> None:
    """The event is written, and waits, when it happens to them."""
    eva = enrol_vip(book)
    hook = add(book, channel_of(Way.NTFY, phone))
    program = book.services.webhooks.hooks.add("shop", phone.url, kinds=ARRIVALS)[0]
    book.see(shot((book.clock.now() - MONDAY) / MINUTE, EVA.seed))
    assert pending(book, hook)
    services, tenant = book.services, book.tenant
    if gone == "restricted":
        services.restrictions.set(tenant, eva.faceid, "letter 7")
    elif gone == "deleted":
        services.deletion.delete_faces(tenant, [eva.faceid])
    elif gone == "expired":
        until = book.clock.now() + timedelta(seconds=30)
        services.consents.set(
            tenant, eva.faceid, Consent(Basis.CONSENT, book.clock.now(), "form 7", until)
        )
        book.clock.advance(timedelta(seconds=31))
    else:
        services.tenants.change_settings("shop", {"consent_required": True})
    work(book)
    assert [one.path for one in phone.heard] == [phone.url.removeprefix(phone.origin)], (
        "a program gets the bare event"
    )
    assert pending(book, hook) == pending(book, program) == []


def test_an_erased_person_is_in_no_hook_and_the_last_ones_hook_is_off(
    book: Book, phone: Receiver
) -> None:
    eva, finn = enrol_vip(book), enrol_vip(book, FINN, "Finn Lee")
    channel = channel_of(Way.NTFY, phone)
    both = add(book, channel, people=[eva.faceid, finn.faceid])
    alone = add(book, channel, people=[eva.faceid])
    mailbox = book.services.webhooks.hooks.add("shop", None, people=[eva.faceid])[0]
    book.services.deletion.delete_faces(book.tenant, [eva.faceid], erase=True)
    worked_off(book)
    left = {hook.id: hook for hook in book.services.webhooks.hooks.list_all("shop")}
    assert (left[both.id].people, left[both.id].enabled) == ((finn.faceid,), True)
    for hook in (alone, mailbox):
        assert (left[hook.id].people, left[hook.id].enabled) == ((), False)
    stored = str(book.storage.items.query(keys.HOOKS, "shop").items)
    assert eva.faceid not in stored


@pytest.mark.parametrize("way", sorted(Way))
def test_a_picture_goes_along_where_the_way_takes_one(
    book: Book, phone: Receiver, way: Way
) -> None:
    letters = book.services.ports.mailer = Letters()
    enrol_vip(book)
    if way in (Way.SLACK, Way.TEAMS, Way.REQUEST, Way.PUSH):
        with pytest.raises(
            InvalidInput, match="takes no picture: discord, mail, ntfy, pushover, telegram do"
        ):
            add(book, channel_of(way, phone), picture=True)
        return
    add(book, channel_of(way, phone), picture=True)
    come(book, EVA)
    small = b"small "  # as fake eyes make a thumbnail
    if way is Way.MAIL:
        assert (letters.sent[0][3] or b"").startswith(small)
        return
    [heard] = phone.heard
    assert small in heard.body
    if way is Way.NTFY:
        assert heard.headers["Message"] == "Eva Lee (VIP) is at door, 09:00"
        assert heard.body.startswith(small)
    else:
        assert "Eva Lee (VIP) is at door, 09:00" in read_body(heard)


def test_a_try_out_is_sent_whatever_the_rules_are(book: Book, phone: Receiver) -> None:
    hook = add(book, channel_of(Way.NTFY, phone), hours="22:00-22:01", pause_s=3600, people=["7"])
    for _ in range(2):
        book.services.webhooks.deliveries.send_test("shop", hook.id)
        work(book)
    assert [read_body(one) for one in phone.heard] == ["Ann Lee (VIP) is at Front door, 09:00"] * 2


def test_an_earlier_version_takes_it_for_a_mailbox_and_posts_nothing(
    book: Book, phone: Receiver
) -> None:
    """It knows no ways: it reads a hook without a URL."""
    hook = add(book, channel_of(Way.NTFY, phone))
    item = book.storage.items.get(keys.HOOKS, ("shop", hook.id))
    assert item is not None
    assert item["url"] is None
    assert changed(hook, way=None).is_mailbox


def test_a_channel_is_changed_whole_and_a_hook_keeps_its_kind(book: Book, phone: Receiver) -> None:
    hooks = book.services.webhooks.hooks
    hook = add(book, channel_of(Way.NTFY, phone), hours="08:00-20:00")
    after = hooks.change_hook(
        "shop", hook.id, {"channel": channel_of(Way.DISCORD, phone), "hours": ""}
    )
    assert (after.way, after.hours) == (Way.DISCORD, "")
    assert hooks.get("shop", hook.id) == after
    url = hooks.add("shop", phone.url)[0]
    for id_, change in (
        (hook.id, {"url": phone.url}),
        (url.id, {"channel": channel_of(Way.NTFY, phone)}),
    ):
        with pytest.raises(InvalidInput, match="add another hook"):
            hooks.change_hook("shop", id_, change)
    hooks.delete("shop", hook.id)
    with pytest.raises(HookNotFound):
        hooks.get("shop", hook.id)


@pytest.mark.parametrize("way", [*Way])
def test_a_lock_screen_reads_no_name_until_somebody_writes_it_into_the_text(
    book: Book, phone: Receiver, way: Way
) -> None:
    book.services.ports.mailer = Letters()
    hook = add(book, channel_of(way, phone), template="")
    rooms_and_programs = {Way.SLACK, Way.TEAMS, Way.DISCORD, Way.REQUEST}
    assert ("{who}" in hook.template) == (way in rooms_and_programs)
    assert ("{guest}" in hook.template) == (way not in rooms_and_programs)


def test_a_push_says_the_group_and_leads_to_the_card(book: Book, phone: Receiver) -> None:
    eva = enrol_vip(book)
    add(book, channel_of(Way.PUSH, phone), template="")
    come(book, EVA)
    [read] = [json.loads(decrypt(heard.body)) for heard in phone.heard]
    assert (read["text"].split(",")[0], read["face"]) == ("VIP", eva.faceid)


def withdraw(book: Book, face: Face) -> None:
    record = Consent(Basis.CONSENT, book.clock.now() - timedelta(days=9), "form 7")
    book.services.consents.set(book.tenant, face.faceid, record)
    book.services.consents.withdraw_consent(book.tenant, face.faceid)


def restrict(book: Book, face: Face) -> None:
    book.services.restrictions.set(book.tenant, face.faceid, "asked for")


def erase(book: Book, face: Face) -> None:
    book.services.deletion.delete_faces(book.tenant, [face.faceid], erase=True)
    worked_off(book)


def delete(book: Book, face: Face) -> None:
    book.services.deletion.delete_faces(book.tenant, [face.faceid])
    worked_off(book)


@pytest.mark.parametrize("leave", [withdraw, restrict, erase, delete])
def test_what_a_phone_shows_of_somebody_who_goes_is_replaced(
    book: Book, phone: Receiver, leave: Callable[[Book, Face], None]
) -> None:
    eva, finn = enrol_vip(book), enrol_vip(book, FINN, "Finn Moss")
    hook = add(book, channel_of(Way.PUSH, phone))
    come(book, EVA)
    come(book, FINN, minutes=1)
    shown = {read["tag"]: read for read in map(read_push, phone.heard)}
    assert {read["face"] for read in shown.values()} == {eva.faceid, finn.faceid}
    phone.heard.clear()
    leave(book, eva)
    book.services.webhooks.hooks.change_hook("shop", hook.id, {"enabled": False})
    book.clock.advance(timedelta(minutes=2))
    for _ in range(2):  # once
        book.services.webhooks.outbox.announce_overdue("shop")
        work(book)
    [gone] = phone.heard
    read = read_push(gone)
    assert shown[read["tag"]]["face"] == eva.faceid
    assert gone.headers["Topic"] == read["tag"], "while it waits it is replaced, too"
    assert (read["text"], read["gone"]) == ("A notice about somebody was taken back", "1")
    assert eva.faceid not in json.dumps(read)
    left = walk_items(book.storage.items, keys.OUTBOX, "shop")
    assert [json.loads(one["payload"])["data"]["faceid"] for one in left] == [finn.faceid]


@pytest.mark.parametrize("leave", [withdraw, restrict])
def test_a_push_of_somebody_who_became_a_part_of_who_goes_is_taken_back(
    book: Book, phone: Receiver, leave: Callable[[Book, Face], None]
) -> None:
    eva, other = enrol_vip(book), enrol_vip(book, FINN, "Eva again")
    add(book, channel_of(Way.PUSH, phone))
    come(book, FINN)
    book.services.merges.merging.merge(book.tenant, eva.faceid, other.faceid)
    leave(book, eva)
    send_late(book)
    assert [read_push(heard).get("gone") for heard in phone.heard] == [None, "1"]


def send_late(book: Book) -> None:
    book.clock.advance(timedelta(minutes=2))
    book.services.webhooks.outbox.announce_overdue("shop")
    work(book)


def test_a_push_of_five_days_ago_is_taken_back_though_the_service_of_pushes_was_away(
    book: Book, phone: Receiver
) -> None:
    eva = enrol_vip(book)
    add(book, channel_of(Way.PUSH, phone))
    come(book, EVA)
    book.clock.advance(timedelta(days=5))
    restrict(book, eva)
    phone.answer_from_now_on(answers(503))
    send_late(book)
    phone.answer_from_now_on(answers(200))
    send_late(book)
    assert [read_push(heard).get("gone") for heard in phone.heard] == [None, "1", "1"]
    assert [*walk_items(book.storage.items, keys.OUTBOX, "shop")] == []


def test_a_taking_back_that_nobody_takes_leaves_nothing_and_an_earlier_version_reads_it(
    book: Book, phone: Receiver
) -> None:
    eva = enrol_vip(book)
    hook = add(book, channel_of(Way.PUSH, phone))
    come(book, EVA)
    restrict(book, eva)
    [row] = walk_items(book.storage.items, keys.OUTBOX, "shop")
    assert json.loads(row["payload"]) == {"type": "face.arrived", "data": {}}
    phone.answer_from_now_on(answers(410))
    send_late(book)
    assert not book.services.webhooks.hooks.get("shop", hook.id).enabled
    assert [*walk_items(book.storage.items, keys.OUTBOX, "shop")] == []


def test_nothing_is_taken_back_of_a_stranger_whom_no_push_named(
    book: Book, phone: Receiver
) -> None:
    add(book, channel_of(Way.PUSH, phone), kinds=None, template="")
    come(book, EVA)
    assert phone.heard
    assert [*walk_items(book.storage.items, keys.OUTBOX, "shop")] == []


def test_a_text_that_nobody_wrote_names_nobody_when_its_way_becomes_a_phones(
    book: Book, phone: Receiver
) -> None:
    hook = add(book, channel_of(Way.SLACK, phone), template="")
    change = {"channel": channel_of(Way.PUSH, phone)}
    changed_hook = book.services.webhooks.hooks.change_hook("shop", hook.id, change)
    assert changed_hook.template == UNNAMED_TEMPLATE


def test_a_push_is_remembered_for_a_week(book: Book, phone: Receiver) -> None:
    enrol_vip(book)
    add(book, channel_of(Way.PUSH, phone))
    come(book, EVA)
    for days, left in ((6, 1), (2, 0)):
        book.clock.advance(timedelta(days=days))
        book.services.webhooks.outbox.announce_overdue("shop")
        work(book)
        book.services.webhooks.outbox.forget_expired("shop")
        assert len([*walk_items(book.storage.items, keys.OUTBOX, "shop")]) == left
    assert len(phone.heard) == 1


def read_push(heard: Heard) -> dict[str, str]:
    read: dict[str, str] = json.loads(decrypt(heard.body))
    return read
