"""The one-box server as a process that a test may kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from chalicelib import bootstrap
from chalicelib.domain.model import Credentials, Profile
from chalicelib.settings import Settings
from regulars.clients import Connection
from tests.support.api.over_http import Sunmi
from tests.support.book.tenants import CHOICE


class Server:
    """`regulars serve` on a data folder; `kill` is -9. The shop of a new one keeps strangers."""

    def __init__(
        self,
        data: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        is_new = not data.exists()
        self.data = data
        self.log = data.parent / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *python,
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
                env=environ,
            )
        ready = self.process.stdout.readline()
        assert ready.startswith("ready http"), self.log.read_text()
        self.url = ready.removeprefix("ready ").strip()
        if is_new and not options:
            with closing(bootstrap.build(Settings(storage=data))) as services:
                services.tenants.change_settings("shop", CHOICE)

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
