"""A machine whose process 1 is systemd, on a copy of this machine's files: machine.sh boots it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.box import until
from testing.needs import needed

SCRIPT = Path(__file__).with_suffix(".sh")
UNSHARE = ["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child"]


class Machine:
    """The machine, from its boot to `stop`.

    It skips the test without systemd, or if this is not root.
    """

    def __init__(self, folder: Path) -> None:
        needed("systemd-analyze")
        if (
            os.geteuid()
            or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
        ):
            pytest.skip("needs root, who may make namespaces")
        self._log = folder / "machine.log"
        with self._log.open("w") as log:
            command = [*UNSHARE, "bash", SCRIPT, folder, sys.base_prefix]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(
            lambda: self._process.poll() is not None or self._is_running(), said=self._log.read_text
        )
        assert self._process.poll() is None, self._log.read_text()

    @property
    def root(self) -> Path:
        """The machine's files, as they are seen from here."""
        return Path(f"/proc/{self._first()}/root")

    def call(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command there, as root."""
        inside = [
            "nsenter",
            "--target",
            self._first(),
            "--mount",
            "--pid",
            "--cgroup",
            "--uts",
            "--ipc",
        ]
        done = subprocess.run(
            [*inside, *map(str, words)], capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, (
            f"{words}: {done.stdout}{done.stderr}{self.journal()}{self._log.read_text()[-3_000:]}"
        )
        return done

    def journal(self) -> str:
        return self.call("journalctl", "--no-pager", "--lines=60", check=False).stdout

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _first(self) -> str:
        return self._children.read_text().split()[0]

    def _is_running(self) -> bool:
        return bool(self._children.read_text().split()) and (
            self.call("systemctl", "is-active", "machine.target", check=False).stdout.strip()
            == "active"
        )
