"""Stand-in for systemd with regulars-edge.service: systemd.service(5), Type=notify, as far as an
update meets it.

It runs the command, and again if that fails, but with exit code 2. `systemctl restart` waits until
the new process has said READY, and answers 1 if it ends before or never does; the unit goes on
trying then all the same.
"""

import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

PYTHON = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect({at!r}); "
    "sys.exit(int(s.recv(1) or b'1'))"
)


class Unit:
    """The unit, in a thread; `restart`: a program that does what `systemctl restart` does."""

    def __init__(
        self, folder: Path, command: Sequence[object], environment: dict[str, str], python: str
    ) -> None:
        self.start_s = 90.0
        self.stop_s = 30.0
        """TimeoutStartSec, TimeoutStopSec."""
        self._command = [str(word) for word in command]
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(folder / "notify"))
        self._environment = environment | {"NOTIFY_SOCKET": str(folder / "notify")}
        self._asked = socket.socket(socket.AF_UNIX)
        self._asked.bind(str(folder / "systemd"))
        self._asked.listen()
        self.restart = folder / "restart"
        self.restart.write_text(
            f'#!/bin/sh\nexec {python} -I -c "{PYTHON.format(at=str(folder / "systemd"))}"\n'
        )
        self.restart.chmod(0o700)
        self._log = (folder / "run.log").open("w")
        self._wish, self._over = threading.Event(), threading.Event()
        self._started = threading.Condition()
        self._starts, self._is_ready = 0, False
        self._process: subprocess.Popen[bytes] | None = None
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._turn, self._answer)
        ]
        for thread in self._threads:
            thread.start()

    def crash(self) -> None:
        """Let the process end as by a fault."""
        self._process.kill()

    def boot(self) -> None:
        """Let the process end as by a power cut; what is linked then runs."""
        self._again(signal.SIGKILL)

    def stop(self) -> None:
        self._over.set()
        self._end(signal.SIGTERM)
        self._asked.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        for one in (self._asked, self._notified, self._log):
            one.close()

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)
            late = threading.Timer(self.stop_s, process.kill)
            late.daemon = True
            late.start()
        self._wish.set()

    def _again(self, number: signal.Signals) -> bool:
        """End the process, wait for the next start, and return whether that said READY."""
        with self._started:
            next_start = self._starts + 1
            self._end(number)
            self._started.wait_for(lambda: self._starts >= next_start or self._over.is_set())
            return self._is_ready

    def _answer(self) -> None:
        while not self._over.is_set():
            try:
                asked, _ = self._asked.accept()
            except OSError:
                return
            with asked:
                asked.sendall(b"0" if self._again(signal.SIGTERM) else b"1")

    def _turn(self) -> None:
        while not self._over.is_set():
            self._wish.clear()
            code = self._start()
            if code in (0, 2) and not self._wish.is_set():
                self._wish.wait()  # RestartPreventExitStatus: until somebody starts it
            self._over.wait(0.2)

    def _start(self) -> int:
        try:
            self._process = subprocess.Popen(self._command, stderr=self._log, env=self._environment)
        except OSError:
            self._tell(is_ready=False)
            return 203
        self._tell(is_ready=self._says_ready(self._process))
        return self._process.wait()

    def _says_ready(self, process: subprocess.Popen[bytes]) -> bool:
        self._notified.settimeout(0.1)
        for _ in range(round(self.start_s / 0.1)):
            try:
                if self._notified.recv(4096).startswith(b"READY=1") and process.poll() is None:
                    return True
            except TimeoutError:
                pass
            if process.poll() is not None:
                return False
        process.kill()
        return False

    def _tell(self, *, is_ready: bool) -> None:
        with self._started:
            self._starts, self._is_ready = self._starts + 1, is_ready
            self._started.notify_all()
