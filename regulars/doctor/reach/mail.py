"""The mail server: it is given a mail to the address that mail is sent from."""

from __future__ import annotations

import smtplib
import ssl
import sys
from collections.abc import Iterator

from chalicelib.domain.errors import RegularsError
from chalicelib.storage.ports import ComeBackLater
from regulars.doctor.reach.asking import NotSetUp, Reach, find_cause, say_unsent
from regulars.findings import Finding, failed, warning, well
from regulars.mail import make_mailer

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "set `smtp_user` and `smtp_password_file` anew"),
    (smtplib.SMTPSenderRefused, "set `smtp_from` to an address that this user may send from"),
    (smtplib.SMTPRecipientsRefused, "set `smtp_from` to an address that has a mailbox"),
    (smtplib.SMTPNotSupportedError, "it has no TLS or no sign-in at this port: set `smtp_port`"),
    (ssl.SSLCertVerificationError, "set `smtp_host` to a name that its certificate has"),
    (ssl.SSLError, "it speaks no TLS there: `smtp_port` 465 is TLS from the first byte"),
    (smtplib.SMTPServerDisconnected, "it hangs up: set `smtp_port`, and see its log"),
    (smtplib.SMTPException, "see its log"),
    (TimeoutError, "set `smtp_host` and `smtp_port`; a firewall may be between"),
    (OSError, "set `smtp_host` and `smtp_port`; see that it runs, and the password's file"),
)
"""Remedies by the trouble: the first that fits."""


def ask_mail(reach: Reach) -> Iterator[Finding]:
    """Mail the sender's own address by the server of the settings."""
    mailer, mail = make_mailer(reach.mail), reach.mail
    if mailer is None or mail.sender is None:
        raise NotSetUp("set `smtp_host` and `smtp_from`")
    sent = f"a mail from {mail.smtp_host}:{mail.smtp_port} to its own sender"
    if not reach.agree([sent]):
        yield say_unsent("mail", sent)
        return
    print(f"{sent} may take five minutes: its server may look at it so long", file=sys.stderr)
    text = "Regulars tries whether mail arrives: there is nothing to do.\n"
    try:
        mailer.mail(mail.sender, "Regulars: a trial", text)
    except ComeBackLater as error:
        yield warning("mail", f"{sent}: {error}. Ask again in some minutes")
    except RegularsError as error:
        yield failed("mail", f"{sent}: {_explain(error)}")
    else:
        yield well("mail", f"{sent} was taken: see that it lies in that mailbox")


def _explain(error: BaseException) -> str:
    """Say what went wrong at the bottom, and what to do. No address of mail is repeated."""
    cause = find_cause(error)
    code = f" {cause.smtp_code}" if isinstance(cause, smtplib.SMTPResponseException) else ""
    remedy = next((text for kind, text in _REMEDIES if isinstance(cause, kind)), str(error))
    return f"{type(cause).__name__}{code}: {remedy}"
