"""Mail of a box: what a stranger's name may not write, and what a server's refusal tells a
tenant."""

import itertools
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from chalicelib.domain.errors import InvalidInput, Unusable
from chalicelib.storage.ports import ComeBackLater, TooMany
from regulars.errors import OperatorError
from regulars.mail import MailSettings, Replies, SmtpMailer, _Server, send_mail
from tests.support.inbox import Inbox, receiving_mail
from tests.support.web.certificate import certificate

HEADERS = [
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "Date",
    "Message-ID",
]


def mailer(port: int) -> SmtpMailer:
    return SmtpMailer(
        MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="regulars@shop.example")
    )


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?=0ABcc:_x@evil.example?=",
        "Eva =?utf-8?q?=0D=0ABcc:_x@evil.example?= Lee",
        "=?utf-8?b?CkJjYzogeEBldmlsLmV4YW1wbGU=?=",
        "=?utf-8?q?=0A=0AThe_body?=",
        "=?us-ascii*en?Q?=0ABcc:_x@evil.example?=",
        "==??utf-8?q?=0ABcc:_x@evil.example?=",
        "=?utf-8?q?a?==?utf-8?q?=0ABcc:_x@evil.example?=",
        "Zoë =?utf-8?q?=0ABcc:_x@evil.example?=",
    ],
)
def test_a_name_is_the_subject_and_writes_no_header_and_no_body(name: str) -> None:
    with receiving_mail() as port:
        mailer(port).mail("boss@shop.example", name, "The text")
    mail = message_from_bytes(Inbox.mails[0], EmailMessage, policy=policy.default)
    assert mail.keys() == HEADERS
    assert mail["Subject"].replace(" ", "") == name.replace(" ", "")
    assert mail.get_content().splitlines() == ["The text"]


@pytest.mark.parametrize(
    ("to", "subject", "text"),
    [
        ("boss@shop.example", "two\nlines", "The text"),
        ("boss@shop.example", "Eva", "half a letter: \ud83d"),
        ("boss@shop.example\r\nBcc: x@evil.example", "Eva", "The text"),
    ],
)
def test_what_can_never_be_a_mail_is_said_so(to: str, subject: str, text: str) -> None:
    with receiving_mail() as port, pytest.raises(InvalidInput, match="no mail can be written"):
        mailer(port).mail(to, subject, text)
    assert Inbox.mails == []


@pytest.mark.parametrize("refuses", [False, True])
def test_a_tenant_is_told_nothing_of_the_operators_mail_server(
    caplog: pytest.LogCaptureFixture, refuses: bool
) -> None:
    with (
        receiving_mail(b"550 <boss@shop.example> is unknown at mx7.host.example\r\n") as port,
        pytest.raises(Unusable) as refused,
    ):
        mailer(port if refuses else 1).mail("boss@shop.example", "Eva", "The text")
    assert str(refused.value) == "the box's mail server did not take it"
    assert ("mx7.host.example" if refuses else "127.0.0.1:1:") in caplog.text, (
        "the operator reads it"
    )
    assert "boss" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "later"), [(b"450 4.2.0 greylisted, try later", True), (b"550 unknown", False)]
)
def test_a_mail_that_is_refused_for_now_comes_again_later(answer: bytes, later: bool) -> None:
    with receiving_mail(answer + b"\r\n") as port, pytest.raises(Unusable) as refused:
        mailer(port).mail("boss@shop.example", "Eva", "The text")
    assert isinstance(refused.value, ComeBackLater) is later
    assert "greylisted" not in str(refused.value), "a tenant is told nothing of the server"


# a hostile server


@contextmanager
def hostile(says: bytes) -> Iterator[int]:
    """A server that says this over and over, whatever it is sent; yield its port."""

    class Talker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while True:
                    self.request.sendall(says)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"220-welcome\r\n", "more than 65536 bytes"),
        (b"2", "Line too long"),
        (b"\r\n", "-1"),
    ],
)
def test_a_greeting_without_end_is_not_read_to_it(says: bytes, why: str) -> None:
    letter = EmailMessage()
    letter["From"], letter["To"] = "regulars@shop.example", "boss@shop.example"
    with hostile(says) as port, pytest.raises(OperatorError, match=why):
        send_mail(
            letter,
            MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="regulars@shop.example"),
        )


def test_a_server_that_takes_its_time_with_a_mail_is_waited_for() -> None:
    """Else it has the mail, and gets it again at each further try."""
    letter = EmailMessage()
    letter["From"], letter["To"] = "regulars@shop.example", "boss@shop.example"
    slow = type("Slow", (Inbox,), {"looks_s": 2.0})
    with receiving_mail(handler=slow) as port:
        mail = MailSettings(
            smtp_host="127.0.0.1", smtp_port=port, smtp_from="regulars@shop.example"
        )
        send_mail(letter, mail, timeout_s=0.5)
    assert len(Inbox.mails) == 1


class Thinking(Inbox):
    """A mail server that looks at a mail for long, and says so in two lines."""

    def handle(self) -> None:
        self.connection.sendall(b"220 here\r\n")
        while line := self.rfile.readline():
            answer = b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 well\r\n"
            if line.upper().startswith(b"DATA"):
                self.connection.sendall(b"354 go on\r\n")
                self.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                time.sleep(0.7)
                self.connection.sendall(b"250-queued\r\n")
                time.sleep(0.3)
            self.connection.sendall(answer)


class Waiting(_Server):
    """Our side, whose minutes are shorter than one."""

    replies_s, taken_s, goodbye_s = 0.5, 20, 1


def test_the_time_of_the_replies_before_does_not_end_the_wait_for_a_mail() -> None:
    letter = EmailMessage()
    letter["From"], letter["To"] = "regulars@shop.example", "boss@shop.example"
    with (
        receiving_mail(handler=Thinking) as port,
        Waiting("127.0.0.1", port, timeout=0.5) as server,
    ):
        assert server.send_message(letter) == {}
    assert len(Inbox.mails) == 1


def test_a_slow_mail_server_holds_eight_threads_at_most() -> None:
    """Else it holds all by which every shop's hooks are posted to."""
    begun, answered = threading.Semaphore(0), threading.Event()

    class Slow(Inbox):
        def handle(self) -> None:
            begun.release()
            answered.wait(20)
            super().handle()

    with receiving_mail(handler=Slow) as port, ThreadPoolExecutor(8) as pool:
        postman = mailer(port)
        mails = [pool.submit(postman.mail, "boss@shop.example", "Eva", "Text") for _ in range(8)]
        assert all(begun.acquire(timeout=20) for _ in mails)
        with pytest.raises(TooMany, match="8 mails are under way") as refused:
            postman.mail("boss@shop.example", "Eva", "The text")
        assert refused.value.again_in_s >= 10
        answered.set()
        for mail in mails:
            mail.result(20)
        postman.mail("boss@shop.example", "Eva", "The text")
    assert len(Inbox.mails) == 9


@pytest.mark.parametrize("trickles", [b"", b"221-bye\r\n"])
def test_a_server_that_says_no_goodbye_is_not_waited_for(trickles: bytes) -> None:
    """Else the test hangs: the server ends when its client is gone."""

    class Mute(Inbox):
        def handle(self) -> None:
            self.connection.sendall(b"220 here\r\n")
            while not self.rfile.readline().upper().startswith(b"QUIT"):
                self.connection.sendall(b"250 well\r\n")
            self.connection.settimeout(0.2)
            with suppress(ConnectionError):
                while not self._is_left():
                    self.connection.sendall(trickles)

        def _is_left(self) -> bool:
            try:
                return self.connection.recv(1) == b""
            except TimeoutError:
                return False

    with (
        receiving_mail(handler=Mute) as port,
        Waiting("127.0.0.1", port, timeout=0.5) as server,
    ):
        server.ehlo()
        server._wait_at_most(10_000.0)  # as for a mail, and longer


@pytest.mark.parametrize("goodbye", [b"500 unknown\r\n", b"421 busy\r\n", b"?\r\n"])
def test_a_server_that_has_taken_a_mail_may_say_goodbye_as_it_likes(goodbye: bytes) -> None:
    """Else the mail is sent again."""
    rude = type("Rude", (Inbox,), {"goodbye": goodbye})
    with receiving_mail(handler=rude) as port:
        mailer(port).mail("boss@shop.example", "Eva", "The text")
    assert len(Inbox.mails) == 1


def test_a_receiver_who_is_refused_beside_another_one_is_named() -> None:
    letter = EmailMessage()
    letter["From"], letter["To"] = "regulars@shop.example", "boss@shop.example, eva@shop.example"
    some = type("Some", (Inbox,), {"unknown": b"eva@shop.example"})
    with (
        receiving_mail(handler=some) as port,
        pytest.raises(OperatorError, match=r"but not to eva@shop\.example: .*nobody is called so"),
    ):
        send_mail(
            letter,
            MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="regulars@shop.example"),
        )
    assert len(Inbox.mails) == 1


def test_a_reply_that_trickles_ends_in_time() -> None:
    clock = itertools.count(0.0, 10.0)
    with (
        hostile(b"2") as port,
        socket.create_connection(("127.0.0.1", port)) as line,
        pytest.raises(TimeoutError, match="not whole after 120 s"),
    ):
        Replies(line, clock.__next__).readline(10**9)


def test_replies_are_read_as_a_file_reads_them() -> None:
    ours, its = socket.socketpair()
    with ours:
        with its:
            its.sendall(b"250-one\r\n250 two\r\nthr")
        replies = Replies(ours)
        assert [replies.readline(100) for _ in range(4)] == [
            b"250-one\r\n",
            b"250 two\r\n",
            b"thr",
            b"",
        ]


@pytest.mark.parametrize("user", [None, "regulars"])
@pytest.mark.parametrize("host", [None, "other.example"])
def test_neither_a_mail_nor_a_password_goes_to_a_certificate_that_is_not_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None, host: str | None
) -> None:
    """One that nobody vouches for, and one that is trusted and another host's."""
    chain, key = certificate(tmp_path, host=host)
    if host is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    (tmp_path / "password").write_text("correct-horse-battery")
    with receiving_mail(handler=type("Tls", (Inbox,), {"tls": context})) as port:
        mail = MailSettings(
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_from="regulars@shop.example",
            smtp_user=user,
            smtp_password_file=user and tmp_path / "password",
        )
        with pytest.raises(Unusable):
            SmtpMailer(mail).mail("boss@shop.example", "Eva", "The text")
    assert Inbox.heard == [b"EHLO", b"STAR"]
