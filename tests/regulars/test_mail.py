"""Mail of a box: what a stranger's name may not write, and what a server's refusal tells a tenant."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from chalicelib.book.words.errors import InvalidInput, Unusable
from regulars.mail import MailSettings, SmtpMailer
from tests.regulars.inbox import Inbox, receiving_mail

HEADERS = ["From", "To", "Subject", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]


def mailer(port: int) -> SmtpMailer:
    return SmtpMailer(MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_from="regulars@shop.example"))


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
def test_a_tenant_is_told_nothing_of_the_operators_mail_server(caplog: pytest.LogCaptureFixture, refuses: bool) -> None:
    with (
        receiving_mail(b"550 <boss@shop.example> is unknown at mx7.host.example\r\n") as port,
        pytest.raises(Unusable) as refused,
    ):
        mailer(port if refuses else 1).mail("boss@shop.example", "Eva", "The text")
    assert str(refused.value) == "the box's mail server did not take it"
    assert ("mx7.host.example" if refuses else "127.0.0.1:1:") in caplog.text, "the operator reads it"
    assert "boss" not in caplog.text
