"""Reports of how receivers of messages answer, and of what they refuse, replayed by stand-ins. The
page: docs/reported.md."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import Struct

from chalicelib.domain.channels import Channel, message_text, write_message
from chalicelib.domain.webhooks import Delivery, Hook, Way
from chalicelib.http_client.safe_requests import SafePostman, parse_reason
from testing.reported import replays
from tests.support.book.book import Book
from tests.support.hooks.browser import SUBSCRIPTION
from tests.support.hooks.receiver import Behaviour, Receiver, answers, receiving

MOVED = -1001557912345


class Desk(Struct, frozen=True):
    """A book, and the receiver of what its hooks tell."""

    book: Book
    receiver: Receiver

    def tell(self, way: Way, *behaviours: Behaviour, **channel: Any) -> Hook:
        """Add a hook that tells by this way, and test it once; return it as it is then."""
        hooks = self.book.services.webhooks.hooks
        self.receiver.answer_from_now_on(*behaviours)
        hook, _ = hooks.add("shop", None, channel=Channel(way, **channel), template="{guest}")
        self.book.services.webhooks.deliveries.send_test("shop", hook.id)
        self.work()
        return hooks.get("shop", hook.id)

    def work(self) -> None:
        queue = self.book.storage.deliveries_queue
        while messages := queue.receive(10, 60):  # type: ignore[attr-defined]
            for message in messages:
                self.book.services.webhooks.deliveries.attempt_delivery(message.body)
                queue.delete(message.receipt)  # type: ignore[attr-defined]

    def list_waiting(self, hook: Hook) -> list[Delivery]:
        outbox = self.book.services.webhooks.outbox
        return list(outbox.read_page("shop", hook.id, parked=False, limit=9).rows)

    def read_error(self, hook: Hook) -> str:
        """Return why the one delivery of a hook waits, which failed once."""
        [waiting] = self.list_waiting(hook)
        return waiting.last_error

    @property
    def url(self) -> str:
        return f"{self.receiver.origin}/secret-topic"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    book = Book(tmp_path)
    with receiving(answers(200)) as receiver:
        yield Desk(book, receiver)
    book.close()


@replays(
    110,
    "MicrosoftDocs/msteams-docs 402",
    "MicrosoftDocs/msteams-docs 1810",
    "MicrosoftDocs/msteams-docs 9064",
)
def test_a_200_by_which_teams_says_that_it_failed_is_a_failure(desk: Desk) -> None:
    said = b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP"
    hook = desk.tell(
        Way.TEAMS, answers(200, said + b" error 400"), answers(200, b"1"), url=desk.url
    )
    assert "answered 200, and that it took nothing" in desk.read_error(hook)
    assert hook.failures == 1
    desk.book.clock.advance(timedelta(hours=1))
    desk.work()
    assert (len(desk.receiver.heard), desk.list_waiting(hook)) == (2, [])


@replays(
    111, "openreplay/openreplay 4863", "robusta-dev/robusta 2113", "nicholas-fedor/shoutrrr 900"
)
def test_a_202_of_teams_workflows_is_a_success(desk: Desk) -> None:
    hook = desk.tell(Way.TEAMS, answers(202, b""), url=desk.url)
    assert (hook.failures, desk.list_waiting(hook)) == (0, [])


@replays(112, "ahrefs/monorobot 94")
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b'{"ok":false,"error":"channel_not_found"}', "channel_not_found"),
        (b'{"errcode":93000,"errmsg":"invalid webhook url"}', "invalid webhook url"),
    ],
)
def test_a_200_whose_json_says_no_is_a_failure(desk: Desk, said: bytes, reason: str) -> None:
    hook = desk.tell(Way.REQUEST, answers(200, said), url=desk.url)
    assert f"200 ({reason}), and that it took nothing" in desk.read_error(hook)
    well = desk.tell(Way.REQUEST, answers(200, b'{"ok":true,"errcode":0}'), url=desk.url)
    assert desk.list_waiting(well) == []
    empty = desk.tell(Way.REQUEST, answers(200, b'{"errcode":""}'), url=desk.url)
    assert desk.list_waiting(empty) == []


@replays(113, "TwiN/gatus 179", "laravel-notification-channels/telegram 166")
def test_where_telegrams_chat_is_now_is_told(desk: Desk) -> None:
    said = "Bad Request: group chat was upgraded to a supergroup chat"
    parameters = {"migrate_to_chat_id": MOVED}
    body = json.dumps({"ok": False, "description": said, "parameters": parameters}).encode()
    hook = desk.tell(
        Way.TELEGRAM, answers(400, body), url=desk.receiver.origin, token="1:a", to="-15"
    )
    assert f"400 ({said}: {MOVED})" in desk.read_error(hook)


@pytest.mark.parametrize("moved", [True, int("9" * 4_000)])
def test_what_is_no_chat_is_not_told(moved: int) -> None:
    said = {"description": "Bad Request", "parameters": {"migrate_to_chat_id": moved}}
    assert parse_reason(json.dumps(said).encode()) == "Bad Request"


@replays(
    114,
    "slackapi/slack-github-action 249",
    "cloudfoundry-community/slack-notification-resource 96",
    "YoRyan/mailrise 104",
)
@pytest.mark.parametrize(
    ("way", "status", "said", "reason"),
    [
        (Way.SLACK, 404, b"no_service", "no_service"),
        (Way.SLACK, 403, b"invalid_token\n", "invalid_token"),
        (Way.DISCORD, 404, b'{"message": "Unknown Webhook", "code": 10015}', "Unknown Webhook"),
        (
            Way.NTFY,
            400,
            b'{"code":40014,"http":400,"error":"invalid request: attachments not allowed"}',
            "invalid request: attachments not allowed",
        ),
    ],
)
def test_a_refusal_is_told_with_the_receivers_own_reason(
    desk: Desk, way: Way, status: int, said: bytes, reason: str
) -> None:
    hook = desk.tell(way, answers(status, said), url=desk.url)
    assert f"the receiver answered {status} ({reason})" in desk.read_error(hook)


@replays(
    115,
    "NousResearch/hermes-agent 49324",
    "tactilenews/100eyes 1594",
    "dgtlmoon/changedetection.io 323",
)
@pytest.mark.parametrize("picture", [None, b"\xff\xd8"])
def test_a_text_of_emoji_fits_where_units_of_utf_16_are_counted(picture: bytes | None) -> None:
    text = message_text("{who}", {"who": "😀" * 700 + "Ann"})
    assert (len(text.encode("utf-16-le")) // 2, set(text)) == (1_000, {"😀"})
    assert message_text("{who}", {"who": "é" * 2_000}) == "é" * 1_000
    channel = Channel(Way.TELEGRAM, "https://api.telegram.org", "1:a", "-15")
    assert text.encode() in _decode(write_message(channel, "{who}", {"who": text}, picture).body)


def _decode(body: bytes) -> bytes:
    """Return a body whose JSON, if it is any, has letters as they are."""
    is_json = body.startswith(b"{")
    return json.dumps(json.loads(body), ensure_ascii=False).encode() if is_json else body


@replays(116, "louislam/uptime-kuma 6549", "muety/telepush 67")
def test_no_sign_of_a_name_is_a_mark_to_telegram(desk: Desk) -> None:
    desk.tell(Way.TELEGRAM, answers(200), url=desk.receiver.origin, token="1:a", to="-15")
    assert json.loads(desk.receiver.bodies[0]).keys() == {"chat_id", "text"}  # no parse_mode
    name = "a.b_c*d[e](f)!#+-={}|`>"
    channel = Channel(Way.TELEGRAM, "https://api.telegram.org", "1:a", "-15")
    assert json.loads(write_message(channel, "{who}", {"who": name}).body)["text"] == name


@replays(
    117, "liketrek/TREK 1621", "ismaildakrory/immich-memories-notify 27", "TraceApps/cooktrace 35"
)
@pytest.mark.parametrize("name", ["Jürgen", "José", "Ngô 👩🏽", "王芳", "Ann – Lee"])
def test_heads_of_ntfy_are_ascii_whatever_the_name(name: str) -> None:
    channel = Channel(Way.NTFY, "https://ntfy.sh/topic")
    post = write_message(channel, "{who}", {"who": name}, b"\xff\xd8")
    assert all(value.isascii() and "\n" not in value for value in post.headers.values())
    assert post.headers["Message"].startswith("=?utf-8?")


@replays(119, "dennysubke/dennys-umbrel-app-store 5")
def test_a_redirect_is_no_success(desk: Desk) -> None:
    moved = answers(302, headers={"Location": desk.url})
    hook = desk.tell(Way.REQUEST, moved, url=desk.url)
    assert "answered 302, not 200 to 299" in desk.read_error(hook)
    assert len(desk.receiver.heard) == 1


@replays(120, "louislam/uptime-kuma 5006", "jellyfin/jellyfin 1002")
def test_an_address_that_does_not_answer_hides_no_other_of_the_host(desk: Desk) -> None:
    port = urlsplit(desk.receiver.origin).port
    postman = SafePostman(
        lambda _name: ["fd00::1", "127.0.0.1"],
        networks=[ip_network("127.0.0.0/8"), ip_network("fd00::/8")],
        limit_s=4.0,
    )
    assert postman.post(f"http://both.example:{port}/", b"", {}).status == 200


@replays(
    121,
    "web-push-libs/pywebpush 162",
    "SherClockHolmes/webpush-go 66",
    "Couchers-org/couchers 9695",
)
def test_edges_push_service_gets_a_lifetime_and_its_reason_is_told(desk: Desk) -> None:
    said = {"X-WNS-Error-Description": "Ttl value conflicts with X-WNS-Cache-Policy."}
    hook = desk.tell(Way.PUSH, answers(400, b"", said), url=desk.url, **SUBSCRIPTION)
    [heard] = desk.receiver.heard
    assert int(heard.headers["TTL"]) > 0, "a lifetime of 0 needs a header of Microsoft's own"
    assert "400 (Ttl value conflicts with X-WNS-Cache-Policy.)" in desk.read_error(hook)


@replays(122, "vjt/grappa-irc 1323", "tiann/hapi 1316")
def test_a_browser_that_joined_by_another_key_is_asked_to_join_once_more(desk: Desk) -> None:
    said = answers(400, b'{"reason":"VapidPkHashMismatch"}')
    hook = desk.tell(Way.PUSH, said, url=desk.url, **SUBSCRIPTION)
    error = desk.read_error(hook)
    assert "(400 VapidPkHashMismatch): have this browser join once more" in error
    assert hook.is_failing, "no push of a day goes there to be refused"
