"""The one-box server as a process that a test may kill."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from chalicelib.domain.model import Credentials, Profile
from regulars.clients import Connection
from tests.support.api.over_http import Sunmi


class Server:
    """`regulars serve` on a data folder; `kill` is -9."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.log = data.parent / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "regulars",
                    "serve",
                    "--port",
                    "0",
                    "--data",
                    str(data),
                    *options,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready http"), self.log.read_text()
        self.url = ready.removeprefix("ready ").strip()

    def credentials(self, tenant: str) -> Credentials:
        rows = json.loads((self.data / "credentials.json").read_text())
        row = next(row for row in rows if row["tenant"] == tenant)
        return Credentials(**{**row, "profile": Profile(row["profile"])})

    def client(self) -> Sunmi:
        return Sunmi(Connection(self.url), self.credentials("shop"))

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(timeout=120)
        self.process.stdout.close()
        return code
