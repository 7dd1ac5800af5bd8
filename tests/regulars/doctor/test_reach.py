"""`regulars doctor --reach`: a table of parties and faults, and the line that each must have."""

from __future__ import annotations

import os
import pty
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws
from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.channels import Channel
from chalicelib.domain.webhooks import Way
from chalicelib.http_client.safe_requests import SafePostman
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.items import write
from chalicelib.storage.ports import Update, exists
from regulars.cli import main
from regulars.doctor.reach.asking import Reach
from regulars.doctor.reach.reach import PARTIES, ask_parties, ask_party
from regulars.findings import Level
from regulars.mail import MailSettings
from testing.ports import free_port
from tests.regulars.doctor.stand_ins import (
    Asked,
    Spoil,
    proxy,
    saying,
    shaking_hands,
)
from tests.support.box.server import Server
from tests.support.fakes import FakeClock
from tests.support.hooks.browser import SUBSCRIPTION
from tests.support.hooks.receiver import Behaviour, answers, hangs, receiving, says
from tests.support.inbox import Inbox, receiving_mail
from tests.support.storage.failing import UNANSWERED, Calls
from tests.support.web.certificate import certificate

OK, WARNING, FAILED, UNASKED = Level
NETWORKS = (ip_network("127.0.0.0/8"),)
REGION = "eu-central-1"
HOME: Any = {"LocationConstraint": REGION}
QUEUES = f"arn:aws:sqs:{REGION}:123456789012:"
MB = 2**20
SHORT_S = 0.6


class Box(Struct, frozen=True):
    """A box that is served, its book, and what a case has opened, which ends with it."""

    server: Server
    services: Services
    opened: ExitStack
    folder: Path
    set_variable: Callable[[str, str], None]

    def trust(self, chain: Path) -> None:
        self.set_variable("SSL_CERT_FILE", str(chain))

    def reach(self, url: str = "", **more: Any) -> Reach:
        agreed = {"agree": lambda _tests: True, **more}
        return Reach(self.services, MailSettings(), url, self.server.url, **agreed)

    def reach_with(self, **settings: Any) -> Reach:
        data = self.services.settings
        services = bootstrap.build(replace(data, **settings))
        self.opened.callback(services.close)
        return replace(self.reach(), services=services)

    def never(self) -> Behaviour:
        over = threading.Event()
        self.opened.callback(over.set)
        return hangs(over)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("reach") / "shop")
    yield server
    assert server.stop() == 0


@pytest.fixture
def box(served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    settings = Settings(storage=served.data, hook_networks=NETWORKS)

    with closing(bootstrap.build(settings)) as services, ExitStack() as opened:
        yield Box(served, services, opened, tmp_path, monkeypatch.setenv)
        shop = services.tenants.get_by_name("shop")
        for hook in services.webhooks.hooks.list_all("shop"):
            services.webhooks.hooks.delete("shop", hook.id)
        assert services.cameras.list_all(shop) == []  # what was made for it is gone


Start = Callable[[Box], Reach]


class Case(NamedTuple):
    """How a party stands, and the line that says it."""

    start: Start
    level: Level
    says: str


# --- the address
# --------------------------------------------------------------------------------------------------


def at_nobody(box: Box) -> Reach:
    return box.reach(f"http://127.0.0.1:{free_port()}")


def behind(spoil: Spoil, patience_s: float = 30.0) -> Start:
    """A proxy before the box that does something to what passes."""

    def start(box: Box) -> Reach:
        url = box.opened.enter_context(proxy(box.server.url, spoil))
        return box.reach(url, patience_s=patience_s)

    return start


def answering(status: int, body: bytes = b"", **headers: str) -> Start:
    return behind(lambda _: answers(status, body, headers))


def slow(box: Box) -> Reach:
    never = box.never()
    return behind(lambda _: never, SHORT_S)(box)


def on_posts(behave: Behaviour) -> Spoil:
    return lambda asked: behave if asked.method == "POST" else asked


def up_to(most: int, behave: Behaviour) -> Spoil:
    return lambda asked: behave if len(asked.body) > most else asked


def on_puts(behave: Behaviour) -> Spoil:
    return lambda asked: behave if asked.method == "PUT" else asked


def rewritten(before: str, after: str) -> Spoil:
    return lambda asked: asked._replace(path=asked.path.replace(before, after))


def with_type(kind: str) -> Spoil:
    return lambda asked: asked._replace(headers={**asked.headers, "Content-Type": kind})


def recoded(asked: Asked) -> Asked:
    return asked._replace(body=asked.body.replace(b"\xff\xd9", b"\xff\xd9\n"))


def straight(box: Box) -> Reach:
    return box.reach(box.server.url)


def passing(asked: Asked) -> Asked:
    return asked


cut = says(b"")
ADDRESS = {
    "well": Case(behind(passing), OK, "was answered by a service"),
    "not set up": Case(Box.reach, UNASKED, "not set up: set `public_url`"),
    "refused": Case(at_nobody, FAILED, "refused): see name, router, port and certificate"),
    "cut": Case(behind(lambda _: cut), FAILED, "see name, router, port and cert"),
    "slow": Case(slow, FAILED, "timed out"),
    "another service": Case(answering(200, b"{}"), FAILED, "200: another service is there"),
    "path rewritten": Case(behind(rewritten("/h", "/x/h")), FAILED, "404: the proxy passes"),
    "proxy without service": Case(answering(502), FAILED, "does not reach the service"),
    "redirect": Case(answering(301, Location="/"), FAILED, "set `public_url` to that address"),
    "sign-in of its own": Case(answering(401), FAILED, "a proxy asks for a sign-in of its own"),
    "another book": Case(
        behind(on_posts(answers(401))), FAILED, "the address leads to another book, or a proxy"
    ),
    "no Authorization": Case(
        behind(lambda asked: asked.without("authorization")), FAILED, "takes `Authorization` away"
    ),
}
PATHS = {
    "well": Case(behind(passing), OK, "paths are answered there as by the service itself"),
    "not set up": Case(straight, UNASKED, "`public_url` names no address before the service"),
    "slash taken away": Case(
        behind(lambda asked: asked._replace(path=asked.path.rstrip("/"))),
        FAILED,
        "GET of /console/ is answered otherwise than here: pass paths on as they come",
    ),
    "slashes merged": Case(behind(rewritten("//", "/")), FAILED, "/v1//faces"),
    "%2F decoded": Case(behind(rewritten("%2F", "/")), FAILED, "/v1/hooks/a%2Fb"),
    "prefix taken away": Case(behind(rewritten("/v1/", "/")), FAILED, "/v1/openapi.json"),
    "cut": Case(behind(lambda _: cut), FAILED, "a proxy's log, and its limits"),
}
LIMITS = {
    "well": Case(behind(passing), OK, "a camera's body of 20,971,520 bytes"),
    "not set up": Case(Box.reach, UNASKED, "not set up"),
    "1 MB": Case(behind(up_to(MB, answers(413))), FAILED, "raise its limit (nginx: `client_max"),
    "cut at 1 MB": Case(behind(up_to(MB, cut)), FAILED, "its limits of size and time"),
    "too slow": Case(behind(up_to(MB, answers(408))), FAILED, "raise its time limit"),
    "broken off": Case(behind(up_to(MB, answers(502))), FAILED, "a proxy broke off"),
}
CAMERAS = {
    "well": Case(behind(passing), OK, "as Dahua's cameras post it (multipart/mixed) is a capture"),
    "not set up": Case(Box.reach, UNASKED, "set `public_url`"),
    "refused": Case(at_nobody, FAILED, "refused): see name, router"),
    "cut": Case(behind(on_posts(cut)), FAILED, "a proxy's log, and its limits"),
    "slow": Case(slow, FAILED, "timed out"),
    "no Authorization": Case(
        behind(lambda asked: asked.without("authorization")), FAILED, "takes `Authorization` away"
    ),
    "no challenge": Case(
        behind(lambda asked: asked._replace(hides=("www-authenticate",))),
        FAILED,
        "names no Basic: cameras that wait to be asked send nothing",
    ),
    "another type": Case(behind(with_type("application/json")), FAILED, "answered 400: a proxy"),
    "path rewritten": Case(behind(rewritten("/v1/", "/")), FAILED, "pass /v1/captures on as it is"),
    "no posts": Case(behind(on_posts(answers(403))), FAILED, "allow POST of /v1/captures"),
    "too large": Case(behind(on_posts(answers(413))), FAILED, "takes no picture of this size"),
    "too often": Case(
        behind(on_posts(answers(429, headers={"Retry-After": "40"}))), FAILED, "ask again in a min"
    ),
    "other bytes": Case(behind(recoded), FAILED, "this book has not those bytes"),
    "another service": Case(
        behind(on_posts(answers(202, b"{}"))), FAILED, "this book has not those bytes"
    ),
}
UPLOADS = {
    "well": Case(behind(passing), OK, "and put to 127.0.0.1, was looked at"),
    "not set up": Case(Box.reach, UNASKED, "not set up"),
    "refused": Case(at_nobody, FAILED, "see name, router, port and cert"),
    "offer refused": Case(behind(on_posts(answers(403))), FAILED, "offer was answered 403"),
    "no PUT": Case(behind(on_puts(answers(405))), FAILED, "answered 405: see that this host"),
    "cut": Case(behind(on_puts(cut)), FAILED, "see name, router, port and cert"),
    "no event": Case(
        behind(on_puts(answers(200)), SHORT_S), FAILED, "the bucket's notification, its queue"
    ),
}


# --- TLS
# --------------------------------------------------------------------------------------------------


def shows(
    *,
    days: int = 60,
    host: str = "localhost",
    trusted: bool = True,
    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    unnamed: bool = False,
) -> Start:
    """A server that shows a certificate. `unnamed`: another one to who names no host."""

    def start(box: Box) -> Reach:
        chain, key = certificate(box.folder, days=days, host=host)
        if trusted:
            box.trust(chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        context.minimum_version = least
        if unnamed:
            other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            (box.folder / "other").mkdir()
            other.load_cert_chain(*certificate(box.folder / "other", 2))
            context.sni_callback = lambda line, name, _: (
                None if name else setattr(line, "context", other)
            )
        return box.reach(f"https://localhost:{box.opened.enter_context(shaking_hands(context))}")

    return start


def speaking_no_tls(box: Box) -> Reach:
    return box.reach(f"https://localhost:{box.opened.enter_context(saying(b'hello'))}")


TLS = {
    "well": Case(shows(), OK, "the chain is whole, and ends in 59 days"),
    "not set up": Case(straight, UNASKED, "the address has no https, and keys go in the clear"),
    "unknown authority": Case(shows(trusted=False), FAILED, "it vouches for itself: give it to"),
    "another name": Case(shows(host="elsewhere.example"), FAILED, "it is of another name"),
    "ended": Case(shows(days=-1), FAILED, "it has ended: renew it"),
    "ends soon": Case(shows(days=5), WARNING, "ends in 4 days: renew it"),
    "only TLS 1.3": Case(shows(least=ssl.TLSVersion.TLSv1_3), FAILED, "allow TLS 1.2"),
    "no TLS": Case(speaking_no_tls, FAILED, "allow TLS 1.2"),
    "needs a name": Case(shows(unnamed=True), WARNING, "make this one the default"),
    "refused": Case(
        lambda box: box.reach(f"https://localhost:{free_port()}"), FAILED, "see name, port and"
    ),
}


# --- whom events are told
# --------------------------------------------------------------------------------------------------


def told(way: Way | None, behave: Behaviour | None) -> Start:
    """A browser, a channel or a hook whose receiver answers so; None: nobody is there."""

    def start(box: Box) -> Reach:
        url = f"http://127.0.0.1:{free_port()}/secret-topic"
        if behave is not None:
            url = f"{box.opened.enter_context(receiving(behave)).origin}/secret-topic"
        keys = SUBSCRIPTION if way is Way.PUSH else {}
        channel = Channel(way, url, **keys) if way else None
        box.services.webhooks.hooks.add("shop", None if way else url, channel=channel)
        return box.reach()

    return start


def told_slowly(way: Way | None) -> Start:
    def start(box: Box) -> Reach:
        box.services.ports.postman = SafePostman(networks=NETWORKS, limit_s=SHORT_S)
        return told(way, box.never())(box)

    return start


def told_over_tls(way: Way | None) -> Start:
    """A receiver whose certificate nobody vouches for."""

    def start(box: Box) -> Reach:
        chain, key = certificate(box.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        url = f"https://127.0.0.1:{box.opened.enter_context(shaking_hands(context))}/secret-topic"
        keys = SUBSCRIPTION if way is Way.PUSH else {}
        channel = Channel(way, url, **keys) if way else None
        box.services.webhooks.hooks.add("shop", None if way else url, channel=channel)
        return box.reach()

    return start


def faults_of_receivers(way: Way | None) -> dict[str, Case]:
    return {
        "well": Case(told(way, answers(201)), OK, "127.0.0.1) was answered 201"),
        "not set up": Case(Box.reach, UNASKED, "not set up"),
        "refused": Case(told(way, None), FAILED, "no connection was made"),
        "cut": Case(told(way, cut), FAILED, "HTTP/1.1: give the URL of a web server"),
        "slow": Case(told_slowly(way), FAILED, "no answer within 0.6 s"),
        "wrong certificate": Case(told_over_tls(way), FAILED, "certificate is not valid: get one"),
        "redirect": Case(
            told(way, answers(302, headers={"Location": "/"})), FAILED, "give the hook that other"
        ),
        "gone": Case(told(way, answers(410)), FAILED, "answered 410: it wants nothing any more"),
        "too large": Case(told(way, answers(413)), FAILED, "raise its limit"),
        "come back": Case(
            told(way, answers(429, headers={"Retry-After": "40"})),
            WARNING,
            "again in 40 s. Ask again then",
        ),
        "too often": Case(told(way, answers(429)), FAILED, "it is sent too much"),
        "failed": Case(told(way, answers(500)), FAILED, "answered 500: it failed: see its log"),
    }


MESSAGES = {
    **faults_of_receivers(Way.NTFY),
    "key refused": Case(told(Way.SLACK, answers(403)), FAILED, "give the hook another one"),
    "nobody there": Case(told(Way.DISCORD, answers(404)), FAILED, "nobody is at this address"),
}
HOOKS = {
    **faults_of_receivers(None),
    "signature refused": Case(told(None, answers(401)), FAILED, "does not take this key"),
    "wrong form": Case(told(None, answers(400)), FAILED, "does not take such a message"),
}
PUSHED = {
    **faults_of_receivers(Way.PUSH),
    "gone": Case(told(Way.PUSH, answers(404)), FAILED, "wants nothing any more: delete the hook"),
    "403 BadJwtToken": Case(
        told(Way.PUSH, answers(403, b'{"reason":"BadJwtToken"}')),
        FAILED,
        "refuses the sender (403 BadJwtToken): set the shop's `contact`",
    ),
}


# --- mail, witness
# --------------------------------------------------------------------------------------------------


def mailing(port: int, password: Path | None = None) -> MailSettings:
    user = "box@shop.example" if password else None
    return MailSettings("localhost", port, user, password, "box@shop.example")


def mailed_to(*lines: bytes) -> Start:
    """A mail server that says these lines, one after the other."""

    def start(box: Box) -> Reach:
        port = box.opened.enter_context(saying(*lines))
        return replace(box.reach(), mail=mailing(port))

    return start


def inbox(box: Box) -> Reach:
    return replace(box.reach(), mail=mailing(box.opened.enter_context(receiving_mail())))


def signing_in(answer: bytes) -> Start:
    """A mail server behind TLS that answers so to a password."""

    def start(box: Box) -> Reach:
        chain, key = certificate(box.folder, host="localhost")
        box.trust(chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        Inbox.tls, Inbox.password = context, answer
        box.opened.callback(lambda: (setattr(Inbox, "tls", None), setattr(Inbox, "password", b"")))
        password = box.folder / "password"
        password.write_text("secret-word")
        port = box.opened.enter_context(receiving_mail())
        return replace(box.reach(), mail=mailing(port, password))

    return start


def mistrusted(box: Box) -> Reach:
    reach = signing_in(b"235 right\r\n")(box)
    box.trust(box.folder / "nobody.pem")
    return reach


HERE, YES = b"220 here\r\n", b"250 yes\r\n"
MAIL = {
    "well": Case(inbox, OK, "to its own sender was taken: see that it lies in that mailbox"),
    "not set up": Case(Box.reach, UNASKED, "not set up: set `smtp_host` and `smtp_from`"),
    "refused": Case(
        lambda box: replace(box.reach(), mail=mailing(free_port())),
        FAILED,
        "ConnectionRefusedError: set `smtp_host` and `smtp_port`",
    ),
    "cut": Case(mailed_to(HERE, b""), FAILED, "it hangs up"),
    "busy": Case(mailed_to(b"554 nobody\r\n"), FAILED, "SMTPConnectError 554: see its log"),
    "greylisted": Case(mailed_to(HERE, YES, YES, b"451 later\r\n"), WARNING, "Ask again in some"),
    "sender refused": Case(
        mailed_to(HERE, YES, b"550 no\r\n"), FAILED, "SMTPSenderRefused 550: set `smtp_from`"
    ),
    "receiver refused": Case(
        mailed_to(HERE, YES, YES, b"550 no\r\n"), FAILED, "an address that has a mailbox"
    ),
    "mail refused": Case(
        mailed_to(HERE, YES, YES, YES, b"554 no\r\n"), FAILED, "SMTPDataError 554: see its log"
    ),
    "password refused": Case(
        signing_in(b"535 no\r\n"), FAILED, "535: set `smtp_user` and `smtp_password_file` anew"
    ),
    "wrong certificate": Case(mistrusted, FAILED, "a name that its certificate has"),
    "no TLS": Case(
        lambda box: replace(
            mailed_to(HERE, YES)(box),
            mail=mailing(mailed_to(HERE, YES)(box).mail.smtp_port, box.folder / "password"),
        ),
        FAILED,
        "it has no TLS or no sign-in at this port",
    ),
}


def posted_heads(behave: Behaviour) -> Start:
    def start(box: Box) -> Reach:
        return box.reach_with(witness=box.opened.enter_context(receiving(behave)).url)

    return start


def witness_folder(box: Box) -> Reach:
    return box.reach_with(witness=str(box.folder))


def blocked(box: Box) -> Reach:
    (box.folder / "doctor").write_text("no folder")
    return witness_folder(box)


WITNESS = {
    "well": Case(witness_folder, OK, "was kept, and reads the same"),
    "a URL": Case(posted_heads(answers(200)), OK, "who asks may not read there"),
    "not set up": Case(Box.reach, UNASKED, "`witness` names a folder, a bucket or a URL"),
    "not mounted": Case(
        lambda box: box.reach_with(witness=str(box.folder / "gone")), FAILED, "is it mounted?"
    ),
    "not written": Case(blocked, FAILED, "See that `witness` is there and may be written"),
    "refused": Case(posted_heads(answers(403)), FAILED, "the witness answered 403"),
    "cut": Case(posted_heads(cut), FAILED, "HTTP/1.1"),
    "come back": Case(
        posted_heads(answers(503, headers={"Retry-After": "40"})), FAILED, "again in 40 s"
    ),
}

# --- a stage
# --------------------------------------------------------------------------------------------------

CREATED, REMOVED = "s3:ObjectCreated:*", "s3:ObjectRemoved:*"


def staged(*rules: tuple[str, str], bucket: str = "captures", below: str = "") -> Start:
    """A stage whose bucket tells queues of events. `below`: only of keys that begin so."""

    def start(box: Box) -> Reach:
        box.set_variable("AWS_DEFAULT_REGION", REGION)
        box.opened.enter_context(mock_aws())
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        s3.create_bucket(Bucket="captures", CreateBucketConfiguration=HOME)
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("seen", "other")}
        told = [{"QueueArn": f"{QUEUES}{name}", "Events": [event]} for name, event in rules]
        only = {"Key": {"FilterRules": [{"Name": "prefix", "Value": below}]}}
        s3.put_bucket_notification_configuration(
            Bucket="captures",
            NotificationConfiguration={
                "QueueConfigurations": [{**one, "Filter": only} if below else one for one in told]
            },
        )
        stage = AwsStorage("t-", "data", "index", bucket, urls["seen"], "deliveries", "key")
        return box.reach_with(storage=stage)

    return start


S3 = {
    "well": Case(staged(("seen", CREATED)), OK, "the queue seen, of each"),
    "not set up": Case(Box.reach, UNASKED, "not set up: --stage names a stage in AWS"),
    "no event": Case(staged(), FAILED, "not the queue seen, of each: deploy the stage again"),
    "another queue": Case(staged(("other", CREATED)), FAILED, "not the queue seen"),
    "another event": Case(staged(("seen", REMOVED)), FAILED, "not the queue seen"),
    "only some": Case(staged(("seen", CREATED), below="x/"), FAILED, "not the queue seen"),
    "no bucket": Case(staged(("seen", CREATED), bucket="gone"), FAILED, "see the bucket, and"),
}

TABLE = {
    "address": ADDRESS,
    "tls": TLS,
    "paths": PATHS,
    "limits": LIMITS,
    "camera": CAMERAS,
    "upload": UPLOADS,
    "s3": S3,
    "push": PUSHED,
    "message": MESSAGES,
    "mail": MAIL,
    "hook": HOOKS,
    "witness": WITNESS,
}
SECRETS = ("secret-topic", "secret-word", "ck_", SUBSCRIPTION["auth"], "box@shop.example")


def test_each_party_has_its_faults() -> None:
    assert TABLE.keys() == PARTIES.keys()
    for cases in TABLE.values():
        assert {"well", "not set up"} < cases.keys()
        assert len([case for case in cases.values() if case.level is FAILED]) >= 4


@pytest.mark.parametrize(
    ("party", "name"), [(party, name) for party, cases in TABLE.items() for name in cases]
)
def test_what_is_wrong_with_a_party_is_named_with_what_mends_it(
    box: Box, party: str, name: str
) -> None:
    case = TABLE[party][name]
    found = list(ask_party(party, case.start(box)))
    assert {one.subject for one in found} == {party}
    matching = [one for one in found if one.level is case.level and case.says in one.says]
    assert matching, found
    if case.level is OK:
        assert {one.level for one in found} <= {OK}, found
    assert not [secret for secret in SECRETS if secret in str(found)]


def test_it_is_said_before_that_a_mail_may_take_minutes(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ask_party("mail", inbox(box))
    next(iter(asked))
    assert "may take five minutes" in capsys.readouterr().err


def test_nothing_is_left_and_no_hook_fails_by_it(box: Box) -> None:
    told(Way.NTFY, answers(500))(box)
    list(ask_party("message", box.reach()))
    [hook] = box.services.webhooks.hooks.list_all("shop")
    assert (hook.failures, hook.paused_until) == (0, None)
    assert not box.services.webhooks.outbox.read_page("shop", hook.id, parked=False, limit=9).rows


def test_what_a_killed_question_left_goes_at_the_next_and_nothing_of_others(box: Box) -> None:
    shop = box.services.tenants.get_by_name("shop")
    ago = FakeClock(box.services.clock.now() - timedelta(hours=2))
    with closing(bootstrap.build(box.services.settings, clock=ago)) as earlier:
        for one in ("doctor-0a1b2c3d", "doctor-who"):
            earlier.cameras.add(shop, one, one, CameraSettings())
    box.services.cameras.add(shop, "doctor-4e5f6a7b", "of another question now", CameraSettings())
    list(ask_party("camera", box.reach(box.server.url)))
    left = {camera.id for camera in box.services.cameras.list_all(shop)}
    assert {one for one in left if one.startswith("doctor")} == {"doctor-who", "doctor-4e5f6a7b"}
    for one in ("doctor-who", "doctor-4e5f6a7b"):
        box.services.cameras.delete(shop, one)


def test_nothing_is_sent_to_anybody_before_somebody_agrees(box: Box) -> None:
    """What would be sent is said, and to whom; what needs no consent is asked all the same."""
    receiver = box.opened.enter_context(receiving(answers(200)))
    port = box.opened.enter_context(receiving_mail())
    for way, more in ((Way.NTFY, {}), (Way.PUSH, SUBSCRIPTION)):
        channel = Channel(way, f"{receiver.origin}/secret-topic", **more)
        box.services.webhooks.hooks.add("shop", None, channel=channel)
    box.services.webhooks.hooks.add("shop", f"{receiver.origin}/secret-topic")
    mail = MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="box@shop.example")
    told: list[str] = []

    def refuse(tests: Sequence[str]) -> bool:
        told.extend(tests)
        return False

    found = list(ask_parties(replace(box.reach(box.server.url, agree=refuse), mail=mail)))
    unsent = [one for one in found if "was not sent: nobody agreed; --yes sends it" in one.says]
    assert {one.subject for one in unsent} == {"push", "message", "mail", "hook"}
    assert [one.says.partition(" was not sent")[0] for one in unsent] == told
    assert (receiver.heard, Inbox.heard) == ([], [])
    assert OK in {one.level for one in found if one.subject == "camera"}
    assert not [secret for secret in SECRETS if secret in str(found)]


def test_the_command_asks_on_a_terminal_and_sends_nothing_without_one(
    served: Server, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = box.opened.enter_context(receiving(answers(200)))
    channel = Channel(Way.NTFY, f"{receiver.origin}/secret-topic")
    hook, _ = box.services.webhooks.hooks.add("shop", None, channel=channel)
    asked = ["doctor", "--reach", "--data", str(served.data)]
    test = f"a test to ntfy {hook.id} of tenant shop (http://127.0.0.1)"
    main(asked)
    assert f"unasked  message  {test} was not sent: nobody agreed" in capsys.readouterr().out
    assert receiver.heard == []
    for typed, is_refused in ((b"n\n", True), (b"\x04", True), (b"y\n", False)):
        said = on_a_terminal(asked, typed)
        assert f"to send: {test}" in said
        assert "Send 1 tests now? [y/N]" in said
        assert (f"{test} was not sent: nobody agreed" in said) is is_refused
        assert is_refused or f"failed   message  {test}: the URL's address is not public" in said


def on_a_terminal(words: list[str], typed: bytes) -> str:
    """Run the command where somebody sits, who types this; return what is shown."""
    ours, theirs = pty.openpty()
    os.write(ours, typed)
    command = [sys.executable, "-m", "regulars", *words]
    try:
        ran = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=120)
    finally:
        os.close(ours)
        os.close(theirs)
    return ran.stdout


def kinds_of_lines(reach: Reach) -> dict[str, set[Level]]:
    """Ask each party; return the levels of its lines."""
    kinds: dict[str, set[Level]] = {}
    for one in ask_parties(reach):
        kinds.setdefault(one.subject, set()).add(one.level)
    return kinds


def test_a_full_book_ends_no_questions(box: Box) -> None:
    """No camera can be added for the questions: what needs none is asked."""
    shop = box.services.tenants.get_by_name("shop")
    key = ("shop", keys.CAMERAS_LEFT)
    box.services.cameras.add(shop, "one", "one", CameraSettings())
    counted = box.services.items.get(keys.CAMERAS, key) or {}
    write(box.services.items, [Update(keys.CAMERAS, key, (exists("there"),), set={"left": 0})])
    try:
        kinds = kinds_of_lines(box.reach(box.server.url))
    finally:
        write(
            box.services.items,
            [Update(keys.CAMERAS, key, (exists("there"),), set={"left": counted["left"]})],
        )
        box.services.cameras.delete(shop, "one")
    assert kinds.keys() == PARTIES.keys()
    assert {name for name, levels in kinds.items() if FAILED in levels} == {
        *("address", "limits", "camera", "upload"),
    }


def test_a_book_that_is_away_ends_no_questions(box: Box) -> None:
    """Each party that the book says how to reach could not be asked, and the others were."""
    calls = Calls()
    settings = replace(box.services.settings, witness=str(box.folder))
    storage = calls.wrap(open_storage(settings, SystemClock()))
    with closing(bootstrap.build(settings, storage=storage)) as services:
        calls.refuse(1.0, UNANSWERED)
        kinds = kinds_of_lines(replace(box.reach(box.server.url), services=services))
        calls.refuse(0.0)
    assert kinds.keys() == PARTIES.keys()
    assert kinds["witness"] == {OK}
    for name in ("address", "limits", "camera", "upload", "push", "message", "hook"):
        assert FAILED in kinds[name], kinds


def test_the_command_says_what_it_sent_and_ends_as_doctor_does(
    served: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["doctor", "--reach", "--data", str(served.data)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    for line in (
        f"ok       address  GET {served.url}/health was answered by a service\n",
        "ok       camera   a picture as Axis's cameras post it (image/jpeg) is a capture, byte for",
        "ok       upload   a picture that was offered, and put to 127.0.0.1, was looked at\n",
    ):
        assert line in said
    assert main(["call", "list-entries", "--tenant", "shop", "--data", str(served.data)]) == 0
    entries = [line for line in capsys.readouterr().out.splitlines() if "regulars doctor" in line]
    assert entries


@pytest.mark.parametrize("option", [["--stage", "prod"], ["--yes"]])
def test_options_of_reach_are_refused_without_it(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *option]) == 2
    assert "--stage and --yes require --reach" in capsys.readouterr().err
