"""The mail server of a box, and sending by it."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from msgspec import Struct

from chalicelib.book.words.setting import setting
from chalicelib.settings import SettingError
from regulars.errors import OperatorError

_TIMEOUT_S, _TLS_PORT = 30, 465


class MailSettings(Struct, frozen=True):
    """The server that sends reports. The password stands in a file, for no command line and no environment."""

    smtp_host: str | None = setting(None, "mail server for `regulars report`")
    smtp_port: int = setting(587, "its port; 465 speaks TLS from the first byte, others change to it", 1, 65_535)
    smtp_user: str | None = setting(None, "user of the mail server; needs smtp_password_file")
    smtp_password_file: Path | None = setting(None, "file with that user's password, and nothing else", read=Path)
    smtp_from: str | None = setting(None, "address that reports are sent from", nothing="smtp_user")

    def __post_init__(self) -> None:
        if (self.smtp_user is None) != (self.smtp_password_file is None):
            raise SettingError("smtp_user and smtp_password_file are given together")


def send(message: EmailMessage, mail: MailSettings) -> None:
    """Send a mail. A password goes over TLS only, to a server whose certificate is good. Raises OperatorError."""
    host, port = mail.smtp_host or "", mail.smtp_port
    tls = ssl.create_default_context()  # smtplib's own verifies nothing
    begun = partial(smtplib.SMTP_SSL, context=tls) if port == _TLS_PORT else smtplib.SMTP
    try:
        with begun(host, port, timeout=_TIMEOUT_S) as server:
            if port != _TLS_PORT:
                with suppress(*([smtplib.SMTPNotSupportedError] if mail.smtp_user is None else [])):
                    server.starttls(context=tls)
            if mail.smtp_user is not None and mail.smtp_password_file is not None:
                server.login(mail.smtp_user, mail.smtp_password_file.read_text("utf-8").strip())
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise OperatorError(f"the report was not sent by {host}:{port}: {error}") from error
