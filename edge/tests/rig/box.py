"""A box with the uploader: its configuration, and the commands on it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rig.real import Regulars
from rig.standin import StandIn
from rig.uploader import ENTRY


def until(true: Callable[[], object], seconds: float = 90.0, said: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not come true: {said()}"
        time.sleep(0.05)


class Box:
    """A folder with a configuration, and the commands on it."""

    def __init__(self, folder: Path, service: StandIn | Regulars) -> None:
        self.folder = folder
        self.key_file = folder / "key"
        self.key_file.write_text(service.key)
        self.key_file.chmod(0o600)
        self.toml = folder / "edge.toml"
        self._head = f"""
            [server]
            url = "{service.url}"
            api_key_file = "{self.key_file}"
            make_cameras = true
            heartbeat_s = 0.2
            [spool]
            folder = "{folder / "spool"}"
            min_free_mib = 1
        """
        self.running: subprocess.Popen[str] | None = None

    def configure(self, cameras: str, more: str = "[metrics]\nport = 0\n") -> None:
        self.toml.write_text(self._head + more + cameras)

    def start(
        self, env: Mapping[str, str] | None = None, entry: Sequence[str | Path] = (ENTRY,)
    ) -> None:
        with (self.folder / "run.log").open("w") as log:
            self.running = subprocess.Popen(
                [*entry, "run", "--config", str(self.toml)],
                stderr=log,
                text=True,
                env={**os.environ, **(env or {})},
            )

    def stop(self) -> int:
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(timeout=120)

    def kill(self) -> None:
        """End what runs, if it does."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()

    def log(self) -> str:
        return (self.folder / "run.log").read_text()

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ENTRY, *argv, "--config", str(self.toml)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


BARE_SNAPSHOT = """
    [[camera]]
    name = "door"
    source = "snapshot"
    url = "http://admin:p%40ss%20word@{host}/shot.jpg"
"""
SNAPSHOT = f"""{BARE_SNAPSHOT}
    interval_s = 0.1
    per_minute = 600
"""
