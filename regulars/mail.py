"""The mail server of a box, and sending by it."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput, Unusable
from chalicelib.domain.setting import setting
from chalicelib.settings import SettingError
from chalicelib.storage.ports import ComeBackLater, TooMany
from regulars.errors import OperatorError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_log = logging.getLogger(__name__)
_TIMEOUT_S = 30
"""Time that each step of the mail server may take, before the mail itself."""
_TAKEN_S = 300
"""Time in which a server says whether it took the mail itself. It may look for viruses meanwhile
(RFC 5321, 4.5.3.2.6), and who does not wait sends the mail twice."""
_REPLIES_S, _REPLIES_BYTES = 120.0, 65_536
"""How long all replies of a server may take, before TLS, within it and before the mail itself, and
how much they may be."""
_GOODBYE_S = 5
"""Time in which a server may answer the goodbye, which changes nothing any more."""
_LATER_S = 300.0
"""Wait after a mail that is refused for the moment: what greylisting asks for mostly."""
_AT_ONCE = 8
"""Mails that may be under way. A server that takes minutes for each would else hold all threads by
which every tenant's hooks are posted to."""
_WAITED_S, _FULL_S = 1.0, 30.0
"""Wait for a place among them, and until one comes again that got none."""
_SIGNED_IN = 235
_OWN_NAME = "[127.0.0.1]"
"""Name by which servers are greeted, as mail programs of people do (RFC 5321, 4.1.3). They refuse
the name of a container, of a box in a shop, and `localhost`."""
_TLS_PORT = 465
"""The port on which the server speaks TLS from the first byte on (RFC 8314)."""


class MailSettings(Struct, frozen=True):
    """The server that sends mail.

    The password stands in a file, for no command line and no environment.
    """

    smtp_host: str | None = setting(
        None, "mail server for `regulars report` and for messages to phones"
    )
    smtp_port: int = setting(
        587, "its port; 465 speaks TLS from the first byte, others change to it", 1, 65_535
    )
    smtp_user: str | None = setting(None, "user of the mail server; needs smtp_password_file")
    smtp_password_file: Path | None = setting(
        None, "file with that user's password, and nothing else", read=Path
    )
    smtp_from: str | None = setting(None, "address that mail is sent from", nothing="smtp_user")

    @property
    def sender(self) -> str | None:
        """Return the address that mail is sent from; None: none is set."""
        return self.smtp_from or self.smtp_user

    def __post_init__(self) -> None:
        if (self.smtp_user is None) != (self.smtp_password_file is None):
            raise SettingError("smtp_user and smtp_password_file are given together")


class Replies:
    """Replies of a mail server, for smtplib: it would wait for ever for one that trickles, or has
    no last line."""

    def __init__(
        self,
        line: socket.socket,
        now: Callable[[], float] = time.monotonic,
        most_s: float = _REPLIES_S,
    ) -> None:
        self._line, self._now, self._most_s = line, now, most_s
        self._until = now() + most_s
        self._received, self._count = b"", 0

    def readline(self, most: int) -> bytes:
        """Return a line, or `most` bytes of one; b"": there are no more. Raises OSError."""
        while b"\n" not in self._received[:most] and len(self._received) < most:
            if self._now() > self._until:
                raise TimeoutError(f"its replies were not whole after {self._most_s:.0f} s")
            if not (data := self._line.recv(4_096)):
                break
            self._received += data
        line = self._received[: (self._received.find(b"\n") + 1 or len(self._received))][:most]
        self._received = self._received[len(line) :]
        self._count += len(line)
        if self._count > _REPLIES_BYTES:
            raise OSError(f"its replies have more than {_REPLIES_BYTES} bytes")
        return line

    def close(self) -> None:
        self._received = b""


class _Server(smtplib.SMTP):
    """A connection whose replies end in time."""

    replies_s, taken_s, goodbye_s = _REPLIES_S, _TAKEN_S, _GOODBYE_S

    def login(
        self, user: str, password: str, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Sign in. A password with an umlaut goes by PLAIN, in UTF-8 (RFC 4616): smtplib has ASCII
        alone.

        Raises SMTPException.
        """
        if (user + password).isascii():
            return super().login(user, password, initial_response_ok=initial_response_ok)
        self.ehlo_or_helo_if_needed()
        secret = b64encode(f"\0{user}\0{password}".encode()).decode()
        code, said = self.docmd("AUTH", f"PLAIN {secret}")
        if code != _SIGNED_IN:
            raise smtplib.SMTPAuthenticationError(code, said)
        return code, said

    def data(self, msg: ReadableBuffer | str) -> tuple[int, bytes]:
        self._wait_at_most(self.taken_s)
        return super().data(msg)

    def __exit__(self, *_error: object) -> None:
        # what it answers changes nothing: it has taken the mail, or an error says that it has not
        with suppress(smtplib.SMTPException, OSError):
            self._wait_at_most(self.goodbye_s)
            self.quit()
        self.close()

    def _wait_at_most(self, most_s: float) -> None:
        """Give the replies that follow their own time, whatever those before have taken."""
        if self.sock is not None:
            self.sock.settimeout(most_s)
            self.file = Replies(self.sock, most_s=most_s)

    def getreply(self) -> tuple[int, bytes]:
        # also after STARTTLS: what came in the clear is no reply
        if self.file is None and self.sock is not None:
            self.file = Replies(self.sock, most_s=self.replies_s)
        return super().getreply()


class _TlsServer(_Server, smtplib.SMTP_SSL):
    pass


def send_mail(message: EmailMessage, mail: MailSettings, timeout_s: float = _TIMEOUT_S) -> None:
    """Send a mail. A password goes over TLS only, to a server whose certificate is good.

    `timeout_s`: time that each step before the mail itself may take.

    It has a date and an id: Gmail refuses mails without, and not every server adds them. Raises
    OperatorError, also if the server takes it for some of its receivers alone.
    """
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=str(message["From"]).rpartition("@")[2].strip("> "))
    host, port = mail.smtp_host or "", mail.smtp_port
    tls = ssl.create_default_context()  # smtplib's own verifies nothing
    connect = partial(_TlsServer, context=tls) if port == _TLS_PORT else _Server
    try:
        with connect(host, port, _OWN_NAME, timeout=timeout_s) as server:
            if port != _TLS_PORT:
                with suppress(*([smtplib.SMTPNotSupportedError] if mail.smtp_user is None else [])):
                    server.starttls(context=tls)
            if mail.smtp_user is not None and mail.smtp_password_file is not None:
                server.login(mail.smtp_user, mail.smtp_password_file.read_text("utf-8").strip())
            refused = server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise OperatorError(f"the mail was not sent by {host}:{port}: {error}") from error
    if refused:
        told = ", ".join(refused)
        raise OperatorError(f"the mail was sent by {host}:{port}, but not to {told}: {refused}")


def _is_for_later(error: BaseException | None) -> bool:
    """Tell whether a server refused a mail for now (RFC 5321, 4.2.1), as greylisting does."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    else:
        codes = [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []
    return bool(codes) and all(400 <= code < 500 for code in codes)


class SmtpMailer:
    """The Mailer port. `mail` names a server and a sender."""

    def __init__(self, mail: MailSettings) -> None:
        self._mail = mail
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def mail(self, to: str, subject: str, text: str, picture: bytes | None = None) -> None:
        """Send a mail to one address, with a JPEG if there is one.

        Raises InvalidInput if it can be no mail, TooMany if as many are under way as may be, and
        Unusable if it was not sent.
        """
        letter = self._write_letter(to, subject, text, picture)
        if not self._places.acquire(timeout=_WAITED_S):
            slow = f"the box's mail server is slow: {_AT_ONCE} mails are under way"
            raise TooMany(slow, _FULL_S)
        try:
            self._send(letter, to)
        finally:
            self._places.release()

    def _send(self, letter: EmailMessage, to: str) -> None:
        """Send a mail. Raises Unusable."""
        try:
            send_mail(letter, self._mail)
        except OperatorError as error:
            # no log has an address of mail
            _log.warning("%s", str(error).replace(to, to.rpartition("@")[2]))
            if _is_for_later(error.__cause__):
                said = "the box's mail server takes it later"
                raise ComeBackLater(said, _LATER_S) from error
            raise Unusable("the box's mail server did not take it") from error

    def _write_letter(
        self, to: str, subject: str, text: str, picture: bytes | None
    ) -> EmailMessage:
        """Make the mail, as the sender of the settings.

        Raises InvalidInput if a header cannot have such a text.
        """
        letter = EmailMessage()
        try:
            letter["From"], letter["To"], letter["Subject"] = (
                self._mail.sender,
                to,
                make_header_text(subject),
            )
            letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
            letter.set_content(text)
            if picture is not None:
                letter.add_attachment(
                    picture, maintype="image", subtype="jpeg", filename="face.jpg"
                )
            letter.as_bytes()  # newer Pythons find here that a header would write another one
        except (ValueError, MessageError) as error:
            raise InvalidInput(f"no mail can be written of this: {error}") from error
        return letter


def make_header_text(text: str) -> str:
    """Return the text for a header.

    EmailMessage decodes RFC 2047's words in it, and a decoded line break ends it.
    """
    return text.replace("=?", "= ?")


def make_mailer(mail: MailSettings) -> SmtpMailer | None:
    """Make the mailer of a box; None: its settings name no server, or no sender."""
    return SmtpMailer(mail) if mail.smtp_host and mail.sender else None
