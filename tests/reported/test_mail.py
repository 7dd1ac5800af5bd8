"""Reports of what mail servers refuse, replayed by a server of this machine. The page:
docs/reported.md."""

import re
import ssl
from base64 import b64decode
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from regulars.mail import MailSettings, SmtpMailer
from testing.reported import replays
from tests.support.inbox import Inbox, receiving_mail
from tests.support.web.certificate import certificate


def mail(port: int, text: str = "The text", **settings: object) -> None:
    options = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_from": "box@shop.example"}
    mailer = SmtpMailer(MailSettings(**{**options, **settings}))  # type: ignore[arg-type] # some
    mailer.mail("boss@shop.example", "Eva", text)


@pytest.fixture
def signing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, str], bytes]:
    """Return a function that has a server of these ways take a mail for this password; it returns
    the line that signs in."""
    chain, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    secret = tmp_path / "password"

    def sign_in(ways_in: bytes, password: str) -> bytes:
        class Server(Inbox):
            tls = context
            ways = ways_in

        secret.write_text(f"{password}\n", encoding="utf-8")
        with receiving_mail(handler=Server) as port:
            mail(port, smtp_user="box", smtp_password_file=secret)
        assert len(Inbox.mails) == 1
        [line] = [line for line in Inbox.lines if line.startswith(b"AUTH")]
        return line

    return sign_in


@replays(
    123,
    "element-hq/matrix-authentication-service 4747",
    "splitbrain/dokuwiki-plugin-smtp 59",
    "muquit/mailsend-go 51",
)
def test_a_mail_has_a_date_and_an_id_without_which_gmail_takes_none() -> None:
    with receiving_mail() as port:
        mail(port)
        mail(port)
    first, second = (
        message_from_bytes(one, EmailMessage, policy=policy.default) for one in Inbox.mails
    )
    assert re.fullmatch(r"<[!-;=?-~]+@shop\.example>", first["Message-ID"])
    assert first["Message-ID"] != second["Message-ID"]
    assert parsedate_to_datetime(first["Date"])


@replays(124, "chatmail/core 1847", "passbolt/passbolt_docker 132", "bitwarden/server 4062")
def test_a_server_is_greeted_by_no_name_of_a_container() -> None:
    with receiving_mail() as port:
        mail(port)
    [greeting] = {line for line in Inbox.lines if line.lower().startswith(b"ehlo")}
    assert greeting == b"ehlo [127.0.0.1]\r\n"


@replays(125, "python/cpython 73936", "goauthentik/authentik 4535", "mealie-recipes/mealie 8397")
def test_a_password_with_an_umlaut_goes_as_utf_8(
    signing_in: Callable[[bytes, str], bytes],
) -> None:
    line = signing_in(b"PLAIN LOGIN", "Käse€")
    assert b64decode(line.split()[2]).decode() == "\0box\0Käse€"


@replays(127, "kolide/fleet 1988", "nhost/hasura-auth 612")
def test_a_server_that_knows_login_alone_is_signed_in_to(
    signing_in: Callable[[bytes, str], bytes],
) -> None:
    assert signing_in(b"LOGIN XOAUTH2", "secret-word").split()[1] == b"LOGIN"


@replays(126, "matrix-org/sydent 596", "inverse-inc/packetfence 5380", "marlam/msmtp 145")
def test_no_line_of_a_mail_ends_by_one_sign_alone() -> None:
    with receiving_mail() as port:
        mail(port, "one\ntwo\rthree\r\nfour\n.\n..five")
    [sent] = Inbox.mails
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", sent)
