"""The certificate that a server shows: checked before the start, and read again when its files change."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from regulars.errors import OperatorError

_log = logging.getLogger(__name__)

_FileStates = list[tuple[int, int, int]]


class Certificate:
    """A chain and its key, both in PEM. `context` takes part in handshakes, by TLS 1.2 or newer.

    Raises OperatorError if the files cannot be used.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        self._known_state = self._read_state()
        self.context = self._load_context()

    def renew(self) -> None:
        """Take the files again if they have changed. If those cannot be used, say so once and keep the ones in use.

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
            self._load_context()  # first apart: a chain whose key does not fit would spoil the context
            self.context.load_cert_chain(self._chain, self._key, _refuse_passphrase)
            _log.info("the certificate %s was read again", self._chain)
        except (OperatorError, OSError) as error:
            _log.warning("the former certificate is kept: %s", error)

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
            raise OperatorError(f"{self._key} is locked by a passphrase: `openssl pkey` writes one without") from error
        except ssl.SSLError as error:
            foreign = error.reason == "KEY_VALUES_MISMATCH"
            why = "the key is another certificate's" if foreign else "one of them is not PEM"
            raise OperatorError(f"{self._chain} and {self._key} are no certificate and its key: {why}") from error
        return context


class _Locked(Exception):
    """Error: the key wants a passphrase, and nobody is there to type it."""


def _refuse_passphrase() -> str:
    raise _Locked
