"""Tells systemd how it goes (sd_notify(3)): a datagram to the socket that it names. Without one, does nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Systemd:
    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        period = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(period) / 1e6 / 2 if period.isdigit() and ours else None
        """How often the watchdog wants to hear of us, with room to spare; None: there is none."""

    @property
    def listens(self) -> bool:
        return bool(self._address)

    def ready(self) -> None:
        self._send("READY=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self, status: str) -> None:
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto(text.encode(), self._address)
        except OSError:
            pass  # systemd will act on the silence
