"""The least of a mail server, on this machine."""

import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class Inbox(socketserver.StreamRequestHandler):
    """The least of a mail server: it takes what it is given, and offers TLS and passwords only if
    it has `tls`."""

    mails: ClassVar[list[bytes]] = []
    heard: ClassVar[list[bytes]] = []
    lines: ClassVar[list[bytes]] = []
    ways: ClassVar[bytes] = b"PLAIN"
    """The ways to sign in that it names."""
    tls: ClassVar[ssl.SSLContext | None] = None
    receiver: ClassVar[bytes] = b""
    """The answer to RCPT; b"": the receiver is known."""
    unknown: ClassVar[bytes] = b""
    """A receiver whom it does not know."""
    looks_s: ClassVar[float] = 0.0
    """How long it looks at a mail until it says that it took it."""
    goodbye: ClassVar[bytes] = b"221 bye\r\n"
    password: ClassVar[bytes] = b""
    """The answer to a password; b"": it is right."""

    def handle(self) -> None:
        self.connection.sendall(b"220 here\r\n")
        while line := self.rfile.readline():
            word, answer = line[:4].upper(), b"250 taken\r\n"
            self.heard.append(word)
            self.lines.append(line)
            if word == b"RCPT" and self.receiver:
                answer = self.receiver
            elif word == b"RCPT" and self.unknown and self.unknown in line:
                answer = b"550 nobody is called so\r\n"
            elif word == b"DATA":
                self.connection.sendall(b"354 go on\r\n")
                self.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                time.sleep(self.looks_s)
            elif word == b"EHLO" and self.tls is not None:
                answer = b"250-here\r\n250-AUTH %s\r\n250 STARTTLS\r\n" % self.ways
            self.connection.sendall(
                {
                    b"QUIT": self.goodbye,
                    b"AUTH": self.password or b"235 right\r\n",
                    b"STAR": b"220 go on\r\n",
                }.get(word, answer)
            )
            if word == b"STAR" and self.tls is not None:
                try:
                    self.connection = self.tls.wrap_socket(self.connection, server_side=True)
                except ssl.SSLError:
                    return
                self.rfile = self.connection.makefile("rb")

    def finish(self) -> None:
        super().finish()
        self.connection.close()


@contextmanager
def receiving_mail(receiver: bytes = b"", handler: type[Inbox] = Inbox) -> Iterator[int]:
    """Take mails into `Inbox.mails`; yield the port. `receiver`: the answer to RCPT."""
    Inbox.receiver = receiver
    Inbox.mails.clear()
    Inbox.heard.clear()
    Inbox.lines.clear()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
