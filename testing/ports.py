"""Ports on this machine for servers that are started later, or again."""

import secrets
import socket

FIRST, AFTER = 20_000, 32_000
"""Below the ports that systems give to those who ask for any: else a connection may take it
meanwhile."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    while True:
        port = FIRST + secrets.randbelow(AFTER - FIRST)
        with socket.socket() as free:
            if free.connect_ex(("127.0.0.1", port)) != 0:
                return port
