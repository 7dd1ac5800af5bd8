"""The server's certificate: checked before the start, read again when its files change, its expiry
reported."""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

from cryptography import x509

from regulars.errors import OperatorError

_log = logging.getLogger(__name__)

SOON_DAYS = 14
"""Days before a certificate ends from which on that is told."""

_FileStates = list[tuple[int, int, int]]


class Certificate:
    """A chain and its key, both in PEM. `context` takes part in handshakes, by TLS 1.2 or newer.

    Raises OperatorError if the files cannot be used.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        self._known_state = self._read_state()
        self.context = self._load_context()
        self._ends_at = self._read_end()
        self._told_on: date | None = None

    def renew(self) -> None:
        """Take the files again if they have changed.

        If those cannot be used, say so once and keep the ones in use.

        Handshakes from then on see the new certificate; connections that are open stay.
        """
        try:
            state = self._read_state()
        except OperatorError:
            return  # in the middle of an exchange: one of them is away
        if state == self._known_state:
            return
        self._known_state = state
        try:
            # first apart: a chain whose key does not fit would spoil the context
            self._load_context()
            self.context.load_cert_chain(self._chain, self._key, _refuse_passphrase)
            self._ends_at, self._told_on = self._read_end(), None
            _log.info("the certificate %s was read again", self._chain)
        except (OperatorError, OSError) as error:
            _log.warning("the former certificate is kept: %s", error)

    def tell_end(self, now: datetime) -> None:
        """Log, once a day, that the certificate ends soon, or that clients refuse it."""
        if (
            self._ends_at is None
            or (self._ends_at - now).days >= SOON_DAYS
            or self._told_on == now.date()
        ):
            return
        self._told_on = now.date()
        if self._ends_at <= now:
            what = f"has ended at {self._ends_at:%Y-%m-%d}, so clients refuse it"
        else:
            what = f"ends in {(self._ends_at - now).days} days, at {self._ends_at:%Y-%m-%d}"
        _log.warning(
            "the certificate %s %s: renew it; new files are taken without a restart",
            self._chain,
            what,
        )

    def _read_end(self) -> datetime | None:
        """Return when the certificate ends; None: only OpenSSL can read it."""
        with suppress(OSError, ValueError):
            return x509.load_pem_x509_certificate(self._chain.read_bytes()).not_valid_after_utc
        return None

    def _read_state(self) -> _FileStates:
        """Return what tells that a file was written or exchanged: its time, size and inode."""
        try:
            stats = [path.stat() for path in (self._chain, self._key)]
        except OSError as error:
            raise OperatorError(f"{error.filename} cannot be read: {error.strerror}") from error
        return [(stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats]

    def _load_context(self) -> ssl.SSLContext:
        """Make a TLS context of the files. Raises OperatorError if they cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._chain, self._key, _refuse_passphrase)
        except _Locked as error:
            raise OperatorError(
                f"{self._key} has a passphrase: remove it with `openssl pkey`"
            ) from error
        except ssl.SSLError as error:
            foreign = error.reason == "KEY_VALUES_MISMATCH"
            why = "the key is another certificate's" if foreign else "one of them is not PEM"
            raise OperatorError(
                f"{self._chain} and {self._key} are not a certificate and its key: {why}"
            ) from error
        return context


class _Locked(Exception):
    """Error: the key wants a passphrase, and nobody is there to type it."""


def _refuse_passphrase() -> str:
    raise _Locked
