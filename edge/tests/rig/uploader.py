"""The uploader as processes that a test may kill."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ENTRY = Path(sys.executable).with_name("regulars-edge")


def environment(key: str, spool: Path) -> dict[str, str]:
    return {"REGULARS_API_KEY": key, "REGULARS_EDGE_SPOOL": str(spool)}


def upload(
    folder: Path, url: str, key: str, spool: Path, *more: str, camera: str = "door"
) -> subprocess.CompletedProcess[str]:
    """Send a folder's pictures."""
    argv = ["upload", str(folder), "--url", url, "--camera", camera, "--no-progress", *more]
    return called(*argv, key=key, spool=spool)


def called(*argv: str, key: str, spool: Path) -> subprocess.CompletedProcess[str]:
    """The installed command itself, to its end."""
    return subprocess.run(
        [ENTRY, *argv],
        env={**os.environ, **environment(key, spool)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Zygote:
    """Starts commands fast (rig/zygote.py)."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def start(self, argv: Sequence[str], env: Mapping[str, str], *, hails: bool = False) -> int:
        """The pid of a new process that runs `regulars-edge` with these arguments.

        `hails`: whether it sends itself signals to stop (rig/hail.py).
        """
        command = {"argv": list(argv), "env": dict(env), "log": str(self.log), "hails": hails}
        return int(self._ask(command))

    def killed_after(self, argv: Sequence[str], env: Mapping[str, str], seconds: float) -> int:
        """Start, wait, kill -9; how it ended: -9, or its exit code where it was done before."""
        pid = self.start(argv, env)
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it was done before
            os.kill(pid, signal.SIGKILL)
        return self.ended()

    def ended(self) -> int:
        return int(self._process.stdout.readline())

    def _ask(self, command: Mapping[str, object]) -> str:
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
